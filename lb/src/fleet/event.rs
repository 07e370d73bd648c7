//! What the fleet is told and what it asks for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::name::Name;
use crate::ring::{Incarnation, Replica, RingError, SeatId, Weight};
use crate::runtime::{Error, Exit, Found, Instance, Launch};

use super::Transition;

/// Which router (HTTP worker) speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouterId(pub u64);

/// Which caller of /add or /rm waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallId(pub u64);

/// Which change of the ring an answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// The routers that still have requests in flight to a replica that has left the ring.
pub type Busy = Vec<(RouterId, Incarnation)>;

/// What /rm chooses by, per seat: requests in flight, and slots owned.
pub type Loads = BTreeMap<SeatId, (usize, usize)>;

/// Something happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The first look around, and the first event: what exists of our cluster.
    Listed(Vec<Found>),
    /// A launch came to an end; the replica need not listen yet. One that failed has left nothing behind.
    Launched {
        /// Which one.
        incarnation: Incarnation,
        /// Its id and address, or the engine's reason.
        result: Result<Instance, Error>,
    },
    /// A replica ended.
    Exited {
        /// Which one.
        incarnation: Incarnation,
        /// How.
        exit: Exit,
    },
    /// Somebody else told a replica to end.
    Terminated {
        /// Which one.
        incarnation: Incarnation,
    },
    /// Another balancer acts on our replicas.
    Rival {
        /// The replica that gave it away.
        container: String,
    },
    /// A heartbeat was answered, or not.
    Beat {
        /// Whose.
        incarnation: Incarnation,
        /// How it went.
        beat: Beat,
    },
    /// What the routers know of a silent replica.
    Answered {
        /// Which one.
        incarnation: Incarnation,
        /// When a reply head last came from it, over all routers.
        last_reply: Option<Instant>,
    },
    /// What a replica that did not get ready wrote last.
    LastWords {
        /// Which one.
        incarnation: Incarnation,
        /// Its last line of output, if that is known.
        line: Option<String>,
    },
    /// The ring has changed and every router knows.
    Ring {
        /// Which change.
        ticket: Ticket,
        /// Who still has requests in flight to what left.
        busy: Busy,
    },
    /// A router's last request to a replica that has left the ring has ended.
    Idle {
        /// Whose.
        router: RouterId,
        /// To which replica.
        incarnation: Incarnation,
    },
    /// A router has ejected a replica for what its traffic shows.
    Suspected {
        /// Which one.
        incarnation: Incarnation,
    },
    /// A replica that we stopped is gone.
    Stopped {
        /// Which one.
        incarnation: Incarnation,
    },
    /// /add was called.
    Add {
        /// Who waits.
        call: CallId,
        /// How many more, at least one.
        n: usize,
        /// The first of their names, at most `n`; the rest are random.
        names: Vec<Name>,
    },
    /// /rm was called.
    Remove {
        /// Who waits.
        call: CallId,
        /// How many fewer, at least one.
        n: usize,
        /// Some of those to remove, at most `n`; the rest are chosen.
        names: Vec<Name>,
        /// What the choice goes by.
        loads: Loads,
    },
    /// The balancer is about to end: the fleet is changed no more, what has not joined is taken back, and nothing is
    /// launched any more.
    Close,
    /// The balancer ends: stop all replicas.
    Stop,
    /// The balancer ends now: kill what is left.
    Kill,
    /// The time that [`next_wake`](super::Fleet::next_wake) named has come.
    Tick,
}

/// How a heartbeat went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beat {
    /// Answered well in time.
    Good,
    /// Nobody listens there.
    Refused,
    /// No good answer in time; the text says why.
    Missed(String),
}

/// Something is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Start a replica; answer [`Event::Launched`].
    Launch(Launch),
    /// Send a heartbeat; answer [`Event::Beat`].
    Probe(Arc<Replica>),
    /// Change the ring; answer [`Event::Ring`].
    Ring {
        /// To be repeated in the answer.
        ticket: Ticket,
        /// What changes.
        change: Change,
    },
    /// Ask all routers about a silent replica; answer [`Event::Answered`].
    Ask(Incarnation),
    /// Ask what a replica that did not get ready wrote last; answer [`Event::LastWords`].
    Inquire(Incarnation),
    /// SIGTERM, and SIGKILL after `grace`; answer [`Event::Stopped`].
    Stop {
        /// Which one.
        incarnation: Incarnation,
        /// Zero: kill at once.
        grace: Duration,
    },
    /// Answer a caller with the list of replicas, or the reason why not.
    Reply {
        /// Who waits.
        call: CallId,
        /// The names that /rep lists.
        result: Result<Vec<Name>, Refusal>,
    },
    /// A transition, for whoever follows the events.
    Tell(Transition),
    /// All replicas of the target are ready, for the first time.
    Serving,
    /// Every replica is gone; the process may end.
    Halted,
}

/// A change of the ring.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Seats enter the map, all in one epoch.
    Join(Vec<(SeatId, Weight, Option<Arc<Replica>>)>),
    /// A replica takes a vacant seat.
    Occupy(Arc<Replica>),
    /// A replica takes over its seat from another, which may finish what it has; its name is free when this is
    /// answered.
    Handover {
        /// The new one.
        to: Arc<Replica>,
        /// The old one.
        from: Incarnation,
    },
    /// The replica is dead, the seat stays.
    Vacate(SeatId),
    /// Seats leave the map; the names of their occupants are free when this is answered.
    Leave {
        /// Which.
        seats: Vec<SeatId>,
        /// Who had them.
        occupants: Vec<Incarnation>,
    },
}

/// Why /add or /rm changed nothing.
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
    #[error("The replicas are run by somebody else (--runtime static): /add and /rm are not possible")]
    Foreign,
    /// The layout has no room for the seats.
    #[error(transparent)]
    Layout(#[from] RingError),
    /// A replica of this /add did not get ready; those that did were removed again.
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
    Rival,
}

/// What to do when the ring has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// The first seats are in the map; nothing waits for it.
    Seated,
    /// An /add is complete: these replicas are routed to.
    Added(CallId, Vec<Incarnation>),
    /// The replica has its seat.
    Occupied(Incarnation),
    /// The replica has handed its seat over and begins to drain.
    HandedOver(Incarnation),
    /// The dead replica gets no request any more.
    Vacated(Incarnation),
    /// An /rm is complete; these replicas begin to drain.
    Left(CallId, Vec<Incarnation>),
}
