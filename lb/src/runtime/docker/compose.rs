//! Under compose: replicas are one-off containers of the balancer's own service, so that `ps` lists them, a second
//! `up` leaves them alone and `down` removes them.

use std::collections::HashMap;

use super::engine::Engine;

const PREFIX: &str = "com.docker.compose.";

/// What a replica shares with the balancer.
const SHARED: [&str; 3] = ["project", "service", "version"];

/// The labels of a one-off container of our service; none if we do not run under compose.
pub(super) async fn labels(engine: &Engine) -> HashMap<String, String> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let Some(id) = own_id(&mounts) else { return HashMap::new() };
    // An id that this engine does not know is another engine's: we are not its container.
    let Ok(own) = engine.inspect(id).await else { return HashMap::new() };
    one_off(&own.config.and_then(|config| config.labels).unwrap_or_default())
}

/// The id of the container that we run in: the engine mounts its files into it.
fn own_id(mounts: &str) -> Option<&str> {
    let ids = mounts.split("/containers/").skip(1).filter_map(|rest| rest.split('/').next());
    ids.into_iter().find(|id| id.len() == 64 && id.chars().all(|c| c.is_ascii_hexdigit()))
}

fn one_off(own: &HashMap<String, String>) -> HashMap<String, String> {
    let label = |name: &str| format!("{PREFIX}{name}");
    if !own.contains_key(&label("project")) {
        return HashMap::new();
    }
    let shared = SHARED.iter().filter_map(|name| Some((label(name), own.get(&label(name))?.clone())));
    let mut labels: HashMap<String, String> = shared.collect();
    labels.insert(label("oneoff"), "True".to_owned());
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_id_stands_in_the_mounts() {
        let id = "0123456789abcdef".repeat(4);
        let mounts = format!(
            "100 99 0:50 / /proc rw - proc proc rw\n\
             101 99 8:1 /var/lib/docker/containers/{id}/resolv.conf /etc/resolv.conf rw - ext4 /dev/sda1 rw\n\
             102 99 8:1 /var/lib/docker/containers/{id}/hostname /etc/hostname rw - ext4 /dev/sda1 rw\n"
        );
        assert_eq!(own_id(&mounts), Some(id.as_str()));
        assert_eq!(own_id("1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 8:1 /containers/x/y /z rw\n"), None);
    }

    #[test]
    fn a_replica_is_a_one_off_of_the_balancers_service() {
        let of = |pairs: &[(&str, &str)]| -> HashMap<String, String> {
            pairs.iter().map(|(name, value)| (format!("{PREFIX}{name}"), (*value).to_owned())).collect()
        };
        let own = of(&[
            ("project", "p"),
            ("service", "lb"),
            ("version", "1.29.2"),
            ("oneoff", "False"),
            ("config-hash", "x"),
            ("container-number", "1"),
        ]);
        let expected = of(&[("project", "p"), ("service", "lb"), ("version", "1.29.2"), ("oneoff", "True")]);
        assert_eq!(one_off(&own), expected);
        assert_eq!(one_off(&HashMap::from([("a".into(), "b".into())])), HashMap::new());
    }
}
