//! The outputs of the balancer: access log, log, and readers that do not read.

mod access_log;
mod stalled_output;
