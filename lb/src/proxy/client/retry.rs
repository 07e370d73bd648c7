//! The one place that says whether a failed attempt may be repeated.

use awc::http::Method;

use super::error::{Error, Kind, Phase};

/// Whether a request may be sent again, to this replica or another, after `error`.
///
/// `replayable`: it has no body, or all that was read of it is kept ([`ReplayBody::replayable`](super::ReplayBody)).
/// Any method may if no byte was sent; an idempotent one (RFC 9110 §9.2.2) also if the connection broke, the replica
/// died, or the time was up before the first byte of a reply, or if what came is no reply.
pub fn may_retry(method: &Method, replayable: bool, error: &Error) -> bool {
    let unanswered = !error.received && method.is_idempotent();
    replayable
        && match error.kind {
            Kind::Client(_) | Kind::Request(_) => false,
            Kind::TimedOut(Phase::Upload) => false,
            // `Connect` and `Unknown` with a byte sent: a kept connection broke, and no other came about.
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
    fn any_method_may_while_nothing_was_sent() {
        for kind in [broke(), Kind::Connect(io::ErrorKind::ConnectionRefused.into()), Kind::Aborted] {
            assert!(may_retry(&Method::POST, true, &error(kind, false, false)));
        }
        assert!(may_retry(&Method::POST, true, &error(Kind::TimedOut(Phase::Connect), false, false)));
    }

    #[test]
    fn only_an_idempotent_method_may_once_a_byte_was_sent() {
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
    fn nothing_may_once_a_byte_came_back_or_the_body_is_lost() {
        assert!(!may_retry(&Method::GET, true, &error(broke(), true, true)));
        assert!(!may_retry(&Method::GET, true, &error(Kind::TimedOut(Phase::Head), true, true)));
        assert!(!may_retry(&Method::GET, false, &error(broke(), true, false)));
        assert!(!may_retry(&Method::PUT, false, &error(broke(), false, false)));
    }

    #[test]
    fn what_another_replica_cannot_mend_is_not_repeated() {
        for kind in [Kind::Client("gone".into()), Kind::Request("x"), Kind::TimedOut(Phase::Upload)] {
            assert!(!may_retry(&Method::GET, true, &error(kind, false, false)));
        }
    }
}
