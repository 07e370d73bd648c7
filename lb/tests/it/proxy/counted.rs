//! Every request is counted once, however it ends, by method and status and by the replica that answered.

use std::collections::BTreeMap;

use crate::support::origin::{OK, Origin};
use crate::support::wire::Wire;
use crate::support::{Balancer, call};

const HOST: &str = "HTTP/1.1\r\nHost: h\r\n";

/// The series of these names that are not 0.
fn series(lb: &Balancer, names: &[&str]) -> BTreeMap<String, u64> {
    let text = String::from_utf8(call(lb.admin, "GET", "/metrics", &[], b"").body).unwrap();
    let samples = text.lines().filter_map(|line| line.rsplit_once(' '));
    let wanted = samples.filter(|(series, _)| names.contains(&series.split('{').next().unwrap()));
    wanted
        .map(|(series, n)| (series.to_owned(), n.parse::<f64>().unwrap() as u64))
        .filter(|(_, n)| *n > 0)
        .collect()
}

/// Requests by method and class of status, in order.
fn requests(lb: &Balancer) -> Vec<(String, u64)> {
    let short = |series: String| series.replace("lb_requests_total", "").replace(['{', '}', '"'], "");
    series(lb, &["lb_requests_total"]).into_iter().map(|(series, n)| (short(series), n)).collect()
}

/// The sums of all requests: by method and status, and by replica.
fn totals(lb: &Balancer) -> (u64, u64) {
    let sum = |name: &str| series(lb, &[name]).values().sum();
    (sum("lb_requests_total"), sum("lb_replica_requests_total"))
}

/// Sends bytes, asserts the status of the reply, and waits for its end.
fn ends(lb: &Balancer, bytes: impl AsRef<[u8]>, status: u16) {
    let mut client = Wire::connect(lb.traffic);
    client.send(bytes);
    let reply = client.reply().unwrap_or_else(|| panic!("no reply for {status}"));
    assert_eq!(reply.status(), status, "{reply:?}");
}

/// A replica whose reply depends on the path.
fn origin() -> Origin {
    Origin::new(|peer| {
        loop {
            let request = peer.request()?;
            match request.line().split(' ').nth(1)? {
                "/cut" => {
                    peer.wire.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
                    return None;
                }
                "/break" => return None,
                "/silent" => return peer.wire.closed().then_some(()),
                "/missing" => peer.wire.send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
                "/odd" => peer.wire.send("HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n"),
                "/close" => {
                    peer.wire.send("HTTP/1.1 200 OK\r\n\r\nuntil the end");
                    return None;
                }
                _ => peer.wire.send(OK),
            };
        }
    })
}

