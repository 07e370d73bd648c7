//! The lifecycle of the fleet as a whole, from the start to the end of the balancer.

use super::CommandError;

/// Whether the fleet acts, only routes, or ends.
#[derive(Debug, Default)]
pub(super) struct Lifecycle {
    stage: Stage,
    /// Whether the fleet has been complete: `Action::Serving` was emitted.
    announced: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// Replicas are launched, replaced and removed, and changes are accepted.
    #[default]
    Active,
    /// Another balancer acts on the cluster: this one only routes. A close does not end the conflict.
    Conflict,
    /// The balancer is about to end: it only routes.
    Closing,
    /// All replicas are being stopped. `conflict`: the conflict with another balancer began before.
    Stopping { conflict: bool },
    /// All replicas have ended.
    Halted { conflict: bool },
}

impl Lifecycle {
    /// Checks that changes are accepted.
    ///
    /// # Errors
    /// [`CommandError::Conflict`] if another balancer acts, [`CommandError::Stopping`] if the balancer is about to end.
    pub fn check_active(&self) -> Result<(), CommandError> {
        match self.stage {
            Stage::Active => Ok(()),
            Stage::Conflict | Stage::Stopping { conflict: true } | Stage::Halted { conflict: true } => {
                Err(CommandError::Conflict)
            }
            Stage::Closing | Stage::Stopping { conflict: false } | Stage::Halted { conflict: false } => {
                Err(CommandError::Stopping)
            }
        }
    }

    /// Whether replicas are launched, replaced and removed, and changes are accepted.
    pub fn is_active(&self) -> bool {
        self.stage == Stage::Active
    }

    /// Whether requests are accepted: neither a close nor a stop has begun. A close during a conflict changes nothing.
    pub fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Active | Stage::Conflict)
    }

    /// Whether a conflict with another balancer has begun. It lasts until the end.
    pub fn is_conflict(&self) -> bool {
        self.check_active() == Err(CommandError::Conflict)
    }

    /// Whether the replicas are being stopped, or have ended.
    pub fn is_stopping(&self) -> bool {
        matches!(self.stage, Stage::Stopping { .. } | Stage::Halted { .. })
    }

    /// Whether all replicas have ended.
    pub fn is_halted(&self) -> bool {
        matches!(self.stage, Stage::Halted { .. })
    }

    /// Whether the fleet has not been complete yet, and may still become so.
    pub fn is_unannounced(&self) -> bool {
        !self.announced && !self.is_stopping()
    }

    /// The fleet is complete for the first time.
    pub fn announce(&mut self) {
        self.announced = true;
    }

    /// Another balancer acts on the cluster; returns whether the conflict begins now.
    pub fn begin_conflict(&mut self) -> bool {
        let begins = self.is_active();
        if begins {
            self.stage = Stage::Conflict;
        }
        begins
    }

    /// The balancer is about to end.
    pub fn close(&mut self) {
        if self.is_active() {
            self.stage = Stage::Closing;
        }
    }

    /// All replicas are to be stopped.
    pub fn stop(&mut self) {
        if !self.is_stopping() {
            self.stage = Stage::Stopping { conflict: self.is_conflict() };
        }
    }

    /// All replicas have ended.
    pub fn halt(&mut self) {
        self.stage = Stage::Halted { conflict: self.is_conflict() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conflict_holds_until_the_end() {
        let mut lifecycle = Lifecycle::default();
        assert!(lifecycle.is_active() && lifecycle.is_unannounced());
        assert!(lifecycle.begin_conflict());
        assert!(!lifecycle.begin_conflict());
        lifecycle.close();
        assert!(lifecycle.is_open() && lifecycle.is_unannounced());
        lifecycle.stop();
        lifecycle.halt();
        lifecycle.stop(); // a kill after the end
        assert!(lifecycle.is_halted() && lifecycle.is_stopping() && !lifecycle.is_unannounced());
        assert_eq!(lifecycle.check_active(), Err(CommandError::Conflict));
    }

    #[test]
    fn no_conflict_begins_after_the_close() {
        let mut lifecycle = Lifecycle::default();
        lifecycle.close();
        assert!(!lifecycle.begin_conflict() && !lifecycle.is_open() && !lifecycle.is_stopping());
        lifecycle.stop();
        assert_eq!(lifecycle.check_active(), Err(CommandError::Stopping));
        assert!(!lifecycle.is_halted() && !lifecycle.is_conflict());
    }
}
