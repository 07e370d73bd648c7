//! Who looks: the dashboard's stream, a follower of the events, a scrape each second.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// The watchers at work.
pub struct Watchers {
    tasks: JoinSet<std::io::Result<()>>,
    /// Bytes that each has seen.
    seen: Vec<(&'static str, Rc<Cell<usize>>)>,
}

/// Starts them all.
pub fn start(admin: SocketAddr) -> Watchers {
    let mut watchers = Watchers { tasks: JoinSet::new(), seen: Vec::new() };
    watchers.add("dashboard", admin, "/api/events?traffic=1", None);
    watchers.add("follower", admin, "/api/events", None);
    watchers.add("scrape", admin, "/metrics", Some(Duration::from_secs(1)));
    watchers
}

impl Watchers {
    /// Each reads what it asked for; with `again` it asks anew after that time.
    fn add(&mut self, who: &'static str, admin: SocketAddr, path: &'static str, again: Option<Duration>) {
        let seen = Rc::new(Cell::new(0));
        self.seen.push((who, seen.clone()));
        self.tasks.spawn_local(async move {
            loop {
                let mut stream = TcpStream::connect(admin).await?;
                let close = if again.is_some() { "Connection: close\r\n" } else { "" };
                let head = format!("GET {path} HTTP/1.1\r\nHost: {admin}\r\n{close}\r\n");
                stream.write_all(head.as_bytes()).await?;
                let mut buffer = vec![0; 65_536];
                loop {
                    let read = stream.read(&mut buffer).await?;
                    if seen.get() == 0 && !buffer.starts_with(b"HTTP/1.1 200") {
                        return Err(std::io::Error::other("not answered with 200"));
                    }
                    seen.update(|seen| seen + read);
                    if read == 0 {
                        break;
                    }
                }
                tokio::time::sleep(again.unwrap_or(Duration::MAX)).await;
            }
        });
    }

    /// Ends them; an error if one of them saw nothing: then nothing was measured.
    pub fn end(self) -> Result<(), String> {
        match self.seen.iter().find(|(_, seen)| seen.get() == 0) {
            Some((who, _)) => Err(format!("the {who} saw nothing")),
            None => Ok(()),
        }
    }
}
