//! The configuration: its fields, how they follow from the flags, and the settings of each part that follow from them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::args::{Args, cores};
use super::exit::Exit;
use super::layers::Settings;
use super::validator::Validator;
use super::{Cluster, Control, Heartbeat, OnExit, RuntimeConfig};
use crate::admin;
use crate::auth::AuthHandle;
use crate::auth::token::Token;
use crate::balance::{Bound, Policy};
use crate::control::supervisor::StartDuration;
use crate::fleet::{self, Ownership};
use crate::observe::access_log::{self, Redactor};
use crate::proxy::dispatcher::UpgradeAllow;
use crate::proxy::key::KeySources;
use crate::proxy::redaction::{KeyRedactor, LogKey};
use crate::proxy::{client, control_api, dispatcher, router, service};
use crate::ring::{Layout, SeatId, Weight};
use crate::runtime::{self, heartbeat::HeartbeatRequest};
use crate::statuses::Statuses;

/// The validated configuration of a balancer. [`Config::default`] is the configuration without any flag; `lb --help`
/// documents each setting with its default.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Address of the traffic listener.
    pub listen: SocketAddr,
    /// Address of the admin listener; `None`: off.
    pub admin_listen: Option<SocketAddr>,
    /// Host names that the admin listener accepts in `Host`, beside `localhost` and IP addresses.
    pub admin_hosts: Vec<String>,
    /// The admin token; `None`: one is generated at the start where one is required.
    pub admin_token: Option<Token>,
    /// How replicas are run, with the settings of that runtime.
    pub runtime: RuntimeConfig,
    /// Replicas at the start, at most `max_replicas`; with external servers their number.
    pub replicas: usize,
    /// The most replicas, at most the number of seats of the layout; with external servers their number.
    pub max_replicas: usize,
    /// Weights of seats; a seat that is absent has weight 100.
    pub weights: BTreeMap<SeatId, Weight>,
    /// The label that separates balancers on one engine.
    pub cluster: Cluster,
    /// Places keys on seats.
    pub layout: Layout,
    /// The ordered sources of a request's key.
    pub key: KeySources,
    /// Selects the first choice of a request.
    pub policy: Policy,
    /// The most requests in flight to a replica, in thousandths of its share, at least 1000; `None`: no limit.
    pub bounded_load: Option<u32>,
    /// Requests in flight to a replica, over all workers, that the bounded load always allows.
    pub bounded_load_floor: usize,
    /// Health checks of replicas.
    pub heartbeat: Heartbeat,
    /// Statuses of which five replies in a row eject a replica; may be empty.
    pub eject_on: Statuses,
    /// The longest wait for a connection to a replica.
    pub connect_timeout: Duration,
    /// The longest wait for the head of a replica's reply; `None`: no limit.
    pub head_timeout: Option<Duration>,
    /// The longest time without a byte while a body is transferred.
    pub idle_timeout: Duration,
    /// The longest time from a request to the last byte of its reply; `None`: no limit.
    pub request_timeout: Option<Duration>,
    /// How long a connection to a replica is kept idle; `None`: not at all.
    pub pool_idle: Option<Duration>,
    /// The most retries of a failed request, 0 to 20.
    pub retries: u32,
    /// The most retries of all requests in the last seconds, in percent of these requests, 0 to 100.
    pub retry_budget: u32,
    /// The longest time from the launch of a replica until it is ready.
    pub start_timeout: Duration,
    /// The longest wait for requests in flight before a replica or the balancer stops; zero: no wait.
    pub drain: Duration,
    /// Time from SIGTERM to SIGKILL; zero: SIGKILL at once.
    pub stop_timeout: Duration,
    /// What happens to the replicas when the balancer ends.
    pub on_exit: OnExit,
    /// Access to /rep, /add and /rm.
    pub control: Control,
    /// Whether /rm of more replicas than there are is an error, instead of removing all.
    pub strict_rm: bool,
    /// Networks of proxies whose forwarding headers are trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether a replica's 404 becomes the contract's 400.
    pub map_404: bool,
    /// The largest body of /add and /rm, in bytes.
    pub max_control_body: usize,
    /// The most client connections at one time.
    pub max_connections: usize,
    /// The most requests in flight in each worker.
    pub max_in_flight: usize,
    /// The largest header of a request, all its fields together, in bytes.
    pub max_header_size: usize,
    /// The longest target of a request, in bytes.
    pub max_target: usize,
    /// The largest body of a request, in bytes; `None`: no limit.
    pub max_body: Option<u64>,
    /// The longest wait for the whole head of a request.
    pub client_head_timeout: Duration,
    /// The longest time without a byte in either direction before a client connection is closed.
    pub client_idle_timeout: Duration,
    /// Protocols to which a client may upgrade its connection.
    pub upgrade_allow: UpgradeAllow,
    /// Format and destination of the access log; `None`: off.
    pub access_log: Option<access_log::Settings>,
    /// The form of request keys in the access log and in the hot keys.
    pub log_key: LogKey,
    /// Whether responses get fields about their routing.
    pub debug_headers: bool,
    /// Threads that serve clients, at least one.
    pub workers: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self::resolve(&Settings::default()).expect("the defaults are constants and agree with each other")
    }
}

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
        let heartbeat = Heartbeat::new(&health);
        validator.heartbeat(&heartbeat)?;

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
            pool_idle: forwarding.pool_idle,
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
            workers: listeners.workers.unwrap_or_else(cores),
        })
    }
}

