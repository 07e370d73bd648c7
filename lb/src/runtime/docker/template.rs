//! Specification of every replica's container.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;
use std::net::IpAddr;

use bollard::models::{ContainerCreateBody, EndpointSettings, HostConfig, NetworkingConfig};
use sha2::{Digest, Sha256};

use super::super::Launch;

/// Settings that all containers share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// Reference of the image, as configured.
    pub image: String,
    /// Name of the network of the containers.
    pub network: String,
    /// Port on which the program in the image listens.
    pub port: u16,
    /// Environment variables, besides `PORT` and `SERVER_ID`.
    pub env: BTreeMap<String, String>,
    /// Memory limit in bytes.
    pub memory: u64,
    /// Limit of processes and threads.
    pub pids: u32,
    /// Whether the root file system is writable.
    pub writable: bool,
    /// Whether the engine's initial process (docker-init) runs as process 1, with the program as its child.
    pub init: bool,
    /// Capabilities that are kept, without `CAP_`.
    pub capabilities: BTreeSet<String>,
}

impl Template {
    /// A hash of all settings and the image, without name and seat. Replicas with another hash are outdated.
    pub(super) fn spec(&self, image_id: &str) -> String {
        let Self { image: _, network, port, env, memory, pids, writable, init, capabilities } = self;
        let mut text = format!("{image_id}\n{network}\n{port} {memory} {pids} {writable} {capabilities:?}\n");
        if !init {
            // Written only where it differs from the default, so that older hashes stay valid.
            text.push_str("no init\n");
        }
        for variable in env {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{variable:?}");
        }
        Sha256::digest(text)[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The engine's request to create a container.
    pub(super) fn body(
        &self,
        image_id: &str,
        network_id: &str,
        launch: &Launch,
        labels: HashMap<String, String>,
    ) -> ContainerCreateBody {
        let env = self.env.iter().map(|(name, value)| format!("{name}={value}"));
        let own = [format!("PORT={}", self.port), format!("SERVER_ID={}", launch.name)];
        let host = HostConfig {
            memory: Some(self.memory.cast_signed()),
            pids_limit: Some(self.pids.into()),
            // PID 1 without a signal handler ignores SIGTERM.
            init: Some(self.init),
            network_mode: Some(network_id.to_owned()),
            cap_drop: Some(vec!["ALL".to_owned()]),
            cap_add: Some(self.capabilities.iter().cloned().collect()),
            security_opt: Some(vec!["no-new-privileges".to_owned()]),
            readonly_rootfs: Some(!self.writable),
            ..Default::default()
        };
        // Without the network id the engine resolves the network by its name when it starts the container.
        let endpoint = EndpointSettings { network_id: Some(network_id.to_owned()), ..Default::default() };
        let endpoints = HashMap::from([(network_id.to_owned(), endpoint)]);
        ContainerCreateBody {
            hostname: Some(launch.name.container()),
            env: Some(env.chain(own).collect()),
            image: Some(image_id.to_owned()),
            labels: Some(labels),
            host_config: Some(host),
            networking_config: Some(NetworkingConfig { endpoints_config: Some(endpoints) }),
            ..Default::default()
        }
    }

    /// The address of a container in the configured network, or, if it was made for another one, in that one.
    pub(super) fn address(&self, networks: &HashMap<String, EndpointSettings>) -> Option<IpAddr> {
        let of = |endpoint: &EndpointSettings| endpoint.ip_address.as_ref()?.parse().ok();
        networks.get(&self.network).and_then(of).or_else(|| networks.values().find_map(of))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template() -> Template {
        Template {
            image: "a".into(),
            network: "n".into(),
            port: 80,
            env: BTreeMap::new(),
            memory: 1,
            pids: 2,
            writable: false,
            init: true,
            capabilities: BTreeSet::new(),
        }
    }

    #[test]
    fn the_spec_is_pinned_and_depends_on_all_but_the_image_name() {
        let spec = template().spec("id");
        assert_eq!(spec, "6923bf51199de9f3");
        assert_eq!(Template { image: "b".into(), ..template() }.spec("id"), spec);
        let others = [
            Template { network: "m".into(), ..template() },
            Template { port: 81, ..template() },
            Template { env: BTreeMap::from([("A".into(), "1".into())]), ..template() },
            Template { memory: 3, ..template() },
            Template { pids: 3, ..template() },
            Template { writable: true, ..template() },
            Template { init: false, ..template() },
            Template { capabilities: BTreeSet::from(["NET_RAW".into()]), ..template() },
        ];
        let mut specs: BTreeSet<String> = others.map(|other| other.spec("id")).into();
        specs.extend([spec, template().spec("other")]);
        assert_eq!(specs.len(), 10);
    }

    #[test]
    fn an_address_in_our_network_is_preferred() {
        let endpoint = |ip: &str| EndpointSettings { ip_address: Some(ip.into()), ..Default::default() };
        let both =
            HashMap::from([("m".to_owned(), endpoint("10.0.0.1")), ("n".to_owned(), endpoint("10.0.0.2"))]);
        assert_eq!(template().address(&both), Some([10, 0, 0, 2].into()));
        let other = HashMap::from([("m".to_owned(), endpoint("10.0.0.1")), ("n".to_owned(), endpoint(""))]);
        assert_eq!(template().address(&other), Some([10, 0, 0, 1].into()));
        assert_eq!(template().address(&HashMap::new()), None);
    }
}
