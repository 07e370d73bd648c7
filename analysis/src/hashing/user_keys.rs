//! The user's keys on a fleet: balance, moved keys, and hot keys, which no hash function can spread.

use lb::ring::{Layout, RingError, SeatId};

use super::candidate::Candidate;
use super::keys::Counted;
use super::measure::{Moved, moved, peak, seats};

/// A key is hot if its share exceeds this fraction of a seat's even share.
pub const HOT: f64 = 0.05;

/// Balance of the keys on the seats 1..=N.
#[derive(Debug)]
pub struct KeyBalance {
    /// One row per scheme, in the order of the candidates.
    pub rows: Vec<Row>,
    /// The heaviest keys in descending order; the hot keys come first.
    pub heaviest: Vec<HeavyKey>,
    /// Lowest peak-to-average of any mapping of whole keys: some seat gets at least the heaviest key.
    pub least_peak: f64,
}

/// Result of one scheme.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// Peak-to-average of requests.
    pub peak: f64,
    /// Peak-to-average of distinct keys; `None` if there were too many to count.
    pub key_peak: Option<f64>,
    /// Peak-to-average of the requests whose key is not hot; 0 if there are none.
    pub without_hot: f64,
    /// Moves when seat N+1 joins.
    pub join: Moved,
    /// Moves when a seat leaves: the mean over all seats.
    pub leave: Moved,
}

/// One of the heaviest keys.
#[derive(Clone, Debug, PartialEq)]
pub struct HeavyKey {
    /// The key as it stands in the file.
    pub key: Box<[u8]>,
    /// Number of requests with this key.
    pub requests: u64,
    /// Share (0–1) of all requests.
    pub share: f64,
    /// Whether the share exceeds [`HOT`] of a seat's even share.
    pub hot: bool,
    /// The seat of the key in the balancer's default layout; `None` without seats.
    pub seat: Option<SeatId>,
}

/// Upper bound of the number of hot keys on this many seats; at least as many of the heaviest must be known.
pub fn max_hot_keys(seats: u32) -> usize {
    (f64::from(seats) / HOT) as usize
}

impl KeyBalance {
    /// Measures the counted keys on the seats 1..=n.
    ///
    /// # Errors
    /// When one of the layouts has no room for `n` seats.
    pub fn of(candidates: &[Candidate], counted: &Counted, n: u32) -> Result<Self, RingError> {
        let heaviest = heaviest(counted, n)?;
        let mut rest = counted.traffic.clone();
        heaviest.iter().filter(|key| key.hot).for_each(|key| rest.remove(&key.key, key.requests));
        let row = |candidate: &Candidate| {
            let layout = &candidate.layout;
            let (now, more) = (layout.slot_map(&seats(1..=n))?, layout.slot_map(&seats(1..=n + 1))?);
            let requests = counted.traffic.per_slot(layout);
            let mut leave = Moved::default();
            for leaving in 1..=n {
                let fewer = layout.slot_map(&seats((1..=n).filter(|seat| *seat != leaving)))?;
                let Moved { all, needless } = moved(&now, &fewer, requests);
                leave.all += all / f64::from(n);
                leave.needless += needless / f64::from(n);
            }
            Ok(Row {
                peak: peak(&now, requests),
                key_peak: counted.keys.as_ref().map(|keys| peak(&now, keys.per_slot(layout))),
                without_hot: peak(&now, rest.per_slot(layout)),
                join: moved(&now, &more, requests),
                leave,
            })
        };
        let least_peak = heaviest.first().map_or(1.0, |key| (key.share * f64::from(n)).max(1.0));
        Ok(Self { rows: candidates.iter().map(row).collect::<Result<_, _>>()?, heaviest, least_peak })
    }

    /// The hot keys, in descending order.
    pub fn hot(&self) -> impl Iterator<Item = &HeavyKey> {
        self.heaviest.iter().filter(|key| key.hot)
    }
}

fn heaviest(counted: &Counted, n: u32) -> Result<Vec<HeavyKey>, RingError> {
    let layout = Layout::default();
    let map = layout.slot_map(&seats(1..=n))?;
    let keys = counted.heaviest.iter().map(|(key, requests)| {
        let share = *requests as f64 / counted.traffic.requests() as f64;
        HeavyKey {
            key: key.clone(),
            requests: *requests,
            share,
            hot: share * f64::from(n) > HOT,
            seat: map.owner(layout.position(key).slot),
        }
    });
    Ok(keys.collect())
}

#[cfg(test)]
mod tests {
    use super::super::candidate::all;
    use super::super::keys::{Bounds, KeyCounter};
    use super::*;

    fn balance(keys: impl Iterator<Item = (String, u32)>, n: u32) -> KeyBalance {
        let candidates = all().unwrap();
        let layouts = candidates.iter().map(|candidate| &candidate.layout);
        let mut counter = KeyCounter::for_layouts(layouts, Bounds::DEFAULT);
        for (key, requests) in keys {
            (0..requests).for_each(|_| counter.add(key.as_bytes()));
        }
        KeyBalance::of(&candidates, &counter.finish(max_hot_keys(n)), n).unwrap()
    }

    #[test]
    fn one_hot_key_bounds_the_balance_of_every_mapping() {
        let many = (0..3000).map(|n| (format!("user {n}"), 1));
        let balance = balance(many.chain([("bot".to_owned(), 3000)]), 3);
        assert_eq!(balance.least_peak, 1.5);
        assert_eq!(balance.hot().count(), 1);
        let bot = &balance.heaviest[0];
        assert_eq!((&*bot.key, bot.requests, bot.share), (&b"bot"[..], 3000, 0.5));
        assert!(bot.seat.is_some());
        let maglev = balance.rows.last().unwrap();
        assert!(maglev.peak > 1.9 && maglev.without_hot < 1.1, "{maglev:?}");
        assert!(maglev.key_peak.unwrap() < 1.1, "{maglev:?}");
    }

    #[test]
    fn without_hot_keys_no_request_is_left_out() {
        let balance = balance((0..3000).map(|n| (n.to_string(), 2)), 3);
        assert_eq!(balance.hot().count(), 0);
        assert_eq!(balance.least_peak, 1.0);
        for row in &balance.rows {
            assert_eq!((row.peak, Some(row.peak)), (row.without_hot, row.key_peak));
            // A leave moves the share of the leaving seat, a third on average, and the needless moves.
            assert!((row.leave.all - row.leave.needless - 1.0 / 3.0).abs() < 1e-9);
        }
    }

    #[test]
    fn a_single_seat_can_leave_too() {
        let balance = balance([("a".to_owned(), 1)].into_iter(), 1);
        assert_eq!((balance.least_peak, balance.hot().count()), (1.0, 1));
        assert!(balance.rows.iter().all(|row| row.peak == 1.0));
    }
}
