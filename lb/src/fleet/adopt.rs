//! The first look around: what exists of our cluster is adopted, the rest made.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::name::Name;
use crate::ring::{Incarnation, SeatId, Weight};
use crate::runtime::{Found, Launch, Standing};

use super::action::Change;
use super::member::Member;
use super::on_ring_reply::OnRingReply;
use super::record::{Cordoned, SeatRecord};
use super::{Fleet, Ownership, Phase, Seat};

impl Fleet {
    /// All seats join in one epoch, vacant; each is occupied at its first good heartbeat.
    pub(super) fn adopt(&mut self, found: Vec<Found>, now: Instant) {
        let record = self.take_restored();
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
        } else if found.is_empty() && record.is_none() {
            self.make_seats(now);
        } else {
            let target = self.initial_target(record, &found);
            self.take_seats(target, found, now);
        }
        let join = self.seats.iter().map(|(id, seat)| (*id, seat.weight, None)).collect();
        self.change_ring(Change::Join(join), OnRingReply::Seated);
    }

    fn make_seats(&mut self, now: Instant) {
        for id in (1..).filter_map(SeatId::new).take(self.settings.replicas) {
            let mut seat = Seat::new(self.weight_of(id).unwrap_or(Weight::DEFAULT), None);
            seat.name = Some(Name::server(id.get() as usize));
            seat.restart.plan(Duration::ZERO, now);
            self.seats.insert(id, seat);
        }
    }

    /// Per seat of the target the running replica of the highest incarnation is adopted; if none runs, the ended one
    /// of the highest incarnation keeps the seat; if there is none at all, one is launched. A seat whose replica was
    /// drained by hand is not refilled. Everything else is a stranger and stopped, the replicas of an unanswered /add
    /// among them.
    fn take_seats(&mut self, target: BTreeMap<SeatId, SeatRecord>, found: Vec<Found>, now: Instant) {
        let mut by_seat: BTreeMap<SeatId, Vec<Found>> = BTreeMap::new();
        for found in found {
            by_seat.entry(found.launch.seat).or_default().push(found);
        }
        if !by_seat.keys().eq(target.keys()) {
            log::warn!("seats found={} target={}", by_seat.len(), target.len());
        }
        for (id, SeatRecord { weight, cordoned }) in target {
            let mut of_seat = by_seat.remove(&id).unwrap_or_default();
            let mut seat = Seat::new(weight, None);
            let is_cordoned = |found: &Found, cordoned: &Cordoned| {
                (&found.launch.name, found.launch.incarnation) == (&cordoned.name, cordoned.incarnation)
            };
            of_seat.sort_by_key(|found| {
                let cordoned = cordoned.as_ref().is_some_and(|cordoned| is_cordoned(found, cordoned));
                (cordoned, found.instance.is_some(), found.launch.incarnation)
            });
            let chosen = of_seat.pop();
            for stranger in of_seat {
                self.stop_stranger(stranger, now);
            }
            match (chosen, cordoned) {
                (Some(chosen), Some(cordoned)) if is_cordoned(&chosen, &cordoned) => {
                    seat.drained = Some(self.take_cordoned(chosen, now));
                }
                (Some(chosen), _) if chosen.instance.is_some() => {
                    seat.candidate = Some(self.take_in(chosen, now));
                }
                (Some(chosen), _) => {
                    seat.restart.plan(Duration::ZERO, now);
                    self.take_in(chosen, now);
                }
                (None, Some(cordoned)) => seat.drained = Some(self.miss_cordoned(id, cordoned, now)),
                (None, None) => drop(seat.restart.plan(Duration::ZERO, now)),
            }
            self.seats.insert(id, seat);
        }
        for stranger in by_seat.into_values().flatten() {
            self.stop_stranger(stranger, now);
        }
    }

    /// A replica that was drained by hand stays out of the ring, alive or ended.
    fn take_cordoned(&mut self, found: Found, now: Instant) -> Incarnation {
        let incarnation = self.take_in(found, now);
        if let Some(member) = self.members.get_mut(&incarnation).filter(|member| member.running) {
            member.kept = true;
            member.beats.good = true; // it is not to take its seat at its next good heartbeat
            member.enter(Phase::Draining, &"drained before the start", &mut self.actions);
        }
        incarnation
    }

    /// A replica that was drained by hand and has been removed since: its seat waits until that is taken back.
    fn miss_cordoned(
        &mut self,
        seat: SeatId,
        Cordoned { name, incarnation }: Cordoned,
        now: Instant,
    ) -> Incarnation {
        self.last_incarnation = self.last_incarnation.max(incarnation.0);
        let launch = Launch { seat, name, incarnation };
        self.take_in(
            Found { launch, weight: Weight::DEFAULT, instance: None, standing: Standing::Current },
            now,
        )
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
