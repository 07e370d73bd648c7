//! A steady load of GET /home over kept connections; every reply is checked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use crate::support::STATE_TIMEOUT;

/// Clients that send one request after the other until [`Load::finish`].
pub struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    clients: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    /// Starts `clients` clients, each with its own connection and its own keys.
    pub fn start(to: SocketAddr, clients: usize) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let client = |id: usize| {
            let (stop, answered) = (stop.clone(), answered.clone());
            std::thread::spawn(move || run(to, id, &stop, &answered))
        };
        let clients = (0..clients).map(client).collect();
        Self { stop, answered, clients }
    }

    /// Number of good replies so far.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Ends the load; returns the number of good replies, and the failures.
    pub fn finish(self) -> (u64, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        let failed = self.clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
        (self.answered.load(Ordering::Relaxed), failed)
    }
}

fn run(to: SocketAddr, id: usize, stop: &AtomicBool, answered: &AtomicU64) -> Vec<String> {
    let mut failed = Vec::new();
    let mut connection = None;
    for n in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let mut kept = connection.take().unwrap_or_else(|| connect(to));
        match home(&mut kept, &format!("{id}-{n}")) {
            Ok(_) => {
                answered.fetch_add(1, Ordering::Relaxed);
                connection = Some(kept);
            }
            Err(error) => failed.push(error),
        }
    }
    failed
}

fn connect(to: SocketAddr) -> BufReader<TcpStream> {
    let connection = TcpStream::connect(to).unwrap();
    connection.set_read_timeout(Some(STATE_TIMEOUT)).unwrap();
    connection.set_nodelay(true).unwrap();
    BufReader::new(connection)
}

/// Sends one request on a kept connection, and returns the name of the replica that answered.
fn home(connection: &mut BufReader<TcpStream>, key: &str) -> Result<String, String> {
    let request = format!("GET /home HTTP/1.1\r\nHost: test\r\nX-Request-Id: {key}\r\n\r\n");
    connection.get_mut().write_all(request.as_bytes()).map_err(|error| error.to_string())?;
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        match connection.read_line(&mut line) {
            Ok(0) => return Err(format!("closed after {head:?}")),
            Err(error) => return Err(format!("{error} after {head:?}")),
            Ok(_) if line == "\r\n" => break,
            Ok(_) => head.push(line),
        }
    }
    let length = head
        .iter()
        .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.trim().parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    connection.read_exact(&mut body).map_err(|error| format!("{error} in the body after {head:?}"))?;
    let body = String::from_utf8_lossy(&body).into_owned();
    let name =
        body.strip_prefix(r#"{"message":"Hello from Server: "#).and_then(|rest| rest.split('"').next());
    match name {
        Some(name) if head[0].starts_with("HTTP/1.1 200 ") => Ok(name.to_owned()),
        _ => Err(format!("{} {body}", head[0].trim())),
    }
}
