//! Counting keys in bounded memory.

use std::collections::HashMap;

use lb::ring::Layout;

use super::super::traffic::Traffic;

/// How many keys are counted singly, and how many bytes they may have together.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    keys: usize,
    bytes: usize,
}

/// Counts the requests of keys.
///
/// Up to a million distinct keys everything is exact. When there are more, the rarer half of those that are counted is
/// given up, as in lossy counting (Manku and Motwani, VLDB 2002), except that its requests go into the traffic per
/// slot: so balance and moved keys stay exact, whereas a hot key may be counted too low, by [`Counted::missed`] at most.
pub struct Tally {
    counts: HashMap<Box<[u8]>, u64>,
    bytes: usize,
    bounds: Bounds,
    given_up: Traffic,
    missed: u64,
}

/// What was counted.
#[derive(Debug)]
pub struct Counted {
    /// All requests, on the slots of the schemes.
    pub traffic: Traffic,
    /// Every key once, on the slots of the schemes; `None` if there were too many to count.
    pub keys: Option<Traffic>,
    /// The keys with the most requests, and these; the first is the heaviest.
    pub heaviest: Vec<(Box<[u8]>, u64)>,
    /// How far a count of `heaviest` may be too low; 0 if all keys could be counted.
    pub missed: u64,
}

impl Bounds {
    /// A million keys, which take 256 MiB at most.
    pub const DEFAULT: Self = Self { keys: 1_000_000, bytes: 256 << 20 };
}

impl Tally {
    /// Nothing counted yet, for these layouts.
    pub fn over<'a>(layouts: impl IntoIterator<Item = &'a Layout>, bounds: Bounds) -> Self {
        Self { counts: HashMap::new(), bytes: 0, bounds, given_up: Traffic::over(layouts), missed: 0 }
    }

    /// One more request with this key.
    pub fn add(&mut self, key: &[u8]) {
        if let Some(count) = self.counts.get_mut(key) {
            *count += 1;
            return;
        }
        if self.counts.len() >= self.bounds.keys || self.bytes + key.len() > self.bounds.bytes {
            self.give_up_the_rarer_half();
        }
        self.bytes += key.len();
        self.counts.insert(key.into(), 1);
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// The result, with so many of the heaviest keys.
    pub fn finish(self, heaviest: usize) -> Counted {
        let mut traffic = self.given_up;
        let mut keys = (self.missed == 0).then(|| traffic.clone());
        for (key, count) in &self.counts {
            traffic.add(key, *count);
            if let Some(keys) = &mut keys {
                keys.add(key, 1);
            }
        }
        let mut counts: Vec<_> = self.counts.into_iter().collect();
        counts.sort_unstable_by(|(a, m), (b, n)| n.cmp(m).then_with(|| a.cmp(b)));
        counts.truncate(heaviest);
        Counted { traffic, keys, heaviest: counts, missed: self.missed }
    }

    fn give_up_the_rarer_half(&mut self) {
        let mut counts: Vec<_> = self.counts.values().copied().collect();
        if counts.is_empty() {
            return;
        }
        let middle = counts.len() / 2;
        let rare = *counts.select_nth_unstable(middle).1;
        self.missed += rare;
        let (given_up, bytes) = (&mut self.given_up, &mut self.bytes);
        self.counts.retain(|key, count| {
            let keep = *count > rare;
            if !keep {
                given_up.add(key, *count);
                *bytes -= key.len();
            }
            keep
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUTS: [Layout; 2] = [Layout::assignment(), Layout::maglev()];

    /// Keys of which the n-th comes every n-th time, as those of real traffic do.
    fn keys() -> impl Iterator<Item = String> {
        (1..=3000_u32).flat_map(|n| (1..=40).filter(move |k| n % k == 0)).map(|k| format!("key {k}")).chain(
            // And many that come once.
            (0..2000).map(|n| n.to_string()),
        )
    }

    fn count(bounds: Bounds) -> Counted {
        let mut tally = Tally::over(&LAYOUTS, bounds);
        keys().for_each(|key| tally.add(key.as_bytes()));
        tally.finish(3)
    }

    #[test]
    fn few_keys_are_counted_exactly() {
        let counted = count(Bounds::DEFAULT);
        let heaviest: Vec<_> = counted.heaviest.iter().map(|(key, count)| (&**key, *count)).collect();
        assert_eq!(heaviest, [(&b"key 1"[..], 3000), (b"key 2", 1500), (b"key 3", 1000)]);
        assert_eq!((counted.keys.unwrap().requests(), counted.missed), (2040, 0));
        assert_eq!(counted.traffic.requests(), keys().count() as u64);
    }

    #[test]
    fn of_many_keys_the_traffic_is_exact_and_the_heaviest_are_nearly() {
        let exact = count(Bounds::DEFAULT);
        for bounds in [Bounds { keys: 100, ..Bounds::DEFAULT }, Bounds { bytes: 500, ..Bounds::DEFAULT }] {
            let counted = count(bounds);
            assert!(counted.keys.is_none() && counted.missed > 0);
            for layout in &LAYOUTS {
                assert_eq!(counted.traffic.on(layout), exact.traffic.on(layout), "{layout}");
            }
            for ((key, count), (exact_key, exact_count)) in counted.heaviest.iter().zip(&exact.heaviest) {
                assert_eq!(key, exact_key);
                assert!(count <= exact_count && count + counted.missed >= *exact_count);
            }
        }
    }

    #[test]
    fn a_key_beyond_the_bounds_is_still_counted() {
        let mut tally = Tally::over(&LAYOUTS, Bounds { keys: 10, bytes: 2 });
        assert!(tally.is_empty());
        for _ in 0..2 {
            tally.add(b"long");
            tally.add(b"longer");
        }
        assert!(!tally.is_empty());
        assert_eq!(tally.finish(1).traffic.requests(), 4);
    }
}
