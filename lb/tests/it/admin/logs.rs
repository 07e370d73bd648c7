//! The output of replicas, on the admin listener and with `lb logs`.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::support::docker::{Cluster, docker};
use crate::support::origin::Origin;
use crate::support::wire::Wire;
use crate::support::{Balancer, Killed, call, lb, signal_pid, until};

/// A replica command that writes twenty lines, then serves.
fn verbose_command() -> String {
    format!("sh -c 'seq -f line-%g 20; exec env RUST_LOG=off {} replica'", env!("CARGO_BIN_EXE_lb"))
}

fn logs(lb: &Balancer, query: &str) -> (u16, String) {
    let answer = call(lb.admin, "GET", &format!("/api/replicas/{query}"), &[], b"");
    (answer.status, String::from_utf8(answer.body).unwrap())
}

fn lines(range: std::ops::RangeInclusive<u32>) -> String {
    range.map(|n| format!("line-{n}\n")).collect()
}

#[test]
fn the_last_lines_of_a_process_are_returned() {
    let lb = Balancer::start(&["--replicas", "1", "--replica-command", &verbose_command()]);
    assert_eq!(lb.control("POST", "/add", r#"{"n":1,"hostnames":["S 5"]}"#).0, 200);
    for name in ["server1", "S%205"] {
        lb.until("all lines are read", |lb| logs(lb, &format!("{name}/logs")) == (200, lines(1..=20)));
        assert_eq!(logs(&lb, &format!("{name}/logs?tail=2")), (200, lines(19..=20)));
        assert_eq!(logs(&lb, &format!("{name}/logs?tail=0")), (200, String::new()));
    }
    let head = call(lb.admin, "GET", "/api/replicas/server1/logs", &[], b"");
    assert_eq!(head.header("content-type"), ["text/plain; charset=utf-8"]);
    for (query, status, message) in [
        ("server1/logs?tail=10001", 400, "'tail' must be a whole number from 0 to 10000"),
        ("server1/logs?tail=-1", 400, "'tail' must be a whole number"),
        ("server1/logs?follow=maybe", 400, "'follow' must be 1 or 0"),
        ("absent/logs", 404, "There is no replica 'absent'"),
        ("..%2F..%2Fetc/logs", 400, "Hostname '../../etc' is not allowed"),
        ("%ff%00/logs", 400, "is not allowed"),
    ] {
        let (actual, body) = logs(&lb, query);
        assert!(actual == status && body.contains(message), "{query}: {actual} {body}");
    }
}

#[test]
fn a_follower_gets_new_lines_until_the_replica_is_gone() {
    let command = format!(
        "sh -c 'echo one; (sleep 1; echo two) & exec env RUST_LOG=off {} replica'",
        env!("CARGO_BIN_EXE_lb")
    );
    let balancer = Balancer::start(&["--replicas", "1", "--replica-command", &command]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
    command.args([
        "logs",
        "server1",
        "--tail",
        "1",
        "--follow",
        "--admin",
        &format!("http://{}", balancer.admin),
    ]);
    let mut follower = Killed(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut followed = BufReader::new(follower.0.stdout.take().unwrap());
    let mut received = String::new();
    followed.read_line(&mut received).unwrap();
    until("the second line is written", || logs(&balancer, "server1/logs").1 == "one\ntwo\n");
    signal_pid(balancer.pid_of("server1"), Signal::KILL);
    followed.read_to_string(&mut received).unwrap();
    assert_eq!(follower.0.wait().unwrap().code(), Some(0), "{received}");
    assert!(["one\ntwo\n", "two\n"].contains(&&*received), "{received}");
}

#[test]
fn readers_that_leave_free_their_place() {
    let lb = Balancer::start(&["--replicas", "1", "--replica-command", &verbose_command()]);
    let follow = || {
        let mut reader = std::net::TcpStream::connect(lb.admin).unwrap();
        write!(reader, "GET /api/replicas/server1/logs?follow=1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .unwrap();
        let mut status = [0; 12];
        reader.read_exact(&mut status).unwrap();
        (String::from_utf8(status.to_vec()).unwrap().replace("HTTP/1.1 ", ""), reader)
    };
    let readers: Vec<_> = (0..64).map(|_| follow()).collect();
    assert!(readers.iter().all(|(status, _)| status == "200"));
    assert_eq!(follow().0, "503");
    drop(readers);
    until("closed followers are removed", || follow().0 == "200");
}

#[test]
fn the_output_of_external_servers_is_not_available() {
    let origin = Origin::replying("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let lb = Origin::balanced(&[&origin], &[]);
    let (status, body) = logs(&lb, "o0/logs");
    assert!(status == 400 && body.contains("--runtime static"), "{status} {body}");
}

#[test]
fn the_command_line_prints_the_output() {
    let command = "sh -c 'printf \"\\033[31mred\\n\"; exec env RUST_LOG=off LB replica'"
        .replace("LB", env!("CARGO_BIN_EXE_lb"));
    let balancer = Balancer::start(&["--replicas", "1", "--replica-command", &command]);
    let ask = |args: &[&str]| lb(args, &[("LB_ADMIN", &format!("http://{}", balancer.admin))]);
    assert_eq!(ask(&["logs", "server1"]).stdout, "\u{fffd}[31mred\n");
    assert_eq!(ask(&["logs", "server1", "--json"]).stdout, "\u{1b}[31mred\n");
    let unknown = ask(&["logs", "absent"]);
    assert_eq!((unknown.status.code(), &*unknown.stderr), (Some(1), "lb: There is no replica 'absent'\n"));
    let huge = ask(&["logs", "server1", "--tail", "10001"]);
    assert_eq!(huge.status.code(), Some(64), "{}", huge.stderr);
}

#[test]
fn the_output_of_a_container_is_returned() {
    let Some(cluster) = Cluster::new() else { return };
    let lb = cluster.start(&["--replicas", "1"]);
    let container = cluster.container("server1");
    let (status, all) = logs(&lb, "server1/logs");
    assert!(status == 200 && all.contains("replica=server1") && all.ends_with('\n'), "{status} {all:?}");
    assert_eq!(logs(&lb, "server1/logs?tail=0"), (200, String::new()));
    let mut follower = Wire::connect(lb.admin);
    follower.send(
        "GET /api/replicas/server1/logs?follow=1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    );
    let head = follower.head().unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    docker(&["kill", &container]).unwrap();
    assert!(follower.rest().is_ok(), "the output ends with the container");
}
