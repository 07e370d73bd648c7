//! The bodies that handlers read and write field by field, so that each mistake gets a message of its own.
#![allow(dead_code, clippy::large_enum_variant, reason = "they describe; nothing is made of them")]

use std::collections::BTreeMap;

use utoipa::{IntoResponses, ToSchema};

use crate::name::Name;
use crate::ring::{Fate, Plan, SeatId, Weight};

use super::{Done, Failure};

/// Of /api/add.
#[derive(ToSchema)]
#[schema(example = json!({ "n": 2, "hostnames": ["S5"], "dry_run": true }))]
pub(in super::super) struct AddCall {
    /// How many.
    #[schema(minimum = 1, format = "uint64")]
    n: u64,
    /// The first of their names; the rest are random.
    hostnames: Option<Vec<Name>>,
    /// Only the plan.
    dry_run: Option<bool>,
    /// With `dry_run`: what becomes of these.
    keys: Option<Vec<String>>,
    /// With `dry_run`: who would own each slot, too.
    owners: Option<bool>,
}

/// Of /api/remove.
#[derive(ToSchema)]
#[schema(example = json!({ "n": 2, "hostnames": ["S5"], "seats": [2], "dry_run": true }))]
pub(in super::super) struct RemoveCall {
    /// How many.
    #[schema(minimum = 1, format = "uint64")]
    n: u64,
    /// Some of them, by name.
    hostnames: Option<Vec<Name>>,
    /// Some of them, by seat, vacant or not; the rest are chosen.
    seats: Option<Vec<SeatId>>,
    /// Only the plan.
    dry_run: Option<bool>,
    /// With `dry_run`: what becomes of these.
    keys: Option<Vec<String>>,
    /// With `dry_run`: who would own each slot, too.
    owners: Option<bool>,
}

/// Of /api/plan: exactly one of `add`, `remove` and `weights`.
#[derive(ToSchema)]
#[schema(example = json!({ "add": 2, "keys": ["alice"] }))]
pub(in super::super) struct PlanCall {
    /// How many replicas more.
    #[schema(minimum = 1, format = "uint64")]
    add: Option<u64>,
    /// Which fewer.
    #[schema(min_items = 1)]
    remove: Option<Vec<Name>>,
    /// Weights by seat.
    #[schema(value_type = Option<BTreeMap<String, u32>>)]
    weights: Option<BTreeMap<SeatId, Weight>>,
    /// What becomes of these.
    keys: Option<Vec<String>>,
    /// Who would own each slot, too.
    owners: Option<bool>,
}

/// What a change would do.
#[derive(ToSchema)]
pub(in super::super) struct Planned {
    #[schema(inline)]
    #[serde(flatten)]
    plan: Plan,
    /// What becomes of the keys that were asked for.
    keys: Option<Vec<KeyFate>>,
    /// `[seat, slots in a row]` from slot 0 onward, if asked for.
    #[schema(value_type = Option<Vec<Vec<Option<u32>>>>)]
    owners: Option<Vec<(Option<SeatId>, u32)>>,
}

/// What becomes of a key.
#[derive(ToSchema)]
struct KeyFate {
    key: String,
    #[schema(inline)]
    #[serde(flatten)]
    fate: Fate,
}

/// The list, or the plan.
#[derive(ToSchema)]
#[serde(untagged)]
pub(in super::super) enum Answered {
    /// What /rep lists.
    List { message: List, status: Done },
    /// With `dry_run`.
    Plan(Planned),
}

/// What /rep lists.
#[derive(ToSchema)]
pub(in super::super) struct List {
    /// How many.
    #[serde(rename = "N")]
    n: u64,
    /// In seat order.
    replicas: Vec<Name>,
}

/// What was done to one replica.
#[derive(ToSchema)]
pub(in super::super) struct Steered {
    message: About,
    status: Done,
}

/// Whom it was about, and what /rep lists.
#[derive(ToSchema)]
struct About {
    /// How many.
    #[serde(rename = "N")]
    n: u64,
    /// In seat order.
    replicas: Vec<Name>,
    seat: Option<SeatId>,
    /// Who has the seat, or had it.
    replica: Option<Name>,
    /// How long it lasts, if it does not for ever.
    #[schema(nullable = false)]
    lasts: Option<String>,
    /// Who gave its seat to the new one.
    #[schema(nullable = false)]
    replaced: Option<String>,
}

/// It has begun.
#[derive(ToSchema)]
pub(in super::super) struct Rolling {
    message: Total,
    status: Done,
}

/// How many replicas will be replaced.
#[derive(ToSchema)]
struct Total {
    total: u64,
}

/// Of /api/seats/{seat}/weight.
#[derive(ToSchema)]
#[schema(example = json!({ "weight": 200 }))]
pub(in super::super) struct Weighing {
    weight: Weight,
    /// Only the plan.
    dry_run: Option<bool>,
    /// With `dry_run`: what becomes of these.
    keys: Option<Vec<String>>,
    /// With `dry_run`: who would own each slot, too.
    owners: Option<bool>,
}

/// The weight that was given, or the plan.
#[derive(ToSchema)]
#[serde(untagged)]
pub(in super::super) enum Weighed {
    /// Every worker goes by it.
    Done { message: NewWeight, status: Done },
    /// With `dry_run`.
    Plan(Planned),
}

/// What has changed.
#[derive(ToSchema)]
pub(in super::super) struct NewWeight {
    seat: SeatId,
    weight: Weight,
    epoch: u64,
    slots_moved: u32,
    digest: String,
    /// How long.
    lasts: String,
}

/// Why a replica or a seat was not steered.
#[derive(IntoResponses)]
pub(in super::super) enum Unsteered {
    /// There is no such replica or seat
    #[response(status = 404)]
    Unknown(Failure),
    /// Not now: the message says why
    #[response(status = 409)]
    NotNow(Failure),
}
