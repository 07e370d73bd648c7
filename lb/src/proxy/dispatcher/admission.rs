//! Admits accepted connections: counts them over all workers, and starts the task of each.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_service::Service;

use super::answer::Incoming;
use super::connection::Connection;
use super::dispatch::Dispatcher;
use super::silent::Silent;
use super::upgrade::UpgradeAllow;
use super::worker::Worker;
use crate::http1::request_head;

/// Limits for client connections. Deadlines are checked every 250 ms, so they may fire that much late.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Limits of the request head.
    pub(crate) head: request_head::Limits,
    /// Largest request body in bytes; `None`: unlimited.
    pub(crate) max_body: Option<u64>,
    /// Maximum time for a request head, from its first byte.
    pub(crate) head_timeout: Duration,
    /// Maximum time without a byte while the balancer waits for the client: for its next request, for more of a body,
    /// or until it reads more of a response.
    pub(crate) idle_timeout: Duration,
    /// Protocols whose offers are forwarded to a replica.
    pub(crate) upgrade_allow: UpgradeAllow,
    /// Whether a response of unknown length ends with the FIN of its client.
    pub(crate) fin_ends_streams: bool,
}

/// Counts the connections of all workers. A connection beyond the limit replaces one that has sent nothing yet; without
/// such a one it is answered 503 and closed.
#[derive(Clone, Debug)]
pub struct ConnectionLimit {
    open: Arc<AtomicUsize>,
    limit: usize,
}

/// A connection's place within the limit, released when dropped; empty for a connection beyond the limit, which is not
/// counted.
#[derive(Default)]
pub(crate) struct ConnectionPermit(Option<Arc<AtomicUsize>>);

/// Admits the connections that one worker has accepted.
pub struct Admission {
    settings: RefCell<Rc<Settings>>,
    connections: ConnectionLimit,
    worker: Rc<Worker>,
    /// Connections that have sent nothing yet.
    silent: Silent,
}

impl Settings {
    /// `max_header_size` limits all header fields together, as on the wire. Sizes are in bytes.
    pub fn new(
        (max_header_size, max_target, max_body): (usize, usize, Option<u64>),
        (head_timeout, idle_timeout): (Duration, Duration),
        upgrade_allow: UpgradeAllow,
    ) -> Self {
        let head = request_head::Limits { fields: max_header_size, target: max_target };
        Self { head, max_body, head_timeout, idle_timeout, upgrade_allow, fin_ends_streams: false }
    }

    /// A response of unknown length ends with the FIN of its client. For streams that may be silent for any time: no write
    /// would show that the client is gone.
    pub fn with_fin_ending_streams(self) -> Self {
        Self { fin_ends_streams: true, ..self }
    }
}

impl ConnectionLimit {
    /// A counter at 0 that allows `limit` connections.
    pub fn new(limit: usize) -> Self {
        Self { open: Arc::default(), limit }
    }

    /// Number of open connections of all workers.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Maximum number of open connections (`--max-connections`).
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

impl Admission {
    /// The admission for this thread. [`serve`](Self::serve) must run in a `LocalSet`, as it does on actix's threads.
    pub fn new(settings: Settings, connections: ConnectionLimit) -> Self {
        Self {
            settings: RefCell::new(Rc::new(settings)),
            connections,
            worker: Rc::default(),
            silent: Silent::default(),
        }
    }

    /// Maximum time that a client may make the balancer wait (`--client-idle-timeout`).
    pub fn idle_timeout(&self) -> Duration {
        self.settings.borrow().idle_timeout
    }

    /// Replaces the settings for later connections.
    pub fn configure(&self, settings: Settings) {
        *self.settings.borrow_mut() = Rc::new(settings);
    }

    /// Serves a new connection by `service`. Beyond the limit it replaces the worker's oldest connection without a byte, if any.
    pub fn serve<T, S: Service<Incoming>, B>(
        &self,
        io: T,
        peer: Option<SocketAddr>,
        service: Rc<S>,
    ) -> Dispatcher<T, S, B> {
        let deadlines = (self.worker.add_deadline(), self.worker.add_deadline());
        let settings = self.settings.borrow().clone();
        let permit = self.connections.admit();
        let permit = if permit.is_granted() { permit } else { self.silent.evict_oldest() };
        let connection = Rc::new(Connection::new(settings, self.worker.clone(), deadlines, permit, peer));
        self.silent.add(&connection);
        Dispatcher::new(io, connection, service)
    }

    /// Closes idle connections, and every other one after its response.
    pub fn drain(&self) {
        self.worker.drain();
    }
}
