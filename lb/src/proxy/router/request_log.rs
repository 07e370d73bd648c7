//! What befell one request, from its head to the last byte of its answer; whoever wants to know is told at that moment.

use std::cell::{Cell, RefCell, RefMut};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_http::{Method, Request, Version};
use awc::http::StatusCode;
use awc::http::header::{self, HeaderValue};
use awc::http::uri::PathAndQuery;

use crate::observe::redaction::Shown;
use crate::ring::{Replica, Slot};
use crate::stats::counters::ReplicaTally;

use super::endpoint::InFlight;
use super::{Error, Skip, now, request_id};

/// Whoever is told of every request of a worker that has ended: its last byte is sent, or its client has left.
pub trait Witness {
    /// Called once for each request, on the worker's thread. It may take what it wants to keep.
    fn ended(&self, request: &mut Facts);
}

/// The witnesses of one worker. Every request of its clients begins here, those that are refused too.
#[derive(Clone)]
pub struct Trails {
    witnesses: Rc<[Rc<dyn Witness>]>,
    /// Whether some witness reads [`Facts::asked`].
    asking: Rc<Cell<bool>>,
}

/// The trail of one request, shared by all that it meets. The last of them to let go of it ends the request: as a rule
/// that is the body of its answer.
pub struct Trail {
    trails: Trails,
    started: Instant,
    facts: RefCell<Facts>,
}

/// What is known of a request.
#[derive(Debug, Default)]
pub struct Facts {
    /// `None`: what came was no request that can be read.
    pub method: Option<Method>,
    /// Of our answer; `None`: the client left before there was one.
    pub status: Option<StatusCode>,
    /// How much of the answer's body was sent, in bytes.
    pub bytes: u64,
    /// Why the answer is a failure of ours, or was cut short; only if a witness asks for more.
    pub error: Option<String>,
    /// The slot of its key; `None`, and so are those that follow: it was not for a replica.
    pub slot: Option<Slot>,
    /// The ring's epoch when its replica was chosen.
    pub epoch: Option<u64>,
    /// Who answered it, or failed at it last.
    pub replica: Option<Rc<Replica>>,
    /// The counters of the replica whose reply came.
    pub answered_by: Option<Rc<RefCell<ReplicaTally>>>,
    /// How many replicas it was sent to.
    pub attempts: u32,
    /// Why its first choice did not answer it.
    pub passed_over: Option<PassedOver>,
    /// From its head until the first replica was chosen.
    pub chosen: Option<Duration>,
    /// From its head until the head of the reply.
    pub replied: Option<Duration>,
    /// What the replica took of that, from its choice to the head of its reply.
    pub replica_took: Option<Duration>,
    /// From its head to its end.
    pub total: Duration,
    /// As the client sent it; only if a witness wants it.
    pub asked: Option<Box<Asked>>,
}

/// A request as its client sent it.
#[derive(Debug, Default)]
pub struct Asked {
    /// Whose it is: the peer's address, or what trusted proxies say.
    pub client: Option<IpAddr>,
    /// Path and query.
    pub target: Option<PathAndQuery>,
    /// HTTP/1.0 or HTTP/1.1; `None`: it could not be read.
    pub version: Option<Version>,
    /// X-Request-Id, as it goes to a replica.
    pub id: Option<HeaderValue>,
    /// Whether that was made here.
    pub id_is_ours: bool,
    /// `Referer`.
    pub referer: Option<HeaderValue>,
    /// `User-Agent`.
    pub user_agent: Option<HeaderValue>,
    /// Its key as `--log-key` shows it; `None` if it is random.
    pub key: Option<Shown>,
}

/// Why a request was not answered by its first choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PassedOver {
    /// It was not chosen.
    Skipped(Skip),
    /// It was given up while the request waited for its reply.
    GivenUp,
    /// The attempt failed.
    Failed(String),
}

impl Trails {
    /// The witnesses; none reads [`Facts::asked`] yet.
    pub fn new(witnesses: impl Into<Rc<[Rc<dyn Witness>]>>) -> Self {
        Self { witnesses: witnesses.into(), asking: Rc::default() }
    }

    /// Whether some witness reads [`Facts::asked`] of requests that begin now.
    pub fn ask(&self, asking: bool) {
        self.asking.set(asking);
    }

    /// A request begins.
    pub fn begin(&self) -> Rc<Trail> {
        Rc::new(Trail { trails: self.clone(), started: now(), facts: RefCell::default() })
    }
}

