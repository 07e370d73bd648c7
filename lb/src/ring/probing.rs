//! Where a virtual node goes when its slot is taken.

use std::fmt;
use std::str::FromStr;

use super::RingError;

/// How the next slot is found when that of a virtual node is taken (Knuth, TAOCP 3, §6.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Probing {
    /// One slot further each time.
    #[default]
    Linear,
    /// Triangular steps, 1 further, then 2, then 3: reach every slot if their number is a power of two.
    /// (Offsets of k² would reach only 87 of 512.)
    Quadratic,
}

impl Probing {
    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Quadratic => "quadratic",
        }
    }

    /// The slots to try, in order, beginning at `home`; as many as there are.
    pub(super) fn sequence(self, home: usize, slots: usize) -> impl Iterator<Item = usize> {
        (0..slots).scan(home, move |slot, round| {
            let step = match self {
                Self::Linear => usize::from(round > 0),
                Self::Quadratic => round,
            };
            *slot = (*slot + step) % slots;
            Some(*slot)
        })
    }
}

impl fmt::Display for Probing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Probing {
    type Err = RingError;

    fn from_str(name: &str) -> Result<Self, RingError> {
        let probing = [Self::Linear, Self::Quadratic].into_iter().find(|probing| probing.name() == name);
        probing.ok_or_else(|| RingError::Probing(name.into()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn steps() {
        assert!(Probing::Linear.sequence(510, 512).take(4).eq([510, 511, 0, 1]));
        assert!(Probing::Quadratic.sequence(508, 512).take(5).eq([508, 509, 511, 2, 6]));
    }

    #[test]
    fn every_slot_is_reached() {
        for (probing, slots) in [(Probing::Linear, 7), (Probing::Quadratic, 1), (Probing::Quadratic, 512)] {
            let reached: BTreeSet<_> = probing.sequence(slots / 2, slots).collect();
            assert!(reached.into_iter().eq(0..slots), "{probing} over {slots}");
        }
    }

    #[test]
    fn names_are_read_back() {
        for probing in [Probing::Linear, Probing::Quadratic] {
            assert_eq!(probing.to_string().parse(), Ok(probing));
        }
        assert!("triangular".parse::<Probing>().is_err());
    }
}
