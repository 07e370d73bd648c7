//! The processes below another one, as /proc shows them.

use std::collections::BTreeSet;

use procfs::process::{FDTarget, Process as Entry};
use rustix::process::Pid;

/// A process that has not exited (a zombie has).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub pid: Pid,
    /// Its parent's process id.
    pub parent: i32,
    /// Its process group.
    pub group: i32,
    /// Whether a signal (state T) or a tracer (state t) has stopped it.
    pub stopped: bool,
}

/// The processes that `root` has started, those that these have started, and so on; without `root` itself. Processes
/// that start or end meanwhile may be missing.
pub(crate) fn descendants(root: Pid) -> Vec<Process> {
    let (mut found, mut parents, mut seen) = (Vec::new(), vec![root.as_raw_pid()], BTreeSet::new());
    while let Some(parent) = parents.pop() {
        for child in children(parent).into_iter().filter(|child| seen.insert(*child)) {
            parents.push(child);
            found.extend(process(child));
        }
    }
    found
}

/// Whether a replica is suspended: `false` while any of its serving processes runs.
///
/// Serving processes are those among `processes` that hold a socket which listens on `port`; if there is none (or
/// /proc does not show it), all of them. Of these only processes without a child among them count: a shell waits for
/// its child, and a master process of several workers does not answer requests.
pub(crate) fn is_suspended(processes: &[Process], port: u16) -> bool {
    let listening = listening(port);
    let holds = |process: &&Process| holds(process.pid, &listening);
    let mut serving: Vec<_> = processes.iter().filter(holds).collect();
    if serving.is_empty() {
        serving = processes.iter().collect();
    }
    let is_parent = |process: &Process| serving.iter().any(|other| other.parent == process.pid.as_raw_pid());
    let mut leaves = serving.iter().filter(|process| !is_parent(process)).peekable();
    leaves.peek().is_some() && leaves.all(|process| process.stopped)
}

/// `pid` as a process; `None` if it has exited.
pub(crate) fn process(pid: i32) -> Option<Process> {
    let stat = Entry::new(pid).ok()?.stat().ok()?;
    let exited = matches!(stat.state, 'Z' | 'X' | 'x');
    let (parent, group, stopped) = (stat.ppid, stat.pgrp, matches!(stat.state, 'T' | 't'));
    Pid::from_raw(pid).filter(|_| !exited).map(|pid| Process { pid, parent, group, stopped })
}

/// Children of all threads of a process, zombies included.
fn children(pid: i32) -> Vec<i32> {
    let tasks = Entry::new(pid).and_then(|process| process.tasks());
    let tasks = tasks.into_iter().flatten().flatten();
    tasks.flat_map(|task| task.children().unwrap_or_default()).filter_map(|pid| pid.try_into().ok()).collect()
}

/// The inodes of the TCP sockets that listen on `port`.
fn listening(port: u16) -> BTreeSet<u64> {
    let entries = [procfs::net::tcp(), procfs::net::tcp6()].into_iter().flatten().flatten();
    let of_port = entries.filter(|entry| entry.local_address.port() == port);
    of_port.filter(|entry| entry.state == procfs::net::TcpState::Listen).map(|entry| entry.inode).collect()
}

fn holds(pid: Pid, sockets: &BTreeSet<u64>) -> bool {
    let descriptors = Entry::new(pid.as_raw_pid()).and_then(|process| process.fd());
    let mut descriptors = descriptors.into_iter().flatten().flatten();
    descriptors.any(|fd| matches!(fd.target, FDTarget::Socket(inode) if sockets.contains(&inode)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: i32, parent: i32, stopped: bool) -> Process {
        Process { pid: Pid::from_raw(pid).unwrap(), parent, group: 0, stopped }
    }

    /// The rule without sockets: no process listens on port 0, and none of these exists.
    fn suspended(processes: &[(i32, i32, bool)]) -> bool {
        let processes: Vec<_> =
            processes.iter().map(|(pid, parent, stopped)| process(*pid, *parent, *stopped)).collect();
        is_suspended(&processes, 0)
    }

    const SHELL: i32 = i32::MAX - 10;
    const A: i32 = i32::MAX - 9;
    const B: i32 = i32::MAX - 8;

    #[test]
    fn processes_with_children_do_not_count() {
        assert!(!suspended(&[]));
        assert!(suspended(&[(SHELL, 1, true)]));
        assert!(!suspended(&[(SHELL, 1, false)]));
        assert!(suspended(&[(SHELL, 1, false), (A, SHELL, true)]));
        assert!(!suspended(&[(SHELL, 1, true), (A, SHELL, false)]));
    }

    #[test]
    fn one_worker_that_runs_is_enough() {
        assert!(!suspended(&[(SHELL, 1, false), (A, SHELL, true), (B, SHELL, false)]));
        assert!(suspended(&[(SHELL, 1, false), (A, SHELL, true), (B, SHELL, true)]));
    }
}
