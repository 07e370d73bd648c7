//! Limits of the balancer: what is refused, with which response, and without effect on other clients.

use std::process::Command;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::origin::{OK, Origin};
use crate::support::wire::{Message, Wire};
use crate::support::{Balancer, until};

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

fn get(lb: &Balancer) -> Message {
    let mut client = Wire::connect(lb.traffic);
    client.send(GET);
    client.reply().unwrap()
}

/// A replica that does not answer until its peer closes.
fn silent() -> Origin {
    Origin::new(|peer| {
        peer.request()?;
        peer.wire.closed().then_some(())
    })
}

#[test]
fn requests_beyond_max_in_flight_get_503() {
    let origin = silent();
    let lb = Origin::balanced(&[&origin], &["--workers", "1", "--max-in-flight", "2"]);
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            let mut client = Wire::connect(lb.traffic);
            client.send(GET);
            origin.next();
            client
        })
        .collect();
    let refused = get(&lb);
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.text(), r#"{"message":"<Error> too many requests in flight","status":"failure"}"#);
    drop(waiting);
    lb.until("nothing is in flight", |lb| lb.replicas()[0]["in_flight"] == 0);
    let mut again = Wire::connect(lb.traffic);
    again.send(GET);
    origin.next();
}

#[test]
fn at_the_limit_the_oldest_silent_connection_is_closed_for_a_new_one() {
    let origin = Origin::replying(OK);
    let args = ["--workers", "1", "--max-connections", "3", "--client-head-timeout", "10m"];
    let lb = Origin::balanced(&[&origin], &args);
    let mut spoken = Wire::connect(lb.traffic);
    spoken.send(GET);
    assert_eq!(spoken.reply().unwrap().status(), 200);
    let mut silent = [Wire::connect(lb.traffic), Wire::connect(lb.traffic)];
    let mut third = Wire::connect(lb.traffic);
    third.send(GET);
    assert_eq!(third.reply().unwrap().status(), 200);
    assert!(silent[0].closed(), "without an answer");
    for client in [&mut silent[1], &mut spoken] {
        client.send(GET);
        assert_eq!(client.reply().unwrap().status(), 200, "the others were left alone");
    }
    let mut fourth = Wire::connect(lb.traffic);
    fourth.send(GET);
    assert_eq!(fourth.reply().unwrap().status(), 503, "all others have sent something");
}

#[test]
fn connections_beyond_the_limit_get_503_and_are_closed() {
    let origin = Origin::replying(OK);
    let args = ["--workers", "2", "--max-connections", "2", "--client-head-timeout", "10m"];
    let lb = Origin::balanced(&[&origin], &args);
    let mut clients = [Wire::connect(lb.traffic), Wire::connect(lb.traffic)];
    for client in &mut clients {
        client.send(GET);
        assert_eq!(client.reply().unwrap().status(), 200);
    }
    let mut third = Wire::connect(lb.traffic);
    third.send(GET);
    let refused = third.reply().unwrap();
    assert_eq!((refused.status(), refused.fields("connection")), (503, vec!["close"]));
    assert!(third.closed());
    clients[0].send(GET);
    assert_eq!(clients[0].reply().unwrap().status(), 200);
    let lingering = [Wire::connect(lb.traffic), Wire::connect(lb.traffic)];
    // Workers accept connections in turn and in order: once each has refused a later one, both of these have been
    // refused while the first two were still open.
    for _ in 0..4 {
        assert_eq!(get(&lb).status(), 503);
    }
    drop(clients);
    until("there is room again", || get(&lb).status() == 200);
    drop(lingering);
}

