//! Checks of settings against each other; an error names the flag and where its value comes from.

use std::collections::BTreeMap;
use std::fmt::{Debug, Display};
use std::net::SocketAddr;

use super::args::{Balancing, Docker, Placement, Preset, Replicas, RuntimeKind, Scheme};
use super::exit::Exit;
use super::layers::Settings;
use super::{Heartbeat, RuntimeConfig};
use crate::balance::Policy;
use crate::proxy::key::KeySources;
use crate::ring::{self, Layout, RingError, SeatId, SlotCap, Weight};
use crate::runtime::Upstream;

/// The default of `--max-replicas`, unless the layout has fewer seats.
const DEFAULT_MAX_REPLICAS: usize = 64;

/// The settings that the preset `assignment` fixes, with their values as text.
const ASSIGNMENT: [(&str, &str); 9] = [
    ("layout", "ring"),
    ("slots", "512"),
    ("virtual-nodes", "9"),
    ("probing", "linear"),
    ("hash", "polynomial"),
    ("slot-cap", "off"),
    ("key", "random"),
    ("policy", "hash"),
    ("bounded-load", "off"),
];

/// Settings that only the Docker runtime has.
const ONLY_DOCKER: [&str; 11] = [
    "image",
    "network",
    "docker-host",
    "replica-port",
    "replica-env",
    "replica-memory",
    "replica-pids",
    "replica-writable",
    "replica-init",
    "replica-cap-add",
    "on-exit",
];

/// Settings that have no meaning for external servers.
const NOT_STATIC: [&str; 6] =
    ["replica-command", "replicas", "max-replicas", "start-timeout", "stop-timeout", "strict-rm"];

/// The weights when none are given.
static NO_WEIGHTS: BTreeMap<SeatId, Weight> = BTreeMap::new();

/// Checks settings against each other; each error begins with the setting as the user wrote it.
pub(super) struct Validator<'a>(pub &'a Settings);

