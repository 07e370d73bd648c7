//! Entry point of `replica` and `lb replica`, configured by environment variables.

use std::net::{Ipv4Addr, TcpListener};
use std::num::NonZeroU16;
use std::process::ExitCode;

use crate::serve;

/// Serves on `$PORT` (default 5000, all addresses) as `$SERVER_ID` (default `unnamed`), until SIGTERM or SIGINT.
pub fn main() -> ExitCode {
    env_logger::init_from_env(env_logger::Env::default().default_filter_or("warn,replica=info"));
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("replica: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let port = match std::env::var("PORT") {
        Ok(port) => {
            let number: NonZeroU16 =
                port.parse().map_err(|_| format!("PORT={port:?} is not a port number (1 to 65535)"))?;
            number.get()
        }
        Err(_) => 5000,
    };
    let id = std::env::var("SERVER_ID").unwrap_or_else(|_| "unnamed".into());
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))
        .map_err(|error| format!("cannot listen on port {port}: {error}"))?;
    actix_web::rt::System::new().block_on(serve(listener, id)).map_err(|error| error.to_string())
}
