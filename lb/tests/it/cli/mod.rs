//! The commands of `lb` against a running balancer.

mod commands;
mod follow;
