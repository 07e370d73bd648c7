//! Summary of the recent traffic, for people.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use crate::name::Name;
use crate::ring::{Incarnation, SeatId};

use super::counters::{Measured, ReplicaCounters, Replicas, RequestCounters};
use super::window::{Slice, Sum, Window};

/// Summary of the traffic of the last seconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Traffic {
    /// Number of seconds that rates and latencies cover: 10, or fewer just after the start.
    pub seconds: u64,
    /// Completed requests per second.
    pub requests_per_second: f64,
    /// Completed requests with status 5xx, per second.
    pub errors_per_second: f64,
    /// Median time of a request in milliseconds; `None` if there were none.
    pub p50_ms: Option<f64>,
    /// 99th percentile of the time of a request in milliseconds; `None` if there were none.
    pub p99_ms: Option<f64>,
    /// Attempts in progress: sent to a replica, reply not complete.
    pub in_flight: u64,
    /// Largest ratio of a seat's requests to its share by weight, over the last minute; 1 is perfect.
    pub peak_to_average: Option<f64>,
    /// The replicas in the ring, in seat order.
    pub replicas: Vec<ReplicaTraffic>,
}

/// Share of one replica in the recent traffic.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ReplicaTraffic {
    /// Seat of the replica.
    pub seat: SeatId,
    /// Hostname of the replica.
    pub name: Name,
    /// Number of this start of the replica.
    pub incarnation: Incarnation,
    /// Attempts in progress: sent to it, reply not complete.
    pub in_flight: u64,
    /// Attempts per second, retries included.
    pub requests_per_second: f64,
    /// Attempts per second that failed or were answered with status 5xx.
    pub errors_per_second: f64,
    /// Median time until its reply head, in milliseconds; `None` if there was none.
    pub p50_ms: Option<f64>,
    /// 99th percentile of the time until its reply head, in milliseconds; `None` if there was none.
    pub p99_ms: Option<f64>,
    /// Its share (0–1) of all attempts; `None` if there were none.
    pub load_share: Option<f64>,
    /// The share (0–1) of the slots that its seat owns.
    pub key_share: Option<f64>,
}

/// Traffic of the last minute.
#[derive(Default)]
pub struct TrafficWindow {
    all: Window,
    counters: RequestCounters,
    replicas: BTreeMap<Incarnation, Recent>,
}

/// Traffic of one replica in the last minute.
struct Recent {
    seat: SeatId,
    window: Window,
    counters: ReplicaCounters,
    measured: Option<Measured>,
}

impl TrafficWindow {
    /// Adds a slice with the difference between these counters and the previous ones, which were pushed `took` ago.
    pub fn push(&mut self, took: Duration, counters: RequestCounters, replicas: &Replicas) {
        self.all.push(Slice {
            took,
            requests: counters.total().saturating_sub(self.counters.total()),
            fair: 0.0,
            errors: counters.failed().saturating_sub(self.counters.failed()),
            durations: counters.durations.since(&self.counters.durations),
        });
        self.counters = counters;
        for recent in self.replicas.values_mut() {
            recent.measured = None;
        }
        for (incarnation, measured) in replicas {
            let recent = self.replicas.entry(*incarnation).or_insert_with(|| Recent {
                seat: measured.replica.seat,
                window: Window::default(),
                counters: ReplicaCounters::default(),
                measured: None,
            });
            recent.measured = Some(measured.clone());
        }
        let sent: u64 = self.replicas.values().map(Recent::sent).sum();
        let in_ring = replicas.values().filter(|measured| measured.in_ring);
        let weight: u32 = in_ring.map(|measured| measured.weight.get()).sum();
        for recent in self.replicas.values_mut() {
            recent.push(took, sent as f64 / f64::from(weight.max(1)));
        }
        // Replicas that are gone stay as long as their window contributes to the minute.
        self.replicas.retain(|_, recent| recent.measured.is_some() || recent.window.minute().0 > 0);
    }

