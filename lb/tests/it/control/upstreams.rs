//! `--runtime static`: real external servers that die and come back.

use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::load::Load;
use crate::support::port;
use crate::support::{Answer, Balancer, Killed, call, lb as run, runs, signal_pid, until};

/// An external server.
struct Server {
    port: u16,
    name: &'static str,
    child: Killed,
}

impl Server {
    fn start(name: &'static str) -> Self {
        let port = port::free();
        Self { port, name, child: serve(port, name) }
    }

    fn kill(&mut self) {
        self.child.0.kill().unwrap();
        self.child.0.wait().unwrap();
    }

    fn restart(&mut self) {
        self.child = serve(self.port, self.name);
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.child.0.id()).unwrap()
    }
}

fn serve(port: u16, name: &str) -> Killed {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
    command.arg("replica").env("PORT", port.to_string()).env("SERVER_ID", name);
    Killed(command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

fn until_listed(lb: &Balancer, names: &[&str]) {
    lb.until(&format!("{names:?} are listed"), |lb| lb.names() == names);
}

#[test]
fn a_dead_server_leaves_its_seat_vacant_until_it_is_back() {
    let (mut one, two) = (Server::start("one"), Server::start("two"));
    let a = format!("a=localhost:{}", one.port);
    let b = format!("127.0.0.1:{}*50", two.port);
    let lb = Balancer::start(&["--runtime", "static", "--upstream", &a, "--upstream", &b]);
    let default = format!("127.0.0.1-{}", two.port);
    until_listed(&lb, &["a", &default]);
    let (target, digest) = (lb.state()["target"].clone(), lb.state()["digest"].clone());
    let weights: Vec<Value> =
        lb.state()["seats"].as_array().unwrap().iter().map(|seat| seat["weight"].clone()).collect();
    assert_eq!((target, weights), (json!(2), vec![json!(100), json!(50)]));
    let before: Vec<String> = (0..50).map(|key| lb.owner(&key.to_string())).collect();
    assert!(before.iter().any(|name| name == "one") && before.iter().any(|name| name == "two"));

    one.kill();
    until_listed(&lb, &[&default]);
    assert_eq!(lb.replicas()[0], Value::Null);
    assert!((0..50).all(|key| lb.owner(&key.to_string()) == "two"));

    one.restart();
    until_listed(&lb, &["a", &default]);
    let after: Vec<String> = (0..50).map(|key| lb.owner(&key.to_string())).collect();
    assert_eq!((after, lb.state()["digest"].clone()), (before, digest));
}

#[test]
fn hung_servers_are_skipped_even_if_they_are_the_majority() {
    let servers = ["one", "two", "three"].map(Server::start);
    let upstreams = servers.each_ref().map(|server| format!("{}=127.0.0.1:{}", server.name, server.port));
    let mut args = vec!["--runtime", "static", "--replace-after", "1s", "--heartbeat-interval", "200ms"];
    args.extend(upstreams.iter().flat_map(|upstream| ["--upstream", upstream]));
    let mut lb = Balancer::start(&args);
    until_listed(&lb, &["one", "two", "three"]);
    servers[..2].iter().for_each(|server| signal_pid(server.pid(), Signal::STOP));
    until_listed(&lb, &["three"]);
    servers[..2].iter().for_each(|server| signal_pid(server.pid(), Signal::CONT));
    until_listed(&lb, &["one", "two", "three"]);

    lb.signal(Signal::TERM);
    assert_eq!(lb.ended().code(), Some(0));
    assert!(servers.iter().all(|server| runs(server.pid())), "the servers are not ours to stop");
    assert!(!lb.log().iter().any(|line| line.contains("replica stopping")), "and nothing is logged about it");
}

#[test]
fn add_and_rm_are_refused_with_the_reason() {
    let one = Server::start("one");
    let lb = Balancer::start(&["--runtime", "static", "--upstream", &format!("one=127.0.0.1:{}", one.port)]);
    for (method, path) in [("POST", "/add"), ("DELETE", "/rm")] {
        let (status, answer) = lb.control(method, path, r#"{"n":1}"#);
        assert_eq!((status, answer["status"].clone()), (400, json!("failure")));
        let message = answer["message"].as_str().unwrap();
        assert!(message.contains("--runtime static") && message.contains("lb upstream add"), "{answer}");
    }
    assert_eq!(lb.names(), ["one"]);
}

#[test]
fn a_server_that_is_down_at_the_start_is_taken_in_later() {
    let (mut late, one) = (Server::start("late"), Server::start("one"));
    late.kill();
    let upstreams = format!("late=127.0.0.1:{},one=127.0.0.1:{}", late.port, one.port);
    let lb = Balancer::start(&["--runtime", "static", "--upstream", &upstreams]);
    until("one server serves", || lb.get("/home").status == 200);
    assert_eq!(lb.names(), ["one"]);
    late.restart();
    until_listed(&lb, &["late", "one"]);
}

fn change(lb: &Balancer, method: &str, body: &Value) -> Answer {
    call(lb.admin, method, "/api/upstreams", &[("X-LB-Admin", "1")], body.to_string().as_bytes())
}

fn upstream_of(server: &Server) -> String {
    format!("{}=127.0.0.1:{}", server.name, server.port)
}

#[test]
fn upstreams_are_added_and_removed_live_and_no_request_fails() {
    let servers = ["one", "two", "three"].map(Server::start);
    let [one, two, three] = servers.each_ref().map(upstream_of);
    let lb = Balancer::start(&["--runtime", "static", "--upstream", &one, "--workers", "2"]);
    until_listed(&lb, &["one"]);
    let load = Load::start(lb.traffic, 4);
    let goes_on = || {
        let answered = load.answered();
        until("the load goes on", || load.answered() > answered + 50);
    };
    goes_on();
    let plan = change(&lb, "POST", &json!({ "upstream": two, "dry_run": true })).json();
    assert!(plan["slots_moved"].as_u64().unwrap() > 100, "{plan}");
    assert_eq!(lb.names(), ["one"], "a plan changes nothing");
    let admin = format!("http://{}", lb.admin);
    let says = |args: &[&str]| {
        let ended = run(&[&["upstream"], args].concat(), &[("LB_ADMIN", &admin)]);
        (ended.status.code(), ended.stdout + &ended.stderr)
    };
    for _ in 0..3 {
        let added = change(&lb, "POST", &json!({ "upstream": format!("{two}*50") })).json();
        let message = &added["message"];
        assert_eq!(
            (&message["N"], &message["seat"], &message["reason"]),
            (&json!(2), &json!(2), &Value::Null)
        );
        assert_ne!(lb.state()["digest"], plan["digest"], "the weight differs from the plan's");
        goes_on();
        let (code, text) = says(&["add", &three]);
        assert!(code == Some(0) && text.starts_with("three serves in seat 3; 3 replicas serve\n"), "{text}");
        goes_on();
        let removed = change(&lb, "DELETE", &json!({ "name": "two" })).json();
        assert_eq!(removed["message"]["replicas"], json!(["one", "three"]));
        goes_on();
        let (code, text) = says(&["rm", "three"]);
        assert!(code == Some(0) && text.starts_with("three has left the ring; 1 replica serves\n"), "{text}");
        goes_on();
    }
    let (answered, failed) = load.finish();
    assert!(answered > 0 && failed.is_empty(), "{failed:?}");
    assert!(servers.iter().all(|server| runs(server.pid())), "external servers must not be stopped");
    let (code, text) = says(&["add", &two, "--dry-run"]);
    assert!(code == Some(0) && text.contains("slots"), "{text}");
    assert_eq!(lb.names(), ["one"]);
    lb.until("what has left is gone", |lb| lb.state()["others"] == json!([]));
}

#[test]
fn impossible_changes_of_upstreams_are_refused_with_the_reason() {
    let one = Server::start("one");
    let dead = port::free();
    let lb = Balancer::start(&["--runtime", "static", "--upstream", &upstream_of(&one)]);
    let refused = |method: &str, body: Value| {
        let answer = change(&lb, method, &body);
        let json = answer.json();
        assert_eq!(json["status"], "failure");
        (answer.status, json["message"].as_str().unwrap().to_owned())
    };
    for (method, body, status, words) in [
        ("POST", json!({ "upstream": "nonsense" }), 400, "<Error> 'upstream': must be [NAME=]HOST:PORT"),
        ("POST", json!({ "upstream": "a:1", "more": 1 }), 400, "<Error> "),
        ("POST", json!({}), 400, "<Error> The body is not like {\"upstream\""),
        ("POST", json!({ "upstream": "one=127.0.0.1:1" }), 400, "<Error> Hostname 'one' already exists"),
        ("DELETE", json!({ "name": "two" }), 404, "<Error> There is no upstream 'two'"),
        ("DELETE", json!({ "name": "two", "dry_run": true }), 404, "<Error> There is no upstream 'two'"),
    ] {
        let (is, message) = refused(method, body.clone());
        assert!(is == status && message.starts_with(words), "{body}: {is} {message}");
    }
    let (status, message) = refused("POST", json!({ "upstream": format!("x=127.0.0.1:{}", one.port) }));
    let twice = format!("<Error> Upstream 127.0.0.1:{} is there already, as 'one'", one.port);
    assert_eq!((status, message), (400, twice));

    let vacant = change(&lb, "POST", &json!({ "upstream": format!("dead=127.0.0.1:{dead}") }));
    let message = &vacant.json()["message"];
    let why = format!("127.0.0.1:{dead}: it refuses connections");
    assert_eq!((vacant.status, &message["seat"], &message["reason"]), (200, &json!(2), &json!(why)));
    let state = lb.state();
    assert_eq!(state["actions"], json!(["upstreams", "drain", "weight"]));
    let seat = &state["seats"][1];
    assert_eq!(
        (&seat["replica"], &seat["name"], &seat["reason"]),
        (&Value::Null, &json!("dead"), &json!(why))
    );
    let status = run(&["status"], &[("LB_ADMIN", &format!("http://{}", lb.admin))]).stdout;
    assert!(status.contains(&format!("seat 2 (127.0.0.1:{dead}) is vacant: {why}")), "{status}");

    let managed = Balancer::launch(&["--replicas", "1"]);
    let answer = change(&managed, "POST", &json!({ "upstream": "a=127.0.0.1:1" }));
    assert_eq!(answer.status, 400);
    let message = answer.json()["message"].as_str().unwrap().to_owned();
    assert!(message.contains("only with --runtime static") && message.contains("/add"), "{message}");
    assert!(managed.state()["actions"].as_array().unwrap().contains(&json!("rolling-replace")));
}

#[test]
fn a_reload_applies_a_changed_list_of_upstreams_only() {
    let servers = ["one", "two", "three"].map(Server::start);
    let [one, two, three] = servers.each_ref().map(upstream_of);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lb.toml");
    let write = |upstreams: &[&str], more: &str| {
        std::fs::write(&path, format!("runtime = 'static'\nupstream = {upstreams:?}\n{more}")).unwrap();
    };
    write(&[&one], "");
    let lb = Balancer::start(&["--config", path.to_str().unwrap(), "--workers", "2"]);
    let reload = || {
        let answer = call(lb.admin, "POST", "/api/reload", &[("X-LB-Admin", "1")], b"");
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["message"].clone()
    };
    until_listed(&lb, &["one"]);
    let load = Load::start(lb.traffic, 4);
    assert_eq!(change(&lb, "POST", &json!({ "upstream": two })).status, 200);
    write(&[&one], "retries = 3");
    assert_eq!(reload(), json!({ "changed": ["retries"], "restart": [] }));
    assert_eq!(lb.names(), ["one", "two"], "the list in the file is as before");

    write(&[&format!("{one}*40"), &three, "nowhere=no.invalid:80"], "retries = 3");
    assert_eq!(reload(), json!({ "changed": ["upstream"], "restart": [] }));
    until_listed(&lb, &["one", "three"]);
    lb.until("the third does not resolve", |lb| {
        lb.state()["seats"][2]["reason"]
            .as_str()
            .is_some_and(|why| why.contains("no.invalid does not resolve"))
    });
    assert_eq!(lb.state()["seats"][0]["weight"], json!(40));

    // The same name with another address: the seat is handed over.
    let moved = format!("three=127.0.0.1:{}", servers[1].port);
    write(&[&format!("{one}*40"), &moved], "retries = 3");
    reload();
    lb.until("three has moved", |lb| {
        let replica = &lb.replicas()[1];
        replica["address"] == format!("127.0.0.1:{}", servers[1].port) && lb.names() == ["one", "three"]
    });
    let history = call(lb.admin, "GET", "/api/history", &[], b"").json();
    let handed = history["events"].as_array().unwrap().iter().filter(|event| event["name"] == "handover");
    assert_eq!(handed.count(), 1, "{history}");
    write(&[], "");
    assert_eq!(call(lb.admin, "POST", "/api/reload", &[("X-LB-Admin", "1")], b"").status, 400);
    let (answered, failed) = load.finish();
    assert!(answered > 0 && failed.is_empty(), "{failed:?}");
}
