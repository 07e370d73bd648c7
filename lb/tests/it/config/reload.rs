//! Reload: what changes, what does not, and that no request fails.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::keyed::{failure, send, walk};
use crate::support::load::Load;
use crate::support::origin::{OK, Origin};
use crate::support::wire::Wire;
use crate::support::{Answer, Balancer, call, lb, signal_pid, until};

/// A configuration file that the test rewrites.
struct File {
    directory: tempfile::TempDir,
    path: String,
}

impl File {
    fn new(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lb.toml").to_str().unwrap().to_owned();
        let file = Self { directory, path };
        file.write(text);
        file
    }

    fn path(&self) -> &str {
        &self.path
    }

    /// Replaces the file atomically, so that a reload never reads an incomplete file.
    fn write(&self, text: &str) {
        let new = tempfile::NamedTempFile::new_in(&self.directory).unwrap();
        std::fs::write(new.path(), text).unwrap();
        new.persist(&self.path).unwrap();
    }

    /// Rewrites the file, reloads, and returns the response.
    fn write_and_reload(&self, lb: &Balancer, text: &str) -> Value {
        self.write(text);
        let answer = reload(lb.admin);
        assert_eq!(answer.status, 200, "{answer:?}");
        let json = answer.json();
        assert_eq!(json["status"], "successful");
        json["message"].clone()
    }
}

#[test]
fn the_command_prints_what_has_changed() {
    let file = File::new("retries = 1");
    let balancer = Balancer::start(&["--replicas", "1", "--config", file.path()]);
    let admin = ("LB_ADMIN", format!("http://{}", balancer.admin));
    let says = |text: &str, args: &[&str]| {
        file.write(text);
        let ended = lb(&[&["reload"], args].concat(), &[(admin.0, &admin.1)]);
        (ended.status.code().unwrap(), ended.stdout, ended.stderr)
    };
    let good = |words: &str| (0, words.to_owned(), String::new());
    assert_eq!(says("retries = 1", &[]), good("nothing has changed\n"));
    let both = "retries has changed\ncluster needs a restart, and stays as it is\n";
    assert_eq!(says("retries = 2\ncluster = 'other'", &[]), good(both));
    let json = r#"{"message":{"changed":["retries"],"restart":["cluster"]},"status":"successful"}"#;
    assert_eq!(says("retries = 3\ncluster = 'other'", &["--json"]), good(&format!("{json}\n")));
    let bad = format!(
        "lb: {} line 2, drain = soon: must be a duration such as 500ms, 2s or 1m, from 0s to 1day\n",
        file.path()
    );
    let (code, stdout, stderr) = says("retries = 4\ndrain = 'soon'", &[]);
    assert_eq!((code, stdout.as_str(), stderr), (1, "", bad));
    assert_eq!(
        says("retries = 3", &["--json"]).1.matches("retries").count(),
        0,
        "the bad file changed nothing"
    );
}

fn reload(admin: SocketAddr) -> Answer {
    call(admin, "POST", "/api/reload", &[("X-LB-Admin", "1")], b"")
}

/// Three origins, and a balancer in front of them with a configuration file.
fn balanced(text: &str) -> (File, [Origin; 3], Balancer) {
    let file = File::new(text);
    let origins = [Origin::replying(OK), Origin::replying(OK), Origin::replying(OK)];
    let args = ["--workers", "2", "--config", file.path()];
    let lb = Origin::balanced(&[&origins[0], &origins[1], &origins[2]], &args);
    (file, origins, lb)
}

#[test]
fn no_request_fails_during_a_hundred_reloads_under_load() {
    let text = |n: usize| {
        let policy = ["hash", "round-robin", "least-requests", "peak-ewma"][n % 4];
        let key = ["path", "header:X-Request-Id,random"][n % 2];
        let bound = if policy == "hash" { "bounded-load = 1.5\nbounded-load-floor = 2\n" } else { "" };
        format!(
            "policy = '{policy}'\nkey = '{key}'\n{bound}retries = {}\nhead-timeout = '{}s'\nmax-in-flight = {}\n\
             heartbeat-interval = '{}ms'\nclient-idle-timeout = '{}s'\nmap-404 = {}\n",
            n % 5,
            20 + n % 10,
            1000 + n,
            400 + n % 100,
            60 + n % 9,
            n.is_multiple_of(2),
        )
    };
    let file = File::new(&text(0));
    let mut lb = Balancer::start(&["--config", file.path(), "--workers", "2"]);
    let load = Load::start(lb.traffic, 8);
    for n in 1..=100 {
        let answered = load.answered();
        until("the load goes on", || load.answered() > answered + 20);
        if n % 2 == 0 {
            file.write_and_reload(&lb, &text(n));
        } else {
            file.write(&text(n));
            lb.signal(Signal::HUP);
        }
    }
    until("all signals are answered", || {
        lb.log().iter().filter(|line| line.contains("] reloaded ")).count() > 50
    });
    assert!(lb.log().iter().all(|line| !line.contains("not reloaded") && !line.contains("replica dead")));
    let (answered, failed) = load.finish();
    assert_eq!((failed, answered > 2000), (vec![], true), "{answered}");
}

