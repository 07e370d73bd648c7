//! Replicas as child processes of the balancer: the default, which needs nothing installed.
//!
//! Each replica leads its own process group, so that Ctrl-C in a terminal does not reach it before the drain, and so
//! that a signal reaches its children too. The built-in replica is a direct child; its parent death signal follows the
//! *thread* that forked, so a [`Process`] belongs on the main thread. A command runs below a launcher, a child that
//! ends all of the command's descendants. [`crate::child`] holds the code that both children run first.

mod follower;
mod launcher;
mod line_buffer;
mod output;
mod port;
mod running;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use futures::future::{FutureExt, LocalBoxFuture, ready};
use futures::stream::{self, LocalBoxStream, StreamExt};
use rustix::process::{Pid, Resource, getrlimit};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use self::follower::Follower;
use self::launcher::Launcher;
use self::output::{LAST_OUTPUT_TIMEOUT, Output};
use self::running::{Running, running, with};
use super::logs::Printable;
use super::{Error, Event, Found, Instance, Launch, NoLogs, Runtime, Tail, logs};
use crate::child::protocol::{Order, VERSION};
use crate::child::{self, tree};
use crate::ring::Incarnation;
use crate::shortage;

/// How long a launcher may take to kill all descendants of its command; longer than the launcher itself tries.
const LAUNCHER_TIMEOUT: Duration = Duration::from_secs(15);

/// The program that every replica runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// The built-in replica. It inherits its bound listener, so that no other process can take its port.
    BuiltIn,
    /// A program that listens on `$PORT` of 127.0.0.1. It gets `SERVER_ID` too; `{port}` and `{name}` are replaced in
    /// all of its arguments.
    Command {
        /// The program, looked up in `$PATH`.
        program: String,
        /// The arguments of the program, `{port}` and `{name}` not yet replaced.
        arguments: Vec<String>,
    },
}

/// Starts replicas as children of this process; they are killed when it is dropped.
///
/// An exit that [`Runtime::stop`] caused is not reported as an event, because `stop` returns then.
pub struct Process {
    executable: PathBuf,
    program: Program,
    /// Soft limit of open files for commands; the balancer raises its own.
    files: Option<u64>,
    children: Rc<RefCell<Children>>,
    exits: mpsc::UnboundedSender<Event>,
    events: RefCell<Option<mpsc::UnboundedReceiver<Event>>>,
}

type Children = BTreeMap<Incarnation, Running>;

impl Process {
    /// Creates a runtime that starts its children through `executable`, which must call [`child::dispatch`] first:
    /// normally [`std::env::current_exe`], determined at the start, because a new build may replace the file later.
    /// Commands get the present limit of open files.
    pub fn new(executable: PathBuf, program: Program) -> Self {
        let (exits, events) = mpsc::unbounded_channel();
        let files = getrlimit(Resource::Nofile).current;
        let events = RefCell::new(Some(events));
        Self { executable, program, files, children: Rc::default(), exits, events }
    }

    /// Starts the built-in replica.
    fn start(&self, launch: &Launch) -> io::Result<Instance> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let (mut command, output) = self.command(launch)?;
        command.args([child::REPLICA, &std::process::id().to_string(), launch.name.as_str()]);
        let child = command.stdin(OwnedFd::from(listener)).kill_on_drop(true).spawn()?;
        drop(command); // it holds the writing end of the output
        let group = pid(&child)?;
        let output = Output::log(output, launch.name.clone())?;
        let (mut running, alive) = running(group, address.port(), &output);
        running.group = Some(group);
        self.children.borrow_mut().insert(launch.incarnation, running);
        actix_rt::spawn(self.follower(launch.incarnation, None, alive, output).replica(child));
        Ok(Instance { id: group.to_string(), address })
    }

    /// Starts the launcher of a command, and sends it the command.
    fn start_command(
        &self,
        launch: &Launch,
        (program, arguments): (&str, &[String]),
    ) -> io::Result<impl Future<Output = Result<Instance, Error>> + use<>> {
        let incarnation = launch.incarnation;
        // Commands that were started may not listen yet, so their ports are excluded here.
        let reserved = |port| self.children.borrow().values().any(|running| running.port == port);
        let port = port::free(reserved)?;
        let name = launch.name.as_str();
        let (mut command, output) = self.command(launch)?;
        command.arg(child::LAUNCH).env("PORT", port.to_string()).env("SERVER_ID", name);
        let (mut launcher, mut orders) = Launcher::start(command)?;
        let output = Output::log(output, launch.name.clone())?;
        let (running, alive) = running(pid(&launcher.process)?, port, &output);
        self.children.borrow_mut().insert(incarnation, running);

        let filled = |word: &str| word.replace("{port}", &port.to_string()).replace("{name}", name);
        let order = Order::Launch {
            protocol: VERSION,
            files: self.files,
            program: filled(program),
            arguments: arguments.iter().map(|word| filled(word)).collect(),
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let (children, follower) =
            (self.children.clone(), self.follower(incarnation, Some(address), alive, output));
        Ok(async move {
            // If the launcher has ended, its missing report shows that.
            let _ = orders.launch(&order).await;
            let started = launcher.started().await;
            let group = match started {
                Ok(group) => group,
                Err(error) => {
                    children.borrow_mut().remove(&incarnation);
                    return Err(error);
                }
            };
            if let Some(running) = children.borrow_mut().get_mut(&incarnation) {
                (running.group, running.orders) = (Some(group), Some(orders));
                if running.stopping {
                    running.kill();
                }
            }
            actix_rt::spawn(follower.command(launcher, group));
            Ok(Instance { id: group.to_string(), address })
        })
    }

    /// This executable as a command in a process group of its own, and the reading end of its output.
    fn command(&self, launch: &Launch) -> io::Result<(Command, io::PipeReader)> {
        let (reader, writer) = io::pipe()?;
        let mut command = Command::new(&self.executable);
        // A replica must not see the admin token, and may be a balancer with settings of its own.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"LB_")) {
            command.env_remove(name);
        }
        log::debug!(name:% = launch.name, incarnation:% = launch.incarnation; "starting");
        command.stdout(writer.try_clone()?).stderr(writer).process_group(0);
        Ok((command, reader))
    }

    fn follower(
        &self,
        incarnation: Incarnation,
        address: Option<SocketAddr>,
        alive: watch::Sender<()>,
        output: Output,
    ) -> Follower {
        let children = Rc::downgrade(&self.children);
        Follower { incarnation, address, children, exits: self.exits.clone(), alive, output }
    }
}

