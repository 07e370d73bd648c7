//! `--debug-headers`: a reply tells the way of its request.

use std::time::Duration;

use actix_http::header::{HeaderMap, HeaderName, HeaderValue};

use super::router::RequestInfo;

static REPLICA: HeaderName = HeaderName::from_static("x-lb-replica");
static SLOT: HeaderName = HeaderName::from_static("x-lb-slot");
static ATTEMPTS: HeaderName = HeaderName::from_static("x-lb-attempts");
static EPOCH: HeaderName = HeaderName::from_static("x-lb-epoch");
static SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Adds what is known of the way to the fields of a reply. What a replica, perhaps another balancer, says of itself in
/// these goes; its `Server-Timing` stays beside ours.
pub fn tell(headers: &mut HeaderMap, info: &RequestInfo) {
    for name in [&REPLICA, &SLOT, &ATTEMPTS, &EPOCH] {
        headers.remove(name);
    }
    let Some(slot) = info.slot else { return };
    headers.insert(SLOT.clone(), HeaderValue::from(slot.get()));
    headers.insert(ATTEMPTS.clone(), HeaderValue::from(info.attempts));
    if let Some(epoch) = info.epoch {
        headers.insert(EPOCH.clone(), HeaderValue::from(epoch));
    }
    if let Some(name) = info.replica.as_ref().and_then(|replica| replica.name.as_str().parse().ok()) {
        headers.insert(REPLICA.clone(), name);
    }
    if let (Some(replied), Some(took)) = (info.replied, info.replica_took) {
        let ms = |duration: Duration| duration.as_secs_f64() * 1000.0;
        let timing = format!("lb;dur={:.3}, replica;dur={:.3}", ms(replied.saturating_sub(took)), ms(took));
        if let Ok(timing) = timing.parse() {
            headers.append(SERVER_TIMING.clone(), timing);
        }
    }
}
