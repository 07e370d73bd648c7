//! The log record of a request: filled while it is processed, passed to the observers when the response is complete.

use std::cell::{Cell, Ref, RefCell, RefMut};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_http::{Method, Request, Version};
use awc::http::StatusCode;
use awc::http::header::HeaderValue;
use awc::http::uri::PathAndQuery;

use crate::http1::fields::{FieldValues, Fields};
use crate::proxy::redaction::RedactedKey;
use crate::ring::{Replica, Slot};
use crate::stats::counters::ReplicaCounters;

use super::in_flight::InFlight;
use super::{Error, Skip, now};

/// Receives every completed request of a worker: the last byte was sent, or the client has disconnected.
pub trait RequestObserver {
    /// Called once for each request, on the worker's thread. Members of `request` may be moved out.
    fn on_complete(&self, request: &mut RequestInfo);
}

/// Creates the log records of one worker and holds its observers. Rejected requests are logged too.
#[derive(Clone)]
pub struct RequestLogger {
    observers: Rc<[Rc<dyn RequestObserver>]>,
    /// Whether any observer reads [`RequestInfo::client_request`] and [`RequestInfo::error`].
    details: Rc<Cell<bool>>,
}

/// The log record of one request, shared by the code that processes it. Dropping the last reference, usually the one of
/// the response body, completes the request.
pub struct RequestLog {
    request_logger: RequestLogger,
    started: Instant,
    info: RefCell<RequestInfo>,
}

/// Data of a request for its observers.
#[derive(Debug, Default)]
pub struct RequestInfo {
    /// Method; `None`: the request could not be parsed.
    pub method: Option<Method>,
    /// Status code of the response; `None`: the client disconnected before there was one.
    pub status: Option<StatusCode>,
    /// Bytes of the response body that were sent.
    pub bytes: u64,
    /// Why the balancer answered with an error or the response was cut short; only if an observer reads details.
    pub error: Option<String>,
    /// Slot of the key; `None`, like the members below up to `replica_took`, if the request was not forwarded.
    pub slot: Option<Slot>,
    /// Epoch of the ring when the latest replica was chosen.
    pub epoch: Option<u64>,
    /// The replica that answered, or the latest one that was tried.
    pub replica: Option<Rc<Replica>>,
    /// Counters of the replica that replied; `None`: no reply head arrived.
    pub answered_by: Option<Rc<RefCell<ReplicaCounters>>>,
    /// Number of attempts.
    pub attempts: u32,
    /// Why the first choice did not answer; `None`: it did.
    pub first_choice_skipped: Option<FirstChoiceSkipped>,
    /// Time from the request head until the first replica was chosen.
    pub chosen: Option<Duration>,
    /// Time from the request head to the reply head.
    pub replied: Option<Duration>,
    /// Time from the choice of the replica that replied to its reply head.
    pub replica_took: Option<Duration>,
    /// Time from the request head to the end of the response.
    pub total: Duration,
    /// The request as the client sent it; only if an observer reads details.
    pub client_request: Option<Box<ClientRequest>>,
}

/// A request as its client sent it.
#[derive(Debug, Default)]
pub struct ClientRequest {
    /// The client's address: the peer's, or the one that trusted proxies report.
    pub client: Option<IpAddr>,
    /// Path and query as received.
    pub target: Option<PathAndQuery>,
    /// HTTP/1.0 or HTTP/1.1; `None`: the request could not be parsed.
    pub version: Option<Version>,
    /// X-Request-Id as sent to the replica.
    pub id: Option<HeaderValue>,
    /// Whether the balancer generated `id`.
    pub id_is_generated: bool,
    /// Value of `Referer`.
    pub referer: Option<HeaderValue>,
    /// Value of `User-Agent`.
    pub user_agent: Option<HeaderValue>,
    /// Request key in the form of `--log-key`; `None` if it is random.
    pub key: Option<RedactedKey>,
}

