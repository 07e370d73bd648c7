//! A closed loop: each connection sends its next request when the reply has arrived.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Target address, and number of connections.
pub struct Load {
    pub to: SocketAddr,
    pub connections: usize,
}

impl Load {
    /// Runs for `time` and returns the requests per second. Any status but 200 is an error.
    pub async fn run(&self, time: Duration) -> Result<f64, String> {
        let (start, done) = (Instant::now(), Rc::new(Cell::new(0_u64)));
        let mut running = JoinSet::new();
        for n in 0..self.connections {
            let (to, done) = (self.to, done.clone());
            running.spawn_local(async move {
                let mut stream = TcpStream::connect(to).await?;
                stream.set_nodelay(true)?;
                let mut buffer = Vec::with_capacity(4096);
                for request in 0_u32.. {
                    if start.elapsed() >= time {
                        break;
                    }
                    let head = format!("GET /home?id={n}-{request} HTTP/1.1\r\nHost: bench\r\n\r\n");
                    stream.write_all(head.as_bytes()).await?;
                    reply(&mut stream, &mut buffer).await?;
                    done.update(|done| done + 1);
                }
                std::io::Result::Ok(())
            });
        }
        for ended in running.join_all().await {
            ended.map_err(|error| format!("a request failed: {error}"))?;
        }
        Ok(done.get() as f64 / start.elapsed().as_secs_f64())
    }
}

/// Reads one complete reply.
async fn reply(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> std::io::Result<()> {
    buffer.clear();
    loop {
        if stream.read_buf(buffer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let mut fields = [httparse::EMPTY_HEADER; 32];
        let mut head = httparse::Response::new(&mut fields);
        let Ok(httparse::Status::Complete(length)) = head.parse(buffer) else { continue };
        if head.code != Some(200) {
            return Err(std::io::Error::other(format!("answered {:?}", head.code)));
        }
        let body = head.headers.iter().find(|field| field.name.eq_ignore_ascii_case("content-length"));
        let body = body.and_then(|field| std::str::from_utf8(field.value).ok()?.parse::<usize>().ok());
        if buffer.len() >= length + body.unwrap_or(0) {
            return Ok(());
        }
    }
}
