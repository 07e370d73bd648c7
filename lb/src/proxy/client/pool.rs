//! The connection pool of one worker, by incarnation of the replicas.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use crate::fleet::Activity;
use crate::ring::Incarnation;

use super::connection::Connection;
use super::progress::Progress;
use super::settings::Settings;
use crate::http1::deadline::{Deadline, Deadlines};

/// Maximum number of idle connections to one replica.
const MAX_IDLE: usize = 256;
/// How long requests that are not idempotent get new connections after the replica has closed a reused one without a
/// byte of a reply.
const AVOID_REUSE: Duration = Duration::from_secs(60);

/// The connection pool of one worker; a handle that can be shared within its thread.
#[derive(Clone)]
pub struct Pool(Rc<Inner>);

struct Inner {
    settings: Cell<Settings>,
    replicas: RefCell<HashMap<SocketAddr, Rc<Replica>>>,
    /// Number of idle connections to all replicas.
    idle: Rc<Cell<usize>>,
    deadlines: Deadlines,
}

/// The connections to one incarnation of a replica.
pub(crate) struct Replica {
    /// Address of its listener.
    pub(crate) address: SocketAddr,
    incarnation: Incarnation,
    idle: Idle,
    keeps_idle: Cell<bool>,
    /// Time until which requests that are not idempotent get new connections.
    avoid_reuse_until: Cell<Option<Instant>>,
    pub(crate) progress: Rc<Progress>,
    state: Cell<State>,
}

/// The idle connections to one replica.
struct Idle {
    connections: RefCell<Vec<Connection>>,
    /// Number of idle connections to all replicas; see [`Inner::idle`].
    total: Rc<Cell<usize>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// New requests may be sent.
    Admitted,
    /// No new request is sent, and connections do not return to the pool.
    Retired,
    /// Retired, and requests that wait for a reply head fail.
    Aborted,
}

impl Pool {
    /// An empty pool. It must be used within a `LocalSet`, as in an actix system, on the thread that creates it.
    pub fn new(settings: Settings) -> Self {
        Self(Rc::new(Inner {
            settings: Cell::new(settings),
            replicas: RefCell::default(),
            idle: Rc::default(),
            deadlines: Deadlines::default(),
        }))
    }

    /// Replaces the settings; they apply to attempts that begin afterwards.
    pub fn configure(&self, settings: Settings) {
        self.0.settings.set(settings);
    }

    /// Admits a replica: requests to `address` go to this incarnation. The incarnation that had the address before is
    /// retired: its requests in flight go on, since another external server may have got its address, or have it too.
    pub fn admit(&self, address: SocketAddr, incarnation: Incarnation) {
        if self.0.replicas.borrow().get(&address).is_some_and(|old| old.incarnation == incarnation) {
            return;
        }
        let replica = Rc::new(Replica::new(address, incarnation, self.0.idle.clone()));
        let old = self.0.replicas.borrow_mut().insert(address, replica);
        if let Some(old) = old {
            self.end(&old, State::Retired);
        }
    }

    /// Removes a replica: no new request is sent to it; its idle connections are closed now, the others when their
    /// exchanges end. With `abort`, for a dead replica, requests that wait for a reply head fail with
    /// [`Kind::Aborted`](super::Kind::Aborted) at once; replies in progress continue.
    pub fn retire(&self, incarnation: Incarnation, abort: bool) {
        let Some(replica) = self.0.find(incarnation) else { return };
        self.0.replicas.borrow_mut().remove(&replica.address);
        self.end(&replica, if abort { State::Aborted } else { State::Retired });
    }

    /// Whether idle connections to a replica are kept; those that it has are closed if not. A server that handles one
    /// connection at a time answers no heartbeat while an idle connection occupies it.
    pub fn keep_idle(&self, incarnation: Incarnation, keep: bool) {
        let Some(replica) = self.0.find(incarnation) else { return };
        replica.keeps_idle.set(keep);
        if !keep {
            replica.idle.change(Vec::clear);
        }
    }

