//! Seats (stable places on the ring), and the replicas that occupy them.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;

use utoipa::ToSchema;

use crate::name::Name;

/// Number of a seat, from 1. A new seat gets the smallest free number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = u32, minimum = 1, maximum = 1_048_576, example = 1)]
pub struct SeatId(NonZeroU32);

/// Weight of a seat, 1 to 1,000. The default of 100 stands for K virtual nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = u32, minimum = 1, maximum = 1000, example = 100)]
pub struct Weight(u16);

/// Number of one start of a replica. It grows with every launch in a cluster and is never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = u64, example = 7)]
pub struct Incarnation(pub u64);

/// The running instance that occupies a seat, with the data that routers need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// The seat it occupies.
    pub seat: SeatId,
    /// Hostname; it never influences placement.
    pub name: Name,
    /// Number of this start.
    pub incarnation: Incarnation,
    /// Address of its listener.
    pub address: SocketAddr,
}

impl SeatId {
    /// The seat of number `n`; `None` for 0.
    pub const fn new(n: u32) -> Option<Self> {
        match NonZeroU32::new(n) {
            Some(n) => Some(Self(n)),
            None => None,
        }
    }

    /// The number, at least 1.
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl Weight {
    /// Weight of a seat that has no weight set.
    pub const DEFAULT: Self = Self(100);

    /// A weight of 1 to 1,000; `None` outside this range.
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
