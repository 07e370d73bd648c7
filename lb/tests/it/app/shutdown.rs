//! The first signal ends the balancer gracefully, a second one at once.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::support::test_replica;
use crate::support::{Balancer, Killed, call, runs, until};

/// Starts a request that takes `ms` milliseconds, and returns when it is in flight.
fn slow(lb: &Balancer, ms: u64) -> std::thread::JoinHandle<u16> {
    let to = lb.traffic;
    let request = std::thread::spawn(move || call(to, "GET", &format!("/slow?{ms}"), &[], b"").status);
    lb.until("the request is in flight", |lb| lb.replicas().iter().any(|replica| replica["in_flight"] == 1));
    request
}

#[test]
fn a_signal_lets_requests_in_flight_finish_and_stops_the_replicas() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut lb = Balancer::start(&["--replica-command", &test_replica::command()]);
        let pids: Vec<i32> = lb.names().iter().map(|name| lb.pid_of(name)).collect();
        let request = slow(&lb, 4000);
        lb.signal(signal);
        lb.until("the balancer is not ready", |lb| call(lb.admin, "GET", "/readyz", &[], b"").status == 503);
        assert_eq!(request.join().unwrap(), 200);
        assert_eq!(lb.ended().code(), Some(0));
        assert!(!pids.iter().any(|pid| runs(*pid)));
    }
}

#[test]
fn idle_connections_do_not_delay_shutdown() {
    let mut lb = Balancer::start(&["--drain", "1h"]);
    let idle: Vec<_> = (0..5).map(|_| std::net::TcpStream::connect(lb.traffic).unwrap()).collect();
    lb.signal(Signal::TERM);
    assert_eq!(lb.ended().code(), Some(0));
    drop(idle);
}

#[test]
fn the_drain_is_limited() {
    let mut lb = Balancer::start(&["--replica-command", &test_replica::command(), "--drain", "500ms"]);
    let request = slow(&lb, 3_600_000);
    lb.signal(Signal::TERM);
    assert_eq!(lb.ended().code(), Some(0));
    let _ = request.join(); // cut off by the deadline
}

#[test]
fn a_second_signal_kills_the_replicas_and_exits_with_1() {
    let mut lb = Balancer::start(&["--replica-command", &test_replica::command()]);
    let pids: Vec<i32> = lb.names().iter().map(|name| lb.pid_of(name)).collect();
    let request = slow(&lb, 3_600_000);
    lb.signal(Signal::TERM);
    lb.wait_for("stopping drain_ms");
    let mut status = None;
    until("a signal that is not the first one's twin ends it", || {
        lb.signal(Signal::TERM);
        status = lb.child.try_wait().unwrap();
        status.is_some()
    });
    assert_eq!(status.unwrap().code(), Some(1));
    until("no replica is left", || !pids.iter().any(|pid| runs(*pid)));
    let _ = request.join();
}

/// Ctrl-C signals the whole foreground process group; the replicas are not in it.
#[test]
fn ctrl_c_in_a_terminal_signals_only_the_balancer() {
    let mut lb = Command::new(env!("CARGO_BIN_EXE_lb"));
    lb.args(["--listen", "127.0.0.1:0", "--admin-listen", "off", "--replicas", "2"]);
    let mut lb = Killed(lb.process_group(0).stderr(Stdio::piped()).spawn().unwrap());
    let log = std::io::BufReader::new(lb.0.stderr.take().unwrap());
    let mut lines = std::io::BufRead::lines(log).map_while(Result::ok);
    assert!(lines.any(|line| line.contains("] ready ")));
    let group = rustix::process::Pid::from_child(&lb.0);
    rustix::process::kill_process_group(group, Signal::INT).unwrap();
    let rest: Vec<String> = lines.collect();
    assert_eq!(lb.0.wait().unwrap().code(), Some(0), "{rest:#?}");
    assert!(!rest.iter().any(|line| line.contains("replica dead")), "{rest:#?}");
    assert_eq!(rest.iter().filter(|line| line.contains("replica gone")).count(), 2, "{rest:#?}");
}
