//! JournalActor: the latest transitions, and who follows them. It is told and never asks: nobody waits for a reader.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix::prelude::*;
use bytes::Bytes;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::fleet::Transition;

use super::panic_guard::PanicGuard;

/// How many events a reader can have missed.
pub const KEPT: usize = 1024;

/// How many readers there may be.
pub const READERS: usize = 64;

/// How many events a reader may lag behind before it is dropped; its connection buffers some more.
const LAG: usize = 256;

/// A comment in every pause of this length: proxies keep the connection, and readers that have left are noticed.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Owns the events. Their ids grow by one from the start's Unix time in milliseconds, so that an id of an earlier
/// process is always too old.
pub struct JournalActor {
    kept: VecDeque<Bytes>,
    next: u64,
    epoch: u64,
    readers: Vec<mpsc::Sender<Bytes>>,
    dropped: u64,
    _guard: PanicGuard,
}

/// Something has changed.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Tell {
    /// What, in order.
    pub transitions: Vec<Transition>,
    /// The ring's epoch with it, if the ring has changed.
    pub epoch: Option<u64>,
}

/// Somebody wants to read on.
#[derive(Message)]
#[rtype(result = "Result<Subscribed, TooManyReaders>")]
pub struct Subscribe {
    /// The last event that it has seen.
    pub after: Option<u64>,
}

/// The answer to [`Subscribe`].
#[derive(Debug)]
pub struct Subscribed {
    /// The id of the last event before `live`.
    pub last: u64,
    /// What was missed; `None` if that is not known any more, or was not asked.
    pub missed: Option<Vec<Bytes>>,
    /// What follows; it ends when the reader lags too far behind.
    pub live: mpsc::Receiver<Bytes>,
}

/// [`READERS`] follow already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyReaders;

/// What happened last?
#[derive(Message)]
#[rtype(result = "Vec<Bytes>")]
pub struct Latest {
    /// At most so many.
    pub limit: usize,
}

/// Who follows?
#[derive(Message)]
#[rtype(result = "Audience")]
pub struct Count;

/// The answer to [`Count`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, MessageResponse, utoipa::ToSchema)]
pub struct Audience {
    /// Readers now.
    pub subscribers: usize,
    /// Readers dropped because they did not read, since the start.
    pub dropped: u64,
}

#[derive(Serialize)]
struct Event<'a> {
    id: u64,
    #[serde(flatten)]
    transition: &'a Transition,
    epoch: u64,
    time: String,
}

impl JournalActor {
    /// Nothing has happened yet.
    pub fn new() -> Self {
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let next = u64::try_from(started.as_millis()).unwrap_or_default();
        Self {
            kept: VecDeque::new(),
            next,
            epoch: 0,
            readers: Vec::new(),
            dropped: 0,
            _guard: PanicGuard("journal"),
        }
    }

    fn record(&mut self, transition: &Transition) {
        let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        let event = Event { id: self.next, transition, epoch: self.epoch, time };
        let frame = frame(Some(self.next), transition.name, &serde_json::json!(event));
        self.next += 1;
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(frame.clone());
        self.publish(&frame);
    }

    /// To every reader; one that has left is forgotten, one that does not read is dropped.
    fn publish(&mut self, frame: &Bytes) {
        let dropped = &mut self.dropped;
        self.readers.retain(|reader| match reader.try_send(frame.clone()) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Closed(_)) => false,
            Err(mpsc::error::TrySendError::Full(_)) => {
                *dropped += 1;
                log::warn!("subscriber dropped lag={LAG} path=/api/events");
                false
            }
        });
    }

    /// What came after an event, if all of it is kept.
    fn since(&self, after: u64) -> Option<Vec<Bytes>> {
        let missed = usize::try_from(self.next.checked_sub(after.checked_add(1)?)?).ok()?;
        let known = self.kept.len().checked_sub(missed)?;
        Some(self.kept.iter().skip(known).cloned().collect())
    }
}

impl Default for JournalActor {
    fn default() -> Self {
        Self::new()
    }
}

impl Actor for JournalActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(0);
        ctx.run_interval(HEARTBEAT, |journal, _| journal.publish(&Bytes::from_static(b": heartbeat\n\n")));
    }
}

impl Handler<Tell> for JournalActor {
    type Result = ();

    fn handle(&mut self, Tell { transitions, epoch }: Tell, _: &mut Self::Context) {
        self.epoch = epoch.unwrap_or(0).max(self.epoch);
        for transition in &transitions {
            self.record(transition);
        }
    }
}

impl Handler<Subscribe> for JournalActor {
    type Result = Result<Subscribed, TooManyReaders>;

    fn handle(&mut self, Subscribe { after }: Subscribe, _: &mut Self::Context) -> Self::Result {
        self.readers.retain(|reader| !reader.is_closed());
        if self.readers.len() >= READERS {
            return Err(TooManyReaders);
        }
        let (reader, live) = mpsc::channel(LAG);
        self.readers.push(reader);
        Ok(Subscribed { last: self.next - 1, missed: after.and_then(|after| self.since(after)), live })
    }
}

impl Handler<Latest> for JournalActor {
    type Result = Vec<Bytes>;