/// The settings of each part, made anew for each change of the configuration.
impl Config {
    /// The settings of the fleet.
    pub(crate) fn fleet(&self) -> fleet::Settings {
        let (ownership, upstreams) = match &self.runtime {
            RuntimeConfig::Process { .. } | RuntimeConfig::Docker { .. } => (Ownership::Managed, Vec::new()),
            RuntimeConfig::Static { upstreams } => (Ownership::External, upstreams.clone()),
        };
        fleet::Settings {
            replicas: self.replicas,
            max_replicas: self.max_replicas,
            weights: self.weights.clone(),
            ownership,
            upstreams,
            heartbeat_interval: self.heartbeat.interval,
            heartbeat_failures: self.heartbeat.failures,
            replace_after: self.heartbeat.replace_after,
            head_timeout: self.head_timeout,
            start_timeout: self.start_timeout,
            drain: self.drain,
            stop_timeout: self.stop_timeout,
            layout: self.layout,
            strict_rm: self.strict_rm,
            keep: self.on_exit == OnExit::Keep,
        }
    }

    /// The settings of heartbeats.
    pub(crate) fn heartbeat(&self) -> runtime::Heartbeat {
        let Heartbeat { path, host, statuses, timeout, .. } = self.heartbeat.clone();
        runtime::Heartbeat { request: path.map(|path| HeartbeatRequest { path, host, statuses }), timeout }
    }

    /// The settings of each router; keys are shown with the secret of `key_redactor`.
    pub(crate) fn router(&self, key_redactor: &KeyRedactor) -> router::Settings {
        router::Settings {
            key: self.key.clone(),
            key_redactor: key_redactor.with(self.log_key),
            policy: self.policy,
            bound: self.bounded_load.map(|load| Bound::new(load, self.bounded_load_floor, self.workers)),
            retries: self.retries,
            retry_budget: self.retry_budget,
            request_timeout: self.request_timeout,
            max_in_flight: self.max_in_flight,
            eject_on: self.eject_on.clone(),
            client: client::Settings {
                connect_timeout: self.connect_timeout,
                head_timeout: self.head_timeout,
                idle_timeout: Some(self.idle_timeout),
                pool_idle: self.pool_idle,
                max_idle: (self.max_connections / 2 / self.workers.max(1)).max(1),
            },
        }
    }

    /// The settings of the access to the admin listener.
    pub(crate) fn access(&self) -> admin::Settings {
        admin::Settings { hosts: self.admin_hosts.clone(), token: self.admin_token.clone() }
    }

    /// The limits of client connections.
    pub(crate) fn client_connections(&self) -> dispatcher::Settings {
        let sizes = (self.max_header_size, self.max_target, self.max_body);
        let timeouts = (self.client_head_timeout, self.client_idle_timeout);
        dispatcher::Settings::new(sizes, timeouts, self.upgrade_allow.clone())
    }

    /// The limits of the body of a control call.
    pub(crate) fn control_body(&self) -> control_api::Limits {
        control_api::Limits { size: self.max_control_body, time: self.client_head_timeout }
    }

    /// The settings of the traffic listener, whose actual port is `port`.
    pub(crate) fn service(
        &self,
        start_duration: StartDuration,
        auth: AuthHandle,
        port: u16,
    ) -> service::Settings {
        service::Settings {
            control: match self.control {
                Control::Open => service::Control::Open,
                Control::Token => service::Control::Token(auth),
                Control::Off => service::Control::Off,
            },
            control_body: self.control_body(),
            map_404: self.map_404,
            debug_headers: self.debug_headers,
            start_duration,
            trusted_proxies: self.trusted_proxies.iter().copied().collect(),
            port,
        }
    }

    /// The redaction of keys in the access log.
    pub(crate) fn redactor(&self, key_redactor: &KeyRedactor) -> Redactor {
        Redactor::new(self.key.clone(), key_redactor.with(self.log_key))
    }
}