    /// The activity of an incarnation; the default value if it is not admitted.
    pub fn activity(&self, incarnation: Incarnation) -> Activity {
        self.0.find(incarnation).map(|replica| replica.progress.activity(Instant::now())).unwrap_or_default()
    }

    /// Wakes all exchanges, so that they check the state of their replica again.
    pub fn wake_all(&self) {
        self.0.deadlines.wake_all();
    }

    /// Closes the idle connections to all replicas. Returns whether there were any.
    pub(crate) fn close_idle(&self) -> bool {
        let some = self.0.idle.get() > 0;
        self.0.replicas.borrow().values().for_each(|replica| replica.idle.change(Vec::clear));
        some
    }

    /// The replica admitted at an address.
    pub(crate) fn at(&self, address: SocketAddr) -> Option<Rc<Replica>> {
        self.0.replicas.borrow().get(&address).cloned()
    }

    pub(crate) fn settings(&self) -> Settings {
        self.0.settings.get()
    }

    /// A new deadline; the pool is swept as long as a deadline exists.
    pub(crate) fn deadline(&self) -> Deadline {
        self.0.deadlines.add_swept(&self.0, Inner::sweep)
    }

    fn end(&self, replica: &Replica, state: State) {
        replica.state.set(state);
        replica.idle.change(Vec::clear);
        if state == State::Aborted {
            self.wake_all();
        }
    }
}

impl Inner {
    fn find(&self, incarnation: Incarnation) -> Option<Rc<Replica>> {
        self.replicas.borrow().values().find(|replica| replica.incarnation == incarnation).cloned()
    }

    /// Checks idle connections and deadlines. Returns whether any deadline is left.
    fn sweep(&self, now: Instant) -> bool {
        for replica in self.replicas.borrow().values() {
            replica.progress.sweep(now);
            replica.prune(now);
        }
        self.deadlines.sweep(now)
    }
}

impl Replica {
    fn new(address: SocketAddr, incarnation: Incarnation, total: Rc<Cell<usize>>) -> Self {
        Self {
            address,
            incarnation,
            idle: Idle { connections: RefCell::default(), total },
            keeps_idle: Cell::new(true),
            avoid_reuse_until: Cell::default(),
            progress: Rc::default(),
            state: Cell::new(State::Admitted),
        }
    }

    /// Takes the most recently used idle connection that is usable; unusable ones met before it are closed. None for a
    /// request that must not be repeated (`idempotent` is `false`) soon after the replica has closed a reused one.
    pub(crate) fn take(&self, idempotent: bool) -> Option<Connection> {
        if !idempotent && self.avoid_reuse_until.get().is_some_and(|until| Instant::now() < until) {
            return None;
        }
        self.idle.change(|idle| std::iter::from_fn(|| idle.pop()).find(Connection::is_reusable))
    }

    /// The replica has closed a reused connection without a byte of a reply.
    pub(crate) fn closed_reused(&self) {
        self.avoid_reuse_until.set(Some(Instant::now() + AVOID_REUSE));
    }

    /// Keeps a connection for another request if the replica is still admitted and there is room. `timeout`: how long
    /// the replica keeps it idle, if it says so.
    pub(crate) fn put_back(
        &self,
        mut connection: Connection,
        settings: &Settings,
        timeout: Option<Duration>,
    ) {
        let room = self.idle.total.get() < settings.max_idle;
        let room = room && self.idle.connections.borrow().len() < MAX_IDLE;
        let age = settings.pool_idle.map(|age| timeout.map_or(age, |timeout| age.min(max_idle_age(timeout))));
        if let Some(age) = age.filter(|age| !age.is_zero() && room)
            && self.state.get() == State::Admitted
            && self.keeps_idle.get()
        {
            connection.set_idle(Instant::now() + age);
            self.idle.change(|idle| idle.push(connection));
        }
    }

    /// Whether the replica is dead, so that requests must not wait for a reply head.
    pub(crate) fn is_aborted(&self) -> bool {
        self.state.get() == State::Aborted
    }

