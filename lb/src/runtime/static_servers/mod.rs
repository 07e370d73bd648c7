//! External servers (`--runtime static`): their names are resolved here; the servers get heartbeats and requests, but
//! the balancer never starts or stops them.
//!
//! # Layout
//! - `lookup`: one look-up of a name · `addresses`: the order in which the addresses of a name are tried

mod addresses;
mod lookup;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};
use std::time::Duration;

use futures::channel::mpsc;
use futures::future::{FutureExt, LocalBoxFuture, Shared, ready};
use futures::stream::{self, LocalBoxStream, StreamExt};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::{Error, Event, Found, Instance, Launch, Runtime, Upstream};
use crate::ring::{Incarnation, SeatId};
use addresses::Addresses;

/// Every name is resolved again after this time.
const REFRESH: Duration = Duration::from_secs(10);

/// A launch resolves the name of its seat again unless the last answer is younger than this.
const FRESH: Duration = Duration::from_secs(1);

/// Look-ups at one time; each uses a thread.
const LOOKUPS: usize = 32;

/// The runtime of external servers. [`Runtime::assign`] sets the server of a seat; each [`Runtime::launch`] returns
/// the next address of that server's name, and [`Event::Resolved`] reports every answer of the resolver.
pub struct StaticServers(Rc<Names>);

struct Names {
    servers: RefCell<BTreeMap<SeatId, Server>>,
    lookups: Rc<Semaphore>,
    events: mpsc::UnboundedSender<Event>,
    /// Taken by [`Runtime::events`].
    receiver: RefCell<Option<mpsc::UnboundedReceiver<Event>>>,
}

struct Server {
    upstream: Upstream,
    addresses: Addresses,
    /// The outcome of the last look-up and its time; `None` before the first.
    resolved: Option<(Instant, Result<(), String>)>,
    /// The look-up that is under way.
    lookup: Option<Shared<LocalBoxFuture<'static, ()>>>,
}

impl StaticServers {
    /// Creates the runtime without servers.
    #[allow(clippy::new_without_default, reason = "a runtime is always made on purpose")]
    pub fn new() -> Self {
        let (events, receiver) = mpsc::unbounded();
        Self(Rc::new(Names {
            servers: RefCell::default(),
            lookups: Rc::new(Semaphore::new(LOOKUPS)),
            events,
            receiver: RefCell::new(Some(receiver)),
        }))
    }
}

impl Runtime for StaticServers {
    fn assign(&self, seat: SeatId, upstream: Option<Upstream>) {
        let Some(upstream) = upstream else {
            self.0.servers.borrow_mut().remove(&seat);
            return;
        };
        let mut servers = self.0.servers.borrow_mut();
        match servers.get_mut(&seat) {
            Some(server) if server.upstream.authority() == upstream.authority() => server.upstream = upstream,
            _ => drop(servers.insert(seat, Server::new(upstream))),
        }
        drop(servers);
        self.0.refresh(seat);
    }

    fn launch(&self, launch: Launch) -> LocalBoxFuture<'static, Result<Instance, Error>> {
        let (names, seat) = (self.0.clone(), launch.seat);
        async move {
            let none = || Error::Refused(format!("seat {seat} has no upstream"));
            let (fresh, known) = names.age(seat).ok_or_else(none)?;
            if !fresh {
                let lookup = names.refresh(seat);
                // A known address is returned at once, and the answer serves the next launch.
                if let Some(lookup) = lookup.filter(|_| !known) {
                    lookup.await;
                }
            }
            names.next(seat).ok_or_else(none)?
        }
        .boxed_local()
    }

    fn stop(&self, _: Incarnation, _: Duration) -> LocalBoxFuture<'static, ()> {
        ready(()).boxed_local()
    }

    /// External servers leave no replicas behind: the fleet makes its seats from the configuration.
    fn list(&self) -> LocalBoxFuture<'static, Result<Vec<Found>, Error>> {
        ready(Ok(Vec::new())).boxed_local()
    }

    fn events(&self) -> LocalBoxStream<'static, Event> {
        let Some(receiver) = self.0.receiver.take() else { return stream::pending().boxed_local() };
        actix_rt::spawn(refresh_all(Rc::downgrade(&self.0)));
        receiver.boxed_local()
    }
}

