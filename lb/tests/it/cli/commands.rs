//! `lb status`, `explain`, `plan`, `add` and `rm`: against a real balancer, and against a server with a canned response.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;

use serde_json::{Value, json};

use crate::support::{Balancer, Ended, call, lb};

/// Runs `lb ARGS` against a balancer.
fn ask(admin: SocketAddr, args: &[&str]) -> Ended {
    lb(args, &[("LB_ADMIN", &format!("http://{admin}"))])
}

/// Asserts that a command failed with this code and one line on standard error; returns the line without `lb: `.
#[track_caller]
fn line(ended: &Ended, code: i32) -> &str {
    assert_eq!(ended.status.code(), Some(code), "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    ended.stderr.trim_end().strip_prefix("lb: ").unwrap()
}

#[track_caller]
fn good(ended: &Ended) -> &str {
    assert_eq!((ended.status.code(), ended.stderr.as_str()), (Some(0), ""));
    &ended.stdout
}

/// A server that answers one request. The thread returns the first line and the body of that request.
fn answering(status: &str, body: &str) -> (SocketAddr, JoinHandle<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let served = std::thread::spawn(move || {
        let mut reader = BufReader::new(listener.accept().unwrap().0);
        let (mut first, mut length) = (String::new(), 0);
        reader.read_line(&mut first).unwrap();
        loop {
            let mut field = String::new();
            reader.read_line(&mut field).unwrap();
            let Some((name, value)) = field.split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        reader.get_mut().write_all(answer.as_bytes()).unwrap();
        (first.trim_end().to_owned(), serde_json::from_slice(&body).unwrap_or_default())
    });
    (address, served)
}

const PLAN: &str = r#"{"epoch":4,"slots_moved":130,"moved_percent":25.39,"ideal_percent":25.0,
    "moves":[{"from":1,"to":4,"slots":130}],"peak_to_average":{"before":1.101,"after":1.09},"seats":4,"digest":"0"}"#;

const LIST: &str = r#"{"message":{"N":2,"replicas":["server1","S 5"]},"status":"successful"}"#;

#[test]
fn status_and_explain_show_the_state_of_the_balancer() {
    let balancer = Balancer::start(&["--replicas", "2"]);
    let status = ask(balancer.admin, &["status"]);
    let status = good(&status);
    assert!(status.lines().all(|line| line.chars().count() <= 100), "{status}");
    assert!(status.starts_with("cluster default: 2 of 2 replicas serve; ring: 512 slots"), "{status}");
    let pid = balancer.pid_of("server2").to_string();
    let rows: Vec<Vec<&str>> = status.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(rows.iter().any(|row| row.contains(&"server2") && row.contains(&pid.as_str())), "{status}");

    for key in ["alice", "a b&c=%", "-1", "--x"] {
        let owner = balancer.owner(key);
        let explained = ask(balancer.admin, &["explain", key]);
        let chosen = good(&explained).lines().find(|line| line.ends_with("  chosen")).unwrap();
        assert_eq!(chosen.split_whitespace().nth(2), Some(owner.as_str()), "{chosen}");
    }

    let answer = call(balancer.admin, "GET", "/api/explain?key=alice", &[], b"").body;
    let explained = ask(balancer.admin, &["explain", "alice", "--json"]);
    assert_eq!(good(&explained).trim_end().as_bytes(), answer);
}

#[test]
fn the_admin_flag_takes_precedence_over_the_variable() {
    let balancer = Balancer::start(&["--replicas", "1"]);
    let url = format!("http://{}", balancer.admin);
    good(&lb(&["status"], &[("LB_ADMIN", &url)]));
    good(&lb(&["status", "--admin", &url], &[("LB_ADMIN", "http://127.0.0.1:1")]));
    let by_name = format!("http://localhost:{}", balancer.admin.port());
    good(&lb(&["status", "--admin", &by_name], &[]));
    assert_eq!(line(&lb(&["status"], &[("LB_ADMIN", "x")]), 64), "LB_ADMIN=x: expected http://HOST[:PORT]");
}

#[test]
fn a_plan_is_requested_and_shown() {
    for (args, path, body) in [
        (&["plan", "--add", "2"][..], "/api/plan", json!({ "add": 2 })),
        (
            &["plan", "--remove", "server2,S 5", "--remove", "a"],
            "/api/plan",
            json!({ "remove": ["server2", "S 5", "a"] }),
        ),
        (
            &["add", "2", "S5", "--dry-run"],
            "/api/add",
            json!({ "n": 2, "hostnames": ["S5"], "dry_run": true }),
        ),
        (&["plan", "--weight", "2=200,1=50"], "/api/plan", json!({ "weights": { "1": 50, "2": 200 } })),
        (&["rm", "1", "--dry-run"], "/api/remove", json!({ "n": 1, "hostnames": [], "dry_run": true })),
    ] {
        let (admin, served) = answering("200 OK", PLAN);
        let ended = ask(admin, args);
        assert!(good(&ended).starts_with("130 slots would move, 25.4 % of all"), "{}", ended.stdout);
        assert_eq!(served.join().unwrap(), (format!("POST {path} HTTP/1.1"), body));
    }
}

#[test]
fn a_change_is_made_and_the_new_list_is_shown() {
    for (args, path, body) in [
        (
            &["add", "2", "S5", "S 4"][..],
            "/api/add",
            json!({ "n": 2, "hostnames": ["S5", "S 4"], "dry_run": false }),
        ),
        (
            &["rm", "1", "server2"],
            "/api/remove",
            json!({ "n": 1, "hostnames": ["server2"], "dry_run": false }),
        ),
    ] {
        let (admin, served) = answering("200 OK", LIST);
        assert_eq!(good(&ask(admin, args)), "2 replicas: server1, S 5\n");
        assert_eq!(served.join().unwrap(), (format!("POST {path} HTTP/1.1"), body));
    }
}

#[test]
fn steering_commands_call_the_api() {
    let balancer = Balancer::start(&["--replicas", "2"]);
    let says = |args: &[&str], words: &str| {
        let ended = ask(balancer.admin, args);
        assert_eq!(good(&ended), format!("{words}\n"));
    };
    says(&["drain", "server2"], "server2 is drained, its seat 2 stays reserved; 1 replica serves");
    let status = ask(balancer.admin, &["status"]);
    assert!(good(&status).contains("server2  draining"), "{}", status.stdout);
    let again = ask(balancer.admin, &["drain", "server2"]);
    assert_eq!(line(&again, 1), "Replica 'server2' is drained already");
    says(&["undrain", "server2"], "server2 serves in seat 2; 2 replicas serve");
    let replaced = ask(balancer.admin, &["replace", "server2"]);
    assert!(good(&replaced).ends_with(" serves in seat 2; 2 replicas serve\n"), "{}", replaced.stdout);
    let dry = ask(balancer.admin, &["weight", "1", "300", "--dry-run"]);
    assert!(good(&dry).contains(" slots would move, "), "{}", dry.stdout);
    let weighed = ask(balancer.admin, &["weight", "1", "300"]);
    assert!(
        good(&weighed).starts_with("seat 1 has weight 300 until the process ends; "),
        "{}",
        weighed.stdout
    );
    let json = ask(balancer.admin, &["weight", "1", "300", "--json"]);
    let json: Value = serde_json::from_str(good(&json)).unwrap();
    assert_eq!((&json["message"]["weight"], &json["message"]["slots_moved"]), (&json!(300), &json!(0)));
    let rolling = ask(balancer.admin, &["rolling-replace"]);
    assert!(good(&rolling).starts_with("2 replicas are replaced, one after the other"), "{}", rolling.stdout);
    for (args, words) in [
        (&["weight", "1", "0"][..], "a weight must be a whole number from 1 to 1000"),
        (&["weight", "1", "1001"], "a weight must be a whole number from 1 to 1000"),
        (&["weight", "0", "5"], "must be the number of a seat"),
        (&["weight", "-1", "5"], "must be the number of a seat"),
        (&["plan", "--weight", "2"], "must be SEAT=WEIGHT, such as 2=200"),
        (&["plan", "--weight", "2=0"], "a weight must be a whole number from 1 to 1000"),
        (&["plan", "--weight", "2=1", "--add", "1"], "cannot be used with"),
        (&["drain", "../x"], "is not allowed"),
    ] {
        let ended = ask(balancer.admin, args);
        assert!(line(&ended, 64).contains(words), "{}", ended.stderr);
    }
}

#[test]
fn a_refusal_prints_the_balancers_message_in_one_line() {
    let refusal = r#"{"message":"<Error> Hostname 'x' is not a managed replica","status":"failure"}"#;
    let (admin, _) = answering("400 Bad Request", refusal);
    let ended = ask(admin, &["rm", "1", "x"]);
    assert_eq!((line(&ended, 1), ended.stdout.as_str()), ("Hostname 'x' is not a managed replica", ""));

    let (admin, _) = answering("400 Bad Request", refusal);
    let ended = ask(admin, &["rm", "1", "x", "--json"]);
    assert_eq!(
        (line(&ended, 1), ended.stdout.trim_end()),
        ("Hostname 'x' is not a managed replica", refusal)
    );
}

#[test]
fn a_missing_response_prints_one_line() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ended = ask(free, &["status"]);
    assert!(
        line(&ended, 1).starts_with(&format!("http://{free}: nothing listens there")),
        "{}",
        ended.stderr
    );

    for (status, body, expected) in [
        (
            "502 Bad Gateway",
            "<html>",
            "answered 502 Bad Gateway, but is not the admin listener of a balancer",
        ),
        ("200 OK", "<html>", "answered 200 OK, but is not"),
        ("302 Found", "", "answered 302 Found, but is not"),
        (
            "400 Bad Request",
            r#"{"message":"<Error> '/api/state' endpoint does not exist in server replicas","status":"failure"}"#,
            "answered 400 Bad Request, but is not",
        ),
        ("200 OK", r#"{"a":1}"#, "cannot read the response: missing field"),
    ] {
        let (admin, _) = answering(status, body);
        let ended = ask(admin, &["status"]);
        let printed = line(&ended, 1).strip_prefix(&format!("http://{admin}: ")).unwrap();
        assert!(printed.starts_with(expected), "{printed}");
    }
}

#[test]
fn a_failed_write_is_an_error_unless_the_reader_has_left() {
    let balancer = Balancer::start(&["--replicas", "1"]);
    let admin = format!("http://{}", balancer.admin);
    let to = |args: &[&str], out: std::process::Stdio| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_lb"));
        let ended = command.args(args).env("LB_ADMIN", &admin).stdout(out).output().unwrap();
        (ended.status.code().unwrap(), String::from_utf8(ended.stderr).unwrap())
    };
    for args in [
        &["status"][..],
        &["status", "--json"],
        &["events"],
        &["explain", "a"],
        &["completions", "bash"],
        &["--help"],
    ] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let (code, words) = to(args, full.into());
        assert!(
            code == 1 && words.lines().count() == 1 && words.contains("No space left"),
            "{args:?}: {words}"
        );
        let (reader, pipe) = std::io::pipe().unwrap();
        drop(reader);
        assert_eq!(to(args, pipe.into()), (0, String::new()), "{args:?}");
    }
}

