//! A request as it is written to each replica that is tried.

use std::rc::Rc;

use actix_http::Method;
use awc::body::BodySize;

use super::replay::ReplayBody;
use crate::http1::fields::Fields;
use crate::http1::known::Known;
use crate::http1::request_writer::RequestHead;

/// The connection of a client, for replies 103 (RFC 8297).
pub trait EarlyHints {
    /// Forwards a reply 103 with these fields, if the request of this number still waits for its response.
    fn early_hints(&self, request: u64, fields: Fields);
}

/// A request that waits for its response.
#[derive(Clone)]
pub struct Waiting {
    /// The connection that it came on.
    pub connection: Rc<dyn EarlyHints>,
    /// Its number on the connection.
    pub request: u64,
}

/// A request for the replicas. Its head is written once and used for every attempt.
pub struct Outgoing {
    pub(super) method: Method,
    pub(super) head: RequestHead,
    pub(super) size: BodySize,
    /// The offered protocols; `None` if the request offers no upgrade.
    pub(super) offer: Option<Vec<u8>>,
    pub(super) body: Option<ReplayBody>,
    /// Where replies 103 go; `None`: they are discarded.
    pub(super) client: Option<Waiting>,
}

impl Outgoing {
    /// `target`: path and query, or `*`. `fields`: without those of the framing; with `offer` they have `Upgrade` and
    /// `Connection`.
    pub(crate) fn new(
        method: Method,
        target: &str,
        fields: &mut Fields,
        offer: Option<Vec<u8>>,
        body: Option<ReplayBody>,
    ) -> Self {
        let size = match body.as_ref().map_or(BodySize::None, ReplayBody::size) {
            // The body of an offer without a body.
            BodySize::Sized(0) if offer.is_some() && !fields.has(Known::ContentLength) => BodySize::None,
            size => size,
        };
        let head = RequestHead::new(&method, target, fields, size);
        Self { method, head, size, offer, body, client: None }
    }

    /// Forwards replies 103 to this client.
    pub fn with_client(self, client: Waiting) -> Self {
        Self { client: Some(client), ..self }
    }

    /// The body; `None` if the request has none.
    pub fn body(&self) -> Option<&ReplayBody> {
        self.body.as_ref()
    }
}
