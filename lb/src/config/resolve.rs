//! Checks the settings against each other (exclusions, upper limits) and builds a [`Config`].

use std::num::NonZeroUsize;
use std::thread::available_parallelism;

use super::args::Args;
use super::exit::Exit;
use super::settings::Settings;
use super::validator::Validator;
use super::{Config, Heartbeat};

impl Config {
    /// Builds the configuration.
    ///
    /// # Errors
    /// When a value is invalid, or settings contradict each other.
    pub(super) fn resolve(settings: &Settings) -> Result<Self, Exit> {
        let args = settings.args()?;
        let Args { listeners, replicas, docker, placement, balancing, health, .. } = args;
        let Args { forwarding, clients, control, logging, .. } = args;
        let validator = Validator(settings);

        validator.distinct_listeners(listeners.listen, listeners.admin_listen)?;
        let admin_token = validator.token(&listeners, control.control)?;
        let bounded_load = validator.bounded_load(&balancing, placement.preset)?;
        let (layout, key) = validator.placement(placement)?;
        let (runtime, count, max) = validator.runtime(&replicas, &docker, &layout)?;
        let heartbeat = Heartbeat {
            path: health.heartbeat_path,
            host: health.heartbeat_host,
            statuses: health.heartbeat_status,
            interval: health.heartbeat_interval,
            timeout: health.heartbeat_timeout,
            failures: health.heartbeat_failures,
            replace_after: health.replace_after,
        };
        if heartbeat.path.is_none() {
            validator.reject(
                &["heartbeat-host", "heartbeat-status"],
                "only with a --heartbeat-path, which is off",
            )?;
        }
        validator.at_most(
            "heartbeat-interval",
            heartbeat.interval,
            "replace-after",
            heartbeat.replace_after,
        )?;
        validator.at_most(
            "heartbeat-timeout",
            heartbeat.timeout,
            "replace-after",
            heartbeat.replace_after,
        )?;

        Ok(Self {
            listen: listeners.listen,
            admin_listen: listeners.admin_listen,
            admin_hosts: listeners.admin_host,
            admin_token,
            runtime,
            replicas: count,
            max_replicas: max,
            weights: replicas.weights.unwrap_or_default(),
            cluster: replicas.cluster,
            layout,
            key,
            policy: balancing.policy,
            bounded_load,
            bounded_load_floor: balancing.bounded_load_floor,
            heartbeat,
            eject_on: health.eject_on,
            connect_timeout: forwarding.connect_timeout,
            head_timeout: forwarding.head_timeout,
            idle_timeout: forwarding.idle_timeout,
            request_timeout: forwarding.request_timeout,
            retries: forwarding.retries,
            retry_budget: forwarding.retry_budget,
            start_timeout: replicas.start_timeout,
            drain: replicas.drain,
            stop_timeout: replicas.stop_timeout,
            on_exit: docker.on_exit,
            control: control.control,
            strict_rm: control.strict_rm,
            trusted_proxies: forwarding.trusted_proxies,
            map_404: forwarding.map_404,
            max_control_body: control.max_control_body,
            max_connections: clients.max_connections,
            max_in_flight: clients.max_in_flight,
            max_header_size: clients.max_header_size,
            max_target: clients.max_target,
            max_body: clients.max_body,
            client_head_timeout: clients.client_head_timeout,
            client_idle_timeout: clients.client_idle_timeout,
            upgrade_allow: clients.upgrade_allow,
            access_log: logging.access_log,
            log_key: logging.log_key,
            debug_headers: logging.debug_headers,
            workers: listeners
                .workers
                .unwrap_or_else(|| available_parallelism().map_or(1, NonZeroUsize::get)),
        })
    }
}
