//! The process runtime, with real processes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use futures::StreamExt;
use lb::ring::{Incarnation, SeatId};
use lb::runtime::process::{Process, Program};
use lb::runtime::{Event, Exit, Instance, Launch, Runtime};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::support::Killed;
use crate::support::wait::until_async as until;

const LB: &str = env!("CARGO_BIN_EXE_lb");
const GRACE: Duration = Duration::from_secs(20);
/// `sleep` is a child of the shell, so the group has two members.
const SCRIPT: &str = "sleep 1000; true";

fn built_in() -> Process {
    Process::new(LB.into(), Program::BuiltIn)
}

fn command(words: &[&str]) -> Process {
    let arguments = words[1..].iter().map(|word| (*word).to_owned()).collect();
    Process::new(LB.into(), Program::Command { program: words[0].into(), arguments })
}

fn shell(script: &str) -> Process {
    command(&["sh", "-c", script, "{name}", "{port}"])
}

async fn launch(runtime: &Process, incarnation: u64) -> Instance {
    let name = "server 1".parse().unwrap();
    let launch = Launch { seat: SeatId::new(1).unwrap(), name, incarnation: Incarnation(incarnation) };
    runtime.launch(launch).await.unwrap()
}

fn pid(instance: &Instance) -> Pid {
    Pid::from_raw(instance.id.parse().unwrap()).unwrap()
}

fn gone(group: Pid) -> bool {
    members(group) == 0
}

/// Number of live processes of a group: its leader and its descendants.
fn members(group: Pid) -> usize {
    let living = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let stat = std::fs::read_to_string(entry.ok()?.path().join("stat")).ok()?;
        // proc(5): pid (comm) state ppid pgrp …
        let mut fields = stat.rsplit_once(") ")?.1.split(' ');
        let zombie = fields.next()? == "Z";
        let pgrp = fields.nth(1)?.parse::<i32>().ok()?;
        (!zombie && pgrp == group.as_raw_pid()).then_some(())
    });
    living.count()
}

fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut connection = TcpStream::connect(address)?;
    write!(connection, "GET {path} HTTP/1.1\r\nhost: r\r\nconnection: close\r\n\r\n")?;
    let mut reply = String::new();
    connection.read_to_string(&mut reply)?;
    Ok(reply)
}

async fn exit(runtime: &Process) -> Exit {
    let Some(Event::Exited { exit, .. }) = runtime.events().next().await else { panic!("no exit") };
    exit
}

