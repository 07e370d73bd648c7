//! /api/state: fleet, ring and routing counters.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::control::journal::SubscriberCounts;
use crate::control::supervisor::State;
use crate::fleet::{MemberView, Phase, Progress, Vacancy};
use crate::name::Name;
use crate::observe::access_log;
use crate::ring::{Incarnation, Layout, Scheme, SeatId, Weight};
use crate::stats::counters::RoutingCounters;

use crate::admin::error::Error;
use crate::admin::{Admin, Clock, skip};

/// Fleet, ring and routing counters: the body of /api/state.
#[derive(Serialize, ToSchema)]
#[schema(as = Whole)]
pub struct StateResponse {
    /// The label that separates balancers on one engine.
    cluster: String,
    /// Grows with every change of seats or occupants.
    epoch: u64,
    /// Equal wherever the slot map is equal.
    digest: String,
    layout: Placement,
    /// The number of seats that the fleet aims at.
    target: usize,
    /// In ascending order.
    seats: Vec<Seat>,
    /// Replicas without a seat on the ring: leaving, about to take over from another, or drained by hand.
    others: Vec<Member>,
    /// Progress of a rolling replacement; `null` if none is under way.
    rolling: Option<Progress>,
    routing: RoutingCounters,
    /// The operations that this runtime supports.
    actions: &'static [Action],
    /// Subscribers of /api/events.
    events: SubscriberCounts,
    /// Written and dropped lines of the access log.
    access_log: access_log::Counts,
}

/// How keys are placed on seats.
#[derive(Serialize, ToSchema)]
struct Placement {
    /// `ring`, `rendezvous` or `maglev`.
    name: &'static str,
    slots: u32,
    /// Per seat of weight 100; `null` unless `name` is `ring`.
    virtual_nodes: Option<u32>,
    hash: String,
    /// `null` unless `name` is `ring`.
    probing: Option<String>,
    slot_cap: Option<f64>,
}

/// A seat, and the replica that occupies it or is starting for it.
#[derive(Serialize, ToSchema)]
struct Seat {
    seat: SeatId,
    weight: Weight,
    /// The number of slots that it owns.
    slots: usize,
    /// `null` if the seat is vacant.
    replica: Option<Member>,
    /// The configured name of its external server, also while it is vacant; `null` if lb runs the replicas.
    name: Option<Name>,
    /// `HOST:PORT` of its external server as configured.
    upstream: Option<String>,
    /// Why it is vacant; `null` if it is not, or before the first attempt to fill it.
    reason: Option<String>,
    /// Why the last attempt to fill the vacant seat failed.
    last_error: Option<String>,
}

/// An operation on the fleet.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum Action {
    /// The call POST /api/add.
    Add,
    /// The call POST /api/remove.
    Remove,
    /// POST /api/replicas/{name}/drain and /undrain.
    Drain,
    /// The call POST /api/replicas/{name}/replace.
    Replace,
    /// The call POST /api/rolling-replace.
    RollingReplace,
    /// The call PUT /api/seats/{seat}/weight.
    Weight,
    /// The call GET /api/replicas/{name}/logs.
    Logs,
    /// POST and DELETE /api/upstreams.
    Upstreams,
}

/// The operations of runtimes that start replicas.
const MANAGED: &[Action] = &[
    Action::Add,
    Action::Remove,
    Action::Drain,
    Action::Replace,
    Action::RollingReplace,
    Action::Weight,
    Action::Logs,
];

/// The operations with external servers (`--runtime static`).
const EXTERNAL: &[Action] = &[Action::Upstreams, Action::Drain, Action::Weight];

/// A replica, on a seat or without one.
#[derive(Serialize, ToSchema)]
struct Member {
    seat: SeatId,
    name: Name,
    /// The id of the container or process; `null` before it is launched.
    id: Option<String>,
    incarnation: Incarnation,
    /// The address it listens on; `null` before it is launched.
    address: Option<String>,
    phase: Phase,
    /// Drained by hand, whether alive or dead: its seat is not refilled until it is undrained or replaced.
    drained: bool,
    /// The time at which it became ready, RFC 3339.
    ready_at: Option<String>,
    /// Requests in flight, over all workers.
    in_flight: usize,
    /// Why a router would skip it now; `null` if none would.
    skip: Option<&'static str>,
}

/// Seats, replicas, layout and routing counters
#[utoipa::path(
    method(get, head),
    path = "/api/state",
    responses((status = 200, description = "The current state", body = StateResponse, links(
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

/// The body of /api/state.
pub async fn snapshot(admin: &Admin) -> Result<StateResponse, Error> {
    let ring = admin.ring.snapshot().await?;
    let fleet = admin.supervisor.state().await?;
    let events = admin.journal.subscribers().await?;
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
    Ok(StateResponse {
        cluster: admin.cluster.clone(),
        epoch: ring.epoch,
        digest: ring.digest,
        layout: layout(&ring.layout),
        target: fleet.view.target,
        seats: seats.collect(),
        others: others.collect(),
        rolling: fleet.view.rolling,
        routing: fleet.routing,
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
        drained: member.cordoned,
        ready_at: member.ready_since.map(|since| clock.time(since)),
        in_flight: fleet.in_flight.get(&member.incarnation).copied().unwrap_or(0),
        skip: skip(&fleet.skips, member.incarnation),
    }
}