    /// The summary; `slots` is the number of slots of each seat.
    pub fn traffic(&self, slots: &BTreeMap<SeatId, usize>) -> Traffic {
        let recent = self.all.recent();
        let sums: Vec<(&Measured, Sum)> = self.replicas.values().filter_map(Recent::sum).collect();
        let sent = sums.iter().map(|(_, sum)| sum.requests).sum();
        let all_slots = slots.values().sum::<usize>() as u64;
        let replica = |(measured, sum): &(&Measured, Sum)| ReplicaTraffic {
            seat: measured.replica.seat,
            name: measured.replica.name.clone(),
            incarnation: measured.replica.incarnation,
            in_flight: measured.in_flight,
            requests_per_second: sum.per_second(sum.requests),
            errors_per_second: sum.per_second(sum.errors),
            p50_ms: ms(sum, 0.5),
            p99_ms: ms(sum, 0.99),
            load_share: share(sum.requests, sent),
            key_share: slots.get(&measured.replica.seat).and_then(|own| share(*own as u64, all_slots)),
        };
        let mut replicas: Vec<_> = sums.iter().map(replica).collect();
        replicas.sort_by_key(|replica| replica.seat);
        Traffic {
            seconds: recent.took.as_secs_f64().round() as u64,
            requests_per_second: recent.per_second(recent.requests),
            errors_per_second: recent.per_second(recent.errors),
            p50_ms: ms(&recent, 0.5),
            p99_ms: ms(&recent, 0.99),
            in_flight: self.counters.in_flight,
            peak_to_average: self.peak_to_average(),
            replicas,
        }
    }

    /// Largest ratio over the seats that are occupied now. Each slice is weighed by the seats of that time, so that a
    /// new seat does not look idle.
    fn peak_to_average(&self) -> Option<f64> {
        let mut seats: BTreeMap<SeatId, (u64, f64, bool)> = BTreeMap::new();
        for recent in self.replicas.values() {
            let (requests, fair) = recent.window.minute();
            let seat = seats.entry(recent.seat).or_default();
            *seat = (seat.0 + requests, seat.1 + fair, seat.2 || recent.in_ring().is_some());
        }
        let present = seats.values().filter(|(_, fair, present)| *present && *fair > 0.0);
        present.map(|(requests, fair, _)| *requests as f64 / fair).max_by(f64::total_cmp)
    }
}

impl Recent {
    /// Attempts since the last push.
    fn sent(&self) -> u64 {
        let now = self.measured.as_ref().map_or(0, |measured| measured.counters.attempts);
        now.saturating_sub(self.counters.attempts)
    }

    fn push(&mut self, took: Duration, sent_by_weight: f64) {
        let Some(measured) = &self.measured else {
            return self.window.push(Slice { took, ..Slice::default() });
        };
        let counters = measured.counters.clone();
        self.window.push(Slice {
            took,
            requests: self.sent(),
            fair: if measured.in_ring { sent_by_weight * f64::from(measured.weight.get()) } else { 0.0 },
            errors: counters.errors().saturating_sub(self.counters.errors()),
            durations: counters.durations.since(&self.counters.durations),
        });
        self.counters = counters;
    }

    fn sum(&self) -> Option<(&Measured, Sum)> {
        Some((self.in_ring()?, self.window.recent()))
    }

    fn in_ring(&self) -> Option<&Measured> {
        self.measured.as_ref().filter(|measured| measured.in_ring)
    }
}

fn ms(sum: &Sum, part: f64) -> Option<f64> {
    sum.durations.quantile(part).map(|took| took.as_secs_f64() * 1000.0)
}