impl Trail {
    /// What is known so far. To be let go of at once.
    pub fn facts(&self) -> RefMut<'_, Facts> {
        self.facts.borrow_mut()
    }

    /// Notes where the request comes from.
    pub fn comes_from(&self, peer: Option<SocketAddr>) {
        if self.trails.asking.get() {
            let client = peer.map(|peer| peer.ip().to_canonical());
            self.facts().asked = Some(Box::new(Asked { client, ..Asked::default() }));
        }
    }

    /// Notes the request as its client sent it, and whose it is.
    pub fn asks(&self, request: &Request, client: impl FnOnce() -> Option<IpAddr>) {
        let mut facts = self.facts();
        let head = request.head();
        facts.method = Some(head.method.clone());
        if let Some(asked) = &mut facts.asked {
            asked.client = client().or(asked.client);
            asked.target = head.uri.path_and_query().cloned();
            asked.version = Some(head.version);
            asked.id = head.headers.get(&request_id::NAME).cloned();
            asked.referer = head.headers.get(header::REFERER).cloned();
            asked.user_agent = head.headers.get(header::USER_AGENT).cloned();
        }
    }

    /// Notes why the answer is not the replica's, or not the whole of it, for witnesses that ask; the first reason
    /// counts.
    pub fn fail(&self, error: &impl fmt::Display) {
        if self.trails.asking.get() {
            self.facts().error.get_or_insert_with(|| error.to_string());
        }
    }

    /// When the head of the request was there.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// A replica was chosen for an attempt.
    pub(crate) fn chosen(&self, in_flight: &InFlight, epoch: u64) {
        let mut facts = self.facts();
        facts.attempts += 1;
        facts.epoch = Some(epoch);
        facts.replica = Some(in_flight.upstream().replica.clone());
        if facts.attempts == 1 {
            facts.chosen = Some(in_flight.since().saturating_duration_since(self.started));
            facts.passed_over = in_flight.passed_over().map(PassedOver::Skipped);
        }
    }

    /// The attempt before the newest one did not answer; the first reason counts.
    pub(crate) fn passed_over(&self, why: impl FnOnce() -> PassedOver) {
        self.facts().passed_over.get_or_insert_with(why);
    }

    /// The head of a reply came, after so much time of the replica's.
    pub(crate) fn replied(&self, in_flight: &InFlight, took: Duration) {
        let mut facts = self.facts();
        let sent = in_flight.since().saturating_duration_since(self.started);
        facts.replica = Some(in_flight.upstream().replica.clone());
        facts.answered_by = Some(in_flight.upstream().tally.clone());
        (facts.replied, facts.replica_took) = (Some(sent + took), Some(took));
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        if self.facts.get_mut().status.is_none() {
            self.fail(&Error::ClientLeft);
        }
        let facts = self.facts.get_mut();
        if facts.method == Some(Method::HEAD) {
            facts.bytes = 0; // a body that was there is not sent
        }
        facts.total = now().saturating_duration_since(self.started);
        self.trails.witnesses.iter().for_each(|witness| witness.ended(facts));
    }
}

impl fmt::Display for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Skipped(skip) => f.write_str(skip.as_str()),
            Self::GivenUp => f.write_str("given up"),
            Self::Failed(why) => write!(f, "failed: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Told(RefCell<Vec<Facts>>);

    impl Witness for Told {
        fn ended(&self, request: &mut Facts) {
            self.0.borrow_mut().push(std::mem::take(request));
        }
    }

    fn told(asking: bool) -> (Rc<Told>, Trails) {
        let told = Rc::new(Told::default());
        let trails = Trails::new([told.clone() as Rc<dyn Witness>]);
        trails.ask(asking);
        (told, trails)
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_lets_go_last_ends_it_once() {
        let (told, trails) = told(true);
        let trail = trails.begin();
        let other = trail.clone();
        trail.facts().status = Some(StatusCode::OK);
        tokio::time::advance(Duration::from_millis(3)).await;
        drop(trail);
        assert!(told.0.borrow().is_empty());
        drop(other);
        let all = told.0.borrow();
        assert_eq!((all.len(), all[0].status, all[0].total.as_millis()), (1, Some(StatusCode::OK), 3));
        assert_eq!(all[0].error, None);
    }

    #[tokio::test]
    async fn a_client_that_leaves_and_a_head_have_no_body() {
        let (told, trails) = told(true);
        let trail = trails.begin();
        (trail.facts().method, trail.facts().bytes) = (Some(Method::HEAD), 9);
        drop(trail);
        let all = told.0.borrow();
        assert_eq!((all[0].status, all[0].bytes), (None, 0));
        assert_eq!(all[0].error.as_deref(), Some("the client has left"));
    }

    #[tokio::test]
    async fn nothing_is_kept_that_nobody_asks_for() {
        let (told, trails) = told(false);
        let trail = trails.begin();
        trail.comes_from(Some(([127, 0, 0, 1], 1).into()));
        trail.asks(&Request::new(), || None);
        drop(trail);
        let all = told.0.borrow();
        assert!(all[0].asked.is_none() && all[0].error.is_none());
        assert_eq!(all[0].method, Some(Method::GET));
    }
}
