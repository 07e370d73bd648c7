//! Experiment A-2: balance and moved keys when the fleet is scaled from 2 to 6 replicas and back.

mod keys;
mod report;

use crate::balancer::{Balancer, ControlError};
use crate::error::Error;
use crate::load::{Answers, Load};
use crate::report::Section;
use crate::stats::{Latency, Spread};

use keys::{Moved, Owners};

/// Name of the experiment.
pub const NAME: &str = "scaling";

/// Metrics that `--assert` can name: the worst over all sizes, and over all steps.
pub const METRICS: &[&str] = &[
    "peak_to_average",
    "deviation",
    "failed",
    "throughput",
    "p99_ms",
    "moved_worst_ratio",
    "needless_moves",
];

/// Replicas of the smallest fleet.
const SMALLEST: usize = 2;

/// Replicas of the largest fleet.
const LARGEST: usize = 6;

/// Measurements of the experiment.
struct Scaling {
    load: Load,
    /// Whether the owners of the keys come from /api/explain.
    explained: bool,
    /// Keys that moved between two snapshots of the unchanged smallest fleet.
    idle: Moved,
    /// Measurements by size, from the smallest fleet on.
    sizes: Vec<Size>,
    /// Steps up, then steps down.
    steps: Vec<Step>,
    /// The refusal that ended the growth before the largest size, if any.
    stopped: Option<ControlError>,
}

/// Measurements of a fleet of one size.
struct Size {
    replicas: usize,
    answers: Answers,
    spread: Spread,
    latency: Latency,
}

/// Measurements of adding or removing one replica.
struct Step {
    from: usize,
    to: usize,
    moved: Moved,
}

/// Runs the experiment and restores the fleet, unless it fails.
///
/// # Errors
/// When the balancer stops answering.
pub async fn run(balancer: &Balancer, load: Load) -> Result<Section, Error> {
    let skipped = |reason: String| Ok(Section::skipped(NAME, "A-2 scaling", reason));
    let original = match balancer.replicas().await {
        Ok(original) => original,
        Err(reason) => return skipped(format!("the fleet cannot be scaled: {reason}")),
    };
    if original.len() > LARGEST {
        // A fleet of this size probably serves traffic; removing most of it for a measurement would harm it.
        return skipped(format!(
            "the fleet has {} replicas; this experiment would reduce it to {SMALLEST}, and runs only with at most \
             {LARGEST}",
            original.len()
        ));
    }
    let fleet = Fleet { balancer, original };
    if let Err(reason) = fleet.resize(SMALLEST).await {
        return skipped(format!("the fleet cannot be scaled: {reason}"));
    }
    let scaling = fleet.measure(load).await?;
    balancer.restore(&fleet.original).await?;
    match scaling.stopped {
        Some(reason) if scaling.steps.is_empty() => skipped(format!("the fleet cannot be scaled: {reason}")),
        _ => {
            let mut section = scaling.section()?;
            section.text.push(balancer.bounded_load().into());
            Ok(section)
        }
    }
}

/// The fleet, and the names of its replicas before the experiment.
struct Fleet<'a> {
    balancer: &'a Balancer,
    original: Vec<String>,
}

impl Fleet<'_> {
    /// Grows to the largest size that the balancer accepts, then shrinks again.
    async fn measure(&self, load: Load) -> Result<Scaling, Error> {
        let mut owners = Owners::query(self.balancer, load).await?;
        let idle = owners.moved(&Owners::query(self.balancer, load).await?);
        let mut sizes = vec![self.load(SMALLEST, load).await?];
        let (mut steps, mut stopped) = (Vec::new(), None);
        for to in SMALLEST + 1..=LARGEST {
            match self.resize(to).await {
                Ok(()) => {}
                Err(reason @ ControlError::Refused { .. }) => {
                    stopped = Some(reason);
                    break;
                }
                Err(other) => return Err(other.into()),
            }
            let now = Owners::query(self.balancer, load).await?;
            steps.push(Step { from: to - 1, to, moved: owners.moved(&now) });
            owners = now;
            sizes.push(self.load(to, load).await?);
        }
        for to in (SMALLEST..SMALLEST + steps.len()).rev() {
            self.resize(to).await?;
            let now = Owners::query(self.balancer, load).await?;
            steps.push(Step { from: to + 1, to, moved: owners.moved(&now) });
            owners = now;
        }
        let explained = self.balancer.admin().is_some();
        Ok(Scaling { load, explained, idle, sizes, steps, stopped })
    }

    async fn load(&self, replicas: usize, load: Load) -> Result<Size, Error> {
        let answers = load.run(self.balancer, &format!("A-2 requests, N={replicas}")).await;
        let counts: Vec<u32> = answers.by_replica.values().copied().collect();
        match (Spread::of(&counts), Latency::of(&answers.times)) {
            (Some(spread), Some(latency)) => Ok(Size { replicas, answers, spread, latency }),
            _ => Err(Error::nothing_answered(load.requests, answers.first_failure)),
        }
    }

    /// Removes the last replicas, or adds some: original names come back first.
    async fn resize(&self, replicas: usize) -> Result<(), ControlError> {
        let mut now = self.balancer.replicas().await?;
        if now.len() > replicas {
            now = self.balancer.remove(&now[replicas..]).await?;
        }
        while now.len() < replicas {
            let name = self.original.iter().find(|name| !now.contains(name));
            now = self.balancer.add(1, name.map_or(&[], std::slice::from_ref)).await?;
        }
        Ok(())
    }
}
