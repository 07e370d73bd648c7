//! Response headers of `--debug-headers`: how the request was routed.

use std::time::Duration;

use actix_http::header::{HeaderMap, HeaderName, HeaderValue};

use super::router::RequestInfo;

static REPLICA: HeaderName = HeaderName::from_static("x-lb-replica");
static SLOT: HeaderName = HeaderName::from_static("x-lb-slot");
static ATTEMPTS: HeaderName = HeaderName::from_static("x-lb-attempts");
static EPOCH: HeaderName = HeaderName::from_static("x-lb-epoch");
static SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Adds the routing headers to a response. Values of these headers from the replica, which may be another balancer, are
/// removed; its `Server-Timing` is kept beside the balancer's.
pub fn insert(headers: &mut HeaderMap, info: &RequestInfo) {
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