#[test]
fn completions_are_a_script_with_all_subcommands() {
    let script = lb(&["completions", "bash"], &[]);
    assert_eq!((script.status.code(), script.stderr.as_str()), (Some(0), ""));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &script.stdout).unwrap();
    let shown = std::process::Command::new("bash")
        .arg("-c")
        .arg(r#"source "$0"; COMP_WORDS=(lb ex); COMP_CWORD=1; _lb lb ex lb; echo "${COMPREPLY[@]}""#)
        .arg(file.path())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(shown.stdout).unwrap().trim(), "explain");
    assert!(line(&lb(&["completions", "ksh"], &[]), 64).contains("invalid value 'ksh'"));
}

#[test]
fn completions_parse_in_each_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let script = lb(&["completions", shell], &[]);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), good(&script)).unwrap();
        let Ok(parsed) = std::process::Command::new(shell).arg("-n").arg(file.path()).output() else {
            eprintln!("skipped: {shell} is not installed");
            continue;
        };
        assert!(parsed.status.success(), "{shell}: {}", String::from_utf8_lossy(&parsed.stderr));
    }
}

#[test]
fn each_subcommand_has_help() {
    for (call, about) in [
        ("status", "Show the seats"),
        ("explain", "Show the seat and the replica"),
        ("plan", "Show what"),
        ("rm", "Remove N"),
    ] {
        let help = lb(&[call, "--help"], &[]);
        assert!(good(&help).starts_with(about), "{}", help.stdout);
    }
}
