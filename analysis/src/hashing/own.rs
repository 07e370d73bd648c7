//! The user's own keys on a fleet: balance, moves, and the keys that no hashing can spread.

use lb::ring::{Layout, RingError, SeatId};

use super::candidate::Candidate;
use super::keys::Counted;
use super::measure::{Moved, moved, peak, seats};

/// A key is hot if it alone is more than this of a seat's even share.
pub const HOT: f64 = 0.05;

/// The keys on seats 1..=N.
#[derive(Debug)]
pub struct Own {
    /// In the order of the schemes.
    pub rows: Vec<Row>,
    /// From the heaviest down, as many as are known; the first of them are hot.
    pub heaviest: Vec<HeavyKey>,
    /// The least peak-to-average of any mapping of whole keys: the seat of the heaviest has at least that key.
    pub least_peak: f64,
}

/// One scheme.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// Peak-to-average of requests.
    pub peak: f64,
    /// Of distinct keys; `None` if there were too many to count.
    pub key_peak: Option<f64>,
    /// Of requests, if those with hot keys had not come.
    pub without_hot: f64,
    /// What moves when seat N+1 joins.
    pub join: Moved,
    /// What moves when a seat leaves: the mean over all seats.
    pub leave: Moved,
}

/// One of the heaviest keys.
#[derive(Clone, Debug, PartialEq)]
pub struct HeavyKey {
    /// As it stood in the file.
    pub key: Box<[u8]>,
    /// How many requests have it.
    pub requests: u64,
    /// Their share of all, 0…1.
    pub share: f64,
    /// Whether it is more than [`HOT`] of a seat's even share.
    pub hot: bool,
    /// Where the balancer's default layout sends them.
    pub seat: Option<SeatId>,
}

/// How many keys can be hot with so many seats; as many of the heaviest must be known.
pub fn most_hot(seats: u32) -> usize {
    (f64::from(seats) / HOT) as usize
}

impl Own {
    /// What was counted, on seats 1..=n.
    ///
    /// # Errors
    /// When so many seats do not fit one of the layouts.
    pub fn of(candidates: &[Candidate], counted: &Counted, n: u32) -> Result<Self, RingError> {
        let heaviest = heaviest(counted, n)?;
        let mut rest = counted.traffic.clone();
        heaviest.iter().filter(|key| key.hot).for_each(|key| rest.remove(&key.key, key.requests));
        let row = |candidate: &Candidate| {
            let layout = &candidate.layout;
            let (now, more) = (layout.slot_map(&seats(1..=n))?, layout.slot_map(&seats(1..=n + 1))?);
            let requests = counted.traffic.on(layout);
            let mut leave = Moved::default();
            for leaves in 1..=n {
                let fewer = layout.slot_map(&seats((1..=n).filter(|seat| *seat != leaves)))?;
                let Moved { all, needless } = moved(&now, &fewer, requests);
                leave.all += all / f64::from(n);
                leave.needless += needless / f64::from(n);
            }
            Ok(Row {
                peak: peak(&now, requests),
                key_peak: counted.keys.as_ref().map(|keys| peak(&now, keys.on(layout))),
                without_hot: peak(&now, rest.on(layout)),
                join: moved(&now, &more, requests),
                leave,
            })
        };
        let least_peak = heaviest.first().map_or(1.0, |key| (key.share * f64::from(n)).max(1.0));
        Ok(Self { rows: candidates.iter().map(row).collect::<Result<_, _>>()?, heaviest, least_peak })
    }

    /// The hot keys, from the heaviest down.
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
    use super::super::keys::{Bounds, Tally};
    use super::*;

    fn own(keys: impl Iterator<Item = (String, u32)>, n: u32) -> Own {
        let candidates = all().unwrap();
        let mut tally = Tally::over(candidates.iter().map(|candidate| &candidate.layout), Bounds::DEFAULT);
        for (key, requests) in keys {
            (0..requests).for_each(|_| tally.add(key.as_bytes()));
        }
        Own::of(&candidates, &tally.finish(most_hot(n)), n).unwrap()
    }

    #[test]
    fn one_hot_key_explains_what_no_mapping_can_cure() {
        let many = (0..3000).map(|n| (format!("user {n}"), 1));
        let own = own(many.chain([("bot".to_owned(), 3000)]), 3);
        assert_eq!(own.least_peak, 1.5);
        assert_eq!(own.hot().count(), 1);
        let bot = &own.heaviest[0];
        assert_eq!((&*bot.key, bot.requests, bot.share), (&b"bot"[..], 3000, 0.5));
        assert!(bot.seat.is_some());
        let maglev = own.rows.last().unwrap();
        assert!(maglev.peak > 1.9 && maglev.without_hot < 1.1, "{maglev:?}");
        assert!(maglev.key_peak.unwrap() < 1.1, "{maglev:?}");
    }

    #[test]
    fn without_a_hot_key_nothing_is_taken_away() {
        let own = own((0..3000).map(|n| (n.to_string(), 2)), 3);
        assert_eq!(own.hot().count(), 0);
        assert_eq!(own.least_peak, 1.0);
        for row in &own.rows {
            assert_eq!((row.peak, Some(row.peak)), (row.without_hot, row.key_peak));
            // What a leave moves is what the leaver had, on average a third, and the needless.
            assert!((row.leave.all - row.leave.needless - 1.0 / 3.0).abs() < 1e-9);
        }
    }

    #[test]
    fn a_single_seat_can_leave_too() {
        let own = own([("a".to_owned(), 1)].into_iter(), 1);
        assert_eq!((own.least_peak, own.hot().count()), (1.0, 1));
        assert!(own.rows.iter().all(|row| row.peak == 1.0));
    }
}
