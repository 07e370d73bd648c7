//! `lb drain`, `undrain`, `replace`, `weight` and `rolling-replace`: operations on one seat, or on all seats one after the other.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::json;

use crate::name::Name;

use super::args::Weigh;
use super::client::Request;
use super::table::plain;

#[derive(Deserialize)]
struct Answer<T> {
    message: T,
}

#[derive(Deserialize)]
struct Steered {
    #[serde(rename = "N")]
    n: usize,
    seat: u32,
    replica: String,
}

#[derive(Deserialize)]
struct Weighed {
    seat: u32,
    weight: u32,
    epoch: u64,
    slots_moved: u64,
    lasts: String,
}

#[derive(Deserialize)]
struct Rolling {
    total: usize,
}

/// The request of an operation on a replica. It has no timeout: a new replica may have to start.
pub fn replica(name: &Name, operation: &str) -> Request {
    let name = utf8_percent_encode(name.as_str(), NON_ALPHANUMERIC);
    Request::post_empty(format!("/api/replicas/{name}/{operation}")).without_timeout()
}

/// The request of /api/seats/{seat}/weight.
pub fn weight(Weigh { seat, weight, dry_run }: &Weigh) -> Request {
    let body = json!({ "weight": weight, "dry_run": dry_run });
    let request = Request::put(format!("/api/seats/{seat}/weight"), body);
    if *dry_run { request } else { request.without_timeout() }
}

/// The line after a drain.
pub fn drained(answer: &str) -> serde_json::Result<String> {
    let Answer { message: Steered { n, seat, replica } } = serde_json::from_str(answer)?;
    let replica = plain(&replica);
    Ok(format!("{replica} is drained, its seat {seat} stays reserved; {}\n", serve(n)))
}

/// The line after an undrain or a replacement.
pub fn serves(answer: &str) -> serde_json::Result<String> {
    let Answer { message: Steered { n, seat, replica } } = serde_json::from_str(answer)?;
    Ok(format!("{} serves in seat {seat}; {}\n", plain(&replica), serve(n)))
}

/// The line after a change of a weight.
pub fn weighed(answer: &str) -> serde_json::Result<String> {
    let Answer { message } = serde_json::from_str(answer)?;
    let Weighed { seat, weight, epoch, slots_moved, lasts } = message;
    let lasts = plain(&lasts);
    Ok(format!("seat {seat} has weight {weight} {lasts}; {slots_moved} slots moved, epoch {epoch}\n"))
}

/// The line after the start of a rolling replacement.
pub fn rolling(answer: &str) -> serde_json::Result<String> {
    let Answer { message: Rolling { total } } = serde_json::from_str(answer)?;
    Ok(format!("{total} replicas are replaced, one after the other; lb events shows the progress\n"))
}

fn serve(n: usize) -> String {
    format!("{n} {}", if n == 1 { "replica serves" } else { "replicas serve" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_name_the_replica_or_seat() {
        let sent = replica(&"S 5".parse().unwrap(), "drain");
        assert_eq!((sent.target.as_str(), sent.method.as_str()), ("/api/replicas/S%205/drain", "POST"));
        assert_eq!((sent.body, sent.timeout), (None, None));
        let sent = weight(&Weigh { seat: 12, weight: 200, dry_run: true });
        assert_eq!((sent.target.as_str(), sent.method.as_str()), ("/api/seats/12/weight", "PUT"));
        assert_eq!(sent.body, Some(json!({ "weight": 200, "dry_run": true })));
        assert!(sent.timeout.is_some());
        assert!(weight(&Weigh { seat: 12, weight: 200, dry_run: false }).timeout.is_none());
    }

    #[test]
    fn responses_are_lines() {
        let steered =
            json!({ "message": { "N": 1, "replicas": ["a"], "seat": 2, "replica": "b\n" } }).to_string();
        assert_eq!(
            drained(&steered).unwrap(),
            "b\u{fffd} is drained, its seat 2 stays reserved; 1 replica serves\n"
        );
        assert_eq!(serves(&steered).unwrap(), "b\u{fffd} serves in seat 2; 1 replica serves\n");
        let answer = json!({ "message": {
            "seat": 2, "weight": 200, "epoch": 9, "slots_moved": 87, "digest": "0", "lasts": "until the process ends",
        } });
        let expected = "seat 2 has weight 200 until the process ends; 87 slots moved, epoch 9\n";
        assert_eq!(weighed(&answer.to_string()).unwrap(), expected);
        let text = rolling(r#"{"message":{"total":3},"status":"successful"}"#).unwrap();
        assert!(
            text.starts_with("3 replicas are replaced, one after the other") && text.len() < 100,
            "{text}"
        );
    }
}
