//! Chooses a port for a command that will listen on it by itself, outside the range that the kernel assigns meanwhile.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// The first and the last ephemeral port of Linux, which the kernel assigns to connections and listeners that ask for
/// any.
const EPHEMERAL_RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";
/// Linux's default lower end, which is below that of other systems.
const DEFAULT_EPHEMERAL_START: u16 = 32_768;
/// Servers with a configured port mostly use lower ones.
const LOWEST: u16 = 10_000;
/// Attempts before an ephemeral port is used after all.
const ATTEMPTS: usize = 1_000;

/// Returns a port on which no process listens and which was not `reserved` to another command.
///
/// # Errors
/// The system has no free port.
pub(super) fn free(reserved: impl Fn(u16) -> bool) -> io::Result<u16> {
    let handed_out_from = std::fs::read_to_string(EPHEMERAL_RANGE).ok();
    let handed_out_from = handed_out_from.and_then(|range| range.split_whitespace().next()?.parse().ok());
    let ports = LOWEST..handed_out_from.unwrap_or(DEFAULT_EPHEMERAL_START).max(LOWEST + 1);
    let drawn = (0..ATTEMPTS).map(|_| fastrand::u16(ports.clone()));
    // Tested on all addresses, because the command may listen on another one than 127.0.0.1.
    let mut free = drawn.filter(|port| TcpListener::bind((Ipv4Addr::UNSPECIFIED, *port)).is_ok());
    match free.find(|port| !reserved(*port)) {
        Some(port) => Ok(port),
        None => Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port()),
    }
}
