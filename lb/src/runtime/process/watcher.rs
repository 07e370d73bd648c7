//! The small process that kills the children's process groups should the balancer be killed with -9.

use std::collections::BTreeSet;
use std::io::{self, PipeWriter, Write};
use std::path::PathBuf;
use std::process::Stdio;

use rustix::process::Pid;
use tokio::process::Command;

use crate::child;

/// A handle of the watcher, which is started with the first group and again should it die. It sees the end of its
/// pipe when the handle is dropped or the balancer is gone.
pub(super) struct Watcher {
    executable: PathBuf,
    groups: BTreeSet<i32>,
    pipe: Option<PipeWriter>,
}

impl Watcher {
    pub(super) fn new(executable: PathBuf) -> Self {
        Self { executable, groups: BTreeSet::new(), pipe: None }
    }

    /// From now on `group` dies with the balancer.
    pub(super) fn add(&mut self, group: Pid) {
        self.groups.insert(group.as_raw_pid());
        if self.tell('+', group.as_raw_pid()).is_ok() {
            return;
        }
        // The children themselves die with the balancer in any case.
        if let Err(error) = self.start() {
            log::warn!("no watcher for the children of replicas: {error}");
        }
    }

    /// The group has ended: its number may be somebody else's soon.
    pub(super) fn remove(&mut self, group: Pid) {
        self.groups.remove(&group.as_raw_pid());
        // A watcher that is gone has nothing to forget.
        let _ = self.tell('-', group.as_raw_pid());
    }

    fn start(&mut self) -> io::Result<()> {
        let (reader, writer) = io::pipe()?;
        Command::new(&self.executable)
            .arg(child::WATCH)
            .env_clear()
            .stdin(reader)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        self.pipe = Some(writer);
        self.groups.iter().try_for_each(|group| self.tell('+', *group))
    }

    /// A line is shorter than what a pipe takes at once, and the watcher does nothing but read.
    fn tell(&self, verb: char, group: i32) -> io::Result<()> {
        let mut pipe = self.pipe.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        pipe.write_all(format!("{verb}{group}\n").as_bytes())
    }
}
