//! Dead and hung replicas are replaced, busy ones are not, and no process outlives the balancer.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::load::Load;
use crate::support::test_replica;
use crate::support::{Balancer, children, runs, signal_pid, until};

const KEYS: u32 = 60;

/// Shorter than the defaults, but long enough that healthy replicas do not appear hung on a starved machine.
const WATCHED_CLOSELY: [&str; 6] =
    ["--replace-after", "2s", "--heartbeat-interval", "250ms", "--heartbeat-timeout", "240ms"];

fn owners(lb: &Balancer) -> BTreeMap<u32, String> {
    (0..KEYS).map(|key| (key, lb.owner(&key.to_string()))).collect()
}

/// Sends a signal to a replica under load. Asserts that it is replaced in its seat, that exactly its keys are answered by
/// the replacement, and that no request fails.
fn assert_replaced_in_its_seat(signal: Signal) {
    let lb = Balancer::start(&[]);
    let before = owners(&lb);
    let digest = lb.state()["digest"].clone();
    let victim = lb.pid_of("server2");
    let load = Load::start(lb.traffic, 4);
    until("the load runs", || load.answered() > 200);

    signal_pid(victim, signal);
    lb.until("server2 is replaced", |lb| {
        let names = lb.names();
        names.len() == 3 && !names.iter().any(|name| name == "server2")
    });
    let seen = load.answered();
    until("the load goes on", || load.answered() > seen + 200);
    let (answered, failed) = load.finish();
    assert_eq!(failed, Vec::<String>::new(), "of {answered}");

    let after = owners(&lb);
    let heir = lb.names()[1].clone();
    for key in 0..KEYS {
        let expected = if before[&key] == "server2" { &heir } else { &before[&key] };
        assert_eq!(&after[&key], expected, "key {key}");
    }
    assert!(before.values().any(|name| name == "server2"), "the test needs a key of the victim");
    assert_eq!(lb.state()["digest"], digest);
    until("the victim is gone", || !runs(victim));
}

#[test]
fn a_killed_replica_is_replaced_in_its_seat_and_no_request_fails() {
    assert_replaced_in_its_seat(Signal::KILL);
}

#[test]
fn a_hung_replica_is_replaced_in_its_seat_and_no_request_fails() {
    assert_replaced_in_its_seat(Signal::STOP);
}

#[test]
fn a_busy_replica_that_misses_heartbeats_is_not_killed_while_it_answers() {
    // A single replica: a suspect one would get no request while another is available.
    let args = ["--replicas", "1", "--replica-command", &test_replica::command()];
    let lb = Balancer::start(&[&args[..], &WATCHED_CLOSELY].concat());
    assert_eq!(lb.get("/mute").status, 200);
    lb.until("server1 is suspect", |lb| lb.replicas()[0]["phase"] == "suspect");

    // Three times `--replace-after`, filled with replies.
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(6) {
        assert_eq!(lb.owner("k"), "server1");
    }
    assert_eq!(lb.names(), ["server1"]);
    lb.until("without answers it is replaced", |lb| lb.names().iter().any(|name| name != "server1"));
}

#[test]
fn a_crash_loop_backs_off_and_does_not_affect_other_replicas() {
    let command = format!(
        "sh -c 'case \"$SERVER_ID\" in server2|server3) exec {} replica;; *) echo no luck; exit 3;; esac'",
        env!("CARGO_BIN_EXE_lb")
    );
    let mut lb = Balancer::launch(&["--replica-command", &command]);
    lb.wait_for("replica ready name=server2");
    lb.wait_for("replica ready name=server3");
    let pids = [lb.pid_of("server2"), lb.pid_of("server3")];
    let end = lb.wait_for("delay_s=60");
    assert!(end.contains("seat=1"), "{end}");
    let dead = lb.wait_for("replica dead");
    assert!(
        dead.contains("no luck") && dead.contains('3'),
        "the log line has the exit status and the last line: {dead}"
    );
    let launches =
        lb.log().iter().filter(|line| line.contains("launched") && line.contains("seat=1")).count();
    assert_eq!(launches, 5);
    assert_eq!(lb.names(), ["server2", "server3"]);
    assert_eq!([lb.pid_of("server2"), lb.pid_of("server3")], pids);
    assert_eq!(lb.get("/home").status, 200);
}

#[test]
fn kill_9_of_the_balancer_leaves_no_process() {
    let shell = format!("sh -c '{} replica; true'", env!("CARGO_BIN_EXE_lb"));
    for args in [&["--replicas", "2"][..], &["--replicas", "2", "--replica-command", &shell]] {
        let mut lb = Balancer::start(args);
        let pids = [lb.pid_of("server1"), lb.pid_of("server2")];
        let children: Vec<i32> = pids.iter().flat_map(|pid| children(*pid)).collect();
        signal_pid(pids[0], Signal::STOP); // a stopped child dies too
        lb.child.kill().unwrap();
        lb.child.wait().unwrap();
        until("all processes are gone", || !pids.iter().chain(&children).any(|pid| runs(*pid)));
    }
}

#[test]
fn a_fleet_that_dies_entirely_is_restored_each_time() {
    let lb = Balancer::start(&[]);
    let digest = lb.state()["digest"].clone();
    for _ in 0..3 {
        let dead = lb.names();
        let pids: Vec<i32> = dead.iter().map(|name| lb.pid_of(name)).collect();
        pids.iter().for_each(|pid| signal_pid(*pid, Signal::KILL));
        lb.until("all three are replaced", |lb| {
            let names = lb.names();
            names.len() == 3 && !names.iter().any(|name| dead.contains(name))
        });
    }
    assert_eq!((lb.state()["digest"].clone(), lb.get("/home").status), (digest, 200));
}

#[test]
fn a_replica_whose_heartbeat_is_an_error_is_replaced() {
    let args = ["--replicas", "2", "--replica-command", &test_replica::command()];
    let lb = Balancer::start(&[&args[..], &WATCHED_CLOSELY].concat());
    let key = (0..).map(|key: u32| key.to_string()).find(|key| lb.owner(key) == "server1").unwrap();
    assert_eq!(lb.call("GET", "/unhealthy", &[("X-Request-Id", &key)], b"").status, 200);
    lb.until("server1 is replaced", |lb| {
        let names = lb.names();
        names.len() == 2 && names[0] != "server1" && names[1] == "server2"
    });
}

#[test]
fn a_suspended_balancer_does_not_eject_or_replace_its_replicas() {
    let mut lb = Balancer::start(&WATCHED_CLOSELY);
    let pids: Vec<i32> = lb.names().iter().map(|name| lb.pid_of(name)).collect();
    lb.signal(Signal::STOP);
    std::thread::sleep(Duration::from_secs(4)); // the subject of the test, not a wait for a state
    lb.signal(Signal::CONT);
    lb.wait_for("heartbeats void");
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(2) {
        assert_eq!(lb.names(), ["server1", "server2", "server3"]);
    }
    assert_eq!(pids, lb.names().iter().map(|name| lb.pid_of(name)).collect::<Vec<_>>());
    assert!(!lb.log().iter().any(|line| line.contains("replica dead")), "{:#?}", lb.log());
}
