//! Replicas as child processes of the balancer: the default, which needs nothing installed.
//!
//! Each child leads its own process group, so that Ctrl-C in a terminal does not reach it before the drain, and so
//! that a signal reaches its own children too. [`crate::child`] is what the child does first. Its parent death
//! signal follows the *thread* that forked: a [`Process`] belongs on the main thread.

mod kept;
mod output;
mod port;
mod watcher;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::rc::{Rc, Weak};
use std::time::Duration;

use futures::future::{FutureExt, LocalBoxFuture, ready};
use futures::stream::{self, LocalBoxStream, StreamExt};
use rustix::process::{Pid, Resource, Signal, getrlimit, kill_process_group};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use self::kept::Reader;
use self::output::{LAST_WORDS, Output};
use self::watcher::Watcher;
use super::logs::Printable;
use super::{Error, Event, Exit, Found, Instance, Launch, NoLogs, Runtime, Tail, logs};
use crate::child;
use crate::ring::Incarnation;

/// What every replica runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// The built-in replica. It inherits its bound listener, so its port cannot be lost to somebody else.
    BuiltIn,
    /// Any program that listens on `$PORT` of 127.0.0.1. It gets `SERVER_ID` too; `{port}` and `{name}` are
    /// replaced in all of its words.
    Foreign {
        /// The program, looked up in `$PATH`.
        program: String,
        /// Its arguments.
        arguments: Vec<String>,
    },
}

/// Starts replicas as children of this process; they are killed when it is dropped.
///
/// An exit that [`Runtime::stop`] caused is no event: the caller of `stop` has its answer.
pub struct Process {
    executable: PathBuf,
    program: Program,
    /// The soft limit of open files that a command gets; a balancer raises its own.
    files: Option<u64>,
    children: Rc<RefCell<Children>>,
    exits: mpsc::UnboundedSender<Event>,
    events: RefCell<Option<mpsc::UnboundedReceiver<Event>>>,
}

struct Children {
    running: BTreeMap<Incarnation, Running>,
    watcher: Watcher,
}

struct Running {
    group: Pid,
    port: u16,
    stopping: bool,
    kept: Reader,
    /// Closed as soon as the child is reaped.
    reaped: watch::Receiver<()>,
}

impl Process {
    /// A runtime that starts its children by way of `executable`, which calls [`child::dispatch`] first: as a rule
    /// [`std::env::current_exe`], asked for at the start (it may be replaced by a new build later). A command gets
    /// the limit of open files that holds now.
    pub fn new(executable: PathBuf, program: Program) -> Self {
        let (exits, events) = mpsc::unbounded_channel();
        let watcher = Watcher::new(executable.clone());
        let children = Rc::new(RefCell::new(Children { running: BTreeMap::new(), watcher }));
        let files = getrlimit(Resource::Nofile).current;
        Self { executable, program, files, children, exits, events: RefCell::new(Some(events)) }
    }

    fn start(&self, launch: &Launch) -> io::Result<Instance> {
        let (port, stdin) = self.port()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let (reader, writer) = io::pipe()?;
        let mut command = self.command(launch, port);
        command.stdin(stdin);
        command.stdout(writer.try_clone()?).stderr(writer).process_group(0).kill_on_drop(true);
        let child = command.spawn()?;
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let group = group.ok_or_else(|| io::Error::other("the child has no pid"))?;
        let output = Output::log(reader, launch.name.clone())?;

        let (alive, reaped) = watch::channel(());
        let mut children = self.children.borrow_mut();
        children.watcher.add(group);
        let running = Running { group, port, stopping: false, kept: output.kept.clone(), reaped };
        children.running.insert(launch.incarnation, running);
        let follower = Follower {
            incarnation: launch.incarnation,
            group,
            lost_port: (self.program != Program::BuiltIn).then_some(address),
            children: Rc::downgrade(&self.children),
            exits: self.exits.clone(),
        };
        actix_rt::spawn(follower.follow(child, alive, output));
        Ok(Instance { id: group.to_string(), address })
    }

    /// A free port, and the standard input of the child: the listener, if it takes one.
    fn port(&self) -> io::Result<(u16, Stdio)> {
        if self.program == Program::BuiltIn {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            return Ok((listener.local_addr()?.port(), OwnedFd::from(listener).into()));
        }
        // Not all listen yet.
        let given = |port| self.children.borrow().running.values().any(|running| running.port == port);
        Ok((port::free(given)?, Stdio::null()))
    }

