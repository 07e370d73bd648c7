//! Shortages of resources of the balancer process: descriptors, memory, local ports.
//!
//! An operation that fails because of a shortage is not counted as a failure of its replica. An episode is reported by
//! two log lines: one when it begins, one when it is over.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use socket2::{Domain, Socket, Type};

/// An episode is over when no operation has failed for this long.
const QUIET: Duration = Duration::from_secs(5);

/// Interval of the check whether an episode is over.
const CHECK: Duration = Duration::from_secs(1);

/// One episode for the process, because its threads share descriptors, memory and ports.
static EPISODE: Episode = Episode { active: AtomicBool::new(false), failures: AtomicU64::new(0) };

/// The current episode, if any.
struct Episode {
    /// Whether an episode is in progress.
    active: AtomicBool,
    /// Number of operations that have failed since it began.
    failures: AtomicU64,
}

/// A resource of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resource {
    /// Open files: EMFILE, ENFILE.
    Descriptors,
    /// Local ports: EADDRNOTAVAIL if every local port towards the address is in use, but see [`connect_error`].
    Ports,
    /// Memory: ENOMEM, ENOBUFS.
    Memory,
    /// Processes: EAGAIN of fork(2) if their limit is reached.
    Processes,
}

/// Whether an operation failed because of a shortage of the balancer process.
pub(crate) fn is_own_shortage(error: &io::Error) -> bool {
    resource_of(error).is_some()
}

/// Like [`is_own_shortage`], for the start of a process: EAGAIN counts too (RLIMIT_NPROC, pids cgroup).
pub(crate) fn is_launch_shortage(error: &io::Error) -> bool {
    is_own_shortage(error) || errno(error) == Some(Errno::AGAIN)
}

/// The error of a connection attempt to `address`. The kernel returns EADDRNOTAVAIL also if this host has no address of
/// the family of `address` (`::1` where IPv6 is disabled). That is no shortage: it becomes an error without an OS error
/// code, which [`is_own_shortage`] does not match.
pub(crate) fn connect_error(error: io::Error, address: SocketAddr) -> io::Error {
    if resource_of(&error) != Some(Resource::Ports) || has_source_address(address) {
        return error;
    }
    io::Error::new(error.kind(), format!("no local address reaches {}", address.ip()))
}

/// Whether this host has an address from which `address` can be reached, by connecting a UDP socket: that sends no
/// packet and uses no TCP port.
fn has_source_address(address: SocketAddr) -> bool {
    let connected = Socket::new(Domain::for_address(address), Type::DGRAM, None)
        .and_then(|socket| socket.connect(&address.into()));
    match connected {
        Ok(()) => true,
        // A shortage, of UDP ports (EAGAIN) or of anything else than an address, proves nothing.
        Err(error) => match errno(&error) {
            Some(Errno::AGAIN) => true,
            _ => resource_of(&error).is_some_and(|resource| resource != Resource::Ports),
        },
    }
}

/// Reports an operation that failed for a shortage: the first one of an episode is logged. `what` names the operation.
pub(crate) fn report(what: &str, error: &io::Error) {
    let resource = resource_of(error).unwrap_or(Resource::Processes);
    EPISODE.failures.fetch_add(1, Ordering::Relaxed);
    if EPISODE.active.swap(true, Ordering::Relaxed) {
        return;
    }
    log::warn!(of:% = resource.as_str(), failed:% = what, error:%; "shortage begins");
    // A thread of its own: accepting threads have no runtime, and it needs no descriptor.
    let begun = Instant::now();
    let waiting = std::thread::Builder::new().name("shortage".into()).spawn(move || end(begun));
    if waiting.is_err() {
        // Nothing can wait for the end: each failure is an episode of its own.
        EPISODE.active.store(false, Ordering::Relaxed);
    }
}

/// Waits until the episode is over, and logs that.
fn end(begun: Instant) {
    let _over = Over;
    let (mut seen, mut quiet_since) = (EPISODE.failures.load(Ordering::Relaxed), Instant::now());
    while quiet_since.elapsed() < QUIET {
        std::thread::sleep(CHECK);
        let failures = EPISODE.failures.load(Ordering::Relaxed);
        if failures != seen {
            (seen, quiet_since) = (failures, Instant::now());
        }
    }
    let lasted = quiet_since.saturating_duration_since(begun);
    log::info!(failures:% = seen, lasted_ms:% = lasted.as_millis(); "shortage over");
}

