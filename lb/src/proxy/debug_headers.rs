//! Response headers of `--debug-headers`: how the request was routed.

use std::time::Duration;

use crate::http1::response_head::ResponseHead;

use super::router::RequestInfo;

const REPLICA: &str = "x-lb-replica";
const SLOT: &str = "x-lb-slot";
const ATTEMPTS: &str = "x-lb-attempts";
const EPOCH: &str = "x-lb-epoch";

/// Adds the routing headers to a response. Values of these headers from the replica, which may be another balancer, are
/// removed; its `Server-Timing` is kept beside the balancer's.
pub(crate) fn insert(head: &mut ResponseHead, info: &RequestInfo) {
    for name in [REPLICA, SLOT, ATTEMPTS, EPOCH] {
        head.remove(name);
    }
    let Some(slot) = info.slot else { return };
    head.append(SLOT, &slot.get().to_string());
    head.append(ATTEMPTS, &info.attempts.to_string());
    if let Some(epoch) = info.epoch {
        head.append(EPOCH, &epoch.to_string());
    }
    if let Some(replica) = &info.replica {
        head.append(REPLICA, replica.name.as_str());
    }
    if let (Some(replied), Some(took)) = (info.replied, info.replica_took) {
        let ms = |duration: Duration| duration.as_secs_f64() * 1000.0;
        let (own, replica) = (ms(replied.saturating_sub(took)), ms(took));
        head.append("server-timing", &format!("lb;dur={own:.3}, replica;dur={replica:.3}"));
    }
}
