//! What people are shown of the fleet.

use std::net::SocketAddr;

use crate::name::Name;
use crate::ring::{Incarnation, SeatId, Weight};

use super::member::Member;
use super::{Fleet, Phase, Refusal};

/// The whole fleet at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// How many seats there should be.
    pub target: usize,
    /// The seats in ascending order.
    pub seats: Vec<SeatView>,
    /// Replicas on their way out, or about to take over from another.
    pub others: Vec<MemberView>,
}

/// A seat and who has it, or is starting for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeatView {
    /// Its number.
    pub seat: SeatId,
    /// Its weight.
    pub weight: Weight,
    /// Its replica; `None`: vacant.
    pub replica: Option<MemberView>,
}

/// A replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberView {
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
        let seats = joined().map(|(id, seat)| SeatView {
            seat: *id,
            weight: seat.weight,
            replica: seat.occupant.or(seat.candidate).and_then(|of| self.members.get(&of)).map(Member::view),
        });
        let of_seat = |member: &&Member| {
            let incarnation = Some(member.launch.incarnation);
            joined().any(|(_, seat)| seat.occupant.or(seat.candidate) == incarnation)
        };
        let others = self.members.values().filter(|member| !of_seat(member) && member.running);
        View { target: self.target(), seats: seats.collect(), others: others.map(Member::view).collect() }
    }
}

impl Member {
    fn view(&self) -> MemberView {
        let instance = self.instance.as_ref();
        MemberView {
            name: self.launch.name.clone(),
            id: instance.map(|instance| instance.id.clone()),
            incarnation: self.launch.incarnation,
            address: instance.map(|instance| instance.address),
            phase: self.phase,
        }
    }
}
