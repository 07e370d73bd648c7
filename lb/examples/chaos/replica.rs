//! A replica on raw sockets, which checks request bodies and becomes faulty on request.

use std::cell::Cell;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use clap::ValueEnum;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;

use crate::client::SERVED_BY;
use crate::content;
use crate::fault::Fault;

/// `POST /turn/FAULT` makes all later replies of this replica faulty.
pub const FAULT_PATH: &str = "/turn/";

/// Delay of a slow reply.
const LATE: Duration = Duration::from_secs(2);
/// Pause between the first half of a body and the end of the connection, so that a reset cannot overtake the bytes.
const MID_BODY: Duration = Duration::from_millis(2);

/// A client connection.
struct Peer {
    io: TcpStream,
    input: BytesMut,
    name: Rc<str>,
    fault: Rc<Cell<Option<Fault>>>,
}

struct Request {
    path: String,
    body: Vec<u8>,
}

/// Serves on `$PORT` until it is killed.
pub async fn serve() -> Result<ExitCode, String> {
    let env = |name: &str| std::env::var(name).map_err(|_| format!("{name} is not set"));
    let port = env("PORT")?.parse().map_err(|_| "PORT is not a port number")?;
    let name: Rc<str> = env("SERVER_ID")?.into();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    let listener = listener.map_err(|error| format!("PORT {port}: {error}"))?;
    let fault = Rc::new(Cell::new(None));
    loop {
        let (io, _) = listener.accept().await.map_err(|error| error.to_string())?;
        let peer = Peer { io, input: BytesMut::new(), name: name.clone(), fault: fault.clone() };
        spawn_local(async move {
            // `None` means that either side has ended the connection on purpose.
            let _ = peer.serve().await;
        });
    }
}

impl Peer {
    async fn serve(mut self) -> Option<()> {
        self.io.set_nodelay(true).ok()?;
        loop {
            let request = self.read_request().await?;
            match request.path.strip_prefix(FAULT_PATH) {
                Some(fault) => {
                    self.fault.set(Some(Fault::from_str(fault, false).ok()?));
                    self.reply("200 OK", b"").await?;
                }
                None if request.path == "/heartbeat" => self.reply("200 OK", b"").await?,
                None => self.reply_with_body(request).await?,
            }
        }
    }

    async fn reply_with_body(&mut self, request: Request) -> Option<()> {
        let (id, size) = request.path.strip_prefix("/bodies/")?.split_once("?size=")?;
        let id = id.parse().ok()?;
        let body = content::reply(id, size.parse().ok()?);
        if !request.body.is_empty() && request.body != content::request(id) {
            return self.reply("400 Bad Request", b"wrong body").await;
        }
        match self.fault.get() {
            None | Some(Fault::Kill | Fault::Stop | Fault::Rolling) => {}
            Some(Fault::Slow) => tokio::time::sleep(LATE).await,
            Some(Fault::Silent) => std::future::pending().await,
            Some(Fault::Error) => return self.reply("500 Internal Server Error", b"error").await,
            Some(Fault::Garbage) => {
                self.io.write_all(&body[..body.len().min(64)]).await.ok()?;
                return None;
            }
            Some(fault @ (Fault::Reset | Fault::Truncate)) => {
                self.write("200 OK", body.len(), &body[..body.len() / 2]).await?;
                tokio::time::sleep(MID_BODY).await;
                if fault == Fault::Reset {
                    self.io.set_zero_linger().ok()?;
                }
                return None;
            }
        }
        self.reply("200 OK", &body).await
    }

    async fn reply(&mut self, status: &str, body: &[u8]) -> Option<()> {
        self.write(status, body.len(), body).await
    }

    async fn write(&mut self, status: &str, length: usize, body: &[u8]) -> Option<()> {
        let name = &self.name;
        let head = format!("HTTP/1.1 {status}\r\n{SERVED_BY}: {name}\r\nContent-Length: {length}\r\n\r\n");
        self.io.write_all(&[head.as_bytes(), body].concat()).await.ok()
    }

    /// Reads the next request; `None` if the connection ends or sends something else.
    async fn read_request(&mut self) -> Option<Request> {
        loop {
            if let Some((path, length, end)) = parse(&self.input)? {
                self.input.advance(end);
                while self.input.len() < length {
                    self.read_more().await?;
                }
                return Some(Request { path, body: self.input.split_to(length).to_vec() });
            }
            self.read_more().await?;
        }
    }

    async fn read_more(&mut self) -> Option<()> {
        self.io.read_buf(&mut self.input).await.ok().filter(|read| *read > 0).map(drop)
    }
}

/// Target, length of the body, and length of the head; the inner `None` means that the head is incomplete.
fn parse(input: &[u8]) -> Option<Option<(String, usize, usize)>> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut fields);
    let httparse::Status::Complete(end) = request.parse(input).ok()? else { return Some(None) };
    let length = request.headers.iter().find(|field| field.name.eq_ignore_ascii_case("content-length"));
    let length = match length {
        Some(field) => std::str::from_utf8(field.value).ok()?.parse().ok()?,
        None => 0,
    };
    Some(Some((request.path?.to_owned(), length, end)))
}
