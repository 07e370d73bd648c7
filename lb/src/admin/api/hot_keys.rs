//! /api/hot-keys: the keys that come most often, where they land, and what they do to the balance.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, web};
use futures::future::join_all;
use serde::Serialize;
use utoipa::ToSchema;

use crate::admin::metrics::actor;
use crate::balance::{Counter, merge};
use crate::control::ring::{Found, Lookup, Map, Mapped};
use crate::control::supervisor::GetState;
use crate::fleet::CommandError;
use crate::observe::redaction::{LogKey, RedactedKey};
use crate::proxy::router::{COUNTERS, HotKeySnapshot, Label};
use crate::ring::{SeatId, SlotMap};

use super::query;
use crate::admin::Admin;
use crate::proxy::error::Error;

/// How many keys are told if nobody says so.
const LIMIT: usize = 20;

/// How many keys there can be.
const MOST: u32 = COUNTERS as u32;

/// The keys that come most often.
#[derive(Serialize, ToSchema)]
pub(crate) struct HotKeys {
    /// How far back it goes.
    seconds: f64,
    /// Requests with a key in that time.
    requests: u64,
    /// The heaviest first.
    keys: Vec<HotKey>,
    imbalance: Imbalance,
}

/// One of them.
#[derive(Serialize, ToSchema)]
struct HotKey {
    /// As `--log-key` allows; `null`: not at all.
    key: Option<String>,
    /// At most `error` more than the truth.
    count: u64,
    error: u64,
    /// The part of all requests with a key that certainly was this key's.
    share: f64,
    slot: u32,
    seat: Option<SeatId>,
    replica: Option<String>,
}

/// The most that a seat gets against what its weight asks for; 1 is perfect.
#[derive(Serialize, ToSchema)]
struct Imbalance {
    peak_to_average: Option<f64>,
    /// Of all keys but those listed.
    without_hot_keys: Option<f64>,
}

/// The keys that come most often, and where they land
///
/// At most 256. `count` is at most `error` more than the truth; `share` the part of all
/// requests with a key that certainly was this key's; `seat` and `replica` are where it goes now, if it goes to its first
/// choice. `imbalance` is that of the seats which own the slots of all keys, and of all but those listed.
#[utoipa::path(
    method(get, head),
    path = "/api/hot-keys",
    params(("limit" = Option<u32>, Query, minimum = 1, maximum = 256, description = "How many; 20 without it")),
    responses((status = 200, description = "The heaviest first", body = HotKeys))
)]
pub async fn hot_keys(admin: web::Data<Admin>, request: HttpRequest) -> Result<HttpResponse, Error> {
    let limit = query::number::<1, MOST>(request.query_string(), "limit")?.unwrap_or(LIMIT);
    let heats = admin.meter.send(actor::HotKeys).await.map_err(|_| CommandError::Stopping)?;
    let Mapped { map, .. } = admin.ring.send(Map).await.map_err(|_| CommandError::Stopping)?;
    let view = admin.supervisor.send(GetState).await.map_err(|_| CommandError::Stopping)?.view;
    let mut loads = Loads::new(view.seats.iter().map(|seat| (seat.seat, seat.weight.get())));
    loads.add(&heats, &map);
    let (requests, peak_to_average) = (loads.total(), loads.peak_to_average());

    let heaviest = heaviest(&heats, limit);
    let places = heaviest.iter().map(async |(_, counter)| {
        let lookup = Lookup { slot: counter.label.slot?, offset: 0 };
        let Found { walk, .. } = admin.ring.send(lookup).await.ok()?;
        walk.into_iter().next()
    });
    let form = heats.first().map_or(LogKey::Off, |heat| heat.form);
    let mut keys = Vec::with_capacity(heaviest.len());
    for ((id, counter), place) in heaviest.iter().zip(join_all(places).await) {
        let Some(slot) = counter.label.slot else { continue };
        let certain = counter.count - counter.error;
        loads.remove(map.owner(slot), certain);
        keys.push(HotKey {
            key: shown(form, *id, &counter.label),
            count: counter.count,
            error: counter.error,
            share: certain as f64 / requests.max(1) as f64,
            slot: slot.get(),
            seat: place.as_ref().map(|replica| replica.seat),
            replica: place.map(|replica| replica.name.to_string()),
        });
    }
    Ok(HttpResponse::Ok().json(HotKeys {
        seconds: heats.iter().map(|heat| heat.age.as_secs_f64()).fold(0.0, f64::max),
        requests,
        keys,
        imbalance: Imbalance { peak_to_average, without_hot_keys: loads.peak_to_average() },
    }))
}

/// Those of whose requests most are certain.
fn heaviest(heats: &[HotKeySnapshot], limit: usize) -> Vec<(u64, Counter<Label>)> {
    let mut all: Vec<_> = merge(heats.iter().flat_map(|heat| &heat.generations).map(|some| &some.keys))
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

fn shown(form: LogKey, id: u64, label: &Label) -> Option<String> {
    match form {
        LogKey::Plain => Some(String::from_utf8_lossy(&label.key).into_owned()),
        LogKey::Hash => Some(RedactedKey::Hash(id).to_string()),
        LogKey::Off => None,
    }
}

/// Requests by seat, and its weight.
struct Loads(BTreeMap<SeatId, (u64, u32)>);

impl Loads {
    fn new(weights: impl Iterator<Item = (SeatId, u32)>) -> Self {
        Self(weights.map(|(seat, weight)| (seat, (0, weight))).collect())
    }

    /// What the owners of the slots would have had.
    fn add(&mut self, heats: &[HotKeySnapshot], map: &SlotMap) {
        for generation in heats.iter().flat_map(|heat| &heat.generations) {
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

    /// The largest load by weight over the mean; `None` without any.
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
    fn the_peak_is_by_weight() {
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