fn pid(child: &Child) -> io::Result<Pid> {
    let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    pid.ok_or_else(|| io::Error::other("the child has no pid"))
}

impl Runtime for Process {
    fn launch(&self, launch: Launch) -> LocalBoxFuture<'static, Result<Instance, Error>> {
        let failed = |error: io::Error| {
            let text = format!("cannot start '{}': {error}", self.executable.display());
            if shortage::is_launch_shortage(&error) {
                shortage::report("launch", &error);
                return Error::Unavailable(text);
            }
            Error::Refused(text)
        };
        match &self.program {
            Program::BuiltIn => ready(self.start(&launch).map_err(failed)).boxed_local(),
            Program::Command { program, arguments } => {
                match self.start_command(&launch, (program, arguments)) {
                    Ok(starting) => starting.boxed_local(),
                    Err(error) => ready(Err(failed(error))).boxed_local(),
                }
            }
        }
    }

    fn stop(&self, incarnation: Incarnation, grace: Duration) -> LocalBoxFuture<'static, ()> {
        let mut children = self.children.borrow_mut();
        let Some(running) = children.get_mut(&incarnation) else { return ready(()).boxed_local() };
        running.stopping = true;
        let mut reaped = running.reaped.clone();
        if !grace.is_zero() {
            running.terminate();
        }
        let children = self.children.clone();
        async move {
            if !grace.is_zero() && timeout(grace, reaped.changed()).await.is_ok() {
                return;
            }
            with(&children, incarnation, Running::kill);
            // Nothing is ever sent: an error means closed, so that the child has been reaped.
            if timeout(LAUNCHER_TIMEOUT, reaped.changed()).await.is_err() {
                with(&children, incarnation, Running::kill_child);
                let _ = reaped.changed().await;
            }
        }
        .boxed_local()
    }

    /// Whether a built-in replica is stopped, or all serving processes of a command are: see `tree::is_suspended`.
    fn is_suspended(&self, incarnation: Incarnation) -> LocalBoxFuture<'static, Option<bool>> {
        let children = self.children.borrow();
        let Some(running) = children.get(&incarnation) else { return ready(None).boxed_local() };
        let (child, port, launched) = (running.child, running.port, running.orders.is_some());
        // Reads /proc several times for every process of the command, hence not on this thread.
        let suspended = tokio::task::spawn_blocking(move || {
            if launched {
                return tree::is_suspended(&tree::descendants(child), port);
            }
            tree::process(child.as_raw_pid()).is_some_and(|process| process.stopped)
        });
        suspended.map(Result::ok).boxed_local()
    }

    fn list(&self) -> LocalBoxFuture<'static, Result<Vec<Found>, Error>> {
        // Children die with their balancer, so none exists at the start.
        ready(Ok(Vec::new())).boxed_local()
    }

    fn last_log_line(&self, incarnation: Incarnation) -> LocalBoxFuture<'static, Option<String>> {
        let children = self.children.borrow();
        let last = |running: &Running| Printable(&running.buffer.last()).to_string();
        let line = children.get(&incarnation).map(last);
        ready(line.filter(|line| !line.is_empty())).boxed_local()
    }

    fn logs(
        &self,
        incarnation: Incarnation,
        tail: Tail,
    ) -> LocalBoxFuture<'static, Result<logs::Output, NoLogs>> {
        let children = self.children.borrow();
        let output = children.get(&incarnation).map(|running| {
            let mut reaped = running.reaped.clone();
            // A descendant that could not be killed may hold the pipe open for ever.
            let over = async move {
                let _ = reaped.changed().await;
                tokio::time::sleep(LAST_OUTPUT_TIMEOUT).await;
            };
            running.buffer.read(tail).take_until(Box::pin(over)).boxed_local()
        });
        ready(output.ok_or(NoLogs::Nothing)).boxed_local()
    }

    fn events(&self) -> LocalBoxStream<'static, Event> {
        match self.events.take() {
            Some(mut events) => stream::poll_fn(move |cx| events.poll_recv(cx)).boxed_local(),
            None => stream::pending().boxed_local(),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A launcher kills its command when the connection for its orders closes.
        for running in std::mem::take(&mut *self.children.borrow_mut()).into_values() {
            running.kill();
        }
    }
}
