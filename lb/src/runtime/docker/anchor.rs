//! The record of the target in the labels of the *anchor*, a container that is created and never started.
//!
//! A container, because every engine keeps it, lists it with the replicas, and `docker-compose down` removes it with
//! them; a volume outlives `down`, and a network cannot be replaced while in use. The anchor is made from the
//! replicas' image (which exists), has no network, and costs one call of the engine per change.
//!
//! Labels cannot be changed, so each write makes a new anchor of a higher version and then removes the old one. If
//! the balancer is killed in between, two are left: the highest version counts, and the next start removes the other.
//! Each start writes an anchor at once, of a version that no late call of the previous balancer reaches.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use bollard::models::{ContainerCreateBody, ContainerSummary, HostConfig};
use tokio::time::sleep;

use super::super::{Error, Event};
use super::engine_error::EngineError;
use super::identity::{Identity, anchor_name};
use super::{Inner, labels};
use crate::fleet::{Record, SeatRecord};
use crate::ring::Weight;

/// Names that are tried for one write: an unrelated container may have one of them.
const NAMES: usize = 8;

/// The pause before an anchor counts as removed from outside: another balancer may have replaced it.
const LOST: Duration = Duration::from_secs(1);

/// Versions that a start skips: the engine may still create anchors that the previous balancer asked for, and theirs
/// must stay lower than those of this process.
const SKIPPED_AT_START: u64 = 16;

/// The anchors known to this process.
#[derive(Debug, Default)]
pub(super) struct Anchors {
    /// Id of the anchor that holds the record in force.
    current: Option<String>,
    /// The highest version so far.
    version: u64,
}

/// An anchor that was found in a listing.
struct FoundAnchor {
    version: u64,
    id: String,
    record: Option<String>,
}

impl Anchors {
    /// Whether an anchor can be removed, given that one is in force.
    fn is_obsolete(&self, anchor: &FoundAnchor) -> bool {
        self.current.as_ref().is_some_and(|current| *current != anchor.id) && anchor.version < self.version
    }
}

impl Inner {
    /// Reads the anchor of the highest version and removes the others. Without an anchor, the replicas of an older
    /// version of the balancer, which recorded no target, serve as the record.
    pub(super) async fn read_record(self: &Rc<Self>) -> Result<Option<Record>, Error> {
        let summaries =
            self.engine.list(self.labels.cluster()).await.map_err(|error| {
                Error::Refused(format!("the engine does not list its containers: {error}"))
            })?;
        let mut anchors = self.anchors_among(&summaries);
        let Some(latest) = anchors.pop() else { return Ok(self.legacy_record(&summaries)) };
        let version = latest.version.saturating_add(SKIPPED_AT_START);
        *self.anchors.borrow_mut() = Anchors { current: Some(latest.id), version };
        for old in anchors {
            self.discard_later(old.id);
        }
        let record = Record::from_json(&latest.record.unwrap_or_default());
        let record = record.inspect_err(|why| log::error!(why:%; "record of the target not read"));
        Ok(record.ok())
    }

    /// Creates a new anchor with the record, and removes the previous one.
    pub(super) async fn write_record(self: &Rc<Self>, record: Record) -> Result<(), Error> {
        let text = record.to_json().map_err(|error| Error::Refused(error.to_string()))?;
        let id = self.create_anchor(&text).await.map_err(|error| Error::Refused(error.to_string()))?;
        let old = self.anchors.borrow_mut().current.replace(id);
        if let Some(old) = old {
            self.discard_later(old);
        }
        Ok(())
    }

    /// Removes all anchors, including those that the engine created late.
    pub(super) async fn remove_record(self: &Rc<Self>) -> Result<(), Error> {
        let current = self.anchors.borrow_mut().current.take();
        if let Some(current) = current {
            self.discard(&current).await;
        }
        let summaries = self.engine.list(self.labels.cluster()).await;
        let summaries = summaries.map_err(|error| Error::Refused(error.to_string()))?;
        for anchor in self.anchors_among(&summaries) {
            self.discard(&anchor.id).await;
        }
        Ok(())
    }

    /// Whether a container is the anchor in force.
    pub(super) fn is_current_anchor(&self, id: &str) -> bool {
        self.anchors.borrow().current.as_deref() == Some(id)
    }

