//! Connections that have sent no byte yet. Beyond `--max-connections` the oldest of them gives way to a newcomer.
//!
//! Clients that only connect therefore never keep out those that send requests. Each worker has its own list.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use super::acceptor::ConnectionPermit;
use super::connection::Connection;

/// Below this many nothing is cleared away.
const FEW: usize = 64;

/// The silent connections of one worker, oldest first; others among them are cleared away from time to time.
#[derive(Default)]
pub(crate) struct Silent {
    connections: RefCell<VecDeque<Weak<Connection>>>,
    /// How many there were after the last clearing.
    cleared: Cell<usize>,
}

impl Silent {
    /// Adds a connection that was just opened, if it is within the limit.
    pub fn add(&self, connection: &Rc<Connection>) {
        if !connection.is_silent() {
            return;
        }
        let mut connections = self.connections.borrow_mut();
        if connections.len() >= (self.cleared.get() * 2).max(FEW) {
            connections.retain(|connection| connection.upgrade().is_some_and(|it| it.is_silent()));
            self.cleared.set(connections.len());
        }
        connections.push_back(Rc::downgrade(connection));
    }

    /// Closes the oldest silent connection, and returns its place; none if there is no silent one.
    pub fn displace(&self) -> ConnectionPermit {
        let mut connections = self.connections.borrow_mut();
        let oldest = std::iter::from_fn(|| connections.pop_front());
        let silent = oldest.filter_map(|oldest| oldest.upgrade()).find(|oldest| oldest.is_silent());
        silent.map(|silent| silent.give_way()).unwrap_or_default()
    }
}
