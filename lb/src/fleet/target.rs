//! The target of a start: the recorded one, unless the configured values have changed since.

use std::collections::{BTreeMap, BTreeSet};

use crate::fleet::runtime::Found;
use crate::ring::{SeatId, Weight};

use super::Fleet;
use super::record::{Configured, Record, SeatRecord};

type Target = BTreeMap<SeatId, SeatRecord>;

impl Fleet {
    /// The seats of this start, given the replicas `found`: the recorded ones, or `--replicas` seats if there is no
    /// record or the flag has changed since. The weight of each seat is chosen in the same way.
    pub(super) fn initial_target(&self, record: Option<Record>, found: &[Found]) -> Target {
        let of_found = found.iter().map(|found| {
            let weight = self.weight_of(found.launch.seat).unwrap_or(found.weight);
            (found.launch.seat, SeatRecord { weight, cordoned: None })
        });
        let (seats, n) = match record {
            None => (of_found.collect(), self.settings.replicas),
            Some(Record { configured: None, mut seats }) => {
                for (id, seat) in &mut seats {
                    seat.weight = self.weight_of(*id).unwrap_or(seat.weight);
                }
                let n = seats.len();
                (seats, n)
            }
            Some(Record { configured: Some(configured), seats }) => {
                let holds = configured.replicas == self.settings.replicas;
                let n = if holds { seats.len() } else { self.settings.replicas };
                (self.with_configured_weights(seats, &configured), n)
            }
        };
        if n > self.settings.max_replicas {
            log::warn!(recorded:% = n, max_replicas:% = self.settings.max_replicas; "target lowered");
        }
        let target = self.resized(seats, n.min(self.settings.max_replicas), found);
        let weights = target.iter().map(|(id, seat)| (*id, seat.weight)).collect();
        match self.settings.layout.check_room(&weights) {
            Ok(()) => target,
            Err(why) => {
                log::error!(replicas:% = self.settings.replicas, why:%; "recorded seats and weights dropped");
                self.resized(Target::new(), self.settings.replicas, found)
            }
        }
    }

    /// Takes the configured weight of each seat whose configured weight has changed since the record.
    fn with_configured_weights(&self, seats: Target, then: &Configured) -> Target {
        let weigh = |(id, mut seat): (SeatId, SeatRecord)| {
            if then.weights.get(&id).copied() != self.weight_of(id) {
                seat.weight = self.weight_of(id).unwrap_or(Weight::DEFAULT);
            }
            (id, seat)
        };
        seats.into_iter().map(weigh).collect()
    }

    /// Brings `seats` to `n`: keeps those with a running replica that is not cordoned first, in ascending order, or
    /// adds the smallest free numbers.
    fn resized(&self, seats: Target, n: usize, found: &[Found]) -> Target {
        let running: BTreeSet<SeatId> =
            found.iter().filter(|found| found.instance.is_some()).map(|found| found.launch.seat).collect();
        let free: Vec<SeatId> =
            (1..).filter_map(SeatId::new).filter(|id| !seats.contains_key(id)).take(n).collect();
        let mut seats: Vec<(SeatId, SeatRecord)> = seats.into_iter().collect();
        seats.sort_by_key(|(id, seat)| (!running.contains(id) || seat.cordoned.is_some(), *id));
        let new = free.into_iter().map(|id| {
            let weight = self.weight_of(id).unwrap_or(Weight::DEFAULT);
            (id, SeatRecord { weight, cordoned: None })
        });
        seats.into_iter().chain(new).take(n).collect()
    }
}
