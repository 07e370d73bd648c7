//! The layer between actix and the service: replaces each stand-in by its request, and reports the end of the response.

use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_http::body::{BodySize, MessageBody};
use actix_http::{ConnectionType, Payload, Request, Response, StatusCode};
use bytes::Bytes;

use crate::http1::framing::Decoder;

use super::body::{AfterBody, Body};
use super::connection::Connection;
use super::state::ConnectionPhase;
use crate::http1::rejection::Rejection;

/// A response body that reports its end or failure to the connection.
pub struct ResponseBody<B> {
    body: B,
    connection: Rc<Connection>,
    /// The end of the connection ends the body, which has neither a length nor chunks.
    until_close: bool,
}

/// Answers the request of a stand-in: by `serve`, or by `refuse` if the request or later its body is rejected.
///
/// `serve` gets the request as the client sent it, with the target in origin form and the body as payload. With an
/// offer to upgrade the head's type is [`ConnectionType::Upgrade`], and [`after_body`] returns the bytes after the
/// body. A response with 101 makes the connection a tunnel; its body is sent unchanged if it is [`BodySize::Stream`]
/// without chunking.
pub async fn answer<B: MessageBody>(
    mut request: Request,
    serve: impl AsyncFnOnce(Request) -> Response<B>,
    refuse: impl FnOnce(Rejection) -> Response<B>,
) -> Response<ResponseBody<B>> {
    let connection = request.conn_data::<Rc<Connection>>().cloned();
    let connection = connection.expect("every connection comes from an Admission");
    let pending =
        connection.state.borrow_mut().pending_request.take().expect("each stand-in has a pending request");
    let response = match pending {
        Err(rejection) => refuse(rejection),
        Ok(pending) => {
            let has_payload = !matches!(connection.state.borrow().body, Decoder::Length(0));
            let head = request.head_mut();
            (head.method, head.uri, head.version) = (pending.method, pending.target, pending.version);
            if pending.upgrade {
                head.set_connection_type(ConnectionType::Upgrade);
            }
            let mut spare = std::mem::replace(&mut head.headers, pending.headers);
            spare.clear();
            connection.state.borrow_mut().scan.spare = spare;
            if has_payload {
                let body = Box::pin(Body(connection.clone()));
                *request.payload() = Payload::Stream { payload: body };
            }
            let response = serve(request).await;
            let body_rejection = connection.state.borrow_mut().body_rejection.take();
            body_rejection.map_or(response, refuse)
        }
    };
    connection.respond(response)
}

/// The bytes that the client sends after the body of a request that offers another protocol; `None` if the request did
/// not come through [`answer`]. It fails if it is read before the end of the body.
pub fn after_body(request: &Request) -> Option<Payload> {
    let connection = request.conn_data::<Rc<Connection>>()?.clone();
    Some(Payload::Stream { payload: Box::pin(AfterBody(connection)) })
}

impl Connection {
    /// Updates the state before the head of the response is written.
    fn respond<B: MessageBody>(self: Rc<Self>, mut response: Response<B>) -> Response<ResponseBody<B>> {
        let state = &mut *self.state.borrow_mut();
        state.drop_interim();
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            state.phase = ConnectionPhase::Serving { refused: false, tunnel: true };
            response.head_mut().set_connection_type(ConnectionType::Upgrade);
        } else if state.is_unread() {
            response.head_mut().set_connection_type(ConnectionType::Close);
        }
        let connection = self.clone();
        state.streams = response.body().size() == BodySize::Stream;
        let until_close = state.streams && !response.head().chunked();
        response.map_body(|_, body| ResponseBody { body, connection, until_close })
    }
}

impl<B: MessageBody + Unpin> MessageBody for ResponseBody<B> {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    /// Never yields an error: actix would log it and discard its unwritten output. Instead [`GuardedStream`] closes the
    /// connection after that output is written.
    ///
    /// [`GuardedStream`]: super::GuardedStream
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let this = self.get_mut();
        if this.connection.state.borrow().response_failed {
            return Poll::Pending;
        }
        match Pin::new(&mut this.body).poll_next(cx) {
            Poll::Ready(Some(Err(_))) => {
                let state = &mut *this.connection.state.borrow_mut();
                (state.response_failed, state.close_by_reset) = (true, this.until_close);
                Poll::Pending
            }
            Poll::Ready(Some(Ok(bytes))) => Poll::Ready(Some(Ok(bytes))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<B> Drop for ResponseBody<B> {
    /// The whole body is in actix's buffer, or the connection has ended.
    fn drop(&mut self) {
        self.connection.state.borrow_mut().response_taken = true;
    }
}
