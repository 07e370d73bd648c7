//! A scripted replica on a raw socket: each connection runs a script.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A complete reply that keeps the connection alive.
pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A listening replica; it stops when it is dropped.
pub(crate) struct Replica {
    pub(crate) address: SocketAddr,
    seen: Rc<Seen>,
    accept: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    connections: Cell<usize>,
    open: Cell<usize>,
    heads: RefCell<Vec<String>>,
}

/// One accepted connection.
pub(crate) struct Peer {
    io: TcpStream,
    input: Vec<u8>,
    seen: Rc<Seen>,
}

impl Replica {
    /// Runs `script` for every connection; its argument is the number of earlier connections.
    pub(crate) async fn new<F: Future<Output = ()> + 'static>(
        script: impl Fn(Peer, usize) -> F + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Rc::new(Seen::default()));
        let accepted = seen.clone();
        let accept = tokio::task::spawn_local(async move {
            while let Ok((io, _)) = listener.accept().await {
                io.set_nodelay(true).unwrap();
                let number = accepted.connections.replace(accepted.connections.get() + 1);
                accepted.open.set(accepted.open.get() + 1);
                let peer = Peer { io, input: Vec::new(), seen: accepted.clone() };
                tokio::task::spawn_local(script(peer, number));
            }
        });
        Self { address, seen, accept }
    }

    /// A replica that sends `reply` to each request; requests must have no body.
    pub(crate) async fn replying(reply: &'static str) -> Self {
        Self::new(move |mut peer, _| async move {
            while peer.head().await.is_some() {
                peer.send(reply).await;
            }
        })
        .await
    }

    /// Number of accepted connections.
    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.get()
    }

    /// Number of connections whose scripts have not ended.
    pub(crate) fn open(&self) -> usize {
        self.seen.open.get()
    }

    /// The received request heads.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.seen.heads.borrow().clone()
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.accept.abort();
    }
}

impl Peer {
    /// The next request head; `None` when the connection ends.
    pub(crate) async fn head(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.input.windows(4).position(|window| window == b"\r\n\r\n") {
                let head: Vec<_> = self.input.drain(..end + 4).collect();
                let head = String::from_utf8(head).unwrap();
                self.seen.heads.borrow_mut().push(head.clone());
                return Some(head);
            }
            self.more().await?;
        }
    }

    /// The next `n` bytes of a body; `None` when the connection ends.
    pub(crate) async fn body(&mut self, n: usize) -> Option<Vec<u8>> {
        while self.input.len() < n {
            self.more().await?;
        }
        Some(self.input.drain(..n).collect())
    }

    /// The unprocessed bytes after one more read.
    pub(crate) async fn first(&mut self) -> Vec<u8> {
        self.more().await;
        std::mem::take(&mut self.input)
    }

    /// Writes `text`; a connection that the balancer has closed is ignored.
    pub(crate) async fn send(&mut self, text: impl AsRef<[u8]>) {
        let _ = self.io.write_all(text.as_ref()).await;
    }

    /// Waits until the balancer closes the connection.
    pub(crate) async fn closed(&mut self) {
        while self.more().await.is_some() {}
    }

    /// Closes the connection with a reset.
    pub(crate) fn reset(self) {
        let _ = self.io.set_zero_linger();
    }

    async fn more(&mut self) -> Option<()> {
        self.io.read_buf(&mut self.input).await.ok().filter(|n| *n > 0).map(drop)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.seen.open.set(self.seen.open.get() - 1);
    }
}
