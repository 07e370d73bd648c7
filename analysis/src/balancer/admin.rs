//! What only the admin listener tells: the layout, which process or container a replica is, where a key goes.

use awc::Client;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Balancer, ControlError, control};

/// The answer of `/api/state`, as far as experiments need it.
#[derive(Clone, Debug, Deserialize)]
pub struct State {
    /// How the slots are laid out: `name`, `slots`, `virtual_nodes`, `hash`, `probing`, `slot_cap`.
    pub layout: Value,
    /// How many seats there should be.
    pub target: usize,
    /// In ascending order.
    pub seats: Vec<Seat>,
}

/// One seat.
#[derive(Clone, Debug, Deserialize)]
pub struct Seat {
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
    /// Where its life stands: `ready`, `suspect` …
    pub phase: String,
}

/// The answer of `/api/explain`, as far as experiments need it.
#[derive(Clone, Debug, Deserialize)]
pub struct Explained {
    /// The seats in the order of the key's choice.
    pub walk: Vec<Place>,
}

/// A seat on the walk of a key.
#[derive(Clone, Debug, Deserialize)]
pub struct Place {
    /// The hostname of who occupies it.
    pub replica: Option<String>,
}

impl Balancer {
    /// Seats, replicas and the layout.
    ///
    /// # Errors
    /// When there is no admin listener, or it does not answer as the contract says.
    pub async fn state(&self) -> Result<State, ControlError> {
        self.ask_admin(&self.control, "/api/state").await
    }

    /// Where a key goes; `client` keeps its connections, for many keys.
    ///
    /// # Errors
    /// As [`state`](Self::state).
    pub async fn explain(&self, client: &Client, key: &[u8]) -> Result<Explained, ControlError> {
        self.ask_admin(client, &format!("/api/explain?key={}", percent_encode(key, NON_ALPHANUMERIC))).await
    }

    async fn ask_admin<T: DeserializeOwned>(&self, client: &Client, path: &str) -> Result<T, ControlError> {
        let admin = self.admin().ok_or(ControlError::NoAdmin)?;
        control::ask(self.signed(client.get(format!("{admin}{path}"))), None).await
    }
}

impl Explained {
    /// The replica that the key belongs to, whatever load may do to it at the moment.
    pub fn owner(self) -> Option<String> {
        self.walk.into_iter().find_map(|place| place.replica)
    }
}