    fn command(&self, launch: &Launch, port: u16) -> Command {
        let mut command = Command::new(&self.executable);
        // The admin token is no replica's business, and a replica may be a balancer that has settings of its own.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"LB_")) {
            command.env_remove(name);
        }
        let parent = std::process::id().to_string();
        let name = launch.name.as_str();
        match &self.program {
            Program::BuiltIn => {
                command.args([child::REPLICA, &parent, name]);
            }
            Program::Foreign { program, arguments } => {
                let port = port.to_string();
                let filled = |word: &String| word.replace("{port}", &port).replace("{name}", name);
                let files = self.files.map_or("unlimited".into(), |files| files.to_string());
                command.args([child::EXEC, &parent, &files, &filled(program)]);
                command.args(arguments.iter().map(filled));
                command.env("PORT", &port).env("SERVER_ID", name);
            }
        }
        command
    }
}

impl Runtime for Process {
    fn launch(&self, launch: Launch) -> LocalBoxFuture<'static, Result<Instance, Error>> {
        let started = self.start(&launch).map_err(|error| {
            Error::Refused(format!("cannot start '{}': {error}", self.executable.display()))
        });
        ready(started).boxed_local()
    }

    fn stop(&self, incarnation: Incarnation, grace: Duration) -> LocalBoxFuture<'static, ()> {
        let mut children = self.children.borrow_mut();
        let Some(running) = children.running.get_mut(&incarnation) else { return ready(()).boxed_local() };
        running.stopping = true;
        let (group, mut reaped) = (running.group, running.reaped.clone());
        async move {
            if !grace.is_zero() {
                signal(group, Signal::TERM);
                if timeout(grace, reaped.changed()).await.is_ok() {
                    return;
                }
            }
            signal(group, Signal::KILL);
            // Nothing is ever sent: an error means closed, and that is what is waited for.
            let _ = reaped.changed().await;
        }
        .boxed_local()
    }

    fn list(&self) -> LocalBoxFuture<'static, Result<Vec<Found>, Error>> {
        // Children die with their balancer: there is never one from before.
        ready(Ok(Vec::new())).boxed_local()
    }

    fn last_words(&self, incarnation: Incarnation) -> LocalBoxFuture<'static, Option<String>> {
        let children = self.children.borrow();
        let last = |running: &Running| Printable(&running.kept.last()).to_string();
        let line = children.running.get(&incarnation).map(last);
        ready(line.filter(|line| !line.is_empty())).boxed_local()
    }

    fn logs(
        &self,
        incarnation: Incarnation,
        tail: Tail,
    ) -> LocalBoxFuture<'static, Result<logs::Output, NoLogs>> {
        let children = self.children.borrow();
        let output = children.running.get(&incarnation).map(|running| {
            let mut reaped = running.reaped.clone();
            // A descendant that left the process group may hold the pipe open for ever.
            let over = async move {
                let _ = reaped.changed().await;
                tokio::time::sleep(LAST_WORDS).await;
            };
            running.kept.read(tail).take_until(Box::pin(over)).boxed_local()
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
        for running in self.children.borrow().running.values() {
            signal(running.group, Signal::KILL);
        }
    }
}

/// Waits for the end of one child.
struct Follower {
    incarnation: Incarnation,
    group: Pid,
    /// What a foreign command was told to listen on: somebody else may have been faster.
    lost_port: Option<SocketAddr>,
    children: Weak<RefCell<Children>>,
    exits: mpsc::UnboundedSender<Event>,
}

impl Follower {
    async fn follow(self, mut child: Child, alive: watch::Sender<()>, output: Output) {
        let status = child.wait().await;
        // A group keeps its number for as long as anybody is in it, so this meets only the child's own children.
        signal(self.group, Signal::KILL);
        let Some(children) = self.children.upgrade() else { return };
        let ended = {
            let mut children = children.borrow_mut();
            children.watcher.remove(self.group);
            children.running.remove(&self.incarnation)
        };
        drop((alive, children));
        if ended.is_some_and(|running| running.stopping) {
            return;
        }
        let last_line = output.last_line().await;
        let exit = if self.lost_port.is_some_and(is_taken) {
            Exit::PortTaken
        } else {
            Exit::Ended(describe(status, &last_line))
        };
        // Nobody listens to a runtime that is being dropped.
        let _ = self.exits.send(Event::Exited { incarnation: self.incarnation, exit });
    }
}

fn signal(group: Pid, signal: Signal) {
    // An error means that the group has ended: that is what was wanted.
    let _ = kill_process_group(group, signal);
}

fn is_taken(address: SocketAddr) -> bool {
    TcpListener::bind(address).is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
}

fn describe(status: io::Result<ExitStatus>, last_line: &str) -> String {
    let status = match status {
        Ok(status) => status.to_string(),
        Err(error) => format!("lost: {error}"),
    };
    if last_line.is_empty() { status } else { format!("{status}; its last line: {last_line}") }
}
