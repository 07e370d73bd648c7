//! The traffic listener: four paths of its own, everything else goes to a replica.

use std::convert::Infallible;
use std::rc::Rc;

use actix::Addr;
use actix_http::body::BodySize;
use actix_http::header::{self, HeaderMap, HeaderValue};
use actix_http::{ConnectionType, Method, Payload, Request, Response, StatusCode, Version};
use actix_service::{Service, ServiceFactory, fn_factory};
use awc::http::uri::PathAndQuery;
use futures::future::LocalBoxFuture;
use send_wrapper::SendWrapper;
use tokio::sync::oneshot;

use crate::actors::router::{self, Reply, Route, RouterActor};
use crate::actors::supervisor::{StartTime, SupervisorActor};
use crate::inbound::{self, Answer};
use crate::upstream::Replay;

use super::body::Body;
use super::control;
use super::error::{Error, failure, json_response};
use super::forwarded::{self, Connected, Peer, TrustedProxies};
use super::headers::{set_upgrade, strip_hop_by_hop, take_offer};

/// What the traffic listener goes by.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether /rep, /add and /rm are ours, or a replica's like every other path.
    pub control: bool,
    /// The body of /add and /rm.
    pub control_body: control::Limits,
    /// Whether a replica's 404 becomes the contract's 400.
    pub map_404: bool,
    /// When a client may try again that found no replica.
    pub start_time: StartTime,
    /// Whose forwarding fields are believed.
    pub trusted_proxies: TrustedProxies,
}

/// The service of one HTTP worker.
#[derive(Clone)]
pub struct Front(Rc<Inner>);

struct Inner {
    settings: Settings,
    router: Addr<RouterActor>,
    supervisor: Addr<SupervisorActor>,
}

/// The service as the HTTP server wants it, without actix-web's `App`: 0.4 µs less for each request. `router` starts
/// the router of the worker that calls it.
pub fn service(
    settings: Settings,
    supervisor: Addr<SupervisorActor>,
    router: impl Fn() -> Addr<RouterActor>,
) -> impl ServiceFactory<
    Request,
    Config = (),
    Response = Response<Answer<Body>>,
    Error = Infallible,
    InitError = (),
    Service = Front,
    Future: 'static,
> {
    fn_factory(move || {
        let front = Inner { settings: settings.clone(), router: router(), supervisor: supervisor.clone() };
        async move { Ok(Front(Rc::new(front))) }
    })
}

impl Service<Request> for Front {
    type Response = Response<Answer<Body>>;
    type Error = Infallible;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Infallible>>;

    actix_service::always_ready!();

    fn call(&self, request: Request) -> Self::Future {
        let front = self.0.clone();
        Box::pin(async move {
            let refuse = |refusal| Error::Inbound(refusal).response();
            Ok(inbound::answer(request, async |request| front.serve(request).await, refuse).await)
        })
    }
}

impl Inner {
    async fn serve(&self, mut request: Request) -> Response<Body> {
        // What follows an offer to upgrade may be meant for the other protocol.
        let upgrade = request.upgrade() || request.head().headers.contains_key(header::UPGRADE);
        let payload = request.take_payload();
        let answer = self.answer(request, payload).await;
        let mut response = answer.unwrap_or_else(|error| self.failure(&error));
        if upgrade && response.status() == StatusCode::SWITCHING_PROTOCOLS {
            response.head_mut().no_chunking(true);
        } else if upgrade {
            response.head_mut().set_connection_type(ConnectionType::Close);
        }
        response
    }

    async fn answer(&self, request: Request, payload: Payload) -> Result<Response<Body>, Error> {
        let limits = self.settings.control_body;
        match (request.method(), request.path()) {
            (&Method::GET, "/heartbeat") => {
                Ok(Response::with_body(StatusCode::OK, Body::Own(Default::default())))
            }
            (&Method::GET, "/rep") if self.settings.control => control::rep(&self.supervisor).await,
            (&Method::POST, "/add") if self.settings.control => {
                control::add(&self.supervisor, payload, limits).await
            }
            (&Method::POST | &Method::DELETE, "/rm") if self.settings.control => {
                control::remove(&self.supervisor, payload, limits).await
            }
            _ => self.forward(request, payload).await,
        }
    }

