//! A request as the service gets it, and how the service answers it.

use std::rc::Rc;

use actix_http::body::MessageBody;
use actix_http::{Payload, Request};

use super::body::AfterBody;
use super::connection::Connection;
use super::response::Response;
use crate::http1::fields::Fields;
use crate::http1::rejection::Rejection;

/// A request that has arrived on a client connection.
pub struct Incoming {
    /// The request as the client sent it, with the target in origin form, the peer's address and the body as payload; with
    /// an offer to upgrade the head's type is [`ConnectionType::Upgrade`](actix_http::ConnectionType::Upgrade). Its header
    /// map is empty: the fields are beside it. Or the reason why the request is rejected.
    pub(super) request: Result<(Request, Fields), Rejection>,
    pub(super) connection: Rc<Connection>,
}

impl Incoming {
    /// The connection of the request.
    pub fn connection(&self) -> &Rc<Connection> {
        &self.connection
    }

    /// Answers by `serve`, or by `refuse` if the request or later its body is rejected.
    ///
    /// A response with 101 makes the connection a tunnel: its body is sent unchanged, and [`Connection::after_body`] yields
    /// the bytes of the client.
    pub(crate) async fn answer<B: MessageBody>(
        self,
        serve: impl AsyncFnOnce(Request, Fields) -> Response<B>,
        refuse: impl FnOnce(Rejection) -> Response<B>,
    ) -> Response<B> {
        let response = match self.request {
            Err(rejection) => return refuse(rejection),
            Ok((request, fields)) => serve(request, fields).await,
        };
        let body_rejection = self.connection.state.borrow_mut().body_rejection.take();
        body_rejection.map_or(response, refuse)
    }
}

impl Connection {
    /// The bytes that the client sends after the body of a request that offers another protocol. It fails if it is read
    /// before the end of the body.
    pub fn after_body(self: &Rc<Self>) -> Payload {
        Payload::Stream { payload: Box::pin(AfterBody(self.clone())) }
    }
}
