//! What is recorded of each request: the access log, and the redaction of keys.

pub mod access_log;
pub mod redaction;
