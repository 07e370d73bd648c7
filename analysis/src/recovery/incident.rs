//! Kills one replica after the other, then makes one hang.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::traffic::Traffic;
use super::victim::Victim;
use super::watch::{FleetView, RecoveryTimes};
use crate::balancer::Balancer;
use crate::progress::Progress;

/// Longest time until a replacement must be ready.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// A replica that was ready for this long is replaced without delay: `lb` counts the deaths of a seat until 10 s in
/// `ready`, and delays replacements of a crash loop.
const STABLE: Duration = Duration::from_secs(11);

/// Pause before the first and after each incident, so that its time line shows normal traffic.
const PAUSE: Duration = Duration::from_secs(3);

/// One replica that was killed or made to hang, and its recovery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// Method: `kill -9`, `docker pause` …
    pub how: &'static str,
    /// Name of the replica.
    pub victim: String,
    /// Time since the start of the traffic, taken just before the signal.
    pub at: Duration,
    /// End of the incident: replies to requests due before it count for this incident.
    pub until: Duration,
    /// Observed times of the recovery.
    pub times: RecoveryTimes,
}

/// All incidents of the experiment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Incidents {
    /// Kills in their order.
    pub kills: Vec<Incident>,
    /// The hang; `None` if the experiment ended before it.
    pub hang: Option<Incident>,
    /// Reason why the experiment ended early; `None` if it is complete.
    pub ended: Option<String>,
}

/// The fleet under test, and when its replacements became ready.
struct Fleet<'a> {
    balancer: &'a Balancer,
    traffic: &'a Traffic<'a>,
    /// When each replacement became ready, by name; replicas found at the start are not in it.
    ready: BTreeMap<String, Instant>,
    /// Number of replicas at the start.
    size: usize,
}

/// Checks that a replica can be killed.
///
/// # Errors
/// The reason why none can be killed.
pub async fn check_possible(balancer: &Balancer) -> Result<(), String> {
    let serving = balancer.replicas().await.map_err(|error| error.to_string())?;
    let name = serving.first().ok_or("no replica is ready")?;
    Victim::find(balancer, name).await.map(drop)
}

impl Incidents {
    /// Kills `kills` replicas, round robin over the seats, each when the fleet is complete and the replica is stable;
    /// then makes one hang.
    pub async fn run(balancer: &Balancer, traffic: &Traffic<'_>, kills: u32) -> Self {
        tokio::time::sleep(PAUSE).await;
        let size = FleetView::of(balancer).await.map_or(0, |view| view.serving.len());
        let mut fleet = Fleet { balancer, traffic, ready: BTreeMap::new(), size };
        let mut incidents = Self::default();
        let mut progress = Progress::new("A-3 kills, and one hang", kills + 1);
        let mut ended = Ok(());
        for round in 0..=kills as usize {
            let hang = round == kills as usize;
            match fleet.incident(round, hang).await {
                Ok(incident) => {
                    let replaced = incident.times.ready.is_some();
                    if !replaced {
                        let (name, how, limit) = (&incident.victim, incident.how, DEADLINE.as_secs());
                        ended = Err(format!("{name} ({how}) was not replaced within {limit} s"));
                    }
                    match hang {
                        true => incidents.hang = Some(incident),
                        false => incidents.kills.push(incident),
                    }
                    progress.increment();
                }
                Err(reason) => ended = Err(reason),
            }
            if ended.is_err() {
                break;
            }
        }
        incidents.ended = ended.err();
        incidents
    }

    /// All incidents; the hang comes last.
    pub fn all(&self) -> impl Iterator<Item = &Incident> {
        self.kills.iter().chain(&self.hang)
    }
}

impl Fleet<'_> {
    async fn incident(&mut self, round: usize, hang: bool) -> Result<Incident, String> {
        if self.size == 0 {
            return Err("no replica is ready".into());
        }
        let (before, name) = self.next_victim(round).await?;
        let victim = Victim::find(self.balancer, &name).await?;
        let watch = || RecoveryTimes::watch(self.traffic, self.balancer, &name, &before, DEADLINE);
        let at = self.traffic.now();
        let (how, times) = if hang {
            // The victim is resumed at the end of this block, unless the balancer has ended it.
            let _frozen = victim.freeze().await?;
            (victim.hang_method(), watch().await)
        } else {
            victim.kill().await?;
            (victim.kill_method(), watch().await)
        };
        if let Some(name) = &times.replacement {
            self.ready.insert(name.clone(), Instant::now());
        }
        tokio::time::sleep(PAUSE).await;
        Ok(Incident { how, victim: name, at, until: self.traffic.now(), times })
    }

    /// Waits until the fleet is complete and the victim of this round is stable; returns all names, and the victim's.
    async fn next_victim(&self, round: usize) -> Result<(Vec<String>, String), String> {
        let deadline = Instant::now() + DEADLINE + STABLE;
        while Instant::now() < deadline {
            let serving = FleetView::of(self.balancer).await.unwrap_or_default().serving;
            if serving.len() == self.size {
                let name = serving[round % self.size].clone();
                if self.ready.get(&name).is_none_or(|since| since.elapsed() >= STABLE) {
                    return Ok((serving, name));
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(format!("the fleet of {} replicas does not become complete again", self.size))
    }
}
