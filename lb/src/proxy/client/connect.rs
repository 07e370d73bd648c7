//! Establishes a connection to a replica.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use tokio::net::TcpStream;

use super::connection::Connection;
use super::error::{Error, Kind, Phase};
use super::pool::{Pool, Replica};
use crate::shortage;

/// Opens a connection. After a shortage of resources of the balancer the idle connections of this worker are closed,
/// and the connection is tried once more.
pub(super) async fn connect(pool: &Pool, replica: &Replica) -> Result<Connection, Error> {
    match open(pool, replica).await {
        Err(Error { kind: Kind::Connect(error), .. }) if shortage::is_own_shortage(&error) => {
            shortage::report("upstream_connect", &error);
            if pool.close_idle() {
                return open(pool, replica).await;
            }
            Err(Error::untouched(Kind::Connect(error)))
        }
        opened => opened,
    }
}

async fn open(pool: &Pool, replica: &Replica) -> Result<Connection, Error> {
    let deadline = pool.deadline();
    deadline.arm(pool.settings().timeout(Phase::Connect));
    let mut opening = pin!(TcpStream::connect(replica.address));
    let opened = poll_fn(|cx| {
        if replica.is_aborted() {
            return Poll::Ready(Err(Kind::Aborted));
        }
        if let Poll::Ready(opened) = opening.as_mut().poll(cx) {
            let failed = |error| Kind::Connect(shortage::connect_error(error, replica.address));
            return Poll::Ready(opened.map_err(failed));
        }
        deadline.poll(cx).map(|()| Err(Kind::TimedOut(Phase::Connect)))
    });
    let io = opened.await.map_err(Error::untouched)?;
    Connection::new(io, deadline, pool.settings().user_timeout())
        .map_err(|error| Error::untouched(Kind::Connect(error)))
}