#[actix_rt::test]
async fn the_built_in_replica_serves_under_its_name() {
    let runtime = built_in();
    let instance = launch(&runtime, 1).await;
    let reply = get(instance.address, "/home").unwrap();
    assert!(reply.ends_with(r#"{"message":"Hello from Server: server 1","status":"successful"}"#), "{reply}");
    runtime.stop(Incarnation(1), GRACE).await;
    assert!(gone(pid(&instance)));
    assert!(get(instance.address, "/home").is_err());
}

#[actix_rt::test]
async fn a_command_gets_port_and_name() {
    let script = r#"echo "$PORT $SERVER_ID $0 $1" > $2; sleep 1000"#;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("given");
    let runtime = command(&["sh", "-c", script, "{name}", "{port}", file.to_str().unwrap()]);
    let port = launch(&runtime, 1).await.address.port();
    let expected = format!("{port} server 1 server 1 {port}\n");
    until("the script wrote its file", async || {
        std::fs::read_to_string(&file).is_ok_and(|text| text == expected)
    })
    .await;
}

#[actix_rt::test]
async fn an_exit_has_the_status_and_the_last_line() {
    let runtime = shell("echo fine; echo 'bad: no disk' >&2; exit 3");
    launch(&runtime, 1).await;
    assert_eq!(exit(&runtime).await, Exit::Ended("exit status: 3; its last line: bad: no disk".into()));
}

#[actix_rt::test]
async fn a_kill_is_an_event() {
    let runtime = built_in();
    let instance = launch(&runtime, 1).await;
    kill_process(pid(&instance), Signal::KILL).unwrap();
    assert_eq!(exit(&runtime).await, Exit::Ended("signal: 9 (SIGKILL)".into()));
}

#[actix_rt::test]
async fn a_command_that_does_not_exist_is_named() {
    let runtime = command(&["/no/such program", "x"]);
    launch(&runtime, 1).await;
    let Exit::Ended(text) = exit(&runtime).await else { panic!("the exit is not PortTaken") };
    assert!(text.contains("cannot run '/no/such program': No such file or directory"), "{text}");
}

#[actix_rt::test]
async fn an_executable_that_does_not_exist_refuses_the_launch() {
    let runtime = Process::new("/no/such/lb".into(), Program::BuiltIn);
    let launch =
        Launch { seat: SeatId::new(1).unwrap(), name: "a".parse().unwrap(), incarnation: Incarnation(1) };
    let error = runtime.launch(launch).await.unwrap_err().to_string();
    assert!(error.starts_with("cannot start '/no/such/lb': "), "{error}");
}

#[actix_rt::test]
async fn ports_of_commands_are_outside_of_the_ephemeral_range() {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
    let handed_out: Vec<u16> = range.split_whitespace().map(|port| port.parse().unwrap()).collect();
    let runtime = shell("exec sleep 1000");
    for incarnation in 1..=20 {
        let port = launch(&runtime, incarnation).await.address.port();
        assert!(!(handed_out[0]..=handed_out[1]).contains(&port), "{port} of {range}");
    }
}

#[actix_rt::test]
async fn a_port_taken_by_another_process_is_not_a_failure_of_the_command() {
    let runtime = shell("exec sleep 1000");
    let instance = launch(&runtime, 1).await;
    let _thief = TcpListener::bind(instance.address).unwrap();
    kill_process(pid(&instance), Signal::KILL).unwrap();
    assert_eq!(exit(&runtime).await, Exit::PortTaken);
}

#[actix_rt::test]
async fn a_stop_emits_no_event_and_an_unknown_incarnation_counts_as_gone() {
    let runtime = shell(SCRIPT);
    let mut events = runtime.events();
    let first = launch(&runtime, 1).await;
    let second = launch(&runtime, 2).await;
    runtime.stop(Incarnation(1), GRACE).await;
    runtime.stop(Incarnation(7), GRACE).await;
    until("the group is gone", async || gone(pid(&first))).await;
    kill_process(pid(&second), Signal::KILL).unwrap();
    let Some(Event::Exited { incarnation, .. }) = events.next().await else { panic!("no exit") };
    assert_eq!(incarnation, Incarnation(2));
}

#[actix_rt::test]
async fn a_command_that_ignores_sigterm_is_killed_with_its_children_after_the_grace_period() {
    let runtime = shell("trap '' TERM; sleep 1000; true");
    let instance = launch(&runtime, 1).await;
    until("the command has a child", async || members(pid(&instance)) == 2).await;
    runtime.stop(Incarnation(1), Duration::from_millis(50)).await;
    until("the group is gone", async || gone(pid(&instance))).await;
}

#[actix_rt::test]
async fn a_stopped_process_is_killed_at_once() {
    let runtime = built_in();
    let instance = launch(&runtime, 1).await;
    kill_process(pid(&instance), Signal::STOP).unwrap();
    runtime.stop(Incarnation(1), Duration::ZERO).await;
    assert!(gone(pid(&instance)));
}

#[actix_rt::test]
async fn a_second_stop_is_not_delayed_by_the_grace_period_of_the_first() {
    let runtime = shell("trap '' TERM; while :; do sleep 1000; done");
    let instance = launch(&runtime, 1).await;
    until("the trap is set", async || members(pid(&instance)) == 2).await;
    let patient = runtime.stop(Incarnation(1), Duration::from_secs(3600));
    futures::join!(patient, runtime.stop(Incarnation(1), Duration::ZERO));
}

#[actix_rt::test]
async fn children_of_a_command_that_crashed_are_killed() {
    let runtime = shell("sleep 1000 & sleep 1000 & exit 1");
    let instance = launch(&runtime, 1).await;
    assert_eq!(exit(&runtime).await, Exit::Ended("exit status: 1".into()));
    until("the group is gone", async || gone(pid(&instance))).await;
}

#[actix_rt::test]
async fn no_process_outlives_the_runtime() {
    let runtime = shell(SCRIPT);
    let instance = launch(&runtime, 1).await;
    until("the command has a child", async || members(pid(&instance)) == 2).await;
    drop(runtime);
    until("the group is gone", async || gone(pid(&instance))).await;
}

#[actix_rt::test]
async fn a_replica_dies_with_its_starting_thread_even_when_suspended() {
    // For the kernel the parent of the death signal is a thread, so a thread can stand in for the killed balancer.
    let parent = std::process::id().to_string();
    let group = std::thread::spawn(move || {
        let script = ["sh", "-c", "echo up; exec sleep 1000"];
        let mut child = Command::new(LB)
            .args(["__exec", &parent, "1024"])
            .args(script)
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "up\n");
        let pid = Pid::from_child(&child);
        kill_process(pid, Signal::STOP).unwrap();
        child
    });
    let mut child = group.join().unwrap();
    let status = child.wait().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
}

#[test]
fn a_command_gets_the_limit_of_open_files_that_the_balancer_was_started_with() {
    let lb = Command::new("sh")
        .args([
            "-c",
            "ulimit -Sn 300 && exec \"$0\" \"$@\"",
            LB,
            "--listen=127.0.0.1:0",
            "--admin-listen=off",
        ])
        .env("RUST_LOG", "info")
        .args(["--replicas=1", "--replica-command", "sh -c 'ulimit -Sn; exec sleep 1000'"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lb = Killed(lb);
    let mut log = BufReader::new(lb.0.stderr.take().unwrap()).lines().map_while(Result::ok);
    let line_of_replica = log.find(|line| line.contains("replica=server1"));
    assert!(line_of_replica.as_deref().is_some_and(|line| line.ends_with(" 300")), "{line_of_replica:?}");
}

#[test]
fn a_child_whose_balancer_is_gone_does_not_run() {
    for mode in [&["__exec", "1", "1024", "echo"][..], &["__replica", "1", "server1"]] {
        let output = Command::new(LB).args(mode).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(output.stdout, b"");
        assert_eq!(output.stderr, b"the balancer has ended\n");
    }
}

/// Waits until the runtime reports the replica as suspended, or not.
async fn suspended(runtime: &Process, expected: bool) {
    let is_expected = async || runtime.is_suspended(Incarnation(1)).await == Some(expected);
    until(&format!("suspended is {expected}"), is_expected).await;
}

/// Waits until a process has `n` children, and returns them.
async fn children(of: Pid, n: usize) -> Vec<Pid> {
    let listed = || crate::support::children(of.as_raw_pid());
    until("the children run", async || listed().len() == n).await;
    listed().into_iter().map(|pid| Pid::from_raw(pid).unwrap()).collect()
}

#[actix_rt::test]
async fn a_stopped_built_in_replica_is_suspended() {
    let runtime = built_in();
    let replica = pid(&launch(&runtime, 1).await);
    assert_eq!(runtime.is_suspended(Incarnation(1)).await, Some(false));
    assert_eq!(runtime.is_suspended(Incarnation(2)).await, None, "there is none");
    kill_process(replica, Signal::STOP).unwrap();
    suspended(&runtime, true).await;
    kill_process(replica, Signal::CONT).unwrap();
    suspended(&runtime, false).await;
}

#[actix_rt::test]
async fn a_stopped_server_below_a_running_shell_is_suspended() {
    let runtime = shell(SCRIPT);
    let shell = pid(&launch(&runtime, 1).await);
    let server = children(shell, 1).await[0];
    assert_eq!(runtime.is_suspended(Incarnation(1)).await, Some(false));
    kill_process(server, Signal::STOP).unwrap();
    suspended(&runtime, true).await;
    kill_process(server, Signal::CONT).unwrap();
    suspended(&runtime, false).await;
    kill_process(shell, Signal::STOP).unwrap();
    assert_eq!(runtime.is_suspended(Incarnation(1)).await, Some(false), "the server runs");
}

#[actix_rt::test]
async fn a_replica_is_suspended_when_all_its_workers_are_stopped() {
    let runtime = shell("sleep 1000 & sleep 1000 & setsid sleep 1000 & wait");
    let shell = pid(&launch(&runtime, 1).await);
    let workers = children(shell, 3).await;
    for worker in &workers {
        assert_eq!(runtime.is_suspended(Incarnation(1)).await, Some(false));
        kill_process(*worker, Signal::STOP).unwrap();
    }
    suspended(&runtime, true).await;
}

#[actix_rt::test]
async fn a_stopped_group_is_suspended() {
    let runtime = shell(SCRIPT);
    let shell = pid(&launch(&runtime, 1).await);
    children(shell, 1).await;
    kill_process_group(shell, Signal::STOP).unwrap();
    suspended(&runtime, true).await;
}

#[actix_rt::test]
async fn helpers_that_do_not_listen_do_not_count() {
    let script = format!("{LB} replica | cat");
    let runtime = shell(&script);
    let instance = launch(&runtime, 1).await;
    until("the server listens", async || get(instance.address, "/heartbeat").is_ok()).await;
    let both = children(pid(&instance), 2).await;
    let replica = both.into_iter().find(|pid| {
        let exe = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap();
        exe.ends_with("lb")
    });
    kill_process(replica.unwrap(), Signal::STOP).unwrap();
    suspended(&runtime, true).await;
}
