//! What every TCP connection is given, and where a listener is reached.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// Bytes that the kernel takes beyond those on their way. By itself it takes megabytes, and tells us of room only when a
/// third of them is gone: a peer that reads 15 kB/s would look like one that reads nothing for 75 s.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 128 * 1024;

/// How long a reader on the admin listener may take nothing of what is written to it. It is told something every 15 s.
#[cfg(target_os = "linux")]
const STALL: Duration = Duration::from_secs(20);

/// How long a connection may be silent before the kernel probes whether its peer is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
/// Time from one probe to the next.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// Probes without an answer that end a connection.
const KEEPALIVE_PROBES: u32 = 3;

/// How long a peer may acknowledge nothing of what is sent to it, or keep its receive window closed, before the kernel
/// ends the connection. On Linux it also bounds the time of the probes.
#[cfg(target_os = "linux")]
const USER_TIMEOUT: Duration = Duration::from_secs(60);

/// Sets the options of a connection of the data path, a client's or a replica's: writes leave at once, and are noticed
/// when they do; a peer that has vanished without a word is noticed after 60 s, so that it does not hold a tunnel, its
/// place in the counts and a drain for ever.
pub(crate) fn prepare(io: &TcpStream) -> io::Result<()> {
    let socket = SockRef::from(io);
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_IDLE);
    let keepalive = keepalive.with_interval(KEEPALIVE_INTERVAL).with_retries(KEEPALIVE_PROBES);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    {
        socket.set_tcp_notsent_lowat(UNSENT)?;
        socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    }
    io.set_nodelay(true)
}

/// A connection of the admin listener: the kernel ends it when its reader has stopped reading, since actix would keep
/// it, and what is written to it, for ever.
pub(crate) fn limit_stall(io: &TcpStream) {
    #[cfg(target_os = "linux")]
    if let Err(error) = SockRef::from(io).set_tcp_user_timeout(Some(STALL)) {
        log::debug!("stall not limited error={error}");
    }
}

/// Where somebody on this machine reaches a listener: on loopback if it listens on every address.
pub(crate) fn reachable(mut listener: SocketAddr) -> SocketAddr {
    match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => listener.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => listener.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    listener
}