    /// Handles the removal of an anchor. If it was the current one, another balancer has replaced it, or it was
    /// removed from outside.
    pub(super) async fn anchor_gone(self: Rc<Self>, id: String) -> Option<Event> {
        sleep(LOST).await;
        if !self.is_current_anchor(&id) {
            return None; // this process has replaced it in the meantime
        }
        let summaries = self.engine.list(self.labels.cluster()).await.unwrap_or_default();
        self.missing_anchor(&summaries)
    }

    /// The event that follows if the current anchor is missing from a listing.
    pub(super) fn missing_anchor(&self, summaries: &[ContainerSummary]) -> Option<Event> {
        let mut anchors = self.anchors.borrow_mut();
        let current = anchors.current.clone()?;
        let found = self.anchors_among(summaries);
        if found.iter().any(|anchor| anchor.id == current) {
            return None;
        }
        match found.last().filter(|latest| latest.version > anchors.version) {
            Some(latest) => {
                Some(Event::Conflict { container: anchor_name(self.labels.cluster(), latest.version) })
            }
            None => {
                anchors.current = None;
                Some(Event::RecordLost)
            }
        }
    }

    /// Removes anchors that the engine created late: those that are neither in force nor of a version that is still to
    /// be written.
    pub(super) fn remove_late_anchors(self: &Rc<Self>, summaries: &[ContainerSummary]) {
        for anchor in self.anchors_among(summaries) {
            if self.anchors.borrow().is_obsolete(&anchor) {
                self.discard_later(anchor.id);
            }
        }
    }

    async fn create_anchor(&self, record: &str) -> Result<String, EngineError> {
        let mut tried = 0;
        loop {
            let version = {
                let mut anchors = self.anchors.borrow_mut();
                anchors.version = anchors.version.saturating_add(1);
                anchors.version
            };
            let name = anchor_name(self.labels.cluster(), version);
            tried += 1;
            match self.engine.create(&name, self.anchor_body(version, record)).await {
                Err(EngineError::Conflict(_)) if tried < NAMES => {}
                made => return made,
            }
        }
    }

    fn anchor_body(&self, version: u64, record: &str) -> ContainerCreateBody {
        ContainerCreateBody {
            image: Some(self.image.clone()),
            labels: Some(self.labels.of_anchor(version, record)),
            host_config: Some(HostConfig { network_mode: Some("none".to_owned()), ..Default::default() }),
            ..Default::default()
        }
    }

    /// The anchors of this cluster in ascending order.
    fn anchors_among(&self, summaries: &[ContainerSummary]) -> Vec<FoundAnchor> {
        let anchor = |summary: &ContainerSummary| {
            let Identity::Anchor { version } = self.identify(summary) else { return None };
            let record = summary.labels.as_ref().and_then(|of| of.get(labels::RECORD)).cloned();
            Some(FoundAnchor { version, id: summary.id.clone()?, record })
        };
        let mut anchors: Vec<FoundAnchor> = summaries.iter().filter_map(anchor).collect();
        anchors.sort_by_key(|anchor| anchor.version);
        anchors
    }

    /// The record given by the seats of replicas that an older version has made.
    fn legacy_record(&self, summaries: &[ContainerSummary]) -> Option<Record> {
        let known = summaries.iter().filter_map(|summary| match self.identify(summary) {
            Identity::Replica(known) if !known.leaving => Some(known),
            _ => None,
        });
        let known: Vec<_> = known.collect();
        let seat = SeatRecord { weight: Weight::DEFAULT, cordoned: None };
        let seats: BTreeMap<_, _> = known.iter().map(|known| (known.launch.seat, seat.clone())).collect();
        known.iter().any(|known| known.legacy).then_some(Record { configured: None, seats })
    }

    pub(super) fn discard_later(self: &Rc<Self>, id: String) {
        let docker = self.clone();
        actix_rt::spawn(async move { docker.discard(&id).await });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_is_obsolete_if_a_later_one_is_in_force() {
        let found = |version, id: &str| FoundAnchor { version, id: id.to_owned(), record: None };
        let anchors = |current: Option<&str>| Anchors { current: current.map(str::to_owned), version: 7 };
        assert!(anchors(Some("a")).is_obsolete(&found(6, "b")));
        for (current, version, id) in [(Some("a"), 6, "a"), (Some("a"), 7, "b"), (None, 6, "b")] {
            assert!(!anchors(current).is_obsolete(&found(version, id)), "{current:?} {version} {id}");
        }
    }
}
