//! /api/explain: where a key goes, and why.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::balance::Policy;
use crate::control::ring::{Explain, Explained};
use crate::control::supervisor::{ExplainSlot, RouterExplanations};
use crate::fleet::{CommandError, Phase};
use crate::name::Name;
use crate::proxy::key;
use crate::proxy::router::Skip;
use crate::ring::{Incarnation, SeatId, Slot};

use crate::admin::Admin;
use crate::proxy::error::Error;

/// How often ring and routers are asked again because the ring has changed in between.
const TRIES: usize = 8;

/// Where a key goes, and why.
#[derive(Serialize, ToSchema)]
pub(crate) struct Explanation {
    key: String,
    /// Where the key came from: here always `given`.
    source: &'static str,
    /// Its hash before it was reduced to a slot, in decimal.
    number: String,
    slot: Slot,
    epoch: u64,
    /// Every seat in the order in which they are tried.
    walk: Vec<Place>,
    policy: &'static str,
    /// Where a request would go now, as most workers say; `null`: nowhere.
    chosen: Option<Chosen>,
    workers: Workers,
}

/// A seat of the walk.
#[derive(Clone, Serialize, ToSchema)]
struct Place {
    seat: SeatId,
    replica: Option<Name>,
    /// Why a request would pass it over now: `vacant`, `draining`, `ejected`, `suspect` or `over bound`.
    skip: Option<&'static str>,
}

/// Where a request would go.
#[derive(Serialize, ToSchema)]
struct Chosen {
    seat: SeatId,
    replica: Option<Name>,
}

/// How many workers were asked, and how many say the same.
#[derive(Serialize, ToSchema)]
struct Workers {
    asked: usize,
    agreeing: usize,
}

/// Where a key goes, and why
#[utoipa::path(
    method(get, head),
    path = "/api/explain",
    params(("key" = String, Query, min_length = 1, description = "As a request would have it", example = "alice")),
    responses((status = 200, description = "Its slot, its walk, and who would get it", body = Explanation))
)]
pub async fn explain(admin: web::Data<Admin>, request: HttpRequest) -> Result<HttpResponse, Error> {
    let key = key::query(request.query_string(), b"key").ok_or(Error::NoKey)?.into_owned();
    let shown = String::from_utf8_lossy(&key).into_owned();
    let (Explained { epoch, number, slot, walk }, RouterExplanations { view, routers }) =
        ask(&admin, key).await?;
    let skips = worst(routers.iter().flat_map(|router| router.skips.iter().copied()));
    // One that has died since is no more than a vacant seat.
    let drained = view.others.iter().filter(|other| other.drained && other.phase != Phase::Dead);
    let drained: BTreeMap<SeatId, &Name> = drained.map(|other| (other.seat, &other.name)).collect();
    let places = walk.iter().map(|(seat, replica)| match replica {
        Some(replica) => {
            let skip = skips.get(&replica.incarnation).copied().flatten();
            Place { seat: *seat, replica: Some(replica.name.clone()), skip: skip.map(Skip::as_str) }
        }
        None => {
            let replica = drained.get(seat).map(|name| Name::clone(name));
            let skip = if replica.is_some() { "draining" } else { "vacant" };
            Place { seat: *seat, replica, skip: Some(skip) }
        }
    });
    let places: Vec<Place> = places.collect();
    let occupants = walk.iter().map(|(_, replica)| replica.as_ref().map(|replica| replica.incarnation));
    let votes: Vec<usize> = occupants
        .map(|of| routers.iter().filter(|router| of.is_some() && router.chosen == of).count())
        .collect();
    let (agreeing, chosen) = elected(&votes).map_or((0, None), |at| (votes[at], Some(&places[at])));
    let policy = routers.first().map_or(Policy::Hash, |router| router.policy);
    Ok(HttpResponse::Ok().json(Explanation {
        key: shown,
        source: "given",
        number: number.to_string(),
        slot,
        epoch,
        policy: policy.as_str(),
        chosen: chosen.map(|place| Chosen { seat: place.seat, replica: place.replica.clone() }),
        walk: places,
        workers: Workers { asked: routers.len(), agreeing },
    }))
}

/// The ring's word and the routers' on one state of the ring, unless that changes too fast.
async fn ask(admin: &Admin, key: Vec<u8>) -> Result<(Explained, RouterExplanations), Error> {
    let mut tries = 0;
    loop {
        tries += 1;
        let explained = admin.ring.send(Explain(key.clone())).await.map_err(|_| CommandError::Stopping)?;
        let ways =
            admin.supervisor.send(ExplainSlot(explained.slot)).await.map_err(|_| CommandError::Stopping)?;
        let of_one_state = ways.routers.iter().all(|router| router.epoch == explained.epoch);
        if of_one_state || tries == TRIES {
            return Ok((explained, ways));
        }
    }
}

/// Why some router passes a replica over, if any does.
fn worst(skips: impl Iterator<Item = (Incarnation, Option<Skip>)>) -> BTreeMap<Incarnation, Option<Skip>> {
    let mut all = BTreeMap::new();
    for (incarnation, skip) in skips {
        let worst = all.entry(incarnation).or_insert(skip);
        *worst = skip.max(*worst);
    }
    all
}

/// The place that most routers choose, of equal ones the first of the walk.
fn elected(votes: &[usize]) -> Option<usize> {
    let most = votes.iter().copied().max().filter(|most| *most > 0)?;
    votes.iter().position(|votes| *votes == most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_routers_decide_and_the_walk_between_equals() {
        assert_eq!(elected(&[]), None);
        assert_eq!(elected(&[0, 0]), None);
        assert_eq!(elected(&[0, 1, 3, 3]), Some(2));
    }
}
