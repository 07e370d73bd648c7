//! /api/hot-keys: the most frequent keys, their seats, and their effect on the balance.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, web};
use futures::future::join_all;
use serde::Serialize;
use utoipa::ToSchema;

use crate::balance::{Counter, merge};
use crate::control::ring::{Mapped, WalkPage};
use crate::proxy::redaction::{LogKey, RedactedKey};
use crate::proxy::router::{COUNTERS, HotKeySnapshot, Label};
use crate::ring::{SeatId, SlotMap};

use super::query;
use crate::admin::Admin;
use crate::admin::error::Error;

/// The number of keys without `?limit`.
const DEFAULT_LIMIT: usize = 20;

/// The largest `limit`.
const MAX_LIMIT: u32 = COUNTERS as u32;

/// The most frequent keys.
#[derive(Serialize, ToSchema)]
pub(crate) struct HotKeys {
    /// Length of the observed time.
    seconds: f64,
    /// Requests with a key in that time.
    requests: u64,
    /// In descending order of certain requests (`count` − `error`).
    keys: Vec<HotKey>,
    imbalance: Imbalance,
}

/// A frequent key.
#[derive(Serialize, ToSchema)]
struct HotKey {
    /// In the form of `--log-key`; `null` if that is off.
    key: Option<String>,
    /// Estimated requests: at most `error` more than the true number.
    count: u64,
    /// The largest overestimation of `count`.
    error: u64,
    /// The certain requests as a part of all requests with a key.
    share: f64,
    slot: u32,
    seat: Option<SeatId>,
    replica: Option<String>,
}

/// The largest load of a seat, relative to the share of its weight; 1 is perfect balance.
#[derive(Serialize, ToSchema)]
struct Imbalance {
    peak_to_average: Option<f64>,
    /// The same without the requests of the listed keys.
    without_hot_keys: Option<f64>,
}

/// The most frequent keys and their seats
///
/// `count` is at most `error` more than the true number of requests; `share` is the certain part of all requests with a
/// key. `seat` and `replica` are the first choice of the key now. `imbalance` is computed from the owners of the slots,
/// once for all keys and once without the listed ones.
#[utoipa::path(
    method(get, head),
    path = "/api/hot-keys",
    params(("limit" = Option<u32>, Query, minimum = 1, maximum = 256, description = "How many; 20 by default")),
    responses((status = 200, description = "The most frequent key first", body = HotKeys))
)]
pub async fn hot_keys(admin: web::Data<Admin>, request: HttpRequest) -> Result<HttpResponse, Error> {
    let limit = query::number::<1, MAX_LIMIT>(request.query_string(), "limit")?.unwrap_or(DEFAULT_LIMIT);
    let snapshots = admin.metrics.hot_keys().await?;
    let Mapped { map, .. } = admin.ring.map().await?;
    let view = admin.supervisor.state().await?.view;
    let mut loads = Loads::new(view.seats.iter().map(|seat| (seat.seat, seat.weight.get())));
    loads.add(&snapshots, &map);
    let (requests, peak_to_average) = (loads.total(), loads.peak_to_average());

    let heaviest = heaviest(&snapshots, limit);
    let places = heaviest.iter().map(async |(_, counter)| {
        let WalkPage { walk, .. } = admin.ring.lookup(counter.label.slot?, 0).await.ok()?;
        walk.into_iter().next()
    });
    let form = snapshots.first().map_or(LogKey::Off, |snapshot| snapshot.form);
    let mut keys = Vec::with_capacity(heaviest.len());
    for ((id, counter), place) in heaviest.iter().zip(join_all(places).await) {
        let Some(slot) = counter.label.slot else { continue };
        let certain = counter.count - counter.error;
        loads.remove(map.owner(slot), certain);
        keys.push(HotKey {
            key: redacted(form, *id, &counter.label),
            count: counter.count,
            error: counter.error,
            share: certain as f64 / requests.max(1) as f64,
            slot: slot.get(),
            seat: place.as_ref().map(|replica| replica.seat),
            replica: place.map(|replica| replica.name.to_string()),
        });
    }
    Ok(HttpResponse::Ok().json(HotKeys {
        seconds: snapshots.iter().map(|snapshot| snapshot.age.as_secs_f64()).fold(0.0, f64::max),
        requests,
        keys,
        imbalance: Imbalance { peak_to_average, without_hot_keys: loads.peak_to_average() },
    }))
}

