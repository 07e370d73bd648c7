//! A port for a command that will listen on it by itself, and none that the kernel gives to somebody else in between.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// The first and the last port that Linux hands out to whoever asks for any, for a connection or a listener.
const HANDED_OUT: &str = "/proc/sys/net/ipv4/ip_local_port_range";
/// Linux's own default, and below that of other systems.
const USUALLY_FROM: u16 = 32_768;
/// What people give to servers of their own is mostly below.
const LOWEST: u16 = 10_000;
/// How many are tried; then it is one of those that the kernel hands out.
const ATTEMPTS: usize = 1_000;

/// A port on which nobody listens and which is not `given` to a command already.
///
/// # Errors
/// When the system has none.
pub(super) fn free(given: impl Fn(u16) -> bool) -> io::Result<u16> {
    let handed_out_from = std::fs::read_to_string(HANDED_OUT).ok();
    let handed_out_from = handed_out_from.and_then(|range| range.split_whitespace().next()?.parse().ok());
    let ports = LOWEST..handed_out_from.unwrap_or(USUALLY_FROM).max(LOWEST + 1);
    let drawn = (0..ATTEMPTS).map(|_| fastrand::u16(ports.clone()));
    // On any address: the command may choose another than ours.
    let mut free = drawn.filter(|port| TcpListener::bind((Ipv4Addr::UNSPECIFIED, *port)).is_ok());
    match free.find(|port| !given(*port)) {
        Some(port) => Ok(port),
        None => Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port()),
    }
}
