//! Traffic as a slot map receives it: the number of requests per slot.

use lb::ring::{HashPair, Layout};

/// Requests per slot, for every pair of hash function and number of slots among the layouts.
///
/// Balance and moved keys of a layout depend on nothing else, and the size does not grow with the traffic.
#[derive(Clone, Debug)]
pub struct Traffic {
    requests: u64,
    tables: Vec<Table>,
}

#[derive(Clone, Debug)]
struct Table {
    hash: HashPair,
    slots: u32,
    requests: Vec<u64>,
}

impl Traffic {
    /// Traffic without requests, for these layouts.
    pub fn for_layouts<'a>(layouts: impl IntoIterator<Item = &'a Layout>) -> Self {
        let mut tables: Vec<Table> = Vec::new();
        for layout in layouts {
            let (hash, slots) = (layout.hash(), layout.slots());
            if !tables.iter().any(|table| table.hash == hash && table.slots == slots) {
                tables.push(Table { hash, slots, requests: vec![0; slots as usize] });
            }
        }
        Self { requests: 0, tables }
    }

    /// Adds `requests` requests with this key.
    pub fn add(&mut self, key: &[u8], requests: u64) {
        self.requests += requests;
        for table in &mut self.tables {
            let slot = table.slot(key);
            table.requests[slot] += requests;
        }
    }

    /// Removes `requests` requests with this key, which must have been added before.
    pub fn remove(&mut self, key: &[u8], requests: u64) {
        self.requests -= requests;
        for table in &mut self.tables {
            let slot = table.slot(key);
            table.requests[slot] -= requests;
        }
    }

    /// Total number of requests.
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// The requests on each slot of a layout; empty if the traffic was not created for it.
    pub fn per_slot(&self, layout: &Layout) -> &[u64] {
        let table =
            self.tables.iter().find(|table| table.hash == layout.hash() && table.slots == layout.slots());
        table.map_or(&[], |table| &table.requests)
    }
}

impl Table {
    fn slot(&self, key: &[u8]) -> usize {
        (self.hash.key(key) % u128::from(self.slots)) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_fall_on_the_slots_of_the_layout() {
        let layouts = [Layout::assignment(), Layout::default(), Layout::maglev(), Layout::rendezvous()];
        let mut traffic = Traffic::for_layouts(&layouts);
        assert_eq!(traffic.tables.len(), 3, "maglev and rendezvous share one");
        traffic.add(b"123456", 3);
        traffic.add(b"alice", 1);
        traffic.remove(b"123456", 1);
        assert_eq!(traffic.requests(), 3);
        for layout in &layouts {
            let on = traffic.per_slot(layout);
            assert_eq!(on.iter().sum::<u64>(), 3);
            assert_eq!(on[layout.position(b"123456").slot.index()], 2, "{layout}");
        }
    }
}
