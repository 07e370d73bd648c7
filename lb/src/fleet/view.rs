//! What people are shown of the fleet.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Instant;

use crate::name::Name;
use crate::ring::{Incarnation, SeatId, Weight};

use super::member::Member;
use super::rolling::Rolling;
use super::{Fleet, Phase, Progress, Refusal, Seat};

/// The whole fleet at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// How many seats there should be.
    pub target: usize,
    /// The seats in ascending order.
    pub seats: Vec<SeatView>,
    /// The rolling replacement that is under way.
    pub rolling: Option<Progress>,
    /// Replicas on their way out, or about to take over from another.
    pub others: Vec<MemberView>,
}

/// A seat and who has it, is starting for it, or was drained from it and lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeatView {
    /// Its number.
    pub seat: SeatId,
    /// Its weight.
    pub weight: Weight,
    /// Its replica; `None`: vacant.
    pub replica: Option<MemberView>,
    /// The replica that was drained by hand: until that is taken back the seat is not refilled.
    pub drained: Option<Name>,
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
        let shown = |seat: &Seat| {
            let of = seat.occupant.or(seat.candidate).or(seat.drained)?;
            self.members.get(&of).filter(|member| seat.drained != Some(of) || member.kept)
        };
        let seats = joined().map(|(id, seat)| SeatView {
            seat: *id,
            weight: seat.weight,
            replica: shown(seat).map(Member::view),
            drained: seat
                .drained
                .and_then(|of| self.members.get(&of))
                .map(|member| member.launch.name.clone()),
        });
        let seated: BTreeSet<Incarnation> =
            joined().filter_map(|(_, seat)| Some(shown(seat)?.launch.incarnation)).collect();
        let is_other = |member: &&Member| member.running && !seated.contains(&member.launch.incarnation);
        let others = self.members.values().filter(is_other);
        View {
            target: self.target(),
            seats: seats.collect(),
            rolling: self.rolling.as_ref().map(Rolling::progress),
            others: others.map(Member::view).collect(),
        }
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
            ready_since: self.ready_since,
        }
    }
}
