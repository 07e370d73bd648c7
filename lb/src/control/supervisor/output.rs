//! Forwards the output of a replica to a reader on another thread.

use std::rc::Rc;

use actix::prelude::*;
use bytes::Bytes;
use futures::StreamExt;
use tokio::sync::mpsc;

use crate::runtime::logs::Output;

use super::{NotRead, Read, SupervisorActor};
use crate::control::panic_guard::exit_on_panic;

/// Limit of simultaneous readers: each reader of a container's output holds a connection to the engine.
const MAX_READERS: usize = 64;

/// Number of chunks buffered for a reader; the runtime bounds its own buffer before that.
const BUFFERED_CHUNKS: usize = 16;

impl Handler<Read> for SupervisorActor {
    type Result = ResponseFuture<Result<mpsc::Receiver<Bytes>, NotRead>>;

    fn handle(&mut self, Read { name, tail }: Read, _: &mut Self::Context) -> Self::Result {
        let view = self.fleet.view();
        let seated = view.seats.iter().filter_map(|seat| seat.replica.as_ref());
        let found = seated.chain(&view.others).find(|replica| replica.name == name);
        let Some(replica) = found else { return Box::pin(async { Err(NotRead::Unknown(name)) }) };
        let readers = self.readers.clone();
        if Rc::strong_count(&readers) > MAX_READERS + 1 {
            return Box::pin(async { Err(NotRead::TooMany) });
        }
        let output = self.runtime.logs(replica.incarnation, tail);
        Box::pin(async move {
            let output = output.await?;
            let (sender, receiver) = mpsc::channel(BUFFERED_CHUNKS);
            actix_rt::spawn(exit_on_panic("supervisor", Box::pin(forward(output, sender, readers))));
            Ok(receiver)
        })
    }
}

/// Forwards the output until it ends or the reader closes the channel.
async fn forward(mut output: Output, reader: mpsc::Sender<Bytes>, _readers: Rc<()>) {
    loop {
        let chunk = tokio::select! {
            chunk = output.next() => chunk,
            () = reader.closed() => None,
        };
        let Some(chunk) = chunk else { break };
        if reader.send(chunk).await.is_err() {
            break;
        }
    }
}
