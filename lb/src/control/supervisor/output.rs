//! The output of a replica, handed on to whoever reads it on another thread.

use std::rc::Rc;

use actix::prelude::*;
use bytes::Bytes;
use futures::StreamExt;
use tokio::sync::mpsc;

use crate::runtime::logs::Output;

use super::{NotRead, Read, SupervisorActor};
use crate::control::panic_guard::exit_on_panic;

/// How many may read at one time: of containers, each has a connection to the engine.
const READERS: usize = 64;

/// Pieces that wait for a reader; the runtime bounds what waits for these.
const AHEAD: usize = 16;

impl Handler<Read> for SupervisorActor {
    type Result = ResponseFuture<Result<mpsc::Receiver<Bytes>, NotRead>>;

    fn handle(&mut self, Read { name, tail }: Read, _: &mut Self::Context) -> Self::Result {
        let view = self.fleet.view();
        let seated = view.seats.iter().filter_map(|seat| seat.replica.as_ref());
        let found = seated.chain(&view.others).find(|replica| replica.name == name);
        let Some(replica) = found else { return Box::pin(async { Err(NotRead::Unknown(name)) }) };
        let reading = self.reading.clone();
        if Rc::strong_count(&reading) > READERS + 1 {
            return Box::pin(async { Err(NotRead::TooMany) });
        }
        let output = self.runtime.logs(replica.incarnation, tail);
        Box::pin(async move {
            let output = output.await?;
            let (sender, receiver) = mpsc::channel(AHEAD);
            actix_rt::spawn(exit_on_panic("supervisor", Box::pin(hand_on(output, sender, reading))));
            Ok(receiver)
        })
    }
}

/// Until the output ends or nobody reads it any more.
async fn hand_on(mut output: Output, reader: mpsc::Sender<Bytes>, _reading: Rc<()>) {
    loop {
        let piece = tokio::select! {
            piece = output.next() => piece,
            () = reader.closed() => None,
        };
        let Some(piece) = piece else { break };
        if reader.send(piece).await.is_err() {
            break;
        }
    }
}
