//! HTTP/1.1 as bytes: reading and checking request and reply heads, framing of bodies, deadlines of connections.
//!
//! These modules do not depend on replicas, routers or actors.
//!
//! - `fields`: the header fields of a message (RFC 9110 §5) · `field_line`: the grammar of one of them
//! - `known`: the field names that the rules of the proxy look for
//! - `request_head`, `request_line`, `request_fields`: strict parsing of request heads (RFC 9112 §3)
//! - `rejection`: reasons why a request is refused
//! - `request_writer`: request heads as written to a replica
//! - `reply_head`: parsing of reply heads · `malformed`: reasons why one is not valid
//! - `response_head`: response heads as written to a client · `body_encoder`: the framing of a response body
//! - `framing`: bodies by `Content-Length` and chunked coding (RFC 9112 §6, §7) · `chunk_line`: the first line of a chunk
//! - `deadline`: one sweep per worker instead of a timer per connection

pub(crate) mod body_encoder;
pub(crate) mod chunk_line;
pub mod deadline;
pub(crate) mod field_line;
pub mod fields;
pub mod framing;
pub mod known;
pub mod malformed;
pub mod rejection;
pub mod reply_head;
pub(crate) mod request_fields;
pub mod request_head;
pub mod request_line;
pub mod request_writer;
pub(crate) mod response_head;
