//! The body of a successful response in the contract's form.

use serde::Serialize;
use utoipa::ToSchema;

/// The body `{"message":…,"status":"successful"}`.
#[derive(Serialize, ToSchema)]
pub struct Success<T> {
    message: T,
    status: Successful,
}

/// The only value of `status` in a successful response.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Successful {
    Successful,
}

impl<T> Success<T> {
    /// A body with this message.
    pub fn new(message: T) -> Self {
        Self { message, status: Successful::Successful }
    }
}
