//! The difference between the configuration in force and one that was read again, and the settings that can change
//! live.

use crate::admin::Difference;
use crate::balance::Policy;

use super::{Config, RuntimeConfig};

/// A setting, and how it is compared and applied.
struct Setting {
    name: &'static str,
    differs: fn(&Config, &Config) -> bool,
    /// When a new value can be applied.
    class: Class,
}

/// When a new value of a setting can be applied.
enum Class {
    /// By every reload.
    Live(fn(&mut Config, &Config)),
    /// Only if the layout and the runtime are unchanged: the new value was validated against the new ones.
    Fleet(fn(&mut Config, &Config)),
    /// Only if there is a value before and after: whether a token is required is decided at the start.
    Secret(fn(&mut Config, &Config)),
    /// Only by a restart.
    Restart,
}

macro_rules! setting {
    ($class:ident, $name:literal, $($field:ident).+) => {
        Setting {
            name: $name,
            differs: |a, b| a.$($field).+ != b.$($field).+,
            class: Class::$class(|a, b| a.$($field).+.clone_from(&b.$($field).+)),
        }
    };
    ($name:literal, $of:expr) => {
        Setting { name: $name, differs: |a, b| { let of = $of; of(a) != of(b) }, class: Class::Restart }
    };
}

/// Every setting, each once; a test compares the list with the flags.
const SETTINGS: &[Setting] = &[
    setting!(Live, "access-log", access_log),
    setting!(Live, "admin-host", admin_hosts),
    setting!("admin-listen", |c: &Config| c.admin_listen),
    setting!(Secret, "admin-token-file", admin_token),
    Setting {
        // Other policies have no bound: a change of the policy must not be reported as a change of the bound.
        differs: |a, b| [a, b].iter().all(|c| c.policy == Policy::Hash) && a.bounded_load != b.bounded_load,
        ..setting!(Live, "bounded-load", bounded_load)
    },
    setting!(Live, "bounded-load-floor", bounded_load_floor),
    setting!(Live, "client-head-timeout", client_head_timeout),
    setting!(Live, "client-idle-timeout", client_idle_timeout),
    setting!("cluster", |c: &Config| c.cluster.to_string()),
    setting!(Live, "connect-timeout", connect_timeout),
    setting!(Live, "control", control),
    setting!(Live, "debug-headers", debug_headers),
    setting!("docker-host", |c: &Config| docker(c).map(|(host, _)| host.clone())),
    setting!(Live, "drain", drain),
    setting!(Live, "eject-on", eject_on),
    setting!("hash", |c: &Config| c.layout.hash()),
    setting!(Live, "head-timeout", head_timeout),
    setting!(Live, "heartbeat-failures", heartbeat.failures),
    setting!(Live, "heartbeat-host", heartbeat.host),
    setting!(Live, "heartbeat-interval", heartbeat.interval),
    setting!(Live, "heartbeat-path", heartbeat.path),
    setting!(Live, "heartbeat-status", heartbeat.statuses),
    setting!(Live, "heartbeat-timeout", heartbeat.timeout),
    setting!(Live, "idle-timeout", idle_timeout),
    setting!("image", |c: &Config| docker(c).map(|(_, template)| template.image.clone())),
    setting!(Live, "key", key),
    setting!("layout", |c: &Config| c.layout.scheme().name()),
    setting!("listen", |c: &Config| c.listen),
    setting!(Live, "log-key", log_key),
    setting!(Live, "map-404", map_404),
    setting!(Live, "max-body", max_body),
    setting!("max-connections", |c: &Config| c.max_connections),
    setting!(Live, "max-control-body", max_control_body),
    setting!(Live, "max-header-size", max_header_size),
    setting!(Live, "max-in-flight", max_in_flight),
    setting!(Fleet, "max-replicas", max_replicas),
    setting!(Live, "max-target", max_target),
    setting!("network", |c: &Config| docker(c).map(|(_, template)| template.network.clone())),
    setting!(Live, "on-exit", on_exit),
    setting!(Live, "policy", policy),
    setting!("probing", |c: &Config| ring(c).map(|(_, probing)| probing)),
    setting!(Live, "replace-after", heartbeat.replace_after),
    setting!("replica-cap-add", |c: &Config| docker(c).map(|(_, template)| template.capabilities.clone())),
    setting!("replica-command", |c: &Config| match &c.runtime {
        RuntimeConfig::Process { command } => command.clone(),
        RuntimeConfig::Docker { .. } | RuntimeConfig::Static { .. } => None,
    }),
    setting!("replica-env", |c: &Config| docker(c).map(|(_, template)| template.env.clone())),
    setting!("replica-init", |c: &Config| docker(c).map(|(_, template)| template.init)),
    setting!("replica-memory", |c: &Config| docker(c).map(|(_, template)| template.memory)),
    setting!("replica-pids", |c: &Config| docker(c).map(|(_, template)| template.pids)),
    setting!("replica-port", |c: &Config| docker(c).map(|(_, template)| template.port)),
    setting!("replica-writable", |c: &Config| docker(c).map(|(_, template)| template.writable)),
    setting!(Fleet, "replicas", replicas),
    setting!(Live, "request-timeout", request_timeout),
    setting!(Live, "retries", retries),
    setting!(Live, "retry-budget", retry_budget),
    setting!("runtime", |c: &Config| std::mem::discriminant(&c.runtime)),
    setting!("slot-cap", |c: &Config| c.layout.scheme().slot_cap()),
    setting!("slots", |c: &Config| c.layout.slots()),
    setting!(Live, "start-timeout", start_timeout),
    setting!(Live, "stop-timeout", stop_timeout),
    setting!(Live, "strict-rm", strict_rm),
    setting!(Live, "trusted-proxies", trusted_proxies),
    setting!(Live, "upgrade-allow", upgrade_allow),
    Setting {
        name: "upstream",
        differs: |a, b| upstreams(a) != upstreams(b),
        class: Class::Fleet(|a, b| a.runtime.clone_from(&b.runtime)),
    },
    setting!("virtual-nodes", |c: &Config| ring(c).map(|(virtual_nodes, _)| virtual_nodes)),
    setting!(Fleet, "weights", weights),
    setting!("workers", |c: &Config| c.workers),
];

