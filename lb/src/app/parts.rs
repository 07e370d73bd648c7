//! Builds the settings of each part from the configuration.

use std::path::PathBuf;
use std::rc::Rc;

use crate::admin;
use crate::auth::AuthHandle;
use crate::balance::Bound;
use crate::config::{self, Config, Control, OnExit, RuntimeConfig};
use crate::control::supervisor::{StartTime, SupervisorHandle};
use crate::fleet::{self, Ownership};
use crate::observe::access_log::{AccessLog, Redactor};
use crate::proxy::client;
use crate::proxy::guard;
use crate::proxy::redaction::KeyRedactor;
use crate::proxy::router;
use crate::proxy::{control_api, service};
use crate::runtime::docker::Docker;
use crate::runtime::heartbeat::ProbeRequest;
use crate::runtime::process::{Process, Program};
use crate::runtime::static_servers::StaticServers;
use crate::runtime::{self, Runtime};

use super::reload::ReloadHandle;
use super::{StartError, files};

/// Creates the configured runtime. `executable` is the program that the process runtime starts, usually this one.
///
/// # Errors
/// When the engine does not answer, or has no such image.
pub async fn runtime(config: &Config, executable: PathBuf) -> Result<Rc<dyn Runtime>, runtime::Error> {
    Ok(match &config.runtime {
        RuntimeConfig::Process { command } => {
            let program = match command.as_deref() {
                Some([program, arguments @ ..]) => {
                    Program::Foreign { program: program.clone(), arguments: arguments.to_vec() }
                }
                _ => Program::BuiltIn,
            };
            Rc::new(Process::new(executable, program))
        }
        RuntimeConfig::Docker { host, template } => {
            Rc::new(Docker::connect(host, config.cluster.as_str(), template.clone()).await?)
        }
        RuntimeConfig::Static { .. } => Rc::new(StaticServers::new()),
    })
}

pub(super) fn fleet(config: &Config) -> fleet::Settings {
    fleet::Settings {
        replicas: config.replicas,
        max_replicas: config.max_replicas,
        weights: config.weights.clone(),
        ownership: match config.runtime {
            RuntimeConfig::Process { .. } | RuntimeConfig::Docker { .. } => Ownership::Managed,
            RuntimeConfig::Static { .. } => Ownership::External,
        },
        upstreams: match &config.runtime {
            RuntimeConfig::Static { upstreams } => upstreams.clone(),
            RuntimeConfig::Process { .. } | RuntimeConfig::Docker { .. } => Vec::new(),
        },
        heartbeat_interval: config.heartbeat.interval,
        heartbeat_failures: config.heartbeat.failures,
        replace_after: config.heartbeat.replace_after,
        head_timeout: config.head_timeout,
        start_timeout: config.start_timeout,
        drain: config.drain,
        stop_timeout: config.stop_timeout,
        layout: config.layout,
        strict_rm: config.strict_rm,
        keep: config.on_exit == OnExit::Keep,
    }
}

/// Sends each new configuration to the supervisor.
pub(super) fn follow_fleet(reload: &ReloadHandle, supervisor: SupervisorHandle) {
    reload.follow(move |before, config| {
        // Only a changed value sets the target: an unchanged one must not undo changes through the API.
        let external = matches!(config.runtime, RuntimeConfig::Static { .. });
        let target = (!external && config.replicas != before.replicas).then_some(config.replicas);
        supervisor.configure(fleet(config), heartbeat(config), target);
    });
}

/// How long a weight or a cordon that was set through the API remains in force: only containers carry a record of them.
pub(super) fn durability(config: &Config) -> &'static str {
    match config.runtime {
        RuntimeConfig::Docker { .. } => "until the balancer stops; a crash does not end it",
        RuntimeConfig::Process { .. } | RuntimeConfig::Static { .. } => "until the process ends",
    }
}

pub(super) fn heartbeat(config: &Config) -> runtime::Heartbeat {
    let config::Heartbeat { path, host, statuses, timeout, .. } = config.heartbeat.clone();
    runtime::Heartbeat { request: path.map(|path| ProbeRequest { path, host, statuses }), timeout }
}

pub(super) fn router(config: &Config, key_redactor: &KeyRedactor) -> router::Settings {
    router::Settings {
        key: config.key.clone(),
        key_redactor: key_redactor.with(config.log_key),
        policy: config.policy,
        bound: config.bounded_load.map(|load| Bound::new(load, config.bounded_load_floor, config.workers)),
        retries: config.retries,
        retry_budget: config.retry_budget,
        request_timeout: config.request_timeout,
        max_in_flight: config.max_in_flight,
        eject_on: config.eject_on.clone(),
        upstream: client::Settings {
            connect_timeout: config.connect_timeout,
            head_timeout: config.head_timeout,
            idle_timeout: Some(config.idle_timeout),
            max_idle: files::idle_upstream(config),
        },
    }
}

pub(super) fn access_log(config: &Config, key_redactor: &KeyRedactor) -> Result<AccessLog, StartError> {
    let settings = config.access_log.as_ref();
    let shown = settings.map_or("off".to_owned(), ToString::to_string);
    AccessLog::start(settings, redactor(config, key_redactor))
        .map_err(|error| StartError::AccessLog(shown, error))
}

/// Changes the access log with each new configuration.
pub(super) fn follow_access_log(reload: &ReloadHandle, access_log: AccessLog, key_redactor: KeyRedactor) {
    reload.follow(move |_, config| {
        access_log.configure(config.access_log.clone(), redactor(config, &key_redactor));
    });
}

fn redactor(config: &Config, key_redactor: &KeyRedactor) -> Redactor {
    Redactor::new(config.key.clone(), key_redactor.with(config.log_key))
}

pub(super) fn guard(config: &Config) -> guard::Settings {
    let sizes = (config.max_header_size, config.max_target, config.max_body);
    let timeouts = (config.client_head_timeout, config.client_idle_timeout);
    guard::Settings::new(sizes, timeouts, config.upgrade_allow.clone())
}

pub(super) fn access(config: &Config) -> admin::Settings {
    admin::Settings { hosts: config.admin_hosts.clone(), token: config.admin_token.clone() }
}

pub(super) fn control_body(config: &Config) -> control_api::Limits {
    control_api::Limits { size: config.max_control_body, time: config.client_head_timeout }
}

/// `port` is the actual port of the traffic listener.
pub(super) fn service(
    config: &Config,
    start_time: StartTime,
    auth: AuthHandle,
    port: u16,
) -> service::Settings {
    service::Settings {
        control: match config.control {
            Control::Open => service::Control::Open,
            Control::Token => service::Control::Token(auth),
            Control::Off => service::Control::Off,
        },
        control_body: control_body(config),
        map_404: config.map_404,
        debug_headers: config.debug_headers,
        start_time,
        trusted_proxies: config.trusted_proxies.iter().copied().collect(),
        port,
    }
}
