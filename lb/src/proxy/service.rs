//! The service of the traffic listener: answers /heartbeat, /rep, /add and /rm, and forwards everything else.

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::IpAddr;
use std::rc::Rc;

use actix_http::body::BodySize;
use actix_http::{ConnectionType, Method, Payload, Request, StatusCode};
use actix_service::Service;
use awc::http::uri::PathAndQuery;
use futures::future::LocalBoxFuture;

use super::client::ReplayBody;
use super::dispatcher::{Connection, Incoming, Response};
use super::router;
use super::router::{RequestLog, RequestLogger, RouterHandle};
use crate::auth::AuthHandle;
use crate::control::supervisor::{StartDuration, SupervisorHandle};
use crate::http1::fields::Fields;
use crate::http1::known::Known;

use super::body::{Body, LoggedBody};
use super::error::{Error, RequestError, readiness};
use super::error_body::ErrorResponse as _;
use super::forwarded::{self, TrustedProxies};
use super::hop_by_hop::{content_length, strip_hop_by_hop, take_protocols};
use super::{control_api, credentials, cross_site, debug_headers, reply};

/// Configuration of the traffic listener. A change applies to every later request.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Access to /rep, /add and /rm.
    pub control: Control,
    /// Limits of the request body of /add and /rm.
    pub control_body: control_api::Limits,
    /// Whether a replica's 404 is replaced by the contract's 400 (`--map-404`).
    pub map_404: bool,
    /// Whether responses carry the routing headers of `--debug-headers`.
    pub debug_headers: bool,
    /// The start time of a replica that was measured last: the `Retry-After` of a 503 without a replica.
    pub start_duration: StartDuration,
    /// Proxies whose forwarding fields are accepted.
    pub trusted_proxies: TrustedProxies,
    /// Port of the traffic listener, for `X-Forwarded-Port`.
    pub port: u16,
}

/// Access to /rep, /add and /rm.
#[derive(Clone, Debug)]
pub enum Control {
    /// Every client that reaches the listener.
    Open,
    /// Clients that send the admin token as a bearer token.
    Token(AuthHandle),
    /// No access: these paths and /heartbeat are forwarded like every other path.
    Off,
}

/// The HTTP service of one worker: cheap to clone.
#[derive(Clone)]
pub struct ProxyService(Rc<Inner>);

struct Inner {
    settings: Rc<RefCell<Settings>>,
    router: RouterHandle,
    supervisor: SupervisorHandle,
    request_logger: RequestLogger,
}

impl ProxyService {
    /// The service of the worker whose router this is. A change of `settings` applies to every later request.
    pub fn new(
        settings: Rc<RefCell<Settings>>,
        supervisor: SupervisorHandle,
        router: RouterHandle,
        request_logger: RequestLogger,
    ) -> Self {
        Self(Rc::new(Inner { settings, router, supervisor, request_logger }))
    }
}

impl Service<Incoming> for ProxyService {
    type Response = Response<LoggedBody>;
    type Error = Infallible;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Infallible>>;

    actix_service::always_ready!();

    fn call(&self, incoming: Incoming) -> Self::Future {
        let inner = self.0.clone();
        let request_log = inner.request_logger.begin();
        let connection = incoming.connection().clone();
        Box::pin(async move {
            let serve = async |request: Request, fields: Fields| {
                request_log.set_client_request(&request, &fields, || inner.client(&fields, &connection));
                let response = inner.serve(request, fields, &connection, &request_log).await;
                inner.complete(response, &request_log)
            };
            let refuse = |rejection| {
                let error = RequestError::Rejected(rejection);
                request_log.reject(&error);
                inner.complete(error.response().into(), &request_log)
            };
            request_log.set_peer(connection.address());
            Ok(incoming.answer(serve, refuse).await)
        })
    }
}

impl Inner {
    async fn serve(
        &self,
        request: Request,
        fields: Fields,
        connection: &Rc<Connection>,
        request_log: &Rc<RequestLog>,
    ) -> Response<Body> {
        self.dispatch(request, fields, connection, request_log).await.unwrap_or_else(|error| {
            request_log.fail(&error);
            error.response_after(&self.settings.borrow().start_duration).into()
        })
    }

    async fn dispatch(
        &self,
        mut request: Request,
        fields: Fields,
        connection: &Rc<Connection>,
        request_log: &Rc<RequestLog>,
    ) -> Result<Response<Body>, Error> {
        let payload = request.take_payload();
        let (serves_control, limits) = {
            let settings = self.settings.borrow();
            (!matches!(settings.control, Control::Off), settings.control_body)
        };
        match (request.method(), request.path()) {
            (&Method::GET | &Method::HEAD, "/heartbeat") if serves_control => {
                let ready = self.supervisor.is_ready().await;
                Ok(actix_http::Response::with_body(readiness(ready), Body::Own(Default::default())).into())
            }
            (&Method::GET | &Method::HEAD, "/rep") if serves_control => {
                self.authorize(&request, &fields, connection).await?;
                Ok(control_api::rep(&self.supervisor).await?.into())
            }
            (&Method::POST, "/add") if serves_control => {
                self.authorize(&request, &fields, connection).await?;
                Ok(control_api::add(&self.supervisor, payload, limits).await?.into())
            }
            (&Method::POST | &Method::DELETE, "/rm") if serves_control => {
                self.authorize(&request, &fields, connection).await?;
                Ok(control_api::remove(&self.supervisor, payload, limits).await?.into())
            }
            _ => self.forward(request, fields, payload, connection, request_log).await,
        }
    }

