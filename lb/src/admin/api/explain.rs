//! /api/explain: slot, walk and chosen replica of a key.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::balance::Policy;
use crate::control::ring::Explained;
use crate::control::supervisor::RouterExplanations;
use crate::fleet::Phase;
use crate::name::Name;
use crate::proxy::key;
use crate::proxy::router::Skip;
use crate::ring::{SeatId, Slot};

use crate::admin::Admin;
use crate::admin::error::Error;

/// How often ring and routers are queried, while the ring changes in between.
const MAX_TRIES: usize = 8;

/// Where a key goes, and why.
#[derive(Serialize, ToSchema)]
pub(crate) struct Explanation {
    key: String,
    /// The source of the key: here always `given`.
    source: &'static str,
    /// The hash of the key before it is reduced to a slot, in decimal.
    number: String,
    slot: Slot,
    epoch: u64,
    /// Every seat, in the order in which attempts use them.
    walk: Vec<Place>,
    policy: &'static str,
    /// The seat that most workers would choose now; `null`: none.
    chosen: Option<Chosen>,
    workers: Workers,
}

/// A seat of the walk.
#[derive(Clone, Serialize, ToSchema)]
struct Place {
    seat: SeatId,
    replica: Option<Name>,
    /// Why a router would skip it now: `vacant`, `draining`, `ejected`, `suspect` or `over bound`.
    skip: Option<&'static str>,
}

/// The seat that would get the request.
#[derive(Serialize, ToSchema)]
struct Chosen {
    seat: SeatId,
    replica: Option<Name>,
}

/// The number of workers, and how many of them choose the same seat.
#[derive(Serialize, ToSchema)]
struct Workers {
    asked: usize,
    agreeing: usize,
}

/// Where a key goes, and why
#[utoipa::path(
    method(get, head),
    path = "/api/explain",
    params(("key" = String, Query, min_length = 1, description = "The key of a request", example = "alice")),
    responses((status = 200, description = "Slot, walk and chosen seat of the key", body = Explanation))
)]
pub async fn explain(admin: web::Data<Admin>, request: HttpRequest) -> Result<HttpResponse, Error> {
    let key = key::query(request.query_string(), b"key").ok_or(Error::NoKey)?.into_owned();
    let shown = String::from_utf8_lossy(&key).into_owned();
    let (Explained { epoch, number, slot, walk }, RouterExplanations { view, routers }) =
        query(&admin, key).await?;
    let skips = Skip::worst_by_replica(routers.iter().flat_map(|router| router.skips.iter().copied()));
    // A cordoned replica that has died since is shown as a vacant seat.
    let cordoned = view.others.iter().filter(|other| other.cordoned && other.phase != Phase::Dead);
    let cordoned: BTreeMap<SeatId, &Name> = cordoned.map(|other| (other.seat, &other.name)).collect();
    let places = walk.iter().map(|(seat, replica)| match replica {
        Some(replica) => {
            let skip = skips.get(&replica.incarnation).copied().flatten();
            Place { seat: *seat, replica: Some(replica.name.clone()), skip: skip.map(Skip::as_str) }
        }
        None => {
            let replica = cordoned.get(seat).map(|name| Name::clone(name));
            let skip = if replica.is_some() { "draining" } else { "vacant" };
            Place { seat: *seat, replica, skip: Some(skip) }
        }
    });
    let places: Vec<Place> = places.collect();
    let occupants = walk.iter().map(|(_, replica)| replica.as_ref().map(|replica| replica.incarnation));
    let votes: Vec<usize> = occupants
        .map(|of| routers.iter().filter(|router| of.is_some() && router.chosen == of).count())
        .collect();
    let (agreeing, chosen) = most_votes(&votes).map_or((0, None), |at| (votes[at], Some(&places[at])));
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

/// Queries the ring and the routers until both answer for the same epoch; after [`MAX_TRIES`], returns the last
/// answers.
async fn query(admin: &Admin, key: Vec<u8>) -> Result<(Explained, RouterExplanations), Error> {
    let mut tries = 0;
    loop {
        tries += 1;
        let explained = admin.ring.explain(key.clone()).await?;
        let explanations = admin.supervisor.explain(explained.slot).await?;
        let same_epoch = explanations.routers.iter().all(|router| router.epoch == explained.epoch);
        if same_epoch || tries == MAX_TRIES {
            return Ok((explained, explanations));
        }
    }
}

/// The index with the most votes, the first of equal ones; `None` without any vote.
fn most_votes(votes: &[usize]) -> Option<usize> {
    let most = votes.iter().copied().max().filter(|most| *most > 0)?;
    votes.iter().position(|votes| *votes == most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_majority_wins_and_ties_go_to_the_first_of_the_walk() {
        assert_eq!(most_votes(&[]), None);
        assert_eq!(most_votes(&[0, 0]), None);
        assert_eq!(most_votes(&[0, 1, 3, 3]), Some(2));
    }
}
