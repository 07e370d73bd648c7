//! The Combined Log Format, followed by fields of the balancer as name=value.
//!
//! Quotes, backslashes, control bytes and bytes that are not ASCII are written as `\xHH`, as nginx does, so that no
//! value can end its quotes or its line. `-` is an unknown value; the status is 499 if the client left before the
//! response began.

use std::fmt::Display;
use std::io::Write;
use std::time::{Duration, SystemTime};

use actix_http::header;

use super::record::{Record, ms, version};
use super::redact::Redactor;

/// The status that nginx logs for a client that left before the response began.
const CLIENT_LEFT: u16 = 499;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Appends the line.
pub(crate) fn write(record: &Record, redactor: &Redactor, lines: &mut Vec<u8>) {
    let request = &record.request;
    let client = request.client.map(|ip| redactor.client(ip));
    put(lines, format_args!("{} - - [{}] ", Or(client), time(record.began)));
    match (&record.method, &request.target) {
        (Some(method), Some(target)) => {
            let version = request.version.map_or("", version);
            quoted(lines, format!("{method} {} {version}", redactor.target(target.as_str())).as_bytes());
        }
        _ => quoted(lines, b"-"),
    }
    put(
        lines,
        format_args!(" {} {} ", record.status.map_or(CLIENT_LEFT, |status| status.as_u16()), record.bytes),
    );
    quoted(lines, request.referer.as_ref().map_or(b"-".into(), |value| redactor.referer(value)).as_ref());
    lines.push(b' ');
    let agent = request.user_agent.as_ref().map(|value| redactor.field(&header::USER_AGENT, value));
    quoted(lines, agent.unwrap_or(b"-".into()).as_ref());

    let replica = record.replica.as_ref();
    named(lines, "id", redactor.id(request).unwrap_or(b"-".into()).as_ref());
    named(lines, "key", Or(request.key.as_ref()).to_string().as_bytes());
    let (slot, seat) = (record.slot.map(|slot| slot.get()), replica.map(|(seat, ..)| seat));
    put(lines, format_args!(" slot={} seat={}", Or(slot), Or(seat)));
    named(lines, "replica", Or(replica.map(|(_, name, _)| name)).to_string().as_bytes());
    put(lines, format_args!(" epoch={} attempts={}", Or(record.epoch), record.attempts));
    named(lines, "passed_over", Or(record.first_choice_skipped.as_ref()).to_string().as_bytes());
    let time = |duration: Option<Duration>| Or(duration.map(|duration| format!("{:.3}", ms(duration))));
    let (chosen, replied) = (time(record.chosen), time(record.replied));
    let (replica, total) = (time(record.replica_took), time(Some(record.total)));
    put(
        lines,
        format_args!(" chosen_ms={chosen} replied_ms={replied} replica_ms={replica} total_ms={total}"),
    );
    named(lines, "error", record.error.as_deref().unwrap_or("-").as_bytes());
    lines.push(b'\n');
}

/// A value, or `-`.
struct Or<T>(Option<T>);

impl<T: Display> Display for Or<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str("-"),
        }
    }
}

fn put(lines: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to a vector cannot fail.
    let _ = lines.write_fmt(text);
}

fn named(lines: &mut Vec<u8>, name: &str, value: &[u8]) {
    put(lines, format_args!(" {name}="));
    quoted(lines, value);
}

fn quoted(lines: &mut Vec<u8>, value: &[u8]) {
    lines.push(b'"');
    for &byte in value {
        match byte {
            b'"' | b'\\' | ..0x20 | 0x7f.. => put(lines, format_args!("\\x{byte:02X}")),
            byte => lines.push(byte),
        }
    }
    lines.push(b'"');
}

/// `21/Nov/2026:19:25:45 +0000`.
fn time(at: SystemTime) -> String {
    // 2026-11-21T19:25:45Z
    let rfc3339 = humantime::format_rfc3339_seconds(at).to_string();
    let part = |from: usize, to: usize| rfc3339.get(from..to).unwrap_or_default();
    let month = part(5, 7).parse().ok().and_then(|month: usize| MONTHS.get(month.wrapping_sub(1)));
    format!("{}/{}/{}:{} +0000", part(8, 10), month.unwrap_or(&"-"), part(0, 4), part(11, 19))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::access_log::record::tests::{malformed, plain, record};

    fn line(record: &Record) -> String {
        let mut lines = Vec::new();
        write(record, &plain(), &mut lines);
        String::from_utf8(lines).unwrap()
    }

    #[test]
    fn a_request_is_written_as_a_line() {
        let expected = r#"192.0.2.7 - - [21/Nov/2026:19:25:45 +0000] "GET /home?id=7 HTTP/1.1" 200 57 "http://h/a\x22b" "curl/8\xFF" id="r1" key="7" slot=12 seat=2 replica="server2" epoch=4 attempts=2 passed_over="failed: connection failed" chosen_ms=0.012 replied_ms=3.300 replica_ms=3.200 total_ms=3.456 error="-""#;
        assert_eq!(line(&record()), format!("{expected}\n"));
    }

    #[test]
    fn a_malformed_request_has_a_line() {
        let line = line(&malformed());
        assert!(
            line.contains(
                r#"] "-" 400 0 "-" "-" id="-" key="-" slot=- seat=- replica="-" epoch=- attempts=0"#
            ),
            "{line}"
        );
    }

    #[test]
    fn no_byte_of_a_value_ends_its_quotes_or_its_line() {
        let mut lines = Vec::new();
        quoted(&mut lines, &(0..=255).collect::<Vec<u8>>());
        assert!(lines.iter().all(|byte| (b' '..0x7f).contains(byte)));
        assert_eq!(lines.iter().filter(|byte| **byte == b'"').count(), 2);
    }
}
