//! JournalActor: keeps the latest transitions and sends them to the subscribers of /api/events.
//!
//! It sends no message to another actor, and a slow subscriber never delays it.

mod handle;

use std::collections::VecDeque;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix::prelude::*;
use bytes::Bytes;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::fleet::Transition;

use super::panic_guard::PanicGuard;

pub use handle::JournalHandle;

/// Number of events that are kept for subscribers that resume.
pub const KEPT: usize = 1024;

/// Limit of simultaneous subscribers.
pub const READERS: usize = 64;

/// Number of events by which a subscriber may lag behind before it is dropped; its connection buffers some more.
const MAX_LAG: usize = 256;

/// Interval of comment lines: they keep proxies from closing an idle connection, and closed connections are noticed.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Owns the events. Event ids count up from the Unix time of the start in milliseconds, so that an id of an earlier
/// process is always older than the kept events.
struct JournalActor {
    /// The latest events as frames, the oldest first, at most [`KEPT`].
    frames: VecDeque<Bytes>,
    /// Id of the next event.
    next_id: u64,
    /// The latest known epoch of the ring.
    epoch: u64,
    subscribers: Vec<mpsc::Sender<Bytes>>,
    /// Number of subscribers dropped because they lagged.
    dropped: u64,
    _guard: PanicGuard,
}

/// Appends transitions to the journal and sends them to the subscribers.
#[derive(Message)]
#[rtype(result = "()")]
struct Append {
    /// The transitions in the order in which they happened.
    transitions: Vec<Transition>,
    /// Epoch of the ring after the change; `None` if the ring did not change.
    epoch: Option<u64>,
}

/// Adds a subscriber. Fails with [`TooManyReaders`] when [`READERS`] are subscribed.
#[derive(Message)]
#[rtype(result = "Result<Subscribed, TooManyReaders>")]
struct Subscribe {
    /// Id of the last event that the subscriber received (`Last-Event-ID`); `None` to receive new events only.
    after: Option<u64>,
}

/// The reply to `Subscribe`.
#[derive(Debug)]
pub struct Subscribed {
    /// Id of the last event before `live`.
    pub last: u64,
    /// The events after `Subscribe::after`; `None` if that was `None`, or if some of them are not kept any more.
    pub missed: Option<Vec<Bytes>>,
    /// The events from now on; closed when the subscriber lags too far behind.
    pub live: mpsc::Receiver<Bytes>,
}

/// Error of `Subscribe`: there are [`READERS`] subscribers already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyReaders;

/// Returns the latest events as frames, the oldest first.
#[derive(Message)]
#[rtype(result = "Vec<Bytes>")]
struct Latest {
    /// Limit of the number of events.
    limit: usize,
}

/// Returns the counts of subscribers.
#[derive(Message)]
#[rtype(result = "SubscriberCounts")]
struct CountSubscribers;

/// Counts of the subscribers of /api/events; the reply to `CountSubscribers`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, MessageResponse, utoipa::ToSchema)]
#[schema(as = Audience)]
pub struct SubscriberCounts {
    /// Subscribers that are connected now.
    pub subscribers: usize,
    /// Subscribers dropped since the start because they did not read fast enough.
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
    /// An empty journal.
    fn new() -> Self {
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let next_id = u64::try_from(started.as_millis()).unwrap_or_default();
        Self {
            frames: VecDeque::new(),
            next_id,
            epoch: 0,
            subscribers: Vec::new(),
            dropped: 0,
            _guard: PanicGuard("journal"),
        }
    }

    fn record(&mut self, transition: &Transition) {
        let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        let event = Event { id: self.next_id, transition, epoch: self.epoch, time };
        let frame = frame(Some(self.next_id), transition.name, &serde_json::json!(event));
        self.next_id += 1;
        if self.frames.len() == KEPT {
            self.frames.pop_front();
        }
        self.frames.push_back(frame.clone());
        self.publish(&frame);
    }

    /// Sends a frame to every subscriber. Closed subscriptions are removed; a subscriber that lags is dropped and
    /// counted.
    fn publish(&mut self, frame: &Bytes) {
        let dropped = &mut self.dropped;
        self.subscribers.retain(|subscriber| match subscriber.try_send(frame.clone()) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Closed(_)) => false,
            Err(mpsc::error::TrySendError::Full(_)) => {
                *dropped += 1;
                log::warn!(lag:% = MAX_LAG, path = "/api/events"; "subscriber dropped");
                false
            }
        });
    }

    /// The events after the event with the id `after`; `None` if some of them are not kept any more.
    fn since(&self, after: u64) -> Option<Vec<Bytes>> {
        let missed = usize::try_from(self.next_id.checked_sub(after.checked_add(1)?)?).ok()?;
        let received = self.frames.len().checked_sub(missed)?;
        Some(self.frames.iter().skip(received).cloned().collect())
    }
}

impl Actor for JournalActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(0);
        ctx.run_interval(HEARTBEAT, |journal, _| journal.publish(&Bytes::from_static(b": heartbeat\n\n")));
    }
}

impl Handler<Append> for JournalActor {
    type Result = ();

    fn handle(&mut self, Append { transitions, epoch }: Append, _: &mut Self::Context) {
        self.epoch = epoch.unwrap_or(0).max(self.epoch);
        for transition in &transitions {
            self.record(transition);
        }
    }
}

impl Handler<Subscribe> for JournalActor {
    type Result = Result<Subscribed, TooManyReaders>;

