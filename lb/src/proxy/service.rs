//! The traffic listener: four paths of its own, everything else goes to a replica.

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::IpAddr;
use std::rc::Rc;

use actix::Addr;
use actix_http::body::BodySize;
use actix_http::header::{self, HeaderMap, HeaderValue};
use actix_http::{Method, Payload, Request, Response, StatusCode};
use actix_service::{Service, ServiceFactory, fn_factory};
use awc::http::uri::PathAndQuery;
use futures::future::LocalBoxFuture;
use send_wrapper::SendWrapper;
use tokio::sync::oneshot;

use super::client::ReplayBody;
use super::guard;
use super::guard::Answer;
use super::router;
use super::router::{RequestLog, RequestLogger, Route, RouterActor};
use crate::auth::actor::AuthActor;
use crate::control::supervisor::{Ready, StartTime, SupervisorActor};

use super::body::{Body, LoggedBody};
use super::error::Error;
use super::forwarded::{self, Connected, Peer, TrustedProxies};
use super::hop_by_hop::{content_length, set_upgrade, strip_hop_by_hop, take_offer};
use super::{control_api, credentials, cross_site, debug_headers, reply};

/// What the traffic listener goes by.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who may call /rep, /add and /rm.
    pub control: Control,
    /// The body of /add and /rm.
    pub control_body: control_api::Limits,
    /// Whether a replica's 404 becomes the contract's 400.
    pub map_404: bool,
    /// Whether a reply tells the way of its request.
    pub debug_headers: bool,
    /// When a client may try again that found no replica.
    pub start_time: StartTime,
    /// Whose forwarding fields are believed.
    pub trusted_proxies: TrustedProxies,
    /// The port of the traffic listener.
    pub port: u16,
}

/// Who may call /rep, /add and /rm.
#[derive(Clone, Debug)]
pub enum Control {
    /// Whoever reaches the listener.
    Open,
    /// Who shows the admin token.
    Token(Addr<AuthActor>),
    /// Nobody: they are a replica's like every other path.
    Off,
}

/// The service of one HTTP worker.
#[derive(Clone)]
pub struct ProxyService(Rc<Inner>);

struct Inner {
    settings: Rc<RefCell<Settings>>,
    router: Addr<RouterActor>,
    supervisor: Addr<SupervisorActor>,
    request_logger: RequestLogger,
}

/// The service as the HTTP server wants it, without actix-web's `App`: 0.4 µs less for each request. `worker` starts
/// the router of the worker that calls it, and says who is told of its requests. Another value of `settings` counts for
/// every request that comes after it.
pub fn service(
    settings: Rc<RefCell<Settings>>,
    supervisor: Addr<SupervisorActor>,
    worker: impl Fn() -> (Addr<RouterActor>, RequestLogger),
) -> impl ServiceFactory<
    Request,
    Config = (),
    Response = Response<Answer<LoggedBody>>,
    Error = Infallible,
    InitError = (),
    Service = ProxyService,
    Future: 'static,
> {
    fn_factory(move || {
        let (router, request_logger) = worker();
        let front =
            Inner { settings: settings.clone(), router, supervisor: supervisor.clone(), request_logger };
        async move { Ok(ProxyService(Rc::new(front))) }
    })
}

impl Service<Request> for ProxyService {
    type Response = Response<Answer<LoggedBody>>;
    type Error = Infallible;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Infallible>>;

    actix_service::always_ready!();

    fn call(&self, request: Request) -> Self::Future {
        let front = self.0.clone();
        let request_log = front.request_logger.begin();
        let peer = request.peer_addr();
        Box::pin(async move {
            let serve = async |request: Request| {
                request_log.set_client_request(&request, || front.client(&request));
                let response = front.serve(request, &request_log).await;
                front.follow(response, &request_log)
            };
            let refuse = |refusal| {
                let error = Error::Inbound(refusal);
                request_log.info().error = None; // this is why there is any other
                request_log.fail(&error);
                front.follow(error.response(), &request_log)
            };
            request_log.set_peer(peer);
            Ok(guard::answer(request, serve, refuse).await)
        })
    }
}

