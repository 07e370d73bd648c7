//! Timeouts and limits of the connections to replicas.

use std::time::Duration;

use super::error::Phase;
use crate::proxy::socket;

/// Timeouts and limits of the pool. A timeout may be noticed up to 250 ms late.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Timeout of establishing a connection; 1 s by default.
    pub connect_timeout: Duration,
    /// Timeout of the reply head, counted from the last request byte that was written; 30 s by default, `None` for no
    /// timeout.
    pub head_timeout: Option<Duration>,
    /// Timeout between two chunks of the request body (from the client) or of the reply body (from the replica); 60 s
    /// by default, `None` for no timeout. Time in which the client does not read the reply does not count.
    pub idle_timeout: Option<Duration>,
    /// How long a connection is kept idle for another request; 60 s by default, `None`: not at all. A `Keep-Alive` field
    /// of the replica may shorten it.
    pub pool_idle: Option<Duration>,
    /// Maximum number of idle connections of this worker to all replicas.
    pub max_idle: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(1),
            head_timeout: Some(Duration::from_secs(30)),
            idle_timeout: Some(Duration::from_secs(60)),
            pool_idle: Some(Duration::from_secs(60)),
            max_idle: usize::MAX,
        }
    }
}

impl Settings {
    /// The longest time that a phase may last without a transferred byte; `None` for no limit.
    pub(crate) fn timeout(&self, phase: Phase) -> Option<Duration> {
        match phase {
            Phase::Connect => Some(self.connect_timeout),
            Phase::Head => self.head_timeout,
            Phase::Upload | Phase::Body => self.idle_timeout,
        }
    }

    /// `TCP_USER_TIMEOUT` of connections to replicas.
    pub(crate) fn user_timeout(&self) -> Option<Duration> {
        socket::user_timeout([self.head_timeout, self.idle_timeout])
    }
}
