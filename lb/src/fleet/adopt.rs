//! The first look around: what exists of our cluster is adopted, the rest made.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::name::Name;
use crate::ring::{Incarnation, SeatId, Weight};
use crate::runtime::{Found, Standing};

use super::action::Change;
use super::after::After;
use super::member::Member;
use super::{Fleet, Ownership, Phase, Seat};

impl Fleet {
    /// All seats join vacant in one epoch; each is occupied at its first good heartbeat.
    pub(super) fn adopt(&mut self, found: Vec<Found>, now: Instant) {
        self.last_incarnation = found.iter().map(|found| found.launch.incarnation.0).max().unwrap_or(0);
        let (leaving, found): (Vec<Found>, Vec<Found>) =
            found.into_iter().partition(|found| found.standing == Standing::Leaving);
        for stranger in leaving {
            self.stop_stranger(stranger, now);
        }
        if self.settings.ownership == Ownership::Foreign {
            let upstreams = self.settings.upstreams.clone();
            for (id, upstream) in (1..).filter_map(SeatId::new).zip(upstreams) {
                self.make_external_seat(id, upstream, now);
            }
        } else if found.is_empty() {
            self.make_seats(now);
        } else {
            self.take_seats(found, now);
        }
        let join = self.seats.iter().map(|(id, seat)| (*id, seat.weight, None)).collect();
        self.change_ring(Change::Join(join), After::Seated);
    }

    fn make_seats(&mut self, now: Instant) {
        for id in (1..).filter_map(SeatId::new).take(self.settings.replicas) {
            let mut seat = Seat::new(self.weight_of(id).unwrap_or(Weight::DEFAULT), None);
            seat.name = Some(Name::server(id.get() as usize));
            seat.restart.plan(Duration::ZERO, now);
            self.seats.insert(id, seat);
        }
    }

    /// Per seat the running replica of the highest incarnation is adopted; if none runs, the ended one of the highest
    /// incarnation keeps the seat. Everything else is a stranger and stopped.
    fn take_seats(&mut self, found: Vec<Found>, now: Instant) {
        let mut by_seat: BTreeMap<SeatId, Vec<Found>> = BTreeMap::new();
        for found in found {
            by_seat.entry(found.launch.seat).or_default().push(found);
        }
        if by_seat.len() != self.settings.replicas {
            log::warn!("seats found={} replicas={} kept=found", by_seat.len(), self.settings.replicas);
        }
        for (id, mut of_seat) in by_seat {
            of_seat.sort_by_key(|found| (found.instance.is_some(), found.launch.incarnation));
            let chosen = of_seat.pop();
            for stranger in of_seat {
                self.stop_stranger(stranger, now);
            }
            let Some(chosen) = chosen else { continue };
            let mut seat = Seat::new(self.weight_of(id).unwrap_or(chosen.weight), None);
            if chosen.instance.is_some() {
                seat.candidate = Some(chosen.launch.incarnation);
            } else {
                seat.restart.plan(Duration::ZERO, now);
            }
            self.take_in(chosen, now);
            self.seats.insert(id, seat);
        }
    }

    fn stop_stranger(&mut self, stranger: Found, now: Instant) {
        let incarnation = self.take_in(stranger, now);
        self.stop(incarnation, self.settings.stop_timeout);
    }

    fn take_in(&mut self, found: Found, now: Instant) -> Incarnation {
        let incarnation = found.launch.incarnation;
        let mut member = Member::new(found.launch, now);
        member.launching = false;
        member.running = found.instance.is_some();
        member.outdated = found.standing == Standing::Outdated;
        if !member.running {
            member.phase = Phase::Dead;
        } else {
            member.start_deadline = Some(now + self.settings.start_timeout);
        }
        member.instance = found.instance;
        member.beats.next = Some(now);
        self.members.insert(incarnation, member);
        incarnation
    }
}
