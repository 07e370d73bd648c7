//! Output of a container, as the engine stores it.

use std::time::Duration;

use bytes::Bytes;
use futures::future;
use futures::stream::{self, StreamExt};
use tokio::time::timeout;

use super::super::{NoLogs, Tail, logs};
use super::engine::Engine;
use super::engine_error::EngineError;

/// Time for which a first piece or an error is awaited. A silent container has neither.
const FIRST: Duration = Duration::from_secs(1);

/// Reads the output of a container; it ends when the container does, or when the engine closes the connection.
pub(super) async fn of(engine: &Engine, id: &str, tail: Tail) -> Result<logs::Output, NoLogs> {
    let mut pieces = engine.logs(id, tail).boxed_local();
    let first = match timeout(FIRST, pieces.next()).await {
        Ok(Some(Err(EngineError::NotFound(_)))) => return Err(NoLogs::Nothing),
        Ok(Some(Err(error))) => return Err(NoLogs::Engine(error.to_string())),
        Ok(Some(Ok(first))) => Some(first),
        Ok(None) => return Ok(stream::empty().boxed_local()),
        Err(_) => None,
    };
    let rest = pieces.scan(false, |broken, piece| {
        future::ready(match (*broken, piece) {
            (true, _) => None,
            (false, Ok(piece)) => Some(piece),
            (false, Err(error)) => {
                *broken = true;
                Some(Bytes::from(format!("lb: the engine broke off: {error}\n")))
            }
        })
    });
    Ok(stream::iter(first).chain(rest).boxed_local())
}
