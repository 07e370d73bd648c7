//! What every TCP connection of the data path is given, a client's or a replica's.

use std::io;

use tokio::net::TcpStream;

/// Bytes that the kernel takes beyond those on their way. By itself it takes megabytes, and tells us of room only when a
/// third of them is gone: a peer that reads 15 kB/s would look like one that reads nothing for 75 s.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 128 * 1024;

/// Writes leave at once, and are noticed when they do.
pub(crate) fn prepare(io: &TcpStream) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(io).set_tcp_notsent_lowat(UNSENT)?;
    io.set_nodelay(true)
}
