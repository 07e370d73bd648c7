//! Traffic as a slot map sees it: how many requests fall on each slot.

use lb::ring::{HashPair, Layout};

/// Requests per slot, for every hash pair and number of slots that some layout has.
///
/// This is all that a layout's balance and its moved keys depend on, and it is small, however long a log is.
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
    /// No request yet, for these layouts.
    pub fn over<'a>(layouts: impl IntoIterator<Item = &'a Layout>) -> Self {
        let mut tables: Vec<Table> = Vec::new();
        for layout in layouts {
            let (hash, slots) = (layout.hash(), layout.slots());
            if !tables.iter().any(|table| table.hash == hash && table.slots == slots) {
                tables.push(Table { hash, slots, requests: vec![0; slots as usize] });
            }
        }
        Self { requests: 0, tables }
    }

    /// `requests` more with this key.
    pub fn add(&mut self, key: &[u8], requests: u64) {
        self.requests += requests;
        for table in &mut self.tables {
            let slot = table.slot(key);
            table.requests[slot] += requests;
        }
    }

    /// `requests` of those with this key never came.
    pub fn remove(&mut self, key: &[u8], requests: u64) {
        self.requests -= requests;
        for table in &mut self.tables {
            let slot = table.slot(key);
            table.requests[slot] -= requests;
        }
    }

    /// All requests.
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// The requests on each slot of a layout; nothing if the traffic was not made for it.
    pub fn on(&self, layout: &Layout) -> &[u64] {
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
    fn requests_fall_where_the_layout_says() {
        let layouts = [Layout::assignment(), Layout::default(), Layout::maglev(), Layout::rendezvous()];
        let mut traffic = Traffic::over(&layouts);
        assert_eq!(traffic.tables.len(), 3, "maglev and rendezvous share one");
        traffic.add(b"123456", 3);
        traffic.add(b"alice", 1);
        traffic.remove(b"123456", 1);
        assert_eq!(traffic.requests(), 3);
        for layout in &layouts {
            let on = traffic.on(layout);
            assert_eq!(on.iter().sum::<u64>(), 3);
            assert_eq!(on[layout.position(b"123456").slot.index()], 2, "{layout}");
        }
    }
}
