//! The launcher of a replica command: it ends every process that the command leaves behind.
//!
//! It is a child subreaper, so a descendant that leaves its process group or its session, or whose parent has exited,
//! stays a descendant. When the balancer orders it, when the command exits, or when the balancer's end of the socket
//! closes (also by kill -9), it kills all descendants and ends. The messages are those of [`protocol`](super::protocol).
//!
//! Should the launcher itself be killed, the kernel kills the command (parent death signal) and the balancer the rest of
//! the command's process group; a descendant outside of the group survives then.

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process, kill_process_group, wait};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::signal::unix::{Signal as Signals, SignalKind, signal};
use tokio::time::sleep;

use super::protocol::{Order, Report, VERSION, line};
use super::tree::descendants;
use crate::shortage;

/// The pause between two rounds of SIGKILL: a process that was forked during one is met by the next.
const ROUND: Duration = Duration::from_millis(20);

/// After this long, processes that are left cannot be killed; the launcher reports them and ends.
const GIVE_UP: Duration = Duration::from_secs(10);

/// Name of the process for ps and pkill: a pkill of the balancer by its name must not end the launchers.
const NAME: &str = "launcher";

/// `__launch`; the command comes over the socket, so that `pkill -f` with words of the command meets the command only.
pub(super) fn run(_: Vec<OsString>) -> Result<(), String> {
    let failed = |error: io::Error| format!("cannot launch: {error}");
    let socket = io::stdin().as_fd().try_clone_to_owned().map(net::UnixStream::from).map_err(failed)?;
    socket.set_nonblocking(true).map_err(failed)?;
    #[cfg(target_os = "linux")]
    {
        // Without the name the launcher works too.
        let _ = std::fs::write("/proc/self/comm", NAME);
        rustix::process::set_child_subreaper(Some(getpid())).map_err(|error| failed(error.into()))?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    // On the main thread: the command's parent death signal follows the thread that forked.
    runtime.block_on(serve(socket)).map_err(failed)
}

async fn serve(socket: net::UnixStream) -> io::Result<()> {
    let (reader, mut reports) = UnixStream::from_std(socket)?.into_split();
    let mut orders = BufReader::new(reader).lines();
    // Registered before the first fork, so that no exit is missed.
    let children = signal(SignalKind::child())?;
    // A service manager may signal all processes of a unit: the command gets its own signal, the launcher ends after it.
    for kind in [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()] {
        drop(signal(kind)?); // a dropped handler still prevents the default action
    }
    let Some(first) = orders.next_line().await? else { return Ok(()) };
    let report = match start(&first) {
        Ok(pid) => {
            reports.write_all(line(&Report::Started { pid: pid.as_raw_pid() }).as_bytes()).await?;
            Launched::new(pid).until_gone(&mut orders, children).await
        }
        Err(error) => {
            let shortage = shortage::is_launch_shortage(&error);
            Report::Failed { error: error.to_string(), shortage, errno: error.raw_os_error() }
        }
    };
    send(&mut reports, &report).await;
    Ok(())
}

/// Sends the report. It fails if the balancer has ended, which needs no report.
async fn send(reports: &mut OwnedWriteHalf, report: &Report) {
    let _ = reports.write_all(line(report).as_bytes()).await;
}

fn start(order: &str) -> io::Result<Pid> {
    let order = serde_json::from_str(order).map_err(io::Error::other)?;
    let Order::Launch { protocol: VERSION, files, program, arguments } = order else {
        return Err(io::Error::other(format!(
            "the launcher needs an order of version {VERSION}, not {order:?}"
        )));
    };
    // The file may have been replaced or removed since.
    let this = if cfg!(target_os = "linux") { "/proc/self/exe".into() } else { std::env::current_exe()? };
    let files = files.map_or("unlimited".to_owned(), |files| files.to_string());
    let mut command = Command::new(this);
    command.args([super::EXEC, &getpid().as_raw_pid().to_string(), &files, &program]).args(arguments);
    let child = command.stdin(Stdio::null()).process_group(0).spawn()?;
    Ok(Pid::from_child(&child))
}

/// A command that was started, until it and all its descendants are gone.
struct Launched {
    command: Pid,
    status: Option<WaitStatus>,
    background: usize,
    /// Whether SIGTERM was sent: descendants may take until [`Order::Kill`] to end.
    stopping: bool,
    /// Time of the first SIGKILL; `None`: none was sent.
    killing: Option<Instant>,
}

impl Launched {
    fn new(command: Pid) -> Self {
        Self { command, status: None, background: 0, stopping: false, killing: None }
    }

    async fn until_gone(
        mut self,
        orders: &mut Lines<BufReader<OwnedReadHalf>>,
        mut children: Signals,
    ) -> Report {
        let mut open = true;
        loop {
            if self.reap() {
                return self.report(0);
            }
            if let Some(since) = self.killing {
                let left = descendants(getpid());
                if since.elapsed() >= GIVE_UP {
                    // A child is left, by wait(2), even if /proc shows none.
                    return self.report(left.len().max(1));
                }
                // /proc may show no children, or not all. The group exists as long as the command is not reaped.
                if self.status.is_none() {
                    let _ = kill_process_group(self.command, Signal::KILL);
                }
                for process in left {
                    // It may have exited meanwhile.
                    let _ = kill_process(process.pid, Signal::KILL);
                }
            }
            tokio::select! {
                order = orders.next_line(), if open => match order {
                    Ok(Some(order)) => self.obey(&order),
                    Ok(None) | Err(_) => {
                        open = false;
                        self.kill();
                    }
                },
                _ = children.recv() => {}
                () = sleep(ROUND), if self.killing.is_some() => {}
            }
        }
    }

    fn obey(&mut self, order: &str) {
        match serde_json::from_str(order) {
            Ok(Order::Stop) => {
                self.stopping = true;
                self.terminate();
            }
            Ok(Order::Kill) => self.kill(),
            // A repeated launch and unknown orders are ignored.
            Ok(Order::Launch { .. }) | Err(_) => {}
        }
    }

    fn terminate(&self) {
        // The group exists as long as the command is not reaped.
        if self.status.is_none() {
            let _ = kill_process_group(self.command, Signal::TERM);
        }
        let group = self.command.as_raw_pid();
        for process in descendants(getpid()) {
            if process.group != group || self.status.is_some() {
                let _ = kill_process(process.pid, Signal::TERM);
            }
        }
    }

    fn kill(&mut self) {
        self.killing.get_or_insert_with(Instant::now);
    }

    /// Reaps what has exited. Returns whether no process is left: descendants whose parents exit become children.
    fn reap(&mut self) -> bool {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == self.command => self.exited(status),
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) => return false,
                Err(_) => return true, // ECHILD
            }
        }
    }

    /// The command has exited: its descendants follow it, at once unless they were given time to end.
    fn exited(&mut self, status: WaitStatus) {
        self.status = Some(status);
        if self.stopping || self.killing.is_some() {
            return;
        }
        if status.exit_status() == Some(0) {
            self.background = descendants(getpid()).len();
        }
        self.kill();
    }

    fn report(&self, left: usize) -> Report {
        Report::Exited { status: self.status.map(WaitStatus::as_raw), background: self.background, left }
    }
}
