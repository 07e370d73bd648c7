//! Shortages of resources of the balancer process: descriptors, memory, local ports.
//!
//! An operation that fails because of a shortage is not counted as a failure of its replica. An episode is reported by
//! two log lines: one when it begins, one when it is over.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::io::Errno;

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
    /// EADDRNOTAVAIL: every local port towards the address is in use.
    Ports,
    /// ENOMEM, ENOBUFS.
    Memory,
    /// EAGAIN of fork(2): the limit of processes is reached.
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

/// Reports an operation that failed because of a shortage; the first one of an episode is logged. `what` is the name of
/// the operation in the log.
pub(crate) fn report(what: &str, error: &io::Error) {
    let resource = resource_of(error).unwrap_or(Resource::Processes);
    EPISODE.failures.fetch_add(1, Ordering::Relaxed);
    if EPISODE.active.swap(true, Ordering::Relaxed) {
        return;
    }
    log::warn!("shortage begins of={} failed={what} error={error}", resource.as_str());
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn(end(Instant::now()))),
        // Without a runtime no task can wait for the end: each failure is an episode of its own.
        Err(_) => EPISODE.active.store(false, Ordering::Relaxed),
    }
}

/// Waits until the episode is over, and logs that.
async fn end(begun: Instant) {
    let _over = Over; // also if the thread's runtime ends first
    let (mut seen, mut quiet_since) = (EPISODE.failures.load(Ordering::Relaxed), Instant::now());
    while quiet_since.elapsed() < QUIET {
        tokio::time::sleep(CHECK).await;
        let failures = EPISODE.failures.load(Ordering::Relaxed);
        if failures != seen {
            (seen, quiet_since) = (failures, Instant::now());
        }
    }
    let lasted = quiet_since.saturating_duration_since(begun);
    log::info!("shortage over failures={seen} lasted_ms={}", lasted.as_millis());
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
