//! Replica commands below their launchers: no descendant outlives its command or the balancer.

use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::Signal;

use crate::support::{Balancer, runs, signal_pid, until};

const LB: &str = env!("CARGO_BIN_EXE_lb");

/// A `sleep` command line that no other test uses.
fn unique_sleep() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("sleep {}{:03}", 1_000_000 + std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The processes that run exactly this command line.
fn running(command: &str) -> Vec<i32> {
    let pids = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| command_line(*pid) == command && runs(*pid)).collect()
}

fn command_line(pid: i32) -> String {
    let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&words).trim_end_matches('\0').replace('\0', " ")
}

fn parent(pid: i32) -> i32 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(") ").unwrap().1.split(' ').nth(1).unwrap().parse().unwrap()
}

/// A replica command that also leaves a daemon: a process in another session whose parent has exited.
fn with_daemon(sleep: &str) -> String {
    format!("sh -c '(setsid sh -c \"{sleep} & exec {sleep}\" &); exec {LB} replica'")
}

/// Two replicas, each with a daemon of two processes.
fn start(sleep: &str, args: &[&str]) -> Balancer {
    let command = with_daemon(sleep);
    let lb = Balancer::start(&[&["--replicas", "2", "--replica-command", &command][..], args].concat());
    until("the daemons run", || running(sleep).len() == 4);
    lb
}

#[test]
fn daemons_end_when_the_balancer_is_terminated() {
    let sleep = unique_sleep();
    let mut lb = start(&sleep, &[]);
    lb.signal(Signal::TERM);
    assert_eq!(lb.ended().code(), Some(0));
    assert_eq!(running(&sleep), [0; 0], "all processes are gone when the balancer has ended");
}

#[test]
fn daemons_end_when_the_balancer_is_killed_with_9() {
    let sleep = unique_sleep();
    let mut lb = start(&sleep, &[]);
    signal_pid(lb.pid_of("server1"), Signal::STOP);
    lb.child.kill().unwrap();
    lb.child.wait().unwrap();
    until("the daemons are gone", || running(&sleep).is_empty());
}

#[test]
fn daemons_end_with_their_replica() {
    let sleep = unique_sleep();
    let lb = start(&sleep, &[]);
    let first = running(&sleep);
    signal_pid(lb.pid_of("server1"), Signal::KILL);
    lb.until("server1 is replaced", |lb| {
        lb.names().len() == 2 && !lb.names().contains(&"server1".to_owned())
    });
    until("the replacement has its own", || running(&sleep).len() == 4);
    assert_eq!(first.iter().filter(|pid| runs(**pid)).count(), 2, "only the processes of server2 run");
    assert_eq!(lb.control("DELETE", "/rm", r#"{"n":2}"#).0, 200);
    until("all processes are gone", || running(&sleep).is_empty());
}

/// Without /proc the launcher sees no descendants, but it has the process group of its command.
#[test]
fn the_group_of_a_command_is_killed_even_if_proc_does_not_show_it() {
    let sleep = unique_sleep();
    let mut probe = std::process::Command::new("unshare");
    probe.args(["--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/proc"]);
    if !probe.status().is_ok_and(|status| status.success()) {
        return eprintln!("skipped: no mount namespace of its own");
    }
    let script =
        "mount -t tmpfs none /proc && mkdir /proc/self && ln -s \"$0\" /proc/self/exe && exec \"$0\" \"$@\"";
    let mut command = std::process::Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script, LB]);
    // Ignored signals stay ignored in children: SIGTERM ends the server only.
    let replica = format!("sh -c 'trap \"\" TERM; {LB} replica & {sleep}'");
    let args = ["--replicas", "1", "--stop-timeout", "1s", "--replica-command", &replica];
    let mut lb = Balancer::launch_by(command, &args, &[]);
    lb.wait_for("] ready ");
    let left = running(&sleep);
    lb.signal(Signal::TERM);
    assert_eq!(lb.ended().code(), Some(0));
    let survivors: Vec<i32> = left.iter().copied().filter(|pid| runs(*pid)).collect();
    survivors.iter().for_each(|pid| signal_pid(*pid, Signal::KILL));
    assert_eq!((left.len(), survivors), (1, Vec::new()));
}

