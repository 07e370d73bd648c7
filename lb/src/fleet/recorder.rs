//! Recorder: decides when the record of the target is written, and which answers wait for the write.
//!
//! A change is written when it is decided; an /add is decided when all of its replicas are ready. One write is under
//! way at a time and contains everything decided so far, so changes in quick succession share writes. A successful
//! call is answered after a write that contains its change. If the runtime cannot write, that is logged once, calls are
//! answered all the same (their changes are in force), and the write is tried again every [`RETRY`].

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::ring::{SeatId, Weight};

use super::action::Action;
use super::record::{Configured, Cordoned, Record, SeatRecord};
use super::{Answer, CallId, Fleet, Ownership, Revision, Seat};

/// The pause after a failed write.
const RETRY: Duration = Duration::from_secs(5);

/// The pause before a record that was removed from outside is written again: the same action may be about to end the
/// balancer too.
const LOST: Duration = Duration::from_secs(1);

/// State of the record in the runtime, and the answers that wait for it.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    /// The record of an earlier balancer, until the replicas are listed.
    restored: Option<Record>,
    /// The configured values that the present seats take account of; `None` before the replicas are listed.
    configured: Option<Configured>,
    /// The call that brings the number of seats to this new value of `--replicas`.
    scaling: Option<(CallId, usize)>,
    /// The record to write at the end, fixed before the fleet forgets its replicas; `None`: the end has not begun.
    at_end: Option<Option<Record>>,
    stored: Stored,
    /// Content of the write that is under way; `Some(None)` removes the record.
    writing: Option<Option<Record>>,
    /// Number of writes so far, the one under way included.
    revision: u64,
    /// Whether the latest write failed.
    failing: bool,
    /// No write before this time.
    not_before: Option<Instant>,
    /// Answers, each with the number of the write that it waits for; 0: not decided yet.
    waiting: Vec<(u64, CallId, Answer)>,
}

/// Content of the runtime's record.
#[derive(Debug, Default, PartialEq, Eq)]
enum Stored {
    /// Unknown: a write failed, or the record was removed.
    #[default]
    Unknown,
    Known(Option<Record>),
}

impl Recorder {
    /// Takes over the record that an earlier balancer has left.
    pub fn restore(&mut self, record: Record) {
        self.restored = Some(record);
    }

    /// Adopts new configured weights; before the replicas are listed, the settings contain them.
    pub fn set_configured_weights(&mut self, weights: &BTreeMap<SeatId, Weight>) {
        if let Some(configured) = &mut self.configured {
            configured.weights.clone_from(weights);
        }
    }

    /// A call begins to bring the number of seats to a new value of `--replicas`.
    pub fn begin_scaling(&mut self, call: CallId, target: usize) {
        self.scaling = Some((call, target));
    }
}

impl Fleet {
    /// Returns the record for the first listing, and adopts the configured values. The record is written
    /// anew even if nothing has changed: a write whose answer the previous balancer did not receive may still
    /// take effect, and must not come after the last write of this one.
    pub(super) fn take_restored(&mut self) -> Option<Record> {
        let restored = self.recorder.restored.take();
        self.recorder.configured =
            Some(Configured { replicas: self.settings.replicas, weights: self.settings.weights.clone() });
        restored
    }

    /// A write of the record has ended ([`Event::Recorded`](super::Event::Recorded)).
    pub(super) fn recorded(&mut self, revision: Revision, result: Result<(), String>, now: Instant) {
        if revision.0 != self.recorder.revision {
            return;
        }
        let Some(written) = self.recorder.writing.take() else { return };
        match result {
            Ok(()) => {
                if std::mem::take(&mut self.recorder.failing) {
                    log::info!("target recorded again");
                }
                self.recorder.stored = Stored::Known(written);
            }
            Err(why) => {
                if !std::mem::replace(&mut self.recorder.failing, true) {
                    log::error!(why:%, retry_s:% = RETRY.as_secs(); "target not recorded");
                }
                self.recorder.stored = Stored::Unknown;
                self.recorder.not_before = Some(now + RETRY);
            }
        }
        self.release_answers(|needed| needed <= revision.0);
    }

    /// The record was removed from outside ([`RuntimeEvent::RecordLost`](super::RuntimeEvent::RecordLost)).
    pub(super) fn record_lost(&mut self, now: Instant) {
        if self.keeps_record() && self.recorder.writing.is_none() && !self.lifecycle.is_stopping() {
            log::warn!(by = "somebody_else", retry_s:% = LOST.as_secs(); "record of the target removed");
            self.recorder.stored = Stored::Unknown;
            self.recorder.not_before = Some(now + LOST);
        }
    }

    /// Answers a successful call as soon as its change is recorded.
    pub(super) fn reply_when_recorded(&mut self, call: CallId, answer: Answer) {
        self.recorder.waiting.push((0, call, answer));
    }

