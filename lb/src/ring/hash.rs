//! Hash pairs: H places a key, Φ a virtual node of a seat. A new pair is added in this file only.

use std::fmt;
use std::str::FromStr;

use md5::Md5;
use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::xxh3_64;

use super::{RingError, SeatId};

/// A pair of hash functions, H for keys and Φ for virtual nodes; each returns a number that is then reduced mod M.
///
/// Except with [`Polynomial`](Self::Polynomial), H hashes the bytes of the key, and Φ(i, j) the eight bytes of i
/// followed by j, each as a little-endian `u32`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HashPair {
    /// The assignment's functions: H(i) = i² + 2i + 17, Φ(i, j) = i² + j² + 2j + 25.
    ///
    /// A key of 1 to 19 ASCII digits is that integer; for any other key, i is the XXH3 of its bytes. The result is
    /// reduced mod 2¹²⁸, which only i = 2⁶⁴ − 1 exceeds. H reaches 87 of 512 slots: not for production.
    Polynomial,
    /// MD5 (RFC 1321): the digest as one big-endian number.
    Md5,
    /// SHA-256 (FIPS 180-4): the first 16 bytes of the digest as one big-endian number.
    Sha256,
    /// XXH3, 64 bits, seed 0.
    #[default]
    Xxh3,
}

impl HashPair {
    /// All hash pairs.
    pub const ALL: [Self; 4] = [Self::Polynomial, Self::Md5, Self::Sha256, Self::Xxh3];

    /// Name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Polynomial => "polynomial",
            Self::Md5 => "md5",
            Self::Sha256 => "sha256",
            Self::Xxh3 => "xxh3",
        }
    }

    /// H of a key, before it is reduced mod M.
    pub fn key(self, key: &[u8]) -> u128 {
        match self {
            Self::Polynomial => {
                let i = u128::from(integer(key).unwrap_or_else(|| xxh3_64(key)));
                (i * i).wrapping_add(2 * i + 17)
            }
            bytes => bytes.bytes(key),
        }
    }

    /// Φ of virtual node `j` = 1, 2, 3 … of a seat, before it is reduced mod M.
    pub fn virtual_node(self, seat: SeatId, j: u32) -> u128 {
        match self {
            Self::Polynomial => {
                let (i, j) = (u128::from(seat.get()), u128::from(j));
                i * i + j * j + 2 * j + 25
            }
            bytes => {
                let mut input = [0; 8];
                input[..4].copy_from_slice(&seat.get().to_le_bytes());
                input[4..].copy_from_slice(&j.to_le_bytes());
                bytes.bytes(&input)
            }
        }
    }

    fn bytes(self, bytes: &[u8]) -> u128 {
        match self {
            Self::Md5 => u128::from_be_bytes(Md5::digest(bytes).into()),
            Self::Sha256 => {
                let digest: [u8; 32] = Sha256::digest(bytes).into();
                digest[..16].iter().fold(0, |number, byte| number << 8 | u128::from(*byte))
            }
            Self::Polynomial | Self::Xxh3 => xxh3_64(bytes).into(),
        }
    }
}

impl fmt::Display for HashPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for HashPair {
    type Err = RingError;

    fn from_str(name: &str) -> Result<Self, RingError> {
        let pair = Self::ALL.into_iter().find(|pair| pair.name() == name);
        pair.ok_or_else(|| RingError::Hash(name.into()))
    }
}

/// The value of 1 to 19 ASCII digits; `None` for any other key.
fn integer(key: &[u8]) -> Option<u64> {
    if !(1..=19).contains(&key.len()) {
        return None;
    }
    key.iter().try_fold(0, |i, b| b.is_ascii_digit().then(|| i * 10 + u64::from(b - b'0')))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn phi(pair: HashPair, i: u32, j: u32) -> u128 {
        pair.virtual_node(SeatId::new(i).unwrap(), j)
    }

    #[test]
    fn the_polynomials_match_the_assignment() {
        let h = |key: &str| HashPair::Polynomial.key(key.as_bytes());
        let mod_512 = [("0", 17), ("1", 20), ("2", 25), ("3", 32), ("10", 137), ("100", 489), ("511", 16)];
        let more = [("512", 17), ("100000", 337), ("123456", 145), ("999999", 16)];
        for (key, slot) in mod_512.into_iter().chain(more) {
            assert_eq!(h(key) % 512, slot, "H({key})");
        }
        assert_eq!(h("100000"), 10_000_200_017);
        assert_eq!(h("0100000"), h("100000"));
        assert_eq!(h("9999999999999999999"), 99_999_999_999_999_999_999_999_999_999_999_999_999 + 17);
        for (i, j, number) in [(1, 1, 29), (1, 9, 125), (2, 1, 32), (2, 9, 128), (3, 5, 69)] {
            assert_eq!(phi(HashPair::Polynomial, i, j), number, "Φ({i},{j})");
        }
        assert_eq!(phi(HashPair::Polynomial, 123_456, 9) % 512, 124);
    }

    #[test]
    fn the_polynomial_reaches_87_of_512_slots() {
        let image = (0..512).map(|i| HashPair::Polynomial.key(i.to_string().as_bytes()) % 512);
        assert_eq!(image.collect::<BTreeSet<_>>().len(), 87);
    }

    #[test]
    fn the_polynomial_hashes_other_keys_first() {
        for key in ["", "12a", "-1", "12345678901234567890", "٣"] {
            let i = u128::from(xxh3_64(key.as_bytes()));
            assert_eq!(HashPair::Polynomial.key(key.as_bytes()), i.pow(2) + 2 * i + 17, "{key}");
        }
    }

    #[test]
    fn hashes_match_published_check_values() {
        let values = [
            (HashPair::Md5, "", 0xd41d_8cd9_8f00_b204_e980_0998_ecf8_427e),
            (HashPair::Md5, "abc", 0x9001_5098_3cd2_4fb0_d696_3f7d_28e1_7f72),
            (HashPair::Md5, "message digest", 0xf96b_697d_7cb7_938d_525a_2f31_aaf1_61d0),
            (HashPair::Sha256, "", 0xe3b0_c442_98fc_1c14_9afb_f4c8_996f_b924),
            (HashPair::Sha256, "abc", 0xba78_16bf_8f01_cfea_4141_40de_5dae_2223),
            (HashPair::Xxh3, "", 0x2d06_8005_38d3_94c2),
        ];
        for (pair, key, number) in values {
            assert_eq!(pair.key(key.as_bytes()), number, "{pair} of '{key}'");
        }
    }

    #[test]
    fn a_virtual_node_is_the_hash_of_eight_bytes() {
        for pair in [HashPair::Md5, HashPair::Sha256, HashPair::Xxh3] {
            assert_eq!(phi(pair, 258, 7), pair.key(b"\x02\x01\0\0\x07\0\0\0"), "{pair}");
        }
    }

    #[test]
    fn names_can_be_parsed() {
        for pair in HashPair::ALL {
            assert_eq!(pair.to_string().parse(), Ok(pair));
        }
        let error = "sha1".parse::<HashPair>().unwrap_err().to_string();
        assert_eq!(error, "unknown hash pair 'sha1': use polynomial, md5, sha256, xxh3");
    }
}
