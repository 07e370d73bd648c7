//! Reason phrases: passed on as the replica chose them, although actix-http takes only those that live for ever.

use std::cell::RefCell;
use std::collections::HashSet;

use awc::http::StatusCode;

/// How many phrases of their own the replicas of one worker may have; what comes later gets the usual one.
const MAX_KEPT: usize = 256;
/// The longest phrase that is kept, in bytes.
const MAX_LENGTH: usize = 128;

thread_local! {
    /// Phrases are few: each is leaked once. The limits are for a replica that makes up a new one for every reply.
    static KEPT: RefCell<HashSet<&'static str>> = RefCell::default();
}

/// The phrase for a reply's head; `None` if it is the usual one, or cannot be kept.
pub(crate) fn kept(status: StatusCode, phrase: &str) -> Option<&'static str> {
    if status.canonical_reason() == Some(phrase) || phrase.len() > MAX_LENGTH {
        return None;
    }
    KEPT.with_borrow_mut(|kept| {
        if let Some(known) = kept.get(phrase) {
            return Some(*known);
        }
        if kept.len() == MAX_KEPT {
            return None;
        }
        let phrase: &'static str = Box::leak(phrase.into());
        kept.insert(phrase);
        Some(phrase)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_is_kept_unless_it_is_the_usual_one_or_one_too_many() {
        assert_eq!(kept(StatusCode::OK, "OK"), None);
        assert_eq!(kept(StatusCode::OK, ""), Some(""));
        assert_eq!(kept(StatusCode::OK, "Fine"), Some("Fine"));
        assert_eq!(kept(StatusCode::OK, &"x".repeat(MAX_LENGTH + 1)), None);
        let all = (0..2 * MAX_KEPT).filter_map(|n| kept(StatusCode::OK, &n.to_string())).count();
        assert_eq!(all, MAX_KEPT - 2, "two are kept already");
        assert_eq!(kept(StatusCode::ACCEPTED, "Fine"), Some("Fine"));
    }
}