/// Why a request was not answered by its first choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FirstChoiceSkipped {
    /// The choice skipped it.
    Skipped(Skip),
    /// It became unavailable or was a slow probe while the request waited for its reply.
    Abandoned,
    /// The attempt failed with this error.
    Failed(String),
}

impl RequestLogger {
    /// A logger for these observers, without details until [`record_details`](Self::record_details).
    pub fn new(observers: impl Into<Rc<[Rc<dyn RequestObserver>]>>) -> Self {
        Self { observers: observers.into(), details: Rc::default() }
    }

    /// Sets whether later requests record details: [`RequestInfo::client_request`] and [`RequestInfo::error`].
    pub fn record_details(&self, details: bool) {
        self.details.set(details);
    }

    /// Begins the record of a request; its time starts now.
    pub fn begin(&self) -> Rc<RequestLog> {
        Rc::new(RequestLog { request_logger: self.clone(), started: now(), info: RefCell::default() })
    }
}

impl RequestLog {
    /// The data recorded so far. The borrow must not be held across an await.
    pub fn info(&self) -> Ref<'_, RequestInfo> {
        self.info.borrow()
    }

    fn info_mut(&self) -> RefMut<'_, RequestInfo> {
        self.info.borrow_mut()
    }

    /// Records the peer's address, if details are recorded.
    pub fn set_peer(&self, peer: Option<SocketAddr>) {
        if self.request_logger.details.get() {
            let client = peer.map(|peer| peer.ip().to_canonical());
            self.info_mut().client_request =
                Some(Box::new(ClientRequest { client, ..ClientRequest::default() }));
        }
    }

    /// Records the method, and with details the request and its client's address.
    pub(crate) fn set_client_request(
        &self,
        request: &Request,
        fields: &Fields,
        client: impl FnOnce() -> Option<IpAddr>,
    ) {
        let mut info = self.info_mut();
        let head = request.head();
        info.method = Some(head.method.clone());
        if let Some(client_request) = &mut info.client_request {
            client_request.client = client().or(client_request.client);
            client_request.target = head.uri.path_and_query().cloned();
            client_request.version = Some(head.version);
            let value = |name| fields.value(name).and_then(|value| HeaderValue::from_bytes(value).ok());
            client_request.id = value("x-request-id");
            client_request.referer = value("referer");
            client_request.user_agent = value("user-agent");
        }
    }

    /// Records why the response is an error of the balancer or was cut short, if details are recorded. The first reason
    /// is kept.
    pub fn fail(&self, error: &impl fmt::Display) {
        if self.request_logger.details.get() {
            self.info_mut().error.get_or_insert_with(|| error.to_string());
        }
    }

    /// Records why the dispatcher rejected the request, if details are recorded; replaces an earlier error, whose cause is the
    /// rejection.
    pub fn reject(&self, error: &impl fmt::Display) {
        self.info_mut().error = None;
        self.fail(error);
    }

    /// Records the status code of the response.
    pub fn set_status(&self, status: StatusCode) {
        self.info_mut().status = Some(status);
    }

    /// Adds to the number of bytes of the response body that were sent.
    pub fn add_bytes(&self, bytes: u64) {
        self.info_mut().bytes += bytes;
    }

    /// Records the request key, if details are recorded.
    pub(crate) fn set_key(&self, key: impl FnOnce() -> RedactedKey) {
        if let Some(client_request) = &mut self.info_mut().client_request {
            client_request.key = Some(key());
        }
    }

    /// Records the slot of the request, and with details its X-Request-Id. `id_is_generated`: the client sent none.
    pub(crate) fn set_route(&self, slot: Slot, id: Option<&[u8]>, id_is_generated: bool) {
        let mut info = self.info_mut();
        info.slot = Some(slot);
        if let Some(client_request) = &mut info.client_request {
            client_request.id = id.and_then(|id| HeaderValue::from_bytes(id).ok());
            client_request.id_is_generated = id_is_generated;
        }
    }

    /// Time at which the request head was complete.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// Records the replica that was chosen for an attempt.
    pub(crate) fn chosen(&self, in_flight: &InFlight, epoch: u64) {
        let mut info = self.info_mut();
        info.attempts += 1;
        info.epoch = Some(epoch);
        info.replica = Some(in_flight.endpoint().replica().clone());
        if info.attempts == 1 {
            info.chosen = Some(in_flight.since().saturating_duration_since(self.started));
            info.first_choice_skipped = in_flight.first_skipped().map(FirstChoiceSkipped::Skipped);
        }
    }

    /// Records why an earlier attempt did not answer. The first reason is kept.
    pub(crate) fn first_choice_skipped(&self, why: impl FnOnce() -> FirstChoiceSkipped) {
        self.info_mut().first_choice_skipped.get_or_insert_with(why);
    }

    /// Records a reply head, which arrived `took` after the replica was chosen.
    pub(crate) fn replied(&self, in_flight: &InFlight, took: Duration) {
        let mut info = self.info_mut();
        let sent = in_flight.since().saturating_duration_since(self.started);
        info.replica = Some(in_flight.endpoint().replica().clone());
        info.answered_by = Some(in_flight.endpoint().counters().clone());
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
            info.bytes = 0; // the body of a response to HEAD is not sent
        }
        info.total = now().saturating_duration_since(self.started);
        self.request_logger.observers.iter().for_each(|observer| observer.on_complete(info));
    }
}

