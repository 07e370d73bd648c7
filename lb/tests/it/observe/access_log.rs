//! The access log: one line for every request, however it ends; no request waits for the log.

use std::fs::{read_to_string, rename};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::origin::{OK, Origin};
use crate::support::wire::Wire;
use crate::support::{Balancer, Killed, until};

/// A temporary directory with a log file.
struct Log {
    directory: TempDir,
}

impl Log {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("access.log")
    }

    fn flag(&self, format: &str) -> String {
        format!("--access-log={format}:{}", self.path().display())
    }

    /// Waits until the log has `n` lines, and returns them.
    fn lines(&self, n: usize) -> Vec<String> {
        lines(&self.path(), n)
    }

    /// Waits until the log has `n` lines, and returns them parsed.
    fn entries(&self, n: usize) -> Vec<Value> {
        self.lines(n).iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn lines(path: &Path, n: usize) -> Vec<String> {
    let mut text = String::new();
    until(&format!("{} has {n} lines", path.display()), || {
        text = read_to_string(path).unwrap_or_default();
        text.lines().count() >= n && text.ends_with('\n')
    });
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), n, "{lines:#?}");
    lines
}

/// Sends bytes on a new connection, and waits for the reply.
fn send(lb: &Balancer, bytes: impl AsRef<[u8]>) {
    let mut client = Wire::connect(lb.traffic);
    client.send(bytes);
    client.reply().unwrap();
}

fn get(lb: &Balancer, path: &str, fields: &[(&str, &str)]) -> u16 {
    lb.call("GET", path, fields, b"").status
}

