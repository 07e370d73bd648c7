//! What people are shown of the fleet.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Instant;

use crate::name::Name;
use crate::ring::{Incarnation, SeatId, Weight};

use super::member::Member;
use super::rollout::manual::Rolling;
use super::{Fleet, Ownership, Phase, Progress, Refusal, Seat, Vacancy};

/// The whole fleet at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// How many seats there should be.
    pub target: usize,
    /// Whether the replicas are external servers.
    pub external: bool,
    /// The seats in ascending order.
    pub seats: Vec<SeatView>,
    /// The rolling replacement that is under way.
    pub rolling: Option<Progress>,
    /// Replicas that have no seat: on their way out, about to take over from another, or drained by hand.
    pub others: Vec<MemberView>,
}

/// A seat, and who has it or is starting for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeatView {
    /// Its number.
    pub seat: SeatId,
    /// Its weight.
    pub weight: Weight,
    /// Its replica; `None`: vacant.
    pub replica: Option<MemberView>,
    /// The configured name of its external server, occupied or not; `None` if we run the replicas.
    pub name: Option<Name>,
    /// `HOST:PORT` of its external server as configured.
    pub upstream: Option<String>,
    /// Why it is vacant; `None` if it is not, or if nothing was tried yet.
    pub vacancy: Option<Vacancy>,
}

/// A replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberView {
    /// The seat that it has, had, or starts for.
    pub seat: SeatId,
    /// Its hostname.
    pub name: Name,
    /// The container's or the process's id, once launched.
    pub id: Option<String>,
    /// Which start it is.
    pub incarnation: Incarnation,
    /// Where it listens, once launched.
    pub address: Option<SocketAddr>,
    /// Where it stands.
    pub phase: Phase,
    /// Drained by hand, dead or alive: until that is taken back its seat is not refilled.
    pub drained: bool,
    /// Since when it is ready, suspect or not; `None`: not yet.
    pub ready_since: Option<Instant>,
}

impl Fleet {
    /// What /rep lists: the names of the replicas that are ready or suspect, in seat order.
    pub fn names(&self) -> Vec<Name> {
        self.seats
            .values()
            .filter_map(|seat| self.serving(seat))
            .map(|member| member.launch.name.clone())
            .collect()
    }

    /// Whether a request can be served, and will be: the balancer is not about to end.
    pub fn is_ready(&self) -> bool {
        !self.stopping
            && self.frozen != Some(Refusal::Stopping)
            && self.seats.values().any(|seat| self.serving(seat).is_some())
    }

    /// The whole fleet as it is now.
    pub fn view(&self) -> View {
        let joined = || self.seats.iter().filter(|(_, seat)| seat.joined());
        // An external server is not starting: its seat is vacant until it answers.
        let external = self.settings.ownership == Ownership::Foreign;
        let starting = |seat: &Seat| seat.candidate.filter(|_| !external);
        let seated =
            |seat: &Seat| self.members.get(&seat.occupant.or_else(|| starting(seat))?).map(Member::view);
        let seats = joined().map(|(id, seat)| SeatView {
            seat: *id,
            weight: seat.weight,
            replica: seated(seat),
            name: seat.external.as_ref().map(|external| external.upstream.name.clone()),
            upstream: seat.external.as_ref().map(|external| external.upstream.authority()),
            vacancy: seat.vacancy(),
        });
        let seats: Vec<SeatView> = seats.collect();
        let with_seat: BTreeSet<Incarnation> =
            seats.iter().filter_map(|seat| Some(seat.replica.as_ref()?.incarnation)).collect();
        let drained: BTreeSet<Incarnation> = joined().filter_map(|(_, seat)| seat.drained).collect();
        let others = self.members.values().filter_map(|member| {
            let of = member.launch.incarnation;
            let drained = drained.contains(&of);
            let tried = external && member.phase == Phase::Starting && !with_seat.contains(&of);
            let other = (member.running || drained) && !with_seat.contains(&of) && !tried;
            other.then(|| MemberView { drained, ..member.view() })
        });
        View {
            target: self.target(),
            external,
            rolling: self.rolling.as_ref().map(Rolling::progress),
            others: others.collect(),
            seats,
        }
    }
}

impl Seat {
    /// Why it is vacant.
    fn vacancy(&self) -> Option<Vacancy> {
        let drained = self.drained.map(|_| "its replica was drained by hand".to_owned());
        let drained = drained.map(|reason| Vacancy { last_error: reason.clone(), reason });
        drained.or_else(|| self.vacancy.clone()).filter(|_| self.occupant.is_none())
    }
}

impl Member {
    fn view(&self) -> MemberView {
        let instance = self.instance.as_ref();
        MemberView {
            seat: self.launch.seat,
            name: self.launch.name.clone(),
            id: instance.map(|instance| instance.id.clone()),
            incarnation: self.launch.incarnation,
            address: instance.map(|instance| instance.address),
            phase: self.phase,
            drained: false,
            ready_since: self.ready_since,
        }
    }
}
