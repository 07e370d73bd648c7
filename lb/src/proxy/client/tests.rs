//! Tests of the client against scripted replicas on raw sockets, correct and faulty ones.

mod activity;
mod failures;
mod faults;
mod fuzz;
mod heartbeats;
mod replica;
mod transfers;

use std::net::SocketAddr;
use std::time::Duration;

use actix_http::Payload;
use actix_http::error::PayloadError;
use awc::body::{BodySize, None as NoBody};
use awc::error::SendRequestError;
use awc::http::Method;
use awc::{Client, ClientRequest, ClientResponse};
use bytes::Bytes;
use futures::{Stream, StreamExt};

use self::replica::Replica;
use super::*;
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
    headers: awc::http::header::HeaderMap,
    body: Result<Bytes, PayloadError>,
}

impl Rig {
    fn new(replica: &Replica) -> Self {
        Self::with(replica.address, Settings::default())
    }

    fn with(address: SocketAddr, settings: Settings) -> Self {
        let pool = Pool::new(settings);
        pool.admit(address, FIRST);
        Self { client: pool.client(), pool, address }
    }

    fn request(&self, method: Method, path: &str) -> ClientRequest {
        self.client.request(method, format!("http://lb{path}")).address(self.address).no_decompress()
    }

    async fn get(&self, path: &str) -> Result<CompleteReply, SendRequestError> {
        self.send(Method::GET, path).await
    }

    async fn send(&self, method: Method, path: &str) -> Result<CompleteReply, SendRequestError> {
        Ok(whole(soon(self.request(method, path).send_body(NoBody::new())).await?).await)
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

async fn whole(mut reply: ClientResponse) -> CompleteReply {
    let mut body = Ok(Vec::new());
    while let Some(chunk) = soon(reply.next()).await {
        match (&mut body, chunk) {
            (Ok(body), Ok(chunk)) => body.extend_from_slice(&chunk),
            (_, Err(error)) => body = Err(error),
            (Err(_), Ok(_)) => panic!("data after an error"),
        }
    }
    CompleteReply {
        status: reply.status().as_u16(),
        headers: reply.headers().clone(),
        body: body.map(Bytes::from),
    }
}

/// The error of the layer; fails the test if there is none.
fn error<T: std::fmt::Debug>(result: &Result<T, SendRequestError>) -> &Error {
    Error::of(result.as_ref().unwrap_err()).expect("expected an error of the layer")
}

/// A client's body.
fn body(size: BodySize, chunks: impl Stream<Item = Result<Bytes, PayloadError>> + 'static) -> ReplayBody {
    ReplayBody::new(Payload::Stream { payload: Box::pin(chunks) }, size)
}
