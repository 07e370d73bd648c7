//! A replica on a raw socket, scripted per connection.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use crate::support::wire::{Message, Wire};
use crate::support::{Balancer, STATE_TIMEOUT, until};

/// A complete reply that keeps the connection open.
pub const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

static ORIGINS: AtomicU16 = AtomicU16::new(0);

/// A listening replica. Connections on which nothing is sent (heartbeats) are not counted.
pub struct Origin {
    pub address: SocketAddr,
    state: Arc<State>,
    seen: Receiver<Message>,
    accept: Option<JoinHandle<()>>,
}

/// One connection to an origin.
pub struct Peer {
    pub wire: Wire,
    /// Number of earlier connections.
    pub number: usize,
    seen: Sender<Message>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    connections: AtomicUsize,
    open: AtomicUsize,
    stop: AtomicBool,
}

impl Origin {
    /// Runs `script` on every connection.
    pub fn new(script: impl Fn(&mut Peer) -> Option<()> + Send + Sync + 'static) -> Self {
        Self::at(Self::free(), script)
    }

    /// An address that no other origin of this process has.
    pub fn free() -> SocketAddr {
        // Each origin has its own address: a refused port is never the port of another origin.
        let [a, b] = ORIGINS.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        (Ipv4Addr::new(127, 9, a, b), 0).into()
    }

    /// Like [`new`](Self::new), on this address; port 0 selects a free one.
    pub fn at(address: SocketAddr, script: impl Fn(&mut Peer) -> Option<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let (state, script) = (Arc::new(State::default()), Arc::new(script));
        let (tell, seen) = channel();
        let shared = state.clone();
        let accept = std::thread::spawn(move || {
            for io in listener.incoming().map_while(Result::ok) {
                if shared.stop.load(Ordering::SeqCst) {
                    return;
                }
                let (script, seen, state) = (script.clone(), tell.clone(), shared.clone());
                std::thread::spawn(move || {
                    if matches!(io.peek(&mut [0]), Ok(1)) {
                        let number = state.connections.fetch_add(1, Ordering::SeqCst);
                        state.open.fetch_add(1, Ordering::SeqCst);
                        script(&mut Peer { wire: Wire::new(io), number, seen, state });
                    }
                });
            }
        });
        Self { address, state, seen, accept: Some(accept) }
    }

    /// Sends `reply` to every request.
    pub fn replying(reply: impl Into<Vec<u8>>) -> Self {
        let reply = reply.into();
        Self::new(move |peer| {
            loop {
                peer.request()?;
                peer.wire.send(&reply);
            }
        })
    }

    /// Sends `reply` to the first request of each connection, then closes it.
    pub fn replying_once(reply: impl Into<Vec<u8>>) -> Self {
        let reply = reply.into();
        Self::new(move |peer| {
            peer.request()?;
            peer.wire.send(&reply);
            None
        })
    }

    /// A balancer whose only replicas are these origins; all of them are ready and get no further heartbeats.
    pub fn balanced(origins: &[&Self], args: &[&str]) -> Balancer {
        let mut all: Vec<String> = vec!["--runtime".into(), "static".into()];
        for (i, origin) in origins.iter().enumerate() {
            all.extend(["--upstream".into(), format!("o{i}={}", origin.address)]);
        }
        for quiet in ["--heartbeat-path=off", "--heartbeat-interval=10m", "--replace-after=10m"] {
            all.push(quiet.into());
        }
        all.extend(args.iter().map(|arg| (*arg).into()));
        let lb = Balancer::start(&all.iter().map(String::as_str).collect::<Vec<_>>());
        lb.until("all replicas are ready", |lb| {
            lb.replicas().iter().all(|replica| replica["phase"] == "ready")
        });
        lb
    }

    /// The next received request; waits for it.
    pub fn next(&self) -> Message {
        self.seen.recv_timeout(STATE_TIMEOUT).expect("a request reaches the replica")
    }

    /// The received requests that were not returned yet.
    pub fn seen(&self) -> Vec<Message> {
        self.seen.try_iter().collect()
    }

    /// Number of accepted connections.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Waits until `n` connections are open.
    pub fn until_open(&self, n: usize) {
        until(&format!("{n} connections are open"), || self.state.open.load(Ordering::SeqCst) == n);
    }

    /// Stops listening; open connections stay.
    pub fn refuse(&mut self) {
        if let Some(accept) = self.accept.take() {
            self.state.stop.store(true, Ordering::SeqCst);
            drop(TcpStream::connect(self.address));
            accept.join().unwrap();
        }
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.refuse();
    }
}

impl Peer {
    /// Reads the next request, and records it for the test.
    pub fn request(&mut self) -> Option<Message> {
        let request = self.wire.request()?;
        let _ = self.seen.send(request.clone());
        Some(request)
    }

    /// Reads the head of the next request, and records it for the test.
    pub fn head(&mut self) -> Option<Message> {
        let request = Message { head: self.wire.head()?, body: Vec::new(), chunks: Vec::new() };
        let _ = self.seen.send(request.clone());
        Some(request)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.state.open.fetch_sub(1, Ordering::SeqCst);
    }
}
