//! What only the admin listener tells: the layout, which process or container a replica is, where a key goes.

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use serde::Deserialize;
use serde_json::Value;

use super::{Balancer, ControlError};

/// The answer of `/api/state`, as far as experiments need it.
#[derive(Clone, Debug, Deserialize)]
pub struct State {
    /// How the slots are laid out: `name`, `slots`, `virtual_nodes`, `hash`, `probing`, `slot_cap`.
    pub layout: Value,
    /// In ascending order.
    pub seats: Vec<Seat>,
}

/// One seat.
#[derive(Clone, Debug, Deserialize)]
pub struct Seat {
    /// Its number.
    pub seat: u32,
    /// 100 unless weighted.
    pub weight: u32,
    /// Who occupies it.
    pub replica: Option<Replica>,
}

/// One replica.
#[derive(Clone, Debug, Deserialize)]
pub struct Replica {
    /// Its hostname.
    pub name: String,
    /// Its container or process.
    pub id: Option<Value>,
    /// Grows with every replica of its seat.
    pub incarnation: u64,
    /// Where its life stands: `ready`, `suspect` …
    pub phase: String,
}

/// The answer of `/api/explain`, as far as experiments need it.
#[derive(Clone, Debug, Deserialize)]
pub struct Explained {
    /// Where the key lies.
    pub slot: u32,
    /// Where it would go.
    pub chosen: Option<Chosen>,
}

/// Where a key would go.
#[derive(Clone, Debug, Deserialize)]
pub struct Chosen {
    /// The seat.
    pub seat: u32,
}

impl Balancer {
    /// Seats, replicas and the layout.
    ///
    /// # Errors
    /// When there is no admin listener, or it does not answer as the contract says.
    pub async fn state(&self) -> Result<State, ControlError> {
        self.ask_admin("/api/state").await
    }

    /// Where a key goes now.
    ///
    /// # Errors
    /// As [`state`](Self::state).
    pub async fn explain(&self, key: &[u8]) -> Result<Explained, ControlError> {
        self.ask_admin(&format!("/api/explain?key={}", percent_encode(key, NON_ALPHANUMERIC))).await
    }

    async fn ask_admin<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T, ControlError> {
        let admin = self.admin().ok_or(ControlError::NoAdmin)?;
        self.ask(self.control.get(format!("{admin}{path}")), None).await
    }
}
