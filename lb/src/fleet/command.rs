//! Commands: the operations on the fleet that operators and the configuration call. Each is a variant here, and one
//! method of [`Fleet`].

use std::collections::BTreeMap;
use std::time::Instant;

use crate::fleet::runtime::Upstream;
use crate::name::Name;
use crate::ring::{Proposal, SeatId, Weight};

use super::{CallId, CommandError, Fleet, Progress, Vacancy};

/// An operation on the fleet. Its caller is answered when it is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Adds replicas (/add). Complete when they are ready and get requests.
    Add {
        /// Number of replicas to add, at least one.
        n: usize,
        /// Names of the first new replicas, at most `n`; the rest get random names.
        names: Vec<Name>,
    },
    /// Removes seats (/rm). Complete when they have left the ring.
    Remove(Removal),
    /// Brings the number of seats to a target, as an /add or /rm would.
    Scale(usize),
    /// Cordons a replica: it gets no new request, stays alive and keeps its seat. Complete when no new request can reach
    /// it.
    Cordon(Name),
    /// Ends the cordon of a replica. Complete when it gets requests again.
    Uncordon(Name),
    /// Replaces a replica by a new one in the same seat. Complete when the new one has taken over.
    Replace(Name),
    /// Replaces all replicas, one after the other. Complete when the first replacement is planned.
    RollingReplace,
    /// Changes the weights of seats, all in one epoch. Complete when every router has applied them.
    Weigh(Vec<(SeatId, Weight)>),
    /// Adds an external server in the smallest free seat. Complete when it gets requests, or when none of its addresses
    /// has answered: its seat is then vacant until one does.
    AddUpstream(Upstream),
    /// Removes the external server of this name with its seat. Complete when no new request can reach it.
    RemoveUpstream(Name),
}

/// The seats that an /rm removes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removal {
    /// Number of seats to remove, at least one.
    pub n: usize,
    /// Replicas to remove; with `seats` at most `n`. The rest are chosen by load.
    pub names: Vec<Name>,
    /// Seats to remove, vacant or not.
    pub seats: Vec<SeatId>,
}

/// Load per seat, by which /rm chooses: requests in flight, and slots owned.
pub type Loads = BTreeMap<SeatId, (usize, usize)>;

/// The reply to a command that is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Names of the replicas that /rep lists after the change.
    pub replicas: Vec<Name>,
    /// The seat and the replica that the command concerned; `None` for commands about the whole fleet.
    pub about: Option<(SeatId, Name)>,
    /// Why that seat is vacant; `None` if it is occupied.
    pub vacancy: Option<Vacancy>,
    /// Progress of the rolling replacement; `None` if none is under way.
    pub rolling: Option<Progress>,
}

impl Command {
    /// Whether the command chooses seats by their load, which is not part of the fleet's state.
    pub fn needs_loads(&self) -> bool {
        matches!(self, Self::Remove(_) | Self::Scale(_))
    }
}

impl Fleet {
    /// Carries out a command. `loads` is empty unless the command needs them.
    pub(super) fn execute(&mut self, call: CallId, command: Command, loads: &Loads, now: Instant) {
        match command {
            Command::Add { n, names } => self.add(call, n, names, now),
            Command::Remove(removal) => self.remove(call, &removal, loads),
            Command::Scale(target) => self.scale(call, target, loads, now),
            Command::Cordon(name) => self.cordon(call, name),
            Command::Uncordon(name) => self.uncordon(call, name, now),
            Command::Replace(name) => self.replace(call, name, now),
            Command::RollingReplace => self.start_manual_rollout(call),
            Command::Weigh(weights) => self.set_weights(call, weights),
            Command::AddUpstream(upstream) => self.add_upstream(call, upstream, now),
            Command::RemoveUpstream(name) => self.remove_upstream(call, &name),
        }
    }

    /// The change of the seats that a command would make now.
    ///
    /// # Errors
    /// The command would be rejected.
    pub fn proposal(&self, command: &Command, loads: &Loads) -> Result<Proposal, CommandError> {
        let mut proposal = Proposal::default();
        match command {
            Command::Add { n, names } => proposal.join = self.choose_free(*n, names)?,
            Command::Remove(removal) => proposal.leave = self.choose(removal, loads)?,
            Command::Scale(target) => {
                if let Some(command) = self.resize(*target) {
                    return self.proposal(&command, loads);
                }
            }
            Command::Weigh(weights) => {
                self.check_weights(weights)?;
                proposal.weights.clone_from(weights);
            }
            Command::AddUpstream(upstream) => {
                proposal.join = vec![(self.seat_for(upstream)?, upstream.weight)];
            }
            Command::RemoveUpstream(name) => proposal.leave = vec![self.seat_of_upstream(name)?],
            // The seats stay.
            Command::Cordon(_) | Command::Uncordon(_) | Command::Replace(_) | Command::RollingReplace => {}
        }
        Ok(proposal)
    }
}
