//! `--debug-headers`: replies describe how their request was routed, only with this flag.

use crate::support::origin::Origin;
use crate::support::{Answer, Balancer};

const BOASTING: &str = "HTTP/1.1 200 OK\r\nX-LB-Replica: me\r\nX-LB-Slot: 1\r\nX-LB-Slot: 2\r\nServer-Timing: db;dur=5\r\nContent-Length: 2\r\n\r\nok";

fn get(lb: &Balancer, key: &str) -> Answer {
    lb.call("GET", "/", &[("X-Request-Id", key)], b"")
}

#[test]
fn debug_headers_are_added_to_the_replicas_reply() {
    let origin = Origin::replying(BOASTING);
    let lb = Origin::balanced(&[&origin], &["--debug-headers"]);
    let reply = get(&lb, "alice");
    assert_eq!(reply.header("x-lb-replica"), ["o0"]);
    assert_eq!(reply.header("x-lb-slot"), [lb.explain("alice")["slot"].to_string()]);
    assert_eq!(reply.header("x-lb-attempts"), ["1"]);
    assert_eq!(reply.header("x-lb-epoch"), [lb.state()["epoch"].to_string()]);
    let timing = reply.header("server-timing");
    assert_eq!((timing.len(), timing[0]), (2, "db;dur=5"), "{timing:?}");
    let times: Vec<_> = timing[1].split(", ").map(|entry| entry.split_once(";dur=").unwrap()).collect();
    assert_eq!((times[0].0, times[1].0), ("lb", "replica"));
    assert!(times.iter().all(|(_, ms)| ms.parse::<f64>().unwrap() >= 0.0), "{timing:?}");
}

#[test]
fn failures_have_the_known_debug_headers() {
    let mut origin = Origin::replying(BOASTING);
    let lb = Origin::balanced(&[&origin], &["--debug-headers"]);
    let own = lb.get("/rep");
    assert!(own.header("x-lb-slot").is_empty() && own.header("server-timing").is_empty(), "{own:?}");
    origin.refuse();
    let failed = get(&lb, "alice");
    assert_eq!(
        (failed.status, failed.header("x-lb-replica"), failed.header("x-lb-attempts")),
        (502, vec!["o0"], vec!["1"])
    );
    assert_eq!(failed.header("x-lb-slot"), [lb.explain("alice")["slot"].to_string()]);
    assert!(failed.header("server-timing").is_empty(), "without a reply there is no timing: {failed:?}");
}

#[test]
fn without_a_replica_no_replica_is_named() {
    let mut origin = Origin::replying(BOASTING);
    let upstream = origin.address.to_string();
    origin.refuse();
    let lb = Balancer::launch(&["--runtime", "static", "--upstream", &upstream, "--debug-headers"]);
    let refused = get(&lb, "alice");
    assert_eq!(
        (refused.status, refused.header("x-lb-attempts"), refused.header("x-lb-replica").len()),
        (503, vec!["0"], 0)
    );
}

#[test]
fn by_default_there_are_no_debug_headers() {
    let origin = Origin::replying(BOASTING);
    let lb = Origin::balanced(&[&origin], &[]);
    let reply = get(&lb, "alice");
    assert_eq!((reply.header("x-lb-replica"), reply.header("x-lb-slot")), (vec!["me"], vec!["1", "2"]));
    assert_eq!(reply.header("server-timing"), ["db;dur=5"]);
    assert!(reply.header("x-lb-epoch").is_empty());
}