impl fmt::Display for FirstChoiceSkipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Skipped(skip) => f.write_str(skip.as_str()),
            Self::Abandoned => f.write_str("given up"),
            Self::Failed(why) => write!(f, "failed: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Recorder(RefCell<Vec<RequestInfo>>);

    impl RequestObserver for Recorder {
        fn on_complete(&self, request: &mut RequestInfo) {
            self.0.borrow_mut().push(std::mem::take(request));
        }
    }

    fn recorder(details: bool) -> (Rc<Recorder>, RequestLogger) {
        let recorder = Rc::new(Recorder::default());
        let request_logger = RequestLogger::new([recorder.clone() as Rc<dyn RequestObserver>]);
        request_logger.record_details(details);
        (recorder, request_logger)
    }

    #[tokio::test(start_paused = true)]
    async fn dropping_the_last_reference_completes_the_request_once() {
        let (recorder, request_logger) = recorder(true);
        let request_log = request_logger.begin();
        let other = request_log.clone();
        request_log.set_status(StatusCode::OK);
        tokio::time::advance(Duration::from_millis(3)).await;
        drop(request_log);
        assert!(recorder.0.borrow().is_empty());
        drop(other);
        let all = recorder.0.borrow();
        assert_eq!((all.len(), all[0].status, all[0].total.as_millis()), (1, Some(StatusCode::OK), 3));
        assert_eq!(all[0].error, None);
    }

    #[tokio::test]
    async fn a_disconnected_client_and_head_have_no_body_bytes() {
        let (recorder, request_logger) = recorder(true);
        let request_log = request_logger.begin();
        request_log.info_mut().method = Some(Method::HEAD);
        request_log.add_bytes(9);
        drop(request_log);
        let all = recorder.0.borrow();
        assert_eq!((all[0].status, all[0].bytes), (None, 0));
        assert_eq!(all[0].error.as_deref(), Some("the client has left"));
    }

    #[tokio::test]
    async fn details_are_recorded_only_for_observers_that_read_them() {
        let (recorder, request_logger) = recorder(false);
        let request_log = request_logger.begin();
        request_log.set_peer(Some(([127, 0, 0, 1], 1).into()));
        request_log.set_client_request(&Request::new(), &Fields::default(), || None);
        drop(request_log);
        let all = recorder.0.borrow();
        assert!(all[0].client_request.is_none() && all[0].error.is_none());
        assert_eq!(all[0].method, Some(Method::GET));
    }
}
