//! The addresses of one name, in the order in which they are tried.

use std::net::SocketAddr;

/// Known addresses keep their order when the name is resolved again, because DNS servers rotate their answers.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    known: Vec<SocketAddr>,
    /// The address that [`Addresses::take`] returned last.
    taken: Option<SocketAddr>,
}

impl Addresses {
    /// Applies a new answer of the resolver: vanished addresses are removed, new ones are appended.
    pub fn update(&mut self, resolved: &[SocketAddr]) {
        self.known.retain(|address| resolved.contains(address));
        for address in resolved {
            if !self.known.contains(address) {
                self.known.push(*address);
            }
        }
    }

    /// Returns the address after the one that was taken last; the first if there is none after it. `None` without
    /// addresses.
    pub fn take(&mut self) -> Option<SocketAddr> {
        let last = self.known.iter().position(|address| Some(*address) == self.taken);
        let next = last.map_or(0, |at| at + 1) % self.known.len().max(1);
        self.taken = self.known.get(next).copied();
        self.taken
    }

    /// All addresses, in the order in which they are tried.
    pub fn all(&self) -> &[SocketAddr] {
        &self.known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u8) -> SocketAddr {
        ([127, 0, 0, n], 80).into()
    }

    #[test]
    fn addresses_are_taken_in_turn_whatever_the_order_of_the_answers() {
        let mut addresses = Addresses::default();
        assert_eq!(addresses.take(), None);
        addresses.update(&[address(1), address(2), address(2)]);
        assert_eq!(addresses.all(), [address(1), address(2)]);
        assert_eq!(addresses.take(), Some(address(1)));
        addresses.update(&[address(2), address(1)]);
        assert_eq!(addresses.take(), Some(address(2)));
        assert_eq!(addresses.take(), Some(address(1)));
        addresses.update(&[address(3), address(1)]);
        assert_eq!(addresses.all(), [address(1), address(3)]);
        assert_eq!(addresses.take(), Some(address(3)));
        addresses.update(&[address(4)]);
        assert_eq!((addresses.take(), addresses.take()), (Some(address(4)), Some(address(4))));
    }
}
