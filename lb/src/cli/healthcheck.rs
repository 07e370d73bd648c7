//! `lb healthcheck`: asks a running balancer whether it is ready.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use awc::http::uri::PathAndQuery;

use crate::fleet::HeartbeatResult;
use crate::proxy::client::ProbeRequest;
use crate::runtime::heartbeat::probe;
use crate::statuses::Statuses;

/// How long the balancer may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Exits with 0 if `/readyz` of the admin listener says so, with 1 and a line that says why if not.
pub fn run(admin: SocketAddr) -> ExitCode {
    let path = PathAndQuery::from_static("/readyz");
    let request = ProbeRequest { path, host: None, statuses: Statuses::default() };
    let why = match actix_rt::System::new().block_on(probe(admin, Some(&request), PATIENCE)) {
        HeartbeatResult::Good => return ExitCode::SUCCESS,
        HeartbeatResult::Refused => "nothing listens there".to_owned(),
        HeartbeatResult::Missed(why) | HeartbeatResult::Void(why) => why,
    };
    eprintln!("lb: not ready: {admin}: {why}");
    ExitCode::FAILURE
}
