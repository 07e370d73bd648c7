//! What a replica receives of a request: everything end-to-end, byte for byte, and nothing else.

use crate::support::call;
use crate::support::origin::{OK, Origin};
use crate::support::wire::{Message, Wire};

/// Sends a request, waits for its reply, and returns the request that the replica received.
fn seen(origin: &Origin, client: &mut Wire, request: &str) -> Message {
    client.send(request);
    let seen = origin.next();
    let reply = client.reply().unwrap_or_else(|| panic!("no reply to {request:?}"));
    assert_eq!((reply.status(), reply.text()), (200, "ok"), "{request:?}");
    seen
}

#[test]
fn methods_and_targets_pass_byte_for_byte() {
    let origin = Origin::replying(OK);
    let lb = Origin::balanced(&[&origin], &[]);
    let mut client = Wire::connect(lb.traffic);
    let long = format!("/{}?{}", "p".repeat(3000), "q=%2F&".repeat(800));
    for method in [
        "GET",
        "POST",
        "PUT",
        "PATCH",
        "DELETE",
        "OPTIONS",
        "TRACE",
        "PROPFIND",
        "M-SEARCH",
        "get",
        "BASELINE-CONTROL",
    ] {
        let request = seen(&origin, &mut client, &format!("{method} /x HTTP/1.1\r\nHost: h\r\n\r\n"));
        assert_eq!(request.line(), format!("{method} /x HTTP/1.1"));
    }
    for target in [
        "/",
        "//",
        "//a//b/",
        "/a%2fb%2Fc%00%ff",
        "/../a/./b",
        "/?",
        "/a?b=c&d=%20+e&?/",
        "/a;b=c,d@e:f!$'()*",
        "/\"{}|\\^",
        "/home?redirect=http://x/y",
        &long,
    ] {
        let request = seen(&origin, &mut client, &format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n"));
        assert_eq!(request.line(), format!("GET {target} HTTP/1.1"));
    }
    let request = seen(&origin, &mut client, "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(request.line(), "OPTIONS * HTTP/1.1");
    let absolute = "GET http://other.example/a//b?c HTTP/1.1\r\nHost: other.example\r\n\r\n";
    assert_eq!(seen(&origin, &mut client, absolute).line(), "GET /a//b?c HTTP/1.1");
}

/// Fields of every kind: repeated ones in different cases between others, empty values, hop-by-hop fields in between.
fn mixed_fields(kept: usize) -> (String, Vec<String>) {
    let names = ["X-Aa", "x-bB", "ACCEPT", "Cookie", "cookie", "x-c", "User-Agent", "X-!#$%&'*+.^_`|~1"];
    let values = ["1", "a, b;c=\"d e\"", "", "\u{e9}", "x:y", "*/*"];
    let field = |n: usize| format!("{}: {}", names[n * 5 % names.len()], values[n % values.len()]);
    let fields: Vec<String> = (0..kept).map(field).collect();
    let dropped =
        ["Connection: X-Gone", "x-gone: 1", "KEEP-ALIVE: timeout=9", "Proxy-Connection: y", "TE: trailers"];
    let wire = fields.iter().enumerate().map(|(n, field)| match dropped.get(n / 7) {
        Some(dropped) if n % 7 == 3 => format!("{dropped}\r\n{field}\r\n"),
        _ => format!("{field}\r\n"),
    });
    (wire.collect(), fields)
}

#[test]
fn the_order_and_case_of_forty_fields_survive_in_both_directions() {
    let (wire, fields) = mixed_fields(40);
    let reply = format!("HTTP/1.1 200 OK\r\n{wire}Content-Length: 2\r\n\r\nok");
    let origin = Origin::replying(reply);
    let lb = Origin::balanced(&[&origin], &[]);
    let mut client = Wire::connect(lb.traffic);
    let request = format!("POST /x HTTP/1.1\r\nHOST: h\r\n{wire}content-LENGTH: 2\r\n\r\n");
    client.send(format!("{request}ok"));
    let lines = |message: &Message, added: &[&str]| {
        let lines = message.head.lines().skip(1).map(str::to_owned);
        let is_added = |line: &String| added.iter().any(|name| line.starts_with(name));
        lines.filter(|line| !is_added(line)).collect::<Vec<_>>()
    };
    let got = lines(&client.reply().unwrap(), &["via: ", "date: "]);
    assert_eq!(got, [&fields[..], &["Content-Length: 2".to_owned()]].concat());
    let sent = lines(&origin.next(), &["via: ", "x-forwarded-", "x-request-id: "]);
    assert_eq!(sent, [&["HOST: h".to_owned()], &fields[..], &["content-LENGTH: 2".to_owned()]].concat());
}

#[test]
fn end_to_end_fields_are_forwarded_and_hop_by_hop_fields_are_not() {
    let origin = Origin::replying(OK);
    let lb = Origin::balanced(&[&origin], &[]);
    let mut client = Wire::connect(lb.traffic);
    let request = "GET /x HTTP/1.1\r\nHost: Example.COM:8080\r\nConnection: keep-alive, X-Mine , x-other\r\n\
        Connection: X-Third\r\nX-Mine: 1\r\nX-Other: 2\r\nX-Third: 3\r\nKeep-Alive: timeout=5\r\nTE: gzip, trailers\r\n\
        Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic x\r\nCookie: a=1; b=2\r\nCookie: c=3\r\n\
        Accept: text/html\r\nAccept: */*\r\nX-Empty:\r\nX-Request-Id: r\r\nX-Bytes: \u{e9}\r\nAuthorization: Bearer t\r\n\r\n";
    let mut head: Vec<_> = {
        let seen = seen(&origin, &mut client, request);
        assert_eq!(seen.line(), "GET /x HTTP/1.1");
        assert_eq!(seen.fields("cookie"), ["a=1; b=2", "c=3"]);
        assert_eq!(seen.fields("accept"), ["text/html", "*/*"]);
        seen.head.lines().skip(1).map(str::to_lowercase).collect()
    };
    head.sort();
    assert_eq!(
        head,
        [
            "accept: */*",
            "accept: text/html",
            "authorization: bearer t",
            "cookie: a=1; b=2",
            "cookie: c=3",
            "host: example.com:8080",
            "via: 1.1 lb",
            "x-bytes: \u{e9}",
            "x-empty: ",
            "x-forwarded-for: 127.0.0.1",
            "x-forwarded-host: example.com:8080",
            &format!("x-forwarded-port: {}", lb.traffic.port()),
            "x-forwarded-proto: http",
            "x-request-id: r",
        ]
    );
}

#[test]
fn bodies_keep_their_framing() {
    let origin = Origin::replying(OK);
    let lb = Origin::balanced(&[&origin], &[]);
    let mut client = Wire::connect(lb.traffic);

    let sized = seen(&origin, &mut client, "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!((sized.fields("content-length"), sized.text()), (vec!["5"], "hello"));
    assert!(sized.fields("transfer-encoding").is_empty());

    let empty = seen(&origin, &mut client, "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
    assert_eq!((empty.fields("content-length"), empty.text()), (vec!["0"], ""));

    for line in ["GET /x HTTP/1.1", "OPTIONS /x HTTP/1.1", "DELETE /x HTTP/1.1"] {
        for length in ["0", "00"] {
            let empty = format!("{line}\r\nHost: h\r\nContent-Length: {length}\r\n\r\n");
            let empty = seen(&origin, &mut client, empty.as_str());
            assert_eq!((empty.line(), empty.fields("content-length")), (line, vec!["0"]));
            assert!(empty.fields("transfer-encoding").is_empty());
        }
    }

    let none = seen(&origin, &mut client, "DELETE /x HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(none.fields("content-length").is_empty() && none.fields("transfer-encoding").is_empty());

    let chunked = "PUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n\
        3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\n";
    let chunked = seen(&origin, &mut client, chunked);
    assert_eq!((chunked.fields("transfer-encoding"), chunked.text()), (vec!["chunked"], "abcde"));

    let empty = "PUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let empty = seen(&origin, &mut client, empty);
    assert_eq!((empty.fields("transfer-encoding"), empty.text()), (vec!["chunked"], ""));

    // A server that ignores the body of a GET would take it for the next request.
    client.send("GET /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
    assert_eq!(client.reply().unwrap().status(), 400);
    assert!(client.closed());
}

#[test]
fn expect_is_answered_once_and_not_passed_on() {
    let origin = Origin::replying(OK);
    let lb = Origin::balanced(&[&origin], &[]);
    let mut client = Wire::connect(lb.traffic);
    // Without a body there is nothing to wait for (RFC 9110 §10.1.1).
    client.send("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.reply().unwrap().status(), 200);
    assert!(origin.next().fields("expect").is_empty());
    client.send("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.head().unwrap(), "HTTP/1.1 100 Continue");
    client.send("hello");
    let request = origin.next();
    assert_eq!((request.text(), request.fields("expect").len()), ("hello", 0));
    assert_eq!(client.reply().unwrap().status(), 200);
}

#[test]
fn one_connection_serves_many_requests_of_many_keys() {
    let origins = [Origin::replying(OK), Origin::replying(OK), Origin::replying(OK)];
    let lb = Origin::balanced(&[&origins[0], &origins[1], &origins[2]], &["--workers", "1"]);
    let mut client = Wire::connect(lb.traffic);
    for key in 0..200 {
        client.send(format!("GET / HTTP/1.1\r\nHost: h\r\nX-Request-Id: {key}\r\n\r\n"));
        assert_eq!(client.reply().unwrap().status(), 200);
    }
    let counts: Vec<usize> = origins.iter().map(|origin| origin.seen().len()).collect();
    assert_eq!(counts.iter().sum::<usize>(), 200);
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
    assert!(origins.iter().all(|origin| origin.connections() == 1), "kept connections are used again");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let origin = Origin::new(|peer| {
        loop {
            let path = peer.request()?.line().split(' ').nth(1)?.to_owned();
            peer.wire.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{path}", path.len()));
        }
    });
    let lb = Origin::balanced(&[&origin], &[]);
    let mut client = Wire::connect(lb.traffic);
    client.send(
        "GET /0 HTTP/1.1\r\nHost: h\r\n\r\nPOST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello\
         PUT /2 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n\
         GET /3 HTTP/1.1\r\nHost: h\r\n\r\n",
    );
    for (n, body) in ["", "hello", "x", ""].iter().enumerate() {
        assert_eq!(client.reply().unwrap().text(), format!("/{n}"));
        assert_eq!(origin.next().text(), *body);
    }
}

#[test]
fn connection_close_is_not_forwarded() {
    let origin = Origin::replying_once("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
    let lb = Origin::balanced(&[&origin], &[]);
    let mut client = Wire::connect(lb.traffic);
    for _ in 0..3 {
        seen(&origin, &mut client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    }
    client.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    let reply = client.reply().unwrap();
    assert_eq!((reply.text(), reply.fields("connection")), ("ok", vec!["close"]));
    assert!(client.closed());
    assert!(origin.seen().iter().all(|request| request.fields("connection").is_empty()));
}

#[test]
fn keys_come_from_the_configured_source() {
    for (sources, with) in [
        ("cookie:sid", ("/x", "Cookie: a=b; sid=KEY\r\n")),
        ("path-segment:2", ("/x/KEY/y", "")),
        ("header:X-User", ("/x", "X-User: KEY\r\n")),
        ("query:user", ("/x?a=b&user=KEY", "")),
        ("path", ("KEY", "")),
    ] {
        let origins = [Origin::replying(OK), Origin::replying(OK), Origin::replying(OK)];
        let lb = Origin::balanced(&[&origins[0], &origins[1], &origins[2]], &["--key", sources]);
        for key in ["/alice", "/bob", "/carol", "/dave"] {
            let key = if sources == "path" { key } else { &key[1..] };
            let explained = call(lb.admin, "GET", &format!("/api/explain?key={key}"), &[], b"").json();
            let seat = explained["chosen"]["seat"].as_u64().unwrap();
            for _ in 0..3 {
                let mut client = Wire::connect(lb.traffic);
                let (target, field) = (with.0.replace("KEY", key), with.1.replace("KEY", key));
                client.send(format!("GET {target} HTTP/1.1\r\nHost: h\r\n{field}\r\n"));
                assert_eq!(client.reply().unwrap().status(), 200);
                let served: Vec<_> = origins.iter().map(|origin| origin.seen().len()).collect();
                let expected: Vec<_> = (1..=3).map(|n| usize::from(n == seat)).collect();
                assert_eq!(served, expected, "{sources} {key}");
            }
        }
    }
}
