//! Reasons why the fleet rejects a call.

use crate::name::Name;
use crate::ring::{RingError, SeatId};

use super::Phase;

/// Why a call was rejected. The fleet is unchanged, except where a variant says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// A name occurs twice in one call.
    #[error("Duplicate hostname '{0}'")]
    Duplicate(Name),
    /// Another replica has the name.
    #[error("Hostname '{0}' already exists")]
    Exists(Name),
    /// /rm names a replica that does not exist.
    #[error("Hostname '{0}' is not a managed replica")]
    Unknown(Name),
    /// A call about one replica names one that does not exist.
    #[error("There is no replica '{0}'")]
    NoSuchReplica(Name),
    /// The seat does not exist, was removed while the call waited, or occurs twice in the call.
    #[error("There is no seat {0}")]
    NoSeat(SeatId),
    /// The replica cannot be cordoned, uncordoned or replaced in its present phase.
    #[error("Replica '{name}' is {phase}: {wanted}")]
    NotNow {
        /// Name of the replica.
        name: Name,
        /// Its present phase.
        phase: Phase,
        /// The phases in which the call is possible, as a clause.
        wanted: &'static str,
    },
    /// The replica is cordoned already.
    #[error("Replica '{0}' is drained already")]
    Cordoned(Name),
    /// The replica is not cordoned.
    #[error("Replica '{0}' is not drained")]
    NotCordoned(Name),
    /// A successor of the replica is starting.
    #[error("Replica '{0}' is being replaced")]
    Replacing(Name),
    /// A rolling replacement is under way, and there can be only one.
    #[error("A rolling replacement is under way: {done} of {total} are done")]
    Rolling {
        /// Replicas that were replaced, or have left, died or been cordoned since its beginning.
        done: usize,
        /// Replicas at its beginning.
        total: usize,
    },
    /// External servers (`--runtime static`) cannot be replaced.
    #[error("The replicas are external servers (--runtime static): they cannot be replaced")]
    NotReplaceable,
    /// There is no external server with this name.
    #[error("There is no upstream '{0}'")]
    NoUpstream(Name),
    /// An external server with this host and port exists already.
    #[error("Upstream {authority} is there already, as '{name}'")]
    UpstreamTwice {
        /// Its address as `HOST:PORT`.
        authority: String,
        /// Name of the existing server.
        name: Name,
    },
    /// Upstreams can be changed only with `--runtime static`.
    #[error(
        "Upstreams can be changed only with --runtime static: this balancer runs its replicas itself, use /add and /rm"
    )]
    NotExternal,
    /// /rm would remove more seats than there are, and `--strict-rm` is set.
    #[error("Cannot remove more instances than are present")]
    TooFew,
    /// /add would exceed `--max-replicas`.
    #[error("n is {n}: at most {free} more replicas are allowed (--max-replicas {max})")]
    TooMany {
        /// Number of replicas that /add would add.
        n: usize,
        /// Number of replicas that may still be added.
        free: usize,
        /// Value of `--max-replicas`.
        max: usize,
    },
    /// /add and /rm are not possible with external servers (`--runtime static`).
    #[error(
        "The servers are not run by this balancer (--runtime static): /add and /rm are not possible. 'lb upstream add' and \
         'lb upstream rm', POST and DELETE /api/upstreams, or the configuration file change the list"
    )]
    NotManaged,
    /// The layout has no room for the seats.
    #[error(transparent)]
    Layout(#[from] RingError),
    /// A new replica did not get ready. An /add has been rolled back as a whole; in a replacement the old replica
    /// keeps its seat.
    #[error("Replica '{name}' did not get ready: {reason}")]
    NotReady {
        /// Name of the new replica.
        name: Name,
        /// The reason of the runtime or of the last failed heartbeat.
        reason: String,
    },
    /// The balancer is stopping.
    #[error("The balancer is stopping")]
    Stopping,
    /// Another balancer acts on the same cluster, and the two would undo each other's changes.
    #[error(
        "Another balancer acts on this cluster: this one only routes until it is started again (--cluster)"
    )]
    Conflict,
}
