//! The three actors: thin shells around the pure cores. All mutation goes through their mailboxes.
//!
//! - [`ring`]: one, on the main thread; owns the slot map
//! - [`supervisor`]: one, on the main thread; owns the replicas' lifecycle
//! - [`router`]: one per HTTP worker, on the worker's thread; forwards requests
//!
//! Beside them [`journal`] keeps what they tell for whoever follows the events, [`meter`] what they measure, and [`gate`]
//! compares admin tokens.
//!
//! Nobody awaits a recall, a suspicion or an idle notice, so that no circle of waiting can form.

pub mod journal;
pub mod panic_guard;
pub mod ring;
pub mod supervisor;
