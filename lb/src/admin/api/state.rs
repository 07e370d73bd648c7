//! /api/state: the whole fleet and its ring.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::control::journal::{Audience, Count};
use crate::control::ring::Snapshot;
use crate::control::supervisor::{GetState, State};
use crate::fleet::{CommandError, MemberView, Phase, Progress, Vacancy};
use crate::name::Name;
use crate::observe::access_log;
use crate::proxy::router::Counts;
use crate::ring::{Incarnation, Layout, Scheme, SeatId, Weight};

use crate::admin::{Admin, Clock, skip};
use crate::proxy::error::Error;

/// The whole fleet and its ring.
#[derive(Serialize, ToSchema)]
pub struct Whole {
    /// The name that separates balancers on one engine.
    cluster: String,
    /// Grows with every change of seats or occupants.
    epoch: u64,
    /// Equal wherever the slot map is equal.
    digest: String,
    layout: Placement,
    /// How many seats there should be.
    target: usize,
    /// In ascending order.
    seats: Vec<Seat>,
    /// Replicas that have no seat: on their way out, about to take over from another, or drained by hand.
    others: Vec<Member>,
    /// The rolling replacement that is under way.
    rolling: Option<Progress>,
    routing: Counts,
    /// The changes of the fleet that are possible: not all of them are with external servers.
    actions: &'static [Action],
    /// Who follows the events.
    events: Audience,
    /// What became of the lines of the access log.
    access_log: access_log::Counts,
}

/// How keys are placed on seats.
#[derive(Serialize, ToSchema)]
struct Placement {
    /// `ring`, `rendezvous` or `maglev`.
    name: &'static str,
    slots: u32,
    /// Of a seat of weight 100, on the ring.
    virtual_nodes: Option<u32>,
    hash: String,
    /// On the ring.
    probing: Option<String>,
    slot_cap: Option<f64>,
}

/// A seat, and who has it or is starting for it.
#[derive(Serialize, ToSchema)]
struct Seat {
    seat: SeatId,
    weight: Weight,
    /// How many slots it owns.
    slots: usize,
    /// `null`: it is vacant.
    replica: Option<Member>,
    /// The configured name of its external server, whether it is vacant or not; `null` if lb runs the replicas.
    name: Option<Name>,
    /// `HOST:PORT` of its external server as configured.
    upstream: Option<String>,
    /// Why it is vacant; `null` if it is not, or if nothing was tried yet.
    reason: Option<String>,
    /// Why the last attempt to fill the vacant seat failed.
    last_error: Option<String>,
}

/// A change of the fleet that is possible.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum Action {
    /// /api/add.
    Add,
    /// /api/remove.
    Remove,
    /// /api/replicas/{name}/drain and /undrain.
    Drain,
    /// /api/replicas/{name}/replace.
    Replace,
    /// /api/rolling-replace.
    RollingReplace,
    /// /api/seats/{seat}/weight.
    Weight,
    /// /api/replicas/{name}/logs.
    Logs,
    /// /api/upstreams.
    Upstreams,
}

/// If lb runs the replicas.
const MANAGED: &[Action] = &[
    Action::Add,
    Action::Remove,
    Action::Drain,
    Action::Replace,
    Action::RollingReplace,
    Action::Weight,
    Action::Logs,
];

/// With external servers.
const EXTERNAL: &[Action] = &[Action::Upstreams, Action::Drain, Action::Weight];

/// A replica.
#[derive(Serialize, ToSchema)]
struct Member {
    seat: SeatId,
    name: Name,
    /// The container's or the process's, once launched.
    id: Option<String>,
    incarnation: Incarnation,
    /// Where it listens, once launched.
    address: Option<String>,
    phase: Phase,
    /// Drained by hand, dead or alive: until that is taken back its seat is not refilled.
    drained: bool,
    /// Since when it is ready, by RFC 3339.
    ready_at: Option<String>,
    /// Requests in flight to it.
    in_flight: usize,
    /// Why a request would pass it over now.
    skip: Option<&'static str>,
}

/// Seats, replicas and layout
#[utoipa::path(
    method(get, head),
    path = "/api/state",
    responses((status = 200, description = "The fleet as it is now", body = Whole, links(
        ("drain" = (operation_id = "drain", parameters(("name" = "$response.body#/seats/0/replica/name")))),
        ("undrain" = (operation_id = "undrain", parameters(("name" = "$response.body#/others/0/name")))),
        ("replace" = (operation_id = "replace", parameters(("name" = "$response.body#/seats/0/replica/name")))),
        ("logs" = (operation_id = "logs", parameters(("name" = "$response.body#/seats/0/replica/name")))),
        ("weigh" = (operation_id = "weigh", parameters(("seat" = "$response.body#/seats/0/seat")))),
    )))
)]
pub async fn state(admin: web::Data<Admin>) -> Result<HttpResponse, Error> {
    Ok(HttpResponse::Ok().json(snapshot(&admin).await?))
}

/// What /api/state answers.
pub async fn snapshot(admin: &Admin) -> Result<Whole, Error> {
    let ring = admin.ring.send(Snapshot).await.map_err(|_| CommandError::Stopping)?;
    let fleet = admin.supervisor.send(GetState).await.map_err(|_| CommandError::Stopping)?;
    let events = admin.journal.send(Count).await.map_err(|_| CommandError::Stopping)?;
    let seats = fleet.view.seats.iter().map(|seat| {
        let vacancy = seat.vacancy.clone().map(|Vacancy { reason, last_error }| (reason, last_error));
        let (reason, last_error) = vacancy.unzip();
        Seat {
            seat: seat.seat,
            weight: seat.weight,
            slots: ring.slots.get(&seat.seat).copied().unwrap_or(0),
            replica: seat.replica.as_ref().map(|replica| member(replica, &fleet, admin.clock)),
            name: seat.name.clone(),
            upstream: seat.upstream.clone(),
            reason,
            last_error,
        }
    });
    let others = fleet.view.others.iter().map(|other| member(other, &fleet, admin.clock));
    Ok(Whole {
        cluster: admin.cluster.clone(),
        epoch: ring.epoch,
        digest: ring.digest,
        layout: layout(&ring.layout),
        target: fleet.view.target,
        seats: seats.collect(),
        others: others.collect(),
        rolling: fleet.view.rolling,
        routing: fleet.counts,
        actions: if fleet.view.external { EXTERNAL } else { MANAGED },
        events,
        access_log: admin.access_log.counts(),
    })
}

fn layout(layout: &Layout) -> Placement {
    let scheme = layout.scheme();
    let (virtual_nodes, probing) = match scheme {
        Scheme::Ring { virtual_nodes, probing, .. } => (Some(virtual_nodes), Some(probing.to_string())),
        Scheme::Rendezvous { .. } | Scheme::Maglev => (None, None),
    };
    Placement {
        name: scheme.name(),
        slots: layout.slots(),
        virtual_nodes,
        hash: layout.hash().to_string(),
        probing,
        slot_cap: scheme.slot_cap().per_mille().map(|cap| f64::from(cap) / 1000.0),
    }
}

fn member(member: &MemberView, fleet: &State, clock: Clock) -> Member {
    Member {
        seat: member.seat,
        name: member.name.clone(),
        id: member.id.clone(),
        incarnation: member.incarnation,
        address: member.address.map(|address| address.to_string()),
        phase: member.phase,
        drained: member.drained,
        ready_at: member.ready_since.map(|since| clock.time(since)),
        in_flight: fleet.in_flight.get(&member.incarnation).copied().unwrap_or(0),
        skip: skip(&fleet.skips, member.incarnation),
    }
}
