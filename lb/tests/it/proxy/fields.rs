//! Fields that the balancer adds: about the client (to replicas), the route (to both), and failures (to clients).

use crate::support::origin::{OK, Origin};
use crate::support::wire::{Message, Wire};
use crate::support::{Balancer, call};

/// Sends a GET with these fields, and returns the request that the replica received.
fn seen(origin: &Origin, client: &mut Wire, fields: &str) -> Message {
    client.send(format!("GET / HTTP/1.1\r\nHost: h:1\r\n{fields}\r\n"));
    let seen = origin.next();
    assert_eq!(client.reply().unwrap().status(), 200);
    seen
}

#[test]
fn forwarding_fields_name_the_client_and_untrusted_ones_are_replaced() {
    let origin = Origin::replying("HTTP/1.1 200 OK\r\nVia: 1.0 cache\r\nContent-Length: 2\r\n\r\nok");
    let lb = Origin::balanced(&[&origin], &[]);
    let mut client = Wire::connect(lb.traffic);
    let lies = "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 192.0.2.2\r\nX-Forwarded-Proto: https\r\n\
        X-Forwarded-Host: x\r\nForwarded: for=192.0.2.3\r\nConnection: X-Forwarded-For\r\nX-Real-IP: 192.0.2.4\r\n\
        X-Forwarded-Port: 443\r\nX-Forwarded-Server: s\r\nX-Forwarded-Prefix: /admin\r\n";
    for fields in ["", lies] {
        let request = seen(&origin, &mut client, fields);
        assert_eq!(request.fields("x-forwarded-for"), ["127.0.0.1"]);
        assert_eq!(request.fields("x-forwarded-proto"), ["http"]);
        assert_eq!(request.fields("x-forwarded-host"), ["h:1"]);
        assert_eq!(request.fields("x-forwarded-port"), [lb.traffic.port().to_string()]);
        for removed in ["forwarded", "x-real-ip", "x-forwarded-server", "x-forwarded-prefix"] {
            assert!(request.fields(removed).is_empty(), "{removed}");
        }
        assert_eq!(request.fields("via"), ["1.1 lb"]);
    }
    assert_eq!(seen(&origin, &mut client, "Via: 1.0 fred\r\n").fields("via"), ["1.0 fred", "1.1 lb"]);
}

/// WSGI and CGI applications take look-alikes for the fields that they resemble.
#[test]
fn only_look_alikes_of_managed_fields_are_removed() {
    const ALIKE: &str = "X_Forwarded_For: 192.0.2.1\r\nX_Forwarded-For: 192.0.2.1\r\nx-forwarded_for: 192.0.2.1\r\n\
        X_FORWARDED_PROTO: https\r\nX-Forwarded_Host: x\r\nX_Forwarded_Port: 443\r\nX_Real_IP: 192.0.2.1\r\n\
        X-Real_IP: 192.0.2.1\r\nX_Forwarded_Server: x\r\nX_Forwarded_Prefix: /x\r\nX_Request_Id: forged\r\n\
        X-Request_Id: forged\r\nHTTP2_Settings: x\r\nProxy_Authorization: x\r\nKeep_Alive: 5\r\n\
        X_User: u\r\nA_b-C_d: 1\r\nX_Forwarded_For_: 1\r\n";
    for args in [&[][..], &["--trusted-proxies", "127.0.0.1"]] {
        let origin = Origin::replying(OK);
        let lb = Origin::balanced(&[&origin], args);
        let mut client = Wire::connect(lb.traffic);
        let request = seen(&origin, &mut client, ALIKE);
        let names = request.head.lines().skip(1).filter_map(|line| line.split(':').next());
        let mut names: Vec<_> = names.filter(|name| name.contains('_')).map(str::to_lowercase).collect();
        names.sort();
        assert_eq!(names, ["a_b-c_d", "x_forwarded_for_", "x_user"], "{args:?}");
        assert_eq!(request.fields("x-forwarded-for"), ["127.0.0.1"]);
        assert_ne!(request.fields("x-request-id"), ["forged"]);
        client.send("POST / HTTP/1.1\r\nHost: h\r\nContent_Length: 3\r\n\r\nabc");
        assert_eq!(client.reply().unwrap().status(), 400, "a second length is refused, not removed");
    }
}

