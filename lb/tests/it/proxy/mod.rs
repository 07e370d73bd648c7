//! The data plane: what happens to requests and replies.

mod busy;
mod choices;
mod corpus_replies;
mod corpus_requests;
mod counted;
mod debug_headers;
mod ejections;
mod fields;
mod forwarding;
mod inbound;
mod layouts;
mod limits;
mod mutations;
mod replies;
mod retries;
mod streams;
mod tunnel;
