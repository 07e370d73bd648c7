//! Waits for the end of one child, and reports it as the exit of its replica.

use std::cell::RefCell;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::rc::Weak;

use rustix::process::{Pid, Signal};
use tokio::process::Child;
use tokio::sync::{mpsc, watch};

use super::super::{Event, Exit};
use super::Children;
use super::launcher::Launcher;
use super::output::Output;
use super::running::signal_group;
use crate::child::protocol::Report;
use crate::ring::Incarnation;

/// State that is needed when the child has ended.
pub(super) struct Follower {
    pub incarnation: Incarnation,
    /// Address on which a command was to listen, for the test whether another process took the port.
    pub address: Option<SocketAddr>,
    pub children: Weak<RefCell<Children>>,
    pub exits: mpsc::UnboundedSender<Event>,
    /// Dropped when the child is reaped.
    pub alive: watch::Sender<()>,
    pub output: Output,
}

impl Follower {
    /// Follows the built-in replica.
    pub async fn replica(self, mut child: Child) {
        let status = child.wait().await;
        self.reaped(describe(status)).await;
    }

    /// Follows a command, which leads `group`, by its launcher.
    pub async fn command(self, mut launcher: Launcher, group: Pid) {
        let report = launcher.report().await;
        let ended = launcher.process.wait().await;
        let how = match report {
            Some(Report::Exited { status, background, left }) => {
                let status = status.map_or("not ended by SIGKILL".to_owned(), |status| {
                    ExitStatus::from_raw(status).to_string()
                });
                if left > 0 {
                    let incarnation = self.incarnation;
                    log::error!(incarnation:%, processes:% = left, why = "not_killable"; "descendants left");
                }
                if background > 0 {
                    format!(
                        "{status}; the command went into the background (processes={background}): it must run in \
                         the foreground"
                    )
                } else {
                    status
                }
            }
            _ => {
                // The parent death signal of the launcher has killed the command, but not the children of the command.
                signal_group(group, Signal::KILL);
                format!("its launcher ended: {}", describe(ended))
            }
        };
        self.reaped(how).await;
    }

    async fn reaped(self, how: String) {
        let Self { incarnation, address, children, exits, alive, output } = self;
        let Some(children) = children.upgrade() else { return };
        let ended = children.borrow_mut().remove(&incarnation);
        drop((alive, children));
        if ended.is_some_and(|running| running.stopping) {
            return;
        }
        let last_line = output.last_line().await;
        let exit = if address.is_some_and(is_taken) {
            Exit::PortTaken
        } else if last_line.is_empty() {
            Exit::Ended(how)
        } else {
            Exit::Ended(format!("{how}; its last line: {last_line}"))
        };
        // The receiver is missing only when the runtime is being dropped.
        let _ = exits.send(Event::Exited { incarnation, exit });
    }
}

fn is_taken(address: SocketAddr) -> bool {
    TcpListener::bind(address).is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
}

fn describe(status: io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => status.to_string(),
        Err(error) => format!("lost: {error}"),
    }
}
