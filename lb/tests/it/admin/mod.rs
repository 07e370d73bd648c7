//! The management plane: API, metrics, dashboard, and the access to them.

mod auth;
mod connections;
mod dashboard;
mod events;
mod explain;
mod hot_keys;
mod logs;
mod metrics;
mod plan;
mod prometheus;
mod schemathesis;
