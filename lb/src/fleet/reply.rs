//! Answers to calls.

use crate::name::Name;
use crate::ring::SeatId;

use super::action::Action;
use super::rollout::manual::ManualRollout;
use super::{Answer, CallId, CommandError, Fleet};

impl Fleet {
    pub(super) fn reply_list(&mut self, call: CallId) {
        self.reply_about(call, None);
    }

    pub(super) fn reply_about(&mut self, call: CallId, about: Option<(SeatId, Name)>) {
        let rolling = self.manual_rollout.as_ref().map(ManualRollout::progress);
        self.reply(call, Ok(Answer { replicas: self.names(), about, vacancy: None, rolling }));
    }

    pub(super) fn reply(&mut self, call: CallId, result: Result<Answer, CommandError>) {
        match result {
            Ok(answer) => self.reply_when_recorded(call, answer),
            Err(_) => self.actions.push(Action::Reply { call, result }),
        }
    }
}
