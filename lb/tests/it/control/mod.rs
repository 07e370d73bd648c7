//! The control plane: the life of replicas and changes of the fleet.

mod changes;
mod fleet;
mod healing;
mod heartbeats;
mod names;
mod shortage;
mod upstreams;
