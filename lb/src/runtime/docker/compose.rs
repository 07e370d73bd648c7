//! Integration with compose: replicas are one-off containers of the balancer's own service, so that `ps` lists them, a
//! second `up` leaves them alone and `down` removes them.

use std::collections::HashMap;

use bollard::models::ContainerInspectResponse;

const PREFIX: &str = "com.docker.compose.";

/// Compose labels that a replica shares with the balancer.
const SHARED: [&str; 3] = ["project", "service", "version"];

/// The labels of a one-off container of the balancer's service; empty if its container is not part of a compose
/// project.
pub(super) fn labels(own: Option<&ContainerInspectResponse>) -> HashMap<String, String> {
    let labels = own.and_then(|own| own.config.as_ref()?.labels.as_ref());
    labels.map(one_off).unwrap_or_default()
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
