//! Tests of the client against scripted replicas on raw sockets, correct and faulty ones.

mod activity;
mod failures;
mod faults;
mod fuzz;
mod heartbeats;
mod replica;
mod transfers;

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use actix_http::Payload;
use actix_http::error::PayloadError;
use awc::body::BodySize;
use awc::http::Method;
use bytes::Bytes;
use futures::{Stream, StreamExt};

use self::replica::Replica;
use super::*;
use crate::http1::fields::{FieldValues, Fields};
use crate::http1::known::Known;
use crate::ring::Incarnation;

/// The incarnation of the replica that [`Rig::new`] admits.
const FIRST: Incarnation = Incarnation(1);

/// The pool of a worker with one admitted replica.
struct Rig {
    pool: Pool,
    client: Client,
    address: SocketAddr,
}

/// A reply with its whole body.
#[derive(Debug)]
struct CompleteReply {
    status: u16,
    fields: Fields,
    body: Result<Bytes, PayloadError>,
}

impl Rig {
    fn new(replica: &Replica) -> Self {
        Self::with(replica.address, Settings::default())
    }

    fn with(address: SocketAddr, settings: Settings) -> Self {
        let pool = Pool::new(settings);
        pool.admit(address, FIRST);
        Self { client: Client::new(&pool), pool, address }
    }

    /// Begins a request without a body.
    fn begin(&self, method: Method, path: &str) -> Call {
        self.with_fields(method, path, Fields::default(), None)
    }

    /// Begins a POST, or another request with a body.
    fn upload(&self, method: Method, path: &str, body: ReplayBody) -> Call {
        self.with_fields(method, path, Fields::default(), Some(body))
    }

    fn with_fields(&self, method: Method, path: &str, mut fields: Fields, body: Option<ReplayBody>) -> Call {
        fields.add(Known::Host, b"lb");
        let offer = fields.get(Known::Upgrade).map(<[u8]>::to_vec);
        self.client.send(self.address, &Rc::new(Outgoing::new(method, path, &mut fields, offer, body)))
    }

    async fn get(&self, path: &str) -> Result<CompleteReply, Error> {
        self.send(Method::GET, path).await
    }

    async fn send(&self, method: Method, path: &str) -> Result<CompleteReply, Error> {
        Ok(whole(soon(self.begin(method, path)).await?).await)
    }

    async fn get_ok(&self, path: &str) -> Bytes {
        let reply = self.get(path).await.unwrap();
        assert_eq!(reply.status, 200);
        reply.body.unwrap()
    }
}

/// Fails the test if the future does not resolve.
async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(120), future).await.expect("still waiting")
}

/// Lets other tasks run until `state` holds. The timeout is far below the maximum age of idle connections.
async fn until(state: impl Fn() -> bool) {
    let reached = async {
        while !state() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reached).await.expect("the state was not reached");
}

async fn whole(mut reply: Reply) -> CompleteReply {
    let mut body = Ok(Vec::new());
    while let Some(chunk) = soon(reply.payload.next()).await {
        match (&mut body, chunk) {
            (Ok(body), Ok(chunk)) => body.extend_from_slice(&chunk),
            (_, Err(error)) => body = Err(error),
            (Err(_), Ok(_)) => panic!("data after an error"),
        }
    }
    CompleteReply { status: reply.status.as_u16(), fields: reply.fields, body: body.map(Bytes::from) }
}

/// The error; fails the test if there is none.
fn error<T>(result: &Result<T, Error>) -> &Error {
    result.as_ref().err().expect("expected an error")
}

/// A client's body.
fn body(size: BodySize, chunks: impl Stream<Item = Result<Bytes, PayloadError>> + 'static) -> ReplayBody {
    ReplayBody::new(Payload::Stream { payload: Box::pin(chunks) }, size)
}