    /// Authorises a control call (/rep, /add, /rm). Cross-site requests of a browser must not change anything.
    async fn authorize(
        &self,
        request: &Request,
        fields: &Fields,
        connection: &Connection,
    ) -> Result<(), Error> {
        if !request.method().is_safe() && cross_site::is_foreign(fields) {
            return Err(RequestError::OtherSite.into());
        }
        let auth = match &self.settings.borrow().control {
            Control::Token(auth) => auth.clone(),
            Control::Open | Control::Off => return Ok(()),
        };
        let token = credentials::bearer(fields).ok_or(RequestError::NoToken)?;
        let client = self.client(fields, connection).ok_or(router::Error::ClientLeft)?;
        Ok(credentials::verify_token(&auth, client, token).await?)
    }

    async fn forward(
        &self,
        request: Request,
        mut fields: Fields,
        payload: Payload,
        connection: &Rc<Connection>,
        request_log: &Rc<RequestLog>,
    ) -> Result<Response<Body>, Error> {
        let peer = connection.peer().ok_or(router::Error::ClientLeft)?;
        let head = request.head();
        if forwarded::is_loop(&fields) {
            return Err(Error::Loop);
        }
        let target = match head.uri.path_and_query() {
            Some(target) => target.clone(),
            None => PathAndQuery::from_static("/"),
        };
        let offer = take_protocols(&mut fields).filter(|_| head.connection_type() == ConnectionType::Upgrade);
        let body = request_body(&fields, payload);
        let body = match offer {
            Some(_) => Some(ReplayBody::offer(body, connection.after_body())),
            None => body,
        };
        strip_hop_by_hop(&mut fields);
        fields.remove(Known::Expect); // the dispatcher sends the 100 itself
        credentials::remove_session_cookies(&mut fields);
        let (client, mapped_path) = {
            let settings = self.settings.borrow();
            if let (Control::Token(_), "/rep" | "/add" | "/rm") = (&settings.control, target.path()) {
                fields.remove(Known::Authorization); // the admin token must not reach a replica, whatever the method
            }
            let client = forwarded::rewrite(&mut fields, peer, &settings.trusted_proxies, settings.port);
            (client, settings.map_404.then(|| target.path().to_owned()))
        };
        forwarded::append_via(&mut fields);
        if let Some(offer) = &offer {
            fields.add(Known::Upgrade, offer);
            fields.add(Known::Connection, b"upgrade");
        }
        let (method, request_log) = (head.method.clone(), request_log.clone());
        let waiting = connection.waiting();
        let forwarded = router::Request { method, target, fields, offer, client, body, waiting, request_log };
        let reply = self.router.route(forwarded).await?;
        match mapped_path {
            Some(path) if reply.status == StatusCode::NOT_FOUND => {
                Ok(Error::UnknownPath(path).response().into())
            }
            _ => Ok(reply::response(reply, &head.method)),
        }
    }

    /// Completes the response. Its body owns the request log, which ends when the body is dropped.
    fn complete(&self, mut response: Response<Body>, request_log: &Rc<RequestLog>) -> Response<LoggedBody> {
        request_log.set_status(response.head.status());
        if self.settings.borrow().debug_headers {
            debug_headers::insert(&mut response.head, &request_log.info());
        }
        let Response { head, body } = response;
        Response { head, body: LoggedBody::new(body, request_log.clone()) }
    }

    /// The client's address; `None` if it disconnected before the address was read.
    fn client(&self, fields: &Fields, connection: &Connection) -> Option<IpAddr> {
        let (peer, trusted) = (connection.peer()?, &self.settings.borrow().trusted_proxies);
        Some(forwarded::client(fields, peer, trusted))
    }
}

/// The request body with the client's framing. `None` if the request has none: the dispatcher then creates no payload, also
/// if `Content-Length` is zero.
fn request_body(fields: &Fields, payload: Payload) -> Option<ReplayBody> {
    if matches!(payload, Payload::None) {
        return None;
    }
    let chunked = fields.has(Known::TransferEncoding);
    let size = match content_length(fields) {
        _ if chunked => BodySize::Stream,
        Some(length) => BodySize::Sized(length),
        None => return None,
    };
    Some(ReplayBody::new(payload, size))
}
