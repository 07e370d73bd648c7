//! The process of a replica, from the launch on: whether it exists, and its id and address.

use crate::fleet::runtime::{Instance, RuntimeError};

use super::outage::is_outside_replica;

/// The process (or container, or external server) of a replica.
#[derive(Debug)]
pub(super) enum Process {
    /// The runtime has not answered the launch: the replica cannot be stopped yet.
    Launching {
        /// The launch repeats one that failed for a reason outside the replica. It is neither logged nor published
        /// before it has another result: an outage may last for thousands of launches.
        repeated: bool,
        /// The end of the process was reported before the answer to the launch.
        ended: bool,
    },
    /// The launch failed for a reason outside the replica; `repeated`: not for the first time. The replica is removed in
    /// the same step.
    Unavailable { repeated: bool },
    /// The launch failed otherwise. The replica is removed in the same step.
    Failed,
    /// The process was launched or found, and its end is not known.
    Running(Instance),
    /// The process has ended; `None`: before the start of the balancer, which found only its container or its record.
    Ended(Option<Instance>),
}

impl Process {
    /// The process of a replica that is being launched.
    pub fn launching(repeated: bool) -> Self {
        Self::Launching { repeated, ended: false }
    }

    /// The process of a replica that was found at the start; `None`: it has ended.
    pub fn found(instance: Option<Instance>) -> Self {
        instance.map_or(Self::Ended(None), Self::Running)
    }

    /// Applies the answer to the launch. Returns whether the launch is to be published now: it repeats one that failed
    /// for a reason outside the replica, and has another result.
    pub fn launched(&mut self, result: &Result<Instance, RuntimeError>) -> bool {
        let (repeated, ended) = match self {
            Self::Launching { repeated, ended } => (*repeated, *ended),
            Self::Unavailable { .. } | Self::Failed | Self::Running(_) | Self::Ended(_) => (false, false),
        };
        *self = match result {
            Ok(instance) if ended => Self::Ended(Some(instance.clone())),
            Ok(instance) => Self::Running(instance.clone()),
            Err(error) if is_outside_replica(error) => Self::Unavailable { repeated },
            Err(_) => Self::Failed,
        };
        repeated && !self.is_unavailable()
    }

    /// The process has ended.
    pub fn end(&mut self) {
        match self {
            Self::Launching { ended, .. } => *ended = true,
            Self::Running(instance) => *self = Self::Ended(Some(instance.clone())),
            Self::Unavailable { .. } | Self::Failed | Self::Ended(_) => {}
        }
    }

    /// Whether the runtime has not answered the launch.
    pub fn is_launching(&self) -> bool {
        matches!(self, Self::Launching { .. })
    }

    /// Whether the process may still exist.
    pub fn may_run(&self) -> bool {
        matches!(self, Self::Launching { ended: false, .. } | Self::Running(_))
    }

    /// Whether the launch failed for a reason outside the replica.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }

    /// Whether the launch was not published, and its failure is not published either.
    pub fn is_unpublished(&self) -> bool {
        matches!(self, Self::Unavailable { repeated: true })
    }

    /// Id and address; `None`: the launch is unanswered or has failed, or the process had ended before it was found.
    pub fn instance(&self) -> Option<&Instance> {
        match self {
            Self::Running(instance) | Self::Ended(Some(instance)) => Some(instance),
            Self::Launching { .. } | Self::Unavailable { .. } | Self::Failed | Self::Ended(None) => None,
        }
    }

    /// Changes the id that is displayed for the process, if it has an instance.
    pub fn set_id(&mut self, id: &str) {
        if let Self::Running(instance) | Self::Ended(Some(instance)) = self {
            id.clone_into(&mut instance.id);
        }
    }
}