#[test]
fn without_a_replica_the_response_is_503_with_retry_after() {
    let mut origin = Origin::replying(OK);
    let upstream = origin.address.to_string();
    origin.refuse();
    let lb = Balancer::launch(&["--runtime", "static", "--upstream", &upstream]);
    let refused = get(&lb);
    assert_eq!((refused.status(), refused.fields("retry-after").len()), (503, 1));
    assert_eq!(refused.text(), r#"{"message":"<Error> no replica is ready","status":"failure"}"#);
}

#[test]
fn map_404_maps_only_404() {
    let origin = Origin::new(|peer| {
        loop {
            let status = peer.request()?.line().split(['/', ' ', '?']).nth(2)?.to_owned();
            peer.wire.send(format!("HTTP/1.1 {status} X\r\nContent-Length: 4\r\n\r\nbody"));
        }
    });
    let mapping = Origin::balanced(&[&origin], &["--map-404"]);
    let plain = Origin::balanced(&[&origin], &[]);
    let mut client = Wire::connect(mapping.traffic);
    for _ in 0..2 {
        client.send("GET /404?a%20b HTTP/1.1\r\nHost: h\r\n\r\n");
        let mapped = client.reply().unwrap();
        assert_eq!(mapped.status(), 400);
        assert_eq!(
            mapped.text(),
            r#"{"message":"<Error> '/404' endpoint does not exist in server replicas","status":"failure"}"#
        );
        client.send("GET /403 HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(client.reply().unwrap().status(), 403);
    }
    let mut client = Wire::connect(plain.traffic);
    client.send("GET /404 HTTP/1.1\r\nHost: h\r\n\r\n");
    let reply = client.reply().unwrap();
    assert_eq!((reply.status(), reply.text()), (404, "body"));
}

#[test]
fn control_calls_have_limits_of_size_and_time() {
    let origin = Origin::replying(OK);
    let args = ["--max-control-body", "64", "--client-head-timeout", "1s"];
    let lb = Origin::balanced(&[&origin], &args);
    let large = "x".repeat(65);
    for body in [
        format!("Content-Length: 65\r\n\r\n{large}"),
        format!("Transfer-Encoding: chunked\r\n\r\n41\r\n{large}\r\n0\r\n\r\n"),
    ] {
        let mut client = Wire::connect(lb.traffic);
        client.send(format!("POST /add HTTP/1.1\r\nHost: h\r\n{body}"));
        let refused = client.reply().unwrap();
        assert_eq!(refused.status(), 413);
        assert!(refused.text().contains("--max-control-body"), "{refused:?}");
    }
    for (body, rest) in
        [("Content-Length: 9\r\n\r\n{", "x"), ("Transfer-Encoding: chunked\r\n\r\n", "1\r\n{\r\n")]
    {
        let mut client = Wire::connect(lb.traffic);
        client.send(format!("POST /rm HTTP/1.1\r\nHost: h\r\n{body}"));
        client.send(rest);
        let late = client.reply().unwrap();
        assert_eq!((late.status(), late.fields("connection")), (408, vec!["close"]), "{late:?}");
        assert!(client.closed());
    }
}

#[test]
fn a_header_name_of_64_kib_affects_no_other_client() {
    let origin = Origin::replying(OK);
    let lb = Origin::balanced(&[&origin], &["--workers", "1"]);
    let mut other = Wire::connect(lb.traffic);
    other.send(GET);
    assert_eq!(other.reply().unwrap().status(), 200);
    for name in [65_535, 65_536, 70_000] {
        for before in ["", GET] {
            let mut hostile = Wire::connect(lb.traffic);
            hostile.send(format!(
                "{before}GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{}: x\r\n\r\n",
                "n".repeat(name)
            ));
            // Any response is complete.
            let _ = hostile.rest();
            other.send(GET);
            assert_eq!(other.reply().unwrap().status(), 200);
        }
    }
    assert_eq!(get(&lb).status(), 200);
    lb.until("nothing is in flight", |lb| lb.replicas()[0]["in_flight"] == 0);
}

#[test]
fn odd_heads_get_a_response_or_a_close_and_affect_no_other_client() {
    let origin = Origin::replying(OK);
    let lb = Origin::balanced(&[&origin], &["--workers", "1"]);
    let mut other = Wire::connect(lb.traffic);
    let long = "x".repeat(65_530);
    for head in [
        format!("GET /{long} HTTP/1.1\r\nHost: h\r\n"),
        format!("GET / HTTP/1.1\r\nHost: {long}\r\n"),
        format!("{long} / HTTP/1.1\r\nHost: h\r\n"),
        format!("GET / HTTP/1.1\r\nHost: h\r\nConnection: {}\r\n", "a,".repeat(30_000)),
        format!("GET / HTTP/1.1\r\nHost: h\r\nConnection: {long}\r\n"),
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: \u{e9}, \t,;\"x\", host, cookie\r\n".into(),
        "GET / HTTP/1.1\r\nHost: h\r\nX: a\u{7}b\r\n".into(),
        "GET / HTTP/1.1\r\nHost: a b\r\n".into(),
        "GET / HTTP/1.1\r\nHost:\r\n".into(),
        "GET h:1 HTTP/1.1\r\nHost: h\r\n".into(),
        "GET x HTTP/1.1\r\nHost: h\r\n".into(),
        "GET * HTTP/1.1\r\nHost: h\r\n".into(),
        "GET ? HTTP/1.1\r\nHost: h\r\n".into(),
        "GET http://h?a HTTP/1.1\r\nHost: h\r\n".into(),
        "GET http://[::1]:99999/ HTTP/1.1\r\nHost: h\r\n".into(),
        "GET mailto:a@b HTTP/1.1\r\nHost: h\r\n".into(),
        "CONNECT h:1 HTTP/1.1\r\nHost: h\r\n".into(),
        "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551615\r\n".into(),
        "GET / HTTP/1.1\r\nHost: h\r\nCookie: \u{ff}=\u{ff}\r\nX-Request-Id: \u{ff}\r\n".into(),
        "GET /?id=%ff%00%&rid=%&&=&request_id HTTP/1.0\r\n".into(),
    ] {
        let mut odd = Wire::connect(lb.traffic);
        odd.send(format!("{head}\r\n"));
        odd.half_close();
        let _ = odd.rest();
        other.send(GET);
        assert_eq!(other.reply().unwrap().status(), 200, "after {:.80}", head);
    }
}

#[test]
fn a_thousand_concurrent_connections_lose_no_request() {
    raise_file_limit();
    let lb = Balancer::start(&[]);
    let mut clients: Vec<_> = (0..1000).map(|_| Wire::connect(lb.traffic)).collect();
    for round in 0..3 {
        for (key, client) in clients.iter_mut().enumerate() {
            let key = key * 10 + round;
            assert!(client.send(format!("GET /home HTTP/1.1\r\nHost: h\r\nX-Request-Id: {key}\r\n\r\n")));
        }
        for client in &mut clients {
            let reply = client.reply().unwrap();
            assert_eq!(reply.status(), 200, "{reply:?}");
        }
    }
}

#[test]
fn all_requests_of_ab_succeed() {
    let lb = Balancer::start(&[]);
    let url = format!("http://{}/home", lb.traffic);
    for kept in [&["-k"][..], &[]] {
        let ran = Command::new("ab").args(["-q", "-n", "2000", "-c", "100"]).args(kept).arg(&url).output();
        let Ok(output) = ran else {
            eprintln!("skipped: ab is not installed");
            return;
        };
        let report = String::from_utf8(output.stdout).unwrap();
        let count = |name: &str| {
            let line = report.lines().find_map(|line| line.strip_prefix(name));
            line.map(|rest| rest.trim().parse::<usize>().unwrap())
        };
        assert_eq!(count("Complete requests:"), Some(2000), "{report}");
        assert_eq!(count("Non-2xx responses:"), None, "{report}");
        // Bodies differ in length by replica name, which ab counts as failures; other failures are real.
        let other = report.lines().find(|line| line.contains("Connect:") && line.contains("Receive:"));
        assert!(
            other
                .is_none_or(|line| line.contains("Connect: 0, Receive: 0") && line.contains("Exceptions: 0")),
            "{report}"
        );
        assert_eq!(count("Keep-Alive requests:"), (!kept.is_empty()).then_some(2000), "{report}");
    }
}

fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
}
