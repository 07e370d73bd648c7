//! The way to the replicas: awc on the worker's connection pool, and the budget of further attempts.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use crate::balance::Budget;
use crate::fleet::Activity;
use crate::proxy::client::{Call, Client, Outgoing, Pool};
use crate::ring::{Incarnation, Seated};

use super::Settings;

/// Sends the attempts of a router.
pub(crate) struct ReplicaClient {
    pool: Pool,
    client: Client,
    budget: RefCell<Budget>,
}

impl ReplicaClient {
    pub fn new(settings: &Settings, now: Instant) -> Self {
        let pool = Pool::new(settings.client);
        Self {
            client: Client::new(&pool),
            pool,
            budget: RefCell::new(Budget::new(settings.retry_budget, now)),
        }
    }

    pub fn configure(&self, settings: &Settings) {
        self.budget.borrow_mut().configure(settings.retry_budget);
        self.pool.configure(settings.client);
    }

    /// Sends a request to the replica at `address`.
    pub fn send(&self, address: SocketAddr, request: &Rc<Outgoing>) -> Call {
        self.client.send(address, request)
    }

    /// Earns the fraction of a retry for a request.
    pub fn earn(&self, now: Instant) {
        self.budget.borrow_mut().earn(now);
    }

    /// Pays for a retry; returns `false` if the budget is exhausted.
    pub fn spend(&self, now: Instant) -> bool {
        self.budget.borrow_mut().spend(now)
    }

    /// Admits the replicas of the occupied seats.
    pub fn admit(&self, seated: &[Seated]) {
        seated
            .iter()
            .for_each(|Seated { replica, .. }| self.pool.admit(replica.address, replica.incarnation));
    }

    /// Removes replicas that have left the ring; `abort`: requests that wait for a reply head fail at once.
    pub fn retire(&self, gone: &[Incarnation], abort: bool) {
        gone.iter().for_each(|incarnation| self.pool.retire(*incarnation, abort));
    }

    /// Whether idle connections to a replica are kept.
    pub fn keep_idle(&self, incarnation: Incarnation, keep: bool) {
        self.pool.keep_idle(incarnation, keep);
    }

    /// Wakes all attempts, so that they check the state of their replica again.
    pub fn wake_all(&self) {
        self.pool.wake_all();
    }

    /// Signs of progress of a replica.
    pub fn activity(&self, of: Incarnation) -> Activity {
        self.pool.activity(of)
    }
}