#[test]
fn attempts_and_timeouts_change_with_the_next_request() {
    let (file, mut origins, lb) = balanced("retries = 0\nhead-timeout = '1m'");
    let walk = walk(&lb);
    origins[walk[0]].refuse();
    assert_eq!(failure_of(&lb), 502);
    assert_eq!(file.write_and_reload(&lb, "retries = 1\nhead-timeout = '1m'"), message(&["retries"], &[]));
    assert_eq!(send(&lb, "GET", b"").status(), 200);

    let go_on = Arc::new(AtomicBool::new(false));
    let holding = {
        let go_on = go_on.clone();
        Origin::new(move |peer| {
            peer.request()?;
            until("the test lets it answer", || go_on.load(Ordering::SeqCst));
            peer.wire.send(OK).then_some(())
        })
    };
    let lb = Origin::balanced(&[&holding], &["--config", file.path()]);
    file.write_and_reload(&lb, "retries = 0\nhead-timeout = '1h'");
    let mut early = Wire::connect(lb.traffic);
    early.send("GET /x HTTP/1.1\r\nHost: h\r\n\r\n");
    holding.next();
    let expected = message(&["head-timeout", "request-timeout"], &[]);
    assert_eq!(
        file.write_and_reload(&lb, "retries = 0\nhead-timeout = '2h'\nrequest-timeout = '50ms'"),
        expected
    );
    assert_eq!(failure_of(&lb), 504);
    holding.next();
    file.write_and_reload(&lb, "retries = 0\nhead-timeout = '50ms'");
    assert_eq!(failure_of(&lb), 504);
    go_on.store(true, Ordering::SeqCst);
    assert_eq!(early.reply().unwrap().status(), 200, "a request keeps its settings");
}

#[test]
fn key_and_policy_change_with_the_next_request() {
    let (file, origins, lb) = balanced("key = 'header:X-Request-Id'");
    let first = walk(&lb)[0];
    let seen = |count: usize| {
        (0..count).for_each(|_| assert_eq!(send(&lb, "GET", b"").status(), 200));
        origins.iter().map(|origin| origin.seen().len()).collect::<Vec<_>>()
    };
    assert_eq!(seen(6)[first], 6);
    // A path with another owner than the key: /x is sent.
    assert_eq!(file.write_and_reload(&lb, "key = 'path'"), message(&["key"], &[]));
    let explained = call(lb.admin, "GET", "/api/explain?key=/x", &[], b"").json();
    let owner = explained["chosen"]["seat"].as_u64().unwrap() as usize - 1;
    assert_ne!(owner, first, "k and /x must not have the same owner");
    assert_eq!(seen(6)[owner], 6);
    assert_eq!(file.write_and_reload(&lb, "key = 'path'\npolicy = 'round-robin'"), message(&["policy"], &[]));
    assert!(seen(30).iter().all(|seen| *seen >= 5));
    assert_eq!(file.write_and_reload(&lb, "key = 'path'"), message(&["policy"], &[]));
    assert_eq!(seen(6)[owner], 6);
}

#[test]
fn client_limits_change_with_the_next_connection() {
    let (file, _origins, lb) = balanced("");
    let long = format!("/{}", "x".repeat(500));
    let mut kept = Wire::connect(lb.traffic);
    let get = |wire: &mut Wire| {
        wire.send(format!("GET {long} HTTP/1.1\r\nHost: h\r\n\r\n"));
        wire.reply().unwrap().status()
    };
    assert_eq!(get(&mut kept), 200);
    let text = "max-target = '128'\nmax-body = 10\nmax-control-body = 20\n";
    let changed = ["max-body", "max-control-body", "max-target"];
    assert_eq!(file.write_and_reload(&lb, text), message(&changed, &[]));
    assert_eq!(get(&mut Wire::connect(lb.traffic)), 414);
    assert_eq!(get(&mut kept), 200, "a connection keeps its settings");
    assert_eq!(lb.call("POST", "/x", &[], b"12345678901").status, 413);
    let body = br#"{"n":1,"hostnames":["abc"]}"#;
    let admin = call(lb.admin, "POST", "/api/add", &[("X-LB-Admin", "1")], body);
    assert_eq!((admin.status, lb.call("POST", "/add", &[], body).status), (413, 413));
}

