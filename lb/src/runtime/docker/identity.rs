//! What a container is to this cluster, by its labels and by what they say of it.
//!
//! `docker commit` copies the labels of a container into the image, and every container of that image inherits them.
//! So labels alone prove nothing: a container is ours only if it also has the name that its labels lead to and the
//! image that they name. No other container is routed to, renamed, stopped or removed, and none counts as another
//! balancer's. What this process has made itself it knows by the container's id.

use std::collections::HashMap;

use bollard::models::ContainerSummary;

use super::super::Launch;
use super::labels;
use crate::name::Name;

/// What a leaving container's name contains.
pub(super) const LEAVING: &str = ".leaving.";

/// What the engine says of a container.
pub(super) struct Facts<'a> {
    pub labels: &'a HashMap<String, String>,
    /// Its name, without a leading slash.
    pub name: &'a str,
    /// What it was made of: the reference that was given when it was made, or the image's id. A replica is made by
    /// the id, so that both are the same.
    pub images: Vec<&'a str>,
}

/// What a container is to a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    Replica(Known),
    /// It holds a record of the target.
    Anchor {
        version: u64,
    },
    /// It is none of ours; the text says what does not fit.
    Stranger(&'static str),
}

/// A replica of this cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub launch: Launch,
    /// It has a leaving name.
    pub leaving: bool,
    /// A version of the balancer has made it that recorded neither the image nor the target.
    pub legacy: bool,
}

impl<'a> Facts<'a> {
    /// As a listing says it.
    pub fn listed(summary: &'a ContainerSummary, labels: &'a HashMap<String, String>) -> Self {
        // Old links give a container further names, with a slash inside.
        let names = summary.names.iter().flatten().map(|name| name.trim_start_matches('/'));
        Self {
            labels,
            name: names.clone().find(|name| !name.contains('/')).unwrap_or_default(),
            images: summary.image.iter().chain(&summary.image_id).map(String::as_str).collect(),
        }
    }

    /// As an event says it: the attributes are the labels, the name and the reference of the image.
    pub fn of_event(attributes: &'a HashMap<String, String>) -> Self {
        let attribute = |name: &str| attributes.get(name).map(String::as_str);
        Self {
            labels: attributes,
            name: attribute("name").unwrap_or_default(),
            images: attribute("image").into_iter().collect(),
        }
    }
}

/// What a container is to this cluster.
pub(super) fn identify(cluster: &str, facts: &Facts) -> Identity {
    if facts.labels.get(labels::CLUSTER).is_none_or(|of| of != cluster) {
        return Identity::Stranger("another cluster");
    }
    if let Some(version) = labels::version(facts.labels).filter(|of| facts.name == anchor_name(cluster, *of))
    {
        return match has_labelled_image(facts) {
            Some(true) => Identity::Anchor { version },
            Some(false) | None => Identity::Stranger("image"),
        };
    }
    let Some(launch) = labels::launch(facts.labels) else { return Identity::Stranger("labels") };
    let Some(rest) = facts.name.strip_prefix(&container_name(cluster, &launch.name)) else {
        return Identity::Stranger("name");
    };
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let leaving = rest.strip_prefix(LEAVING).is_some_and(number);
    if !leaving && !rest.is_empty() {
        return Identity::Stranger("name");
    }
    match has_labelled_image(facts) {
        Some(false) => Identity::Stranger("image"),
        image => Identity::Replica(Known { launch, leaving, legacy: image.is_none() }),
    }
}

/// Whether a container is made of the image that its label names; `None` without that label.
fn has_labelled_image(facts: &Facts) -> Option<bool> {
    // Not every engine writes the algorithm.
    let bare = |id: &str| id.trim_start_matches("sha256:").to_owned();
    let labelled = bare(facts.labels.get(labels::IMAGE)?);
    Some(facts.images.iter().any(|image| bare(image) == labelled))
}

/// The name of a replica's container.
pub(super) fn container_name(cluster: &str, name: &Name) -> String {
    format!("{}{}", prefix(cluster), name.container())
}

/// The name of the container that holds the record of this version.
pub(super) fn anchor_name(cluster: &str, version: u64) -> String {
    format!("{}lb.record.{version}", prefix(cluster))
}

