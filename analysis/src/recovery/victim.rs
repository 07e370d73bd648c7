//! The replica that is killed or made to hang: a process or a container of this machine.

use rustix::process::Signal;

use super::container::Container;
use super::process::Process;
use crate::balancer::Balancer;

/// What runs a replica.
#[derive(Debug)]
pub enum Victim {
    /// A child of the balancer.
    Process(Process),
    /// A container of the local engine.
    Container(Container),
}

/// A victim that hangs until this is dropped, also when the experiment is broken off.
#[derive(Debug)]
pub struct Frozen<'a>(&'a Victim);

impl Victim {
    /// What runs this replica.
    ///
    /// # Errors
    /// Why it is not known, or not to be touched.
    pub async fn find(balancer: &Balancer, name: &str) -> Result<Self, String> {
        if !balancer.url().is_loopback() {
            return Err(format!("{} is not a loopback address: its replicas run elsewhere", balancer.url()));
        }
        let Some(admin) = balancer.admin() else {
            return match Container::beside(balancer.url().port(), name).await {
                Ok(container) => Ok(Self::Container(container)),
                Err(reason) => {
                    Err(format!("which process or container is {name}? --admin URL tells; {reason}"))
                }
            };
        };
        if !admin.is_loopback() {
            return Err(format!("{admin} is not a loopback address: its replicas run elsewhere"));
        }
        let state = balancer.state().await.map_err(|error| error.to_string())?;
        let replica = state.seats.into_iter().filter_map(|seat| seat.replica).find(|one| one.name == name);
        let id = replica.and_then(|replica| replica.id?.as_str().map(str::to_owned));
        // Of a replica that the balancer does not run it is the address.
        let id = id.filter(|id| !id.contains(':'));
        let id =
            id.ok_or_else(|| format!("{admin} tells no id of {name}: its replicas are somebody else's"))?;
        // The engine's ids have 64 hexadecimal digits: far more than any process id.
        if id.len() < 12 {
            Process::find(&id, name).map(Self::Process)
        } else {
            Container::with_id(&id, name).await.map(Self::Container)
        }
    }

    /// How it is killed, in a word.
    pub fn how_killed(&self) -> &'static str {
        match self {
            Self::Process(_) => "kill -9",
            Self::Container(_) => "docker kill",
        }
    }

    /// How it is made to hang, in a word.
    pub fn how_frozen(&self) -> &'static str {
        match self {
            Self::Process(_) => "SIGSTOP",
            Self::Container(_) => "docker pause",
        }
    }

    /// Kills it.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub async fn kill(&self) -> Result<(), String> {
        match self {
            Self::Process(process) => process.signal(Signal::KILL),
            Self::Container(container) => container.kill().await,
        }
    }

    /// Makes it hang.
    ///
    /// # Errors
    /// When it cannot be stopped.
    pub async fn freeze(&self) -> Result<Frozen<'_>, String> {
        // Made first: a pause that is broken off half-way is undone too.
        let frozen = Frozen(self);
        match self {
            Self::Process(process) => process.signal(Signal::STOP)?,
            Self::Container(container) => container.pause().await?,
        }
        Ok(frozen)
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        match self.0 {
            // An error means that it was replaced and has ended.
            Victim::Process(process) => drop(process.signal(Signal::CONT)),
            Victim::Container(container) => container.unpause(),
        }
    }
}
