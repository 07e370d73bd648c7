//! Where connections enter: counted over all workers, and each put under guard and under its worker's deadlines.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::http1::deadline::{Deadline, Deadlines, SWEEP};

use super::connection::Connection;
use super::silent::Silent;
use super::stream::GuardedStream;
use super::upgrade::UpgradeAllow;
use crate::http1::request_head;

/// What clients may do. A deadline may be noticed up to 250 ms late.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How large heads may be.
    pub(crate) head: request_head::Limits,
    /// The largest body of a request, in bytes; `None`: any.
    pub(crate) max_body: Option<u64>,
    /// The longest wait for a head, from its first byte, the first one's from the connection's beginning.
    pub(crate) head_timeout: Duration,
    /// How long a client may do nothing that it is waited for: send its next request, go on with a body, take bytes
    /// of a reply.
    pub(crate) idle_timeout: Duration,
    /// The protocols that may be offered to a replica.
    pub(crate) upgrade_allow: UpgradeAllow,
}

/// The connections of all workers; those beyond the limit take the place of one that has sent nothing yet, or are
/// answered 503 and closed.
#[derive(Clone, Debug)]
pub struct Connections {
    open: Arc<AtomicUsize>,
    limit: usize,
}

/// Whether a connection is within the limit. One that is not is not counted: it keeps nobody else out.
#[derive(Default)]
pub(crate) struct ConnectionPermit(Option<Arc<AtomicUsize>>);

/// The door of one worker.
pub struct Acceptor {
    settings: RefCell<Rc<Settings>>,
    connections: Connections,
    deadlines: Rc<LiveLimits>,
    /// Connections that have sent nothing yet.
    silent: Silent,
}

#[derive(Default)]
struct LiveLimits {
    watches: Deadlines,
    sweeping: Cell<bool>,
}

impl Settings {
    /// `max_header_size` is that of all fields together, as on the wire; sizes in bytes.
    pub fn new(
        (max_header_size, max_target, max_body): (usize, usize, Option<u64>),
        (head_timeout, idle_timeout): (Duration, Duration),
        upgrade_allow: UpgradeAllow,
    ) -> Self {
        let head = request_head::Limits { fields: max_header_size, target: max_target };
        Self { head, max_body, head_timeout, idle_timeout, upgrade_allow }
    }
}

impl Connections {
    /// None open, `limit` allowed.
    pub fn new(limit: usize) -> Self {
        Self { open: Arc::default(), limit }
    }

    /// How many are open, of all workers.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// How many may be open.
    pub fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) fn admit(&self) -> ConnectionPermit {
        let one_more = |open| (open < self.limit).then_some(open + 1);
        let admitted = self.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        ConnectionPermit(admitted.ok().map(|_| self.open.clone()))
    }
}

impl ConnectionPermit {
    pub(crate) fn is_granted(&self) -> bool {
        self.0.is_some()
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        if let Some(open) = &self.0 {
            open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Acceptor {
    /// The door of this thread; it needs a `LocalSet` (actix gives one).
    pub fn new(settings: Settings, connections: Connections) -> Self {
        Self {
            settings: RefCell::new(Rc::new(settings)),
            connections,
            deadlines: Rc::default(),
            silent: Silent::default(),
        }
    }

    /// From now on connections that begin go by these.
    pub fn configure(&self, settings: Settings) {
        *self.settings.borrow_mut() = Rc::new(settings);
    }

    /// Puts a connection under guard.
    pub fn guard<T>(&self, io: T) -> GuardedStream<T> {
        let (reading, writing) = (self.watch(), self.watch());
        let settings = self.settings.borrow().clone();
        let admission = self.connections.admit();
        let admission = if admission.is_granted() { admission } else { self.silent.displace() };
        let connection = Rc::new(Connection::new(settings, reading, writing, admission));
        self.silent.add(&connection);
        GuardedStream::new(io, connection)
    }

    /// A new watch; the sweep runs as long as there is any.
    fn watch(&self) -> Deadline {
        if !self.deadlines.sweeping.replace(true) {
            tokio::task::spawn_local(sweep(Rc::downgrade(&self.deadlines)));
        }
        self.deadlines.watches.add()
    }
}

/// Checks deadlines until there is no connection left.
async fn sweep(deadlines: Weak<LiveLimits>) {
    let mut ticks = interval(SWEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(deadlines) = deadlines.upgrade() else { return };
        if !deadlines.watches.sweep(Instant::now()) {
            deadlines.sweeping.set(false);
            return;
        }
    }
}