fn prefix(cluster: &str) -> String {
    if cluster == "default" { String::new() } else { format!("{cluster}-") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::{Incarnation, SeatId};

    const IMAGE: &str = "sha256:aa";

    fn launch() -> Launch {
        Launch { seat: SeatId::new(2).unwrap(), name: "a b".parse().unwrap(), incarnation: Incarnation(7) }
    }

    fn labels(cluster: &str) -> HashMap<String, String> {
        labels::Labels::new(cluster, "spec".into(), IMAGE.into(), HashMap::new()).of(&launch())
    }

    fn is(labels: &HashMap<String, String>, name: &str, images: &[&str]) -> Identity {
        identify("c", &Facts { labels, name, images: images.to_vec() })
    }

    fn replica(leaving: bool, legacy: bool) -> Identity {
        Identity::Replica(Known { launch: launch(), leaving, legacy })
    }

    #[test]
    fn a_replica_has_the_name_and_the_image_of_its_labels() {
        let labels = labels("c");
        assert_eq!(is(&labels, "c-a_b", &[IMAGE]), replica(false, false));
        assert_eq!(is(&labels, "c-a_b", &["tag", "aa"]), replica(false, false));
        assert_eq!(is(&labels, "c-a_b.leaving.9", &[IMAGE]), replica(true, false));
        for name in ["copy", "a_b", "c-a_b2", "c-a_b.leaving.", "c-a_b.leaving.x", "c-a_b.leaving.7.copy", ""]
        {
            assert_eq!(is(&labels, name, &[IMAGE]), Identity::Stranger("name"), "{name}");
        }
        for image in ["sha256:bb", "copy", ""] {
            assert_eq!(is(&labels, "c-a_b", &[image]), Identity::Stranger("image"), "{image}");
        }
        assert_eq!(is(&labels, "c-a_b", &[]), Identity::Stranger("image"));
        assert_eq!(is(&self::labels("d"), "c-a_b", &[IMAGE]), Identity::Stranger("another cluster"));
        assert_eq!(is(&HashMap::new(), "c-a_b", &[IMAGE]), Identity::Stranger("another cluster"));
    }

    #[test]
    fn what_an_older_version_has_made_goes_by_its_name() {
        let mut labels = labels("c");
        labels.remove(labels::IMAGE);
        assert_eq!(is(&labels, "c-a_b", &["any"]), replica(false, true));
        assert_eq!(is(&labels, "copy", &["any"]), Identity::Stranger("name"));
    }

    #[test]
    fn an_anchor_has_the_name_and_the_image_of_its_labels_too() {
        let labels = labels::Labels::new("c", "spec".into(), IMAGE.into(), HashMap::new()).of_anchor(3, "{}");
        assert_eq!(is(&labels, "c-lb.record.3", &[IMAGE]), Identity::Anchor { version: 3 });
        assert_eq!(is(&labels, "c-lb.record.4", &[IMAGE]), Identity::Stranger("labels"));
        assert_eq!(is(&labels, "c-lb.record.3", &["copy"]), Identity::Stranger("image"));
    }

    #[test]
    fn listings_and_events_say_the_same() {
        let labels = labels("c");
        let summary = ContainerSummary {
            names: Some(vec!["/other/alias".into(), "/c-a_b".into()]),
            image: Some(IMAGE.into()),
            image_id: Some(IMAGE.into()),
            ..Default::default()
        };
        assert_eq!(identify("c", &Facts::listed(&summary, &labels)), replica(false, false));
        let mut attributes = labels;
        attributes.extend([("name".to_owned(), "c-a_b".to_owned()), ("image".to_owned(), IMAGE.to_owned())]);
        assert_eq!(identify("c", &Facts::of_event(&attributes)), replica(false, false));
        attributes.insert("image".into(), "copy".into());
        assert_eq!(identify("c", &Facts::of_event(&attributes)), Identity::Stranger("image"));
    }

    #[test]
    fn names_are_the_clusters() {
        let name = "3".parse().unwrap();
        assert_eq!(
            (container_name("default", &name), container_name("c", &name)),
            ("3_".into(), "c-3_".into())
        );
        assert_eq!(anchor_name("default", 1), "lb.record.1");
    }
}
