//! Sends requests with awc, whose connector is replaced by our connection layer. All types of awc's client are used here.
//!
//! awc's own request and response have hash maps of fields, so the request and the reply pass beside them, in slots. That
//! works because awc calls the connector synchronously in `send_body`; the version of awc is pinned for this reason, and
//! every test of the client would fail without it.

use std::cell::Cell;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_service::Service;
use awc::error::SendRequestError;
use awc::http::Version;
use awc::middleware::Transform;
use awc::{ClientBuilder, ConnectRequest, ConnectResponse, FrozenClientRequest, SendClientRequest};
use futures::future::LocalBoxFuture;

use super::error::{Error, Kind};
use super::exchange;
use super::outgoing::Outgoing;
use super::pool::Pool;
use super::reply::Reply;

/// Sends requests to the replicas that a pool admits.
pub struct Client {
    awc: FrozenClientRequest,
    next: Rc<Cell<Option<Handed>>>,
}

/// A request on its way to a replica; ready with the reply when its head has arrived. Dropping it cancels the request.
pub struct Call {
    awc: SendClientRequest,
    reply: Rc<Cell<Option<Result<Reply, Error>>>>,
}

/// What is passed beside awc's request.
struct Handed {
    address: SocketAddr,
    request: Rc<Outgoing>,
    reply: Rc<Cell<Option<Result<Reply, Error>>>>,
}

/// The middleware that replaces awc's own connector.
#[derive(Clone)]
struct Layer {
    pool: Pool,
    next: Rc<Cell<Option<Handed>>>,
}

impl Client {
    /// A client on this pool: it adds no fields, follows no redirects and has no timeout of its own.
    pub fn new(pool: &Pool) -> Self {
        let next = Rc::<Cell<_>>::default();
        let client = ClientBuilder::new()
            .no_default_headers()
            .disable_redirects()
            .disable_timeout()
            .max_http_version(Version::HTTP_11)
            .wrap(Layer { pool: pool.clone(), next: next.clone() })
            .finish();
        // Neither the URL nor the method is sent.
        let request = client.get("http://replica/").no_decompress().freeze();
        Self { awc: request.expect("a constant URL is valid"), next }
    }

    /// Sends a request to the replica that is admitted at `address`.
    pub fn send(&self, address: SocketAddr, request: &Rc<Outgoing>) -> Call {
        let reply = Rc::<Cell<_>>::default();
        self.next.set(Some(Handed { address, request: request.clone(), reply: reply.clone() }));
        Call { awc: self.awc.send_body(awc::body::None::new()), reply }
    }
}

impl Future for Call {
    type Output = Result<Reply, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let sent = ready!(Pin::new(&mut self.awc).poll(cx));
        let reply = self.reply.take();
        Poll::Ready(reply.unwrap_or_else(|| match sent {
            Ok(_) => Err(Error::request("awc made no request of it")),
            Err(_) => Err(Error::request("refused by awc")),
        }))
    }
}

impl<S> Transform<S, ConnectRequest> for Layer {
    type Transform = Self;

    fn new_transform(self, _own_connector: S) -> Self {
        self
    }
}

impl Service<ConnectRequest> for Layer {
    type Response = ConnectResponse;
    type Error = SendRequestError;
    type Future = LocalBoxFuture<'static, Result<ConnectResponse, SendRequestError>>;

    actix_service::always_ready!();

    fn call(&self, _: ConnectRequest) -> Self::Future {
        let (pool, handed) = (self.pool.clone(), self.next.take());
        Box::pin(async move {
            let Some(Handed { address, request, reply }) = handed else {
                return Err(SendRequestError::Timeout);
            };
            reply.set(Some(match pool.at(address) {
                Some(replica) => exchange::send(pool, replica, &request).await,
                None => Err(Error::untouched(Kind::Unknown(address))),
            }));
            // The only public constructor of a response is awc's for tests.
            Ok(ConnectResponse::Client(awc::test::TestResponse::default().finish()))
        })
    }
}
