//! /add and /rm concurrently with other changes, failures and shutdown.

use std::io::Write;
use std::net::TcpStream;
use std::thread;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Balancer, call, children, runs, signal_pid, until};

/// A replica command that serves only if its name begins with `server`; any other replica does not become ready.
fn only_the_first() -> String {
    format!(
        "sh -c 'case \"$SERVER_ID\" in server*) exec {} replica;; *) exec sleep 3600;; esac'",
        env!("CARGO_BIN_EXE_lb")
    )
}

/// Calls /add on another thread, and returns when its replica has been launched.
fn adding(lb: &mut Balancer, name: &str) -> thread::JoinHandle<(u16, Value)> {
    let (to, body) = (lb.traffic, format!(r#"{{"n":2,"hostnames":["{name}"]}}"#));
    let add = thread::spawn(move || {
        let answer = call(to, "POST", "/add", &[], body.as_bytes());
        (answer.status, answer.json())
    });
    lb.wait_for(&format!("replica launched name={name}"));
    add
}

#[test]
fn concurrent_adds_get_different_names_and_seats() {
    let lb = Balancer::start(&["--replicas", "1"]);
    let digest = lb.state()["digest"].clone();
    for (method, path) in [("POST", "/add"), ("DELETE", "/rm")] {
        let calls: Vec<_> = (0..12)
            .map(|n| {
                let (to, body) = (lb.traffic, format!(r#"{{"n":1,"hostnames":["S{}"]}}"#, n % 4));
                thread::spawn(move || call(to, method, path, &[], body.as_bytes()).status)
            })
            .collect();
        let answers: Vec<u16> = calls.into_iter().map(|call| call.join().unwrap()).collect();
        assert_eq!(answers.iter().filter(|status| **status == 200).count(), 4, "{path}: {answers:?}");
        assert_eq!(answers.iter().filter(|status| **status == 400).count(), 8, "{path}: {answers:?}");
        let mut names = lb.names();
        names.sort();
        let expected = if path == "/add" { &["S0", "S1", "S2", "S3", "server1"][..] } else { &["server1"] };
        assert_eq!(names, expected);
    }
    assert_eq!(lb.state()["digest"], digest);
}

#[test]
fn concurrent_adds_and_removals_are_all_applied() {
    let lb = Balancer::start(&["--replicas", "2"]);
    let callers: Vec<_> = (0..4)
        .map(|n| {
            let to = lb.traffic;
            thread::spawn(move || {
                for _ in 0..3 {
                    let body = format!(r#"{{"n":2,"hostnames":["A{n}","B{n}"]}}"#);
                    for (method, path) in [("POST", "/add"), ("DELETE", "/rm")] {
                        let answer = call(to, method, path, &[], body.as_bytes());
                        assert_eq!(answer.status, 200, "{answer:?}");
                        let listed = answer.json()["message"]["replicas"].to_string();
                        assert_eq!(
                            listed.contains(&format!("\"A{n}\",\"B{n}\"")),
                            path == "/add",
                            "{listed}"
                        );
                    }
                }
            })
        })
        .collect();
    callers.into_iter().for_each(|caller| caller.join().unwrap());
    assert_eq!(
        (lb.names(), lb.state()["target"].clone()),
        (vec!["server1".into(), "server2".into()], 2.into())
    );
}

#[test]
fn an_add_completes_after_its_client_has_left() {
    let slow = format!(
        "sh -c 'case \"$SERVER_ID\" in S5) sleep 1;; esac; exec {} replica'",
        env!("CARGO_BIN_EXE_lb")
    );
    let mut lb = Balancer::start(&["--replicas", "1", "--replica-command", &slow]);
    let body = r#"{"n":1,"hostnames":["S5"]}"#;
    let mut client = TcpStream::connect(lb.traffic).unwrap();
    write!(client, "POST /add HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        .unwrap();
    lb.wait_for("replica launched name=S5");
    drop(client);
    lb.until("S5 is listed", |lb| lb.names() == ["server1", "S5"]);
}

#[test]
fn a_pending_add_does_not_delay_shutdown() {
    let args = ["--replicas", "1", "--start-timeout", "1h", "--drain", "1h"];
    let mut lb = Balancer::start(&[&args[..], &["--replica-command", &only_the_first()]].concat());
    let add = adding(&mut lb, "A");
    lb.signal(Signal::TERM);
    let (status, answer) = add.join().unwrap();
    assert_eq!((status, answer["message"].as_str()), (503, Some("<Error> The balancer is stopping")));
    assert_eq!(lb.ended().code(), Some(0));
}

#[test]
fn kill_9_during_an_add_leaves_no_process() {
    let mut lb = Balancer::start(&["--replicas", "1", "--replica-command", &only_the_first()]);
    let add = adding(&mut lb, "A");
    let balancer = i32::try_from(lb.child.id()).unwrap();
    until("the launchers of server1 and of the two that are added run", || children(balancer).len() == 3);
    let children = children(balancer);
    lb.child.kill().unwrap();
    lb.child.wait().unwrap();
    until("all replicas are gone", || !children.iter().any(|pid| runs(*pid)));
    assert!(add.join().is_err(), "the call must not be answered");
}

#[test]
fn a_seat_whose_replacement_is_starting_can_be_removed() {
    let lb = Balancer::start(&["--replica-command", &only_the_first()]);
    signal_pid(lb.pid_of("server2"), Signal::KILL);
    lb.until("its replacement is starting", |lb| {
        let replica = &lb.replicas()[1];
        replica["phase"] == "starting" && replica["name"] != "server2" && replica["id"].is_string()
    });
    let starting: i32 = lb.replicas()[1]["id"].as_str().unwrap().parse().unwrap();
    let (status, answer) = lb.control("DELETE", "/rm", r#"{"n":1}"#);
    assert_eq!((status, &answer["message"]["replicas"]), (200, &serde_json::json!(["server1", "server3"])));
    assert_eq!(lb.state()["target"], 2);
    until("the starting replica is gone", || !runs(starting));
}

#[test]
fn an_empty_fleet_can_grow() {
    let lb = Balancer::start(&["--replicas", "0"]);
    assert_eq!((lb.names().len(), lb.get("/home").status), (0, 503));
    assert_eq!(call(lb.admin, "GET", "/readyz", &[], b"").status, 503);
    assert_eq!(lb.control("POST", "/add", r#"{"n":1,"hostnames":["S1"]}"#).0, 200);
    assert_eq!((lb.owner("7"), call(lb.admin, "GET", "/readyz", &[], b"").status), ("S1".to_owned(), 200));
}

#[test]
fn many_replicas_start_concurrently_and_can_be_extended() {
    let lb = Balancer::start(&["--replicas", "40"]);
    assert_eq!(lb.names().len(), 40);
    let (status, answer) = lb.control("POST", "/add", r#"{"n":5}"#);
    assert_eq!((status, answer["message"]["N"].as_u64()), (200, Some(45)));
    let slots = lb.state()["seats"]
        .as_array()
        .unwrap()
        .iter()
        .map(|seat| seat["slots"].as_u64().unwrap())
        .sum::<u64>();
    assert_eq!(slots, 512);
    assert_eq!(lb.control("DELETE", "/rm", r#"{"n":45}"#).0, 200);
}
