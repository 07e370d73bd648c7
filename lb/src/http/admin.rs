//! The admin listener: is it alive, is it ready, what does it run, where does a key go.

use std::collections::BTreeMap;

use actix::Addr;
use actix_web::{HttpRequest, HttpResponse, Route, guard, web};
use serde::Serialize;
use serde_json::{Value, json};

use crate::actors::journal::{Count, JournalActor};
use crate::actors::ring::{Explain, Explained, RingActor, Snapshot};
use crate::actors::router::Skip;
use crate::actors::supervisor::{Observe, Ready, State, SupervisorActor};
use crate::fleet::{MemberView, Refusal};
use crate::key;
use crate::ring::{Incarnation, Layout, Scheme, SeatId};

use super::error::Error;
use super::{change, control, events};

/// What the admin listener asks.
#[derive(Clone)]
pub struct Admin {
    /// The name that separates balancers on one engine.
    pub cluster: String,
    /// The ring.
    pub ring: Addr<RingActor>,
    /// The events.
    pub journal: Addr<JournalActor>,
    /// The fleet.
    pub supervisor: Addr<SupervisorActor>,
    /// The body of a change.
    pub limits: control::Limits,
}

#[derive(Serialize)]
struct Place<'a> {
    seat: SeatId,
    replica: Option<&'a crate::name::Name>,
    skip: Option<&'static str>,
}

/// The routes.
pub fn routes(admin: Admin) -> impl FnOnce(&mut web::ServiceConfig) {
    move |config| {
        config
            .app_data(web::Data::new(admin))
            .route("/livez", read().to(|| async { HttpResponse::Ok().finish() }))
            .route("/readyz", read().to(readyz))
            .route("/api/state", read().to(state))
            .route("/api/explain", read().to(explain))
            .route("/api/events", web::get().to(events::events))
            .configure(change::routes)
            .default_service(web::to(no_such_path));
    }
}

/// GET and HEAD.
fn read() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

async fn no_such_path(request: HttpRequest) -> Result<HttpResponse, Error> {
    Err(Error::NoSuchPath(format!("{} {}", request.method(), request.path())))
}

async fn readyz(admin: web::Data<Admin>) -> HttpResponse {
    match admin.supervisor.send(Ready).await {
        Ok(true) => HttpResponse::Ok().finish(),
        _ => HttpResponse::ServiceUnavailable().finish(),
    }
}

async fn state(admin: web::Data<Admin>) -> Result<HttpResponse, Error> {
    Ok(HttpResponse::Ok().json(snapshot(&admin).await?))
}

/// What /api/state answers.
pub(super) async fn snapshot(admin: &Admin) -> Result<Value, Error> {
    let ring = admin.ring.send(Snapshot).await.map_err(|_| Refusal::Stopping)?;
    let fleet = admin.supervisor.send(Observe).await.map_err(|_| Refusal::Stopping)?;
    let events = admin.journal.send(Count).await.map_err(|_| Refusal::Stopping)?;
    let seats = fleet.view.seats.iter().map(|seat| {
        json!({
            "seat": seat.seat,
            "weight": seat.weight,
            "slots": ring.slots.get(&seat.seat).copied().unwrap_or(0),
            "replica": seat.replica.as_ref().map(|replica| member(replica, &fleet)),
        })
    });
    let others = fleet.view.others.iter().map(|other| member(other, &fleet));
    Ok(json!({
        "cluster": admin.cluster,
        "epoch": ring.epoch,
        "digest": ring.digest,
        "layout": layout(&ring.layout),
        "target": fleet.view.target,
        "seats": seats.collect::<Vec<_>>(),
        "others": others.collect::<Vec<_>>(),
        "routing": fleet.counts,
        "events": events,
    }))
}

fn layout(layout: &Layout) -> Value {
    let scheme = layout.scheme();
    let (virtual_nodes, probing) = match scheme {
        Scheme::Ring { virtual_nodes, probing, .. } => (Some(virtual_nodes), Some(probing.to_string())),
        Scheme::Rendezvous { .. } | Scheme::Maglev => (None, None),
    };
    json!({
        "name": scheme.name(),
        "slots": layout.slots(),
        "virtual_nodes": virtual_nodes,
        "hash": layout.hash().to_string(),
        "probing": probing,
        "slot_cap": scheme.slot_cap().per_mille().map(|cap| f64::from(cap) / 1000.0),
    })
}

fn member(member: &MemberView, fleet: &State) -> Value {
    json!({
        "name": member.name,
        "id": member.id,
        "incarnation": member.incarnation,
        "address": member.address.map(|address| address.to_string()),
        "phase": member.phase,
        "in_flight": fleet.in_flight.get(&member.incarnation).copied().unwrap_or(0),
        "skip": skip(&fleet.skips, member.incarnation),
    })
}

async fn explain(admin: web::Data<Admin>, request: HttpRequest) -> Result<HttpResponse, Error> {
    let key = key::query(request.query_string(), b"key").ok_or(Error::NoKey)?.into_owned();
    let shown = String::from_utf8_lossy(&key).into_owned();
    let explained = admin.ring.send(Explain(key)).await.map_err(|_| Refusal::Stopping)?;
    let Explained { epoch, number, slot, walk } = explained;
    let skips = admin.supervisor.send(Observe).await.map_err(|_| Refusal::Stopping)?.skips;
    let places = walk.iter().map(|(seat, replica)| Place {
        seat: *seat,
        replica: replica.as_ref().map(|replica| &replica.name),
        skip: match replica {
            None => Some("vacant"),
            Some(replica) => skip(&skips, replica.incarnation),
        },
    });
    let places: Vec<Place<'_>> = places.collect();
    let chosen = places.iter().find(|place| place.skip.is_none());
    Ok(HttpResponse::Ok().json(json!({
        "key": shown,
        "source": "given",
        "number": number.to_string(),
        "slot": slot,
        "epoch": epoch,
        "walk": places,
        "chosen": chosen.map(|place| json!({ "seat": place.seat, "replica": place.replica })),
    })))
}

/// Why a request would pass a replica over now.
fn skip(skips: &BTreeMap<Incarnation, Option<Skip>>, replica: Incarnation) -> Option<&'static str> {
    Some(skips.get(&replica).copied()??.as_str())
}