/// The keys with the most certain requests.
fn heaviest(snapshots: &[HotKeySnapshot], limit: usize) -> Vec<(u64, Counter<Label>)> {
    let mut all: Vec<_> =
        merge(snapshots.iter().flat_map(|snapshot| &snapshot.generations).map(|some| &some.keys))
            .into_iter()
            .filter(|(_, counter)| counter.count > counter.error)
            .collect();
    all.sort_unstable_by(|(a, one), (b, other)| {
        let certain = |counter: &Counter<Label>| counter.count - counter.error;
        certain(other).cmp(&certain(one)).then(other.count.cmp(&one.count)).then(a.cmp(b))
    });
    all.truncate(limit);
    all
}

fn redacted(form: LogKey, id: u64, label: &Label) -> Option<String> {
    match form {
        LogKey::Plain => Some(String::from_utf8_lossy(&label.key).into_owned()),
        LogKey::Hash => Some(RedactedKey::Hash(id).to_string()),
        LogKey::Off => None,
    }
}

/// Requests and weight of each seat.
struct Loads(BTreeMap<SeatId, (u64, u32)>);

impl Loads {
    fn new(weights: impl Iterator<Item = (SeatId, u32)>) -> Self {
        Self(weights.map(|(seat, weight)| (seat, (0, weight))).collect())
    }

    /// Adds the requests of each slot to its owner.
    fn add(&mut self, snapshots: &[HotKeySnapshot], map: &SlotMap) {
        for generation in snapshots.iter().flat_map(|snapshot| &snapshot.generations) {
            for ((_, seat), count) in map.owners().zip(&generation.slots) {
                if let Some((load, _)) = self.0.get_mut(&seat) {
                    *load += u64::from(*count);
                }
            }
        }
    }

    fn remove(&mut self, seat: Option<SeatId>, requests: u64) {
        if let Some((load, _)) = seat.and_then(|seat| self.0.get_mut(&seat)) {
            *load = load.saturating_sub(requests);
        }
    }

    fn total(&self) -> u64 {
        self.0.values().map(|(load, _)| load).sum()
    }

    /// The largest load by weight, relative to the mean; `None` without any request.
    fn peak_to_average(&self) -> Option<f64> {
        let total = Some(self.total()).filter(|total| *total > 0)?;
        let weights: u64 = self.0.values().map(|(_, weight)| u64::from(*weight)).sum();
        let fair = total as f64 / weights as f64;
        let loads = self.0.values().map(|(load, weight)| *load as f64 / (f64::from(*weight) * fair));
        loads.max_by(f64::total_cmp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_relative_to_the_weight() {
        let seat = |n| SeatId::new(n).unwrap();
        let mut loads = Loads::new([(seat(1), 100), (seat(2), 300)].into_iter());
        assert_eq!(loads.peak_to_average(), None);
        loads.0.get_mut(&seat(1)).unwrap().0 = 20;
        loads.0.get_mut(&seat(2)).unwrap().0 = 30;
        assert_eq!((loads.total(), loads.peak_to_average()), (50, Some(1.6)));
        loads.remove(Some(seat(1)), 10);
        loads.remove(None, 10);
        assert_eq!(loads.peak_to_average(), Some(1.0));
        loads.remove(Some(seat(2)), 1000);
        assert_eq!(loads.peak_to_average(), Some(4.0));
    }
}
