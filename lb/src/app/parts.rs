//! Creates the runtime and the access log; lets the fleet and the access log follow the configuration.

use std::path::PathBuf;
use std::rc::Rc;

use crate::config::{Config, RuntimeConfig};
use crate::control::supervisor::SupervisorHandle;
use crate::observe::access_log::AccessLog;
use crate::proxy::redaction::KeyRedactor;
use crate::runtime::docker::Docker;
use crate::runtime::process::{Process, Program};
use crate::runtime::static_servers::StaticServers;
use crate::runtime::{self, Runtime};

use super::StartError;
use super::reload::ReloadHandle;

/// Creates the configured runtime. `executable` is the program that the process runtime starts, usually this one.
///
/// # Errors
/// When the engine does not answer, or has no such image.
pub async fn runtime(config: &Config, executable: PathBuf) -> Result<Rc<dyn Runtime>, runtime::Error> {
    Ok(match &config.runtime {
        RuntimeConfig::Process { command } => {
            let program = match command.as_deref() {
                Some([program, arguments @ ..]) => {
                    Program::Command { program: program.clone(), arguments: arguments.to_vec() }
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

/// Sends each new configuration to the supervisor.
pub(super) fn follow_fleet(reload: &ReloadHandle, supervisor: SupervisorHandle) {
    reload.follow(move |before, config| {
        // Only a changed value sets the target: an unchanged one must not undo changes through the API.
        let external = config.runtime.is_external();
        let target = (!external && config.replicas != before.replicas).then_some(config.replicas);
        supervisor.configure(config.fleet(), config.heartbeat(), target);
    });
}

/// How long a weight or a cordon that was set through the API remains in force: only containers carry a record of them.
pub(super) fn durability(config: &Config) -> &'static str {
    match config.runtime {
        RuntimeConfig::Docker { .. } => "until the balancer stops; a crash does not end it",
        RuntimeConfig::Process { .. } | RuntimeConfig::Static { .. } => "until the process ends",
    }
}

pub(super) fn access_log(config: &Config, key_redactor: &KeyRedactor) -> Result<AccessLog, StartError> {
    let settings = config.access_log.as_ref();
    let shown = settings.map_or("off".to_owned(), ToString::to_string);
    AccessLog::start(settings, config.redactor(key_redactor))
        .map_err(|error| StartError::AccessLog(shown, error))
}

/// Changes the access log with each new configuration.
pub(super) fn follow_access_log(reload: &ReloadHandle, access_log: AccessLog, key_redactor: KeyRedactor) {
    reload.follow(move |_, config| {
        access_log.configure(config.access_log.clone(), config.redactor(&key_redactor));
    });
}
