//! Why the fleet does not do what it is asked.

use crate::name::Name;
use crate::ring::{RingError, SeatId};

use super::Phase;

/// Why a call changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The same name twice in one call.
    #[error("Duplicate hostname '{0}'")]
    Duplicate(Name),
    /// The name is taken.
    #[error("Hostname '{0}' already exists")]
    Exists(Name),
    /// There is no such replica.
    #[error("Hostname '{0}' is not a managed replica")]
    Unknown(Name),
    /// There is no such replica to steer.
    #[error("There is no replica '{0}'")]
    NoReplica(Name),
    /// There is no such seat, or no more, or it was named already.
    #[error("There is no seat {0}")]
    NoSeat(SeatId),
    /// The replica cannot be drained, undrained or replaced at this moment.
    #[error("Replica '{name}' is {phase}: {wanted}")]
    NotNow {
        /// Which one.
        name: Name,
        /// Where it stands.
        phase: Phase,
        /// Where it would have to stand.
        wanted: &'static str,
    },
    /// Drained twice.
    #[error("Replica '{0}' is drained already")]
    Drained(Name),
    /// Undrained, but not drained.
    #[error("Replica '{0}' is not drained")]
    NotDrained(Name),
    /// Its successor is under way.
    #[error("Replica '{0}' is being replaced")]
    Replacing(Name),
    /// One rolling replacement at a time.
    #[error("A rolling replacement is under way: {done} of {total} are done")]
    Rolling {
        /// Replaced, or gone otherwise.
        done: usize,
        /// Of so many.
        total: usize,
    },
    /// `--runtime static`.
    #[error("The replicas are run by somebody else (--runtime static): they cannot be replaced")]
    NotOurs,
    /// There is no external server of this name.
    #[error("There is no upstream '{0}'")]
    NoUpstream(Name),
    /// An external server with this host and port is there already.
    #[error("Upstream {authority} is there already, as '{name}'")]
    UpstreamTwice {
        /// `HOST:PORT`.
        authority: String,
        /// The name of the one that is there.
        name: Name,
    },
    /// Not `--runtime static`.
    #[error(
        "Upstreams can be changed only with --runtime static: this balancer runs its replicas itself, use /add and /rm"
    )]
    NotExternal,
    /// `--strict-rm`.
    #[error("Cannot remove more instances than are present")]
    TooFew,
    /// `--max-replicas`.
    #[error("n is {n}: at most {free} more replicas are allowed (--max-replicas {max})")]
    TooMany {
        /// Asked for.
        n: usize,
        /// Still possible.
        free: usize,
        /// The limit.
        max: usize,
    },
    /// `--runtime static`.
    #[error(
        "The servers are not run by this balancer (--runtime static): /add and /rm are not possible. 'lb upstream add' and \
         'lb upstream rm', POST and DELETE /api/upstreams, or the configuration file change the list"
    )]
    Foreign,
    /// The layout has no room for the seats.
    #[error(transparent)]
    Layout(#[from] RingError),
    /// A new replica did not get ready: of an /add, and those that did were removed again; or in the place of another,
    /// which stays as it was.
    #[error("Replica '{name}' did not get ready: {reason}")]
    NotReady {
        /// Which one.
        name: Name,
        /// The engine's reason.
        reason: String,
    },
    /// The balancer is ending.
    #[error("The balancer is stopping")]
    Stopping,
    /// Two balancers would undo each other's changes.
    #[error(
        "Another balancer acts on this cluster: this one only routes until it is started again (--cluster)"
    )]
    Conflict,
}