/// Ends the episode when dropped.
struct Over;

impl Drop for Over {
    fn drop(&mut self) {
        EPISODE.failures.store(0, Ordering::Relaxed);
        EPISODE.active.store(false, Ordering::Relaxed);
    }
}

fn resource_of(error: &io::Error) -> Option<Resource> {
    match errno(error)? {
        Errno::MFILE | Errno::NFILE => Some(Resource::Descriptors),
        Errno::ADDRNOTAVAIL => Some(Resource::Ports),
        Errno::NOMEM | Errno::NOBUFS => Some(Resource::Memory),
        _ => None,
    }
}

fn errno(error: &io::Error) -> Option<Errno> {
    error.raw_os_error().map(Errno::from_raw_os_error)
}

impl Resource {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Descriptors => "descriptors",
            Self::Ports => "ports",
            Self::Memory => "memory",
            Self::Processes => "processes",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Run in a network namespace of its own, whose loopback interface is down: it has no address `::1`.
    #[test]
    fn connects_without_a_source_address() {
        if std::env::var_os("LB_TEST_NO_ADDRESS").is_none() {
            return;
        }
        let address: SocketAddr = "[::1]:9".parse().unwrap();
        let refused = std::net::TcpStream::connect(address).unwrap_err();
        assert_eq!(errno(&refused), Some(Errno::ADDRNOTAVAIL));
        assert!(!is_own_shortage(&connect_error(refused, address)));
        println!("no shortage");
    }

    #[test]
    fn a_host_without_an_address_of_the_family_is_short_of_nothing() {
        let mut command = std::process::Command::new("unshare");
        command.args(["--user", "--map-root-user", "--net"]).arg(std::env::current_exe().unwrap());
        command.args(["shortage::tests::connects_without_a_source_address", "--exact", "--nocapture"]);
        let ended = match command.env("LB_TEST_NO_ADDRESS", "1").output() {
            Ok(ended) => ended,
            Err(error) => return eprintln!("skipped: unshare does not start: {error}"),
        };
        let stderr = String::from_utf8_lossy(&ended.stderr);
        if stderr.starts_with("unshare:") {
            return eprintln!("skipped: no network namespace: {stderr}");
        }
        let stdout = String::from_utf8_lossy(&ended.stdout);
        assert!(ended.status.success() && stdout.contains("no shortage"), "{stdout}{stderr}");
    }

    #[test]
    fn no_port_towards_a_reachable_address_is_a_shortage() {
        let address = "127.0.0.1:9".parse().unwrap();
        assert!(is_own_shortage(&connect_error(error(Errno::ADDRNOTAVAIL), address)));
        assert!(is_own_shortage(&connect_error(error(Errno::MFILE), address)));
    }

    fn error(errno: Errno) -> io::Error {
        io::Error::from_raw_os_error(errno.raw_os_error())
    }

    #[test]
    fn shortages_of_the_process_are_not_failures_of_a_replica() {
        for own in [Errno::MFILE, Errno::NFILE, Errno::ADDRNOTAVAIL, Errno::NOMEM, Errno::NOBUFS] {
            assert!(is_own_shortage(&error(own)), "{own}");
            assert!(is_launch_shortage(&error(own)), "{own}");
        }
        for foreign in
            [Errno::CONNREFUSED, Errno::CONNRESET, Errno::HOSTUNREACH, Errno::TIMEDOUT, Errno::NOENT]
        {
            assert!(!is_own_shortage(&error(foreign)), "{foreign}");
            assert!(!is_launch_shortage(&error(foreign)), "{foreign}");
        }
        assert!(!is_own_shortage(&io::ErrorKind::AddrNotAvailable.into()), "not an error of the kernel");
        assert!(!is_own_shortage(&error(Errno::AGAIN)));
        assert!(is_launch_shortage(&error(Errno::AGAIN)));
    }
}
