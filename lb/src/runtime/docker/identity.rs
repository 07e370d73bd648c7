//! Identity of a container: whether it belongs to this cluster, by its labels, its name and its image.
//!
//! `docker commit` copies the labels of a container into the image, and every container of that image inherits them.
//! Labels alone therefore prove nothing: a container belongs to the cluster only if it also has the name that follows
//! from its labels, and the image that they name. No other container is routed to, renamed, stopped or removed, and
//! none counts as one of another balancer. Containers that this process has made are identified by their ids.

use std::collections::HashMap;

use bollard::models::ContainerSummary;

use super::super::Launch;
use super::labels;
use crate::name::Name;

/// Part of the name of a leaving container.
pub(super) const LEAVING: &str = ".leaving.";

/// What the engine reports of a container.
pub(super) struct ContainerInfo<'a> {
    pub labels: &'a HashMap<String, String>,
    /// Its name, without a leading slash.
    pub name: &'a str,
    /// Its image: the reference used when it was created, and the image's id. A replica is created by the id, so that
    /// both are equal.
    pub images: Vec<&'a str>,
}

/// Identity of a container with respect to a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    Replica(Known),
    /// It stores a record of the target.
    Anchor {
        version: u64,
    },
    /// It does not belong to the cluster; the text names the part that does not match.
    Unrelated(&'static str),
}

/// A replica of this cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub launch: Launch,
    /// Whether it has a leaving name.
    pub leaving: bool,
    /// Whether it was made by a version of the balancer that recorded neither the image nor the target.
    pub legacy: bool,
}

impl<'a> ContainerInfo<'a> {
    /// Takes them from a listing.
    pub fn listed(summary: &'a ContainerSummary, labels: &'a HashMap<String, String>) -> Self {
        // Legacy links give a container further names, with a slash inside.
        let names = summary.names.iter().flatten().map(|name| name.trim_start_matches('/'));
        Self {
            labels,
            name: names.clone().find(|name| !name.contains('/')).unwrap_or_default(),
            images: summary.image.iter().chain(&summary.image_id).map(String::as_str).collect(),
        }
    }

    /// Takes them from an event, whose attributes are the labels, the name and the reference of the image.
    pub fn of_event(attributes: &'a HashMap<String, String>) -> Self {
        let attribute = |name: &str| attributes.get(name).map(String::as_str);
        Self {
            labels: attributes,
            name: attribute("name").unwrap_or_default(),
            images: attribute("image").into_iter().collect(),
        }
    }
}

/// Determines the identity of a container.
pub(super) fn identify(cluster: &str, info: &ContainerInfo) -> Identity {
    if info.labels.get(labels::CLUSTER).is_none_or(|of| of != cluster) {
        return Identity::Unrelated("another cluster");
    }
    if let Some(version) = labels::version(info.labels).filter(|of| info.name == anchor_name(cluster, *of)) {
        return match has_labelled_image(info) {
            Some(true) => Identity::Anchor { version },
            Some(false) | None => Identity::Unrelated("image"),
        };
    }
    let Some(launch) = labels::launch(info.labels) else { return Identity::Unrelated("labels") };
    let Some(rest) = info.name.strip_prefix(&container_name(cluster, &launch.name)) else {
        return Identity::Unrelated("name");
    };
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let leaving = rest.strip_prefix(LEAVING).is_some_and(number);
    if !leaving && !rest.is_empty() {
        return Identity::Unrelated("name");
    }
    match has_labelled_image(info) {
        Some(false) => Identity::Unrelated("image"),
        image => Identity::Replica(Known { launch, leaving, legacy: image.is_none() }),
    }
}

/// Whether a container is made from the image that its label names; `None` without that label.
fn has_labelled_image(info: &ContainerInfo) -> Option<bool> {
    // Some engines omit the algorithm.
    let bare = |id: &str| id.trim_start_matches("sha256:").to_owned();
    let labelled = bare(info.labels.get(labels::IMAGE)?);
    Some(info.images.iter().any(|image| bare(image) == labelled))
}

/// The name of a replica's container.
pub(super) fn container_name(cluster: &str, name: &Name) -> String {
    format!("{}{}", prefix(cluster), name.container())
}

/// The name of the container that stores the record with this version.
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
        identify("c", &ContainerInfo { labels, name, images: images.to_vec() })
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
            assert_eq!(is(&labels, name, &[IMAGE]), Identity::Unrelated("name"), "{name}");
        }
        for image in ["sha256:bb", "copy", ""] {
            assert_eq!(is(&labels, "c-a_b", &[image]), Identity::Unrelated("image"), "{image}");
        }
        assert_eq!(is(&labels, "c-a_b", &[]), Identity::Unrelated("image"));
        assert_eq!(is(&self::labels("d"), "c-a_b", &[IMAGE]), Identity::Unrelated("another cluster"));
        assert_eq!(is(&HashMap::new(), "c-a_b", &[IMAGE]), Identity::Unrelated("another cluster"));
    }

    #[test]
    fn containers_of_an_older_version_are_identified_by_name() {
        let mut labels = labels("c");
        labels.remove(labels::IMAGE);
        assert_eq!(is(&labels, "c-a_b", &["any"]), replica(false, true));
        assert_eq!(is(&labels, "copy", &["any"]), Identity::Unrelated("name"));
    }

    #[test]
    fn an_anchor_has_the_name_and_the_image_of_its_labels_too() {
        let labels = labels::Labels::new("c", "spec".into(), IMAGE.into(), HashMap::new()).of_anchor(3, "{}");
        assert_eq!(is(&labels, "c-lb.record.3", &[IMAGE]), Identity::Anchor { version: 3 });
        assert_eq!(is(&labels, "c-lb.record.4", &[IMAGE]), Identity::Unrelated("labels"));
        assert_eq!(is(&labels, "c-lb.record.3", &["copy"]), Identity::Unrelated("image"));
    }

    #[test]
    fn listings_and_events_give_the_same_identity() {
        let labels = labels("c");
        let summary = ContainerSummary {
            names: Some(vec!["/other/alias".into(), "/c-a_b".into()]),
            image: Some(IMAGE.into()),
            image_id: Some(IMAGE.into()),
            ..Default::default()
        };
        assert_eq!(identify("c", &ContainerInfo::listed(&summary, &labels)), replica(false, false));
        let mut attributes = labels;
        attributes.extend([("name".to_owned(), "c-a_b".to_owned()), ("image".to_owned(), IMAGE.to_owned())]);
        assert_eq!(identify("c", &ContainerInfo::of_event(&attributes)), replica(false, false));
        attributes.insert("image".into(), "copy".into());
        assert_eq!(identify("c", &ContainerInfo::of_event(&attributes)), Identity::Unrelated("image"));
    }

    #[test]
    fn names_contain_the_cluster() {
        let name = "3".parse().unwrap();
        assert_eq!(
            (container_name("default", &name), container_name("c", &name)),
            ("3_".into(), "c-3_".into())
        );
        assert_eq!(anchor_name("default", 1), "lb.record.1");
    }
}