#[test]
fn trusted_proxies_change_on_open_connections() {
    let (file, origins, lb) = balanced("key = 'path'");
    let mut kept = Wire::connect(lb.traffic);
    let mut chain = || {
        kept.send("GET /x HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n");
        assert_eq!(kept.reply().unwrap().status(), 200);
        let seen: Vec<_> = origins.iter().flat_map(Origin::seen).collect();
        assert_eq!(seen.len(), 1);
        seen[0].fields("x-forwarded-for").join("|")
    };
    assert_eq!(chain(), "127.0.0.1");
    let text = "key = 'path'\ntrusted-proxies = ['127.0.0.1']";
    assert_eq!(file.write_and_reload(&lb, text), message(&["trusted-proxies"], &[]));
    assert_eq!(chain(), "192.0.2.1, 127.0.0.1");
    assert_eq!(file.write_and_reload(&lb, "key = 'path'"), message(&["trusted-proxies"], &[]));
    assert_eq!(chain(), "127.0.0.1");
}

#[test]
fn the_target_follows_only_changes_of_the_file() {
    let file = File::new("replicas = 2");
    let mut lb = Balancer::start(&["--config", file.path(), "--workers", "1"]);
    let reaches = |lb: &Balancer, n: usize| lb.until("the target", |lb| lb.names().len() == n);
    assert_eq!(file.write_and_reload(&lb, "replicas = 4"), message(&["replicas"], &[]));
    reaches(&lb, 4);
    lb.wait_for("target reached target=4 replicas=4");
    assert_eq!(lb.control("POST", "/add", r#"{"n":1}"#).0, 200);
    assert_eq!(file.write_and_reload(&lb, "replicas = 4\nretries = 1"), message(&["retries"], &[]));
    assert_eq!(lb.names().len(), 5, "the target in the file has not changed");
    assert_eq!(file.write_and_reload(&lb, "replicas = 1"), message(&["replicas", "retries"], &[]));
    reaches(&lb, 1);
}

#[test]
fn weights_move_exactly_the_keys_of_the_plan() {
    let file = File::new("[weights]\n2 = 300");
    // The default of max-replicas depends on the weights too.
    let lb = Balancer::start(&["--config", file.path(), "--workers", "1", "--max-replicas", "8"]);
    let weights = |lb: &Balancer| {
        let state = lb.state();
        state["seats"].as_array().unwrap().iter().map(|seat| seat["weight"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(weights(&lb), [100, 300, 100]);
    assert_eq!(lb.control("POST", "/add", r#"{"n":1}"#).0, 200);
    let keys: Vec<String> = (0..200).map(|n| format!("key{n}")).collect();
    let body = json!({ "weights": { "1": 200, "2": 100 }, "keys": keys }).to_string();
    let plan = call(lb.admin, "POST", "/api/plan", &[("X-LB-Admin", "1")], body.as_bytes()).json();
    assert_eq!(file.write_and_reload(&lb, "weights = { 1 = 200, 4 = 100 }"), message(&["weights"], &[]));
    lb.until("the seats have the weights of the file", |lb| weights(lb) == [200, 100, 100, 100]);
    assert_eq!(lb.state()["digest"], plan["digest"]);
    for fate in plan["keys"].as_array().unwrap() {
        let path = format!("/api/explain?key={}", fate["key"].as_str().unwrap());
        let explained = call(lb.admin, "GET", &path, &[], b"").json();
        assert_eq!(explained["walk"][0]["seat"], fate["to"], "{fate}");
    }
}

#[test]
fn a_bad_file_changes_nothing_and_the_error_names_the_line() {
    let (file, mut origins, mut lb) = balanced("retries = 0");
    let walk = walk(&lb);
    origins[walk[0]].refuse();
    for (text, expected) in [
        ("retries = 2\n\ndrain = 'soon'", "line 3, drain = soon: must be a duration such as 500ms"),
        ("retries = 2\nretrys = 1", "line 2: unknown key 'retrys', did you mean 'retries'?"),
        ("retries = 2\nkey = [", "line 2: "),
        ("retries = 2\nheartbeat-timeout = '11m'", "line 2, heartbeat-timeout = 11m: must not be more than"),
    ] {
        file.write(text);
        let answer = reload(lb.admin);
        let (status, text) = (answer.status, answer.json()["message"].as_str().unwrap().to_owned());
        assert_eq!(status, 400, "{text}");
        assert!(text.starts_with(&format!("<Error> {} {expected}", file.path())), "{text}");
    }
    // One request: after three failures a worker would eject the replica.
    assert_eq!(failure_of(&lb), 502, "retries are still off");
    file.write("retries = 21");
    lb.signal(Signal::HUP);
    lb.wait_for("line 1, retries = 21: must be a whole number");
    assert_eq!(file.write_and_reload(&lb, "retries = 2"), message(&["retries"], &[]));
    assert_eq!(send(&lb, "GET", b"").status(), 200);
}

#[test]
fn settings_that_need_a_restart_are_named_each_time_and_flags_stay() {
    let (file, _origins, mut lb) = balanced("");
    let text = "listen = '127.0.0.1:1'\nworkers = 7\nmax-connections = 5\nslots = 1024\ndrain = '1s'";
    // Address and workers are set by flags, which take precedence.
    assert_eq!(file.write_and_reload(&lb, text), message(&["drain"], &["max-connections", "slots"]));
    assert_eq!(file.write_and_reload(&lb, text), message(&[], &["max-connections", "slots"]));
    assert_eq!(lb.state()["layout"]["slots"], 512);
    lb.wait_for("reloaded changed=drain restart=max-connections,slots");
    lb.signal(Signal::TERM);
    lb.wait_for("stopping drain_ms=1000");
}

#[test]
fn without_a_file_a_reload_is_refused() {
    let mut lb = Balancer::start(&["--replicas", "1"]);
    let answer = reload(lb.admin);
    let message = "<Error> There is no file to read again: start lb with --config FILE";
    assert_eq!((answer.status, answer.json()), (400, json!({ "message": message, "status": "failure" })));
    lb.signal(Signal::HUP);
    until("both reloads are logged", || {
        lb.log().iter().filter(|line| line.contains("not reloaded why=There is no file")).count() == 2
    });
    assert_eq!(lb.get("/home").status, 200);
}

#[test]
fn racing_signals_and_calls_end_with_the_settings_of_the_file() {
    let (file, mut origins, mut lb) = balanced("retries = 0");
    let walk = walk(&lb);
    origins[walk[0]].refuse();
    let (admin, pid) = (lb.admin, i32::try_from(lb.child.id()).unwrap());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let file = &file;
            scope.spawn(move || {
                for n in 0..25 {
                    file.write(&format!("retries = {}", n % 3));
                    assert_eq!(reload(admin).status, 200);
                    signal_pid(pid, Signal::HUP);
                }
            });
        }
    });
    file.write_and_reload(&lb, "retries = 0");
    assert_eq!(failure_of(&lb), 502);
    file.write_and_reload(&lb, "retries = 1");
    assert_eq!(send(&lb, "GET", b"").status(), 200);
    assert!(lb.log().iter().all(|line| !line.contains("not reloaded")), "{:?}", lb.seen);
}

/// The status of a request whose attempts fail.
fn failure_of(lb: &Balancer) -> u16 {
    let reply = send(lb, "GET", b"");
    failure(&reply);
    reply.status()
}

fn message(changed: &[&str], restart: &[&str]) -> Value {
    json!({ "changed": changed, "restart": restart })
}

#[test]
fn lowered_connections_are_warned_of_at_the_start_and_when_another_number_is_asked_for() {
    let file = File::new("retries = 1");
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "ulimit -n 120; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_lb")]);
    let args = ["--replicas", "1", "--workers", "1", "--config", file.path()];
    let mut lb = Balancer::launch_by(command, &args, &[]);
    lb.wait_for("] ready ");
    for retries in [2, 3] {
        file.write_and_reload(&lb, &format!("retries = {retries}"));
    }
    file.write_and_reload(&lb, "retries = 4\nmax-connections = 20000");
    file.write_and_reload(&lb, "retries = 5\nmax-connections = 20000");
    file.write_and_reload(&lb, "retries = 5\nmax-connections = 20000\ndrain = '7s'");
    lb.wait_for("reloaded changed=drain");
    let lowered: Vec<_> = lb.log().iter().filter(|line| line.contains("max connections lowered")).collect();
    assert_eq!(lowered.len(), 2, "{lowered:?}");
    assert!(lowered[0].contains("from=25000") && lowered[1].contains("from=20000"), "{lowered:?}");
}
