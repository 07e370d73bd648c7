//! Experiment A-2: what scaling from 2 to 6 replicas does to balance and to the keys.

mod keys;
mod report;

use crate::balancer::{Balancer, ControlError};
use crate::error::Error;
use crate::load::{Answers, Load};
use crate::report::Section;
use crate::stats::{Latency, Spread};

use keys::{Moved, Owners};

/// The experiment.
pub const NAME: &str = "scaling";

/// What `--assert` can name: the worst over all sizes, and over all steps.
pub const FACTS: &[&str] = &[
    "peak_to_average",
    "deviation",
    "failed",
    "throughput",
    "p99_ms",
    "moved_worst_ratio",
    "needless_moves",
];

/// N of the smallest fleet.
const SMALLEST: usize = 2;

/// N of the largest.
const LARGEST: usize = 6;

/// All that was measured.
struct Scaling {
    load: Load,
    /// Whether the admin listener was asked about the keys.
    explained: bool,
    /// Between two looks at the smallest fleet: what moves although nothing has changed.
    idle: Moved,
    /// From the smallest fleet on.
    sizes: Vec<Size>,
    /// Up, and down again.
    steps: Vec<Step>,
    /// Why the fleet did not become larger.
    stopped: Option<ControlError>,
}

/// A fleet under load.
struct Size {
    replicas: usize,
    answers: Answers,
    spread: Spread,
    latency: Latency,
}

/// One replica more or less.
struct Step {
    from: usize,
    to: usize,
    moved: Moved,
}

/// Runs it. The fleet is as it was found afterwards, unless this fails.
///
/// # Errors
/// When the balancer stops answering.
pub async fn run(balancer: &Balancer, load: Load) -> Result<Section, Error> {
    let skipped = |reason: String| Ok(Section::skipped(NAME, "A-2 scaling", reason));
    let found = match balancer.replicas().await {
        Ok(found) => found,
        Err(reason) => return skipped(format!("the fleet cannot be scaled: {reason}")),
    };
    if found.len() > LARGEST {
        // Somebody needs them: taking most of them away for a measurement is no favour.
        return skipped(format!(
            "the fleet has {} replicas, and this experiment would take it down to {SMALLEST}; \
             it does so with up to {LARGEST}",
            found.len()
        ));
    }
    let fleet = Fleet { balancer, found };
    if let Err(reason) = fleet.resize(SMALLEST).await {
        return skipped(format!("the fleet cannot be scaled: {reason}"));
    }
    let scaling = fleet.measure(load).await?;
    balancer.restore(&fleet.found).await?;
    match scaling.stopped {
        Some(reason) if scaling.steps.is_empty() => skipped(format!("the fleet cannot be scaled: {reason}")),
        _ => {
            let mut section = scaling.section()?;
            section.text.push(balancer.bounded_load().into());
            Ok(section)
        }
    }
}

/// A fleet, and the names in it when it was found.
struct Fleet<'a> {
    balancer: &'a Balancer,
    found: Vec<String>,
}

impl Fleet<'_> {
    /// Up to the largest size that the balancer takes, then down again.
    async fn measure(&self, load: Load) -> Result<Scaling, Error> {
        let mut owners = Owners::ask(self.balancer, load).await?;
        let idle = owners.moved(&Owners::ask(self.balancer, load).await?);
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
            let now = Owners::ask(self.balancer, load).await?;
            steps.push(Step { from: to - 1, to, moved: owners.moved(&now) });
            owners = now;
            sizes.push(self.load(to, load).await?);
        }
        for to in (SMALLEST..SMALLEST + steps.len()).rev() {
            self.resize(to).await?;
            let now = Owners::ask(self.balancer, load).await?;
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

    /// Takes the last away, or adds: names that were found come back first.
    async fn resize(&self, replicas: usize) -> Result<(), ControlError> {
        let mut now = self.balancer.replicas().await?;
        if now.len() > replicas {
            now = self.balancer.remove(&now[replicas..]).await?;
        }
        while now.len() < replicas {
            let name = self.found.iter().find(|name| !now.contains(name));
            now = self.balancer.add(1, name.map_or(&[], std::slice::from_ref)).await?;
        }
        Ok(())
    }
}
