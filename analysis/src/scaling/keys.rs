//! Which replica each key of a fixed set belongs to, and what moves between two looks.

use futures::stream::{self, StreamExt, TryStreamExt};

use crate::balancer::{Balancer, ControlError};
use crate::load::Load;

/// So many keys make a share of a third exact to 0.7 points (one standard deviation).
const KEYS: usize = 5_000;

/// So few at once are no load that a balancer would spread: the floor of `lb`'s bounded load, 16, is divided by its
/// workers, and a key that spills looks like one that has moved.
const QUIET: usize = 4;

/// Who owned each key at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owners {
    replicas: Vec<String>,
    /// In the order of the keys; `None` where nobody answered.
    by_key: Vec<Option<String>>,
}

/// What moved between two moments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// The keys whose owner is known at both.
    pub keys: u32,
    /// Those that changed their owner.
    pub moved: u32,
    /// Those of them that went from one replica to another although both were there all the time.
    pub needless: u32,
}

impl Owners {
    /// Asks the admin listener to explain each key, if there is one: that does not depend on load. Otherwise
    /// asks /home, with the key as request id: who answers?
    ///
    /// # Errors
    /// When the replicas are not listed, or the admin listener does not explain.
    pub async fn ask(balancer: &Balancer, load: Load) -> Result<Self, ControlError> {
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
        let asked = stream::iter(load.request_ids().take(KEYS)).map(owner);
        let connections = usize::from(load.connections);
        let at_once = if balancer.admin().is_some() { connections } else { connections.min(QUIET) };
        let by_key = asked.buffered(at_once).try_collect().await?;
        Ok(Self { replicas, by_key })
    }

    /// From then to `later`.
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
    /// Of the known keys; 0 of none.
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
    fn a_move_is_needless_between_replicas_that_stayed() {
        let before = owners(&["a", "b"], &["a", "a", "a", "b", "", "b"]);
        let after = owners(&["a", "b", "c"], &["a", "c", "b", "c", "a", ""]);
        assert_eq!(before.moved(&after), Moved { keys: 4, moved: 3, needless: 1 });
        assert_eq!(after.moved(&before), Moved { keys: 4, moved: 3, needless: 1 });
        assert_eq!(before.moved(&before).share(), 0.0);
        assert_eq!(before.moved(&after).share(), 0.75);
        assert_eq!(Moved::default().share(), 0.0);
    }
}
