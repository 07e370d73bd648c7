//! The key of a request and its slot.

use crate::proxy::key::{Parts, Source};
use crate::ring::Slot;

use super::state::Router;
use super::{Request, Settings};

/// The slot of the request's key.
///
/// # Panics
/// Before the ring has registered the router. RouterActor waits for that and handles no request before, nor any if the
/// ring has stopped.
pub(crate) fn slot(router: &Router, settings: &Settings, request: &Request) -> Slot {
    let parts = Parts {
        path: request.target.path(),
        query: request.target.query().unwrap_or_default(),
        fields: &request.fields,
        client: Some(request.client),
    };
    let key = settings.key.key(&parts, &mut router.rng.borrow_mut());
    let leases = router.leases.borrow();
    let layout = leases.layout().expect("a request is handled only by a registered router");
    let slot = layout.position(&key.bytes).slot;
    if *key.source != Source::Random {
        router.statistics.count_key(&key.bytes, slot, layout.slots(), request.request_log.started());
        request.request_log.set_key(|| settings.key_redactor.show(&key.bytes));
    }
    slot
}
