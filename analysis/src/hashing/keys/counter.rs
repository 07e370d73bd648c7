//! Counts keys in bounded memory.

use std::collections::HashMap;

use lb::ring::Layout;

use super::super::traffic::Traffic;

/// Limits of the keys that are counted individually: their number, and their total length in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    keys: usize,
    bytes: usize,
}

/// Counts the requests of each key.
///
/// Counts are exact up to a million distinct keys. Beyond that the rarer half of the counted keys is evicted, as in
/// lossy counting (Manku and Motwani, VLDB 2002), but their requests stay in the traffic per slot: balance and moved
/// keys stay exact, whereas the count of a hot key may be too low by at most [`Counted::max_error`].
pub struct KeyCounter {
    counts: HashMap<Box<[u8]>, u64>,
    bytes: usize,
    bounds: Bounds,
    evicted: Traffic,
    max_error: u64,
}

/// Result of counting.
#[derive(Debug)]
pub struct Counted {
    /// All requests, per slot of the schemes.
    pub traffic: Traffic,
    /// Every distinct key once, per slot of the schemes; `None` if there were too many to count.
    pub keys: Option<Traffic>,
    /// The keys with the most requests, with their counts, in descending order.
    pub heaviest: Vec<(Box<[u8]>, u64)>,
    /// Upper bound of the error of each count in `heaviest`, which is never too high; 0 if all keys were counted.
    pub max_error: u64,
}

impl Bounds {
    /// One million keys of together at most 256 MiB.
    pub const DEFAULT: Self = Self { keys: 1_000_000, bytes: 256 << 20 };
}

impl KeyCounter {
    /// A counter without requests, for these layouts.
    pub fn for_layouts<'a>(layouts: impl IntoIterator<Item = &'a Layout>, bounds: Bounds) -> Self {
        let evicted = Traffic::for_layouts(layouts);
        Self { counts: HashMap::new(), bytes: 0, bounds, evicted, max_error: 0 }
    }

    /// Counts one request with this key.
    pub fn add(&mut self, key: &[u8]) {
        if let Some(count) = self.counts.get_mut(key) {
            *count += 1;
            return;
        }
        if self.counts.len() >= self.bounds.keys || self.bytes + key.len() > self.bounds.bytes {
            self.evict_rarer_half();
        }
        self.bytes += key.len();
        self.counts.insert(key.into(), 1);
    }

    /// Whether no request was counted.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// The result, with at most `heaviest` of the heaviest keys.
    pub fn finish(self, heaviest: usize) -> Counted {
        let mut traffic = self.evicted;
        let mut keys = (self.max_error == 0).then(|| traffic.clone());
        for (key, count) in &self.counts {
            traffic.add(key, *count);
            if let Some(keys) = &mut keys {
                keys.add(key, 1);
            }
        }
        let mut counts: Vec<_> = self.counts.into_iter().collect();
        counts.sort_unstable_by(|(a, m), (b, n)| n.cmp(m).then_with(|| a.cmp(b)));
        counts.truncate(heaviest);
        Counted { traffic, keys, heaviest: counts, max_error: self.max_error }
    }

    fn evict_rarer_half(&mut self) {
        let mut counts: Vec<_> = self.counts.values().copied().collect();
        if counts.is_empty() {
            return;
        }
        let middle = counts.len() / 2;
        let rare = *counts.select_nth_unstable(middle).1;
        self.max_error += rare;
        let (evicted, bytes) = (&mut self.evicted, &mut self.bytes);
        self.counts.retain(|key, count| {
            let keep = *count > rare;
            if !keep {
                evicted.add(key, *count);
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

    /// Zipf-like keys: key k occurs in every k-th round. 2,000 keys that occur once follow.
    fn keys() -> impl Iterator<Item = String> {
        (1..=3000_u32).flat_map(|n| (1..=40).filter(move |k| n % k == 0)).map(|k| format!("key {k}")).chain(
            // The keys that occur once.
            (0..2000).map(|n| n.to_string()),
        )
    }

    fn count(bounds: Bounds) -> Counted {
        let mut counter = KeyCounter::for_layouts(&LAYOUTS, bounds);
        keys().for_each(|key| counter.add(key.as_bytes()));
        counter.finish(3)
    }

    #[test]
    fn few_keys_are_counted_exactly() {
        let counted = count(Bounds::DEFAULT);
        let heaviest: Vec<_> = counted.heaviest.iter().map(|(key, count)| (&**key, *count)).collect();
        assert_eq!(heaviest, [(&b"key 1"[..], 3000), (b"key 2", 1500), (b"key 3", 1000)]);
        assert_eq!((counted.keys.unwrap().requests(), counted.max_error), (2040, 0));
        assert_eq!(counted.traffic.requests(), keys().count() as u64);
    }

    #[test]
    fn beyond_the_bounds_traffic_stays_exact_and_heavy_counts_within_the_error() {
        let exact = count(Bounds::DEFAULT);
        for bounds in [Bounds { keys: 100, ..Bounds::DEFAULT }, Bounds { bytes: 500, ..Bounds::DEFAULT }] {
            let counted = count(bounds);
            assert!(counted.keys.is_none() && counted.max_error > 0);
            for layout in &LAYOUTS {
                assert_eq!(counted.traffic.per_slot(layout), exact.traffic.per_slot(layout), "{layout}");
            }
            for ((key, count), (exact_key, exact_count)) in counted.heaviest.iter().zip(&exact.heaviest) {
                assert_eq!(key, exact_key);
                assert!(count <= exact_count && count + counted.max_error >= *exact_count);
            }
        }
    }

    #[test]
    fn a_key_longer_than_the_bound_is_still_counted() {
        let mut counter = KeyCounter::for_layouts(&LAYOUTS, Bounds { keys: 10, bytes: 2 });
        assert!(counter.is_empty());
        for _ in 0..2 {
            counter.add(b"long");
            counter.add(b"longer");
        }
        assert!(!counter.is_empty());
        assert_eq!(counter.finish(1).traffic.requests(), 4);
    }
}
