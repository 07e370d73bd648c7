//! What can become of a replica, and what is expected of the balancer then.

use std::fmt;
use std::time::Duration;

use clap::ValueEnum;

/// A way to turn bad. Only `kill` and `stop` show in the heartbeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Fault {
    /// kill -9
    Kill,
    /// SIGSTOP: the kernel goes on to accept connections, nobody answers
    Stop,
    /// Half of a reply's body, then a reset
    Reset,
    /// Half of a reply's body, then a clean close
    Truncate,
    /// Bytes that are no HTTP instead of a reply
    Garbage,
    /// Every reply two seconds late
    Slow,
    /// Requests are read and never answered
    Silent,
    /// Every reply is a 500
    Error,
    /// No fault: all three replicas are replaced by /add and /rm, one after the other
    Rolling,
}

/// What is expected with the default settings.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// So many requests may fail.
    pub failed: usize,
    /// So long may the 99th percentile take.
    pub p99: Option<Duration>,
}

impl Fault {
    /// All, in the order of a run.
    pub const ALL: [Self; 9] = [
        Self::Kill,
        Self::Stop,
        Self::Reset,
        Self::Truncate,
        Self::Garbage,
        Self::Slow,
        Self::Silent,
        Self::Error,
        Self::Rolling,
    ];

    /// As good as the best of four other balancers, measured in the same way, or better.
    pub fn target(self) -> Target {
        let (failed, p99) = match self {
            Self::Kill => (0, Some(5)),
            Self::Stop | Self::Slow => (0, Some(50)),
            Self::Reset | Self::Truncate => (20, None),
            Self::Garbage | Self::Silent | Self::Rolling => (0, None),
            Self::Error => (10, None),
        };
        Target { failed, p99: p99.map(Duration::from_millis) }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Kill => "kill",
            Self::Stop => "stop",
            Self::Reset => "reset",
            Self::Truncate => "truncate",
            Self::Garbage => "garbage",
            Self::Slow => "slow",
            Self::Silent => "silent",
            Self::Error => "error",
            Self::Rolling => "rolling",
        })
    }
}
