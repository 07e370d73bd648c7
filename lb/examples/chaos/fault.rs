//! Faults of a replica, and the results expected of the balancer.

use std::fmt;
use std::time::Duration;

use clap::ValueEnum;

/// A fault of one replica. Only `kill` and `stop` affect its heartbeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Fault {
    /// SIGKILL: the process ends at once
    Kill,
    /// SIGSTOP: the kernel still accepts connections, but no request is answered
    Stop,
    /// Half of a reply body, then a connection reset
    Reset,
    /// Half of a reply body, then a clean close
    Truncate,
    /// Bytes that are not HTTP instead of a reply
    Garbage,
    /// Every reply is two seconds late
    Slow,
    /// Requests are read and not answered
    Silent,
    /// Every reply is a 500
    Error,
    /// No fault: all three replicas are replaced by /add and /rm, one after the other
    Rolling,
}

/// Limits expected with the default settings.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Largest number of failed requests.
    pub failed: usize,
    /// Largest 99th percentile of the times; `None` without a limit.
    pub p99: Option<Duration>,
}

impl Fault {
    /// All faults, in the order of a run.
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

    /// The limits: at least as good as the best of four other balancers, measured in the same way.
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
