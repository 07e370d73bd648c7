//! Triggers a fault.

use std::time::Duration;

use rustix::process::{Signal, kill_process};

use crate::balancer::{Balancer, call};
use crate::fault::Fault;
use crate::replica::FAULT_PATH;

/// Index of the seat whose replica becomes faulty.
const VICTIM: usize = 1;

/// Triggers the fault `after` this time, and returns when no more steps are left.
pub async fn trigger(fault: Fault, balancer: &Balancer, after: Duration) -> Result<(), String> {
    let replicas = balancer.replicas().await?;
    let victim = replicas.get(VICTIM).ok_or("there are not three replicas")?;
    tokio::time::sleep(after).await;
    let signal =
        |signal| kill_process(victim.pid, signal).map_err(|error| format!("no such replica: {error}"));
    match fault {
        Fault::Kill => signal(Signal::KILL),
        Fault::Stop => signal(Signal::STOP),
        Fault::Rolling => {
            for (n, old) in replicas.iter().enumerate() {
                balancer.add(&format!("new{}", n + 1)).await?;
                balancer.remove(&old.name).await?;
            }
            Ok(())
        }
        other => call(victim.address, "POST", &format!("{FAULT_PATH}{other}"), "").await.map(drop),
    }
}
