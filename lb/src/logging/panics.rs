//! The panic hook: one log record for each panic, past the filter of `RUST_LOG`; with `RUST_BACKTRACE` the backtrace too.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;

use log::{Level, Log, Record};

/// Length to which a panic message is cut, in bytes.
const MAX_MESSAGE: usize = 8 * 1024;
/// Length to which a panic message with its backtrace is cut, in bytes.
const MAX_BACKTRACE: usize = 64 * 1024;

/// Replaces the hook of the standard library, which writes to standard error and blocks while its reader stalls.
pub(super) fn install(formatter: env_logger::Logger) {
    std::panic::set_hook(Box::new(move |info| {
        let mut text = describe(info);
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            text.push_str(&format!("\n{backtrace}"));
            cut(&mut text, MAX_BACKTRACE);
        }
        let args = format_args!("{text}");
        formatter.log(&Record::builder().level(Level::Error).target("panic").args(args).build());
    }));
}

/// The panic in one line.
fn describe(info: &PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    let message = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(message), _) => message,
        (None, Some(message)) => message.as_str(),
        (None, None) => "of a type that is not text",
    };
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    let message = message.split(['\r', '\n']).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    let mut text = format!("thread '{thread}' panicked at {location}: {message}");
    cut(&mut text, MAX_MESSAGE);
    text
}

fn cut(text: &mut String, max: usize) {
    let end = (0..=max.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or_default());
}