    async fn forward(&self, mut request: Request, payload: Payload) -> Result<Response<Body>, Error> {
        let peer = self.peer(&request).ok_or(router::Error::ClientLeft)?;
        let head = request.head_mut();
        if forwarded::loops(&head.headers) {
            return Err(Error::Loop);
        }
        let (method, version) = (head.method.clone(), head.version);
        let target = match head.uri.path_and_query() {
            Some(target) => target.clone(),
            None => PathAndQuery::from_static("/"),
        };
        let offer = take_offer(head);
        let mut headers = std::mem::take(&mut head.headers);
        let body =
            if offer.is_empty() { request_body(&headers, payload) } else { Some(Replay::tunnel(payload)) };
        strip_hop_by_hop(&mut headers);
        headers.remove(header::EXPECT); // inbound answers it
        let client = forwarded::rewrite(&mut headers, peer, &self.settings.trusted_proxies);
        forwarded::sign(&mut headers);
        if !offer.is_empty() {
            set_upgrade(&mut headers, offer);
        }
        let path = self.settings.map_404.then(|| target.path().to_owned());
        let forwarded = router::Request { method: method.clone(), target, headers, client, body };
        // Dropped with this future, when the client leaves.
        let (_here, gone) = oneshot::channel();
        let route = Route { request: SendWrapper::new(forwarded), gone };
        let reply = self.router.send(route).await.map_err(|_| router::Error::Stopping)??.take();
        match path {
            Some(path) if reply.status == StatusCode::NOT_FOUND => Ok(unknown_path(&path)),
            _ => Ok(response(reply, &method, version)),
        }
    }

    fn failure(&self, error: &Error) -> Response<Body> {
        let mut response = error.response();
        if let Error::Router(router::Error::NoReplica) = error {
            let seconds = HeaderValue::from(self.settings.start_time.seconds());
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }

    /// Who sent a request; `None` if it left at once.
    fn peer(&self, request: &Request) -> Option<Peer> {
        let (address, trusted) = (request.peer_addr()?, &self.settings.trusted_proxies);
        Some(match request.conn_data::<Connected>() {
            Some(connected) => connected.peer(address, trusted),
            None => Peer::new(address, trusted),
        })
    }
}

/// The client's body as it was framed; `None` if it sent none.
fn request_body(headers: &HeaderMap, payload: Payload) -> Option<Replay> {
    let chunked = headers.contains_key(header::TRANSFER_ENCODING);
    let size = match content_length(headers) {
        _ if chunked => BodySize::Stream,
        Some(length) => BodySize::Sized(length),
        None => return None,
    };
    Some(Replay::new(payload, size))
}

/// A replica's reply as the client gets it.
fn response(reply: Reply, method: &Method, version: Version) -> Response<Body> {
    let Reply { status, reason, mut headers, payload, in_flight } = reply;
    let mut protocols = Vec::new();
    if status == StatusCode::SWITCHING_PROTOCOLS {
        protocols.extend(headers.remove(header::UPGRADE));
    }
    strip_hop_by_hop(&mut headers);
    forwarded::sign(&mut headers);
    if !protocols.is_empty() {
        set_upgrade(&mut headers, protocols);
    }
    let bodiless = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let size = match (content_length(&headers), &payload) {
        _ if bodiless => BodySize::None,
        (Some(length), _) => BodySize::Sized(length),
        (None, Payload::None) if method == Method::HEAD => BodySize::None,
        (None, Payload::None) => BodySize::Sized(0),
        (None, _) => BodySize::Stream,
    };
    let mut response = Response::with_body(status, Body::Replica { payload, size, in_flight });
    *response.headers_mut() = headers;
    response.head_mut().reason = reason;
    if version < Version::HTTP_11 && size == BodySize::Stream {
        // No chunks for an HTTP/1.0 client: the end of the connection is the end of the body.
        response.head_mut().no_chunking(true);
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    response
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

/// The contract's 400 (`--map-404`).
fn unknown_path(path: &str) -> Response<Body> {
    let message = format!("'{path}' endpoint does not exist in server replicas");
    json_response(StatusCode::BAD_REQUEST, &failure(&message))
}
