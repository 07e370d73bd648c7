//! The balancer's own shortages of descriptors and ports are not counted against replicas.

use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};

use crate::support::{Balancer, call, signal_pid};

const LB: &str = env!("CARGO_BIN_EXE_lb");
const CLOSELY: [&str; 6] =
    ["--replace-after", "1s", "--heartbeat-interval", "200ms", "--heartbeat-timeout", "190ms"];
/// Three times `--replace-after`.
const LONG: Duration = Duration::from_secs(3);

fn pid(lb: &Balancer) -> i32 {
    lb.child.id().try_into().unwrap()
}

fn logged(lb: &mut Balancer, text: &str) -> usize {
    lb.log().iter().filter(|line| line.contains(text)).count()
}

fn limit(lb: &Balancer, files: u64) -> u64 {
    let pid = Pid::from_raw(pid(lb));
    let maximum = rustix::process::getrlimit(Resource::Nofile).maximum;
    prlimit(pid, Resource::Nofile, Rlimit { current: Some(files), maximum }).unwrap().current.unwrap()
}

#[test]
fn idle_clients_beyond_the_limit_of_open_files_affect_no_request() {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 80; exec \"$0\" \"$@\"", LB]);
    let mut lb = Balancer::launch_by(command, &[&CLOSELY[..], &["--workers", "2"]].concat(), &[]);
    lb.wait_for("] ready ");
    let lowered = lb.wait_for("max connections lowered");
    assert!(lowered.contains("from=25000 why=limit_of_open_files"), "{lowered}");
    let (names, ids) = (lb.names(), lb.replicas());
    let idle: Vec<_> = (0..120).map(|_| TcpStream::connect(lb.traffic).unwrap()).collect();
    let start = Instant::now();
    while start.elapsed() < LONG {
        assert_eq!(lb.names(), names);
        assert_eq!(lb.get("/home").status, 200);
        assert_eq!(call(lb.admin, "GET", "/readyz", &[], b"").status, 200);
    }
    let id = |replica: &serde_json::Value| replica["id"].clone();
    assert!(ids.iter().map(id).eq(lb.replicas().iter().map(id)), "none was replaced");
    drop(idle);
    let is_warning = |line: &&String| line.contains("WARN") || line.contains("ERROR");
    let is_of_the_machine = |line: &&String| line.contains("why=starved");
    let warnings = lb.log().iter().filter(|line| is_warning(line) && !is_of_the_machine(line));
    assert_eq!(warnings.collect::<Vec<_>>(), [&lowered]);
}

#[test]
fn a_lack_of_descriptors_voids_heartbeats_and_launches_and_is_logged_once() {
    let mut lb = Balancer::start(&[&CLOSELY[..], &["--workers", "1"]].concat());
    let victim = lb.pid_of("server2");
    let others = [lb.pid_of("server1"), lb.pid_of("server3")];
    let open = std::fs::read_dir(format!("/proc/{}/fd", pid(&lb))).unwrap().count();
    let before = limit(&lb, u64::try_from(open).unwrap() - 8);
    let begins = lb.wait_for("shortage begins");
    assert!(begins.contains("of=descriptors failed=heartbeat error=Too many open files"), "{begins}");
    signal_pid(victim, Signal::KILL);
    lb.wait_for("replica dead name=server2");
    std::thread::sleep(2 * LONG); // not for a state: launches and heartbeats have to fail for a long time
    limit(&lb, before);
    let restored = Instant::now();
    lb.until("server2 is replaced", |lb| lb.names().len() == 3);
    assert!(restored.elapsed() < Duration::from_secs(40), "no back-off of a minute");
    assert_eq!([lb.pid_of("server1"), lb.pid_of("server3")], others);
    lb.wait_for("shortage over");
    assert_eq!(logged(&mut lb, "shortage begins"), 1);
    let blamed = ["replica dead name=server1", "replica dead name=server3", "replica suspect", "delay_s=60"];
    assert_eq!(blamed.map(|text| logged(&mut lb, text)), [0; 4]);
    let failures = lb.log().iter().filter(|line| line.contains("Too many open files"));
    assert_eq!(failures.filter(|line| !line.contains("why=cannot start")).count(), 1, "{:#?}", lb.log());
}

#[test]
fn a_lack_of_local_ports_voids_heartbeats() {
    let inside = "ip link set lo up && exec \"$0\" \"$@\"";
    let tried = Command::new("unshare").args(["-n", "sh", "-c", "ip link set lo up"]).output();
    if !tried.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no right to make a network namespace, or no unshare(1) and ip(8)");
        return;
    }
    let mut command = Command::new("unshare");
    command.args(["-n", "sh", "-c", inside, LB]);
    let mut lb = Balancer::launch_by(command, &CLOSELY, &[]);
    lb.wait_for("] ready ");
    reserve(&lb, "1024-65535");
    let begins = lb.wait_for("shortage begins");
    assert!(begins.contains("of=ports failed=heartbeat"), "{begins}");
    std::thread::sleep(LONG); // not for a state: heartbeats have to fail for a long time
    reserve(&lb, "");
    lb.wait_for("shortage over");
    assert_eq!((logged(&mut lb, "replica dead"), logged(&mut lb, "replica suspect")), (0, 0));
}

/// Reserves `ports` in the balancer's network namespace, so that the kernel gives none of them to a connection.
fn reserve(lb: &Balancer, ports: &str) {
    let write = format!("echo '{ports}' > /proc/sys/net/ipv4/ip_local_reserved_ports");
    let target = pid(lb).to_string();
    let done = Command::new("nsenter").args(["-n", "-t", &target, "sh", "-c", &write]).status();
    assert!(done.unwrap().success());
}

#[test]
fn connections_that_cannot_be_accepted_are_an_episode() {
    // No heartbeat during the test: it would begin the episode.
    let rarely = ["--replace-after", "60s", "--heartbeat-interval", "59s", "--heartbeat-timeout", "58s"];
    let mut lb = Balancer::start(&[&rarely[..], &["--workers", "1"]].concat());
    // The next descriptor would be the lowest free one.
    let is_open = |fd: &u64| std::fs::symlink_metadata(format!("/proc/{}/fd/{fd}", lb.child.id())).is_ok();
    let free = (0..).find(|fd| !is_open(fd)).unwrap();
    let former = limit(&lb, free);
    let _client = TcpStream::connect(lb.traffic).unwrap();
    let begins = lb.wait_for("shortage begins");
    assert!(begins.contains("of=descriptors failed=accept error="), "{begins}");
    limit(&lb, former);
    lb.wait_for("shortage over");
    assert_eq!(logged(&mut lb, "shortage begins"), 1);
    assert_eq!(logged(&mut lb, "Error accepting"), 0);
}
