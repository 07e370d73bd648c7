//! Calls of the admin API.

use std::net::SocketAddr;

use serde_json::Value;

use super::wire::Wire;
use super::{Balancer, call};

/// The field that distinguishes a change from a form of another site.
const OURS: (&str, &str) = ("X-LB-Admin", "1");

/// POST without a body.
pub fn post(lb: &Balancer, path: &str) -> (u16, Value) {
    send(lb.admin, "POST", path, "")
}

/// PUT with a JSON body.
pub fn put(lb: &Balancer, path: &str, body: &str) -> (u16, Value) {
    send(lb.admin, "PUT", path, body)
}

/// Calls the admin API with a JSON body; returns the status and the response.
pub fn send(admin: SocketAddr, method: &str, path: &str, body: &str) -> (u16, Value) {
    let answer = call(admin, method, path, &[OURS], body.as_bytes());
    (answer.status, answer.json())
}

/// Calls /api/explain on a kept connection.
pub struct Asker(Wire);

impl Asker {
    pub fn new(lb: &Balancer) -> Self {
        Self(Wire::connect(lb.admin))
    }

    pub fn explain(&mut self, key: &str) -> Value {
        let key = key.replace(' ', "+");
        self.0.send(format!("GET /api/explain?key={key} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        let reply = self.0.reply().unwrap();
        assert_eq!(reply.status(), 200, "{reply:?}");
        serde_json::from_slice(&reply.body).unwrap()
    }
}
