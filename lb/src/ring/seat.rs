//! A seat, a stable place on the ring, and the replica that occupies it.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;

use utoipa::ToSchema;

use crate::name::Name;

/// The number of a seat: 1, 2, 3 … A new seat gets the smallest free one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = u32, minimum = 1, maximum = 1_048_576, example = 1)]
pub struct SeatId(NonZeroU32);

/// A seat's weight, 1…1,000; 100 is the default and stands for K virtual nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = u32, minimum = 1, maximum = 1000, example = 100)]
pub struct Weight(u16);

/// Which start of a replica this is: grows with every launch in a cluster and is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = u64, example = 7)]
pub struct Incarnation(pub u64);

/// The running instance that occupies a seat, as the routers need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// Where it sits.
    pub seat: SeatId,
    /// Its hostname; never influences placement.
    pub name: Name,
    /// Which start it is.
    pub incarnation: Incarnation,
    /// Where it listens.
    pub address: SocketAddr,
}

impl SeatId {
    /// Seat `n`, or `None` for 0.
    pub const fn new(n: u32) -> Option<Self> {
        match NonZeroU32::new(n) {
            Some(n) => Some(Self(n)),
            None => None,
        }
    }

    /// The number, from 1.
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl Weight {
    /// The weight of a seat that nobody gave one.
    pub const DEFAULT: Self = Self(100);

    /// A weight of 1…1,000, or `None`.
    pub const fn new(weight: u32) -> Option<Self> {
        if weight >= 1 && weight <= 1000 { Some(Self(weight as u16)) } else { None }
    }

    /// The weight as a number.
    pub const fn get(self) -> u32 {
        self.0 as u32
    }
}

impl fmt::Display for SeatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
