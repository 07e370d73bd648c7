//! The configuration of a running balancer.

mod reload;