impl Inner {
    async fn serve(&self, mut request: Request, request_log: &Rc<RequestLog>) -> Response<Body> {
        let payload = request.take_payload();
        let answer = self.answer(request, payload, request_log).await;
        let mut response = answer.unwrap_or_else(|error| {
            request_log.fail(&error);
            self.failure(&error)
        });
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            response.head_mut().no_chunking(true);
        }
        response
    }

    async fn answer(
        &self,
        request: Request,
        payload: Payload,
        request_log: &Rc<RequestLog>,
    ) -> Result<Response<Body>, Error> {
        let (ours, limits) = {
            let settings = self.settings.borrow();
            (!matches!(settings.control, Control::Off), settings.control_body)
        };
        match (request.method(), request.path()) {
            (&Method::GET | &Method::HEAD, "/heartbeat") if ours => {
                let ready = self.supervisor.send(Ready).await.unwrap_or(false);
                let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
                Ok(Response::with_body(status, Body::Own(Default::default())))
            }
            (&Method::GET | &Method::HEAD, "/rep") if ours => {
                self.admit(&request).await?;
                control_api::rep(&self.supervisor).await
            }
            (&Method::POST, "/add") if ours => {
                self.admit(&request).await?;
                control_api::add(&self.supervisor, payload, limits).await
            }
            (&Method::POST | &Method::DELETE, "/rm") if ours => {
                self.admit(&request).await?;
                control_api::remove(&self.supervisor, payload, limits).await
            }
            _ => self.forward(request, payload, request_log).await,
        }
    }

    /// Whether whoever sent a control call may. A page that a browser shows may not have it change anything.
    async fn admit(&self, request: &Request) -> Result<(), Error> {
        if !request.method().is_safe() && cross_site::is_foreign(&request.head().headers) {
            return Err(Error::OtherSite);
        }
        let gate = match &self.settings.borrow().control {
            Control::Token(gate) => gate.clone(),
            Control::Open | Control::Off => return Ok(()),
        };
        let token = credentials::bearer(&request.head().headers).ok_or(Error::NoToken)?;
        let client = self.client(request).ok_or(router::Error::ClientLeft)?;
        credentials::show(&gate, client, token).await
    }

    async fn forward(
        &self,
        mut request: Request,
        payload: Payload,
        request_log: &Rc<RequestLog>,
    ) -> Result<Response<Body>, Error> {
        let peer = peer(&request).ok_or(router::Error::ClientLeft)?;
        let following = guard::what_follows(&request);
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
        let body = request_body(&headers, payload);
        let body = match following {
            Some(following) if !offer.is_empty() => Some(ReplayBody::offer(body, following)),
            _ => body,
        };
        strip_hop_by_hop(&mut headers);
        headers.remove(header::EXPECT); // inbound answers it
        credentials::withhold_cookies(&mut headers);
        if let (Control::Token(_), "/rep" | "/add" | "/rm") = (&self.settings.borrow().control, target.path())
        {
            headers.remove(header::AUTHORIZATION); // meant for us, though the method is not ours
        }
        let client = {
            let settings = self.settings.borrow();
            forwarded::rewrite(&mut headers, peer, &settings.trusted_proxies, settings.port)
        };
        forwarded::sign(&mut headers);
        if !offer.is_empty() {
            set_upgrade(&mut headers, offer);
        }
        let path = self.settings.borrow().map_404.then(|| target.path().to_owned());
        let request_log = request_log.clone();
        let forwarded =
            router::Request { method: method.clone(), target, headers, client, body, request_log };
        // Dropped with this future, when the client leaves.
        let (_here, gone) = oneshot::channel();
        let route = Route { request: SendWrapper::new(forwarded), gone };
        let answer = self.router.send(route).await.map_err(|_| router::Error::Stopping)??.take();
        match path {
            Some(path) if answer.status == StatusCode::NOT_FOUND => Ok(reply::unknown_path(&path)),
            _ => Ok(reply::response(answer, &method, version)),
        }
    }

    /// The answer as it is sent, and the request_log's end with it.
    fn follow(&self, mut response: Response<Body>, request_log: &Rc<RequestLog>) -> Response<LoggedBody> {
        request_log.info().status = Some(response.status());
        if self.settings.borrow().debug_headers {
            debug_headers::tell(response.headers_mut(), &request_log.info());
        }
        response.map_body(|_, body| LoggedBody::new(body, request_log.clone()))
    }

    fn failure(&self, error: &Error) -> Response<Body> {
        let mut response = error.response();
        if let Error::Router(router::Error::NoReplica) = error {
            let seconds = HeaderValue::from(self.settings.borrow().start_time.seconds());
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }

    /// Whose request it is; `None` if its sender left at once.
    fn client(&self, request: &Request) -> Option<IpAddr> {
        let (peer, trusted) = (peer(request)?, &self.settings.borrow().trusted_proxies);
        Some(forwarded::client(&request.head().headers, &peer, trusted))
    }
}

/// Who sent a request; `None` if it left at once.
fn peer(request: &Request) -> Option<Peer> {
    let address = request.peer_addr()?;
    let connected = request.conn_data::<Connected>();
    Some(connected.map_or_else(|| Peer::new(address), |connected| connected.peer(address)))
}

/// The client's body as it was framed. `None` if there is none, as `inbound` has decided: it makes no payload then,
/// also if `Content-Length` is zero.
fn request_body(headers: &HeaderMap, payload: Payload) -> Option<ReplayBody> {
    if matches!(payload, Payload::None) {
        return None;
    }
    let chunked = headers.contains_key(header::TRANSFER_ENCODING);
    let size = match content_length(headers) {
        _ if chunked => BodySize::Stream,
        Some(length) => BodySize::Sized(length),
        None => return None,
    };
    Some(ReplayBody::new(payload, size))
}
