//! The log of the process: records, panic messages and the replicas' lines go through one bounded queue to one thread
//! that writes standard error, so that a reader that stalls never blocks a thread that serves, decides or handles
//! signals.
//!
//! A full queue drops lines. The number of dropped lines is logged once the writer gets through again. Only the binary
//! installs this logger; a program that embeds a balancer keeps its own.
//!
//! # Layout
//! - `logger`: formats and filters records (env_logger), and assigns each a `Priority`
//! - `queue`: the bounded queue · `writer`: the thread · `output`: whole lines on a file that may fail
//! - `panics`: the panic hook

mod logger;
mod output;
mod panics;
mod queue;
mod writer;

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use logger::Logger;
use queue::{Priority, Queue};
use writer::Writer;

/// Target of records that are queued even when the queue is full: the login link, the control token, the reason of an
/// abnormal end. Their number must be bounded by their nature.
pub const ESSENTIAL: &str = "lb::essential";

/// Target of the lines that replicas print. They get at most half of the queue, so that a replica that floods the log
/// does not displace the records of the balancer.
pub const REPLICA: &str = "replica";

/// The longest time that the end of the process waits for the writer.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// The installed logger. Dropping it waits until all queued lines are written, at most for one second.
#[derive(Debug)]
pub struct Logging(Queue);

impl Logging {
    /// Installs the global logger and the panic hook, and starts the writer thread. `RUST_LOG` (default: `info`) and
    /// `RUST_LOG_STYLE` are read from the environment.
    ///
    /// # Errors
    /// Standard error cannot be duplicated, the thread cannot be started, or a global logger exists already.
    pub fn start() -> io::Result<Self> {
        // A descriptor of its own: `io::stderr()` would be locked for as long as a write blocks. Not inherited by
        // children.
        let stderr = File::from(io::stderr().as_fd().try_clone_to_owned()?);
        let style = logger::style();
        let (queue, receiver) = queue::new();
        let writer = Writer::new(receiver, stderr, style);
        // Never joined: it may be blocked in write(2) for ever, and the end of the process ends it.
        std::thread::Builder::new().name("log".into()).spawn(move || writer.run())?;
        let logger = Logger::from_env(&queue, style);
        log::set_max_level(logger.max_level());
        log::set_boxed_logger(Box::new(logger)).map_err(io::Error::other)?;
        panics::install(logger::formatter(style, queue.lane(Priority::Panic)));
        Ok(Self(queue))
    }

    /// Writes `lb: TEXT`: the reason why the process ends, without the format and the filter of the log.
    pub fn print_failure(&self, text: &str) {
        self.0.push(Priority::Essential, format!("lb: {text}\n").as_bytes());
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        self.0.flush(FLUSH_TIMEOUT);
    }
}
