//! Heartbeats as a server receives them, and which replies to them are good.

use std::io::Write as _;

use crate::support::origin::{OK, Origin};
use crate::support::{Balancer, call, until};

/// A balancer that sends heartbeats to one origin.
fn watched(origin: &Origin, args: &[&str]) -> Balancer {
    let upstream = origin.address.to_string();
    let external = ["--runtime", "static", "--upstream", &upstream, "--heartbeat-interval", "50ms"];
    Balancer::launch(&[&external, args].concat())
}

fn is_ready(lb: &Balancer) -> bool {
    call(lb.admin, "GET", "/readyz", &[], b"").status == 200
}

#[test]
fn a_heartbeat_has_the_user_agent_and_the_configured_host() {
    let origin = Origin::replying(OK);
    let _lb = watched(&origin, &["--heartbeat-path", "/health?full=1"]);
    let heartbeat = origin.next();
    assert_eq!(heartbeat.line(), "GET /health?full=1 HTTP/1.1");
    assert_eq!(heartbeat.fields("host"), [origin.address.to_string()]);
    let agent = format!("lb-heartbeat/{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(heartbeat.fields("user-agent"), [agent]);

    let origin = Origin::replying(OK);
    let _lb = watched(&origin, &["--heartbeat-host", "shop.example:8080"]);
    assert_eq!(origin.next().fields("host"), ["shop.example:8080"]);
}

#[test]
fn good_statuses_are_200_to_399_by_default() {
    let replying =
        |status: u16| Origin::replying(format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n"));
    for (status, args) in [(302, &[][..]), (404, &["--heartbeat-status", "2xx,404"])] {
        let origin = replying(status);
        let lb = watched(&origin, args);
        lb.until("the replica is ready", is_ready);
    }
    for (status, args) in [(404, &[][..]), (302, &["--heartbeat-status", "200-299"])] {
        let origin = replying(status);
        let lb = watched(&origin, args);
        (0..5).for_each(|_| drop(origin.next()));
        assert!(!is_ready(&lb), "{status} with {args:?}");
    }
}

#[test]
fn a_reload_applies_to_the_next_heartbeats() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "heartbeat-status = [200]").unwrap();
    let origin = Origin::replying("HTTP/1.1 401 x\r\nContent-Length: 0\r\n\r\n");
    let lb = watched(&origin, &["--config", file.path().to_str().unwrap()]);
    (0..3).for_each(|_| drop(origin.next()));
    assert!(!is_ready(&lb));
    std::fs::write(file.path(), "heartbeat-host = 'shop.example'\nheartbeat-status = ['2xx', 401]\n")
        .unwrap();
    let reloaded = call(lb.admin, "POST", "/api/reload", &[("Content-Type", "application/json")], b"");
    assert_eq!(reloaded.status, 200, "{reloaded:?}");
    lb.until("the replica is ready", is_ready);
    until("the new host is sent", || origin.next().fields("host") == ["shop.example"]);
}