impl Config {
    /// Applies the settings of `new` that can change live, and returns what differs.
    pub fn change_to(&mut self, new: &Self) -> Difference {
        let new_external = matches!(new.runtime, RuntimeConfig::Static { .. });
        let both_external = new_external && matches!(self.runtime, RuntimeConfig::Static { .. });
        let same_fleet = self.layout == new.layout && (both_external || self.runtime == new.runtime);
        let both_secret = self.admin_token.is_some() && new.admin_token.is_some();
        let mut difference = Difference::default();
        let differ = SETTINGS.iter().filter(|setting| (setting.differs)(self, new)).collect::<Vec<_>>();
        for setting in differ {
            match setting.class {
                Class::Live(_) => difference.changed.push(setting.name),
                // The other fleet settings are derived from the list of upstreams.
                Class::Fleet(_) if new_external && setting.name != "upstream" => {}
                Class::Fleet(_) if same_fleet => difference.changed.push(setting.name),
                Class::Secret(_) if both_secret => difference.changed.push(setting.name),
                Class::Fleet(_) | Class::Secret(_) | Class::Restart => difference.restart.push(setting.name),
            }
        }
        for setting in SETTINGS {
            match setting.class {
                Class::Live(take) => take(self, new),
                Class::Fleet(take) if same_fleet => take(self, new),
                Class::Secret(take) if both_secret => take(self, new),
                Class::Fleet(_) | Class::Secret(_) | Class::Restart => {}
            }
        }
        difference
    }
}

fn upstreams(config: &Config) -> &[crate::runtime::Upstream] {
    match &config.runtime {
        RuntimeConfig::Static { upstreams } => upstreams,
        RuntimeConfig::Process { .. } | RuntimeConfig::Docker { .. } => &[],
    }
}

fn docker(config: &Config) -> Option<(&crate::runtime::docker::Host, &crate::runtime::docker::Template)> {
    match &config.runtime {
        RuntimeConfig::Docker { host, template } => Some((host, template)),
        RuntimeConfig::Process { .. } | RuntimeConfig::Static { .. } => None,
    }
}

fn ring(config: &Config) -> Option<(u32, crate::ring::Probing)> {
    match config.layout.scheme() {
        crate::ring::Scheme::Ring { virtual_nodes, probing, .. } => Some((virtual_nodes, probing)),
        crate::ring::Scheme::Rendezvous { .. } | crate::ring::Scheme::Maglev => None,
    }
}
