//! The text of a rejection for the client: the reason, and the flag that sets the limit.

use crate::http1::rejection::Rejection;

/// The reason, followed by the flag in parentheses if the limit is configurable.
pub(crate) fn rejection_text(rejection: &Rejection) -> String {
    match flag(rejection) {
        Some(flag) => format!("{rejection} ({flag})"),
        None => rejection.to_string(),
    }
}

/// The flag that sets the limit; `None` if the limit is fixed, or not mentioned to a client beyond it.
fn flag(rejection: &Rejection) -> Option<&'static str> {
    match rejection {
        Rejection::TargetTooLong(_) => Some("--max-target"),
        Rejection::HeaderTooLarge(_) => Some("--max-header-size"),
        Rejection::BodyTooLarge(_) => Some("--max-body"),
        Rejection::HeadTooSlow(_) => Some("--client-head-timeout"),
        Rejection::BodyTooSlow(_) => Some("--client-idle-timeout"),
        Rejection::Malformed(_)
        | Rejection::Connect
        | Rejection::Version
        | Rejection::Expectation
        | Rejection::TooManyFields(_)
        | Rejection::TooManyConnections => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_configurable_limit_names_its_flag() {
        let text = |rejection| rejection_text(&rejection);
        assert_eq!(text(Rejection::TargetTooLong(9)), "The target is longer than 9 bytes (--max-target)");
        let slow = text(Rejection::HeadTooSlow(Duration::from_secs(10)));
        assert_eq!(slow, "The head did not come within 10s (--client-head-timeout)");
        assert_eq!(text(Rejection::TooManyFields(128)), "There are more than 128 header fields");
        assert_eq!(text(Rejection::TooManyConnections), "Too many connections");
    }
}