    fn handle(&mut self, Subscribe { after }: Subscribe, _: &mut Self::Context) -> Self::Result {
        self.subscribers.retain(|subscriber| !subscriber.is_closed());
        if self.subscribers.len() >= READERS {
            return Err(TooManyReaders);
        }
        let (subscriber, live) = mpsc::channel(MAX_LAG);
        self.subscribers.push(subscriber);
        Ok(Subscribed { last: self.next_id - 1, missed: after.and_then(|after| self.since(after)), live })
    }
}

impl Handler<Latest> for JournalActor {
    type Result = Vec<Bytes>;

    fn handle(&mut self, Latest { limit }: Latest, _: &mut Self::Context) -> Vec<Bytes> {
        let skipped = self.frames.len().saturating_sub(limit);
        self.frames.iter().skip(skipped).cloned().collect()
    }
}

impl Handler<CountSubscribers> for JournalActor {
    type Result = SubscriberCounts;

    fn handle(&mut self, _: CountSubscribers, _: &mut Self::Context) -> SubscriberCounts {
        self.subscribers.retain(|subscriber| !subscriber.is_closed());
        SubscriberCounts { subscribers: self.subscribers.len(), dropped: self.dropped }
    }
}

/// Formats one event as a frame of `text/event-stream`, which ends with an empty line.
pub fn frame(id: Option<u64>, name: &str, data: &serde_json::Value) -> Bytes {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    format!("{id}event: {name}\ndata: {data}\n\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::SeatId;

    fn append(journal: &Addr<JournalActor>, times: usize) {
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
        journal.do_send(Append { transitions: vec![transition; times], epoch: Some(9) });
    }

    async fn subscribe(journal: &Addr<JournalActor>, after: Option<u64>) -> Subscribed {
        journal.send(Subscribe { after }).await.unwrap().unwrap()
    }

    #[actix::test]
    async fn a_subscriber_resumes_after_the_last_event_that_it_received() {
        let journal = JournalActor::new().start();
        let mut first = subscribe(&journal, None).await;
        assert!(first.missed.is_none());
        append(&journal, 3);
        let again = subscribe(&journal, Some(first.last + 1)).await;
        assert_eq!(again.last, first.last + 3);
        let second = first.live.recv().await.map(|_| ()).and(first.live.recv().await).unwrap();
        assert_eq!(again.missed.unwrap()[0], second);
        let text = String::from_utf8(second.to_vec()).unwrap();
        let head = format!("id: {}\nevent: leave\ndata: {{", first.last + 2);
        assert!(text.starts_with(&head) && text.ends_with("}\n\n"), "{text}");
        assert_eq!(text.lines().count(), 4, "line breaks in the text are escaped: {text}");
        assert_eq!(subscribe(&journal, Some(again.last)).await.missed.unwrap(), Vec::<Bytes>::new());
    }

    #[actix::test]
    async fn missed_is_none_unless_all_missed_events_are_kept() {
        let journal = JournalActor::new().start();
        let start = subscribe(&journal, None).await.last;
        assert!(
            subscribe(&journal, Some(start - 1)).await.missed.is_none(),
            "the id is of an earlier process"
        );
        append(&journal, KEPT);
        assert_eq!(subscribe(&journal, Some(start)).await.missed.unwrap().len(), KEPT);
        append(&journal, 1);
        assert!(subscribe(&journal, Some(start)).await.missed.is_none());
        assert_eq!(subscribe(&journal, Some(start + 1)).await.missed.unwrap().len(), KEPT);
        for unknown in [0, start + KEPT as u64 + 2, u64::MAX] {
            assert!(subscribe(&journal, Some(unknown)).await.missed.is_none(), "{unknown}");
        }
    }

    #[actix::test]
    async fn a_lagging_subscriber_is_dropped_and_counted_and_a_closed_one_is_removed() {
        let journal = JournalActor::new().start();
        let mut lagging = subscribe(&journal, None).await;
        drop(subscribe(&journal, None).await);
        append(&journal, MAX_LAG);
        assert_eq!(
            journal.send(CountSubscribers).await.unwrap(),
            SubscriberCounts { subscribers: 1, dropped: 0 }
        );
        append(&journal, 1);
        assert_eq!(
            journal.send(CountSubscribers).await.unwrap(),
            SubscriberCounts { subscribers: 0, dropped: 1 }
        );
        let mut read = 0;
        while lagging.live.recv().await.is_some() {
            read += 1;
        }
        assert_eq!(read, MAX_LAG, "the stream ends after the buffered events");
    }

    #[actix::test]
    async fn latest_returns_the_newest_kept_events() {
        let journal = JournalActor::new().start();
        let mut subscriber = subscribe(&journal, None).await;
        append(&journal, 3);
        let mut received = Vec::new();
        while received.len() < 3 {
            received.push(subscriber.live.recv().await.unwrap());
        }
        for (limit, skipped) in [(0, 3), (2, 1), (3, 0), (usize::MAX, 0)] {
            assert_eq!(journal.send(Latest { limit }).await.unwrap(), received[skipped..]);
        }
    }

    #[actix::test]
    async fn the_number_of_subscribers_is_limited() {
        let journal = JournalActor::new().start();
        let mut subscribers = Vec::new();
        for _ in 0..READERS {
            subscribers.push(subscribe(&journal, None).await);
        }
        assert_eq!(journal.send(Subscribe { after: None }).await.unwrap().unwrap_err(), TooManyReaders);
        subscribers.pop();
        subscribe(&journal, None).await;
    }

    #[actix::test]
    async fn an_idle_stream_has_heartbeats() {
        let journal = JournalActor::new().start();
        let mut subscriber = subscribe(&journal, None).await;
        tokio::time::pause();
        assert_eq!(subscriber.live.recv().await.unwrap(), ": heartbeat\n\n");
    }
}
