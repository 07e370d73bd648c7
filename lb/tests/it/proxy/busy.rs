//! Servers that handle one request at a time: they miss heartbeats while they work, and are not replaced for that.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::tool::installed;
use crate::support::{Balancer, call, signal_pid, until};

/// `/slow?SECONDS` answers after that time, `/boom` ends the server; anything else answers at once. One connection at a
/// time; its argument is the version of HTTP: with 1.1 an idle connection occupies it.
const SERVER: &str = r#"
import http.server, os, sys, time

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/" + sys.argv[1]
    def answer(self):
        path, _, seconds = self.path.partition("?")
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if path == "/slow":
            time.sleep(float(seconds))
        if path == "/boom":
            os._exit(3)
        body = os.environ["SERVER_ID"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_GET = do_POST = answer
    def log_message(self, *args):
        pass

http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"#;

/// A balancer with serial servers that close each connection. Without python3 it prints `skipped` and returns `None`.
fn serial(replicas: &str, args: &[&str]) -> Option<(tempfile::NamedTempFile, Balancer)> {
    serial_of("1.0", replicas, args)
}

fn serial_of(http: &str, replicas: &str, args: &[&str]) -> Option<(tempfile::NamedTempFile, Balancer)> {
    if !installed(&["python3"]) {
        return None;
    }
    let script = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(script.path(), SERVER).unwrap();
    let command = format!("python3 {} {http}", script.path().display());
    let args = [&["--replicas", replicas, "--replica-command", &command], args].concat();
    let lb = Balancer::start(&args);
    Some((script, lb))
}

fn key_of(lb: &Balancer, name: &str) -> String {
    let chosen = |key: &String| lb.explain(key)["walk"][0]["replica"] == name;
    (0..).map(|key: u32| key.to_string()).find(chosen).unwrap()
}

fn send(to: SocketAddr, method: &str, path: &str, key: &str) -> (u16, String) {
    let body: &[u8] = if method == "POST" { b"body" } else { b"" };
    let answer = call(to, method, path, &[("X-Request-Id", key)], body);
    (answer.status, String::from_utf8_lossy(&answer.body).into_owned())
}

fn count(lb: &Balancer, metric: &str) -> u64 {
    let text = String::from_utf8(call(lb.admin, "GET", "/metrics", &[], b"").body).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' ').map(str::to_owned));
    line.unwrap_or_else(|| panic!("no {metric}")).parse().unwrap()
}

fn assert_none_died(lb: &mut Balancer) {
    let dead: Vec<String> = lb.log().iter().filter(|line| line.contains("replica dead")).cloned().collect();
    assert_eq!(dead, Vec::<String>::new());
}

#[test]
fn serial_servers_at_work_are_not_replaced_and_every_request_is_answered() {
    let Some((_script, mut lb)) = serial("3", &[]) else { return };
    let names = lb.names();
    let keys: Vec<String> = names.iter().map(|name| key_of(&lb, name)).collect();
    std::thread::scope(|scope| {
        let to = lb.traffic;
        let slow = [("GET", 0), ("POST", 1)].map(|(method, at)| {
            let key = &keys[at];
            scope.spawn(move || send(to, method, "/slow?6", key))
        });
        // Meanwhile other requests are served by a free server.
        let start = Instant::now();
        while slow.iter().any(|slow| !slow.is_finished()) {
            assert!(start.elapsed() < Duration::from_secs(60), "never answered");
            let answer = send(to, "GET", "/", &keys[2]);
            assert_eq!(answer.0, 200, "{answer:?}");
            std::thread::sleep(Duration::from_millis(20)); // the rate of the load
        }
        for slow in slow {
            let answer = slow.join().unwrap();
            assert_eq!(answer.0, 200, "{answer:?}");
        }
    });
    assert_eq!(lb.names(), names);
    assert_none_died(&mut lb);
}