/// Resolves every name again, until the runtime is dropped.
async fn refresh_all(names: Weak<Names>) {
    loop {
        tokio::time::sleep(REFRESH).await;
        let Some(names) = names.upgrade() else { return };
        let seats: Vec<SeatId> = names.servers.borrow().keys().copied().collect();
        for seat in seats {
            names.refresh(seat);
        }
    }
}

impl Names {
    /// Whether the last answer is fresh, and whether there is an address; `None` for a seat without a server.
    fn age(&self, seat: SeatId) -> Option<(bool, bool)> {
        let servers = self.servers.borrow();
        let resolved = servers.get(&seat)?.resolved.as_ref();
        let fresh = resolved.is_some_and(|(at, _)| at.elapsed() < FRESH);
        Some((fresh, resolved.is_some_and(|(_, outcome)| outcome.is_ok())))
    }

    /// Resolves a name, or joins the look-up that is under way; the future ends when its answer is stored.
    fn refresh(self: &Rc<Self>, seat: SeatId) -> Option<Shared<LocalBoxFuture<'static, ()>>> {
        let mut servers = self.servers.borrow_mut();
        let server = servers.get_mut(&seat)?;
        if let Some(lookup) = &server.lookup {
            return Some(lookup.clone());
        }
        let (names, upstream, permits) = (Rc::downgrade(self), server.upstream.clone(), self.lookups.clone());
        let lookup = async move {
            // The semaphore is never closed.
            let permit = permits.acquire().await;
            let answer = lookup::lookup(upstream.host.clone(), upstream.port).await;
            drop(permit);
            if let Some(names) = names.upgrade() {
                names.record(seat, &upstream.authority(), answer);
            }
        };
        let lookup = lookup.boxed_local().shared();
        server.lookup = Some(lookup.clone());
        actix_rt::spawn(lookup.clone());
        Some(lookup)
    }

    /// Stores an answer, unless the seat has another server by now.
    fn record(&self, seat: SeatId, authority: &str, answer: Result<Vec<std::net::SocketAddr>, String>) {
        let mut servers = self.servers.borrow_mut();
        let current = servers.get_mut(&seat).filter(|server| server.upstream.authority() == authority);
        let Some(server) = current else { return };
        server.lookup = None;
        if let Ok(addresses) = &answer {
            server.addresses.update(addresses);
        }
        let addresses = answer.map(|_| server.addresses.all().to_vec());
        server.resolved = Some((Instant::now(), addresses.clone().map(drop)));
        // An error means that the supervisor has ended, and so does the process.
        let _ = self.events.unbounded_send(Event::Resolved { seat, id: authority.to_owned(), addresses });
    }

    /// The address to try now; `None` for a seat without a server.
    fn next(&self, seat: SeatId) -> Option<Result<Instance, Error>> {
        let mut servers = self.servers.borrow_mut();
        let server = servers.get_mut(&seat)?;
        let unresolved =
            |why: &str| Error::Refused(format!("{} does not resolve: {why}", server.upstream.host));
        Some(match &server.resolved {
            Some((_, Err(why))) => Err(unresolved(why)),
            _ => match server.addresses.take() {
                Some(address) => Ok(Instance { id: server.upstream.authority(), address }),
                None => Err(unresolved("there is no answer yet")),
            },
        })
    }
}

impl Server {
    fn new(upstream: Upstream) -> Self {
        Self { upstream, addresses: Addresses::default(), resolved: None, lookup: None }
    }
}

#[cfg(test)]
mod tests;
