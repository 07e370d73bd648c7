//! What an operator asks of a running balancer from a terminal: one call of the admin listener, its answer as a table.
//!
//! # Layout
//! - `args`: the subcommands · `client`: the call · `table`: columns
//! - `status`, `explain`, `plan`, `change`: what each sends, and how people read the answer

mod args;
mod change;
mod client;
mod explain;
mod plan;
mod status;
mod table;

use std::io::Write as _;
use std::process::ExitCode;

pub(crate) use args::Target;
pub use args::{Call, Change, Plan};
use client::{Error, Request};

use crate::url::Url;

/// A call, and whom it goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The admin listener.
    pub admin: Url,
    /// Whether the answer is printed as it came.
    pub json: bool,
    /// What is asked.
    pub call: Call,
}

/// Exits with 0 once the answer is printed; with 1 and a line that says why if there is none or it is a refusal.
pub fn run(ask: &Ask) -> ExitCode {
    let Ask { admin, json, call } = ask;
    let answer = actix_rt::System::new().block_on(client::send(admin, &call.request()));
    let text = match answer {
        Ok(body) if *json => Ok(body),
        Ok(body) => call.read(&body).map_err(|error| Error::Unreadable(admin.clone(), error)),
        // A script that reads JSON reads the refusal too.
        Err(Error::Refused { message, body }) if *json => {
            print(&body);
            Err(Error::Refused { message, body })
        }
        Err(error) => Err(error),
    };
    match text {
        Ok(text) => {
            print(&text);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("lb: {}", table::plain(&error.to_string()));
            ExitCode::FAILURE
        }
    }
}

/// Prints a text and the end of its last line. That nobody reads it (`lb status | head -1`) is no error.
pub fn print(text: &str) {
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
}

impl Call {
    fn request(&self) -> Request {
        match self {
            Self::Status => Request::get("/api/state"),
            Self::Explain { key } => explain::request(key),
            Self::Plan(plan) => plan::request(plan),
            Self::Add(change) => change::request("/api/add", change),
            Self::Rm(change) => change::request("/api/remove", change),
        }
    }

    /// The answer for people.
    fn read(&self, answer: &str) -> serde_json::Result<String> {
        match self {
            Self::Status => status::read(answer),
            Self::Explain { .. } => explain::read(answer),
            Self::Plan(_) => plan::read(answer),
            Self::Add(change) | Self::Rm(change) if change.dry_run => plan::read(answer),
            Self::Add(_) | Self::Rm(_) => change::read(answer),
        }
    }
}
