//! One replica after the other is killed, then one hangs.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::traffic::Traffic;
use super::victim::Victim;
use super::watch::{Moments, View};
use crate::balancer::Balancer;
use crate::progress::Progress;

/// The longest that a replacement is waited for.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// A replica that was ready for so long is replaced at once, however often its seat was hit: `lb` counts deaths
/// until 10 s in `ready`, and delays what looks like a crash loop.
const STABLE: Duration = Duration::from_secs(11);

/// Quiet before the first and after each incident, for the time lines.
const QUIET: Duration = Duration::from_secs(3);

/// What happened to a replica, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// How: `kill -9`, `docker pause` …
    pub how: &'static str,
    /// The replica.
    pub victim: String,
    /// When, since the traffic began: just before the signal was sent.
    pub at: Duration,
    /// When the experiment went on: the replies until then belong to this incident.
    pub until: Duration,
    /// What was seen then.
    pub moments: Moments,
}

/// What could be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Incidents {
    /// In their order.
    pub kills: Vec<Incident>,
    /// The one that hung.
    pub hang: Option<Incident>,
    /// Why that is all.
    pub ended: Option<String>,
}

/// Who serves, and since when, as far as it is known.
struct Fleet<'a> {
    balancer: &'a Balancer,
    traffic: &'a Traffic<'a>,
    ready: BTreeMap<String, Instant>,
    size: usize,
}

/// Whether there is somebody to kill.
///
/// # Errors
/// Why not.
pub async fn possible(balancer: &Balancer) -> Result<(), String> {
    let serving = balancer.replicas().await.map_err(|error| error.to_string())?;
    let name = serving.first().ok_or("no replica is ready")?;
    Victim::find(balancer, name).await.map(drop)
}

impl Incidents {
    /// Kills `kills` replicas, round robin over the seats, each when the fleet is whole and its replica stable; then
    /// makes one hang.
    pub async fn cause(balancer: &Balancer, traffic: &Traffic<'_>, kills: u32) -> Self {
        tokio::time::sleep(QUIET).await;
        let size = View::of(balancer).await.map_or(0, |view| view.serving.len());
        let mut fleet = Fleet { balancer, traffic, ready: BTreeMap::new(), size };
        let mut incidents = Self::default();
        let mut progress = Progress::new("A-3 kills, and one hang", kills + 1);
        let mut ended = Ok(());
        for turn in 0..=kills as usize {
            let hang = turn == kills as usize;
            match fleet.incident(turn, hang).await {
                Ok(incident) => {
                    let replaced = incident.moments.ready.is_some();
                    if !replaced {
                        let (name, how, limit) = (&incident.victim, incident.how, DEADLINE.as_secs());
                        ended = Err(format!("{name} ({how}) was not replaced within {limit} s"));
                    }
                    match hang {
                        true => incidents.hang = Some(incident),
                        false => incidents.kills.push(incident),
                    }
                    progress.one_more();
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

    /// All of them, the hang last.
    pub fn all(&self) -> impl Iterator<Item = &Incident> {
        self.kills.iter().chain(&self.hang)
    }
}

impl Fleet<'_> {
    async fn incident(&mut self, turn: usize, hang: bool) -> Result<Incident, String> {
        if self.size == 0 {
            return Err("no replica is ready".into());
        }
        let (before, name) = self.victim(turn).await?;
        let victim = Victim::find(self.balancer, &name).await?;
        let watch = || Moments::watch(self.traffic, self.balancer, &name, &before, DEADLINE);
        let at = self.traffic.now();
        let (how, moments) = if hang {
            // Goes on at the end of this block, if the balancer has not ended it.
            let _frozen = victim.freeze().await?;
            (victim.how_frozen(), watch().await)
        } else {
            victim.kill().await?;
            (victim.how_killed(), watch().await)
        };
        if let Some(name) = &moments.replacement {
            self.ready.insert(name.clone(), Instant::now());
        }
        tokio::time::sleep(QUIET).await;
        Ok(Incident { how, victim: name, at, until: self.traffic.now(), moments })
    }

    /// Waits until all serve and the one whose turn it is is stable; returns all, and that one.
    async fn victim(&self, turn: usize) -> Result<(Vec<String>, String), String> {
        let deadline = Instant::now() + DEADLINE + STABLE;
        while Instant::now() < deadline {
            let serving = View::of(self.balancer).await.unwrap_or_default().serving;
            if serving.len() == self.size {
                let name = serving[turn % self.size].clone();
                if self.ready.get(&name).is_none_or(|since| since.elapsed() >= STABLE) {
                    return Ok((serving, name));
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(format!("the fleet of {} is not whole again", self.size))
    }
}
