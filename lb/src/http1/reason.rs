//! Reason phrases: those of the replicas are passed on, although actix-http accepts only `'static` strings.

use std::cell::RefCell;
use std::collections::HashSet;

use awc::http::StatusCode;

/// Limit of interned phrases per worker; replies with further ones get the standard phrase.
const MAX_INTERNED: usize = 256;
/// Maximum length of an interned phrase in bytes.
const MAX_LENGTH: usize = 128;

thread_local! {
    /// The interned phrases, each of which is leaked once. The limits bound the leak if a replica sends a new phrase
    /// with every reply.
    static INTERNED: RefCell<HashSet<&'static str>> = RefCell::default();
}

/// The phrase as a `'static` string; `None` if it is the standard phrase of the status, or if a limit is reached.
pub(crate) fn intern(status: StatusCode, phrase: &str) -> Option<&'static str> {
    if status.canonical_reason() == Some(phrase) || phrase.len() > MAX_LENGTH {
        return None;
    }
    INTERNED.with_borrow_mut(|interned| {
        if let Some(known) = interned.get(phrase) {
            return Some(*known);
        }
        if interned.len() == MAX_INTERNED {
            return None;
        }
        let phrase: &'static str = Box::leak(phrase.into());
        interned.insert(phrase);
        Some(phrase)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_is_interned_unless_it_is_standard_or_a_limit_is_reached() {
        assert_eq!(intern(StatusCode::OK, "OK"), None);
        assert_eq!(intern(StatusCode::OK, ""), Some(""));
        assert_eq!(intern(StatusCode::OK, "Fine"), Some("Fine"));
        assert_eq!(intern(StatusCode::OK, &"x".repeat(MAX_LENGTH + 1)), None);
        let all = (0..2 * MAX_INTERNED).filter_map(|n| intern(StatusCode::OK, &n.to_string())).count();
        assert_eq!(all, MAX_INTERNED - 2, "two are interned already");
        assert_eq!(intern(StatusCode::ACCEPTED, "Fine"), Some("Fine"));
    }
}
