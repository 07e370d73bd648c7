//! What was done, as the contract words it.

use serde::Serialize;
use utoipa::ToSchema;

/// `{"message":…,"status":"successful"}`.
#[derive(Serialize, ToSchema)]
pub struct Success<T> {
    message: T,
    status: Successful,
}

/// Always this.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Successful {
    Successful,
}

impl<T> Success<T> {
    /// What there is to say of it.
    pub fn new(message: T) -> Self {
        Self { message, status: Successful::Successful }
    }
}
