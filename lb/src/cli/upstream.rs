//! `lb upstream add` and `lb upstream rm`: the external servers of a balancer with `--runtime static`.

use serde::Deserialize;
use serde_json::json;

use super::args::Upstream;
use super::client::Request;
use super::table::plain;

#[derive(Deserialize)]
struct Answer {
    message: Listed,
}

#[derive(Deserialize)]
struct Listed {
    #[serde(rename = "N")]
    n: usize,
    name: String,
    seat: Option<u32>,
    reason: Option<String>,
    lasts: String,
}

/// The request of /api/upstreams.
pub fn request(call: &Upstream) -> Request {
    let path = "/api/upstreams";
    let request = match call {
        Upstream::Add { upstream, dry_run } => {
            Request::post(path, json!({ "upstream": upstream.to_string(), "dry_run": dry_run }))
        }
        Upstream::Rm { name, dry_run } => Request::delete(path, json!({ "name": name, "dry_run": dry_run })),
    };
    if call.is_dry_run() { request } else { request.without_timeout() }
}

/// The lines after a change of the upstreams.
pub fn read(answer: &str) -> serde_json::Result<String> {
    let Answer { message: Listed { n, name, seat, reason, lasts } } = serde_json::from_str(answer)?;
    let (name, lasts) = (plain(&name), plain(&lasts));
    let done = match (seat, reason) {
        (Some(seat), None) => format!("{name} serves in seat {seat}"),
        (Some(seat), Some(reason)) => {
            format!("{name} has seat {seat}, vacant until it answers: {}", plain(&reason))
        }
        (None, _) => format!("{name} has left the ring"),
    };
    let serve = if n == 1 { "replica serves" } else { "replicas serve" };
    Ok(format!("{done}; {n} {serve}\nthe change lasts {lasts}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_matches_the_api() {
        let sent = request(&Upstream::Add { upstream: "c=h:80*50".parse().unwrap(), dry_run: false });
        assert_eq!((sent.target.as_str(), sent.method.as_str()), ("/api/upstreams", "POST"));
        assert_eq!(sent.body, Some(json!({ "upstream": "c=h:80*50", "dry_run": false })));
        assert_eq!(sent.timeout, None);
        let sent = request(&Upstream::Rm { name: "c".parse().unwrap(), dry_run: true });
        assert_eq!(sent.method.as_str(), "DELETE");
        assert_eq!(sent.body, Some(json!({ "name": "c", "dry_run": true })));
        assert!(sent.timeout.is_some());
    }

    #[test]
    fn the_text_says_whether_the_server_gets_requests() {
        let text = |seat: serde_json::Value, reason: serde_json::Value| {
            let message = json!({
                "N": 2, "replicas": ["a", "b"], "name": "c\n", "seat": seat, "reason": reason, "lasts": "a while",
            });
            read(&json!({ "message": message }).to_string()).unwrap()
        };
        let lasts = "2 replicas serve\nthe change lasts a while\n";
        assert_eq!(text(json!(3), json!(null)), format!("c\u{fffd} serves in seat 3; {lasts}"));
        assert_eq!(text(json!(null), json!(null)), format!("c\u{fffd} has left the ring; {lasts}"));
        assert_eq!(
            text(json!(3), json!("h:80: it refuses connections")),
            format!("c\u{fffd} has seat 3, vacant until it answers: h:80: it refuses connections; {lasts}")
        );
    }
}
