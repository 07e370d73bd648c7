//! Each request of the corpus through a balancer: what reaches a replica is unambiguous.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

use crate::support::STATE_TIMEOUT;
use crate::support::origin::Origin;
use crate::support::validating_replica::ValidatingReplica;
use crate::testing::corpus;

/// Number of concurrent requests: many are incomplete and end only when the balancer gives up.
const AT_ONCE: usize = 128;

/// Statuses that the balancer may send for such requests; an internal error is not among them.
const STATUSES: [u16; 11] = [200, 400, 405, 408, 411, 413, 414, 417, 431, 501, 505];

#[test]
fn forwarded_requests_are_never_ambiguous() {
    let requests = corpus::requests();
    let replica = ValidatingReplica::new();
    let limits = ["--client-head-timeout=500ms", "--client-idle-timeout=500ms", "--idle-timeout=500ms"];
    let lb = Origin::balanced(&[&replica.origin], &limits);
    let (next, replies) = (AtomicUsize::new(0), channel());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            let (next, requests, tell, to) = (&next, &requests, replies.0.clone(), lb.traffic);
            scope.spawn(move || {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let Some((id, request)) = requests.get(n) else { break };
                    tell.send((id, replies_to(to, source(n), request))).unwrap();
                }
            });
        }
    });
    drop(replies.0);
    let mut bad = Vec::new();
    for (id, reply) in replies.1 {
        let last = reply.strip_prefix(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap_or(&reply);
        let status = last.get(9..12).and_then(|status| std::str::from_utf8(status).ok()?.parse().ok());
        // No reply: the connection was idle, or was closed because the bytes are not HTTP.
        if !last.is_empty() && status.is_none_or(|status| !STATUSES.contains(&status)) {
            bad.push(("odd reply".to_owned(), id.clone(), shown(&reply)));
        }
    }
    lb.until("nothing is in flight", |lb| lb.replicas()[0]["in_flight"] == 0);
    replica.origin.until_open(0);
    let forwarded = replica.seen();
    bad.extend(
        replica
            .bad()
            .into_iter()
            .map(|(why, bytes)| (why, from(&bytes, &requests).unwrap_or_default(), shown(&bytes))),
    );
    assert!(forwarded > 100, "only {forwarded} were forwarded");
    let classes = bad.iter().fold(BTreeMap::<_, usize>::new(), |mut classes, (why, _, _)| {
        *classes.entry(why).or_default() += 1;
        classes
    });
    let list: String = bad.iter().map(|(why, id, bytes)| format!("\n{why}: {id}: {bytes}")).collect();
    assert!(
        bad.is_empty(),
        "{} of {} requests, {forwarded} forwarded: {classes:#?}{list}",
        bad.len(),
        requests.len()
    );
}

/// A different client address for each request; `X-Forwarded-For` identifies the request by it.
fn source(n: usize) -> Ipv4Addr {
    let [.., a, b] = n.to_be_bytes();
    Ipv4Addr::new(127, 7, a, b)
}

/// The id of the corpus request that these forwarded bytes belong to.
fn from(bytes: &[u8], requests: &[(String, Vec<u8>)]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes).to_lowercase();
    let address = text.split("\r\nx-forwarded-for: ").nth(1)?.split("\r\n").next()?;
    let [127, 7, a, b] = address.parse::<Ipv4Addr>().ok()?.octets() else { return None };
    requests.get(usize::from(u16::from_be_bytes([a, b]))).map(|(id, _)| id.clone())
}

/// Sends a request, and returns all bytes until the balancer closes.
fn replies_to(to: SocketAddr, from: Ipv4Addr, request: &[u8]) -> Vec<u8> {
    let io = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&io, &SocketAddrV4::new(from, 0)).unwrap();
    connect(&io, &to).unwrap();
    let mut io = TcpStream::from(io);
    io.set_read_timeout(Some(STATE_TIMEOUT)).unwrap();
    io.set_write_timeout(Some(STATE_TIMEOUT)).unwrap();
    let _ = io.write_all(request); // the balancer may have refused it before its end
    let mut reply = Vec::new();
    let open = io.read_to_end(&mut reply).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
    assert!(!open, "never closed: {} after {}", shown(request), shown(&reply));
    reply
}

fn shown(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(400)].escape_ascii().to_string()
}
