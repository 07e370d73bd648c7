//! Containers of a previous balancer that the engine created after its death.
//!
//! The engine carries out a `create` although its client has died, possibly after the next balancer has listed the
//! containers. Such a container is never started, and no launch refers to it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bollard::models::{ContainerSummary, ContainerSummaryStateEnum};

use super::Inner;
use super::identity::Identity;

/// How long an unknown container may stay unstarted: another balancer may be about to start it.
const ABANDONED_AFTER: Duration = Duration::from_secs(10);

/// When each unknown and unstarted container was seen first, by id.
#[derive(Debug, Default)]
pub(super) struct Abandoned(BTreeMap<String, Instant>);

impl Abandoned {
    /// Takes the present unknown and unstarted containers, and returns those that have been so for [`ABANDONED_AFTER`].
    fn observe(&mut self, present: Vec<String>, now: Instant) -> Vec<String> {
        let first_seen = |id: String| {
            let first = self.0.get(&id).copied().unwrap_or(now);
            (id, first)
        };
        self.0 = present.into_iter().map(first_seen).collect();
        let overdue =
            self.0.iter().filter(|(_, first)| now.saturating_duration_since(**first) >= ABANDONED_AFTER);
        overdue.map(|(id, _)| id.clone()).collect()
    }
}

impl Inner {
    /// The ids of replicas of this cluster that were never started and that no launch of this process refers to,
    /// whichever process made them.
    fn unstarted<'a>(&'a self, summaries: &'a [ContainerSummary]) -> impl Iterator<Item = &'a String> {
        let unstarted = |summary: &&ContainerSummary| {
            let created = summary.state == Some(ContainerSummaryStateEnum::CREATED);
            let made = summary.labels.as_ref().is_some_and(|labels| self.labels.made(labels));
            created && !made && matches!(self.identify(summary), Identity::Replica(_))
        };
        let ids = summaries.iter().filter(unstarted).filter_map(|summary| summary.id.as_ref());
        ids.filter(|id| self.incarnation_of(id).is_none())
    }

    /// The ids of those that have been seen for long enough to be removed.
    pub(super) fn abandoned(&self, summaries: &[ContainerSummary]) -> Vec<String> {
        let unstarted = self.unstarted(summaries).cloned().collect();
        self.abandoned.borrow_mut().observe(unstarted, Instant::now())
    }

    /// The id of the unstarted, unknown replica that has this container name.
    pub(super) async fn unstarted_holder(&self, name: &str) -> Option<String> {
        let mut summaries = self.engine.list(self.labels.cluster()).await.ok()?;
        let holds = |of: &String| of.trim_start_matches('/') == name;
        summaries.retain(|summary| summary.names.iter().flatten().any(holds));
        self.unstarted(&summaries).next().cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_abandoned_if_it_is_unstarted_for_ten_seconds() {
        let (mut abandoned, start) = (Abandoned::default(), Instant::now());
        let mut at = |seconds, ids: &[&str]| {
            let ids = ids.iter().map(|id| (*id).to_owned()).collect();
            abandoned.observe(ids, start + Duration::from_secs(seconds))
        };
        assert!(at(0, &["a", "b"]).is_empty() && at(9, &["a", "c"]).is_empty());
        assert_eq!(at(10, &["a", "b", "c"]), ["a"]);
        assert_eq!(at(20, &["b", "c"]), ["b", "c"]);
    }
}