#[test]
fn a_request_id_is_kept_or_generated_and_a_generated_one_is_not_a_key() {
    let origins = [Origin::replying(OK), Origin::replying(OK), Origin::replying(OK)];
    let lb = Origin::balanced(&[&origins[0], &origins[1], &origins[2]], &[]);
    let mut client = Wire::connect(lb.traffic);
    let mut made = Vec::new();
    for _ in 0..20 {
        client.send("GET /?id=alice HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(client.reply().unwrap().status(), 200);
        let seen: Vec<_> = origins.iter().map(Origin::seen).collect();
        made.extend(seen.iter().enumerate().flat_map(|(seat, seen)| {
            seen.iter().map(move |request| (seat, request.fields("x-request-id")[0].to_owned()))
        }));
    }
    assert_eq!(made.len(), 20);
    assert!(made.iter().all(|(seat, id)| *seat == made[0].0 && id.len() == 32));
    made.sort();
    made.dedup();
    assert_eq!(made.len(), 20, "each request has its own id");

    client.send("GET / HTTP/1.1\r\nHost: h\r\nX-Request-Id: mine\r\n\r\n");
    assert_eq!(client.reply().unwrap().status(), 200);
    let seen: Vec<_> = origins.iter().flat_map(Origin::seen).collect();
    assert_eq!(seen[0].fields("x-request-id"), ["mine"]);
}

#[test]
fn a_routing_loop_is_ended() {
    let origin = Origin::replying(OK);
    let lb = Origin::balanced(&[&origin], &[]);
    let via = ["1.1 lb"; 10].join(", ");
    let looping = call(lb.traffic, "GET", "/", &[("Via", &via)], b"");
    assert_eq!(
        (looping.status, looping.header("proxy-status")),
        (508, vec!["lb; error=proxy_loop_detected"])
    );
    assert_eq!(call(lb.traffic, "GET", "/", &[("Via", &via[..via.len() - 1])], b"").status, 200);
}

#[test]
fn the_client_of_a_trusted_proxy_is_the_key() {
    let origins = [Origin::replying(OK), Origin::replying(OK), Origin::replying(OK)];
    let all = [&origins[0], &origins[1], &origins[2]];
    let lb = Origin::balanced(&all, &["--trusted-proxies", "127.0.0.1,10.0.0.0/8", "--key", "client-ip"]);
    let mut client = Wire::connect(lb.traffic);
    for address in ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "2001:db8::1"] {
        let explained = call(lb.admin, "GET", &format!("/api/explain?key={address}"), &[], b"").json();
        let seat = explained["chosen"]["seat"].as_u64().unwrap() as usize;
        let expected = format!(
            "X-Forwarded-For: 8.8.8.8, {address}, 10.1.1.1\r\nX-Forwarded-Proto: https\r\n\
             X-Forwarded-Host: shop.example\r\nForwarded: for=x\r\nX-Real-IP: {address}\r\n\
             X-Forwarded-Port: 8443\r\nX-Forwarded-Server: edge\r\nX-Forwarded-Prefix: /shop\r\n"
        );
        let request = seen(&origins[seat - 1], &mut client, &expected);
        let chain = format!("8.8.8.8, {address}, 10.1.1.1, 127.0.0.1");
        assert_eq!(request.fields("x-forwarded-for"), [chain]);
        assert_eq!(request.fields("x-forwarded-proto"), ["https"]);
        assert_eq!(request.fields("x-forwarded-host"), ["shop.example"]);
        assert_eq!(request.fields("forwarded"), ["for=x"]);
        assert_eq!(request.fields("x-real-ip"), [address]);
        assert_eq!(request.fields("x-forwarded-port"), ["8443"]);
        assert_eq!(request.fields("x-forwarded-server"), ["edge"]);
        assert_eq!(request.fields("x-forwarded-prefix"), ["/shop"]);
    }
}

#[test]
fn without_a_replica_retry_after_allows_for_a_start() {
    let slow = format!("sh -c 'sleep 1.2; exec {}'", crate::support::test_replica::command());
    let lb = Balancer::start(&["--replicas", "1", "--replica-command", &slow]);
    assert_eq!(lb.control("DELETE", "/rm", r#"{"n":1}"#).0, 200);
    let refused = lb.get("/home");
    assert_eq!(
        (refused.status, refused.header("proxy-status")),
        (503, vec!["lb; error=destination_unavailable"])
    );
    let seconds: u64 = refused.header("retry-after")[0].parse().unwrap();
    assert!((2..40).contains(&seconds), "it took {seconds} s");
}

#[test]
fn responses_of_the_balancer_have_the_reason_in_proxy_status() {
    let mut refusing = Origin::replying(OK);
    let closing = Origin::new(|peer| peer.request().map(drop));
    let silent = Origin::new(|peer| {
        peer.request()?;
        peer.wire.closed().then_some(())
    });
    let garbage = Origin::replying_once("SSH-2.0-x\r\n\r\n");
    let ambiguous = Origin::replying_once("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n");
    let balancers = [&refusing, &closing, &silent, &garbage, &ambiguous]
        .map(|origin| Origin::balanced(&[origin], &["--head-timeout", "2s"]));
    refusing.refuse();
    for (lb, status, error) in [
        (&balancers[0], 502, "connection_refused"),
        (&balancers[1], 502, "connection_terminated"),
        (&balancers[2], 504, "http_response_timeout"),
        (&balancers[3], 502, "http_protocol_error"),
        (&balancers[4], 502, "http_response_transfer_coding"),
    ] {
        let answer = lb.get("/x");
        let expected = format!("lb; error={error}");
        assert_eq!((answer.status, answer.header("proxy-status")), (status, vec![&expected[..]]));
    }
    assert!(balancers[0].get("/rep").header("proxy-status").is_empty(), "nothing was forwarded");
}
