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

use crate::observe::redaction::RedactedKey;
use crate::ring::{Replica, Slot};
use crate::stats::counters::ReplicaTally;

use super::endpoint::InFlight;
use super::{Error, Skip, now, request_id};

/// Whoever is told of every request of a worker that has ended: its last byte is sent, or its client has left.
pub trait RequestObserver {
    /// Called once for each request, on the worker's thread. It may take what it wants to keep.
    fn on_complete(&self, request: &mut RequestInfo);
}

/// The observers of one worker. Every request of its clients begins here, those that are refused too.
#[derive(Clone)]
pub struct RequestLogger {
    observers: Rc<[Rc<dyn RequestObserver>]>,
    /// Whether some observer reads [`RequestInfo::asked`].
    asking: Rc<Cell<bool>>,
}

/// The request_log of one request, shared by all that it meets. The last of them to let go of it ends the request: as a rule
/// that is the body of its answer.
pub struct RequestLog {
    request_logger: RequestLogger,
    started: Instant,
    info: RefCell<RequestInfo>,
}

/// What is known of a request.
#[derive(Debug, Default)]
pub struct RequestInfo {
    /// `None`: what came was no request that can be read.
    pub method: Option<Method>,
    /// Of our answer; `None`: the client left before there was one.
    pub status: Option<StatusCode>,
    /// How much of the answer's body was sent, in bytes.
    pub bytes: u64,
    /// Why the answer is a failure of ours, or was cut short; only if a observer asks for more.
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
    pub passed_over: Option<FirstChoiceSkipped>,
    /// From its head until the first replica was chosen.
    pub chosen: Option<Duration>,
    /// From its head until the head of the reply.
    pub replied: Option<Duration>,
    /// What the replica took of that, from its choice to the head of its reply.
    pub replica_took: Option<Duration>,
    /// From its head to its end.
    pub total: Duration,
    /// As the client sent it; only if a observer wants it.
    pub asked: Option<Box<ClientRequest>>,
}

/// A request as its client sent it.
#[derive(Debug, Default)]
pub struct ClientRequest {
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
    pub key: Option<RedactedKey>,
}

/// Why a request was not answered by its first choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FirstChoiceSkipped {
    /// It was not chosen.
    Skipped(Skip),
    /// It was given up while the request waited for its reply.
    GivenUp,
    /// The attempt failed.
    Failed(String),
}

impl RequestLogger {
    /// The observers; none reads [`RequestInfo::asked`] yet.
    pub fn new(observers: impl Into<Rc<[Rc<dyn RequestObserver>]>>) -> Self {
        Self { observers: observers.into(), asking: Rc::default() }
    }

    /// Whether some observer reads [`RequestInfo::asked`] of requests that begin now.
    pub fn ask(&self, asking: bool) {
        self.asking.set(asking);
    }

    /// A request begins.
    pub fn begin(&self) -> Rc<RequestLog> {
        Rc::new(RequestLog { request_logger: self.clone(), started: now(), info: RefCell::default() })
    }
}

