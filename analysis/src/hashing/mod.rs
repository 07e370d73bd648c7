//! Experiment A-4: other hash functions and layouts, measured on the placement code.
//!
//! `candidate` lists the schemes, `sweep` tries them on many sets of seats and keys, `virtual_nodes` varies the number
//! of virtual nodes, `coverage` shows why the polynomials fail, `keys` and `user_keys` measure the user's own traffic.
//! All of these depend only on `measure` and `traffic`; `report` turns the findings into text, tables and charts.

mod candidate;
mod coverage;
mod experiment;
mod keys;
mod live;
mod measure;
mod report;
mod summary;
mod sweep;
mod traffic;
mod user_keys;
mod virtual_nodes;

use std::path::PathBuf;

use lb::ring::HashPair;
use tokio::sync::oneshot;

use self::experiment::{Experiment, Findings};
pub use self::keys::{Error as KeysError, Field};
use crate::error::Error;
use crate::load::Load;
use crate::report::Section;

/// Name of the experiment.
pub const NAME: &str = "hashing";

/// Metrics that `--assert` can name: of the balancer's default layout, over all sets of seats; the last three only
/// with `--keys`.
pub const METRICS: &[&str] = &[
    "peak_to_average",
    "peak_to_average_p95",
    "needless_moves",
    "slots_reached",
    "keys_peak_to_average",
    "keys_least_peak_to_average",
    "keys_hot",
];

const TITLE: &str = "A-4 hashing: comparison of hash functions and layouts";

/// Largest number of seats that every scheme has room for, with one more seat that joins.
const MOST_SEATS: u32 = 55;

/// Options of the experiment.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Options {
    /// Your own traffic instead of random ids: a file with one key a line, or an access log and --field;
    /// `-` reads standard input
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Position of the key in a line of --keys: N, a column from 1 ("quoted" and bracketed parts are one each);
    /// query:NAME or path-segment:N of the request; NAME or a.b.NAME, a member of a JSON object
    /// [default: the whole line]
    #[arg(long, value_name = "FIELD")]
    field: Option<Field>,
    /// Number of seats that --keys are spread over [default: the size of the fleet, or 3]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_SEATS)))]
    seats: Option<u32>,
    /// Number of sets of seats that each scheme is tried on
    #[arg(long, value_name = "COUNT", default_value_t = Options::SEAT_SETS,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    seat_sets: u32,
    /// Repeat live on an embedded balancer with this hash pair: polynomial, md5, sha256, xxh3
    #[arg(long, value_name = "PAIR", num_args = 0..=1, default_missing_value = HashPair::Xxh3.name())]
    live: Option<HashPair>,
}

impl Options {
    const SEAT_SETS: u32 = 200;

    /// The names of the sections of this experiment, each with the metrics that `--assert` can name.
    pub fn metrics(&self) -> Vec<(&'static str, &'static [&'static str])> {
        let live = self.live.iter().flat_map(|_| live::SECTIONS);
        [(NAME, METRICS)].into_iter().chain(live).collect()
    }

    /// Checks options that depend on each other.
    ///
    /// # Errors
    /// One line that names the option.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Self { keys: None, field: Some(_), .. } => {
                Err("--field needs --keys: it is the position of the key in a line of that file".into())
            }
            Self { keys: None, seats: Some(_), .. } => {
                Err("--seats needs --keys: it is the number of seats these keys are spread over".into())
            }
            _ => Ok(()),
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self { keys: None, field: None, seats: None, seat_sets: Self::SEAT_SETS, live: None }
    }
}

/// Runs the experiment; `fleet` is the number of replicas of the balancer, if there is one.
///
/// # Errors
/// When the keys cannot be read, a chart cannot be drawn, or the balancer for `--live` cannot be started.
pub async fn run(options: &Options, load: Load, fleet: Option<u32>) -> Result<Vec<Section>, Error> {
    let seats = options.seats.or(fleet.filter(|n| *n > 0)).unwrap_or(3).min(MOST_SEATS);
    let experiment = Experiment {
        keys: options.keys.clone(),
        field: options.field.clone().unwrap_or(Field::Line),
        seats,
        seat_sets: options.seat_sets,
        requests: load.requests,
        seed: load.seed,
    };
    // The measurement blocks, and this thread may serve an embedded balancer. It does not run on tokio's blocking pool,
    // because the process would then not end on Ctrl-C before the measurement has.
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        // The receiver is gone after Ctrl-C.
        let _ = sender.send(experiment.run().and_then(|findings| section(&findings)));
    });
    let mut sections =
        vec![receiver.await.unwrap_or_else(|_| Err(Error::Interrupted("A-4 hashing ended early".into())))?];
    if let Some(hash) = options.live {
        sections.extend(live::run(hash, load).await?);
    }
    Ok(sections)
}

fn section(findings: &Findings) -> Result<Section, Error> {
    let mut section = Section::new(NAME, TITLE);
    section.text = report::text::paragraphs(findings)?;
    section.tables = report::tables::all(findings)?;
    section.charts = report::charts::all(findings)?;
    section.metrics = findings.metrics();
    Ok(section)
}