#[test]
fn with_one_serial_server_requests_wait_and_none_is_refused() {
    let Some((_script, mut lb)) = serial("1", &[]) else { return };
    std::thread::scope(|scope| {
        let to = lb.traffic;
        let slow = scope.spawn(move || send(to, "POST", "/slow?6", "k"));
        lb.until("the server is suspect", |lb| lb.replicas()[0]["phase"] == "suspect");
        // It is the only replica, so it remains the first choice.
        assert_eq!(send(to, "GET", "/", "k"), (200, "server1".into()));
        assert_eq!(slow.join().unwrap(), (200, "server1".into()));
    });
    assert_eq!(lb.names(), ["server1"]);
    assert_none_died(&mut lb);
}

#[test]
fn a_serial_server_that_an_idle_connection_occupies_is_not_replaced() {
    let Some((_script, mut lb)) = serial_of("1.1", "1", &[]) else { return };
    assert_eq!(send(lb.traffic, "GET", "/", "k"), (200, "server1".into()));
    let was_suspect = |line: &String| line.contains("was=suspect");
    until("it answers heartbeats again", || lb.log().iter().any(was_suspect));
    assert_eq!(send(lb.traffic, "GET", "/", "k"), (200, "server1".into()));
    assert_eq!(lb.names(), ["server1"]);
    assert_none_died(&mut lb);
}

#[test]
fn a_request_that_crashes_servers_reaches_at_most_two() {
    let Some((_script, mut lb)) = serial("4", &["--retries", "20"]) else { return };
    let names = lb.names();
    let (status, body) = send(lb.traffic, "GET", "/boom", "k");
    assert_eq!(status, 502, "{body}");
    let left = |lb: &Balancer| {
        let listed = lb.names();
        (listed.len(), listed.iter().filter(|name| names.contains(name)).count())
    };
    lb.until("both servers are replaced", |lb| left(lb) == (4, 2));
    let launched = lb.log().iter().filter(|line| line.contains("replica launched")).count();
    assert_eq!(launched, 6);
    assert_eq!(count(&lb, "lb_requests_not_repeated_total"), 1);
    lb.until("the event is emitted", |lb| {
        let history = call(lb.admin, "GET", "/api/history", &[], b"").json();
        let is_not_repeated = |event: &&Value| event["name"] == "not_repeated";
        let Some(event) = history["events"].as_array().unwrap().iter().find(is_not_repeated) else {
            return false;
        };
        assert!(event["why"].as_str().unwrap().contains("GET"), "{event}");
        names.iter().any(|name| event["replica"] == *name)
    });
}

#[test]
fn a_stopped_server_without_waiting_requests_is_replaced() {
    let Some((_script, mut lb)) = serial("2", &[]) else { return };
    signal_pid(lb.pid_of("server2"), Signal::STOP);
    lb.until("the stopped server is replaced", |lb| {
        lb.names().len() == 2 && !lb.names().contains(&"server2".to_owned())
    });
    let dead = lb.wait_for("replica dead");
    assert!(dead.contains("server2"), "{dead}");
}

#[test]
fn a_stopped_server_is_never_busy_even_if_a_request_waits_for_it() {
    let Some((_script, lb)) = serial("2", &["--head-timeout", "off"]) else { return };
    let key = key_of(&lb, "server2");
    std::thread::scope(|scope| {
        let to = lb.traffic;
        let slow = scope.spawn(move || send(to, "POST", "/slow?60", &key).0);
        let in_flight = |lb: &Balancer| {
            lb.replicas().iter().any(|replica| replica["name"] == "server2" && replica["in_flight"] == 1)
        };
        lb.until("it is in flight", in_flight);
        signal_pid(lb.pid_of("server2"), Signal::STOP);
        lb.until("it is replaced", |lb| lb.names().len() == 2 && !lb.names().contains(&"server2".to_owned()));
        // Not an idempotent request: it is not repeated elsewhere.
        assert_eq!(slow.join().unwrap(), 502);
    });
}