#[test]
fn every_request_has_one_line() {
    let log = Log::new();
    let origin = Origin::replying(OK);
    let lb = Origin::balanced(&[&origin], &[&log.flag("json"), "--log-key=plain", "--workers=1"]);
    let fields = [("X-Request-Id", "alice"), ("User-Agent", "it/1"), ("Referer", "http://h/")];
    assert_eq!(get(&lb, "/home?x=1", &fields), 200);
    let line = &log.entries(1)[0];
    let slot = lb.explain("alice")["slot"].clone();
    let expected = json!({
        "id": "alice", "client": "127.0.0.1", "method": "GET", "target": "/home?x=1", "version": "HTTP/1.1",
        "status": 200, "bytes": 2, "key": "alice", "slot": slot, "seat": 1, "replica": "o0", "attempts": 1,
        "passed_over": null, "error": null, "referer": "http://h/", "user_agent": "it/1",
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&line[name], value, "{name}");
    }
    let ms = |name: &str| line[name].as_f64().unwrap_or_else(|| panic!("{name}: {line}"));
    assert!(ms("chosen_ms") <= ms("replied_ms") && ms("replied_ms") <= ms("total_ms"), "{line}");
    assert!(ms("replica_ms") <= ms("replied_ms"), "{line}");
    assert_eq!(line["epoch"], lb.state()["epoch"]);

    assert_eq!(get(&lb, "/rep", &[]), 200);
    assert_eq!(lb.call("HEAD", "/home", &[], b"").status, 200);
    assert_eq!(lb.call("POST", "/add", &[], b"{").status, 400);
    send(&lb, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n");
    let lines = log.entries(5);
    let of =
        |at: usize| (lines[at]["target"].clone(), lines[at]["status"].clone(), lines[at]["replica"].clone());
    assert_eq!(of(1), (json!("/rep"), json!(200), Value::Null));
    assert_eq!((of(2), &lines[2]["bytes"]), ((json!("/home"), json!(200), json!("o0")), &json!(0)));
    assert_eq!(lines[2]["key"], Value::Null, "the key is random");
    assert_eq!(lines[2]["id"].as_str().unwrap().len(), 32, "the id that the replica received");
    assert_eq!(of(3), (json!("/add"), json!(400), Value::Null));
    assert!(lines[3]["error"].as_str().unwrap().len() > 5);
    assert_eq!(of(4), (Value::Null, json!(400), Value::Null));
    assert!(lines[4]["error"].as_str().unwrap().contains("malformed"), "{}", lines[4]);
    assert_eq!(lb.state()["access_log"], json!({ "written": 5, "dropped": 0 }));
}

#[test]
fn the_first_request_has_a_line() {
    for _ in 0..10 {
        let log = Log::new();
        let lb = Balancer::launch(&["--replicas=0", "--workers=1", &log.flag("json")]);
        assert_eq!(get(&lb, "/rep", &[]), 200);
        assert_eq!(log.entries(1)[0]["target"], "/rep");
    }
}

#[test]
fn refused_requests_have_a_line() {
    let log = Log::new();
    let mut origin = Origin::replying(OK);
    let flag = log.flag("json");
    let args = [&flag, "--workers=1", "--max-body=4", "--max-header-size=1KiB", "--client-head-timeout=1s"];
    let lb = Origin::balanced(&[&origin], &args);
    send(&lb, format!("GET / HTTP/1.1\r\nHost: h\r\nA: {}\r\n\r\n", "x".repeat(2000)));
    send(&lb, "POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    let mut slow = Wire::connect(lb.traffic);
    slow.send("GET /slow HTTP/1.1\r\n");
    assert_eq!(slow.reply().unwrap().status(), 408);
    origin.refuse();
    assert_eq!(get(&lb, "/gone", &[]), 502);
    let lines = log.entries(4);
    let statuses: Vec<_> = lines.iter().map(|line| line["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [431, 413, 408, 502]);
    let errors: Vec<_> = lines.iter().map(|line| line["error"].as_str().unwrap()).collect();
    assert!(errors[0].contains("--max-header-size") && errors[1].contains("--max-body"), "{errors:?}");
    assert!(
        errors[2].contains("--client-head-timeout") && errors[3].contains("connection failed"),
        "{errors:?}"
    );
    assert_eq!((&lines[1]["method"], &lines[1]["target"]), (&json!("POST"), &json!("/p")));
    assert_eq!((&lines[3]["replica"], &lines[3]["attempts"]), (&json!("o0"), &json!(1)));
}

#[test]
fn a_client_that_left_is_distinguished_from_one_that_stayed() {
    let log = Log::new();
    let origin = Origin::new(|peer| {
        let request = peer.request()?;
        if request.line().contains("/half") {
            peer.wire.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
        }
        peer.wire.closed().then_some(())
    });
    let lb = Origin::balanced(&[&origin], &[&log.flag("json")]);
    let mut client = Wire::connect(lb.traffic);
    client.send("GET /never HTTP/1.1\r\nHost: h\r\n\r\n");
    origin.next();
    client.reset();
    log.entries(1);
    let mut client = Wire::connect(lb.traffic);
    client.send("GET /half HTTP/1.1\r\nHost: h\r\n\r\n");
    client.head().unwrap();
    assert_eq!(client.bytes(5).unwrap(), b"hello");
    client.reset();
    let lines = log.entries(2);
    let of =
        |at: usize| [&lines[at]["status"], &lines[at]["bytes"], &lines[at]["replica"], &lines[at]["error"]];
    assert_eq!(of(0), [&Value::Null, &json!(0), &json!("o0"), &json!("the client has left")]);
    assert_eq!(of(1), [&json!(200), &json!(5), &json!("o0"), &json!("the client has left")]);
}

#[test]
fn the_client_address_comes_from_a_trusted_proxy() {
    let log = Log::new();
    let origin = Origin::replying(OK);
    let args = [&log.flag("json"), "--trusted-proxies=127.0.0.1", "--workers=1", "--control=token"];
    let lb = Origin::balanced(&[&origin], &args);
    let proxied = [("X-Forwarded-For", "192.0.2.1")];
    assert_eq!(
        (get(&lb, "/", &proxied), get(&lb, "/rep", &proxied), get(&lb, "/heartbeat", &proxied)),
        (200, 401, 200)
    );
    let via = "1.1 lb,".repeat(10);
    assert_eq!(get(&lb, "/loop", &[proxied[0], ("Via", &via)]), 508);
    assert_eq!(get(&lb, "/", &[]), 200);
    let clients: Vec<_> = log.entries(5).iter().map(|line| line["client"].clone()).collect();
    assert_eq!(clients, ["192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.1", "127.0.0.1"]);
}

#[test]
fn a_named_pipe_without_a_reader_delays_no_request() {
    let log = Log::new();
    let origin = Origin::replying(OK);
    let made = Command::new("mkfifo").arg(log.path()).status().unwrap();
    assert!(made.success());
    let mut lb = Origin::balanced(&[&origin], &[&log.flag("json")]);
    // More than a pipe holds.
    for _ in 0..400 {
        assert_eq!(get(&lb, "/", &[]), 200);
    }
    lb.wait_for("access log fails error=");
    let pipe = std::fs::File::open(log.path()).unwrap();
    let mut lines = BufReader::new(pipe).lines();
    let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(first["status"], 200);
    drop(lines);
    assert_eq!(get(&lb, "/", &[]), 200);
    lb.signal(Signal::TERM);
    assert!(lb.ended().success());
}

#[test]
fn a_retry_logs_why_the_first_choice_was_skipped() {
    let log = Log::new();
    let mut origins = [Origin::replying(OK), Origin::replying(OK), Origin::replying(OK)];
    let lb = Origin::balanced(&origins.each_ref(), &[&log.flag("json"), "--log-key=plain"]);
    let walk = lb.explain("alice")["walk"].clone();
    let names: Vec<_> = (0..3).map(|at| walk[at]["replica"].as_str().unwrap().to_owned()).collect();
    origins[names[0][1..].parse::<usize>().unwrap()].refuse();
    assert_eq!(get(&lb, "/", &[("X-Request-Id", "alice")]), 200);
    let line = &log.entries(1)[0];
    assert_eq!((&line["attempts"], &line["replica"]), (&json!(2), &json!(names[1])));
    assert!(line["passed_over"].as_str().unwrap().starts_with("failed: connection failed"), "{line}");
    assert_eq!(line["error"], Value::Null);
}

#[test]
fn a_spill_logs_that_the_first_choice_was_over_its_bound() {
    let log = Log::new();
    let replica = || {
        Origin::new(|peer| {
            loop {
                if peer.request()?.line().contains("/hold") {
                    return peer.wire.closed().then_some(());
                }
                peer.wire.send(OK);
            }
        })
    };
    let origins = [replica(), replica(), replica()];
    let bound = ["--workers=1", "--bounded-load=1", "--bounded-load-floor=0"];
    let flag = log.flag("json");
    let lb = Origin::balanced(&origins.each_ref(), &[&bound[..], &[flag.as_str()]].concat());
    let mut held = Wire::connect(lb.traffic);
    held.send("GET /hold HTTP/1.1\r\nHost: h\r\nX-Request-Id: alice\r\n\r\n");
    lb.until("the request is in flight", |lb| lb.replicas().iter().any(|replica| replica["in_flight"] == 1));
    assert_eq!(get(&lb, "/", &[("X-Request-Id", "alice")]), 200);
    let line = &log.entries(1)[0];
    assert_eq!((&line["attempts"], &line["passed_over"]), (&json!(1), &json!("over bound")));
    assert_eq!(line["replica"], lb.explain("alice")["walk"][1]["replica"]);
}

#[test]
fn no_client_input_can_create_a_second_line() {
    let (json, combined) = (Log::new(), Log::new());
    let origin = Origin::replying(OK);
    for log in [("json", &json), ("combined", &combined)] {
        let lb = Origin::balanced(&[&origin], &[&log.1.flag(log.0), "--log-key=plain", "--workers=1"]);
        for request in [
            "GET /?a=%0d%0a%22 HTTP/1.1\r\nHost: h\r\nUser-Agent: a\"b\\c\t\u{e9}\r\n\r\n"
                .as_bytes()
                .to_vec(),
            b"GET / HTTP/1.1\r\nHost: h\r\nUser-Agent: \xff\xfe\xc3\r\nX-Request-Id: \"}\\\r\n\r\n".to_vec(),
            b"GET / HTTP/1.1\r\nHost: h\r\nReferer: 1\n127.0.0.1 - - [x]\r\n\r\n".to_vec(),
            b"G\"T / HTTP/1.1\r\nHost: h\r\n\r\n".to_vec(),
        ] {
            send(&lb, request);
        }
        log.1.lines(4);
    }
    let lines = json.entries(4);
    assert_eq!(lines[0]["user_agent"], "a\"b\\c\t\u{e9}");
    assert_eq!(lines[1]["key"], "\"}\\");
    for line in combined.lines(4) {
        assert!(line.bytes().all(|byte| (b' '..0x7f).contains(&byte)), "{line:?}");
        assert!(line.starts_with("127.0.0.1 - - [") && line.ends_with('"'), "{line}");
        assert_eq!(line.matches('"').count() % 2, 0, "{line}");
    }
}

#[test]
fn keys_are_logged_only_in_the_configured_form() {
    let origin = Origin::replying(OK);
    let mut shown = Vec::new();
    for form in ["hash", "off"] {
        let log = Log::new();
        let key = format!("--log-key={form}");
        let lb = Origin::balanced(&[&origin], &[&log.flag("json"), &key, "--workers=1"]);
        get(&lb, "/home?a=1&request_id=secret", &[]);
        get(&lb, "/home?id=secret", &[("X-Request-Id", "secret"), ("Referer", "http://h/?id=secret&b=2")]);
        let lines = log.entries(2);
        let text = read_to_string(log.path()).unwrap();
        assert!(!text.contains("secret"), "{text}");
        let key = lines[0]["key"].as_str().unwrap().to_owned();
        assert_eq!(lines[0]["target"], format!("/home?a=1&request_id={key}"));
        assert_eq!((&lines[1]["key"], &lines[1]["id"]), (&json!(key), &json!(key)));
        assert_eq!(lines[1]["referer"], format!("http://h/?id={key}&b=2"));
        assert_eq!(lines[0]["id"].as_str().unwrap().len(), 32, "generated by the balancer, and not a key");
        shown.push(key);
    }
    assert_eq!((shown[0].len(), shown[1].as_str()), (16, "-"));
}

#[test]
fn sigusr1_reopens_a_renamed_log_and_no_line_is_lost() {
    let log = Log::new();
    let origin = Origin::replying(OK);
    let mut lb = Origin::balanced(&[&origin], &[&log.flag("json")]);
    let mut served = 0;
    for round in 0..5 {
        for _ in 0..20 {
            get(&lb, &format!("/{round}"), &[]);
            served += 1;
        }
        let old = log.directory.path().join(format!("old.{round}"));
        rename(log.path(), &old).unwrap();
        get(&lb, &format!("/{round}"), &[]);
        served += 1;
        if round == 0 {
            lines(&old, served); // the log writes to the old file until it gets the signal
        }
        lb.signal(Signal::USR1);
        until("there is a new file", || log.path().exists());
    }
    lb.signal(Signal::TERM);
    assert!(lb.ended().success());
    let mut files: Vec<PathBuf> =
        (0..5).map(|round| log.directory.path().join(format!("old.{round}"))).collect();
    files.push(log.path());
    let lines: usize = files.iter().map(|file| read_to_string(file).unwrap().lines().count()).sum();
    assert_eq!(lines, served);
}

#[test]
fn the_last_lines_are_written_before_the_process_ends() {
    let log = Log::new();
    let origin = Origin::replying(OK);
    let mut lb = Origin::balanced(&[&origin], &[&log.flag("json")]);
    for _ in 0..50 {
        get(&lb, "/", &[]);
    }
    lb.signal(Signal::TERM);
    assert!(lb.ended().success());
    assert_eq!(read_to_string(log.path()).unwrap().lines().count(), 50);
}

#[test]
fn a_full_disk_drops_and_counts_lines_and_requests_continue() {
    let origin = Origin::replying(OK);
    let mut lb = Origin::balanced(&[&origin], &["--access-log=json:/dev/full"]);
    for _ in 0..10 {
        assert_eq!(get(&lb, "/", &[]), 200);
    }
    lb.until("all lines are dropped", |lb| {
        lb.state()["access_log"] == json!({ "written": 0, "dropped": 10 })
    });
    lb.wait_for("access log fails");
    let failed = lb.log().iter().filter(|line| line.contains("access log fails")).count();
    assert_eq!(failed, 1, "the failure is logged once: {:#?}", lb.seen);
}

/// A balancer whose standard output is a pipe.
fn piped(origin: &Origin, format: &str) -> (Killed, Vec<String>) {
    let upstream = format!("o0={}", origin.address);
    let child = Command::new(env!("CARGO_BIN_EXE_lb"))
        .args([
            "--listen=127.0.0.1:0",
            "--admin-listen=127.0.0.1:0",
            "--runtime=static",
            "--upstream",
            &upstream,
        ])
        .args(["--heartbeat-path=off", "--access-log", format])
        .env("RUST_LOG", "info")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = Killed(child);
    let mut stderr = BufReader::new(child.0.stderr.take().unwrap());
    let mut seen = Vec::new();
    while !seen.last().is_some_and(|line: &String| line.contains("] ready ")) {
        let mut line = String::new();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "{seen:?}");
        seen.push(line);
    }
    std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
    (child, seen)
}

/// The address of a listener, from the log lines.
fn address(seen: &[String], name: &str) -> std::net::SocketAddr {
    let line = seen.iter().find(|line| line.contains("] listening ")).unwrap();
    line.split(name).nth(1).unwrap().split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn requests_continue_when_standard_output_is_stalled_or_closed() {
    let origin = Origin::replying(OK);
    let (mut child, seen) = piped(&origin, "combined");
    let (traffic, admin) = (address(&seen, "traffic="), address(&seen, "admin="));
    let mut client = Wire::connect(traffic);
    let mut serve = |n: usize| {
        for _ in 0..n {
            client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
            assert_eq!(client.reply().unwrap().status(), 200);
        }
    };
    serve(1);
    let mut stdout = BufReader::new(child.0.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert!(line.starts_with("127.0.0.1 - - [") && line.contains(r#"replica="o0""#), "{line}");
    // More than a pipe holds, so that the writer is stuck.
    serve(1000);
    drop(stdout);
    serve(10);
    let counts = || crate::support::call(admin, "GET", "/api/state", &[], b"").json()["access_log"].clone();
    until("the last are dropped", || {
        let counts = counts();
        let of = |name: &str| counts[name].as_u64().unwrap();
        of("dropped") >= 10 && of("written") + of("dropped") == 1011
    });
}

#[test]
fn stalled_standard_output_does_not_delay_the_end_of_the_process() {
    let origin = Origin::replying(OK);
    let (mut child, seen) = piped(&origin, "json");
    let mut client = Wire::connect(address(&seen, "traffic="));
    // More than a pipe holds, so that the writer is stuck.
    for _ in 0..1000 {
        client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(client.reply().unwrap().status(), 200);
    }
    drop(client);
    child.signal(Signal::TERM);
    assert_eq!(child.ended().code(), Some(0));
}

#[test]
fn a_log_that_cannot_be_opened_is_a_configuration_error() {
    let ended = crate::support::lb(&["--listen=127.0.0.1:0", "--access-log", "json:/nowhere/x"], &[]);
    assert_eq!(ended.status.code(), Some(64), "{}", ended.stderr);
    assert!(ended.stderr.contains("--access-log json:/nowhere/x: No such file"), "{}", ended.stderr);
}

#[test]
fn the_log_file_is_readable_by_owner_and_group_only() {
    let log = Log::new();
    let origin = Origin::replying(OK);
    let _lb = Origin::balanced(&[&origin], &[&log.flag("json")]);
    let mode = std::fs::metadata(log.path()).unwrap().mode();
    assert_eq!(mode & 0o007, 0, "{mode:o}");
}

#[test]
fn a_pipe_without_a_reader_does_not_delay_the_end_of_the_process() {
    let origin = Origin::replying(OK);
    let (mut child, seen) = piped(&origin, "json");
    let mut client = Wire::connect(address(&seen, "traffic="));
    for _ in 0..1000 {
        client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(client.reply().unwrap().status(), 200);
    }
    child.signal(Signal::TERM);
    assert!(child.ended().success());
}

#[test]
fn the_log_can_be_reconfigured_while_requests_are_logged() {
    let log = Log::new();
    let origin = Origin::replying(OK);
    let file = log.directory.path().join("lb.toml");
    let path = log.path().display().to_string();
    let configure = |text: &str| std::fs::write(&file, text).unwrap();
    configure("");
    let config = format!("--config={}", file.display());
    let lb = Origin::balanced(&[&origin], &[&config]);
    let reload = |text: &str| {
        configure(text);
        let answer = crate::support::call(lb.admin, "POST", "/api/reload", &[("X-LB-Admin", "1")], b"");
        assert_eq!(answer.status, 200, "{}", answer.json());
    };
    let get = |key: &str| assert_eq!(get(&lb, &format!("/?id={key}&user={key}"), &[]), 200);
    get("before");
    reload(&format!("access-log = 'json:{path}'\nlog-key = 'plain'"));
    get("plain");
    assert_eq!(log.entries(1)[0]["key"], "plain");
    reload(&format!("access-log = 'json:{path}'\nlog-key = 'off'\nkey = 'query:user'\ndebug-headers = true"));
    get("secret");
    assert_eq!(log.entries(2)[1]["target"], "/?id=secret&user=-", "id is no longer a key");
    assert_eq!(lb.get("/").header("x-lb-replica"), ["o0"]);
    log.entries(3);
    reload("access-log = 'off'");
    get("after");
    assert_eq!(lb.state()["access_log"], json!({ "written": 3, "dropped": 0 }));
    reload("access-log = 'json:/nowhere/x'");
    get("nowhere");
    log.entries(3);
}

#[test]
fn each_of_many_concurrent_requests_has_one_line() {
    let log = Log::new();
    let origins = [Origin::replying(OK), Origin::replying(OK)];
    let flag = log.flag("json");
    let lb = Origin::balanced(&origins.each_ref(), &[&flag, "--log-key=plain", "--workers=4"]);
    let traffic = lb.traffic;
    let clients = (0..8).map(|client| {
        std::thread::spawn(move || {
            let mut wire = Wire::connect(traffic);
            for n in 0..250 {
                wire.send(format!("GET / HTTP/1.1\r\nHost: h\r\nX-Request-Id: {client}-{n}\r\n\r\n"));
                assert_eq!(wire.reply().unwrap().status(), 200);
            }
        })
    });
    clients.collect::<Vec<_>>().into_iter().for_each(|client| client.join().unwrap());
    let lines = log.entries(2000);
    let keys: std::collections::BTreeSet<_> =
        lines.iter().map(|line| line["key"].as_str().unwrap()).collect();
    assert_eq!(keys.len(), 2000);
    assert_eq!(lb.state()["access_log"], json!({ "written": 2000, "dropped": 0 }));
}

#[test]
fn sigusr1_without_an_access_log_has_no_effect() {
    let origin = Origin::replying(OK);
    let mut lb = Origin::balanced(&[&origin], &[]);
    lb.signal(Signal::USR1);
    assert_eq!(get(&lb, "/", &[]), 200);
    lb.signal(Signal::TERM);
    assert!(lb.ended().success());
}
