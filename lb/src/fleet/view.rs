//! The fleet as the API shows it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Instant;

use crate::name::Name;
use crate::ring::{Incarnation, SeatId, Weight};

use super::member::Member;
use super::rollout::manual::ManualRollout;
use super::{Fleet, Ownership, Phase, Progress, Seat, Vacancy};

/// The whole fleet at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Number of seats of the target.
    pub target: usize,
    /// Whether the replicas are external servers.
    pub external: bool,
    /// The seats in ascending order.
    pub seats: Vec<SeatView>,
    /// Progress of the rolling replacement that is under way.
    pub rolling: Option<Progress>,
    /// Replicas without a seat: departing, starting as a successor, or cordoned.
    pub others: Vec<MemberView>,
}

/// A seat, and the replica that has it or is starting for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeatView {
    /// Number of the seat.
    pub seat: SeatId,
    /// Weight of the seat (1–1000, default 100).
    pub weight: Weight,
    /// Its replica; `None`: the seat is vacant.
    pub replica: Option<MemberView>,
    /// The configured name of its external server, occupied or not; `None` if the balancer runs the replicas.
    pub name: Option<Name>,
    /// `HOST:PORT` of its external server as configured; `None` if the balancer runs the replicas.
    pub upstream: Option<String>,
    /// Why the seat is vacant; `None` if it is not, or if nothing was tried yet.
    pub vacancy: Option<Vacancy>,
}

/// State of one replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberView {
    /// The seat that it has, had, or starts for.
    pub seat: SeatId,
    /// Hostname of the replica.
    pub name: Name,
    /// Id of its container or process; `None` before the launch is answered.
    pub id: Option<String>,
    /// Incarnation of the replica.
    pub incarnation: Incarnation,
    /// The address that it listens at; `None` before the launch is answered.
    pub address: Option<SocketAddr>,
    /// Current phase of the replica.
    pub phase: Phase,
    /// Whether it is cordoned, dead or alive: until it is uncordoned its seat is not refilled.
    pub cordoned: bool,
    /// Time since when it is ready or suspect; `None`: not yet.
    pub ready_since: Option<Instant>,
}

impl Fleet {
    /// The names of the replicas that are ready or suspect, in seat order: the list of /rep.
    pub fn names(&self) -> Vec<Name> {
        self.seats
            .values()
            .filter_map(|seat| self.serving(seat))
            .map(|member| member.launch.name.clone())
            .collect()
    }

    /// Whether requests can be served, and the balancer is not about to end.
    pub fn is_ready(&self) -> bool {
        self.lifecycle.is_open() && self.seats.values().any(|seat| self.serving(seat).is_some())
    }

    /// The whole fleet as it is now.
    pub fn view(&self) -> View {
        let joined = || self.seats.iter().filter(|(_, seat)| seat.joined());
        // An external server does not start: its seat is vacant until it answers.
        let external = self.settings.ownership == Ownership::External;
        let starting = |seat: &Seat| seat.candidate().filter(|_| !external);
        let seated =
            |seat: &Seat| self.members.get(&seat.occupant().or_else(|| starting(seat))?).map(Member::view);
        let seats = joined().map(|(id, seat)| SeatView {
            seat: *id,
            weight: seat.weight(),
            replica: seated(seat),
            name: seat.external.as_ref().map(|external| external.name().clone()),
            upstream: seat.external.as_ref().map(|external| external.upstream().authority()),
            vacancy: seat.vacancy(),
        });
        let seats: Vec<SeatView> = seats.collect();
        let with_seat: BTreeSet<Incarnation> =
            seats.iter().filter_map(|seat| Some(seat.replica.as_ref()?.incarnation)).collect();
        let cordoned: BTreeSet<Incarnation> = joined().filter_map(|(_, seat)| seat.cordoned()).collect();
        let others = self.members.values().filter_map(|member| {
            let of = member.launch.incarnation;
            let cordoned = cordoned.contains(&of);
            let tried = external && member.phase() == Phase::Starting && !with_seat.contains(&of);
            let other = (member.may_run() || cordoned) && !with_seat.contains(&of) && !tried;
            other.then(|| MemberView { cordoned, ..member.view() })
        });
        View {
            target: self.target(),
            external,
            rolling: self.manual_rollout.as_ref().map(ManualRollout::progress),
            others: others.collect(),
            seats,
        }
    }
}

impl Member {
    fn view(&self) -> MemberView {
        let instance = self.instance();
        MemberView {
            seat: self.launch.seat,
            name: self.launch.name.clone(),
            id: instance.map(|instance| instance.id.clone()),
            incarnation: self.launch.incarnation,
            address: instance.map(|instance| instance.address),
            phase: self.phase(),
            cordoned: false,
            ready_since: self.ready_since(),
        }
    }
}
