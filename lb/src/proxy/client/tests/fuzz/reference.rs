//! hyper's client as a reference for parsing replies.

use std::future::poll_fn;
use std::pin::Pin;

use awc::http::Method;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;

/// A complete reply.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CompleteReply {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

pub(crate) struct Reference(Runtime);

impl Reference {
    pub(crate) fn new() -> Self {
        Self(tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap())
    }

    /// The reply that hyper reads from a connection with these bytes; `None` if it gets no complete reply.
    pub(crate) fn read(&self, method: &Method, bytes: &[u8]) -> Option<CompleteReply> {
        self.0.block_on(async {
            let (client, mut server) = tokio::io::duplex(1 << 20);
            let builder = http1::Builder::new();
            let (mut sender, connection) = builder.handshake::<_, String>(TokioIo::new(client)).await.ok()?;
            let serve = async {
                // hyper reports an error if bytes arrive before it has sent its request.
                let _ = server.read(&mut [0; 1024]).await;
                let _ = server.write_all(bytes).await;
                drop(server);
                std::future::pending().await
            };
            let request = hyper::Request::builder().method(method.as_str()).uri("/").header("host", "h");
            let request = request.body(String::new()).unwrap();
            let read = async {
                let reply = sender.send_request(request).await.ok()?;
                let status = reply.status().as_u16();
                collect(reply.into_body()).await.map(|body| CompleteReply { status, body })
            };
            tokio::select! {
                whole = read => whole,
                () = serve => None,
                // Not a result: the reply may still have buffered bytes when the connection has ended.
                () = async { let _ = connection.await; std::future::pending().await } => None,
            }
        })
    }
}

async fn collect(mut body: Incoming) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        // Trailers are ignored.
        if let Ok(data) = frame.ok()?.into_data() {
            whole.extend_from_slice(&data);
        }
    }
    Some(whole)
}
