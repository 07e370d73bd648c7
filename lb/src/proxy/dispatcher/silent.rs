//! Connections that have sent no byte yet. Beyond `--max-connections` a new connection replaces the oldest of them.
//!
//! Clients that only connect therefore cannot block clients that send requests. Each worker has its own list.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use super::admission::ConnectionPermit;
use super::connection::Connection;

/// Length of the list below which it is not purged.
const MIN_PURGE: usize = 64;

/// The silent connections of one worker, oldest first. Stale entries are purged whenever the list has doubled.
#[derive(Default)]
pub(crate) struct Silent {
    connections: RefCell<VecDeque<Weak<Connection>>>,
    /// Length of the list after the last purge.
    purged_len: Cell<usize>,
}

impl Silent {
    /// Adds a new connection, if it is within the limit.
    pub fn add(&self, connection: &Rc<Connection>) {
        if !connection.is_silent() {
            return;
        }
        let mut connections = self.connections.borrow_mut();
        if connections.len() >= (self.purged_len.get() * 2).max(MIN_PURGE) {
            connections.retain(|connection| connection.upgrade().is_some_and(|it| it.is_silent()));
            self.purged_len.set(connections.len());
        }
        connections.push_back(Rc::downgrade(connection));
    }

    /// Closes the oldest silent connection and returns its permit; an empty permit if there is none.
    pub fn evict_oldest(&self) -> ConnectionPermit {
        let mut connections = self.connections.borrow_mut();
        let oldest = std::iter::from_fn(|| connections.pop_front());
        let silent = oldest.filter_map(|oldest| oldest.upgrade()).find(|oldest| oldest.is_silent());
        silent.map(|silent| silent.evict()).unwrap_or_default()
    }
}
