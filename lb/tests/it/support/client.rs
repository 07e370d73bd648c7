//! One HTTP request on one connection, whose response is delimited by its end.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use super::wait::STATE_TIMEOUT;

/// An HTTP response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// The values of a header field, in order.
    pub fn header(&self, name: &str) -> Vec<&str> {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        fields.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    }
}

/// Sends one request on a new connection.
pub fn call(to: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    let request = [head.as_bytes(), body].concat();
    answer(&raw(to, &request), method == "HEAD")
}

/// Sends bytes on a new connection, and reads until it ends.
pub fn raw(to: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut connection = TcpStream::connect(to).unwrap();
    connection.set_read_timeout(Some(STATE_TIMEOUT)).unwrap();
    // The balancer may respond and close before it has read everything (413).
    let _ = connection.write_all(request);
    let mut reply = Vec::new();
    match connection.read_to_end(&mut reply) {
        Err(error) if reply.is_empty() => panic!("no reply: {error}"),
        _ => reply,
    }
}

/// Parses a response that ends with its connection.
pub fn answer(reply: &[u8], head_only: bool) -> Answer {
    let shown = || String::from_utf8_lossy(reply).into_owned();
    let end = reply.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or_else(|| panic!("{}", shown()));
    let head = String::from_utf8(reply[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut answer = Answer { status, head, body: reply[end + 4..].to_vec() };
    if !answer.header("transfer-encoding").is_empty() {
        answer.body = unchunk(&answer.body).unwrap_or_else(|| panic!("{}", shown()));
    } else if let (Some(length), false) = (answer.header("content-length").first(), head_only) {
        assert_eq!(length.parse::<usize>().unwrap(), answer.body.len(), "{}", shown());
    }
    answer
}

fn unchunk(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let line = body.windows(2).position(|two| two == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&body[..line]).ok()?, 16).ok()?;
        body = body.get(line + 2..)?;
        if size == 0 {
            return (body == b"\r\n").then_some(whole);
        }
        whole.extend_from_slice(body.get(..size)?);
        body = body.get(size..)?.strip_prefix(b"\r\n")?;
    }
}
