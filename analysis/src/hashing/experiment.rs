//! Runs all measurements of A-4 in their order.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use lb::ring::{Layout, SlotCap};

use super::candidate::{self, Candidate};
use super::coverage::{all_ids, polynomial_with_more_slots};
use super::keys::{self, Bounds, Counted, Field, KeyCounter, LogSummary};
use super::summary::Summary;
use super::sweep::{self, Source};
use super::traffic::Traffic;
use super::user_keys::{KeyBalance, max_hot_keys};
use super::virtual_nodes::{self, Row};
use crate::error::Error;
use crate::progress::Progress;
use crate::table::grouped;

/// Parameters of the experiment.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// File with the user's keys; `None` for random ids.
    pub keys: Option<PathBuf>,
    /// Position of the key in a line of the file.
    pub field: Field,
    /// Number of seats that the user's keys are spread over.
    pub seats: u32,
    /// Number of sets of seats that each scheme is tried on.
    pub seat_sets: u32,
    /// Number of random ids per set of seats, when there are no user's keys.
    pub requests: u32,
    /// Seed of ids and seats.
    pub seed: u64,
}

/// Results of the experiment.
#[derive(Debug)]
pub struct Findings {
    /// Parameters of the experiment.
    pub experiment: Experiment,
    /// The schemes that were compared.
    pub candidates: Vec<Candidate>,
    /// Traffic with each id 100000…999999 once: the expected values of random ids.
    pub ids: Traffic,
    /// One summary per scheme, in the order of `candidates`.
    pub summaries: Vec<Summary>,
    /// Rows without a slot cap, and with one.
    pub virtual_nodes: [Vec<Row>; 2],
    /// Results for the user's keys, with `--keys`.
    pub user_keys: Option<UserKeys>,
}

/// The user's keys, and their balance on the fleet.
#[derive(Debug)]
pub struct UserKeys {
    /// The file they were read from.
    pub path: PathBuf,
    /// Number of lines of the file.
    pub log: LogSummary,
    /// Requests per key.
    pub counted: Counted,
    /// Their balance on the fleet.
    pub balance: KeyBalance,
}

impl Experiment {
    /// Runs all measurements.
    ///
    /// # Errors
    /// When the keys cannot be read.
    pub fn run(self) -> Result<Findings, Error> {
        let candidates = candidate::all()?;
        // The keys come first, because reading them may fail.
        let user_keys = self.keys.as_ref().map(|path| self.count(path.clone(), &candidates)).transpose()?;
        let more_slots = polynomial_with_more_slots()?;
        let ids = all_ids(candidates.iter().map(|candidate| &candidate.layout).chain([&more_slots]));
        let source = user_keys
            .as_ref()
            .map_or(Source::RandomIds(self.requests), |user_keys| Source::Fixed(&user_keys.counted.traffic));
        let mut progress = Progress::new("A-4 sets of seats", self.seat_sets);
        let trials = sweep::run(&candidates, self.fleet_sizes(), source, self.seat_sets, self.seed, || {
            progress.increment()
        })?;
        let virtual_nodes = [
            virtual_nodes::rows(SlotCap::OFF, self.seat_sets, self.seed)?,
            virtual_nodes::rows(SlotCap::DEFAULT, self.seat_sets, self.seed)?,
        ];
        let summaries = trials.iter().map(|trials| Summary::of(trials)).collect();
        Ok(Findings { experiment: self, candidates, ids, summaries, virtual_nodes, user_keys })
    }

    /// Range of the size of the seat sets: the size of the fleet for the user's keys.
    pub fn fleet_sizes(&self) -> RangeInclusive<u32> {
        if self.keys.is_some() { self.seats..=self.seats } else { sweep::FLEET_SIZES }
    }

    fn count(&self, path: PathBuf, candidates: &[Candidate]) -> Result<UserKeys, Error> {
        let layouts = candidates.iter().map(|candidate| &candidate.layout);
        let mut counter = KeyCounter::for_layouts(layouts, Bounds::DEFAULT);
        let mut bar: Option<(Progress, u64)> = None;
        let log = keys::read(&path, &self.field, &mut counter, |bytes, length| {
            let Some(length) = length else { return };
            let (progress, done) = bar.get_or_insert_with(|| {
                (Progress::new("A-4 MiB of --keys", u32::try_from(length >> 20).unwrap_or(u32::MAX)), 0)
            });
            while *done < bytes >> 20 {
                *done += 1;
                progress.increment();
            }
        })?;
        let counted = counter.finish(max_hot_keys(self.seats).max(UserKeys::SHOWN));
        let balance = KeyBalance::of(candidates, &counted, self.seats)?;
        Ok(UserKeys { path, log, counted, balance })
    }
}

impl Findings {
    /// Describes the sets of seats: `200 sets of 2 to 10 seats`.
    pub fn sets(&self) -> String {
        let (sets, sizes) = (grouped(self.experiment.seat_sets.into()), self.experiment.fleet_sizes());
        match sizes.start() == sizes.end() {
            true => format!("{sets} sets of {} seats", sizes.start()),
            false => format!("{sets} sets of {} to {} seats", sizes.start(), sizes.end()),
        }
    }

    /// Index of the balancer's default scheme in `candidates`.
    pub fn default_index(&self) -> usize {
        self.candidates.iter().position(Candidate::is_default).unwrap_or_default()
    }

    /// The summary of the scheme of this name; `None` if there is no such scheme.
    pub fn summary(&self, name: &str) -> Option<&Summary> {
        let named = self.candidates.iter().zip(&self.summaries).find(|(candidate, _)| candidate.name == name);
        named.map(|(_, summary)| summary)
    }

    /// Number of slots of a layout that at least one id hashes to.
    pub fn reached(&self, layout: &Layout) -> u64 {
        self.ids.per_slot(layout).iter().filter(|keys| **keys > 0).count() as u64
    }

    /// Metrics that `--assert` can name.
    pub fn metrics(&self) -> Vec<(&'static str, f64)> {
        let default = self.default_index();
        let (summary, layout) = (self.summaries[default], &self.candidates[default].layout);
        let mut metrics = vec![
            ("peak_to_average", summary.peak.median),
            ("peak_to_average_p95", summary.peak.high),
            ("needless_moves", summary.needless),
            ("slots_reached", self.reached(layout) as f64 / f64::from(layout.slots())),
        ];
        if let Some(UserKeys { balance, .. }) = &self.user_keys {
            metrics.push(("keys_peak_to_average", balance.rows[default].peak));
            metrics.push(("keys_least_peak_to_average", balance.least_peak));
            metrics.push(("keys_hot", balance.hot().count() as f64));
        }
        metrics
    }
}

impl UserKeys {
    /// Number of the heaviest keys that the report shows.
    pub const SHOWN: usize = 10;
}
