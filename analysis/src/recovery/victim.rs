//! The replica that is killed or made to hang: a process or a container on this machine.

use rustix::process::Signal;

use super::container::Container;
use super::process::Process;
use crate::balancer::Balancer;

/// The process or container that runs a replica.
#[derive(Debug)]
pub enum Victim {
    /// A child process of the balancer.
    Process(Process),
    /// A container of the local engine.
    Container(Container),
}

/// A victim that hangs until this guard is dropped, also when the experiment is interrupted.
#[derive(Debug)]
pub struct Frozen<'a>(&'a Victim);

impl Victim {
    /// Finds the process or container of this replica.
    ///
    /// # Errors
    /// The reason why it is not known, or must not be signalled.
    pub async fn find(balancer: &Balancer, name: &str) -> Result<Self, String> {
        if !balancer.url().is_loopback() {
            return Err(format!("{} is not a loopback address: its replicas run elsewhere", balancer.url()));
        }
        let Some(admin) = balancer.admin() else {
            return match Container::beside(balancer.url().port(), name).await {
                Ok(container) => Ok(Self::Container(container)),
                Err(reason) => Err(format!(
                    "the process or container of {name} is not known without --admin URL; {reason}"
                )),
            };
        };
        if !admin.is_loopback() {
            return Err(format!("{admin} is not a loopback address: its replicas run elsewhere"));
        }
        let state = balancer.state().await.map_err(|error| error.to_string())?;
        let replica = state.seats.into_iter().filter_map(|seat| seat.replica).find(|one| one.name == name);
        let id = replica.and_then(|replica| replica.id?.as_str().map(str::to_owned));
        // For a replica that the balancer does not run, the id is its address.
        let id = id.filter(|id| !id.contains(':'));
        let id = id.ok_or_else(|| {
            format!("{admin} reports no id of {name}: the balancer does not run its replicas itself")
        })?;
        // Container ids have 64 hexadecimal digits, far more than any process id.
        if id.len() < 12 {
            Process::find(&id, name).map(Self::Process)
        } else {
            Container::with_id(&id, name).await.map(Self::Container)
        }
    }

    /// Method of `kill`, for the report.
    pub fn kill_method(&self) -> &'static str {
        match self {
            Self::Process(_) => "kill -9",
            Self::Container(_) => "docker kill",
        }
    }

    /// Method of `freeze`, for the report.
    pub fn hang_method(&self) -> &'static str {
        match self {
            Self::Process(_) => "SIGSTOP",
            Self::Container(_) => "docker pause",
        }
    }

    /// Kills the replica.
    ///
    /// # Errors
    /// When the signal or the call of the engine fails.
    pub async fn kill(&self) -> Result<(), String> {
        match self {
            Self::Process(process) => process.signal(Signal::KILL),
            Self::Container(container) => container.kill().await,
        }
    }

    /// Stops the replica until the guard is dropped.
    ///
    /// # Errors
    /// When the signal or the call of the engine fails.
    pub async fn freeze(&self) -> Result<Frozen<'_>, String> {
        // The guard exists before the call, so that a pause that is interrupted half-way is undone too.
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
            // An error means that the process was replaced and has ended.
            Victim::Process(process) => drop(process.signal(Signal::CONT)),
            Victim::Container(container) => container.unpause(),
        }
    }
}
