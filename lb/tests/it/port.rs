//! Ports for who cannot be given a listener: below those that the kernel hands out, so that nobody takes one in between.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

static TAKEN: AtomicU32 = AtomicU32::new(0);

/// A port on which nobody listens, and which this run of the tests takes only once.
pub fn free() -> u16 {
    loop {
        // Another run on this machine begins elsewhere.
        let n = std::process::id().wrapping_mul(97).wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed));
        let port = 6_000 + u16::try_from(n % 4_000).unwrap();
        if TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            return port;
        }
    }
}
