//! Between actix and the service: the request behind each stand-in, and word back when its reply is whole.

use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_http::body::{BodySize, MessageBody};
use actix_http::{ConnectionType, Payload, Request, Response, StatusCode};
use bytes::Bytes;

use crate::http1::framing::Decoder;

use super::body::{Body, Following};
use super::connection::{Connection, ConnectionState};
use crate::http1::rejection::Rejection;

/// A reply's body whose end, good or bad, the connection is told.
pub struct Answer<B> {
    body: B,
    connection: Rc<Connection>,
    /// The end of the connection is its own.
    until_close: bool,
}

/// Serves the request behind a stand-in: by `serve`, or by `refuse` if it is none or its body turns out to be none.
///
/// What `serve` gets is the request as the client sent it, its target in origin form; the payload is the body. With an
/// offer to upgrade the head's type is [`ConnectionType::Upgrade`], and [`what_follows`] is all that comes after the body.
/// A reply with 101 makes the connection a tunnel; its body goes to the client as it is if it is [`BodySize::Stream`]
/// without chunking.
pub async fn answer<B: MessageBody>(
    mut request: Request,
    serve: impl AsyncFnOnce(Request) -> Response<B>,
    refuse: impl FnOnce(Rejection) -> Response<B>,
) -> Response<Answer<B>> {
    let connection = request.conn_data::<Rc<Connection>>().cloned();
    let connection = connection.expect("every connection enters by the door");
    let arrived = connection.state.borrow_mut().arrived.take().expect("a stand-in stands for a request");
    let response = match arrived {
        Err(refusal) => refuse(refusal),
        Ok(arrived) => {
            let has_payload = !matches!(connection.state.borrow().body, Decoder::Length(0));
            let head = request.head_mut();
            (head.method, head.uri, head.version) = (arrived.method, arrived.target, arrived.version);
            if arrived.upgrade {
                head.set_connection_type(ConnectionType::Upgrade);
            }
            let mut spare = std::mem::replace(&mut head.headers, arrived.headers);
            spare.clear();
            connection.state.borrow_mut().scan.spare = spare;
            if has_payload {
                let body = Box::pin(Body(connection.clone()));
                *request.payload() = Payload::Stream { payload: body };
            }
            let response = serve(request).await;
            let fault = connection.state.borrow_mut().fault.take();
            fault.map_or(response, refuse)
        }
    };
    connection.reply(response)
}

/// What the client sends after the body of a request that offers another protocol, byte for byte; `None` if the request
/// did not come through [`answer`]. To be read once the body is.
pub fn what_follows(request: &Request) -> Option<Payload> {
    let connection = request.conn_data::<Rc<Connection>>()?.clone();
    Some(Payload::Stream { payload: Box::pin(Following(connection)) })
}

impl Connection {
    /// The head of the reply is about to be written.
    fn reply<B: MessageBody>(self: Rc<Self>, mut response: Response<B>) -> Response<Answer<B>> {
        let state = &mut *self.state.borrow_mut();
        state.drop_interim();
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            state.stage = ConnectionState::Serving { refused: false, tunnel: true };
            response.head_mut().set_connection_type(ConnectionType::Upgrade);
        } else if state.is_unread() {
            response.head_mut().set_connection_type(ConnectionType::Close);
        }
        let connection = self.clone();
        let until_close = response.body().size() == BodySize::Stream && !response.head().chunked();
        response.map_body(|_, body| Answer { body, connection, until_close })
    }
}

impl<B: MessageBody + Unpin> MessageBody for Answer<B> {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    /// An error would make actix log it as one of ours and throw away what is not yet written: the stream ends the
    /// connection itself, once the client has all that came.
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let this = self.get_mut();
        if this.connection.state.borrow().cut {
            return Poll::Pending;
        }
        match Pin::new(&mut this.body).poll_next(cx) {
            Poll::Ready(Some(Err(_))) => {
                let state = &mut *this.connection.state.borrow_mut();
                (state.cut, state.reset) = (true, this.until_close);
                Poll::Pending
            }
            Poll::Ready(Some(Ok(bytes))) => Poll::Ready(Some(Ok(bytes))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<B> Drop for Answer<B> {
    /// All of it is in actix's buffer, or the connection is gone.
    fn drop(&mut self) {
        self.connection.state.borrow_mut().replied = true;
    }
}