impl RequestLog {
    /// What is known so far. To be let go of at once.
    pub fn info(&self) -> RefMut<'_, RequestInfo> {
        self.info.borrow_mut()
    }

    /// Notes where the request comes from.
    pub fn set_peer(&self, peer: Option<SocketAddr>) {
        if self.request_logger.asking.get() {
            let client = peer.map(|peer| peer.ip().to_canonical());
            self.info().asked = Some(Box::new(ClientRequest { client, ..ClientRequest::default() }));
        }
    }

    /// Notes the request as its client sent it, and whose it is.
    pub fn set_client_request(&self, request: &Request, client: impl FnOnce() -> Option<IpAddr>) {
        let mut info = self.info();
        let head = request.head();
        info.method = Some(head.method.clone());
        if let Some(asked) = &mut info.asked {
            asked.client = client().or(asked.client);
            asked.target = head.uri.path_and_query().cloned();
            asked.version = Some(head.version);
            asked.id = head.headers.get(&request_id::NAME).cloned();
            asked.referer = head.headers.get(header::REFERER).cloned();
            asked.user_agent = head.headers.get(header::USER_AGENT).cloned();
        }
    }

    /// Notes why the answer is not the replica's, or not the whole of it, for observers that ask; the first reason
    /// counts.
    pub fn fail(&self, error: &impl fmt::Display) {
        if self.request_logger.asking.get() {
            self.info().error.get_or_insert_with(|| error.to_string());
        }
    }

    /// When the head of the request was there.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// A replica was chosen for an attempt.
    pub(crate) fn chosen(&self, in_flight: &InFlight, epoch: u64) {
        let mut info = self.info();
        info.attempts += 1;
        info.epoch = Some(epoch);
        info.replica = Some(in_flight.upstream().replica.clone());
        if info.attempts == 1 {
            info.chosen = Some(in_flight.since().saturating_duration_since(self.started));
            info.passed_over = in_flight.passed_over().map(FirstChoiceSkipped::Skipped);
        }
    }

    /// The attempt before the newest one did not answer; the first reason counts.
    pub(crate) fn passed_over(&self, why: impl FnOnce() -> FirstChoiceSkipped) {
        self.info().passed_over.get_or_insert_with(why);
    }

    /// The head of a reply came, after so much time of the replica's.
    pub(crate) fn replied(&self, in_flight: &InFlight, took: Duration) {
        let mut info = self.info();
        let sent = in_flight.since().saturating_duration_since(self.started);
        info.replica = Some(in_flight.upstream().replica.clone());
        info.answered_by = Some(in_flight.upstream().tally.clone());
        (info.replied, info.replica_took) = (Some(sent + took), Some(took));
    }
}

impl Drop for RequestLog {
    fn drop(&mut self) {
        if self.info.get_mut().status.is_none() {
            self.fail(&Error::ClientLeft);
        }
        let info = self.info.get_mut();
        if info.method == Some(Method::HEAD) {
            info.bytes = 0; // a body that was there is not sent
        }
        info.total = now().saturating_duration_since(self.started);
        self.request_logger.observers.iter().for_each(|observer| observer.on_complete(info));
    }
}

impl fmt::Display for FirstChoiceSkipped {
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
    struct Told(RefCell<Vec<RequestInfo>>);

    impl RequestObserver for Told {
        fn on_complete(&self, request: &mut RequestInfo) {
            self.0.borrow_mut().push(std::mem::take(request));
        }
    }

    fn told(asking: bool) -> (Rc<Told>, RequestLogger) {
        let told = Rc::new(Told::default());
        let request_logger = RequestLogger::new([told.clone() as Rc<dyn RequestObserver>]);
        request_logger.ask(asking);
        (told, request_logger)
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_lets_go_last_ends_it_once() {
        let (told, request_logger) = told(true);
        let request_log = request_logger.begin();
        let other = request_log.clone();
        request_log.info().status = Some(StatusCode::OK);
        tokio::time::advance(Duration::from_millis(3)).await;
        drop(request_log);
        assert!(told.0.borrow().is_empty());
        drop(other);
        let all = told.0.borrow();
        assert_eq!((all.len(), all[0].status, all[0].total.as_millis()), (1, Some(StatusCode::OK), 3));
        assert_eq!(all[0].error, None);
    }

    #[tokio::test]
    async fn a_client_that_leaves_and_a_head_have_no_body() {
        let (told, request_logger) = told(true);
        let request_log = request_logger.begin();
        (request_log.info().method, request_log.info().bytes) = (Some(Method::HEAD), 9);
        drop(request_log);
        let all = told.0.borrow();
        assert_eq!((all[0].status, all[0].bytes), (None, 0));
        assert_eq!(all[0].error.as_deref(), Some("the client has left"));
    }

    #[tokio::test]
    async fn nothing_is_kept_that_nobody_asks_for() {
        let (told, request_logger) = told(false);
        let request_log = request_logger.begin();
        request_log.set_peer(Some(([127, 0, 0, 1], 1).into()));
        request_log.set_client_request(&Request::new(), || None);
        drop(request_log);
        let all = told.0.borrow();
        assert!(all[0].asked.is_none() && all[0].error.is_none());
        assert_eq!(all[0].method, Some(Method::GET));
    }
}
