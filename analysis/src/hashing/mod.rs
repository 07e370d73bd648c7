//! Experiment A-4: what other hash functions and layouts would do, measured on the code that places keys.
//!
//! `candidate` says which schemes, `sweep` tries them on many sets of seats and keys, `virtual_nodes` on numbers of
//! virtual nodes, `reach` asks why the polynomials fail, `keys` and `own` take the user's own traffic. All of these
//! need only `measure` and `traffic`; `tables`, `pictures` and `words` show what they found.

mod candidate;
mod experiment;
mod keys;
mod live;
mod measure;
mod own;
mod pictures;
mod reach;
mod summary;
mod sweep;
mod tables;
mod traffic;
mod virtual_nodes;
mod words;

use std::path::PathBuf;

use lb::ring::HashPair;
use tokio::sync::oneshot;

use self::experiment::{Experiment, Findings};
pub use self::keys::{Error as KeysError, Field};
use crate::error::Error;
use crate::load::Load;
use crate::report::Section;

/// The name of this experiment.
pub const NAME: &str = "hashing";

/// What `--assert` can name: of the balancer's default layout, over all sets of seats; the last three with `--keys`.
pub const FACTS: &[&str] = &[
    "peak_to_average",
    "peak_to_average_p95",
    "needless_moves",
    "slots_reached",
    "keys_peak_to_average",
    "keys_least_peak_to_average",
    "keys_hot",
];

const TITLE: &str = "A-4 hashing: what other hash functions and layouts would do";

/// How many seats the schemes compared have room for, and one more that joins.
const MOST_SEATS: u32 = 55;

/// What this experiment can be told.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Options {
    /// Your own traffic instead of random ids: a file with one key a line, or an access log and --field;
    /// `-` reads standard input
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Where the key stands in a line of --keys: N, a column from 1 ("quoted" and [bracketed] parts are one each);
    /// query:NAME or path-segment:N of the request; NAME or a.b.NAME, a member of a JSON object
    /// [default: the whole line]
    #[arg(long, value_name = "FIELD")]
    field: Option<Field>,
    /// How many seats --keys are spread over [default: as many as the fleet has, or 3]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_SEATS)))]
    seats: Option<u32>,
    /// How many sets of seats each scheme is tried on
    #[arg(long, value_name = "COUNT", default_value_t = Options::SEAT_SETS,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    seat_sets: u32,
    /// Repeat live on an embedded balancer with this hash pair: polynomial, md5, sha256, xxh3
    #[arg(long, value_name = "PAIR", num_args = 0..=1, default_missing_value = HashPair::Xxh3.name())]
    live: Option<HashPair>,
}

impl Options {
    const SEAT_SETS: u32 = 200;

    /// The names of the sections that they ask for, and what `--assert` can name of each.
    pub fn named(&self) -> Vec<(&'static str, &'static [&'static str])> {
        let live = self.live.iter().flat_map(|_| live::NAMED);
        [(NAME, FACTS)].into_iter().chain(live).collect()
    }

    /// Why these options make no sense together.
    ///
    /// # Errors
    /// A line that names the option.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Self { keys: None, field: Some(_), .. } => {
                Err("--field needs --keys: it says where a line has its key".into())
            }
            Self { keys: None, seats: Some(_), .. } => {
                Err("--seats needs --keys: it says what they are spread over".into())
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

/// Runs it; `fleet` is the number of replicas of the balancer, if there is one.
///
/// # Errors
/// When the keys cannot be read, a chart not be drawn, or a balancer not be started for `--live`.
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
    // A thread of its own: this one may serve an embedded balancer. (Not one of tokio's, which would have to end
    // before the process can: Ctrl-C is to end it at once.)
    let (done, found) = oneshot::channel();
    std::thread::spawn(move || {
        // Nobody waits any more after Ctrl-C.
        let _ = done.send(experiment.run().and_then(|findings| section(&findings)));
    });
    let mut sections =
        vec![found.await.unwrap_or_else(|_| Err(Error::Interrupted("A-4 hashing ended early".into())))?];
    if let Some(hash) = options.live {
        sections.extend(live::run(hash, load).await?);
    }
    Ok(sections)
}

fn section(findings: &Findings) -> Result<Section, Error> {
    let mut section = Section::new(NAME, TITLE);
    section.text = words::of(findings)?;
    section.tables = tables::of(findings)?;
    section.pictures = pictures::of(findings)?;
    section.facts = findings.facts();
    Ok(section)
}
