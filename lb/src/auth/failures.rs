//! Limit of authentication failures by client address. Pure: the time is an argument.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Failures in a [`WINDOW`] after which an address is refused until the window ends.
pub const ALLOWED: u32 = 10;

/// Length of the window, which begins with the first failure of an address.
pub const WINDOW: Duration = Duration::from_secs(60);

/// Limit of addresses in memory; a further address replaces the one whose window began first.
const MAX_ADDRESSES: usize = 1024;

/// Failures of the last minute by address; an IPv6 /64 network counts as one address.
#[derive(Debug, Default)]
pub struct Failures(HashMap<IpAddr, Window>);

#[derive(Clone, Copy, Debug)]
struct Window {
    since: Instant,
    count: u32,
}

impl Failures {
    /// How long an address is still refused; `None` if it may try.
    pub fn limited(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let window = self.0.get(&network(address)).filter(|window| window.count >= ALLOWED)?;
        window.left(now)
    }

    /// Counts a failure of an address.
    pub fn add(&mut self, address: IpAddr, now: Instant) {
        let address = network(address);
        self.0.retain(|_, window| window.left(now).is_some());
        if self.0.len() >= MAX_ADDRESSES && !self.0.contains_key(&address) {
            let oldest = self.0.iter().min_by_key(|(_, window)| window.since).map(|(address, _)| *address);
            oldest.and_then(|oldest| self.0.remove(&oldest));
        }
        self.0.entry(address).or_insert(Window { since: now, count: 0 }).count += 1;
    }
}

impl Window {
    fn left(&self, now: Instant) -> Option<Duration> {
        WINDOW.checked_sub(now.saturating_duration_since(self.since)).filter(|left| !left.is_zero())
    }
}

/// The addresses that one client has at its disposal: an IPv4 address, or an IPv6 /64 network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
        ip => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn ten_failures_a_minute() {
        let (mut failures, start) = (Failures::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        for n in 0..10 {
            assert_eq!(failures.limited(ip("10.0.0.1"), at(n)), None);
            failures.add(ip("10.0.0.1"), at(n));
        }
        assert_eq!(failures.limited(ip("10.0.0.1"), at(20)), Some(Duration::from_secs(40)));
        assert_eq!(failures.limited(ip("::ffff:10.0.0.1"), at(20)), Some(Duration::from_secs(40)));
        assert_eq!(failures.limited(ip("10.0.0.2"), at(20)), None);
        assert_eq!(failures.limited(ip("10.0.0.1"), at(60)), None);
        failures.add(ip("10.0.0.1"), at(60));
        assert_eq!(failures.limited(ip("10.0.0.1"), at(60)), None, "a new window begins");
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let (mut failures, now) = (Failures::default(), Instant::now());
        for n in 0..10 {
            failures.add(ip(&format!("2001:db8::{n}")), now);
        }
        assert!(failures.limited(ip("2001:db8::ffff"), now).is_some());
        assert_eq!(failures.limited(ip("2001:db8:0:1::1"), now), None);
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_window_is_evicted() {
        let (mut failures, start) = (Failures::default(), Instant::now());
        let address = |n: u32| IpAddr::from(n.to_be_bytes());
        let at = |n: u32| start + Duration::from_millis(n.into());
        for n in 0..5_000 {
            for _ in 0..10 {
                failures.add(address(n), at(n));
            }
            assert!(failures.0.len() <= MAX_ADDRESSES);
            assert!(failures.limited(address(n), at(n)).is_some());
        }
        assert!(failures.limited(address(5_000 - MAX_ADDRESSES as u32), at(5_000)).is_some());
        assert_eq!(failures.limited(address(4_999 - MAX_ADDRESSES as u32), at(5_000)), None);
        failures.add(address(0), at(200_000));
        assert_eq!(failures.0.len(), 1, "windows that are over are removed");
    }
}