fn share(part: u64, all: u64) -> Option<f64> {
    (all > 0).then(|| part as f64 / all as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::{Replica, Weight};

    const SECOND: Duration = Duration::from_secs(1);

    /// Counters that only grow, as routers report them.
    #[derive(Default)]
    struct Counted {
        minute: TrafficWindow,
        counters: RequestCounters,
        replicas: Replicas,
    }

    impl Counted {
        fn seat(&mut self, seat: u32, incarnation: u64, weight: u32) {
            self.replicas.retain(|_, measured| measured.replica.seat.get() != seat);
            let replica = Replica {
                seat: SeatId::new(seat).unwrap(),
                name: format!("r{incarnation}").parse().unwrap(),
                incarnation: Incarnation(incarnation),
                address: ([127, 0, 0, 1], 1).into(),
            };
            let weight = Weight::new(weight).unwrap();
            let measured = Measured {
                replica,
                weight,
                in_flight: 3,
                counters: ReplicaCounters::default(),
                in_ring: true,
            };
            self.replicas.insert(Incarnation(incarnation), measured);
        }

        fn second(&mut self, requests: &[(u64, u64)]) -> Traffic {
            for (incarnation, count) in requests {
                let counters = &mut self.replicas.get_mut(&Incarnation(*incarnation)).unwrap().counters;
                for _ in 0..*count {
                    counters.attempts += 1;
                    counters.durations.record(Duration::from_millis(1));
                    self.counters.requests[0].0[2] += 1;
                    self.counters.durations.record(Duration::from_millis(2));
                }
            }
            self.minute.push(SECOND, self.counters.clone(), &self.replicas);
            self.minute.traffic(&[(SeatId::new(1).unwrap(), 300), (SeatId::new(2).unwrap(), 100)].into())
        }
    }

    fn near(found: Option<f64>, expected: f64) {
        assert!(
            found.is_some_and(|found| (found - expected).abs() < 0.04 * expected),
            "{found:?} for {expected}"
        );
    }

    #[test]
    fn figures_are_none_where_nothing_was_measured() {
        let mut counted = Counted::default();
        assert_eq!(counted.minute.traffic(&BTreeMap::new()), Traffic::default());
        counted.seat(3, 1, 100);
        let traffic = counted.second(&[]);
        assert_eq!((traffic.seconds, traffic.p50_ms, traffic.peak_to_average), (1, None, None));
        let ReplicaTraffic { p99_ms, load_share, key_share, in_flight, .. } = traffic.replicas[0];
        assert_eq!((p99_ms, load_share, key_share, in_flight), (None, None, None, 3));
    }

    #[test]
    fn rates_cover_ten_seconds_and_shares_all_attempts() {
        let mut counted = Counted::default();
        counted.seat(1, 1, 100);
        counted.seat(2, 2, 100);
        for _ in 0..30 {
            counted.second(&[(1, 8), (2, 8)]);
        }
        let mut traffic = Traffic::default();
        for _ in 0..10 {
            traffic = counted.second(&[(1, 30), (2, 10)]);
        }
        assert_eq!(
            (traffic.seconds, traffic.requests_per_second, traffic.errors_per_second),
            (10, 40.0, 0.0)
        );
        near(traffic.p50_ms, 2.0);
        let [one, two] = &traffic.replicas[..] else { panic!("{traffic:?}") };
        assert_eq!(
            (one.load_share, one.key_share, two.load_share, two.key_share),
            (Some(0.75), Some(0.75), Some(0.25), Some(0.25))
        );
        near(two.p99_ms, 1.0);
        near(traffic.peak_to_average, (240.0 + 300.0) / (240.0 + 200.0));
    }

    #[test]
    fn a_cordoned_replica_continues_its_counters_when_it_returns() {
        let mut counted = Counted::default();
        counted.seat(1, 1, 100);
        counted.seat(2, 2, 100);
        counted.second(&[(1, 100), (2, 100)]);
        let set_in_ring = |counted: &mut Counted, in_ring| {
            counted.replicas.get_mut(&Incarnation(1)).unwrap().in_ring = in_ring;
        };
        set_in_ring(&mut counted, false);
        for _ in 0..70 {
            let traffic = counted.second(&[(2, 100)]);
            assert_eq!(traffic.replicas.iter().map(|r| r.incarnation.0).collect::<Vec<_>>(), [2]);
            near(traffic.peak_to_average, 1.0);
        }
        set_in_ring(&mut counted, true);
        assert_eq!(counted.second(&[(1, 20), (2, 20)]).replicas[0].requests_per_second, 2.0);
    }

    #[test]
    fn the_peak_follows_weights_and_is_not_distorted_by_new_seats_or_replacements() {
        let mut counted = Counted::default();
        counted.seat(1, 1, 300);
        counted.seat(2, 2, 100);
        near(counted.second(&[(1, 300), (2, 100)]).peak_to_average, 1.0);
        counted.seat(3, 3, 100);
        near(counted.second(&[(1, 300), (2, 100), (3, 100)]).peak_to_average, 1.0);
        counted.seat(2, 4, 100);
        let traffic = counted.second(&[(1, 300), (4, 100), (3, 100)]);
        near(traffic.peak_to_average, 1.0);
        assert_eq!(traffic.replicas.iter().map(|r| r.incarnation.0).collect::<Vec<_>>(), [1, 4, 3]);
        for _ in 0..70 {
            counted.second(&[(1, 1)]);
        }
        assert_eq!(counted.minute.replicas.len(), 3, "replicas that are gone are removed after the minute");
    }
}
