//! The slot cap: limits the slots of a seat relative to its share.

use std::fmt;
use std::str::FromStr;

use super::{HashPair, RingError};

/// Limits a seat of weight w to ⌈cap · M · w / W⌉ slots, where W is the sum of all weights; or sets no limit.
///
/// With 512 slots × 9 virtual nodes and 2–10 seats 1.10 lowers the mean peak-to-average from 1.38 to 1.10, at the price
/// of 4 % of the slots (at worst 8 %) that move between seats that stay when one leaves. A full seat keeps the slots
/// nearest to its virtual nodes (in `rendezvous`, those with its highest scores); the others go to the next seat with
/// room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotCap(Option<u32>);

impl SlotCap {
    /// No limit of the slots that a seat may own.
    pub const OFF: Self = Self(None);
    /// 1.10: no seat owns more than its share plus a tenth.
    pub const DEFAULT: Self = Self(Some(1100));

    /// The default of a layout with this pair: 1.10, but off with `polynomial`, which is there to show its faults.
    pub const fn default_for(hash: HashPair) -> Self {
        match hash {
            HashPair::Polynomial => Self::OFF,
            _ => Self::DEFAULT,
        }
    }

    /// The cap in thousandths, 1,000 to 1,000,000; `None` if off.
    pub const fn per_mille(self) -> Option<u32> {
        self.0
    }

    /// The largest number of slots of a seat with `weight`, of a sum of `weights`.
    pub(super) fn slots(self, slots: u32, weight: u32, weights: u64) -> u32 {
        let cap = self
            .0
            .map(|cap| (u64::from(cap) * u64::from(slots) * u64::from(weight)).div_ceil(1000 * weights));
        cap.and_then(|cap| u32::try_from(cap).ok()).map_or(slots, |cap| cap.min(slots))
    }
}

impl fmt::Display for SlotCap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("off"),
            Some(cap) if cap % 10 == 0 => write!(f, "{}.{:02}", cap / 1000, cap % 1000 / 10),
            Some(cap) => write!(f, "{}.{:03}", cap / 1000, cap % 1000),
        }
    }
}

impl FromStr for SlotCap {
    type Err = RingError;

    fn from_str(text: &str) -> Result<Self, RingError> {
        if text == "off" {
            return Ok(Self::OFF);
        }
        let cap = per_mille(text).filter(|cap| (1000..=1_000_000).contains(cap));
        cap.map(|cap| Self(Some(cap))).ok_or_else(|| RingError::SlotCap(text.into()))
    }
}

/// Parses a decimal with at most three places, in thousandths: exact, because placement uses integers only.
fn per_mille(text: &str) -> Option<u32> {
    let (whole, places) = text.split_once('.').map_or((text, "0"), |(whole, places)| (whole, places));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(places) || places.len() > 3 {
        return None;
    }
    let whole: u32 = whole.parse().ok()?;
    whole.checked_mul(1000)?.checked_add(format!("{places:0<3}").parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_parsed_exactly() {
        for (text, cap) in [("1", 1000), ("1.1", 1100), ("1.10", 1100), ("1.005", 1005), ("12.25", 12_250)] {
            assert_eq!(text.parse::<SlotCap>().map(SlotCap::per_mille), Ok(Some(cap)), "{text}");
        }
        assert_eq!("off".parse(), Ok(SlotCap::OFF));
        for text in
            ["", "0.99", "1.", ".5", "1.1000", "-1", "+1", "1e3", "nan", "1,1", "1000.001", "99999999999"]
        {
            assert_eq!(text.parse::<SlotCap>(), Err(RingError::SlotCap(text.into())));
        }
    }

    #[test]
    fn displayed_caps_can_be_parsed() {
        for text in ["off", "1.00", "1.10", "1.125", "1000.00"] {
            assert_eq!(text.parse::<SlotCap>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_share_is_rounded_up() {
        assert_eq!(SlotCap::DEFAULT.slots(512, 100, 300), 188);
        assert_eq!(SlotCap::DEFAULT.slots(512, 1, 1001), 1);
        assert_eq!(SlotCap::DEFAULT.slots(512, 100, 100), 512);
        assert_eq!(SlotCap::OFF.slots(512, 1, 1001), 512);
    }
}
