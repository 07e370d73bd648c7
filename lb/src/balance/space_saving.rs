//! The most frequent of many: Space-Saving (Metwally, Agrawal and El Abbadi, ICDT 2005).
//!
//! With m counters, after N offers: a count is never less than the truth, and at most its `error` more; whoever was
//! offered more than N/m times is there. Who is not there was offered at most [`floor`](SpaceSaving::floor) times.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Counts the most frequent with a fixed number of counters; each has a label of its own.
#[derive(Clone, Debug)]
pub struct SpaceSaving<L> {
    /// Where the counter of each is.
    places: HashMap<u64, usize, BuildHasherDefault<Hashed>>,
    ids: Vec<u64>,
    counters: Vec<Counter<L>>,
    capacity: usize,
    offered: u64,
    /// The least count, and before which place nobody has it any more: counts only grow.
    least: (u64, usize),
}

/// The hash of what is one already.
#[derive(Clone, Debug, Default)]
struct Hashed(u64);

/// One of the most frequent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter<L> {
    /// How often it was offered at most.
    pub count: u64,
    /// By how much that may be too many.
    pub error: u64,
    /// What is known of it.
    pub label: L,
}

impl<L: Default> SpaceSaving<L> {
    /// With so many counters, at least one.
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        Self {
            places: HashMap::with_capacity_and_hasher(capacity, BuildHasherDefault::default()),
            ids: Vec::with_capacity(capacity),
            counters: Vec::with_capacity(capacity),
            capacity,
            offered: 0,
            least: (0, 0),
        }
    }

    /// Counts one more. Who is new takes the counter of the least frequent, and its count as error; `label` then
    /// writes over the label of that one. `id` is a hash that nobody outside can choose: it is not hashed again.
    pub fn offer(&mut self, id: u64, label: impl FnOnce(&mut L)) {
        self.offered += 1;
        let at = self.places.get(&id).copied().unwrap_or_else(|| self.replace(id, label));
        self.counters[at].count += 1;
    }

    /// All counters, by id, in no order.
    pub fn counters(&self) -> impl Iterator<Item = (u64, &Counter<L>)> {
        self.ids.iter().copied().zip(&self.counters)
    }

    /// How many offers there were.
    pub fn offered(&self) -> u64 {
        self.offered
    }

    /// How often somebody who is not there may have been offered.
    pub fn floor(&self) -> u64 {
        let full = self.counters.len() == self.capacity;
        self.counters.iter().map(|counter| counter.count).min().filter(|_| full).unwrap_or(0)
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.places.clear();
        self.ids.clear();
        self.counters.clear();
        (self.offered, self.least) = (0, (0, 0));
    }

    fn replace(&mut self, id: u64, label: impl FnOnce(&mut L)) -> usize {
        let at = if self.counters.len() < self.capacity {
            self.ids.push(id);
            self.counters.push(Counter { count: 0, error: 0, label: L::default() });
            self.counters.len() - 1
        } else {
            let at = self.find_least();
            self.places.remove(&self.ids[at]);
            self.ids[at] = id;
            self.counters[at].error = self.counters[at].count;
            at
        };
        self.places.insert(id, at);
        label(&mut self.counters[at].label);
        at
    }

    /// One of the least frequent; all counters are taken.
    fn find_least(&mut self) -> usize {
        loop {
            let (least, from) = self.least;
            if let Some(at) = self.counters[from..].iter().position(|counter| counter.count == least) {
                self.least.1 += at;
                return self.least.1;
            }
            self.least = (self.floor(), 0);
        }
    }
}

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, byte| hash.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, id: u64) {
        self.0 = id;
    }
}

