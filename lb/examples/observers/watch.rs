//! Observers: the stream of the dashboard, a subscriber of the events, a scrape every second.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Observers that run until they are dropped.
pub struct Watchers {
    tasks: JoinSet<std::io::Result<()>>,
    /// Bytes that each observer has received, by its name.
    received: Vec<(&'static str, Rc<Cell<usize>>)>,
}

/// Starts all observers.
pub fn start(admin: SocketAddr) -> Watchers {
    let mut watchers = Watchers { tasks: JoinSet::new(), received: Vec::new() };
    watchers.add("dashboard", admin, "/api/events?traffic=1", None);
    watchers.add("follower", admin, "/api/events", None);
    watchers.add("scrape", admin, "/metrics", Some(Duration::from_secs(1)));
    watchers
}

impl Watchers {
    /// Adds an observer that reads the reply to `path`, and repeats the request after `again` if that is set.
    fn add(&mut self, name: &'static str, admin: SocketAddr, path: &'static str, again: Option<Duration>) {
        let received = Rc::new(Cell::new(0));
        self.received.push((name, received.clone()));
        self.tasks.spawn_local(async move {
            loop {
                let mut stream = TcpStream::connect(admin).await?;
                let close = if again.is_some() { "Connection: close\r\n" } else { "" };
                let head = format!("GET {path} HTTP/1.1\r\nHost: {admin}\r\n{close}\r\n");
                stream.write_all(head.as_bytes()).await?;
                let mut buffer = vec![0; 65_536];
                loop {
                    let read = stream.read(&mut buffer).await?;
                    if received.get() == 0 && !buffer.starts_with(b"HTTP/1.1 200") {
                        return Err(std::io::Error::other("not answered with 200"));
                    }
                    received.update(|received| received + read);
                    if read == 0 {
                        break;
                    }
                }
                tokio::time::sleep(again.unwrap_or(Duration::MAX)).await;
            }
        });
    }

    /// Stops all observers; an error if one of them received nothing.
    pub fn end(self) -> Result<(), String> {
        match self.received.iter().find(|(_, received)| received.get() == 0) {
            Some((name, _)) => Err(format!("the {name} received nothing")),
            None => Ok(()),
        }
    }
}
