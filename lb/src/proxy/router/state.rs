//! The parts of a router, and what happens to several of them at once.

use std::cell::RefCell;
use std::rc::Rc;

use crate::control::ring::{Registered, RingHandle};
use crate::control::router_link::{LoadOf, Loaded, Recall};
use crate::fleet::RouterEvent;
use crate::ring::{Incarnation, Seated};

use super::endpoints::{Change, ChangeKind, Endpoint, Endpoints};
use super::leases::Leases;
use super::notices::Notices;
use super::replica_client::ReplicaClient;
use super::statistics::Statistics;
use super::{Settings, now};

/// A router, shared with the requests that it forwards, on one thread. Each part keeps its own invariants; no borrow of a
/// part is held across an await.
pub(crate) struct Router {
    settings: RefCell<Rc<Settings>>,
    pub ring: RingHandle,
    pub rng: RefCell<fastrand::Rng>,
    pub leases: RefCell<Leases>,
    pub endpoints: RefCell<Endpoints>,
    pub client: ReplicaClient,
    pub statistics: Rc<Statistics>,
    pub notices: Notices,
}

impl Router {
    pub fn new(settings: Settings, ring: RingHandle, notices: Notices) -> Self {
        let mut rng = fastrand::Rng::new();
        Self {
            ring,
            leases: RefCell::default(),
            endpoints: RefCell::new(Endpoints::new(settings.limits(), rng.fork())),
            client: ReplicaClient::new(&settings, now()),
            statistics: Rc::new(Statistics::new(settings.key_redactor.clone(), now())),
            notices,
            rng: RefCell::new(rng),
            settings: RefCell::new(Rc::new(settings)),
        }
    }

    /// The current settings. A request keeps them to its end.
    pub fn settings(&self) -> Rc<Settings> {
        self.settings.borrow().clone()
    }

    pub fn configure(&self, settings: Settings) {
        self.endpoints.borrow_mut().configure(settings.limits());
        self.client.configure(&settings);
        self.statistics.configure(&settings.key_redactor, now());
        *self.settings.borrow_mut() = Rc::new(settings);
    }

    /// The ring has registered the router, which happens once: a restarted worker starts a new router.
    pub fn registered(&self, Registered { epoch, layout, seated }: Registered) {
        self.leases.borrow_mut().register(epoch, layout);
        self.seat(&seated);
    }

    /// Drops the leases of the recalled slots and updates the replicas. Returns those in `gone` that still have requests of this router in
    /// flight.
    pub fn recall(&self, Recall { epoch, slots, seated, gone, abort }: Recall) -> Vec<Incarnation> {
        self.leases.borrow_mut().recall(epoch, &slots);
        self.client.retire(&gone, abort);
        let busy = self.endpoints.borrow_mut().remove(&gone);
        self.seat(&seated);
        busy
    }

    /// Replaces the list of suspect replicas, in ascending order.
    pub fn suspects(&self, suspects: &[Incarnation]) {
        let changes = self.endpoints.borrow_mut().suspect(suspects, now());
        self.announce_all(changes);
    }

    pub fn loaded(&self) -> Loaded {
        let endpoints = self.endpoints.borrow();
        let load = |endpoint: &Endpoint| LoadOf {
            incarnation: endpoint.incarnation(),
            in_flight: endpoint.in_flight(),
            skip: endpoints.skip(endpoint),
        };
        Loaded { replicas: endpoints.known().map(load).collect(), routing: self.statistics.routing() }
    }

    /// Logs, counts and reports changes of the endpoints. No part may be borrowed.
    pub fn announce_all(&self, changes: impl IntoIterator<Item = Change>) {
        changes.into_iter().for_each(|change| self.announce(change));
    }

    fn seat(&self, seated: &[Seated]) {
        self.client.admit(seated);
        let changes = self.endpoints.borrow_mut().seat(seated, now());
        self.announce_all(changes);
    }

    fn announce(&self, Change { incarnation, kind }: Change) {
        let router = self.notices.router().0;
        match kind {
            ChangeKind::Ejected(pause) => {
                log::warn!(router:%, incarnation:%, for_ms:% = pause.as_millis(); "replica ejected");
                self.statistics.count(|routing| routing.ejections += 1);
                self.notices.send(RouterEvent::Ejected(incarnation));
                self.client.wake_all();
            }
            ChangeKind::EjectedAgain(pause) => {
                log::warn!(router:%, incarnation:%, for_ms:% = pause.as_millis(); "replica ejected");
            }
            ChangeKind::Spared => {
                log::debug!(incarnation:%, why = "half_is_ejected"; "replica spared");
            }
            ChangeKind::Stalled(silence) => {
                log::debug!(incarnation:%, silent_ms:% = silence.as_millis(); "replica stalls");
                self.statistics.count(|routing| routing.stalls += 1);
                self.client.wake_all();
            }
            ChangeKind::Readmitted => {
                log::info!(router:%, incarnation:%; "replica readmitted");
                self.notices.send(RouterEvent::Readmitted(incarnation));
                self.statistics.count(|routing| routing.readmissions += 1);
            }
            ChangeKind::ForciblyReadmitted { was_ejected } => {
                log::warn!(incarnation:%, why = "half_is_ejected"; "replica readmitted");
                self.statistics.count(|routing| routing.readmissions += 1);
                if was_ejected {
                    self.notices.send(RouterEvent::Readmitted(incarnation));
                }
            }
            ChangeKind::Suspect(suspect) => self.client.keep_idle(incarnation, !suspect),
            ChangeKind::Idle => self.notices.send(RouterEvent::Idle(incarnation)),
        }
    }
}