#[test]
fn a_command_that_goes_into_the_background_is_reported() {
    let sleep = unique_sleep();
    let command = format!("sh -c 'setsid {LB} replica & setsid {sleep} & exit 0'");
    let mut lb = Balancer::launch(&["--replicas", "1", "--replica-command", &command]);
    let line = lb.wait_for("went into the background");
    let text =
        "exit status: 0; the command went into the background (processes=2): it must run in the foreground";
    assert!(line.contains(text), "{line}");
    lb.signal(Signal::TERM);
    assert_eq!(lb.ended().code(), Some(0));
    assert!(!lb.log().iter().any(|line| line.contains("took its port")), "{:#?}", lb.log());
    assert_eq!(running(&sleep), [0; 0]);
}

#[test]
fn children_that_ignore_sigterm_end_within_the_stop_timeout() {
    let sleep = unique_sleep();
    let script = format!(
        "trap \"\" TERM; for i in 1 2 3 4 5 6 7 8 9 10; do {sleep} & setsid {sleep} & (setsid {sleep} &); done; \
         exec {LB} replica"
    );
    let command = format!("sh -c '{script}'");
    let mut lb =
        Balancer::start(&["--replicas", "1", "--replica-command", &command, "--stop-timeout", "500ms"]);
    until("all children run", || running(&sleep).len() == 30);
    lb.signal(Signal::TERM);
    assert_eq!(lb.ended().code(), Some(0));
    assert_eq!(running(&sleep), [0; 0]);
}

#[test]
fn a_descendant_has_the_stop_timeout_even_if_its_shell_has_exited() {
    let directory = tempfile::tempdir().unwrap();
    let done = directory.path().join("done");
    let child = format!(
        "trap \"sleep 0.3; echo done > {}; exit\" TERM; echo up; while :; do sleep 0.05; done",
        done.display()
    );
    let command = format!("sh -c 'setsid sh -c \"$CHILD\" & exec {LB} replica'");
    let mut lb = Balancer::launch_with(
        &["--replicas", "1", "--replica-command", &command],
        &[("CHILD", child.as_str())],
    );
    lb.wait_for("replica=server1 up");
    lb.wait_for("] ready ");
    lb.signal(Signal::TERM);
    assert_eq!(lb.ended().code(), Some(0));
    assert_eq!(std::fs::read_to_string(done).unwrap(), "done\n");
}

#[test]
fn the_death_of_a_launcher_kills_its_replica() {
    let sleep = unique_sleep();
    let command = format!("sh -c '{sleep} & exec {LB} replica'");
    let mut lb = Balancer::start(&["--replicas", "1", "--replica-command", &command]);
    let pid = lb.pid_of("server1");
    let before = running(&sleep);
    signal_pid(parent(pid), Signal::KILL);
    let line = lb.wait_for("replica dead name=server1");
    // Either death may be detected first.
    assert!(line.contains("its launcher ended: signal: 9 (SIGKILL)") || line.contains("refuses"), "{line}");
    until("its processes are gone", || !runs(pid) && !before.iter().any(|pid| runs(*pid)));
    lb.until("the replica is replaced", |lb| lb.names().len() == 1);
}

#[test]
fn the_id_of_a_replica_is_the_pid_of_its_command() {
    let lb = Balancer::start(&["--replicas", "1", "--replica-command", &format!("{LB} replica")]);
    let pid = lb.pid_of("server1");
    assert_eq!(command_line(pid), format!("{LB} replica"));
    let launcher = parent(pid);
    assert!(
        command_line(launcher).ends_with(" __launch"),
        "the launcher's command line must not match pkill -f with words of the command"
    );
    assert_eq!(parent(launcher), i32::try_from(lb.child.id()).unwrap());
}
