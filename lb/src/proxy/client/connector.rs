//! The layer as a middleware of awc that handles every request itself.

use actix_service::Service;
use awc::body::BoxBody;
use awc::error::SendRequestError;
use awc::http::Version;
use awc::middleware::Transform;
use awc::{Client, ClientBuilder, ClientResponse, ConnectRequest, ConnectResponse};
use futures::future::{self, LocalBoxFuture};

use super::error::{Error, Kind};
use super::exchange;
use super::pool::Pool;
use super::reply::Reply;

/// The factory of [`Layer`].
struct Wrap(Pool);

/// The middleware. It replaces awc's own connector, which is dropped.
struct Layer(Pool);

/// An awc client that sends through the pool, without redirects, timeouts or header fields of its own.
pub(crate) fn build(pool: &Pool) -> Client {
    ClientBuilder::new()
        .no_default_headers()
        .disable_redirects()
        .disable_timeout()
        .max_http_version(Version::HTTP_11)
        .wrap(Wrap(pool.clone()))
        .finish()
}

impl<S> Transform<S, ConnectRequest> for Wrap {
    type Transform = Layer;

    fn new_transform(self, _own_connector: S) -> Layer {
        Layer(self.0)
    }
}

impl Service<ConnectRequest> for Layer {
    type Response = ConnectResponse;
    type Error = SendRequestError;
    type Future = LocalBoxFuture<'static, Result<ConnectResponse, SendRequestError>>;

    actix_service::always_ready!();

    fn call(&self, request: ConnectRequest) -> Self::Future {
        let refuse = |kind| -> Self::Future { Box::pin(future::err(Error::untouched(kind).into())) };
        let (head, body, address) = match request {
            ConnectRequest::Client(head, body, Some(address)) => (head, body, address),
            ConnectRequest::Client(_, _, None) => return refuse(Kind::Request("no address")),
            ConnectRequest::Tunnel(..) => return refuse(Kind::Request("tunnels are not for awc")),
        };
        let Some(replica) = self.0.at(address) else { return refuse(Kind::Unknown(address)) };
        let reply = exchange::send(self.0.clone(), replica, head, BoxBody::new(body));
        Box::pin(async move { Ok(ConnectResponse::Client(response(reply.await?))) })
    }
}

/// Converts a reply. The only public constructor of a [`ClientResponse`] is awc's for tests; the version of awc is
/// pinned because of this use.
fn response(mut reply: Reply) -> ClientResponse {
    awc::test::TestResponse::default().finish().map_body(move |head, _| {
        (head.status, head.reason) = (reply.status, reply.reason);
        head.headers = std::mem::take(&mut reply.headers);
        reply.into_payload()
    })
}
