//! The record of each request: the access log. It observes the data plane, which does not use it.

pub mod access_log;
