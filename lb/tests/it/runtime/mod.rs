//! Runtimes with real processes and containers.

mod docker;
mod launcher;
mod process;