#[test]
fn every_outcome_of_a_request_is_counted_once() {
    let origin = origin();
    let limits = ["--max-body=4", "--max-header-size=1KiB", "--client-head-timeout=300ms"];
    let more = ["--head-timeout=300ms", "--max-connections=64", "--client-idle-timeout=10m", "--workers=2"];
    let lb = Origin::balanced(&[&origin], &[limits.as_slice(), more.as_slice()].concat());
    assert_eq!(requests(&lb), []);

    // Refused before the request could be parsed.
    ends(&lb, "nonsense\r\n\r\n", 400);
    ends(&lb, format!("GET / {HOST}X: {}\r\n\r\n", "x".repeat(2000)), 431);
    ends(&lb, format!("GET /{} {HOST}\r\n", "x".repeat(9000)), 414);
    ends(&lb, "GET / HTTP/1.1\r\nHost:", 408);
    assert_eq!(requests(&lb), [("method=other,status=4xx".into(), 4)]);
    // Refused because of its content.
    ends(&lb, format!("POST / {HOST}Content-Length: 5\r\n\r\n"), 413);
    ends(&lb, format!("POST / {HOST}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), 413);
    ends(&lb, format!("GET / {HOST}Via: {}\r\n\r\n", ["1.1 lb"; 10].join(", ")), 508);
    // Answered by the balancer.
    ends(&lb, format!("GET /rep {HOST}\r\n"), 200);
    ends(&lb, format!("GET /heartbeat {HOST}\r\n"), 200);
    ends(&lb, format!("POST /add {HOST}Content-Length: 2\r\n\r\n{{}}"), 400);
    ends(&lb, format!("DELETE /rm {HOST}Content-Length: 2\r\n\r\n{{}}"), 400);
    // Answered by the replica, completely or not.
    ends(&lb, format!("PUT /missing {HOST}Content-Length: 1\r\n\r\nx"), 404);
    ends(&lb, format!("PATCH /odd {HOST}Content-Length: 0\r\n\r\n"), 999);
    ends(&lb, format!("OPTIONS /close {HOST}\r\n"), 200);
    ends(&lb, "GET / HTTP/1.0\r\n\r\n", 200);
    ends(&lb, format!("POST /break {HOST}Content-Length: 1\r\n\r\nx"), 502);
    ends(&lb, format!("POST /silent {HOST}Content-Length: 1\r\n\r\nx"), 504);
    let mut cut = Wire::connect(lb.traffic);
    cut.send(format!("GET /cut {HOST}\r\n"));
    assert!(cut.reply().is_none(), "the reply is cut short");
    let mut pipelined = Wire::connect(lb.traffic);
    pipelined.send(format!("GET / {HOST}\r\nGET /rep {HOST}\r\nGET / {HOST}\r\n"));
    assert!((0..3).all(|_| pipelined.reply().unwrap().status() == 200));
    let mut leaver = Wire::connect(lb.traffic);
    leaver.send(format!("GET /silent {HOST}\r\n"));
    lb.until("the request is in flight", |lb| series(lb, &["lb_requests_in_flight"]).len() == 1);
    leaver.reset();
    // A connection without a request is not counted.
    drop(Wire::connect(lb.traffic));

    let expected = [
        ("method=DELETE,status=4xx", 1),
        ("method=GET,status=2xx", 7),
        ("method=GET,status=5xx", 1),
        ("method=GET,status=none", 1),
        ("method=OPTIONS,status=2xx", 1),
        ("method=PATCH,status=5xx", 1),
        ("method=POST,status=4xx", 2),
        ("method=POST,status=5xx", 2),
        ("method=PUT,status=4xx", 1),
        ("method=other,status=4xx", 5),
    ];
    let expected = expected.map(|(series, n)| (series.to_owned(), n));
    let mut last = Vec::new();
    lb.until("all requests are counted", |lb| {
        last = requests(lb);
        last.iter().map(|(_, n)| n).sum::<u64>() >= expected.iter().map(|(_, n)| n).sum()
    });
    assert_eq!(last, expected);
    let (all, by_replica) = totals(&lb);
    assert_eq!(all, by_replica);
    let replica =
        |name: &str, status: &str| format!("lb_replica_{name}_total{{seat=\"1\",replica=\"o0\"{status}}}");
    let of_replica =
        series(&lb, &["lb_replica_requests_total", "lb_replica_attempts_total", "lb_replica_failures_total"]);
    let of = |series: String| of_replica.get(&series).copied().unwrap_or(0);
    let status = |class: &str| of(replica("requests", &format!(",status=\"{class}\"")));
    assert_eq!(
        (status("2xx"), status("4xx"), status("5xx"), status("none")),
        (5, 1, 1, 0),
        "{of_replica:#?}"
    );
    // The answered ones, the three failed ones, and the one whose body turned out too long.
    assert_eq!(of(replica("attempts", "")), 7 + 3 + 1, "{of_replica:#?}");
    assert_eq!(of(replica("failures", "")), 3, "broken, cut, silent: {of_replica:#?}");
}

#[test]
fn connections_beyond_the_limit_count_as_answered_by_the_balancer() {
    let origin = origin();
    let lb = Origin::balanced(&[&origin], &["--max-connections=1", "--workers=1"]);
    let mut first = Wire::connect(lb.traffic);
    first.send(format!("GET / {HOST}\r\n"));
    assert_eq!(first.reply().unwrap().status(), 200);
    ends(&lb, format!("GET / {HOST}\r\n"), 503);
    let connections = series(&lb, &["lb_connections_open", "lb_connections_max"]);
    assert_eq!(connections.into_values().collect::<Vec<_>>(), [1, 1]);
    drop(first);
    lb.until("there is room", |lb| series(lb, &["lb_connections_open"]).is_empty());
    assert_eq!(
        requests(&lb),
        [("method=GET,status=2xx".to_owned(), 1), ("method=other,status=5xx".to_owned(), 1)]
    );
    assert_eq!(totals(&lb), (2, 2));
}

#[test]
fn metrics_are_served_before_the_first_replica_and_during_shutdown() {
    let mut lb = Balancer::launch(&["--replica-command", "sleep 1000", "--replicas", "1"]);
    ends(&lb, format!("GET / {HOST}\r\n"), 503);
    assert_eq!(requests(&lb), [("method=GET,status=5xx".to_owned(), 1)]);
    let head = call(lb.admin, "HEAD", "/metrics", &[], b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
    lb.signal(rustix::process::Signal::TERM);
    assert_eq!(lb.ended().code(), Some(0));

    let origin = origin();
    let mut lb = Origin::balanced(&[&origin], &["--drain=10m", "--head-timeout=10m"]);
    let mut client = Wire::connect(lb.traffic);
    client.send(format!("GET /silent {HOST}\r\n"));
    lb.until("the request is in flight", |lb| series(lb, &["lb_requests_in_flight"]).len() == 1);
    lb.signal(rustix::process::Signal::TERM);
    lb.wait_for("stopping");
    assert_eq!(series(&lb, &["lb_requests_in_flight"])["lb_requests_in_flight"], 1);
    drop(client);
    assert_eq!(lb.ended().code(), Some(0));
}
