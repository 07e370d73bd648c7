//! Containers are ended and removed, and reported as gone only when they are.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::Inner;
use super::engine::PATIENCE;
use super::trouble::Trouble;
use crate::ring::Incarnation;

/// Removals at one time: the engine gets slower with more.
pub(super) const REMOVALS: usize = 8;

/// The pause before an unfinished removal is tried again; it doubles …
const PAUSE: Duration = Duration::from_millis(500);
/// … up to this.
const LONGEST: Duration = Duration::from_secs(10);

impl Inner {
    /// Asks a container to end, kills it after `grace` (zero: at once) and removes it. Returns when it is gone.
    pub(super) async fn end_and_remove(
        self: Rc<Self>,
        incarnation: Incarnation,
        id: String,
        grace: Duration,
    ) {
        if !grace.is_zero() {
            self.free_name(incarnation).await;
            self.engine.stop(&id, grace).await;
        }
        self.remove(&id).await;
        self.containers.borrow_mut().remove(&incarnation);
    }

    /// Removes a container, killing it if it runs. Returns when it is gone, however long the engine takes.
    pub(super) async fn remove(&self, id: &str) {
        let mut pause = PAUSE;
        while let Err(trouble) = self.try_remove(id).await {
            if pause == PAUSE && !trouble.is_away() {
                log::warn!("container not removed yet id={id} why={trouble}");
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST);
        }
    }

    /// Removes a container that no replica is to come of: at once, or later if the engine cannot now.
    pub(super) async fn discard(self: &Rc<Self>, id: &str) {
        if !matches!(timeout(PATIENCE, self.try_remove(id)).await, Ok(Ok(()))) {
            let (docker, id) = (self.clone(), id.to_owned());
            actix_rt::spawn(async move { docker.remove(&id).await });
        }
    }

    /// One attempt; success means that the container does not exist any more. The engine answers 409 while it carries
    /// out another removal.
    async fn try_remove(&self, id: &str) -> Result<(), Trouble> {
        // It is never closed, so there is always a permit.
        let _permit = self.removals.acquire().await;
        match self.engine.remove(id).await {
            Ok(()) | Err(Trouble::NotFound(_)) => Ok(()),
            Err(trouble) => Err(trouble),
        }
    }

    /// Kills a container and keeps it: its labels remember the seat, its address is free. Whether it has ended.
    pub(super) async fn kill(&self, id: &str) -> bool {
        match self.engine.kill(id).await {
            // 409: it does not run.
            Ok(()) | Err(Trouble::NotFound(_) | Trouble::Conflict(_)) => {}
            Err(trouble) => {
                log::warn!("container not killed id={id} why={trouble}");
                return false;
            }
        }
        matches!(self.engine.ended(id).await, Ok(()) | Err(Trouble::NotFound(_)))
    }
}
