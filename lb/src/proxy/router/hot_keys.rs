//! Which keys come most often: a sketch of the last minutes, of a fixed size however many keys there are.
//!
//! Two generations take turns, so that a key that comes no more fades. Keys that were drawn at random count for nothing.

use std::mem;
use std::time::{Duration, Instant};

use actix::prelude::*;

use crate::balance::SpaceSaving;
use crate::observe::redaction::{KeyRedactor, LogKey, MAX_SHOWN};
use crate::ring::Slot;

/// How many keys a generation counts: whoever has more than a 256th of its requests is among them.
pub const COUNTERS: usize = 256;

/// A generation is the current one for so long, and is kept for as long again.
const GENERATION: Duration = Duration::from_secs(120);

/// Say which keys came most often.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "HotKeySnapshot")]
pub struct HotKeys;

/// The answer to [`HotKeys`].
#[derive(Clone, Debug, MessageResponse)]
pub struct HotKeySnapshot {
    /// How far back it goes.
    pub age: Duration,
    /// How keys may be shown.
    pub form: LogKey,
    /// What the minutes brought, the last first.
    pub generations: [Generation; 2],
}

/// What some minutes brought.
#[derive(Clone, Debug)]
pub struct Generation {
    /// The most frequent keys, each by the number of [`KeyRedactor::identify`].
    pub keys: SpaceSaving<Label>,
    /// Requests with a key, by slot; empty before the first.
    pub slots: Vec<u32>,
    since: Instant,
}

/// What is known of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Label {
    /// Its slot.
    pub slot: Option<Slot>,
    /// Its first bytes, at most [`MAX_SHOWN`]; none unless keys are shown in plain.
    pub key: Vec<u8>,
}

/// The sketch of one router.
pub struct HotKeyTracker {
    form: KeyRedactor,
    current: Generation,
    previous: Generation,
}

impl HotKeyTracker {
    /// Nothing counted yet.
    pub fn new(form: KeyRedactor, now: Instant) -> Self {
        Self { form, current: Generation::new(now), previous: Generation::new(now) }
    }

    /// Begins anew if keys are to be shown in another form: what is not to be shown any more is not kept either.
    pub(crate) fn configure(&mut self, form: &KeyRedactor, now: Instant) {
        if form.form() != self.form.form() {
            *self = Self::new(form.clone(), now);
        }
    }

    /// A request with this key; `slots` is how many there are.
    pub fn count(&mut self, key: &[u8], slot: Slot, slots: u32, now: Instant) {
        self.turn(now);
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

    /// All that is known.
    pub(crate) fn heat(&mut self, now: Instant) -> HotKeySnapshot {
        self.turn(now);
        let age = now.saturating_duration_since(self.previous.since);
        HotKeySnapshot {
            age,
            form: self.form.form(),
            generations: [self.current.clone(), self.previous.clone()],
        }
    }

    /// Begins a new generation if it is time.
    fn turn(&mut self, now: Instant) {
        let age = now.saturating_duration_since(self.current.since);
        if age < GENERATION {
            return;
        }
        mem::swap(&mut self.current, &mut self.previous);
        self.current.begin(now);
        if age >= 2 * GENERATION {
            // Nothing came for so long that what was current is too old too.
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

    fn hot(form: LogKey) -> (HotKeyTracker, Instant) {
        let now = Instant::now();
        (HotKeyTracker::new(KeyRedactor::new(form), now), now)
    }

    fn count(hot: &mut HotKeyTracker, key: &[u8], now: Instant) {
        let layout = Layout::default();
        hot.count(key, layout.position(key).slot, layout.slots(), now);
    }

    /// Of both generations.
    fn offered(heat: &HotKeySnapshot) -> [u64; 2] {
        heat.generations.each_ref().map(|generation| {
            let by_slot = generation.slots.iter().map(|count| u64::from(*count)).sum::<u64>();
            assert_eq!(by_slot, generation.keys.offered());
            by_slot
        })
    }

    #[test]
    fn a_key_fades_in_two_generations() {
        let (mut hot, start) = hot(LogKey::Plain);
        (0..3).for_each(|_| count(&mut hot, b"alice", start));
        let heat = hot.heat(start);
        let label = heat.generations[0].keys.counters().next().unwrap().1.label.clone();
        assert_eq!(
            label,
            Label { slot: Some(Layout::default().position(b"alice").slot), key: b"alice".to_vec() }
        );
        count(&mut hot, b"bob", start + GENERATION);
        let heat = hot.heat(start + GENERATION);
        assert_eq!((offered(&heat), heat.age), ([1, 3], GENERATION));
        assert_eq!(offered(&hot.heat(start + 2 * GENERATION)), [0, 1]);
        assert_eq!(offered(&hot.heat(start + 3 * GENERATION)), [0, 0]);
    }

    #[test]
    fn after_a_long_silence_nothing_is_hot() {
        let (mut hot, start) = hot(LogKey::Plain);
        count(&mut hot, b"alice", start);
        let heat = hot.heat(start + 2 * GENERATION);
        assert_eq!((offered(&heat), heat.age), ([0, 0], Duration::ZERO));
    }

    #[test]
    fn a_key_that_may_not_be_shown_is_not_kept() {
        for form in [LogKey::Hash, LogKey::Off] {
            let (mut hot, now) = hot(form);
            count(&mut hot, b"alice", now);
            let heat = hot.heat(now);
            let (id, counter) = heat.generations[0].keys.counters().next().unwrap();
            assert_eq!((counter.label.key.len(), id), (0, hot.form.identify(b"alice")));
        }
        let (mut hot, now) = hot(LogKey::Plain);
        count(&mut hot, &[b'x'; 5000], now);
        assert_eq!(hot.heat(now).generations[0].keys.counters().next().unwrap().1.label.key.len(), MAX_SHOWN);
    }
}
