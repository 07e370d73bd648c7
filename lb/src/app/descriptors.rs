//! Divides the limit of open files, so that client connections never use up the descriptors that heartbeats,
//! connections to replicas, new replicas and the admin listener need.
//!
//! These are reserved from RLIMIT_NOFILE:
//! - the descriptors open now, 10, and 3 for each worker (event loops, log files, connections to an engine);
//! - 4 for each replica (output, process, launcher, heartbeat, its successor): for `--max-replicas`, but at most a
//!   quarter of the limit, and at least for `--replicas` and two more;
//! - a sixteenth of the limit for connections of the admin listener, 4 to 1,024;
//! - a sixteenth of the rest, 2 to 1,024, for connections beyond `--max-connections`, which are answered 503.
//!
//! Each client connection then needs two and a half of the remaining descriptors: itself, a connection to a replica
//! while its request is in flight, and half an idle connection to a replica.

use std::cell::Cell;

use rustix::process::{Resource, getrlimit};

use crate::config::{Config, RuntimeConfig};

use super::StartError;

/// The most connections of the admin listener.
const ADMIN: usize = 1024;

/// Connections beyond `--max-connections` that are answered 503.
const REFUSED: usize = 1024;

/// Descriptors that each replica needs.
const PER_REPLICA: usize = 4;

/// Descriptors that the balancer opens after the start, without workers, replicas and the admin listener (measured).
const OWN: usize = 2;
/// Descriptors of the admin listener and its worker (measured).
const ADMIN_SERVER: usize = 7;
/// Descriptors of a worker: its event loop, signals and wakers (measured).
const WORKER: usize = 4;
/// Descriptors of a replica that runs as a process: its output and the process (measured).
const REPLICA_PROCESS: usize = 2;
/// Descriptors of a client, its connection to a replica, and a heartbeat.
const ONE_REQUEST: usize = 3;

/// Numbers of connections that a limit of open files allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Budget {
    /// Client connections that are served.
    clients: usize,
    /// Client connections beyond these, which are answered 503.
    refused: usize,
    /// Connections of the admin listener.
    admin: usize,
}

impl Budget {
    /// The least number of descriptors with which the balancer can start and serve one client.
    fn least(open: usize, config: &Config) -> usize {
        let replicas = match config.runtime {
            RuntimeConfig::Process { .. } => REPLICA_PROCESS * config.replicas,
            RuntimeConfig::Docker { .. } | RuntimeConfig::Static { .. } => 0,
        };
        let admin = if config.admin_listen.is_some() { ADMIN_SERVER } else { 0 };
        open + OWN + admin + WORKER * config.workers + replicas + ONE_REQUEST
    }

    /// Divides `limit` descriptors, of which `open` are in use; `None`: no limit.
    fn new(limit: Option<usize>, open: usize, config: &Config) -> Self {
        let Some(limit) = limit else { return Self { clients: usize::MAX, refused: REFUSED, admin: ADMIN } };
        let admin = (limit / 16).clamp(4, ADMIN);
        let least = PER_REPLICA * (config.replicas + 2);
        let replicas = (PER_REPLICA * config.max_replicas).min(limit / 4).max(least);
        let reserved = open + 10 + 3 * config.workers + replicas + admin;
        let rest = limit.saturating_sub(reserved);
        let refused = (rest / 16).clamp(2, REFUSED);
        Self { clients: (rest.saturating_sub(refused) * 2 / 5).max(1), refused, admin }
    }

    fn now(config: &Config) -> Result<Self, StartError> {
        let limit = getrlimit(Resource::Nofile).current;
        let limit = limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        // 32 is about the number at the start, for systems without /proc.
        let open = std::fs::read_dir("/proc/self/fd").map_or(32, Iterator::count);
        let needed = Self::least(open, config);
        match limit.filter(|limit| *limit < needed) {
            Some(limit) => Err(StartError::Files { limit, needed, workers: config.workers }),
            None => Ok(Self::new(limit, open, config)),
        }
    }
}

/// The numbers of connections in force since the start: the limit of open files does not change.
#[derive(Clone, Debug)]
pub(super) struct Connections {
    budget: Budget,
    /// The `--max-connections` that was last lowered with a warning.
    warned: Cell<Option<usize>>,
}

impl Connections {
    /// Reads the limit of open files. It must be called before the first connection is accepted.
    ///
    /// # Errors
    /// The limit is too low for the servers to start: actix panics in that case.
    pub fn new(config: &Config) -> Result<Self, StartError> {
        Ok(Self { budget: Budget::now(config)?, warned: Cell::default() })
    }

    /// The configuration with `--max-connections` lowered to the number that the limit allows. Logs a warning at the
    /// start, and when another number is configured.
    pub fn fitted(&self, config: &Config) -> Config {
        let (mut config, most) = (config.clone(), self.budget.clients);
        let configured = config.max_connections;
        let lowered = (configured > most).then_some(configured);
        if self.warned.replace(lowered) != lowered && lowered.is_some() {
            log::warn!(
                to:% = most, from:% = configured, why = "limit_of_open_files", remedy = "'raise ulimit -n'";
                "max connections lowered"
            );
        }
        if lowered.is_some() {
            config.max_connections = most;
        }
        config
    }

    /// The most client connections that one worker accepts; further ones wait in the listen queue.
    pub fn per_worker(&self, config: &Config) -> usize {
        config.max_connections.saturating_add(self.budget.refused).div_ceil(config.workers.max(1))
    }

    /// The most connections of the admin listener.
    pub fn admin(&self) -> usize {
        self.budget.admin
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Command, parse};

    fn config(args: &[&str]) -> Config {
        let args = ["lb", "--workers", "2"].iter().chain(args);
        match parse(args, [("", "")]).unwrap() {
            Command::Run(config) => config,
            _ => panic!("no command was given"),
        }
    }

    #[test]
    fn usual_limits_allow_the_default_number_of_connections() {
        let config = config(&[]);
        for limit in [None, Some(1 << 20), Some(524_288), Some(1 << 17)] {
            let budget = Budget::new(limit, 20, &config);
            assert!(budget.clients >= config.max_connections, "{limit:?} {budget:?}");
            assert_eq!((budget.refused, budget.admin), (1024, 1024));
        }
    }

    #[test]
    fn the_budget_fits_the_limit() {
        let config = config(&["--replicas", "3"]);
        for limit in [200, 256, 512, 1024, 4096, 20_000, 65_536] {
            let Budget { clients, refused, admin } = Budget::new(Some(limit), 20, &config);
            let used = clients * 5 / 2 + refused + admin + 20 + 10 + 6 + 20;
            assert!(used <= limit, "{limit}: {clients} {refused} {admin}");
        }
        assert_eq!(Budget::new(Some(20_000), 20, &config).clients, 7076);
    }

    #[test]
    fn the_least_limit_grows_with_workers_and_replicas() {
        let least = |args: &[&str]| Budget::least(13, &config(args));
        assert_eq!(least(&["--replicas", "3"]), 39);
        assert_eq!(least(&["--replicas", "5"]), 43);
        assert_eq!(least(&["--replicas", "3", "--admin-listen", "off"]), 32);
    }

    #[test]
    fn a_tiny_limit_still_allows_one_client() {
        assert_eq!(Budget::new(Some(30), 20, &config(&[])).clients, 1);
    }
}
