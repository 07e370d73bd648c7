//! The global logger: env_logger's filter and format, with the queue for its output.

use std::io::{self, Write};

use env_logger::fmt::Formatter;
use env_logger::{Builder, Env, Target, WriteStyle};
use log::kv::{self, Key, Value, VisitSource};
use log::{LevelFilter, Log, Metadata, Record};

use super::queue::{Priority, Queue};
use super::{ESSENTIAL, FLUSH_TIMEOUT, REPLICA};

/// Formats records on the thread that logs and queues them.
pub(super) struct Logger {
    queue: Queue,
    /// Decides which records are logged; writes none.
    filter: env_logger::Logger,
    replicas: env_logger::Logger,
    records: env_logger::Logger,
    essential: env_logger::Logger,
}

impl Logger {
    /// A logger with the filter of `RUST_LOG`.
    pub(super) fn from_env(queue: &Queue, style: WriteStyle) -> Self {
        let filter = Env::default().default_filter_or("info");
        let formatter = |priority| formatter(style, queue.lane(priority));
        Self {
            queue: queue.clone(),
            filter: Builder::from_env(filter).build(),
            replicas: formatter(Priority::Replica),
            records: formatter(Priority::Record),
            essential: formatter(Priority::Essential),
        }
    }

    /// Never below `info`, the level of essential records.
    pub(super) fn max_level(&self) -> LevelFilter {
        self.filter.filter().max(LevelFilter::Info)
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == ESSENTIAL || self.filter.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        // Like panic messages, essential records bypass the filter: with `RUST_LOG=warn` the login link would be lost.
        if record.target() != ESSENTIAL && !self.filter.matches(record) {
            return;
        }
        match record.target() {
            REPLICA => self.replicas.log(record),
            ESSENTIAL => self.essential.log(record),
            _ => self.records.log(record),
        }
    }

    /// Blocks until the queue is written, at most for one second: for the end of the process only.
    fn flush(&self) {
        self.queue.flush(FLUSH_TIMEOUT);
    }
}

/// Formats every record and passes it to `out` in one call.
pub(super) fn formatter(style: WriteStyle, out: impl Write + Send + 'static) -> env_logger::Logger {
    let mut builder = Builder::new();
    builder.filter_level(LevelFilter::Trace).write_style(style).target(Target::Pipe(Box::new(out)));
    builder.format_key_values(|line, values| values.visit(&mut Pairs(line)).map_err(io::Error::other));
    builder.build()
}

/// A line break within a record: env_logger indents further lines of a message in the same way, so that no text of another
/// program looks like a record.
const CONTINUATION: &str = "\n    ";

/// Writes key values as ` key=value`, in a coloured line too: env_logger's own format puts escapes between key and `=`, so
/// that a search for `key=value` finds nothing.
struct Pairs<'a>(&'a mut Formatter);

impl<'kvs> VisitSource<'kvs> for Pairs<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        Ok(write!(self.0, " {key}={}", value.to_string().replace('\n', CONTINUATION))?)
    }
}

/// Colours as env_logger chooses them for standard error: `RUST_LOG_STYLE`, else whether it is a terminal that has them.
pub(super) fn style() -> WriteStyle {
    match std::env::var(env_logger::DEFAULT_WRITE_STYLE_ENV).as_deref() {
        Ok("always") => WriteStyle::Always,
        Ok("never") => WriteStyle::Never,
        _ => anstream::AutoStream::choice(&io::stderr()).into(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn key_values_follow_the_message_unquoted_and_in_order() {
        let (mut reader, out) = io::pipe().unwrap();
        let logger = formatter(WriteStyle::Always, out);
        let values = [
            ("name", log::kv::Value::from("my server")),
            ("seat", log::kv::Value::from(3)),
            ("routers", log::kv::Value::from_debug(&[1, 2])),
            ("why", log::kv::Value::from("it hangs\n[forged")),
        ];
        let mut record = Record::builder();
        record.target("lb::fleet").key_values(&values);
        logger.log(&record.args(format_args!("replica {}", "dead")).build());
        drop(logger);
        let mut line = String::new();
        reader.read_to_string(&mut line).unwrap();
        let (_, values) = line.split_once("replica dead").unwrap();
        assert_eq!(values, " name=my server seat=3 routers=[1, 2] why=it hangs\n    [forged\n");
    }
}