impl Validator<'_> {
    pub(super) fn error(&self, name: &str, reason: impl Display) -> Exit {
        Exit::bad(format!("{}: {reason}", self.0.place(name)))
    }

    /// Rejects the first of some settings that was given, for a reason.
    pub fn reject(&self, names: &[&str], reason: &str) -> Result<(), Exit> {
        match names.iter().find(|name| self.0.text(name).is_some()) {
            Some(name) => Err(self.error(name, reason)),
            None => Ok(()),
        }
    }

    pub(super) fn at_most<T: PartialOrd + Debug>(
        &self,
        low: &str,
        a: T,
        high: &str,
        b: T,
    ) -> Result<(), Exit> {
        match self.0.text(low) {
            _ if a <= b => Ok(()),
            Some(_) => Err(self.error(low, format!("must not be more than {high}, which is {b:?}"))),
            None => Err(self.error(high, format!("must not be less than {low}, which is {a:?}"))),
        }
    }

    /// Checks the settings of the heartbeat against each other.
    pub(super) fn heartbeat(&self, heartbeat: &Heartbeat) -> Result<(), Exit> {
        if heartbeat.path.is_none() {
            let off = "only with a --heartbeat-path, which is off";
            self.reject(&["heartbeat-host", "heartbeat-status"], off)?;
        }
        let most = ("replace-after", heartbeat.replace_after);
        self.at_most("heartbeat-interval", heartbeat.interval, most.0, most.1)?;
        self.at_most("heartbeat-timeout", heartbeat.timeout, most.0, most.1)
    }

    /// Checks that both listeners can be bound at the same time.
    pub(super) fn distinct_listeners(
        &self,
        listen: SocketAddr,
        admin: Option<SocketAddr>,
    ) -> Result<(), Exit> {
        let Some(admin) = admin.filter(|admin| admin.port() == listen.port() && admin.port() != 0) else {
            return Ok(());
        };
        let (a, b) = (listen.ip(), admin.ip());
        if a == b || a.is_unspecified() || b.is_unspecified() {
            let name = if self.0.text("admin-listen").is_some() { "admin-listen" } else { "listen" };
            return Err(self.error(name, "--listen and --admin-listen must be different addresses"));
        }
        Ok(())
    }

    pub(super) fn placement(&self, placement: Placement) -> Result<(Layout, KeySources), Exit> {
        if let Some(Preset::Assignment) = placement.preset {
            for (name, value) in ASSIGNMENT {
                if self.0.text(name).is_some_and(|text| text != value) {
                    let preset = self.0.place("preset");
                    return Err(
                        self.error(name, format!("{preset} sets it to {value}; give only one of the two"))
                    );
                }
            }
            return Ok((Layout::assignment(), KeySources::random()));
        }
        let Placement { layout, slots, virtual_nodes, probing, hash, slot_cap, key, .. } = placement;
        if layout != Scheme::Ring {
            self.reject(&["virtual-nodes", "probing"], "only with --layout ring")?;
        }
        if layout == Scheme::Maglev {
            self.reject(&["slot-cap"], "not with --layout maglev, which is even without a cap")?;
        }
        let slot_cap = slot_cap.unwrap_or(SlotCap::default_for(hash));
        let (scheme, default) = match layout {
            Scheme::Ring => (ring::Scheme::Ring { virtual_nodes, probing, slot_cap }, Layout::default()),
            Scheme::Rendezvous => (ring::Scheme::Rendezvous { slot_cap }, Layout::rendezvous()),
            Scheme::Maglev => (ring::Scheme::Maglev, Layout::maglev()),
        };
        let layout = Layout::new(scheme, slots.unwrap_or(default.slots()), hash).map_err(|error| {
            let name = match error {
                RingError::Unreachable(_) => "probing",
                RingError::VirtualNodes { .. } => "virtual-nodes",
                _ => "slots",
            };
            self.error(name, error)
        })?;
        Ok((layout, key))
    }

    /// The factor in thousandths; `None` if it is off, or the policy has no bound.
    pub(super) fn bounded_load(
        &self,
        balancing: &Balancing,
        preset: Option<Preset>,
    ) -> Result<Option<u32>, Exit> {
        if balancing.policy != Policy::Hash {
            self.reject(&["bounded-load", "bounded-load-floor"], "only with --policy hash")?;
            return Ok(None);
        }
        let bounded_load = balancing.bounded_load.filter(|_| preset.is_none());
        if bounded_load.is_none() {
            self.reject(&["bounded-load-floor"], "only with a --bounded-load, which is off")?;
        }
        Ok(bounded_load)
    }

    /// The runtime, the number of replicas at the start and the largest number.
    pub(super) fn runtime(
        &self,
        replicas: &Replicas,
        docker: &Docker,
        layout: &Layout,
    ) -> Result<(RuntimeConfig, usize, usize), Exit> {
        if replicas.runtime != RuntimeKind::Docker {
            self.reject(&ONLY_DOCKER, "only with --runtime docker")?;
        }
        if replicas.runtime != RuntimeKind::Static {
            self.reject(&["upstream"], "only with --runtime static")?;
        }
        match replicas.runtime {
            RuntimeKind::Process => {
                let (count, max) = self.counts(replicas, layout)?;
                Ok((RuntimeConfig::Process { command: replicas.replica_command.clone() }, count, max))
            }
            RuntimeKind::Docker => {
                self.reject(&["replica-command"], "only with --runtime process")?;
                let (count, max) = self.counts(replicas, layout)?;
                Ok((docker.config(), count, max))
            }
            RuntimeKind::Static => {
                self.reject(
                    &["weights"],
                    "not with --runtime static: the weight is part of the upstream, HOST:PORT*WEIGHT",
                )?;
                self.reject(&NOT_STATIC, "not with --runtime static, whose servers lb does not run")?;
                let upstreams = replicas.upstream.clone();
                self.upstreams(&upstreams, layout)?;
                let count = upstreams.len();
                Ok((RuntimeConfig::Static { upstreams }, count, count))
            }
        }
    }

    /// The number of replicas at the start and the largest number.
    pub(super) fn counts(&self, replicas: &Replicas, layout: &Layout) -> Result<(usize, usize), Exit> {
        let weights = replicas.weights.as_ref().unwrap_or(&NO_WEIGHTS);
        let seats = layout.max_seats_of(weights);
        let how = if weights.is_empty() { "" } else { " with these weights" };
        let seated = format!("the layout has at most {seats} seats{how} ({layout})");
        let max = match replicas.max_replicas {
            Some(max) if max > seats => return Err(self.error("max-replicas", seated)),
            Some(max) => max,
            None => DEFAULT_MAX_REPLICAS.min(seats),
        };
        if replicas.replicas > seats {
            return Err(self.error("replicas", seated));
        }
        self.at_most("replicas", replicas.replicas, "max-replicas", max)?;
        if let Some((seat, _)) = weights.last_key_value()
            && seat.get() as usize > max
        {
            return Err(self.error("weights", format!("there is no seat {seat}: max-replicas is {max}")));
        }
        Ok((replicas.replicas, max))
    }

    /// Checks that there is an upstream, that all are different, and that they fit the layout.
    pub(super) fn upstreams(&self, upstreams: &[Upstream], layout: &Layout) -> Result<(), Exit> {
        if upstreams.is_empty() {
            return Err(self.error("runtime", "needs at least one --upstream"));
        }
        for (i, upstream) in upstreams.iter().enumerate() {
            for other in &upstreams[..i] {
                if (&other.host, other.port) == (&upstream.host, upstream.port) {
                    return Err(self.error("upstream", format!("{} is given twice", upstream.authority())));
                }
                if other.name.clashes(&upstream.name) {
                    return Err(
                        self.error("upstream", format!("the name '{}' is given twice", upstream.name))
                    );
                }
            }
        }
        let weights = upstreams.iter().map(|upstream| upstream.weight);
        let seats: BTreeMap<_, _> = (1..).filter_map(SeatId::new).zip(weights).collect();
        layout.slot_map(&seats).map_err(|error| self.error("upstream", error))?;
        Ok(())
    }
}
