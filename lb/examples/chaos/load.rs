//! An open loop: every request is sent when it is due, regardless of earlier replies, and its time starts then.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::client::Connection;
use crate::content;
use crate::outcome::{Failure, Outcome};

/// Time limit of a complete reply.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// Parameters of the load.
#[derive(Clone, Debug)]
pub struct Load {
    /// Requests per second.
    pub rate: u32,
    pub requests: usize,
    /// Share of POST requests in percent.
    pub posts: u8,
    /// Length of a reply body in bytes.
    pub size: usize,
    pub in_flight: usize,
    pub seed: u64,
}

/// Pool of idle connections; the most recently used one is taken first, as HTTP clients do.
struct Clients {
    to: SocketAddr,
    size: usize,
    idle: RefCell<Vec<Connection>>,
}

#[derive(Clone, Copy)]
struct Request {
    id: u64,
    post: bool,
}

impl Load {
    /// Sends all requests; `progress` is called with the number of completed ones.
    pub async fn run(self, to: SocketAddr, progress: impl Fn(usize)) -> Vec<Outcome> {
        let mut rng = fastrand::Rng::with_seed(self.seed);
        let clients = Rc::new(Clients { to, size: self.size, idle: RefCell::default() });
        let free = Arc::new(Semaphore::new(self.in_flight));
        let (mut due, mut running, mut outcomes) = (self.clock(), JoinSet::new(), Vec::new());
        loop {
            tokio::select! {
                // The permit is part of the wait, so that requests not sent yet stay in the clock's queue.
                next = async { (free.clone().acquire_owned().await, due.recv().await) } => {
                    let (permit, Some(at)) = next else { break };
                    let request = Request { id: rng.u64(..), post: rng.u8(..100) < self.posts };
                    let clients = clients.clone();
                    running.spawn_local(async move {
                        let result = clients.send(request).await;
                        drop(permit);
                        Outcome { took: at.elapsed(), result }
                    });
                }
                Some(ended) = running.join_next() => {
                    outcomes.extend(ended);
                    progress(outcomes.len());
                }
            }
        }
        while let Some(ended) = running.join_next().await {
            outcomes.extend(ended);
            progress(outcomes.len());
        }
        outcomes
    }

    /// Sends the due time of each request when it is due. It is a thread, because tokio's timers have a resolution of
    /// a millisecond.
    fn clock(&self) -> mpsc::UnboundedReceiver<Instant> {
        let (sender, due) = mpsc::unbounded_channel();
        let (rate, requests) = (self.rate, self.requests);
        std::thread::spawn(move || {
            let start = Instant::now();
            for n in 0..requests {
                let at = start + Duration::from_secs_f64(n as f64 / f64::from(rate));
                std::thread::sleep(at.saturating_duration_since(Instant::now()));
                if sender.send(at).is_err() {
                    break; // interrupted
                }
            }
        });
        due
    }
}

impl Clients {
    async fn send(&self, request: Request) -> Result<(), Failure> {
        let failure = |origin: Option<String>, reason: &str| {
            Err(Failure { origin: origin.unwrap_or_else(|| "lb".into()), reason: reason.into() })
        };
        let exchange = async {
            let kept = self.idle.borrow_mut().pop();
            let mut connection = match kept.filter(Connection::is_reusable) {
                Some(kept) => kept,
                None => match Connection::open(self.to).await {
                    Ok(opened) => opened,
                    Err(error) => return failure(None, &error.kind().to_string()),
                },
            };
            match connection.send(&request.bytes(self.size)).await {
                Err(bad) => failure(bad.served_by, bad.reason),
                Ok(reply) => {
                    if reply.keep {
                        self.idle.borrow_mut().push(connection);
                    }
                    match reply.status {
                        200 if reply.body == content::reply(request.id, self.size) => Ok(()),
                        200 => failure(reply.served_by, "wrong body"),
                        status => failure(reply.served_by, &status.to_string()),
                    }
                }
            }
        };
        timeout(TIMEOUT, exchange).await.unwrap_or_else(|_| failure(None, "timeout"))
    }
}

impl Request {
    fn bytes(self, size: usize) -> Vec<u8> {
        let Self { id, post } = self;
        let (method, body) = if post { ("POST", content::request(id)) } else { ("GET", Vec::new()) };
        let length = if post { format!("Content-Length: {}\r\n", body.len()) } else { String::new() };
        let target = format!("/bodies/{id}?size={size}");
        let head =
            format!("{method} {target} HTTP/1.1\r\nHost: chaos\r\nX-Request-Id: {id:x}\r\n{length}\r\n");
        [head.into_bytes(), body].concat()
    }
}
