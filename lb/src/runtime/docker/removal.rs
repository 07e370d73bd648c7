//! Stop and removal of containers; they are reported as gone only when the engine has removed them.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::Inner;
use super::engine::CALL_TIMEOUT;
use super::engine_error::EngineError;
use crate::ring::Incarnation;

/// Removals at one time: the engine gets slower with more.
pub(super) const REMOVALS: usize = 8;

/// Pause before an unfinished removal is repeated; it doubles up to [`LONGEST`].
const PAUSE: Duration = Duration::from_millis(500);
/// Upper limit of [`PAUSE`].
const LONGEST: Duration = Duration::from_secs(10);

impl Inner {
    /// Stops a container, kills it after `grace` (zero: at once) and removes it. Returns when it is gone.
    pub(super) async fn end_and_remove(
        self: Rc<Self>,
        incarnation: Incarnation,
        id: String,
        grace: Duration,
    ) {
        if !grace.is_zero() {
            self.terminate(incarnation, &id, grace).await;
        }
        self.remove(&id).await;
        self.containers.borrow_mut().remove(&incarnation);
    }

    /// Sends a container SIGTERM and waits for its end for at most `grace`. Repeated while the engine is unreachable:
    /// the removal, which is repeated too, would otherwise kill a container that never got the signal.
    async fn terminate(&self, incarnation: Incarnation, id: &str, grace: Duration) {
        let mut pause = PAUSE;
        loop {
            let renamed = self.free_name(incarnation).await;
            match self.engine.stop(id, grace).await {
                Err(EngineError::Unreachable(_)) => {}
                // The grace is over. If the engine did not answer the call before either, it hangs.
                Err(EngineError::TimedOut) if renamed.is_err() => {}
                Err(EngineError::TimedOut) | Ok(()) => return,
                Err(error) => return log::debug!(id:%, error:%; "container not stopped"),
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST);
        }
    }

    /// Removes a container, killing it if it runs. Returns when it is gone, however long the engine takes.
    pub(super) async fn remove(&self, id: &str) {
        let mut pause = PAUSE;
        while let Err(error) = self.try_remove(id).await {
            if pause == PAUSE && !error.is_unreachable() {
                log::warn!(id:%, why:% = error; "container not removed yet");
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST);
        }
    }

    /// Removes a container that will not become a replica: at once, or later if the engine cannot now.
    pub(super) async fn discard(self: &Rc<Self>, id: &str) {
        if !matches!(timeout(CALL_TIMEOUT, self.try_remove(id)).await, Ok(Ok(()))) {
            let (docker, id) = (self.clone(), id.to_owned());
            actix_rt::spawn(async move { docker.remove(&id).await });
        }
    }

    /// One attempt; success means that the container does not exist any more. The engine answers 409 while another
    /// removal of the container is under way.
    async fn try_remove(&self, id: &str) -> Result<(), EngineError> {
        // The semaphore is never closed, so an error cannot occur.
        let _permit = self.removals.acquire().await;
        match self.engine.remove(id).await {
            Ok(()) | Err(EngineError::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Kills a container and keeps it: its labels store the seat, and its address is free. Returns whether it has
    /// ended.
    pub(super) async fn kill(&self, id: &str) -> bool {
        match self.engine.kill(id).await {
            // 409: the container does not run.
            Ok(()) | Err(EngineError::NotFound(_) | EngineError::Conflict(_)) => {}
            Err(error) => {
                log::warn!(id:%, why:% = error; "container not killed");
                return false;
            }
        }
        matches!(self.engine.ended(id).await, Ok(()) | Err(EngineError::NotFound(_)))
    }
}
