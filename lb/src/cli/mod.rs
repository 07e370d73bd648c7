//! What an operator asks of a running balancer from a terminal: one call of the admin listener, its answer as a table.
//!
//! # Layout
//! - `args`: the subcommands · `client`: the call · `table`: columns
//! - `status`, `explain`, `hot_keys`, `plan`, `change`, `upstream`, `steer`, `reload`: what each sends, and how people read the answer
//! - `events`, `logs`: streams, printed as they come

mod args;
mod change;
mod client;
mod events;
mod explain;
pub mod healthcheck;
mod hot_keys;
mod logs;
mod plan;
mod reload;
mod status;
mod steer;
mod table;
mod upstream;

use std::io::{self, Write as _};
use std::process::ExitCode;

pub(crate) use args::Target;
pub use args::{Call, Change, Logs, Plan, Upstream, Weigh};
use client::{Asked, Error, Request};

use crate::auth::token::Token;
use crate::url::Url;

/// A call, and whom it goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The admin listener.
    pub admin: Url,
    /// What it is shown, if it was given.
    pub token: Option<Token>,
    /// Whether the answer is printed as it came.
    pub json: bool,
    /// What is asked.
    pub call: Call,
}

/// Exits with 0 once the answer is printed; with 1 and a line that says why if there is none or it is a refusal.
pub fn run(ask: &Ask) -> ExitCode {
    let Ask { admin, token, json, call } = ask;
    let asked = Asked { admin, token: token.as_ref() };
    let answer = actix_rt::System::new().block_on(async {
        match call.request() {
            Some(request) => client::send(&asked, &request).await.map(Some),
            None => call.stream(&asked, *json).await.map(|()| None),
        }
    });
    let Some(answer) = answer.transpose() else { return ExitCode::SUCCESS };
    let text = match answer {
        Ok(body) if *json => Ok(body),
        Ok(body) => call.read(&body).map_err(|error| Error::Unreadable(admin.clone(), error)),
        // A script that reads JSON reads the refusal too.
        Err(Error::Refused { message, body }) if *json => {
            print(&body).map_err(Error::from).and(Err(Error::Refused { message, body }))
        }
        Err(error) => Err(error),
    };
    match text.and_then(|text| print(&text).map_err(Error::from)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lb: {}", table::plain(&error.to_string()));
            ExitCode::FAILURE
        }
    }
}

/// Prints a text and the end of its last line. That nobody reads it (`lb status | head -1`) is no error.
///
/// # Errors
/// When it cannot be written: a full disk.
pub fn print(text: &str) -> io::Result<()> {
    told(&format!("{}\n", text.trim_end())).map(|_| ())
}

/// Whether standard output is still read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Output {
    Open,
    Closed,
}

/// Prints a text of a stream as it is.
fn told(text: &str) -> io::Result<Output> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(Output::Open),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Output::Closed),
        Err(error) => Err(error),
    }
}

impl Call {
    /// What is sent; `None`: the answer is a stream.
    fn request(&self) -> Option<Request> {
        Some(match self {
            Self::Events { .. } | Self::Logs(_) => return None,
            Self::Status => Request::get("/api/state"),
            Self::Explain { key } => explain::request(key),
            Self::HotKeys { limit } => hot_keys::request(*limit),
            Self::Plan(plan) => plan::request(plan),
            Self::Add(change) => change::request("/api/add", change),
            Self::Rm(change) => change::request("/api/remove", change),
            Self::Drain { name } => steer::replica(name, "drain"),
            Self::Undrain { name } => steer::replica(name, "undrain"),
            Self::Replace { name } => steer::replica(name, "replace"),
            Self::Weight(weigh) => steer::weight(weigh),
            Self::RollingReplace => Request::command("/api/rolling-replace"),
            Self::Upstream(call) => upstream::request(call),
            Self::Reload => reload::request(),
        })
    }

    /// Prints an answer as it comes.
    async fn stream(&self, asked: &Asked<'_>, json: bool) -> Result<(), Error> {
        match self {
            Self::Events { follow } => events::run(asked, json, *follow).await,
            Self::Logs(part) => logs::run(asked, json, part).await,
            _ => Ok(()),
        }
    }

    /// The answer for people.
    fn read(&self, answer: &str) -> serde_json::Result<String> {
        match self {
            Self::Status => status::read(answer),
            Self::Explain { .. } => explain::read(answer),
            Self::HotKeys { .. } => hot_keys::read(answer),
            Self::Plan(_) => plan::read(answer),
            Self::Add(change) | Self::Rm(change) if change.dry_run => plan::read(answer),
            Self::Add(_) | Self::Rm(_) => change::read(answer),
            Self::Events { .. } | Self::Logs(_) => Ok(answer.to_owned()),
            Self::Drain { .. } => steer::drained(answer),
            Self::Undrain { .. } | Self::Replace { .. } => steer::serves(answer),
            Self::Weight(weigh) if weigh.dry_run => plan::read(answer),
            Self::Weight(_) => steer::weighed(answer),
            Self::RollingReplace => steer::rolling(answer),
            Self::Upstream(call) if call.is_dry_run() => plan::read(answer),
            Self::Upstream(_) => upstream::read(answer),
            Self::Reload => reload::read(answer),
        }
    }
}
