//! Ports for programs that cannot inherit a listener. They are below the kernel's ephemeral range, so that no other
//! process takes one in between.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

static TAKEN: AtomicU32 = AtomicU32::new(0);

/// A port on which no process listens; each call in a test run returns another one.
pub fn free() -> u16 {
    loop {
        // A concurrent run on this machine starts at another port.
        let n = std::process::id().wrapping_mul(97).wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed));
        let port = 6_000 + u16::try_from(n % 4_000).unwrap();
        if TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            return port;
        }
    }
}
