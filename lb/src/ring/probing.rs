//! Probing: finds a free slot for a virtual node whose slot is taken.

use std::fmt;
use std::str::FromStr;

use super::RingError;

/// Order in which slots are tried when the slot of a virtual node is taken (Knuth, TAOCP 3, §6.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Probing {
    /// Each step goes one slot further.
    #[default]
    Linear,
    /// Triangular numbers: steps of 1, 2, 3 … slots. They reach every slot if the number of slots is a power of two,
    /// whereas offsets of k² would reach only 87 of 512.
    Quadratic,
}

impl Probing {
    /// Name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Quadratic => "quadratic",
        }
    }

    /// The slots to try, beginning with `home`; as many as there are slots.
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
    fn linear_steps_are_one_and_quadratic_steps_grow() {
        assert!(Probing::Linear.sequence(510, 512).take(4).eq([510, 511, 0, 1]));
        assert!(Probing::Quadratic.sequence(508, 512).take(5).eq([508, 509, 511, 2, 6]));
    }

    #[test]
    fn both_sequences_reach_every_slot() {
        for (probing, slots) in [(Probing::Linear, 7), (Probing::Quadratic, 1), (Probing::Quadratic, 512)] {
            let reached: BTreeSet<_> = probing.sequence(slots / 2, slots).collect();
            assert!(reached.into_iter().eq(0..slots), "{probing} over {slots}");
        }
    }

    #[test]
    fn names_can_be_parsed() {
        for probing in [Probing::Linear, Probing::Quadratic] {
            assert_eq!(probing.to_string().parse(), Ok(probing));
        }
        assert!("triangular".parse::<Probing>().is_err());
    }
}
