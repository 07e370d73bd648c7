//! The JSON format: one object per line. Unknown values are null; bytes that are not UTF-8 are replaced by U+FFFD.

use std::borrow::Cow;

use actix_http::header;
use serde::Serialize;

use super::record::{Record, ms};
use super::redact::Redactor;

/// The members of the object, in order.
#[derive(Serialize)]
struct Line<'a> {
    /// Time at which the request head was complete, in UTC.
    time: String,
    id: Option<Cow<'a, str>>,
    client: Option<String>,
    method: Option<&'a str>,
    target: Option<Cow<'a, str>>,
    version: Option<&'static str>,
    /// null if the client left before the response began.
    status: Option<u16>,
    /// Length of the response body.
    bytes: u64,
    total_ms: f64,
    /// Time until the first replica was chosen.
    chosen_ms: Option<f64>,
    /// Time until the head of the reply.
    replied_ms: Option<f64>,
    /// The part of `replied_ms` after the choice of the replica that replied.
    replica_ms: Option<f64>,
    key: Option<String>,
    slot: Option<u32>,
    seat: Option<u32>,
    replica: Option<&'a str>,
    incarnation: Option<u64>,
    epoch: Option<u64>,
    attempts: u32,
    passed_over: Option<String>,
    error: Option<&'a str>,
    referer: Option<Cow<'a, str>>,
    user_agent: Option<Cow<'a, str>>,
}

/// Appends the line.
pub(crate) fn write(record: &Record, redactor: &Redactor, lines: &mut Vec<u8>) {
    let request = &record.request;
    let replica = record.replica.as_ref();
    let line = Line {
        time: humantime::format_rfc3339_millis(record.began).to_string(),
        id: redactor.id(request).map(text),
        client: request.client.map(|ip| redactor.client(ip)),
        method: record.method.as_ref().map(|method| method.as_str()),
        target: request.target.as_ref().map(|target| redactor.target(target.as_str())),
        version: request.version.map(super::record::version),
        status: record.status.map(|status| status.as_u16()),
        bytes: record.bytes,
        total_ms: ms(record.total),
        chosen_ms: record.chosen.map(ms),
        replied_ms: record.replied.map(ms),
        replica_ms: record.replica_took.map(ms),
        key: request.key.as_ref().map(ToString::to_string),
        slot: record.slot.map(|slot| slot.get()),
        seat: replica.map(|(seat, ..)| seat.get()),
        replica: replica.map(|(_, name, _)| name.as_str()),
        incarnation: replica.map(|(_, _, incarnation)| incarnation.0),
        epoch: record.epoch,
        attempts: record.attempts,
        passed_over: record.first_choice_skipped.as_ref().map(ToString::to_string),
        error: record.error.as_deref(),
        referer: request.referer.as_ref().map(|value| text(redactor.referer(value))),
        user_agent: request.user_agent.as_ref().map(|value| text(redactor.field(&header::USER_AGENT, value))),
    };
    // Serialization of text and numbers to a vector cannot fail.
    if serde_json::to_writer(&mut *lines, &line).is_ok() {
        lines.push(b'\n');
    }
}

fn text(bytes: Cow<'_, [u8]>) -> Cow<'_, str> {
    match bytes {
        Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::observe::access_log::record::tests::{malformed, plain, record};

    fn line(record: &Record) -> Value {
        let mut lines = Vec::new();
        write(record, &plain(), &mut lines);
        assert_eq!(lines.iter().filter(|byte| **byte == b'\n').count(), 1);
        assert_eq!(lines.last(), Some(&b'\n'));
        serde_json::from_slice(&lines).unwrap()
    }

    #[test]
    fn a_request_is_written_as_an_object() {
        let line = line(&record());
        let expected = serde_json::json!({
            "time": "2026-11-21T19:25:45.123Z", "id": "r1", "client": "192.0.2.7", "method": "GET",
            "target": "/home?id=7", "version": "HTTP/1.1", "status": 200, "bytes": 57, "total_ms": 3.456,
            "chosen_ms": 0.012, "replied_ms": 3.3, "replica_ms": 3.2, "key": "7", "slot": 12, "seat": 2,
            "replica": "server2", "incarnation": 9, "epoch": 4, "attempts": 2,
            "passed_over": "failed: connection failed", "error": null, "referer": "http://h/a\"b",
            "user_agent": "curl/8\u{fffd}",
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn a_malformed_request_has_a_line() {
        let line = line(&malformed());
        assert_eq!(
            (&line["method"], &line["status"], &line["bytes"]),
            (&Value::Null, &Value::from(400), &0.into())
        );
        assert_eq!(line["error"], "The request is malformed");
    }
}
