//! The moment at which a fault begins.

use std::time::Duration;

use rustix::process::{Signal, kill_process};

use crate::balancer::{Balancer, call};
use crate::fault::Fault;
use crate::replica::TURN;

/// The seat whose replica turns bad, counted from 0.
const VICTIM: usize = 1;

/// Has it begin `after` this time, and stays with it until nothing is left to do.
pub async fn later(fault: Fault, balancer: &Balancer, after: Duration) -> Result<(), String> {
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
        bad => call(victim.address, "POST", &format!("{TURN}{bad}"), "").await.map(drop),
    }
}
