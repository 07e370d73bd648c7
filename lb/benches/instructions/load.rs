//! Servers that reply at once, and the fixed sequence of requests.

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

const BODY: &str = r#"{"message":"Hello from Server: server1","status":"successful"}"#;

/// Three servers on loopback, in threads that end with the process.
pub struct Servers(Vec<SocketAddr>);

/// How requests are distributed over connections.
#[derive(Clone, Copy)]
pub enum Connections {
    /// This number of connections, each with one request at a time.
    Kept(usize),
    /// A connection for each request, one after the other.
    New,
}

/// The client, which sends each request with another key.
pub struct Load {
    to: SocketAddr,
    /// Number of requests so far: each has another key.
    sent: Cell<usize>,
    kept: RefCell<Vec<TcpStream>>,
}

impl Servers {
    pub fn start() -> Self {
        let server = |_| {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
            let address = listener.local_addr().expect("a bound listener");
            std::thread::spawn(move || {
                for connection in listener.incoming().map_while(Result::ok) {
                    std::thread::spawn(move || serve(connection));
                }
            });
            address
        };
        Self((0..3).map(server).collect())
    }

    /// The servers as values of `--upstream`.
    pub fn upstreams(&self) -> Vec<String> {
        self.0.iter().enumerate().map(|(number, address)| format!("s{number}={address}")).collect()
    }
}

impl Load {
    pub fn new(to: SocketAddr) -> Self {
        Self { to, sent: Cell::new(0), kept: RefCell::default() }
    }

    /// Sends `requests` requests and reads their responses.
    pub fn run(&self, connections: Connections, requests: usize) {
        match connections {
            Connections::Kept(width) => {
                let kept = &mut *self.kept.borrow_mut();
                kept.resize_with(width, || self.connect());
                for _ in 0..requests / width {
                    kept.iter_mut().for_each(|connection| self.send(connection, ""));
                    kept.iter_mut().for_each(receive);
                }
            }
            Connections::New => {
                for _ in 0..requests {
                    let connection = &mut self.connect();
                    self.send(connection, "Connection: close\r\n");
                    receive(connection);
                    assert_eq!(connection.read(&mut [0]).expect("the end"), 0, "the connection is closed");
                }
            }
        }
    }

    fn connect(&self) -> TcpStream {
        let connection = TcpStream::connect(self.to).expect("the balancer accepts");
        connection.set_nodelay(true).expect("a TCP option");
        connection
    }

    fn send(&self, connection: &mut TcpStream, field: &str) {
        let number = self.sent.get();
        self.sent.set(number + 1);
        let key = number * 7919 % 1_000_003;
        let head = format!("GET /home?id={key} HTTP/1.1\r\nHost: {}\r\n{field}\r\n", self.to);
        connection.write_all(head.as_bytes()).expect("a request is written");
    }
}

fn serve(mut connection: TcpStream) {
    let _ = connection.set_nodelay(true);
    let reply = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    while read_message(&mut connection, 0).is_some() && connection.write_all(reply.as_bytes()).is_ok() {}
}

fn receive(connection: &mut TcpStream) {
    let response = read_message(connection, BODY.len()).expect("a response");
    assert!(response.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&response));
}

/// A head and a body of this length; `None` at the end of the connection.
fn read_message(connection: &mut TcpStream, body: usize) -> Option<Vec<u8>> {
    let (mut message, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let n = connection.read(&mut buffer).ok().filter(|n| *n > 0)?;
        message.extend_from_slice(&buffer[..n]);
        let head = message.windows(4).position(|end| end == b"\r\n\r\n");
        if head.is_some_and(|head| message.len() >= head + 4 + body) {
            return Some(message);
        }
    }
}
