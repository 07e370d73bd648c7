//! Every scheme over many sets of seats and many sets of keys.

use std::borrow::Cow;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::sync::mpsc;
use std::thread;

use lb::ring::RingError;

use super::candidate::Candidate;
use super::measure::{moved, peak, seats, slot_peak};
use super::traffic::Traffic;

/// Without keys of the user's own, fleets have this many seats before one joins or leaves.
pub const FLEETS: RangeInclusive<u32> = 2..=10;

/// Seat numbers are drawn from 1 to this, the default of `--max-replicas`.
pub const HIGHEST_SEAT: u32 = 64;

/// Where the requests of a trial come from.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    /// So many request ids, drawn anew for each trial: another sample of keys, as another hash seed would give.
    Ids(u32),
    /// The same traffic in every trial.
    Given(&'a Traffic),
}

/// One scheme with one set of seats and keys.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trial {
    /// Of the slots that each seat owns.
    pub slot_peak: f64,
    /// Peak-to-average of the requests that each seat gets.
    pub peak: f64,
    /// The share of requests that another seat gets after one joins, over the ideal 1/(N+1).
    pub join: f64,
    /// The share of requests that another seat gets after one leaves, over the ideal 1/N.
    pub leave: f64,
    /// The share of requests that moves between seats that stay, 0…1: the mean of the join and the leave.
    pub needless: f64,
    /// The same over the ideal: what is moved beyond it, without the chance of which seat joins or leaves.
    pub excess: f64,
}

/// A set of seats, and what happens to it.
pub struct Change {
    /// Their numbers, in no order.
    pub seats: Vec<u32>,
    /// Another number.
    pub joins: u32,
    /// One of them.
    pub leaves: u32,
}

impl Change {
    /// Of a fleet of so many seats.
    pub fn draw(fleets: RangeInclusive<u32>, rng: &mut fastrand::Rng) -> Self {
        let n = rng.u32(fleets) as usize;
        let mut seats = rng.choose_multiple(1..=HIGHEST_SEAT, n + 1);
        // choose_multiple draws a set, not an order: its last element is not drawn as the others are.
        rng.shuffle(&mut seats);
        let joins = seats.swap_remove(n);
        Self { leaves: seats[0], joins, seats }
    }

    /// The seats without the one that leaves.
    pub fn rest(&self) -> impl Iterator<Item = u32> {
        self.seats.iter().copied().filter(|seat| *seat != self.leaves)
    }
}

