//! The admin token: its form, its comparison, and the limit on wrong ones.

mod actor;
pub mod failures;
mod handle;
pub mod token;

pub use actor::Verification;
pub use handle::AuthHandle;
