//! The command line, and the subcommands that call a running balancer: one request to the admin API, its response as
//! text.
//!
//! # Layout
//! - `command_line`: all subcommands and the help; [`parse`] returns a [`Command`], or an [`Exit`](crate::config::Exit)
//! - `args`: the arguments · `listener_url`, `client`: the URL and the HTTP client · `table`: columns of text
//! - `status`, `explain`, `hot_keys`, `plan`, `change`, `upstream`, `operate`, `reload`: the request and the text of
//!   each
//! - `events`, `logs`: streams · `healthcheck`: `lb healthcheck`

mod args;
mod change;
mod client;
mod command_line;
mod events;
mod explain;
pub mod healthcheck;
mod hot_keys;
mod listener_url;
mod logs;
mod operate;
mod plan;
mod reload;
mod status;
mod table;
mod upstream;

use std::io::{self, Write as _};
use std::process::ExitCode;

pub(crate) use args::Target;
pub use args::{Change, Logs, Plan, Subcommand, Upstream, Weigh};
use client::{Error, Request, Server};
pub use command_line::{Command, completions, parse, source};
pub use listener_url::{InvalidUrl, ListenerUrl};

use crate::auth::token::Token;

/// A subcommand, and the balancer that it calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// The URL of the admin listener.
    pub admin: ListenerUrl,
    /// The admin token; `None`: requests carry none.
    pub token: Option<Token>,
    /// Whether the JSON of the response is printed.
    pub json: bool,
    /// The subcommand with its arguments.
    pub subcommand: Subcommand,
}

/// Makes the call and prints the response. Returns exit code 0; or 1 after a line with the reason, if the call fails.
pub fn run(invocation: &Invocation) -> ExitCode {
    let Invocation { admin, token, json, subcommand } = invocation;
    let server = Server { admin, token: token.as_ref() };
    let answer = actix_rt::System::new().block_on(async {
        match subcommand.request() {
            Some(request) => client::send(&server, &request).await.map(Some),
            None => subcommand.stream(&server, *json).await.map(|()| None),
        }
    });
    let Some(answer) = answer.transpose() else { return ExitCode::SUCCESS };
    let text = match answer {
        Ok(body) if *json => Ok(body),
        Ok(body) => subcommand.read(&body).map_err(|error| Error::InvalidBody(admin.clone(), error)),
        // With --json the refusal is printed as JSON too.
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

/// Prints a text with exactly one line break at its end. A closed pipe (`lb status | head -1`) is no error.
///
/// # Errors
/// When the write fails for another reason, such as a full disk.
pub fn print(text: &str) -> io::Result<()> {
    write(&format!("{}\n", text.trim_end())).map(|_| ())
}

/// Whether standard output is still open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Output {
    Open,
    Closed,
}

/// Writes a text to standard output as it is, and flushes.
fn write(text: &str) -> io::Result<Output> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(Output::Open),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Output::Closed),
        Err(error) => Err(error),
    }
}

impl Subcommand {
    /// The request; `None` for subcommands that read a stream.
    fn request(&self) -> Option<Request> {
        Some(match self {
            Self::Events { .. } | Self::Logs(_) => return None,
            Self::Status => Request::get("/api/state"),
            Self::Explain { key } => explain::request(key),
            Self::HotKeys { limit } => hot_keys::request(*limit),
            Self::Plan(plan) => plan::request(plan),
            Self::Add(change) => change::request("/api/add", change),
            Self::Rm(change) => change::request("/api/remove", change),
            Self::Drain { name } => operate::replica(name, "drain"),
            Self::Undrain { name } => operate::replica(name, "undrain"),
            Self::Replace { name } => operate::replica(name, "replace"),
            Self::Weight(weigh) => operate::weight(weigh),
            Self::RollingReplace => Request::post_empty("/api/rolling-replace"),
            Self::Upstream(call) => upstream::request(call),
            Self::Reload => reload::request(),
        })
    }

    /// Prints a stream while it is received.
    async fn stream(&self, server: &Server<'_>, json: bool) -> Result<(), Error> {
        match self {
            Self::Events { follow } => events::run(server, json, *follow).await,
            Self::Logs(part) => logs::run(server, json, part).await,
            _ => Ok(()),
        }
    }

    /// Formats the JSON of the response as text.
    fn read(&self, answer: &str) -> serde_json::Result<String> {
        let width = table::width();
        match self {
            Self::Status => status::read(answer, width),
            Self::Explain { .. } => explain::read(answer, width),
            Self::HotKeys { .. } => hot_keys::read(answer, width),
            Self::Plan(_) => plan::read(answer, width),
            Self::Add(change) | Self::Rm(change) if change.dry_run => plan::read(answer, width),
            Self::Add(_) | Self::Rm(_) => change::read(answer, width),
            Self::Events { .. } | Self::Logs(_) => Ok(answer.to_owned()),
            Self::Drain { .. } => operate::drained(answer),
            Self::Undrain { .. } | Self::Replace { .. } => operate::serves(answer),
            Self::Weight(weigh) if weigh.dry_run => plan::read(answer, width),
            Self::Weight(_) => operate::weighed(answer),
            Self::RollingReplace => operate::rolling(answer),
            Self::Upstream(call) if call.is_dry_run() => plan::read(answer, width),
            Self::Upstream(_) => upstream::read(answer),
            Self::Reload => reload::read(answer),
        }
    }
}
