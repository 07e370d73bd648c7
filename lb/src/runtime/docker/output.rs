//! What a container writes, as the engine keeps it.

use std::time::Duration;

use bytes::Bytes;
use futures::future;
use futures::stream::{self, StreamExt};
use tokio::time::timeout;

use super::super::{NoLogs, Tail, logs};
use super::engine::Engine;
use super::trouble::Trouble;

/// How long a first piece or a refusal is waited for. A silent container has neither.
const FIRST: Duration = Duration::from_secs(1);

/// The output of a container; it ends when the container does, or the engine breaks it off.
pub(super) async fn of(engine: &Engine, id: &str, tail: Tail) -> Result<logs::Output, NoLogs> {
    let mut pieces = engine.logs(id, tail).boxed_local();
    let first = match timeout(FIRST, pieces.next()).await {
        Ok(Some(Err(Trouble::NotFound(_)))) => return Err(NoLogs::Nothing),
        Ok(Some(Err(trouble))) => return Err(NoLogs::Engine(trouble.to_string())),
        Ok(Some(Ok(first))) => Some(first),
        Ok(None) => return Ok(stream::empty().boxed_local()),
        Err(_) => None,
    };
    let rest = pieces.scan(false, |broken, piece| {
        future::ready(match (*broken, piece) {
            (true, _) => None,
            (false, Ok(piece)) => Some(piece),
            (false, Err(trouble)) => {
                *broken = true;
                Some(Bytes::from(format!("lb: the engine broke off: {trouble}\n")))
            }
        })
    });
    Ok(stream::iter(first).chain(rest).boxed_local())
}
