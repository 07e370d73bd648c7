//! The handle of JournalActor: each method sends one message and returns its reply.

use actix::prelude::*;
use bytes::Bytes;

use crate::fleet::{CommandError, Transition};

use super::{
    Append, CountSubscribers, JournalActor, Latest, Subscribe, Subscribed, SubscriberCounts, TooManyReaders,
};

/// Access to JournalActor from any thread. A method fails with [`CommandError::Stopping`] once the actor has stopped.
#[derive(Clone, Debug)]
pub struct JournalHandle(Addr<JournalActor>);

impl JournalHandle {
    /// Starts the actor on this thread, with an empty journal.
    pub fn start() -> Self {
        Self(JournalActor::new().start())
    }

    /// Appends transitions in the order in which they happened, and sends them to the subscribers. `epoch` of the ring
    /// after the change; `None` if the ring did not change.
    pub fn append(&self, transitions: Vec<Transition>, epoch: Option<u64>) {
        self.0.do_send(Append { transitions, epoch });
    }

    /// Adds a subscriber. `after`: id of the last event that it received (`Last-Event-ID`); `None` for new events only.
    ///
    /// # Errors
    /// The outer one: the actor has stopped. The inner one: too many are subscribed.
    pub async fn subscribe(
        &self,
        after: Option<u64>,
    ) -> Result<Result<Subscribed, TooManyReaders>, CommandError> {
        self.0.send(Subscribe { after }).await.map_err(|_| CommandError::Stopping)
    }

    /// The latest events as frames, at most `limit`, the oldest first.
    ///
    /// # Errors
    /// The actor has stopped.
    pub async fn latest(&self, limit: usize) -> Result<Vec<Bytes>, CommandError> {
        self.0.send(Latest { limit }).await.map_err(|_| CommandError::Stopping)
    }

    /// The number of subscribers.
    ///
    /// # Errors
    /// The actor has stopped.
    pub async fn subscribers(&self) -> Result<SubscriberCounts, CommandError> {
        self.0.send(CountSubscribers).await.map_err(|_| CommandError::Stopping)
    }
}
