//! Adoption at the start: replicas of this cluster that exist are adopted, and missing ones are launched.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::fleet::runtime::{Found, Launch, Standing};
use crate::name::Name;
use crate::ring::{Change, Incarnation, SeatId, Weight};

use super::member::Member;
use super::on_ring_reply::OnRingReply;
use super::record::{Cordoned, Record, SeatRecord};
use super::{Fleet, Ownership, Seat};

impl Fleet {
    /// All seats join in one epoch, vacant; each is occupied at the first good heartbeat of its replica.
    pub(super) fn adopt(&mut self, found: Vec<Found>, now: Instant) {
        let record = self.take_restored().map(|record| without_lost_cordons(record, &found));
        self.last_incarnation = found.iter().map(|found| found.launch.incarnation.0).max().unwrap_or(0);
        let (leaving, found): (Vec<Found>, Vec<Found>) =
            found.into_iter().partition(|found| found.standing == Standing::Leaving);
        for surplus in leaving {
            self.stop_surplus(surplus, now);
        }
        if self.settings.ownership == Ownership::External {
            let upstreams = self.settings.upstreams.clone();
            for (id, upstream) in (1..).filter_map(SeatId::new).zip(upstreams) {
                self.make_external_seat(id, upstream, now);
            }
        } else if found.is_empty() && record.is_none() {
            self.make_seats(now);
        } else {
            let target = self.initial_target(record, &found);
            self.assign_seats(target, found, now);
        }
        let join = self.seats.iter().map(|(id, seat)| (*id, seat.weight(), None)).collect();
        self.change_ring(Change::Join(join), OnRingReply::Seated);
    }

    fn make_seats(&mut self, now: Instant) {
        for id in (1..).filter_map(SeatId::new).take(self.settings.replicas) {
            let mut seat = Seat::new(self.weight_of(id).unwrap_or(Weight::DEFAULT));
            seat.set_next_name(Some(Name::server(id.get() as usize)));
            seat.plan(Duration::ZERO, now);
            self.seats.insert(id, seat);
        }
    }

    /// For each seat of the target the running replica of the highest incarnation is adopted. If none runs, the ended
    /// one of the highest incarnation keeps the seat; if there is none at all, a replica is launched. A seat whose
    /// replica was cordoned is not refilled. Every other replica is stopped, those of an unanswered /add included.
    fn assign_seats(&mut self, target: BTreeMap<SeatId, SeatRecord>, found: Vec<Found>, now: Instant) {
        let mut by_seat: BTreeMap<SeatId, Vec<Found>> = BTreeMap::new();
        for found in found {
            by_seat.entry(found.launch.seat).or_default().push(found);
        }
        if !by_seat.keys().eq(target.keys()) {
            log::warn!(found:% = by_seat.len(), target:% = target.len(); "seats");
        }
        for (id, SeatRecord { weight, cordoned }) in target {
            let mut of_seat = by_seat.remove(&id).unwrap_or_default();
            let mut seat = Seat::new(weight);
            let is_cordoned = |found: &Found, cordoned: &Cordoned| {
                (&found.launch.name, found.launch.incarnation) == (&cordoned.name, cordoned.incarnation)
            };
            of_seat.sort_by_key(|found| {
                let cordoned = cordoned.as_ref().is_some_and(|cordoned| is_cordoned(found, cordoned));
                (cordoned, found.instance.is_some(), found.launch.incarnation)
            });
            let chosen = of_seat.pop();
            for surplus in of_seat {
                self.stop_surplus(surplus, now);
            }
            match (chosen, cordoned) {
                (Some(chosen), Some(cordoned)) if is_cordoned(&chosen, &cordoned) => {
                    seat.cordon(self.adopt_cordoned(chosen, now));
                }
                (Some(chosen), _) if chosen.instance.is_some() => {
                    seat.set_candidate(self.adopt_replica(chosen, now));
                }
                (Some(chosen), _) => {
                    seat.plan(Duration::ZERO, now);
                    self.adopt_replica(chosen, now);
                }
                (None, Some(cordoned)) => {
                    seat.cordon(self.restore_missing_cordoned(id, cordoned, now));
                }
                (None, None) => drop(seat.plan(Duration::ZERO, now)),
            }
            self.seats.insert(id, seat);
        }
        for surplus in by_seat.into_values().flatten() {
            self.stop_surplus(surplus, now);
        }
    }

    /// A cordoned replica stays out of the ring, alive or ended.
    fn adopt_cordoned(&mut self, found: Found, now: Instant) -> Incarnation {
        let incarnation = self.adopt_replica(found, now);
        if let Some(member) = self.members.get_mut(&incarnation).filter(|member| member.may_run()) {
            member.adopt_cordoned(&mut self.actions);
        }
        incarnation
    }

    /// Restores a cordoned replica that was removed in the meantime: its seat stays vacant until it is undrained.
    fn restore_missing_cordoned(
        &mut self,
        seat: SeatId,
        Cordoned { name, incarnation }: Cordoned,
        now: Instant,
    ) -> Incarnation {
        self.last_incarnation = self.last_incarnation.max(incarnation.0);
        let launch = Launch { seat, name, incarnation };
        self.adopt_replica(
            Found { launch, weight: Weight::DEFAULT, instance: None, standing: Standing::Current },
            now,
        )
    }

    fn stop_surplus(&mut self, surplus: Found, now: Instant) {
        let incarnation = self.adopt_replica(surplus, now);
        self.stop(incarnation, self.settings.stop_timeout);
    }

    fn adopt_replica(&mut self, found: Found, now: Instant) -> Incarnation {
        let incarnation = found.launch.incarnation;
        self.members.insert(incarnation, Member::adopt(found, self.settings.start_timeout, now));
        incarnation
    }
}

/// Ends the cordons whose replica cannot be restored, so that the seat is filled: the replica is leaving (a replacement
/// or removal of it has begun), or another one has its incarnation.
fn without_lost_cordons(mut record: Record, found: &[Found]) -> Record {
    for (id, seat) in &mut record.seats {
        let can_be_restored = |cordoned: &mut Cordoned| {
            let mut holders = found.iter().filter(|found| found.launch.incarnation == cordoned.incarnation);
            holders.all(|Found { launch, standing, .. }| {
                (launch.seat, &launch.name) == (*id, &cordoned.name) && *standing != Standing::Leaving
            })
        };
        seat.cordoned.take_if(|cordoned| !can_be_restored(cordoned));
    }
    record
}
