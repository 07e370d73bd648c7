//! The router's copies of the ring's answers: which of them are valid, and the slot of a key.

use std::rc::Rc;

use crate::ring::{Layout, Slot, SlotSet};

use super::endpoints::Endpoint;

/// A part of a slot's walk: consecutive replicas of occupied seats.
pub(crate) type Page = Rc<[Rc<Endpoint>]>;

/// The leases of a router. Pure: the look-ups and recalls are messages of the actor.
#[derive(Default)]
pub(crate) struct Leases {
    /// Maps keys to slots; `None` until the ring has registered the router.
    layout: Option<Layout>,
    /// Epoch of the last recall.
    epoch: u64,
    /// The first page of each slot's walk, if it was looked up and not recalled since.
    pages: Vec<Option<Page>>,
}

impl Leases {
    /// Begins with the layout and the epoch at which the ring has registered the router.
    pub fn register(&mut self, epoch: u64, layout: Layout) {
        *self = Self { epoch, pages: vec![None; layout.slots() as usize], layout: Some(layout) };
    }

    /// Drops the leases of these slots; answers of older epochs are not valid any more.
    pub fn recall(&mut self, epoch: u64, slots: &SlotSet) {
        self.epoch = epoch;
        for range in slots.ranges() {
            if let Some(pages) = self.pages.get_mut(range) {
                pages.fill(None);
            }
        }
    }

    /// Maps keys to slots; `None` until the ring has registered the router.
    pub fn layout(&self) -> Option<&Layout> {
        self.layout.as_ref()
    }

    /// Epoch of the last recall.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether an answer of the ring of this epoch may be used. Answers and recalls are not ordered: an answer older
    /// than the last recall may contain a replica that has left since, a newer one a replica that this router has not
    /// received yet.
    pub fn is_valid(&self, epoch: u64) -> bool {
        epoch == self.epoch
    }

    /// The first page of a slot's walk; `None`: it must be looked up.
    pub fn get(&self, slot: Slot) -> Option<Page> {
        self.pages.get(slot.index()).cloned().flatten()
    }

    /// Keeps the first page of a slot's walk, from a valid answer, until the slot is recalled.
    pub fn insert(&mut self, slot: Slot, page: Page) {
        if let Some(lease) = self.pages.get_mut(slot.index()) {
            *lease = Some(page);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_valid_until_its_slot_is_recalled() {
        let mut leases = Leases::default();
        let layout = Layout::default();
        let slot = layout.position(b"alice").slot;
        leases.insert(slot, Rc::new([]));
        assert!(leases.layout().is_none() && leases.get(slot).is_none(), "not registered yet");
        leases.register(3, layout);
        assert!(leases.layout().is_some() && leases.get(slot).is_none());
        leases.insert(slot, Rc::new([]));
        assert!(leases.get(slot).is_some());
        assert!([2, 3, 4].map(|epoch| leases.is_valid(epoch)) == [false, true, false]);
        leases.recall(4, &SlotSet::default());
        assert!(leases.get(slot).is_some());
        leases.recall(4, &SlotSet::all(layout.slots()));
        assert!(leases.get(slot).is_none());
        assert!([3, 4].map(|epoch| leases.is_valid(epoch)) == [false, true]);
        assert_eq!(leases.epoch(), 4);
    }
}
