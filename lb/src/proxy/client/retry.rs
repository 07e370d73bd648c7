//! The rule whether a failed attempt may be repeated. This is the only place that decides it.

use awc::http::Method;

use super::error::{Error, Kind, Phase};

/// Whether a request may be sent again, to this replica or another, after `error`.
///
/// `replayable`: the request has no body, or all bytes read of it are buffered
/// ([`ReplayBody::replayable`](super::ReplayBody)). A request of any method may be repeated if no byte was sent. A
/// request of an idempotent method (RFC 9110 §9.2.2) may also be repeated if before the first byte of a reply the
/// connection broke, the replica died or a timeout passed, or if the reply is malformed.
pub fn may_retry(method: &Method, replayable: bool, error: &Error) -> bool {
    let unanswered = !error.received && method.is_idempotent();
    replayable
        && match error.kind {
            Kind::Client(_) | Kind::Request(_) => false,
            Kind::TimedOut(Phase::Upload) => false,
            // `Connect` and `Unknown` with `sent`: a pooled connection broke, and a new one could not be opened.
            Kind::Broke(_) | Kind::Aborted | Kind::Connect(_) | Kind::Unknown(_) | Kind::TimedOut(_) => {
                !error.sent || unanswered
            }
            Kind::Malformed(_) => method.is_idempotent(),
        }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::proxy::client::Malformed;

    fn error(kind: Kind, sent: bool, received: bool) -> Error {
        Error { kind, sent, received }
    }

    fn broke() -> Kind {
        Kind::Broke(io::ErrorKind::ConnectionReset.into())
    }

    #[test]
    fn any_method_may_be_repeated_if_nothing_was_sent() {
        for kind in [broke(), Kind::Connect(io::ErrorKind::ConnectionRefused.into()), Kind::Aborted] {
            assert!(may_retry(&Method::POST, true, &error(kind, false, false)));
        }
        assert!(may_retry(&Method::POST, true, &error(Kind::TimedOut(Phase::Connect), false, false)));
    }

    #[test]
    fn only_idempotent_methods_may_be_repeated_after_a_byte_was_sent() {
        for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS, Method::TRACE]
        {
            assert!(may_retry(&method, true, &error(broke(), true, false)), "{method}");
            assert!(may_retry(&method, true, &error(Kind::Aborted, true, false)), "{method}");
            assert!(may_retry(&method, true, &error(Kind::TimedOut(Phase::Head), true, false)), "{method}");
            assert!(may_retry(&method, true, &error(Kind::Malformed(Malformed::Protocol), true, true)));
        }
        for method in [Method::POST, Method::PATCH] {
            for kind in [broke(), Kind::TimedOut(Phase::Head), Kind::Malformed(Malformed::Protocol)] {
                assert!(!may_retry(&method, true, &error(kind, true, false)), "{method}");
            }
        }
    }

    #[test]
    fn no_request_is_repeated_after_a_byte_of_a_reply_or_with_a_lost_body() {
        assert!(!may_retry(&Method::GET, true, &error(broke(), true, true)));
        assert!(!may_retry(&Method::GET, true, &error(Kind::TimedOut(Phase::Head), true, true)));
        assert!(!may_retry(&Method::GET, false, &error(broke(), true, false)));
        assert!(!may_retry(&Method::PUT, false, &error(broke(), false, false)));
    }

    #[test]
    fn errors_of_the_client_or_the_request_are_not_repeated() {
        for kind in [Kind::Client("gone".into()), Kind::Request("x"), Kind::TimedOut(Phase::Upload)] {
            assert!(!may_retry(&Method::GET, true, &error(kind, false, false)));
        }
    }
}
