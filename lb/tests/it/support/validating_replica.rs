//! A replica on a raw socket that validates what it receives: one unambiguous request per connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};

use http_desync_guardian::RequestSafetyTier;
use http_desync_guardian::request_analyzer::HttpRequestData;

use crate::support::origin::Origin;

/// The reply to every request: that of `/home` of a real replica.
const REPLY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 60\r\nConnection: close\r\n\r\n\
    {\"message\":\"Hello from Server: valid\",\"status\":\"successful\"}";

/// The replica, and the invalid requests. Each request has its own connection, so that surplus bytes are detected.
pub struct ValidatingReplica {
    pub origin: Origin,
    seen: Arc<AtomicUsize>,
    bad: Receiver<(String, Vec<u8>)>,
}

impl ValidatingReplica {
    pub fn new() -> Self {
        let (sender, bad) = channel();
        let seen = Arc::new(AtomicUsize::new(0));
        let count = seen.clone();
        let origin = Origin::new(move |peer| {
            let mut bytes = Vec::new();
            while let Some(None) = end(&bytes) {
                match peer.wire.some() {
                    Some(some) if !some.is_empty() => bytes.extend(some),
                    // The client's body was incomplete, so this one is too.
                    _ => break,
                }
            }
            peer.wire.send(REPLY);
            bytes.extend(peer.wire.rest().unwrap_or_default());
            count.fetch_add(1, Ordering::SeqCst);
            validate(&bytes).or_else(|why| sender.send((why, bytes)).ok().ok_or(())).ok()
        });
        Self { origin, seen, bad }
    }

    /// Number of received requests.
    pub fn seen(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }

    /// The invalid requests, each with the reason.
    pub fn bad(&self) -> Vec<(String, Vec<u8>)> {
        self.bad.try_iter().collect()
    }
}

/// Returns an error if bytes that reached a replica are not exactly one unambiguous request.
fn validate(bytes: &[u8]) -> Result<(), String> {
    match end(bytes) {
        None => return Err("no request".into()),
        Some(Some(end)) if end < bytes.len() => return Err("a second request".into()),
        Some(_) => {}
    }
    let head = &bytes[..head_end(bytes).ok_or("half a head")?];
    let analysis = HttpRequestData::analyze_raw_request(head);
    if analysis.tier > RequestSafetyTier::Acceptable {
        return Err(format!("{:?}, {:?}", analysis.tier, analysis.reason));
    }
    let hosts = String::from_utf8_lossy(head).to_lowercase().matches("\r\nhost:").count();
    if hosts == 1 { Ok(()) } else { Err(format!("{hosts} hosts")) }
}

/// The end of a request, `Some(None)` while it is incomplete; `None` if it is not strictly valid.
fn end(bytes: &[u8]) -> Option<Option<usize>> {
    let Some(start) = head_end(bytes) else { return Some(None) };
    let mut fields = [httparse::EMPTY_HEADER; 128];
    let mut request = httparse::Request::new(&mut fields);
    request.parse(&bytes[..start]).ok()?;
    let values = |name: &str| {
        let fields = request.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
        fields.map(|field| std::str::from_utf8(field.value).ok()).collect::<Option<Vec<_>>>()
    };
    match (values("content-length")?.as_slice(), values("transfer-encoding")?.as_slice()) {
        ([], []) => Some(Some(start)),
        ([length], []) => {
            let end = start.checked_add(length.parse().ok()?)?;
            Some((bytes.len() >= end).then_some(end))
        }
        ([], ["chunked"]) => chunks_end(bytes, start),
        _ => None,
    }
}

fn chunks_end(bytes: &[u8], mut at: usize) -> Option<Option<usize>> {
    loop {
        let Some(line) = bytes[at..].windows(2).position(|two| two == b"\r\n") else { return Some(None) };
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[at..at + line]).ok()?, 16).ok()?;
        let end = at + line + 2 + size + 2;
        if bytes.len() < end {
            return Some(None);
        }
        if &bytes[end - 2..end] != b"\r\n" {
            return None;
        }
        if size == 0 {
            return Some(Some(end));
        }
        at = end;
    }
}

fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}
