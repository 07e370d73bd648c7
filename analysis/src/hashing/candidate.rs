//! The schemes that are compared.

use lb::ring::{HashPair, Layout, Probing, RingError, Scheme, SlotCap};

/// A layout under comparison.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Name in tables and charts; it says what distinguishes the scheme.
    pub name: String,
    /// Group of similar schemes, which have one colour in charts.
    pub family: Family,
    /// The layout that is measured.
    pub layout: Layout,
}

/// Group of similar schemes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// The assignment's polynomials on 512 slots.
    Polynomial,
    /// 512 slots and a real hash.
    Hashed,
    /// 512 slots, a real hash and a slot cap.
    Capped,
    /// Rings of 65,536 slots.
    Fine,
    /// Tables of 65,537 slots.
    Table,
}

impl Candidate {
    /// Whether this is the balancer's default layout.
    pub fn is_default(&self) -> bool {
        self.layout == Layout::default()
    }
}

/// Every scheme that is compared: 512 slots with 9 virtual nodes unless the name says otherwise.
///
/// # Errors
/// Never: all of these layouts are valid for [`Layout::new`].
pub fn all() -> Result<Vec<Candidate>, RingError> {
    use HashPair::{Md5, Polynomial, Sha256, Xxh3};
    use Probing::{Linear, Quadratic};
    let (off, cap) = (SlotCap::OFF, SlotCap::DEFAULT);
    let candidate = |family, name: &str, layout: Result<Layout, RingError>| {
        Ok(Candidate { name: name.into(), family, layout: layout? })
    };
    let mut all = vec![
        candidate(Family::Polynomial, "polynomial", ring(Polynomial, Linear, off, 512, 9))?,
        candidate(Family::Polynomial, "polynomial, quadratic", ring(Polynomial, Quadratic, off, 512, 9))?,
        candidate(Family::Polynomial, "polynomial, cap 1.10", ring(Polynomial, Linear, cap, 512, 9))?,
        candidate(Family::Hashed, "md5", ring(Md5, Linear, off, 512, 9))?,
        candidate(Family::Hashed, "sha256", ring(Sha256, Linear, off, 512, 9))?,
        candidate(Family::Hashed, "xxh3", ring(Xxh3, Linear, off, 512, 9))?,
        candidate(Family::Hashed, "xxh3, quadratic", ring(Xxh3, Quadratic, off, 512, 9))?,
        candidate(Family::Capped, "md5, cap 1.10", ring(Md5, Linear, cap, 512, 9))?,
        candidate(Family::Capped, "sha256, cap 1.10", ring(Sha256, Linear, cap, 512, 9))?,
        candidate(Family::Capped, "xxh3, cap 1.10 (default)", ring(Xxh3, Linear, cap, 512, 9))?,
        candidate(Family::Fine, "65,536 slots × 9", ring(Xxh3, Linear, off, 65_536, 9))?,
        candidate(Family::Fine, "65,536 × 9, cap 1.10", ring(Xxh3, Linear, cap, 65_536, 9))?,
        candidate(Family::Fine, "65,536 slots × 100", ring(Xxh3, Linear, off, 65_536, 100))?,
        candidate(Family::Fine, "65,536 × 100, cap 1.10", ring(Xxh3, Linear, cap, 65_536, 100))?,
    ];
    let free = Layout::new(Scheme::Rendezvous { slot_cap: off }, Layout::rendezvous().slots(), Xxh3);
    all.push(candidate(Family::Table, "rendezvous", free)?);
    all.push(candidate(Family::Table, "rendezvous, cap 1.10", Ok(Layout::rendezvous()))?);
    all.push(candidate(Family::Table, "maglev", Ok(Layout::maglev()))?);
    Ok(all)
}

/// A ring layout with these parameters.
///
/// # Errors
/// When [`Layout::new`] rejects the parameters.
pub fn ring(
    hash: HashPair,
    probing: Probing,
    slot_cap: SlotCap,
    slots: u32,
    virtual_nodes: u32,
) -> Result<Layout, RingError> {
    Layout::new(Scheme::Ring { virtual_nodes, probing, slot_cap }, slots, hash)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_the_default_and_the_assignment_are_included() {
        let all = all().unwrap();
        let names: BTreeSet<_> = all.iter().map(|candidate| candidate.name.as_str()).collect();
        assert_eq!(names.len(), all.len());
        assert_eq!(all.iter().filter(|candidate| candidate.is_default()).count(), 1);
        assert!(all.iter().any(|candidate| candidate.layout == Layout::assignment()));
        assert!(all.is_sorted_by_key(|candidate| candidate.family));
    }
}