/// Per scheme its trials, on fleets of so many seats; `progress` hears of every trial that is done for all schemes.
///
/// Trial n is the same for every scheme, and depends on `seed` and n only. The seat that joins and the one that leaves
/// are drawn as the others are, so in expectation they have an even share, and whatever moves beyond the ideal *on
/// average* is needless; a single change moves more or less than the ideal as its seat owns more or less.
///
/// # Errors
/// When so many seats do not fit a layout.
pub fn run(
    candidates: &[Candidate],
    fleets: RangeInclusive<u32>,
    source: Source<'_>,
    trials: u32,
    seed: u64,
    mut progress: impl FnMut(),
) -> Result<Vec<Vec<Trial>>, RingError> {
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get) as u32;
    let (done, finished) = mpsc::channel();
    let mut rows = thread::scope(|scope| {
        for thread in 0..threads {
            let (done, fleets) = (done.clone(), fleets.clone());
            scope.spawn(move || {
                for n in (thread..trials).step_by(threads as usize) {
                    let mut rng = fastrand::Rng::with_seed(seed ^ (u64::from(n) << 32));
                    if done.send((n, trial(candidates, fleets.clone(), source, &mut rng))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(done);
        finished.iter().inspect(|_| progress()).collect::<Vec<_>>()
    });
    rows.sort_by_key(|(n, _)| *n);
    let mut columns = vec![Vec::with_capacity(rows.len()); candidates.len()];
    for (_, row) in rows {
        columns.iter_mut().zip(row?).for_each(|(column, trial)| column.push(trial));
    }
    Ok(columns)
}

/// Every scheme with one set of seats and keys.
fn trial(
    candidates: &[Candidate],
    fleets: RangeInclusive<u32>,
    source: Source<'_>,
    rng: &mut fastrand::Rng,
) -> Result<Vec<Trial>, RingError> {
    let change = Change::draw(fleets, rng);
    let traffic = match source {
        Source::Ids(requests) => Cow::Owned(random_ids(candidates, requests, rng)),
        Source::Given(traffic) => Cow::Borrowed(traffic),
    };
    candidates
        .iter()
        .map(|candidate| {
            let (layout, n) = (&candidate.layout, change.seats.len() as f64);
            let stay = || change.seats.iter().copied();
            let now = layout.slot_map(&seats(stay()))?;
            let more = layout.slot_map(&seats(stay().chain([change.joins])))?;
            let fewer = layout.slot_map(&seats(change.rest()))?;
            let requests = traffic.on(&candidate.layout);
            let (join, leave) = (moved(&now, &more, requests), moved(&now, &fewer, requests));
            Ok(Trial {
                slot_peak: slot_peak(&now),
                peak: peak(&now, requests),
                join: join.all * (n + 1.0),
                leave: leave.all * n,
                needless: (join.needless + leave.needless) / 2.0,
                excess: (join.needless * (n + 1.0) + leave.needless * n) / 2.0,
            })
        })
        .collect()
}

/// So many requests with ids that are uniform in 100000…999999, as the balancer's own random keys are.
pub fn random_ids(candidates: &[Candidate], requests: u32, rng: &mut fastrand::Rng) -> Traffic {
    let mut traffic = Traffic::over(candidates.iter().map(|candidate| &candidate.layout));
    for _ in 0..requests {
        traffic.add(rng.u32(100_000..1_000_000).to_string().as_bytes(), 1);
    }
    traffic
}

#[cfg(test)]
mod tests {
    use super::super::candidate::all;
    use super::*;

    fn run_few(source: Source<'_>) -> Vec<Vec<Trial>> {
        let candidates: Vec<_> = all().unwrap().into_iter().filter(|it| it.layout.slots() == 512).collect();
        let mut done = 0;
        let columns = run(&candidates, FLEETS, source, 30, 7, || done += 1).unwrap();
        assert_eq!((done, columns.len()), (30, candidates.len()));
        columns
    }

    #[test]
    fn the_same_seed_gives_the_same_trials_whichever_thread_is_first() {
        assert_eq!(run_few(Source::Ids(100)), run_few(Source::Ids(100)));
    }

    #[test]
    fn a_cap_evens_the_slots_and_moves_keys_needlessly() {
        let candidates = all().unwrap();
        let traffic = random_ids(&candidates, 5000, &mut fastrand::Rng::with_seed(1));
        let mean = |trials: &[Trial], of: fn(&Trial) -> f64| trials.iter().map(of).sum::<f64>() / 30.0;
        let columns = run_few(Source::Given(&traffic));
        let at = |name: &str| columns[candidates.iter().position(|it| it.name == name).unwrap()].as_slice();
        let (free, capped) = (at("xxh3"), at("xxh3, cap 1.10 (default)"));
        assert!(capped.iter().all(|trial| trial.slot_peak < 1.12), "one slot more than the cap, by rounding");
        assert!(mean(free, |trial| trial.slot_peak) > 1.25);
        assert!(mean(free, |trial| trial.needless) < 0.005 && mean(capped, |trial| trial.needless) > 0.02);
        assert!(mean(at("polynomial"), |trial| trial.peak) > mean(free, |trial| trial.peak));
    }

    #[test]
    fn the_seats_that_join_and_leave_are_others_and_one_of_them() {
        let mut rng = fastrand::Rng::with_seed(3);
        for _ in 0..200 {
            let Change { seats, joins, leaves } = Change::draw(2..=4, &mut rng);
            assert!((2..=4).contains(&seats.len()) && seats.contains(&leaves) && !seats.contains(&joins));
        }
    }
}
