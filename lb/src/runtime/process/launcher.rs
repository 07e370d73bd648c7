//! The balancer's end of a launcher: starts it, sends its orders, reads its reports.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net;

use rustix::process::Pid;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, Command};

use super::super::Error;
use crate::child::protocol::{Order, Report, line};
use crate::shortage;

/// A launcher, held by the follower of its command.
pub(super) struct Launcher {
    pub process: Child,
    reports: Lines<BufReader<OwnedReadHalf>>,
}

/// Sends orders to a launcher. Dropped, it makes the launcher kill its command and every descendant.
pub(super) struct Orders(OwnedWriteHalf);

impl Launcher {
    /// Starts a launcher by `command`, which is this executable in its launcher mode.
    ///
    /// # Errors
    /// Those of socketpair(2), and of the start of a process.
    pub fn start(mut command: Command) -> io::Result<(Self, Orders)> {
        let (own_end, other_end) = net::UnixStream::pair()?;
        own_end.set_nonblocking(true)?;
        let process = command.stdin(OwnedFd::from(other_end)).spawn()?;
        let (reports, orders) = UnixStream::from_std(own_end)?.into_split();
        Ok((Self { process, reports: BufReader::new(reports).lines() }, Orders(orders)))
    }

    /// Waits until the command runs, and returns its process id.
    ///
    /// # Errors
    /// When the launcher could not start it.
    pub async fn started(&mut self) -> Result<Pid, Error> {
        let why = match self.report().await {
            Some(Report::Started { pid }) => match Pid::from_raw(pid) {
                Some(pid) => return Ok(pid),
                None => "it has no process id".to_owned(),
            },
            Some(Report::Failed { error, shortage: true, errno }) => {
                let cause =
                    errno.map_or_else(|| io::Error::other(error.clone()), io::Error::from_raw_os_error);
                shortage::report("launch", &cause);
                return Err(Error::Unavailable(format!("cannot start the command: {error}")));
            }
            Some(Report::Failed { error, shortage: false, .. }) => error,
            Some(Report::Exited { .. }) | None => "its launcher has ended".to_owned(),
        };
        Err(Error::Refused(format!("cannot start the command: {why}")))
    }

    /// The next report; `None` at the end of the socket: the launcher has ended or was killed.
    pub async fn report(&mut self) -> Option<Report> {
        let line = self.reports.next_line().await.ok()??;
        serde_json::from_str(&line).ok()
    }
}

impl Orders {
    /// Sends the first order, which may be longer than a socket accepts at once.
    ///
    /// # Errors
    /// When the launcher has ended.
    pub async fn launch(&mut self, order: &Order) -> io::Result<()> {
        self.0.write_all(line(order).as_bytes()).await
    }

    /// Sends a short order without waiting. One that does not fit is lost: the launcher hangs then, and is killed
    /// after its time limit.
    pub fn send(&self, order: &Order) {
        let _ = self.0.try_write(line(order).as_bytes());
    }
}
