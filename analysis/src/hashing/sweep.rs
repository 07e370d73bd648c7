//! Measures every scheme over many sets of seats and of keys.

use std::borrow::Cow;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::sync::mpsc;
use std::thread;

use lb::ring::RingError;

use super::candidate::Candidate;
use super::measure::{moved, peak, seats, slot_peak};
use super::traffic::Traffic;

/// Range of the number of seats before one joins or leaves, unless the user's keys are measured.
pub const FLEET_SIZES: RangeInclusive<u32> = 2..=10;

/// Highest seat number that is drawn: the default of `--max-replicas`.
pub const MAX_SEAT: u32 = 64;

/// Source of the requests of a trial.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    /// This many random request ids, drawn anew for each trial. Another sample of keys has the effect of another hash
    /// seed.
    RandomIds(u32),
    /// The same traffic in every trial.
    Fixed(&'a Traffic),
}

/// Result of one scheme with one set of seats and keys.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trial {
    /// Peak-to-average of the slots that each seat owns.
    pub slot_peak: f64,
    /// Peak-to-average of the requests that each seat gets.
    pub peak: f64,
    /// Share of the requests that move when a seat joins, divided by the ideal 1/(N+1).
    pub join: f64,
    /// Share of the requests that move when a seat leaves, divided by the ideal 1/N.
    pub leave: f64,
    /// Share (0–1) of the requests that move between seats that stay: mean of the join and the leave.
    pub needless: f64,
    /// `needless` divided by the ideal. Unlike `join` and `leave` it does not vary with the share of the changing seat.
    pub excess: f64,
}

/// A set of seats, with one seat that joins it and one that leaves it.
pub struct Change {
    /// Seat numbers, in no particular order.
    pub seats: Vec<u32>,
    /// Number of the joining seat; not in `seats`.
    pub joining: u32,
    /// Number of the leaving seat; in `seats`.
    pub leaving: u32,
}

impl Change {
    /// Draws a random set whose size is in this range.
    pub fn random(sizes: RangeInclusive<u32>, rng: &mut fastrand::Rng) -> Self {
        let n = rng.u32(sizes) as usize;
        let mut seats = rng.choose_multiple(1..=MAX_SEAT, n + 1);
        // choose_multiple draws an unordered sample: without the shuffle its last element is not uniform.
        rng.shuffle(&mut seats);
        let joining = seats.swap_remove(n);
        Self { leaving: seats[0], joining, seats }
    }

    /// The seats that remain after the leave.
    pub fn remaining(&self) -> impl Iterator<Item = u32> {
        self.seats.iter().copied().filter(|seat| *seat != self.leaving)
    }
}

/// Runs the trials of every scheme, on fleets whose size is in `sizes`; returns one list of trials per scheme.
/// `progress` is called after each trial that all schemes have finished.
///
/// Trial n is the same for every scheme and depends only on `seed` and n. The joining and the leaving seat are drawn
/// like the others, so each has an even share in expectation: what moves beyond the ideal *on average* is needless,
/// whereas a single change varies with the share of its seat.
///
/// # Errors
/// When a layout has no room for that many seats.
pub fn run(
    candidates: &[Candidate],
    sizes: RangeInclusive<u32>,
    source: Source<'_>,
    trials: u32,
    seed: u64,
    mut progress: impl FnMut(),
) -> Result<Vec<Vec<Trial>>, RingError> {
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get) as u32;
    let (done, finished) = mpsc::channel();
    let mut rows = thread::scope(|scope| {
        for thread in 0..threads {
            let (done, sizes) = (done.clone(), sizes.clone());
            scope.spawn(move || {
                for n in (thread..trials).step_by(threads as usize) {
                    let mut rng = fastrand::Rng::with_seed(seed ^ (u64::from(n) << 32));
                    if done.send((n, trial(candidates, sizes.clone(), source, &mut rng))).is_err() {
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

/// Measures every scheme with one set of seats and keys.
fn trial(
    candidates: &[Candidate],
    sizes: RangeInclusive<u32>,
    source: Source<'_>,
    rng: &mut fastrand::Rng,
) -> Result<Vec<Trial>, RingError> {
    let change = Change::random(sizes, rng);
    let traffic = match source {
        Source::RandomIds(requests) => Cow::Owned(random_ids(candidates, requests, rng)),
        Source::Fixed(traffic) => Cow::Borrowed(traffic),
    };
    candidates
        .iter()
        .map(|candidate| {
            let (layout, n) = (&candidate.layout, change.seats.len() as f64);
            let current = || change.seats.iter().copied();
            let now = layout.slot_map(&seats(current()))?;
            let more = layout.slot_map(&seats(current().chain([change.joining])))?;
            let fewer = layout.slot_map(&seats(change.remaining()))?;
            let requests = traffic.per_slot(&candidate.layout);
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

/// Requests with random ids, uniform in 100000…999999, as the balancer's random keys are.
pub fn random_ids(candidates: &[Candidate], requests: u32, rng: &mut fastrand::Rng) -> Traffic {
    let mut traffic = Traffic::for_layouts(candidates.iter().map(|candidate| &candidate.layout));
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
        let columns = run(&candidates, FLEET_SIZES, source, 30, 7, || done += 1).unwrap();
        assert_eq!((done, columns.len()), (30, candidates.len()));
        columns
    }

    #[test]
    fn a_seed_determines_the_trials_regardless_of_threads() {
        assert_eq!(run_few(Source::RandomIds(100)), run_few(Source::RandomIds(100)));
    }

    #[test]
    fn a_cap_evens_the_slots_and_causes_needless_moves() {
        let candidates = all().unwrap();
        let traffic = random_ids(&candidates, 5000, &mut fastrand::Rng::with_seed(1));
        let mean = |trials: &[Trial], of: fn(&Trial) -> f64| trials.iter().map(of).sum::<f64>() / 30.0;
        let columns = run_few(Source::Fixed(&traffic));
        let at = |name: &str| columns[candidates.iter().position(|it| it.name == name).unwrap()].as_slice();
        let (free, capped) = (at("xxh3"), at("xxh3, cap 1.10 (default)"));
        assert!(capped.iter().all(|trial| trial.slot_peak < 1.12), "rounding allows one slot above the cap");
        assert!(mean(free, |trial| trial.slot_peak) > 1.25);
        assert!(mean(free, |trial| trial.needless) < 0.005 && mean(capped, |trial| trial.needless) > 0.02);
        assert!(mean(at("polynomial"), |trial| trial.peak) > mean(free, |trial| trial.peak));
    }

    #[test]
    fn the_joining_seat_is_new_and_the_leaving_seat_is_present() {
        let mut rng = fastrand::Rng::with_seed(3);
        for _ in 0..200 {
            let Change { seats, joining, leaving } = Change::random(2..=4, &mut rng);
            assert!((2..=4).contains(&seats.len()) && seats.contains(&leaving) && !seats.contains(&joining));
        }
    }
}
