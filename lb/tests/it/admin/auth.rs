//! Authentication and authorisation on the admin listener, for legitimate clients and for attackers.

use std::io::Write;
use std::net::SocketAddr;

use serde_json::json;

use crate::support::origin::Origin;
use crate::support::{Answer, Balancer, answer, call, raw, until};

const TOKEN: &str = "correct-horse-battery-staple";

/// A balancer with the token `TOKEN`.
fn guarded(more: &[&str]) -> Balancer {
    let mut lb = Balancer::launch_with(&[&["--replicas", "1"], more].concat(), &[("LB_ADMIN_TOKEN", TOKEN)]);
    lb.wait_for("] ready ");
    lb
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// Sends one request whose head has exactly these lines.
fn send(to: SocketAddr, lines: &[&str]) -> Answer {
    answer(&raw(to, format!("{}\r\nConnection: close\r\n\r\n", lines.join("\r\n")).as_bytes()), false)
}

fn status(lb: &Balancer, method: &str, path: &str, headers: &[(&str, &str)]) -> u16 {
    call(lb.admin, method, path, headers, b"").status
}

/// Logs in, and returns the cookie in the form of a `Cookie` field.
fn cookie(lb: &Balancer) -> String {
    let logged_in = call(lb.admin, "POST", "/login", &[], format!("token={TOKEN}").as_bytes());
    logged_in.header("set-cookie")[0].split(';').next().unwrap().to_owned()
}

#[test]
fn on_loopback_only_forms_and_other_hosts_are_refused() {
    let lb = Balancer::start(&["--replicas", "1", "--admin-host", "lb.example"]);
    assert_eq!(status(&lb, "GET", "/api/state", &[]), 200);
    let body = br#"{"n":1,"dry_run":true}"#;
    let forms = [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "text/plain;application/json",
    ];
    for kind in forms {
        let refused = call(lb.admin, "POST", "/api/add", &[("Content-Type", kind)], body);
        assert_eq!(refused.status, 403, "{refused:?}");
        assert!(refused.json()["message"].as_str().unwrap().contains("X-LB-Admin"));
    }
    for own in
        [("X-LB-Admin", ""), ("Content-Type", "application/json"), ("Content-Type", "Application/JSON; a=b")]
    {
        assert_eq!(call(lb.admin, "POST", "/api/add", &[own], body).status, 200, "{own:?}");
    }
    assert_eq!(
        call(lb.admin, "POST", "/api/plan", &[], br#"{"add":1}"#).status,
        200,
        "a plan is not a change"
    );
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "ANY"] {
        assert_eq!(status(&lb, method, "/api/state", &[]), 403, "{method}");
    }
    let preflight = [("Origin", "http://evil.example"), ("Access-Control-Request-Headers", "x-lb-admin")];
    let preflight = call(lb.admin, "OPTIONS", "/api/add", &preflight, b"");
    assert_eq!((preflight.status, preflight.header("access-control-allow-origin").len()), (403, 0));

    let port = lb.admin.port();
    for (host, expected) in [
        ("localhost".to_owned(), 200),
        (format!("LOCALHOST:{port}"), 200),
        (format!("127.0.0.1:{port}"), 200),
        ("[::1]:1".to_owned(), 200),
        ("lb.example:80".to_owned(), 200),
        ("evil.example".to_owned(), 421),
        (format!("localhost.evil.example:{port}"), 421),
        (format!("127.0.0.1.evil.example:{port}"), 421),
        ("localhost@evil.example".to_owned(), 400),
        ("x.lb.example".to_owned(), 421),
        ("2130706433".to_owned(), 421),
        (String::new(), 400),
    ] {
        for path in ["/api/state", "/", "/login", "/livez", "/api/nothing"] {
            let reply = send(lb.admin, &[&format!("GET {path} HTTP/1.1"), &format!("Host: {host}")]);
            let refused = [400, 421].contains(&reply.status).then_some(reply.status);
            assert_eq!(refused, (expected != 200).then_some(expected), "{host} {path}: {reply:?}");
        }
    }
    let evil = send(lb.admin, &["GET /api/state HTTP/1.1", "Host: evil.example"]);
    assert!(evil.json()["message"].as_str().unwrap().contains("'evil.example'"), "{evil:?}");
    assert_eq!(
        send(lb.admin, &["GET http://evil.example/api/state HTTP/1.1", "Host: localhost"]).status,
        421
    );
    for lines in [
        &["GET /api/state HTTP/1.0"][..],
        &["GET /api/state HTTP/1.1", "Host: localhost", "Host: evil.example"],
        &["GET /api/state HTTP/1.1", "Host: localhost", "Host: localhost"],
    ] {
        assert_eq!(send(lb.admin, lines).status, 400, "{lines:?}");
    }
}

#[test]
fn every_response_has_the_security_headers() {
    let lb = guarded(&[]);
    let token = bearer(TOKEN);
    let shown: &[(&str, &str)] = &[("Authorization", &token)];
    for (path, headers) in [
        ("/api/state", shown),
        ("/api/nothing", shown),
        ("/metrics", &[]),
        ("/login", &[]),
        ("/login.css", &[]),
        ("/livez", &[]),
    ] {
        let reply = call(lb.admin, "GET", path, headers, b"");
        let policy = reply.header("content-security-policy");
        assert!(
            policy.len() == 1 && policy[0].starts_with("default-src 'none'; script-src 'self';"),
            "{reply:?}"
        );
        assert!(policy[0].contains("frame-ancestors 'none'") && !policy[0].contains("unsafe"), "{policy:?}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(reply.header(name), [value], "{path}");
        }
        assert_eq!(reply.header("access-control-allow-origin"), [""; 0]);
    }
}

#[test]
fn a_configured_token_is_required() {
    let lb = guarded(&[]);
    for path in ["/livez", "/readyz", "/login"] {
        assert_eq!(status(&lb, "GET", path, &[]), 200, "{path}");
    }
    for path in
        ["/", "/api/state", "/api/events", "/metrics", "/api/openapi.json", "/api/explain?key=a", "/nothing"]
    {
        let refused = call(lb.admin, "GET", path, &[], b"");
        assert_eq!((refused.status, refused.header("www-authenticate")), (401, vec!["Bearer"]), "{path}");
        assert_eq!(refused.json()["status"], "failure");
    }
    let basic = ("Authorization", "Basic Y29ycmVjdA==");
    let twice = [("Authorization", &*bearer(TOKEN)), ("Authorization", &bearer(TOKEN))];
    assert_eq!(status(&lb, "GET", "/api/state", &[basic]), 401);
    assert_eq!(status(&lb, "GET", "/api/state", &twice), 401);
    assert_eq!(status(&lb, "GET", &format!("/api/state?token={TOKEN}"), &[]), 401);
    assert_eq!(status(&lb, "POST", "/api/add", &[("X-LB-Admin", "1")]), 401);
    for wrong in ["x", &TOKEN[1..], &format!("{TOKEN}x"), &TOKEN.to_uppercase()] {
        assert_eq!(status(&lb, "GET", "/api/state", &[("Authorization", &bearer(wrong))]), 403, "{wrong}");
    }
    let good = bearer(TOKEN);
    assert_eq!(status(&lb, "GET", "/api/state", &[("Authorization", &good)]), 200);
    let plan = call(lb.admin, "POST", "/api/plan", &[("Authorization", &good)], br#"{"add":1}"#);
    assert_eq!(plan.status, 200, "with the token the other field is not needed");
    let by_name = ["GET /api/state HTTP/1.1", "Host: lb", &format!("Authorization: {good}")];
    assert_eq!(send(lb.admin, &by_name).status, 200, "with the token any host name is accepted");
}

#[test]
fn a_login_cookie_alone_does_not_authorise_changes() {
    let lb = guarded(&[]);
    let home = call(lb.admin, "GET", "/", &[("Accept", "text/html,*/*")], b"");
    assert_eq!((home.status, home.header("location")), (303, vec!["/login"]));
    let page = call(lb.admin, "GET", "/login", &[], b"");
    let text = String::from_utf8(page.body.clone()).unwrap();
    assert!(text.contains(r#"<form method="post" action="/login">"#) && !text.contains("style="), "{text}");
    assert_eq!(page.header("content-type"), ["text/html; charset=utf-8"]);

    let wrong = call(lb.admin, "POST", "/login", &[], b"token=%3Cscript%3E");
    assert_eq!((wrong.status, wrong.header("set-cookie").len()), (403, 0));
    assert!(!String::from_utf8(wrong.body.clone()).unwrap().contains("<script"), "{wrong:?}");
    assert_eq!(call(lb.admin, "POST", "/login", &[], b"").status, 403);
    assert_eq!(call(lb.admin, "POST", "/login", &[], "x".repeat(5_000).as_bytes()).status, 413);

    for logged_in in [
        call(lb.admin, "POST", "/login", &[], format!("token=+{TOKEN}%0d%0a").as_bytes()),
        call(lb.admin, "GET", &format!("/login?token={TOKEN}"), &[], b""),
    ] {
        assert_eq!((logged_in.status, logged_in.header("location")), (303, vec!["/"]));
        let set = logged_in.header("set-cookie")[0];
        assert!(set.ends_with("; Path=/; HttpOnly; SameSite=Strict") && !set.contains(TOKEN), "{set}");
        let cookie = ("Cookie", set.split(';').next().unwrap());
        assert_eq!(status(&lb, "GET", "/api/state", &[cookie]), 200);
        assert_eq!(status(&lb, "GET", "/api/state", &[("Cookie", &format!("a=b; {}", cookie.1))]), 200);
        assert_ne!(status(&lb, "GET", "/", &[cookie, ("Accept", "text/html")]), 303);
        assert_eq!(call(lb.admin, "GET", "/login", &[cookie], b"").header("location"), ["/"]);
        let body = br#"{"n":1,"dry_run":true}"#;
        assert_eq!(call(lb.admin, "POST", "/api/add", &[cookie], body).status, 403);
        assert_eq!(call(lb.admin, "POST", "/api/add", &[cookie, ("X-LB-Admin", "1")], body).status, 200);
        let elsewhere = ["GET /api/state HTTP/1.1", "Host: evil.example", &format!("Cookie: {}", cookie.1)];
        assert_eq!(send(lb.admin, &elsewhere).status, 421);
    }

    let former = cookie(&lb);
    let again = guarded(&[]);
    assert_ne!(cookie(&again), former);
    for stale in [&*former, "lb-session=", "lb-session=x", &format!("lb-session={TOKEN}"), "lb-sessionx"] {
        assert_eq!(status(&again, "GET", "/api/state", &[("Cookie", stale)]), 401, "{stale}");
    }
    let home = call(again.admin, "GET", "/", &[("Accept", "text/html"), ("Cookie", &former)], b"");
    assert_eq!(home.header("location"), ["/login"]);
}

#[test]
fn after_ten_wrong_tokens_an_address_is_blocked() {
    let mut lb = guarded(&["--control", "token", "--workers", "4"]);
    let logged_in = cookie(&lb);
    let try_one = |way: usize| match way % 3 {
        0 => call(lb.admin, "GET", "/api/state", &[("Authorization", "Bearer wrong")], b""),
        1 => call(lb.admin, "POST", "/login", &[], b"token=wrong"),
        _ => call(lb.traffic, "GET", "/rep", &[("Authorization", "Bearer wrong")], b""),
    };
    for way in 0..10 {
        assert_eq!(try_one(way).status, 403);
    }
    for way in 0..3 {
        let limited = try_one(way);
        let seconds: u64 = limited.header("retry-after")[0].parse().unwrap();
        assert!(limited.status == 429 && (1..=60).contains(&seconds), "{limited:?}");
    }
    let good = bearer(TOKEN);
    assert_eq!(
        status(&lb, "GET", "/api/state", &[("Authorization", &good)]),
        429,
        "right, and not looked at"
    );
    assert_eq!(
        status(&lb, "GET", "/api/state", &[("Cookie", &logged_in)]),
        200,
        "a logged-in client stays logged in"
    );
    assert_eq!(status(&lb, "GET", "/api/state", &[]), 401);
    assert_eq!(status(&lb, "GET", "/readyz", &[]), 200);
    lb.wait_for("tokens not looked at from=127.0.0.1");
    assert_eq!(lb.log().iter().filter(|line| line.contains("tokens not looked at")).count(), 1);
}

#[test]
fn requests_of_other_sites_do_not_count_as_wrong_tokens() {
    let lb = guarded(&[]);
    for _ in 0..12 {
        for (method, path, destination, body) in [
            ("GET", "/login?token=x", "image", &b""[..]),
            ("GET", "/login?token=x", "iframe", b""),
            ("POST", "/login", "empty", b"token=x"),
            ("POST", "/login", "document", b"token=x"),
        ] {
            let fields = [("Sec-Fetch-Dest", destination), ("Sec-Fetch-Site", "cross-site")];
            let refused = call(lb.admin, method, path, &fields, body);
            assert_eq!(refused.status, 403, "{method} {destination}");
            assert!(refused.json()["message"].as_str().unwrap().contains("another site"), "{refused:?}");
        }
    }
    let followed = [("Sec-Fetch-Dest", "document"), ("Sec-Fetch-Site", "cross-site")];
    assert_eq!(call(lb.admin, "GET", "/login?token=x", &followed, b"").status, 403);
    assert_eq!(call(lb.admin, "GET", &format!("/login?token={TOKEN}"), &followed, b"").status, 303);
}

#[test]
fn other_sites_may_only_link_to_the_admin_listener() {
    let lb = Balancer::start(&["--replicas", "1"]);
    for (site, destination, expected) in [
        ("cross-site", "empty", 403),
        ("same-site", "empty", 403),
        ("cross-site", "script", 403),
        ("cross-site", "document", 200),
        ("same-origin", "empty", 200),
        ("none", "document", 200),
    ] {
        let fields = [("Sec-Fetch-Site", site), ("Sec-Fetch-Dest", destination)];
        for path in ["/api/state", "/metrics", "/", "/livez"] {
            assert_eq!(status(&lb, "GET", path, &fields), expected, "{site} {destination} {path}");
        }
    }
    let fields = [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Dest", "document")];
    assert_eq!(call(lb.admin, "POST", "/api/plan", &fields, br#"{"add":1}"#).status, 403);
}

#[test]
fn other_sites_cannot_change_the_fleet_through_the_traffic_listener() {
    let lb = Balancer::start(&["--replicas", "1"]);
    let own = format!("http://localhost:{}", lb.traffic.port());
    let host = format!("localhost:{}", lb.traffic.port());
    let remove = |fields: &[(&str, &str)]| {
        let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let body = r#"{"n":2,"hostnames":["server1","server1"]}"#;
        let head = format!("POST /rm HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{fields}");
        let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        answer(&raw(lb.traffic, request.as_bytes()), false).status
    };
    for foreign in [
        &[("Origin", "http://evil.example"), ("Content-Type", "text/plain")][..],
        &[("Origin", "null")],
        &[("Origin", "http://localhost:1")],
        &[("Sec-Fetch-Site", "cross-site")],
        &[("Sec-Fetch-Site", "cross-site"), ("Origin", &own)],
    ] {
        assert_eq!(remove(foreign), 403, "{foreign:?}");
    }
    assert_eq!(lb.names(), ["server1"]);
    // The name exists already: an authorised call gets this error.
    for ours in [
        &[][..],
        &[("Origin", &*own)],
        &[("Origin", "https://shop.example"), ("Sec-Fetch-Site", "same-origin")],
    ] {
        assert_eq!(remove(ours), 400, "{ours:?}");
    }
    assert_eq!(
        lb.call("GET", "/rep", &[("Origin", "http://evil.example")], b"").status,
        200,
        "it cannot be read"
    );
}

#[test]
fn the_login_cookie_is_not_forwarded_to_replicas() {
    let origin = Origin::replying("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let lb = Origin::balanced(&[&origin], &[]);
    lb.call(
        "GET",
        "/",
        &[("Cookie", "a=1; lb-session-5001=secret; b=2"), ("Cookie", "lb-session=secret")],
        b"",
    );
    assert_eq!(origin.next().fields("cookie"), ["a=1; b=2"]);
}

#[test]
fn a_reload_changes_the_token_and_ends_all_logins() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let write = |text: &str| std::fs::write(file.path(), text).unwrap();
    write(TOKEN);
    let path = file.path().to_str().unwrap().to_owned();
    let mut lb =
        Balancer::launch_with(&["--replicas", "1", "--control", "token", "--admin-token-file", &path], &[]);
    lb.wait_for("] ready ");
    let (old, new) = (bearer(TOKEN), bearer("another-horse-altogether"));
    let logged_in = cookie(&lb);
    let get = |token: &str| status(&lb, "GET", "/api/state", &[("Authorization", token)]);
    let reload = |token: &str| call(lb.admin, "POST", "/api/reload", &[("Authorization", token)], b"");
    write("short");
    let refused = reload(&old);
    assert_eq!(refused.status, 400);
    assert!(refused.json()["message"].as_str().unwrap().contains("16 to 512"), "{refused:?}");
    assert_eq!((get(&old), status(&lb, "GET", "/api/state", &[("Cookie", &logged_in)])), (200, 200));
    write("another-horse-altogether\n");
    let changed = reload(&old).json()["message"].clone();
    assert_eq!(changed, json!({ "changed": ["admin-token-file"], "restart": [] }));
    assert_eq!((get(&old), get(&new)), (403, 200));
    assert_eq!(status(&lb, "GET", "/api/state", &[("Cookie", &logged_in)]), 401);
    let rep = |token: &str| lb.call("GET", "/rep", &[("Authorization", token)], b"").status;
    assert_eq!((rep(&old), rep(&new)), (403, 200));
    assert_eq!(reload(&new).json()["message"], json!({ "changed": [], "restart": [] }));
    let again = call(lb.admin, "POST", "/login", &[], b"token=another-horse-altogether");
    let cookie = again.header("set-cookie")[0].split(';').next().unwrap();
    assert_eq!(status(&lb, "GET", "/api/state", &[("Cookie", cookie)]), 200);
}

#[test]
fn concurrent_wrong_tokens_are_all_counted() {
    let lb = guarded(&["--control", "token", "--workers", "4"]);
    let guesses: Vec<_> = (0..40)
        .map(|n| {
            let to = if n % 2 == 0 { lb.admin } else { lb.traffic };
            let path = if n % 2 == 0 { "/api/state" } else { "/rep" };
            std::thread::spawn(move || {
                call(to, "GET", path, &[("Authorization", "Bearer guess")], b"").status
            })
        })
        .collect();
    let answers: Vec<u16> = guesses.into_iter().map(|guess| guess.join().unwrap()).collect();
    assert_eq!(answers.iter().filter(|status| **status == 403).count(), 10, "{answers:?}");
    assert_eq!(answers.iter().filter(|status| **status == 429).count(), 30, "{answers:?}");
}

#[test]
fn on_other_addresses_a_token_is_generated_and_logged_once_as_a_link() {
    let mut lb = Balancer::start(&["--replicas", "1", "--admin-listen", "0.0.0.0:0"]);
    let line = lb.wait_for("login url=");
    let (_, path) = line.split_once(&format!("url=http://127.0.0.1:{}", lb.admin.port())).unwrap();
    assert_eq!(status(&lb, "GET", "/api/state", &[]), 401);
    let logged_in = call(lb.admin, "GET", path, &[], b"");
    let cookie = logged_in.header("set-cookie")[0].split(';').next().unwrap();
    assert_eq!(status(&lb, "GET", "/api/state", &[("Cookie", cookie)]), 200);
    let (_, token) = path.split_once("token=").unwrap();
    assert_eq!(status(&lb, "GET", "/api/state", &[("Authorization", &bearer(token))]), 200);
    assert_eq!(lb.log().iter().filter(|line| line.contains(token)).count(), 1);
    let other = Balancer::start(&["--replicas", "1", "--admin-listen", "[::]:0"]).wait_for("login url=");
    assert!(other.contains("url=http://[::1]:") && !other.contains(token), "{other}");
}

#[test]
fn a_configured_token_is_never_shown() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "{TOKEN}").unwrap();
    let path = file.path().to_str().unwrap();
    let args = ["--replicas", "1", "--admin-listen", "0.0.0.0:0", "--control", "token"];
    let args =
        [&args[..], &["--admin-token-file", path, "--replica-command", "sh -c 'env; exec sleep 9'"]].concat();
    for env in [&[("LB_ADMIN_TOKEN", TOKEN)][..], &[]] {
        let args = if env.is_empty() { &args[..] } else { &args[..6] };
        let env = [env, &[("RUST_LOG", "trace")]].concat();
        let mut lb = Balancer::launch_with(args, &env);
        let good = bearer(TOKEN);
        assert_eq!(status(&lb, "GET", "/api/state", &[("Authorization", &good)]), 200);
        assert_eq!(call(lb.admin, "GET", &format!("/login?token={TOKEN}"), &[], b"").status, 303);
        let logged_in = cookie(&lb);
        assert_eq!(lb.call("GET", "/rep", &[("Authorization", &good)], b"").status, 200);
        lb.wait_for(if env.len() > 1 { "ready " } else { "SERVER_ID=server1" });
        let secret = logged_in.split_once('=').unwrap().1;
        let leaked = lb.log().iter().find(|line| line.contains(TOKEN) || line.contains(secret)).cloned();
        assert_eq!(leaked, None);
        let command = std::fs::read_to_string(format!("/proc/{}/cmdline", lb.child.id())).unwrap();
        assert!(!command.contains(TOKEN));
        lb.signal(rustix::process::Signal::TERM);
        lb.ended();
    }
}

#[test]
fn replicas_get_neither_the_token_nor_other_settings() {
    let args = ["--replicas", "1", "--replica-command", "sh -c 'env; exec sleep 99'"];
    let env = [("LB_ADMIN_TOKEN", TOKEN), ("LB_DRAIN", "1s"), ("NOT_LB_DRAIN", "2s")];
    let mut lb = Balancer::launch_with(&args, &env);
    lb.wait_for("SERVER_ID=server1");
    let token = bearer(TOKEN);
    until("its environment is there", || {
        let path = "/api/replicas/server1/logs";
        let logs = call(lb.admin, "GET", path, &[("Authorization", &token)], b"").body;
        let logs = String::from_utf8(logs).unwrap();
        assert!(!logs.contains(TOKEN) && !logs.contains("\nLB_"), "{logs}");
        logs.contains("NOT_LB_DRAIN=2s")
    });
    for child in crate::support::children(i32::try_from(lb.child.id()).unwrap()) {
        let environment = std::fs::read(format!("/proc/{child}/environ")).unwrap();
        assert!(!String::from_utf8_lossy(&environment).contains(TOKEN), "{child}");
    }
}

#[test]
fn control_calls_need_the_token_with_control_token() {
    let lb = guarded(&["--control", "token", "--replica-command", &crate::support::test_replica::command()]);
    let good = bearer(TOKEN);
    let body = br#"{"n":1,"hostnames":["S5"]}"#;
    for (method, path) in [("GET", "/rep"), ("POST", "/add"), ("DELETE", "/rm"), ("POST", "/rm")] {
        let body: &[u8] = if method == "GET" { b"" } else { body };
        let refused = lb.call(method, path, &[("X-LB-Admin", "1")], body);
        assert_eq!((refused.status, refused.header("www-authenticate")), (401, vec!["Bearer"]), "{path}");
        assert_eq!(lb.call(method, path, &[("Authorization", "Bearer wrong")], body).status, 403, "{path}");
    }
    let shown = [("Authorization", &*good)];
    assert_eq!(lb.call("POST", "/add", &shown, body).json()["message"]["N"], 2);
    assert_eq!(
        lb.call("DELETE", "/rm", &shown, body).json()["message"],
        json!({ "N": 1, "replicas": ["server1"] })
    );
    assert_eq!(lb.get("/home").status, 200);
    assert_eq!(lb.get("/heartbeat").status, 200);
}

#[test]
fn control_token_generates_a_token_and_leaves_a_loopback_admin_listener_open() {
    let mut lb = Balancer::start(&["--replicas", "1", "--control", "token"]);
    let line = lb.wait_for("control token=");
    let (_, token) = line.split_once("token=").unwrap();
    assert_eq!(lb.get("/rep").status, 401);
    assert_eq!(lb.call("GET", "/rep", &[("Authorization", &bearer(token))], b"").status, 200);
    assert_eq!(status(&lb, "GET", "/api/state", &[]), 200);
    assert_eq!(status(&lb, "GET", "/api/state", &[("Authorization", "Bearer of-nothing")]), 200);

    let mut open = Balancer::start(&["--replicas", "1", "--listen", "0.0.0.0:0"]);
    open.wait_for("control open to all clients listen=0.0.0.0:0");
}

#[test]
fn credentials_of_control_calls_are_not_forwarded_and_all_others_are() {
    for (control, paths, expected) in [
        ("token", &["/add", "/rm", "/add?n=1"][..], &[][..]),
        ("token", &["/home", "/add/", "/"], &["Bearer mine"]),
        ("open", &["/add"], &["Bearer mine"]),
        ("off", &["/add", "/rep"], &["Bearer mine"]),
    ] {
        let origin = Origin::replying("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        let lb = Origin::balanced(&[&origin], &["--control", control]);
        for path in paths {
            assert_eq!(lb.call("GET", path, &[("Authorization", "Bearer mine")], b"").status, 200);
            assert_eq!(origin.next().fields("authorization"), expected, "{control} {path}");
        }
    }
}

#[test]
fn behind_a_trusted_proxy_each_client_has_its_own_ten_failures() {
    let lb = guarded(&["--control", "token", "--trusted-proxies", "127.0.0.1"]);
    let rep = |client: &str, token: &str| {
        let headers = [("X-Forwarded-For", client), ("Authorization", token)];
        lb.call("GET", "/rep", &headers, b"").status
    };
    for n in 0..11 {
        assert_eq!(rep("192.0.2.1", "Bearer wrong"), if n < 10 { 403 } else { 429 });
    }
    assert_eq!(rep("192.0.2.2", &bearer(TOKEN)), 200);
    assert_eq!(rep("192.0.2.1", &bearer(TOKEN)), 429);
}

#[test]
fn a_reload_can_require_the_token_and_logs_a_generated_one() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "replicas = 1").unwrap();
    let mut lb = Balancer::start(&["--config", file.path().to_str().unwrap()]);
    assert!(lb.log().iter().all(|line| !line.contains("token=")));
    let ours = [("X-LB-Admin", "1")];
    assert_eq!(status(&lb, "POST", "/api/reload", &[]), 403);
    writeln!(file, "control = 'token'\nadmin-host = ['lb.example']").unwrap();
    let reloaded = call(lb.admin, "POST", "/api/reload", &ours, b"").json();
    assert_eq!(reloaded["message"], json!({ "changed": ["admin-host", "control"], "restart": [] }));
    assert_eq!(send(lb.admin, &["GET /api/state HTTP/1.1", "Host: lb.example"]).status, 200);
    let line = lb.wait_for("control token=");
    let (_, token) = line.split_once("token=").unwrap();
    assert_eq!(lb.get("/rep").status, 401);
    assert_eq!(lb.call("GET", "/rep", &[("Authorization", &bearer(token))], b"").status, 200);
    assert_eq!(status(&lb, "GET", "/api/state", &[]), 200, "the admin listener is as it was");
}

#[test]
fn the_filter_of_the_log_does_not_hide_the_login_link() {
    for filter in ["warn", "off"] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_lb"));
        command.args(["--replicas", "1", "--listen", "127.0.0.1:0", "--admin-listen", "0.0.0.0:0"]);
        command.env("RUST_LOG", filter).stdout(std::process::Stdio::null());
        let mut child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
        let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            lines.map_while(Result::ok).try_for_each(|line| sender.send(line).map_err(drop))
        });
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        let found = std::iter::from_fn(|| {
            receiver.recv_timeout(deadline.saturating_duration_since(std::time::Instant::now())).ok()
        })
        .any(|line| line.contains("login url=http://"));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found, "RUST_LOG={filter}");
    }
}
