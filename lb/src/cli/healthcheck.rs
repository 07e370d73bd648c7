//! `lb healthcheck`: checks whether a running balancer is ready.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use awc::http::uri::PathAndQuery;

use crate::fleet::HeartbeatResult;
use crate::runtime::heartbeat::{self, HeartbeatRequest};
use crate::statuses::Statuses;

/// The longest wait for the response.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Returns exit code 0 if `/readyz` of the admin listener answers with success; otherwise prints the reason and returns
/// 1.
pub fn run(admin: SocketAddr) -> ExitCode {
    let path = PathAndQuery::from_static("/readyz");
    let request = HeartbeatRequest { path, host: None, statuses: Statuses::default() };
    let why = match actix_rt::System::new().block_on(heartbeat::send(admin, Some(&request), RESPONSE_TIMEOUT))
    {
        HeartbeatResult::Good => return ExitCode::SUCCESS,
        HeartbeatResult::Refused => "nothing listens there".to_owned(),
        HeartbeatResult::Missed(why) | HeartbeatResult::Void(why) => why,
    };
    eprintln!("lb: not ready: {admin}: {why}");
    ExitCode::FAILURE
}
