//! `lb events`, the token on the command line, and clients that do not read.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::port;
use crate::support::{Balancer, Ended, Killed, STATE_TIMEOUT, lb, signal_pid, until};

const TOKEN: &str = "correct-horse-battery-staple";

fn run(admin: SocketAddr, args: &[&str], env: &[(&str, &str)]) -> Ended {
    let admin = format!("http://{admin}");
    lb(args, &[&[("LB_ADMIN", &*admin)], env].concat())
}

/// `lb events --follow`, line by line.
struct Follower {
    _child: Killed,
    lines: Receiver<String>,
}

impl Follower {
    fn new(admin: SocketAddr, more: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
        command.args(["events", "--follow", "--admin", &format!("http://{admin}")]).args(more);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (tell, lines) = channel();
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        Self { _child: Killed(child), lines }
    }

    fn until(&self, texts: &[&str]) -> String {
        loop {
            let line =
                self.lines.recv_timeout(STATE_TIMEOUT).unwrap_or_else(|_| panic!("no line with {texts:?}"));
            if texts.iter().all(|text| line.contains(text)) {
                return line;
            }
        }
    }
}

#[test]
fn kept_events_are_printed_one_per_line() {
    let lb = Balancer::start(&["--replicas", "2"]);
    let shown = run(lb.admin, &["events"], &[]);
    assert_eq!((shown.status.code(), &*shown.stderr), (Some(0), ""));
    assert!(shown.stdout.lines().all(|line| line.chars().count() <= 100), "{}", shown.stdout);
    for (seat, name) in [("seat 1", "server1"), ("seat 2", "server2")] {
        let mut mine = shown.stdout.lines().filter(|line| line.contains(seat) && line.contains(name));
        assert!(mine.any(|line| line.contains("starting → ready")), "{}", shown.stdout);
    }
    let json = run(lb.admin, &["events", "--json"], &[]).stdout;
    let events: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), shown.stdout.lines().count());
    let ids: Vec<u64> = events.iter().map(|event| event["id"].as_u64().unwrap()).collect();
    assert!(ids.windows(2).all(|two| two[0] + 1 == two[1]), "{ids:?}");
}

#[test]
fn a_follower_resumes_after_a_restart_and_reports_lost_events() {
    let admin = SocketAddr::from(([127, 0, 0, 1], port::free()));
    let args = ["--replicas", "1", "--admin-listen", &admin.to_string()];
    let mut first = Balancer::start(&[&args[..], &["--drain", "0s"]].concat());
    let json = Follower::new(admin, &["--json"]);
    let follower = Follower::new(admin, &[]);
    follower.until(&["server1", "starting → ready"]);
    signal_pid(first.pid_of("server1"), Signal::KILL);
    follower.until(&["server1", "ready → dead", "signal: 9"]);
    let died = json.until(&[r#""replica":"server1""#, r#""now":"dead""#]);
    assert_eq!(serde_json::from_str::<Value>(&died).unwrap()["seat"], 1);

    first.signal(Signal::TERM);
    first.ended();
    let _second = Balancer::start(&args);
    follower.until(&["some events were lost"]);
    json.until(&[r#"{"name":"reset"}"#]);
}

#[test]
fn a_follower_whose_reader_leaves_ends() {
    let lb = Balancer::start(&["--replicas", "1"]);
    let mut command = Command::new("sh");
    let line = "\"$0\" events --follow --admin \"$1\" | head -n 1";
    command.args(["-c", line, env!("CARGO_BIN_EXE_lb"), &format!("http://{}", lb.admin)]);
    let mut shell = Killed(command.stdout(Stdio::null()).spawn().unwrap());
    signal_pid(lb.pid_of("server1"), Signal::KILL);
    shell.ended();
}

#[test]
fn the_command_line_sends_the_token() {
    let mut lb = Balancer::launch_with(&["--replicas", "1"], &[("LB_ADMIN_TOKEN", TOKEN)]);
    lb.wait_for("] ready ");
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "{TOKEN}").unwrap();
    let path = file.path().to_str().unwrap();
    for calls in
        [&["status"][..], &["explain", "a"], &["plan", "--add", "1"], &["events"], &["logs", "server1"]]
    {
        for (more, env) in [
            (&[][..], &[("LB_ADMIN_TOKEN", TOKEN)][..]),
            (&["--admin-token-file", path], &[]),
            (&[], &[("LB_ADMIN_TOKEN_FILE", path)]),
        ] {
            let ended = run(lb.admin, &[calls, more].concat(), env);
            assert_eq!((ended.status.code(), &*ended.stderr), (Some(0), ""), "{calls:?}");
        }
        let refused = run(lb.admin, calls, &[]);
        assert_eq!(refused.status.code(), Some(1), "{calls:?}");
        assert!(refused.stderr.starts_with("lb: The admin token is missing"), "{}", refused.stderr);
        assert_eq!(refused.stderr.lines().count(), 1);
    }
    for n in 0..12 {
        let refused =
            run(lb.admin, &["events", "--follow"], &[("LB_ADMIN_TOKEN", "another-one-that-is-wrong")]);
        let expected =
            if n < 10 { "lb: The admin token is wrong\n" } else { "lb: Too many wrong tokens came from" };
        assert!(refused.stderr.starts_with(expected), "{}", refused.stderr);
        assert!(refused.status.code() == Some(1) && !refused.stderr.contains("another-one"));
    }
    let short = run(lb.admin, &["status"], &[("LB_ADMIN_TOKEN", "short")]);
    assert_eq!(short.status.code(), Some(64), "{}", short.stderr);
}

/// Whether the kernel still has the server's end of a connection.
#[cfg(target_os = "linux")]
fn is_open(server: SocketAddr, client: SocketAddr) -> bool {
    let ends = [server, client].map(|end| format!(":{:04X}", end.port()));
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    table.lines().any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields[1].ends_with(&ends[0]) && fields[2].ends_with(&ends[1])
    })
}

#[cfg(target_os = "linux")]
#[test]
fn a_client_that_does_not_read_loses_its_connection() {
    let command = format!("sh -c 'seq -f %080g 3000; exec {} replica'", env!("CARGO_BIN_EXE_lb"));
    let balancer = Balancer::start(&["--replicas", "1", "--replica-command", &command]);
    let lazy = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    lazy.set_recv_buffer_size(4096).unwrap();
    lazy.connect(&balancer.admin.into()).unwrap();
    let mut lazy = TcpStream::from(lazy);
    let path = "/api/replicas/server1/logs?follow=1&tail=10000";
    write!(lazy, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let address = lazy.local_addr().unwrap();
    assert!(is_open(balancer.admin, address));
    until("the server has closed the connection", || !is_open(balancer.admin, address));
}