    fn prune(&self, now: Instant) {
        self.idle.change(|idle| idle.retain(|idle| idle.is_reusable() && idle.idle_until > Some(now)));
    }
}

/// The age at which an idle connection is closed if the replica closes it after `timeout`: early enough that a request
/// does not cross the close, also if the sweep is late.
fn max_idle_age(timeout: Duration) -> Duration {
    timeout.saturating_sub(Duration::from_secs(1)).max(timeout / 2)
}

impl Idle {
    /// Changes the list of connections and updates the total.
    fn change<T>(&self, change: impl FnOnce(&mut Vec<Connection>) -> T) -> T {
        let mut connections = self.connections.borrow_mut();
        let before = connections.len();
        let changed = change(&mut connections);
        self.total.update(|total| total + connections.len() - before);
        changed
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        self.change(Vec::clear);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::deadline::SWEEP;

    #[actix_rt::test]
    async fn the_sweep_ends_with_the_last_deadline_and_starts_again() {
        tokio::time::pause();
        let pool = Pool::new(Settings::default());
        for _ in 0..2 {
            let deadline = pool.deadline();
            tokio::time::sleep(4 * SWEEP).await;
            assert!(pool.0.deadlines.is_swept());
            drop(deadline);
            tokio::time::sleep(4 * SWEEP).await;
            assert!(!pool.0.deadlines.is_swept());
        }
    }

    #[actix_rt::test]
    async fn idle_connections_are_closed_before_the_replica_closes_them() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let pool = Pool::new(Settings::default());
        pool.admit(address, Incarnation(1));
        let replica = pool.at(address).unwrap();
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        for (pool_idle, timeout, kept) in [
            (seconds(60), None, Some(60_000)),
            (seconds(60), seconds(5), Some(4_000)),
            (seconds(60), seconds(1), Some(500)),
            (seconds(2), seconds(5), Some(2_000)),
            (seconds(60), seconds(0), None),
            (None, None, None),
        ] {
            let settings = Settings { pool_idle, ..Settings::default() };
            let io = tokio::net::TcpStream::connect(address).await.unwrap();
            let connection = Connection::new(io, pool.deadline(), settings.user_timeout()).unwrap();
            let before = Instant::now();
            replica.put_back(connection, &settings, timeout);
            assert_eq!(pool.0.idle.get(), usize::from(kept.is_some()), "{pool_idle:?} {timeout:?}");
            let Some(kept) = kept.map(Duration::from_millis) else { continue };
            replica.prune(before + kept - Duration::from_millis(1));
            assert_eq!(pool.0.idle.get(), 1, "{pool_idle:?} {timeout:?}");
            replica.prune(Instant::now() + kept);
            assert_eq!(pool.0.idle.get(), 0, "{pool_idle:?} {timeout:?}");
        }
    }

    #[actix_rt::test]
    async fn idle_connections_are_bounded_over_all_replicas_and_can_be_closed_together() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let pool = Pool::new(Settings::default());
        let two = Settings { max_idle: 2, ..Settings::default() };
        let replicas = [1, 2].map(|port| {
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            pool.admit(address, Incarnation(port.into()));
            pool.at(address).unwrap()
        });
        let connection = || async {
            let io = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            Connection::new(io, pool.deadline(), pool.settings().user_timeout()).unwrap()
        };
        for replica in [&replicas[0], &replicas[1], &replicas[0]] {
            replica.put_back(connection().await, &two, None);
        }
        assert_eq!(pool.0.idle.get(), 2);
        assert!(replicas[1].take(true).is_some());
        assert_eq!(pool.0.idle.get(), 1);
        assert!(pool.close_idle());
        assert_eq!(pool.0.idle.get(), 0);
        assert!(!pool.close_idle() && replicas[0].take(true).is_none());
        replicas[0].put_back(connection().await, &two, None);
        pool.retire(Incarnation(1), false);
        assert_eq!(pool.0.idle.get(), 0);
    }
}
