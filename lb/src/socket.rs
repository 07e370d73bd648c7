//! What every TCP connection is given, and where a listener is reached.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;

/// Bytes that the kernel takes beyond those on their way. By itself it takes megabytes, and tells us of room only when a
/// third of them is gone: a peer that reads 15 kB/s would look like one that reads nothing for 75 s.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 128 * 1024;

/// How long a reader on the admin listener may take nothing of what is written to it. It is told something every 15 s.
#[cfg(target_os = "linux")]
const STALL: Duration = Duration::from_secs(20);

/// A connection of the data path, a client's or a replica's: writes leave at once, and are noticed when they do.
pub(crate) fn prepare(io: &TcpStream) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(io).set_tcp_notsent_lowat(UNSENT)?;
    io.set_nodelay(true)
}

/// A connection of the admin listener: the kernel ends it when its reader has stopped reading, since actix would keep
/// it, and what is written to it, for ever.
pub(crate) fn limit_stall(io: &TcpStream) {
    #[cfg(target_os = "linux")]
    if let Err(error) = socket2::SockRef::from(io).set_tcp_user_timeout(Some(STALL)) {
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