/// All that several sketches know together, with the same bounds: who is not in one of them may have been offered to it
/// as often as its floor says.
pub fn merge<'a, L: Clone + Default + 'a>(
    sketches: impl IntoIterator<Item = &'a SpaceSaving<L>, IntoIter: Clone>,
) -> HashMap<u64, Counter<L>> {
    let sketches = sketches.into_iter();
    let floors: u64 = sketches.clone().map(SpaceSaving::floor).sum();
    let mut merged = HashMap::new();
    for sketch in sketches {
        let floor = sketch.floor();
        for (id, Counter { count, error, label }) in sketch.counters() {
            let unseen = || Counter { count: floors, error: floors, label: label.clone() };
            let known = merged.entry(id).or_insert_with(unseen);
            known.count += count - floor;
            known.error -= floor - error;
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Offers by which few come often: the smaller, the more often.
    fn stream() -> impl Strategy<Value = Vec<u64>> {
        prop::collection::vec((0..64u64, 0..64u64).prop_map(|(a, b)| a * b / 16), 0..2000)
    }

    proptest! {
        #[test]
        fn the_bounds_hold(stream in stream(), capacity in 1..40usize) {
            let mut sketch = SpaceSaving::new(capacity);
            let mut truth = HashMap::new();
            for id in &stream {
                sketch.offer(*id, |label: &mut u64| *label = *id);
                *truth.entry(*id).or_insert(0u64) += 1;
            }
            let n = stream.len() as u64;
            prop_assert_eq!(sketch.offered(), n);
            prop_assert!(sketch.counters().count() <= capacity);
            prop_assert_eq!(sketch.counters().map(|(_, counter)| counter.count).sum::<u64>(), n);
            let floor = sketch.floor();
            prop_assert!(floor <= n / capacity as u64);
            let found: HashMap<_, _> = sketch.counters().collect();
            for (id, counter) in &found {
                prop_assert_eq!(*id, counter.label);
                let true_count = truth[id];
                prop_assert!(counter.count >= true_count && counter.count - counter.error <= true_count);
                prop_assert!(counter.error <= floor);
            }
            for (id, true_count) in truth {
                prop_assert!(found.contains_key(&id) || true_count <= floor);
                prop_assert!(found.contains_key(&id) || true_count <= n / capacity as u64);
            }
        }
    }

    proptest! {
        #[test]
        fn merged_bounds_hold(streams in prop::collection::vec(stream(), 0..4), capacity in 1..40usize) {
            let mut truth = HashMap::new();
            let sketches: Vec<_> = streams.iter().map(|stream| {
                let mut sketch = SpaceSaving::new(capacity);
                for id in stream {
                    sketch.offer(*id, |label: &mut u64| *label = *id);
                    *truth.entry(*id).or_insert(0u64) += 1;
                }
                sketch
            }).collect();
            let merged = merge(&sketches);
            let floors: u64 = sketches.iter().map(SpaceSaving::floor).sum();
            for (id, counter) in &merged {
                prop_assert_eq!(*id, counter.label);
                let true_count = truth[id];
                prop_assert!(counter.count >= true_count && counter.count - counter.error <= true_count);
            }
            for (id, true_count) in truth {
                prop_assert!(merged.contains_key(&id) || true_count <= floors);
            }
        }
    }

    #[test]
    fn the_heaviest_of_a_long_tail_are_named_also_after_a_flood_of_new_ones() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut harmonics = vec![1.0];
        (2..=20_000).for_each(|n| harmonics.push(harmonics[harmonics.len() - 1] + 1.0 / f64::from(n)));
        let mut sketch = SpaceSaving::new(256);
        let mut truth = vec![0u64; harmonics.len()];
        let mut offer = |id: usize| {
            truth[id] += 1;
            sketch.offer(id as u64, |label: &mut u64| *label = id as u64);
        };
        for _ in 0..100_000 {
            let drawn = rng.f64() * harmonics[harmonics.len() - 1];
            offer(harmonics.partition_point(|sum| *sum < drawn).min(harmonics.len() - 1));
        }
        (10_000..20_000).for_each(offer);
        let mut named: Vec<_> = sketch.counters().map(|(id, one)| (one.count - one.error, id)).collect();
        named.sort_unstable_by(|a, b| b.cmp(a));
        for (rank, (certain, id)) in named[..20].iter().enumerate() {
            let true_count = truth[*id as usize];
            assert!(*id < 25 && *certain * 100 >= true_count * 95, "{rank}: {id} {certain} of {true_count}");
        }
    }

    #[test]
    fn what_is_cleared_is_forgotten() {
        let mut sketch = SpaceSaving::new(2);
        (0..5).for_each(|id| sketch.offer(id, |label: &mut u64| *label = id));
        sketch.clear();
        assert_eq!((sketch.offered(), sketch.floor(), sketch.counters().count()), (0, 0, 0));
        sketch.offer(7, |label| *label = 7);
        let all: Vec<_> = sketch.counters().collect();
        assert_eq!(all, [(7, &Counter { count: 1, error: 0, label: 7 })]);
    }
}
