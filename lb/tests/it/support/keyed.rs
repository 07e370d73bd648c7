//! Requests with the key `k`: the walk of that key, and replicas that fail for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use super::origin::Origin;
use super::wire::{Message, Wire};
use super::{Balancer, call};

/// The indices of the replicas in the order of the walk of key `k`.
pub fn walk(lb: &Balancer) -> Vec<usize> {
    let explained = call(lb.admin, "GET", "/api/explain?key=k", &[], b"").json();
    let walk = explained["walk"].as_array().unwrap().clone();
    walk.iter().map(|place| place["seat"].as_u64().unwrap() as usize - 1).collect()
}

/// Sends a request with key `k` on a new connection.
pub fn send(lb: &Balancer, method: &str, body: &[u8]) -> Message {
    let mut client = Wire::connect(lb.traffic);
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    client.send(format!("{method} /x HTTP/1.1\r\nHost: h\r\nX-Request-Id: k\r\n{length}\r\n"));
    client.send(body);
    client.reply().unwrap()
}

pub fn failure(reply: &Message) -> String {
    let json: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(
        (&json["status"], reply.fields("content-type")),
        (&"failure".into(), vec!["application/json"])
    );
    let message = json["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("<Error> "), "{message}");
    message
}

/// A replica that closes each connection after it has read a whole request, and counts them.
pub fn breaking(broken: &Arc<AtomicUsize>) -> Origin {
    let broken = broken.clone();
    Origin::new(move |peer| {
        peer.request()?;
        broken.fetch_add(1, Ordering::SeqCst);
        None
    })
}
