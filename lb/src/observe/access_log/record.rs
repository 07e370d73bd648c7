//! The data of one request that a worker passes to the thread of the access log.

use std::time::{Duration, SystemTime};

use actix_http::{Method, StatusCode, Version};

use crate::name::Name;
use crate::proxy::router::{ClientRequest, FirstChoiceSkipped, RequestInfo};
use crate::ring::{Incarnation, SeatId, Slot};

/// A completed request; see [`RequestInfo`] for the fields.
#[derive(Debug)]
pub(crate) struct Record {
    /// Time at which the request head was complete.
    pub began: SystemTime,
    /// Time at which the response was complete.
    pub ended: SystemTime,
    pub request: Box<ClientRequest>,
    pub method: Option<Method>,
    pub status: Option<StatusCode>,
    pub bytes: u64,
    pub error: Option<String>,
    pub slot: Option<Slot>,
    pub epoch: Option<u64>,
    pub replica: Option<(SeatId, Name, Incarnation)>,
    pub attempts: u32,
    pub first_choice_skipped: Option<FirstChoiceSkipped>,
    pub chosen: Option<Duration>,
    pub replied: Option<Duration>,
    pub replica_took: Option<Duration>,
    pub total: Duration,
}

impl Record {
    /// The record of a request that is complete now; takes the error and the reason of a skipped first choice from
    /// `info`.
    pub fn new(info: &mut RequestInfo, request: Box<ClientRequest>) -> Self {
        let replica = info.replica.as_ref();
        let ended = SystemTime::now();
        Self {
            began: ended.checked_sub(info.total).unwrap_or(ended),
            ended,
            request,
            method: info.method.clone(),
            status: info.status,
            bytes: info.bytes,
            error: info.error.take(),
            slot: info.slot,
            epoch: info.epoch,
            replica: replica.map(|replica| (replica.seat, replica.name.clone(), replica.incarnation)),
            attempts: info.attempts,
            first_choice_skipped: info.first_choice_skipped.take(),
            chosen: info.chosen,
            replied: info.replied,
            replica_took: info.replica_took,
            total: info.total,
        }
    }
}

/// Milliseconds, in steps of a microsecond.
pub(crate) fn ms(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}

/// The version as in a request line.
pub(crate) fn version(version: Version) -> &'static str {
    if version == Version::HTTP_10 { "HTTP/1.0" } else { "HTTP/1.1" }
}

#[cfg(test)]
pub(crate) mod tests {
    use actix_http::header::HeaderValue;

    use super::*;
    use crate::observe::access_log::redact::Redactor;
    use crate::proxy::key::KeySources;
    use crate::proxy::redaction::{KeyRedactor, LogKey};
    use crate::ring::Layout;

    pub fn plain() -> Redactor {
        Redactor::new(KeySources::random(), KeyRedactor::new(LogKey::Plain))
    }

    /// A GET whose first attempt failed and that was served by the second choice.
    pub fn record() -> Record {
        let value = |bytes: &[u8]| HeaderValue::from_bytes(bytes).ok();
        let request = ClientRequest {
            client: "192.0.2.7".parse().ok(),
            target: "/home?id=7".parse().ok(),
            version: Some(Version::HTTP_11),
            id: value(b"r1"),
            id_is_generated: false,
            referer: value(b"http://h/a\"b"),
            user_agent: value(b"curl/8\xff"),
            key: Some(KeyRedactor::new(LogKey::Plain).show(b"7")),
        };
        let micros = |n| Some(Duration::from_micros(n));
        let slots = (0..u32::MAX).map(|n| Layout::default().position(n.to_string().as_bytes()).slot);
        Record {
            began: SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_289_145_123),
            ended: SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_289_145_126),
            method: Some(Method::GET),
            status: Some(StatusCode::OK),
            bytes: 57,
            slot: slots.into_iter().find(|slot| slot.get() == 12),
            epoch: Some(4),
            replica: SeatId::new(2).map(|seat| (seat, Name::server(2), Incarnation(9))),
            attempts: 2,
            first_choice_skipped: Some(FirstChoiceSkipped::Failed("connection failed".into())),
            chosen: micros(12),
            replied: micros(3300),
            replica_took: micros(3200),
            total: Duration::from_micros(3456),
            error: None,
            request: Box::new(request),
        }
    }

    /// A request that could not be parsed.
    pub fn malformed() -> Record {
        let mut info = RequestInfo { status: Some(StatusCode::BAD_REQUEST), ..RequestInfo::default() };
        info.error = Some("The request is malformed".into());
        Record::new(&mut info, Box::default())
    }
}
