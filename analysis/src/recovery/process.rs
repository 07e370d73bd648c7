//! A replica that runs as a process on this machine.

use std::fs;

use rustix::process::{Pid, Signal, getpgid, kill_process_group};

/// The process group of one replica.
#[derive(Debug)]
pub struct Process {
    leader: Pid,
    name: String,
}

impl Process {
    /// Finds the process with this id, and verifies that it is this replica.
    ///
    /// # Errors
    /// The reason why it must not be signalled.
    pub fn find(id: &str, name: &str) -> Result<Self, String> {
        let leader = id.parse().ok().filter(|pid| *pid > 1).and_then(Pid::from_raw);
        let leader = leader.ok_or_else(|| format!("the id '{id}' of {name} is not a process id"))?;
        let process = Self { leader, name: name.into() };
        if process.is_alive() {
            Ok(process)
        } else {
            // Behind a tunnel or in a container a balancer looks local, but its process ids are of another machine.
            Err(format!("process {id} of this machine is not {name}"))
        }
    }

    /// Sends a signal to the process and its children.
    ///
    /// # Errors
    /// When it has ended, or its id belongs to another process by now.
    pub fn signal(&self, signal: Signal) -> Result<(), String> {
        // Verified for each signal, because the id may have been reused.
        if !self.is_alive() {
            return Err(format!("{} (process {}) has ended", self.name, self.leader.as_raw_pid()));
        }
        kill_process_group(self.leader, signal).map_err(|error| {
            format!("cannot signal {} (process {}): {error}", self.name, self.leader.as_raw_pid())
        })
    }

    /// Whether the process still leads its own process group and has the replica's name.
    fn is_alive(&self) -> bool {
        let read =
            |file: &str| fs::read(format!("/proc/{}/{file}", self.leader.as_raw_pid())).unwrap_or_default();
        getpgid(Some(self.leader)) == Ok(self.leader)
            && is_named(&read("cmdline"), &read("environ"), &self.name)
    }
}

/// The built-in replica has its name as last argument, any other in the variable SERVER_ID.
fn is_named(arguments: &[u8], environment: &[u8], name: &str) -> bool {
    let last = arguments.strip_suffix(b"\0").and_then(|arguments| arguments.rsplit(|byte| *byte == 0).next());
    let variable = format!("SERVER_ID={name}");
    last == Some(name.as_bytes())
        || environment.split(|byte| *byte == 0).any(|entry| entry == variable.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_is_recognized_by_its_name() {
        assert!(is_named(b"lb\0__replica\x0017\0server 2\0", b"", "server 2"));
        assert!(is_named(b"sh\0-c\0x\0", b"PORT=1\0SERVER_ID=server2\0", "server2"));
        assert!(!is_named(b"lb\0__replica\x0017\0server22\0", b"SERVER_ID=server21\0", "server2"));
        assert!(!is_named(b"lb\0server2\0--flag\0", b"XSERVER_ID=server2\0", "server2"));
        assert!(!is_named(b"", b"", "server2"));
    }

    #[test]
    fn other_processes_are_not_signalled() {
        let own = std::process::id().to_string();
        for id in ["", "x", "0", "1", "-1", "4194305", own.as_str()] {
            assert!(Process::find(id, "server1").is_err(), "{id}");
        }
    }
}
