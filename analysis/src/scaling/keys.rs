//! The owner of each key of a fixed set, and the keys that move between two snapshots.

use futures::stream::{self, StreamExt, TryStreamExt};

use crate::balancer::{Balancer, ControlError};
use crate::load::Load;

/// Number of keys: enough to measure a share of a third within 0.7 percentage points (one standard deviation).
const KEYS: usize = 5_000;

/// Highest concurrency of key requests to /home. It must stay below the bound at which a balancer spills: the floor of
/// `lb`'s bounded load, 16, is divided by its workers, and a key that spills looks like a moved key.
const MAX_CONCURRENT_LOOKUPS: usize = 4;

/// Snapshot: the owner of each key at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owners {
    replicas: Vec<String>,
    /// Owners in the order of the keys; `None` where no replica answered.
    by_key: Vec<Option<String>>,
}

/// Number of keys that moved between two snapshots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Keys whose owner is known in both snapshots.
    pub keys: u32,
    /// Keys whose owner changed.
    pub moved: u32,
    /// Moved keys whose old and new owner were both present in both snapshots.
    pub needless: u32,
}

impl Owners {
    /// Takes a snapshot. With an admin listener it explains each key, which does not depend on load; otherwise each
    /// key is sent to /home as request id, and the replica that answers counts as its owner.
    ///
    /// # Errors
    /// When the replicas cannot be listed, or the admin listener does not answer.
    pub async fn query(balancer: &Balancer, load: Load) -> Result<Self, ControlError> {
        let client = balancer.client(load.connections);
        let owner = |id: u32| {
            let client = client.clone();
            async move {
                let key = id.to_string();
                match balancer.admin() {
                    Some(_) => Ok(balancer.explain(&client, key.as_bytes()).await?.owner()),
                    None => Ok(balancer.home(&client, &key).await.ok()),
                }
            }
        };
        let replicas = balancer.replicas().await?;
        let lookups = stream::iter(load.request_ids().take(KEYS)).map(owner);
        let connections = usize::from(load.connections);
        let at_once =
            if balancer.admin().is_some() { connections } else { connections.min(MAX_CONCURRENT_LOOKUPS) };
        let by_key = lookups.buffered(at_once).try_collect().await?;
        Ok(Self { replicas, by_key })
    }

    /// Counts the keys that moved from this snapshot to `later`.
    pub fn moved(&self, later: &Self) -> Moved {
        let both = |name: &String| self.replicas.contains(name) && later.replicas.contains(name);
        let mut moved = Moved::default();
        for (before, after) in self.by_key.iter().zip(&later.by_key) {
            if let (Some(before), Some(after)) = (before, after) {
                moved.keys += 1;
                moved.moved += u32::from(before != after);
                moved.needless += u32::from(before != after && both(before) && both(after));
            }
        }
        moved
    }
}

impl Moved {
    /// Share of the known keys that moved (0–1); 0 if no owner is known.
    pub fn share(self) -> f64 {
        f64::from(self.moved) / f64::from(self.keys.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owners(replicas: &[&str], by_key: &[&str]) -> Owners {
        let by_key = by_key.iter().map(|name| (!name.is_empty()).then(|| (*name).to_owned())).collect();
        Owners { replicas: replicas.iter().map(|name| (*name).to_owned()).collect(), by_key }
    }

    #[test]
    fn a_move_between_remaining_replicas_is_needless() {
        let before = owners(&["a", "b"], &["a", "a", "a", "b", "", "b"]);
        let after = owners(&["a", "b", "c"], &["a", "c", "b", "c", "a", ""]);
        assert_eq!(before.moved(&after), Moved { keys: 4, moved: 3, needless: 1 });
        assert_eq!(after.moved(&before), Moved { keys: 4, moved: 3, needless: 1 });
        assert_eq!(before.moved(&before).share(), 0.0);
        assert_eq!(before.moved(&after).share(), 0.75);
        assert_eq!(Moved::default().share(), 0.0);
    }
}