    fn handle(&mut self, Latest { limit }: Latest, _: &mut Self::Context) -> Vec<Bytes> {
        let passed = self.kept.len().saturating_sub(limit);
        self.kept.iter().skip(passed).cloned().collect()
    }
}

impl Handler<Count> for JournalActor {
    type Result = Audience;

    fn handle(&mut self, _: Count, _: &mut Self::Context) -> Audience {
        self.readers.retain(|reader| !reader.is_closed());
        Audience { subscribers: self.readers.len(), dropped: self.dropped }
    }
}

/// One event as `text/event-stream` has it.
pub fn frame(id: Option<u64>, name: &str, data: &serde_json::Value) -> Bytes {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    format!("{id}event: {name}\ndata: {data}\n\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::SeatId;

    fn tell(journal: &Addr<JournalActor>, times: usize) {
        let transition = Transition {
            name: "leave",
            seat: SeatId::new(7).unwrap(),
            replica: None,
            incarnation: None,
            was: None,
            now: None,
            why: Some("a\nb".to_owned()),
            progress: None,
        };
        journal.do_send(Tell { transitions: vec![transition; times], epoch: Some(9) });
    }

    async fn subscribe(journal: &Addr<JournalActor>, after: Option<u64>) -> Subscribed {
        journal.send(Subscribe { after }).await.unwrap().unwrap()
    }

    #[actix::test]
    async fn a_reader_goes_on_after_the_last_that_it_has_seen() {
        let journal = JournalActor::new().start();
        let mut first = subscribe(&journal, None).await;
        assert!(first.missed.is_none());
        tell(&journal, 3);
        let again = subscribe(&journal, Some(first.last + 1)).await;
        assert_eq!(again.last, first.last + 3);
        let second = first.live.recv().await.map(|_| ()).and(first.live.recv().await).unwrap();
        assert_eq!(again.missed.unwrap()[0], second);
        let text = String::from_utf8(second.to_vec()).unwrap();
        let head = format!("id: {}\nevent: leave\ndata: {{", first.last + 2);
        assert!(text.starts_with(&head) && text.ends_with("}\n\n"), "{text}");
        assert_eq!(text.lines().count(), 4, "a line break in the text is none in the stream: {text}");
        assert_eq!(subscribe(&journal, Some(again.last)).await.missed.unwrap(), Vec::<Bytes>::new());
    }

    #[actix::test]
    async fn what_is_not_kept_cannot_be_missed() {
        let journal = JournalActor::new().start();
        let start = subscribe(&journal, None).await.last;
        assert!(subscribe(&journal, Some(start - 1)).await.missed.is_none(), "of an earlier process");
        tell(&journal, KEPT);
        assert_eq!(subscribe(&journal, Some(start)).await.missed.unwrap().len(), KEPT);
        tell(&journal, 1);
        assert!(subscribe(&journal, Some(start)).await.missed.is_none());
        assert_eq!(subscribe(&journal, Some(start + 1)).await.missed.unwrap().len(), KEPT);
        for unknown in [0, start + KEPT as u64 + 2, u64::MAX] {
            assert!(subscribe(&journal, Some(unknown)).await.missed.is_none(), "{unknown}");
        }
    }

    #[actix::test]
    async fn who_does_not_read_is_dropped_and_counted_and_who_has_left_is_forgotten() {
        let journal = JournalActor::new().start();
        let mut lazy = subscribe(&journal, None).await;
        drop(subscribe(&journal, None).await);
        tell(&journal, LAG);
        assert_eq!(journal.send(Count).await.unwrap(), Audience { subscribers: 1, dropped: 0 });
        tell(&journal, 1);
        assert_eq!(journal.send(Count).await.unwrap(), Audience { subscribers: 0, dropped: 1 });
        let mut read = 0;
        while lazy.live.recv().await.is_some() {
            read += 1;
        }
        assert_eq!(read, LAG, "then its stream ends");
    }

    #[actix::test]
    async fn the_latest_are_the_last_of_those_that_are_kept() {
        let journal = JournalActor::new().start();
        let mut reader = subscribe(&journal, None).await;
        tell(&journal, 3);
        let mut told = Vec::new();
        while told.len() < 3 {
            told.push(reader.live.recv().await.unwrap());
        }
        for (limit, passed) in [(0, 3), (2, 1), (3, 0), (usize::MAX, 0)] {
            assert_eq!(journal.send(Latest { limit }).await.unwrap(), told[passed..]);
        }
    }

    #[actix::test]
    async fn readers_are_bounded() {
        let journal = JournalActor::new().start();
        let mut readers = Vec::new();
        for _ in 0..READERS {
            readers.push(subscribe(&journal, None).await);
        }
        assert_eq!(journal.send(Subscribe { after: None }).await.unwrap().unwrap_err(), TooManyReaders);
        readers.pop();
        subscribe(&journal, None).await;
    }

    #[actix::test]
    async fn a_pause_has_heartbeats() {
        let journal = JournalActor::new().start();
        let mut reader = subscribe(&journal, None).await;
        tokio::time::pause();
        assert_eq!(reader.live.recv().await.unwrap(), ": heartbeat\n\n");
    }
}
