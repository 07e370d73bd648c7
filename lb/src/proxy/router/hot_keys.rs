//! The most frequent keys of the last minutes, in a sketch of fixed size (Space-Saving).
//!
//! Two generations alternate, so that keys without requests drop out. Random keys are not counted.

use std::mem;
use std::time::{Duration, Instant};

use actix::prelude::*;

use crate::balance::SpaceSaving;
use crate::proxy::redaction::{KeyRedactor, LogKey, MAX_SHOWN};
use crate::ring::Slot;

/// Number of keys that a generation counts. A key with more than 1/256 of its requests is guaranteed to be among them.
pub const COUNTERS: usize = 256;

/// Time for which a generation is current; it is then kept as the previous one for as long again.
const GENERATION: Duration = Duration::from_secs(120);

/// The most frequent keys of a router at one moment.
#[derive(Clone, Debug, MessageResponse)]
pub struct HotKeySnapshot {
    /// Time since the start of the previous generation.
    pub age: Duration,
    /// The form in which keys may be shown (`--log-key`).
    pub form: LogKey,
    /// The current and the previous generation.
    pub generations: [Generation; 2],
}

/// Requests counted in one period.
#[derive(Clone, Debug)]
pub struct Generation {
    /// The most frequent keys, identified by the number of [`KeyRedactor::identify`].
    pub keys: SpaceSaving<Label>,
    /// Number of requests with a key by slot; empty before the first one.
    pub slots: Vec<u32>,
    since: Instant,
}

/// Slot and text of a counted key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Label {
    /// Slot of the key; `None` until its first request.
    pub slot: Option<Slot>,
    /// The first [`MAX_SHOWN`] bytes of the key; empty unless keys are shown in plain.
    pub key: Vec<u8>,
}

/// Counts the keys of one router.
pub struct HotKeyTracker {
    form: KeyRedactor,
    current: Generation,
    previous: Generation,
}

impl HotKeyTracker {
    /// An empty tracker whose first generation begins now.
    pub fn new(form: KeyRedactor, now: Instant) -> Self {
        Self { form, current: Generation::new(now), previous: Generation::new(now) }
    }

    /// Clears the tracker if the form of keys changes: keys that may no longer be shown must not be kept.
    pub(crate) fn configure(&mut self, form: &KeyRedactor, now: Instant) {
        if form.form() != self.form.form() {
            *self = Self::new(form.clone(), now);
        }
    }

    /// Counts a request with this key; `slots` is the number of slots of the layout.
    pub fn count(&mut self, key: &[u8], slot: Slot, slots: u32, now: Instant) {
        self.rotate(now);
        let counts = &mut self.current.slots;
        counts.resize(slots as usize, 0);
        if let Some(count) = counts.get_mut(slot.index()) {
            *count = count.saturating_add(1);
        }
        let shown = if self.form.form() == LogKey::Plain { &key[..key.len().min(MAX_SHOWN)] } else { b"" };
        self.current.keys.offer(self.form.identify(key), |label| {
            label.slot = Some(slot);
            label.key.clear();
            label.key.extend_from_slice(shown);
        });
    }

    /// A copy of both generations.
    pub(crate) fn snapshot(&mut self, now: Instant) -> HotKeySnapshot {
        self.rotate(now);
        let age = now.saturating_duration_since(self.previous.since);
        HotKeySnapshot {
            age,
            form: self.form.form(),
            generations: [self.current.clone(), self.previous.clone()],
        }
    }

    /// Begins a new generation if the current one is older than [`GENERATION`].
    fn rotate(&mut self, now: Instant) {
        let age = now.saturating_duration_since(self.current.since);
        if age < GENERATION {
            return;
        }
        mem::swap(&mut self.current, &mut self.previous);
        self.current.begin(now);
        if age >= 2 * GENERATION {
            // No request for two generations: the previous one has expired too.
            self.previous.begin(now);
        }
    }
}

impl Generation {
    fn new(since: Instant) -> Self {
        Self { keys: SpaceSaving::new(COUNTERS), slots: Vec::new(), since }
    }

    fn begin(&mut self, now: Instant) {
        self.keys.clear();
        self.slots.fill(0);
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::Layout;

    fn tracker(form: LogKey) -> (HotKeyTracker, Instant) {
        let now = Instant::now();
        (HotKeyTracker::new(KeyRedactor::new(form), now), now)
    }

    fn count(tracker: &mut HotKeyTracker, key: &[u8], now: Instant) {
        let layout = Layout::default();
        tracker.count(key, layout.position(key).slot, layout.slots(), now);
    }

    /// Requests in both generations.
    fn offered(snapshot: &HotKeySnapshot) -> [u64; 2] {
        snapshot.generations.each_ref().map(|generation| {
            let by_slot = generation.slots.iter().map(|count| u64::from(*count)).sum::<u64>();
            assert_eq!(by_slot, generation.keys.offered());
            by_slot
        })
    }

    #[test]
    fn a_key_expires_after_two_generations() {
        let (mut tracker, start) = tracker(LogKey::Plain);
        (0..3).for_each(|_| count(&mut tracker, b"alice", start));
        let snapshot = tracker.snapshot(start);
        let label = snapshot.generations[0].keys.counters().next().unwrap().1.label.clone();
        assert_eq!(
            label,
            Label { slot: Some(Layout::default().position(b"alice").slot), key: b"alice".to_vec() }
        );
        count(&mut tracker, b"bob", start + GENERATION);
        let snapshot = tracker.snapshot(start + GENERATION);
        assert_eq!((offered(&snapshot), snapshot.age), ([1, 3], GENERATION));
        assert_eq!(offered(&tracker.snapshot(start + 2 * GENERATION)), [0, 1]);
        assert_eq!(offered(&tracker.snapshot(start + 3 * GENERATION)), [0, 0]);
    }

    #[test]
    fn all_counts_expire_after_a_long_idle_time() {
        let (mut tracker, start) = tracker(LogKey::Plain);
        count(&mut tracker, b"alice", start);
        let snapshot = tracker.snapshot(start + 2 * GENERATION);
        assert_eq!((offered(&snapshot), snapshot.age), ([0, 0], Duration::ZERO));
    }

    #[test]
    fn a_key_that_may_not_be_shown_is_not_kept() {
        for form in [LogKey::Hash, LogKey::Off] {
            let (mut tracker, now) = tracker(form);
            count(&mut tracker, b"alice", now);
            let snapshot = tracker.snapshot(now);
            let (id, counter) = snapshot.generations[0].keys.counters().next().unwrap();
            assert_eq!((counter.label.key.len(), id), (0, tracker.form.identify(b"alice")));
        }
        let (mut tracker, now) = tracker(LogKey::Plain);
        count(&mut tracker, &[b'x'; 5000], now);
        assert_eq!(
            tracker.snapshot(now).generations[0].keys.counters().next().unwrap().1.label.key.len(),
            MAX_SHOWN
        );
    }
}
