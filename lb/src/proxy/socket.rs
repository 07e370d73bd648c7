//! TCP options of client and replica connections, and the address at which a listener is reachable.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// Unsent bytes in the kernel's send buffer above which a socket is not writable (`TCP_NOTSENT_LOWAT`). By default the
/// kernel buffers megabytes and reports a socket as writable only when a third of them is sent: a peer that reads
/// 15 kB/s would look like one that reads nothing for 75 s.
#[cfg(target_os = "linux")]
const NOTSENT_LOWAT: u32 = 128 * 1024;

/// How long a client of the admin listener may leave sent data unacknowledged. Event streams send something every 15 s.
#[cfg(target_os = "linux")]
const ADMIN_USER_TIMEOUT: Duration = Duration::from_secs(20);

/// Idle time of a connection before the first keep-alive probe.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
/// Time between two keep-alive probes.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// Number of unanswered keep-alive probes that end a connection.
const KEEPALIVE_PROBES: u32 = 3;

/// How long the peer of a tunnel may leave sent data unacknowledged, or keep its receive window closed, before the kernel
/// ends the connection (`TCP_USER_TIMEOUT`). On Linux it also bounds the time of the keep-alive probes.
const USER_TIMEOUT: Duration = Duration::from_secs(60);

/// Sets the options of the traffic listener that its connections inherit: seven system calls less for each of them.
pub(crate) fn prepare_listener(listener: &TcpListener) -> io::Result<()> {
    set_options(SockRef::from(listener), Some(USER_TIMEOUT))
}

/// Sets the options of a replica connection. `user_timeout`: see [`user_timeout`].
pub(crate) fn prepare(io: &TcpStream, user_timeout: Option<Duration>) -> io::Result<()> {
    set_options(SockRef::from(io), user_timeout)
}

/// The options of the data path: writes are sent at once (`TCP_NODELAY`), the kernel buffers little, and a peer that
/// vanished without a FIN is detected. Otherwise it would keep a tunnel, its count of requests in flight and a drain open
/// for ever.
fn set_options(socket: SockRef<'_>, user_timeout: Option<Duration>) -> io::Result<()> {
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_IDLE);
    let keepalive = keepalive.with_interval(KEEPALIVE_INTERVAL).with_retries(KEEPALIVE_PROBES);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    {
        socket.set_tcp_notsent_lowat(NOTSENT_LOWAT)?;
        socket.set_tcp_user_timeout(user_timeout)?;
    }
    #[cfg(not(target_os = "linux"))]
    let _ = user_timeout;
    socket.set_tcp_nodelay(true)
}

/// The `TCP_USER_TIMEOUT` of a connection whose peer may make the balancer wait as long as each of `limits` allows; 60 s
/// at least, `None` (the kernel's own limit) if one of them is off. A shorter one would cut off a live peer that keeps
/// its receive window closed while it works.
pub(crate) fn user_timeout<const N: usize>(limits: [Option<Duration>; N]) -> Option<Duration> {
    limits.into_iter().try_fold(USER_TIMEOUT, |longest, limit| limit.map(|limit| longest.max(limit)))
}

/// Sets the options of a connection that becomes a tunnel: no limit but `TCP_USER_TIMEOUT` ends it.
pub(crate) fn becomes_tunnel(io: &TcpStream) {
    #[cfg(target_os = "linux")]
    if let Err(error) = SockRef::from(io).set_tcp_user_timeout(Some(USER_TIMEOUT)) {
        log::debug!(error:%; "user timeout not set");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = io;
}

/// Lets the kernel end a connection of the admin listener whose client has stopped reading. Its connections inherit the
/// option.
pub(crate) fn limit_stall(listener: &TcpListener) {
    #[cfg(target_os = "linux")]
    if let Err(error) = SockRef::from(listener).set_tcp_user_timeout(Some(ADMIN_USER_TIMEOUT)) {
        log::debug!(error:%; "stall not limited");
    }
}

/// The address at which this machine reaches a listener: loopback if the listener is bound to every address.
pub(crate) fn reachable(mut listener: SocketAddr) -> SocketAddr {
    match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => listener.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => listener.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    listener
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_timeout_is_never_shorter_than_a_configured_limit() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(user_timeout([seconds(30), seconds(60)]), seconds(60));
        assert_eq!(user_timeout([seconds(300), seconds(60)]), seconds(300));
        assert_eq!(user_timeout([seconds(30), seconds(90)]), seconds(90));
        assert_eq!(user_timeout([None, seconds(60)]), None);
        assert_eq!(user_timeout([seconds(600), None]), None);
    }
}
