//! Processes: `lb` as a command that ends, signals, and what the kernel says about a process.

use std::io::read_to_string;
use std::process::{Child, Command, ExitStatus, Stdio};

use super::wait::until;

/// A process that is killed when it is dropped, also when the test fails.
pub struct Killed(pub Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Killed {
    /// Waits until the process ends.
    pub fn ended(&mut self) -> ExitStatus {
        ended(&mut self.0)
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        signal_pid(i32::try_from(self.0.id()).unwrap(), signal);
    }
}

/// Waits until a process ends.
pub fn ended(child: &mut Child) -> ExitStatus {
    let mut status = None;
    until("the process ends", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    status.unwrap()
}

/// The result of a command that has exited.
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// Runs `lb` until it exits.
pub fn lb(args: &[&str], env: &[(&str, &str)]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
    command.args(args).envs(env.iter().copied()).stdin(Stdio::null());
    let mut child = Killed(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    let status = child.ended();
    let (stdout, stderr) = (child.0.stdout.take().unwrap(), child.0.stderr.take().unwrap());
    Ended { status, stdout: read_to_string(stdout).unwrap(), stderr: read_to_string(stderr).unwrap() }
}

pub fn signal_pid(pid: i32, signal: rustix::process::Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal).unwrap();
}

/// Whether a process is running (a zombie is not).
pub fn runs(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// The children of a process that are not reaped.
pub fn children(pid: i32) -> Vec<i32> {
    let listed = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    listed.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}
