//! How the process's limit of open files is divided: clients never use up what heartbeats, connections to replicas, new
//! replicas and the admin listener need.
//!
//! Of RLIMIT_NOFILE, these are set aside first:
//! - what is open now, 10, and 3 for each worker (event loops, log files, connections to an engine);
//! - 4 for each replica (output, process, launcher, heartbeat, its successor): for `--max-replicas` if a quarter of the
//!   limit carries that, at least for `--replicas` and two more;
//! - a sixteenth of the limit for connections of the admin listener, 4 to 1,024;
//! - a sixteenth of the rest, 2 to 1,024, for connections beyond `--max-connections`, which are answered 503.
//!
//! Each client connection then takes two and a half of what is left: itself, a connection to a replica while its request
//! is in flight, and half an idle connection to a replica.

use rustix::process::{Resource, getrlimit};

use crate::config::Config;

/// Connections of the admin listener: they must not use up the descriptors that the traffic needs.
const ADMIN: usize = 1024;

/// Connections beyond `--max-connections` that are answered 503.
const REFUSED: usize = 1024;

/// Descriptors of a replica.
const PER_REPLICA: usize = 4;

/// What one limit of open files carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Budget {
    /// Connections of clients.
    clients: usize,
    /// Connections of clients beyond these.
    refused: usize,
    /// Connections of the admin listener.
    admin: usize,
}

impl Budget {
    /// `limit` descriptors, of which `open` are in use; `None`: no limit.
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

    fn now(config: &Config) -> Self {
        let limit = getrlimit(Resource::Nofile).current;
        let limit = limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        // Where it cannot be counted: about what is open at the start.
        let open = std::fs::read_dir("/proc/self/fd").map_or(32, Iterator::count);
        Self::new(limit, open, config)
    }
}

/// The numbers of connections in force since the start: the limit of open files does not change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Connections(Budget);

impl Connections {
    /// Looks at the limit of open files. To be called before the first connection is accepted.
    pub fn new(config: &Config) -> Self {
        Self(Budget::now(config))
    }

    /// The configuration with `--max-connections` lowered to what the limit carries; one warning if that is less.
    pub fn fitted(&self, config: &Config) -> Config {
        let (mut config, most) = (config.clone(), self.0.clients);
        if config.max_connections > most {
            log::warn!(
                "max connections lowered to={most} from={} why=limit_of_open_files remedy='raise ulimit -n'",
                config.max_connections
            );
            config.max_connections = most;
        }
        config
    }

    /// The most client connections that one worker accepts, beyond which clients wait to be accepted.
    pub fn per_worker(&self, config: &Config) -> usize {
        config.max_connections.saturating_add(self.0.refused).div_ceil(config.workers.max(1))
    }

    /// The most connections of the admin listener.
    pub fn admin(&self) -> usize {
        self.0.admin
    }
}

/// The most idle connections to replicas that one worker keeps.
pub(super) fn idle_upstream(config: &Config) -> usize {
    (config.max_connections / 2 / config.workers.max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Command, parse};

    fn config(args: &[&str]) -> Config {
        let args = ["lb", "--workers", "2"].iter().chain(args);
        match parse(args, [("", "")]).unwrap() {
            Command::Run(config) => config,
            _ => panic!("no command was given"),
        }
    }

    #[test]
    fn the_usual_limits_carry_the_default() {
        let config = config(&[]);
        for limit in [None, Some(1 << 20), Some(524_288), Some(1 << 17)] {
            let budget = Budget::new(limit, 20, &config);
            assert!(budget.clients >= config.max_connections, "{limit:?} {budget:?}");
            assert_eq!((budget.refused, budget.admin), (1024, 1024));
        }
    }

    #[test]
    fn what_is_divided_fits_the_limit() {
        let config = config(&["--replicas", "3"]);
        for limit in [200, 256, 512, 1024, 4096, 20_000, 65_536] {
            let Budget { clients, refused, admin } = Budget::new(Some(limit), 20, &config);
            let used = clients * 5 / 2 + refused + admin + 20 + 10 + 6 + 20;
            assert!(used <= limit, "{limit}: {clients} {refused} {admin}");
        }
        assert_eq!(Budget::new(Some(20_000), 20, &config).clients, 7076);
    }

    #[test]
    fn a_limit_that_carries_nothing_still_serves_one_client() {
        assert_eq!(Budget::new(Some(30), 20, &config(&[])).clients, 1);
    }
}
