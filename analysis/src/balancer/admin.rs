//! Calls of the admin listener: the layout, the process or container of a replica, the walk of a key.

use awc::Client;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Balancer, ControlError, control};

/// The fields of `/api/state` that the experiments use.
#[derive(Clone, Debug, Deserialize)]
pub struct State {
    /// Layout settings: `name`, `slots`, `virtual_nodes`, `hash`, `probing`, `slot_cap`.
    pub layout: Value,
    /// The configured number of replicas.
    pub target: usize,
    /// Seats in ascending order.
    pub seats: Vec<Seat>,
}

/// One seat of `/api/state`.
#[derive(Clone, Debug, Deserialize)]
pub struct Seat {
    /// The replica in the seat; `None` while it is vacant.
    pub replica: Option<Replica>,
}

/// One replica of `/api/state`.
#[derive(Clone, Debug, Deserialize)]
pub struct Replica {
    /// Hostname of the replica.
    pub name: String,
    /// Container id or process id.
    pub id: Option<Value>,
    /// Phase of its life: `ready`, `suspect` …
    pub phase: String,
}

/// The fields of `/api/explain` that the experiments use.
#[derive(Clone, Debug, Deserialize)]
pub struct Explanation {
    /// The seats in the order in which the key prefers them.
    pub walk: Vec<WalkEntry>,
}

/// A seat on the walk of a key.
#[derive(Clone, Debug, Deserialize)]
pub struct WalkEntry {
    /// Hostname of the replica in the seat; `None` while it is vacant.
    pub replica: Option<String>,
}

impl Balancer {
    /// Reads seats, replicas and layout from `/api/state`.
    ///
    /// # Errors
    /// When there is no admin listener, or its answer does not follow the contract.
    pub async fn state(&self) -> Result<State, ControlError> {
        self.get_admin(&self.control, "/api/state").await
    }

    /// Reads the walk of a key from `/api/explain`. A shared `client` keeps its connections over many keys.
    ///
    /// # Errors
    /// As [`state`](Self::state).
    pub async fn explain(&self, client: &Client, key: &[u8]) -> Result<Explanation, ControlError> {
        self.get_admin(client, &format!("/api/explain?key={}", percent_encode(key, NON_ALPHANUMERIC))).await
    }

    async fn get_admin<T: DeserializeOwned>(&self, client: &Client, path: &str) -> Result<T, ControlError> {
        let admin = self.admin().ok_or(ControlError::NoAdmin)?;
        control::fetch_json(self.authorized(client.get(format!("{admin}{path}"))), None).await
    }
}

impl Explanation {
    /// The first choice of the key, regardless of load at the moment; `None` if every seat is vacant.
    pub fn owner(self) -> Option<String> {
        self.walk.into_iter().find_map(|entry| entry.replica)
    }
}