    /// If this call brings the number of seats to a new `--replicas`, records that it is complete.
    pub(super) fn finish_scaling(&mut self, call: CallId) {
        let joined = self.target();
        if let Some((_, target)) = self.recorder.scaling.take_if(|(scaling, _)| *scaling == call)
            && target == joined
            && let Some(configured) = &mut self.recorder.configured
        {
            configured.replicas = target;
        }
    }

    /// The last step of each event: writes the record if it has changed, and answers the calls whose change is
    /// recorded.
    pub(super) fn record(&mut self, now: Instant) {
        if !self.keeps_record() {
            return self.release_answers(|_| true);
        }
        let up_to_date = self.is_up_to_date();
        if up_to_date {
            self.recorder.not_before = None;
        }
        let due = self.recorder.not_before.is_none_or(|at| at <= now);
        let given_up = self.lifecycle.is_stopping() && self.recorder.failing;
        if self.recorder.writing.is_none() && !up_to_date && due && !given_up {
            let record = self.recorder.at_end.clone().unwrap_or_else(|| Some(self.target_record()));
            self.recorder.revision += 1;
            self.recorder.not_before = None;
            self.recorder.writing = Some(record.clone());
            self.actions.push(Action::Record { revision: Revision(self.recorder.revision), record });
        }
        let recorder = &self.recorder;
        let pending = match &recorder.writing {
            _ if recorder.failing => None,
            None => (!up_to_date).then_some(recorder.revision + 1),
            Some(writing) if self.is_wanted(writing) => Some(recorder.revision),
            Some(_) => Some(recorder.revision + 1),
        };
        let Some(pending) = pending else { return self.release_answers(|_| true) };
        for (needed, ..) in self.recorder.waiting.iter_mut().filter(|(needed, ..)| *needed == 0) {
            *needed = pending;
        }
    }

    /// Whether nothing is left to write; a failed write is not repeated at the end.
    pub(super) fn is_recorded(&self) -> bool {
        let recorder = &self.recorder;
        let done = || recorder.failing || self.is_up_to_date();
        !self.keeps_record() || recorder.writing.is_none() && done()
    }

    /// When the next write is due, if it has to wait.
    pub(super) fn next_record(&self) -> Option<Instant> {
        self.recorder.not_before.filter(|_| self.keeps_record() && !self.lifecycle.is_stopping())
    }

    /// External servers are configured, not recorded. Beside another balancer the record belongs to the other one.
    fn keeps_record(&self) -> bool {
        self.settings.ownership == Ownership::Managed
            && !self.lifecycle.is_conflict()
            && self.recorder.configured.is_some()
    }

    /// Fixes the target. Replicas that are stopped at the end take their record with them: the next start is a first
    /// one.
    pub(super) fn close_record(&mut self) {
        if self.recorder.at_end.is_none() {
            self.recorder.at_end = Some(self.settings.keep.then(|| self.target_record()));
        }
    }

    fn is_up_to_date(&self) -> bool {
        matches!(&self.recorder.stored, Stored::Known(stored) if self.is_wanted(stored))
    }

    /// Whether this is the record to write. Compared in place: this runs at every event, and a copy of all seats for each
    /// heartbeat would cost more than the heartbeat.
    fn is_wanted(&self, content: &Option<Record>) -> bool {
        if let Some(at_end) = &self.recorder.at_end {
            return content == at_end;
        }
        content.as_ref().is_some_and(|record| {
            let joined = self.seats.iter().filter(|(_, seat)| seat.joined());
            let joined = joined.map(|(id, seat)| (id, seat.weight(), self.cordon_of(seat)));
            let recorded = record.seats.iter().map(|(id, seat)| (id, seat.weight, seat.cordoned.clone()));
            record.configured == self.recorder.configured && joined.eq(recorded)
        })
    }

    /// The seats in the ring. Seats of an unanswered /add are included once all of its replicas are ready.
    fn target_record(&self) -> Record {
        let joined = self.seats.iter().filter(|(_, seat)| seat.joined());
        let seats = joined
            .map(|(id, seat)| (*id, SeatRecord { weight: seat.weight(), cordoned: self.cordon_of(seat) }))
            .collect();
        Record { configured: self.recorder.configured.clone(), seats }
    }

    fn cordon_of(&self, seat: &Seat) -> Option<Cordoned> {
        let incarnation = seat.cordoned()?;
        let name = self.members.get(&incarnation)?.launch.name.clone();
        Some(Cordoned { name, incarnation })
    }

    fn release_answers(&mut self, is_recorded: impl Fn(u64) -> bool) {
        let waiting = std::mem::take(&mut self.recorder.waiting);
        for (needed, call, answer) in waiting {
            if is_recorded(needed) {
                self.actions.push(Action::Reply { call, result: Ok(answer) });
            } else {
                self.recorder.waiting.push((needed, call, answer));
            }
        }
    }
}
