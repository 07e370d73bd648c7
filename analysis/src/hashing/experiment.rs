//! Everything that is measured, in its order.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use lb::ring::{Layout, SlotCap};

use super::candidate::{self, Candidate};
use super::keys::{self, Bounds, Counted, Field, Log, Tally};
use super::own::{Own, most_hot};
use super::reach::{all_ids, polynomial_with_more_slots};
use super::summary::Summary;
use super::sweep::{self, Source};
use super::traffic::Traffic;
use super::virtual_nodes::{self, Row};
use crate::error::Error;
use crate::progress::Progress;
use crate::table::grouped;

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// The user's own keys.
    pub keys: Option<PathBuf>,
    /// Where they stand in a line.
    pub field: Field,
    /// How many seats they are spread over.
    pub seats: u32,
    /// How many sets of seats each scheme is tried on.
    pub seat_sets: u32,
    /// How many random ids each of these gets when there are no own keys.
    pub requests: u32,
    /// Makes ids and seats.
    pub seed: u64,
}

/// What was found.
#[derive(Debug)]
pub struct Findings {
    /// What was asked for.
    pub experiment: Experiment,
    /// The schemes.
    pub candidates: Vec<Candidate>,
    /// Each id 100000…999999 once: what random ids are expected to do, exactly.
    pub ids: Traffic,
    /// In the order of the schemes.
    pub summaries: Vec<Summary>,
    /// Without a slot cap and with one.
    pub virtual_nodes: [Vec<Row>; 2],
    /// Of the user's own keys.
    pub own: Option<OwnKeys>,
}

/// The user's own keys.
#[derive(Debug)]
pub struct OwnKeys {
    /// The file.
    pub path: PathBuf,
    /// Its lines.
    pub log: Log,
    /// Its keys.
    pub counted: Counted,
    /// On the fleet.
    pub on_fleet: Own,
}

impl Experiment {
    /// Measures it.
    ///
    /// # Errors
    /// When the keys cannot be read.
    pub fn run(self) -> Result<Findings, Error> {
        let candidates = candidate::all()?;
        // First, because it may fail.
        let own = self.keys.as_ref().map(|path| self.count(path.clone(), &candidates)).transpose()?;
        let more_slots = polynomial_with_more_slots()?;
        let ids = all_ids(candidates.iter().map(|candidate| &candidate.layout).chain([&more_slots]));
        let source =
            own.as_ref().map_or(Source::Ids(self.requests), |own| Source::Given(&own.counted.traffic));
        let mut progress = Progress::new("A-4 sets of seats", self.seat_sets);
        let trials = sweep::run(&candidates, self.fleets(), source, self.seat_sets, self.seed, || {
            progress.one_more()
        })?;
        let virtual_nodes = [
            virtual_nodes::rows(SlotCap::OFF, self.seat_sets, self.seed)?,
            virtual_nodes::rows(SlotCap::DEFAULT, self.seat_sets, self.seed)?,
        ];
        let summaries = trials.iter().map(|trials| Summary::of(trials)).collect();
        Ok(Findings { experiment: self, candidates, ids, summaries, virtual_nodes, own })
    }

    /// How many seats the sets have: as many as the fleet for the user's own keys.
    pub fn fleets(&self) -> RangeInclusive<u32> {
        if self.keys.is_some() { self.seats..=self.seats } else { sweep::FLEETS }
    }

    fn count(&self, path: PathBuf, candidates: &[Candidate]) -> Result<OwnKeys, Error> {
        let layouts = candidates.iter().map(|candidate| &candidate.layout);
        let mut tally = Tally::over(layouts, Bounds::DEFAULT);
        let mut bar: Option<(Progress, u64)> = None;
        let log = keys::read(&path, &self.field, &mut tally, |bytes, length| {
            let Some(length) = length else { return };
            let (progress, done) = bar.get_or_insert_with(|| {
                (Progress::new("A-4 MiB of --keys", u32::try_from(length >> 20).unwrap_or(u32::MAX)), 0)
            });
            while *done < bytes >> 20 {
                *done += 1;
                progress.one_more();
            }
        })?;
        let counted = tally.finish(most_hot(self.seats).max(OwnKeys::SHOWN));
        let on_fleet = Own::of(candidates, &counted, self.seats)?;
        Ok(OwnKeys { path, log, counted, on_fleet })
    }
}

impl Findings {
    /// On what each scheme was tried: `200 sets of 2 to 10 seats`.
    pub fn sets(&self) -> String {
        let (sets, fleets) = (grouped(self.experiment.seat_sets.into()), self.experiment.fleets());
        match fleets.start() == fleets.end() {
            true => format!("{sets} sets of {} seats", fleets.start()),
            false => format!("{sets} sets of {} to {} seats", fleets.start(), fleets.end()),
        }
    }

    /// The balancer's own scheme among the others, or the first of them.
    pub fn default_at(&self) -> usize {
        self.candidates.iter().position(Candidate::is_default).unwrap_or_default()
    }

    /// What was found of the scheme of this name.
    pub fn summary(&self, name: &str) -> Option<&Summary> {
        let named = self.candidates.iter().zip(&self.summaries).find(|(candidate, _)| candidate.name == name);
        named.map(|(_, summary)| summary)
    }

    /// How many slots of a layout H reaches with the ids.
    pub fn reached(&self, layout: &Layout) -> u64 {
        self.ids.on(layout).iter().filter(|keys| **keys > 0).count() as u64
    }

    /// Figures that `--assert` can name.
    pub fn facts(&self) -> Vec<(&'static str, f64)> {
        let default = self.default_at();
        let (summary, layout) = (self.summaries[default], &self.candidates[default].layout);
        let mut facts = vec![
            ("peak_to_average", summary.peak.median),
            ("peak_to_average_p95", summary.peak.high),
            ("needless_moves", summary.needless),
            ("slots_reached", self.reached(layout) as f64 / f64::from(layout.slots())),
        ];
        if let Some(OwnKeys { on_fleet, .. }) = &self.own {
            facts.push(("keys_peak_to_average", on_fleet.rows[default].peak));
            facts.push(("keys_least_peak_to_average", on_fleet.least_peak));
            facts.push(("keys_hot", on_fleet.hot().count() as f64));
        }
        facts
    }
}

impl OwnKeys {
    /// How many of the heaviest keys are shown.
    pub const SHOWN: usize = 10;
}
