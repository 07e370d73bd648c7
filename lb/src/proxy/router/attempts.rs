//! The attempts of one request that wait for a reply head: usually one, two after a hedge.

use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_http::{Payload, StatusCode};
use tokio::time::{Sleep, sleep, timeout};

use crate::balance::max_normal_silence;
use crate::proxy::client::{self, Outgoing};
use crate::ring::Incarnation;

use super::in_flight::InFlight;
use super::state::Router;
use super::{Reply, now};
use crate::control::panic_guard::exit_on_panic;

/// The shortest time for which an attempt goes on that no client needs any more.
const MIN_BACKGROUND: Duration = Duration::from_secs(3);

/// The attempts of one request that wait for a reply head.
pub(crate) struct Attempts {
    /// The newest attempt, and an abandoned one, whose reply may still come first.
    waiting: [Option<Attempt>; 2],
    losses: Losses,
    cutoff: Option<Pin<Box<Sleep>>>,
}

/// The next event of the attempts.
pub(crate) enum Event {
    /// A reply head has arrived, this long after the replica was chosen.
    Replied(Reply, Duration),
    /// The newest attempt has failed, or an abandoned one after it.
    Failed(Incarnation, client::Error),
    /// The newest attempt was abandoned: its replica is unavailable or a slow probe, and another may be faster.
    Abandoned(Incarnation),
    /// `--request-timeout` has expired.
    TooLong,
}

/// The result of an attempt.
type CallResult = Result<client::Reply, client::Error>;

struct Attempt {
    in_flight: InFlight,
    call: client::Call,
    /// Of a probe: time after which the request is hedged.
    hedge_delay: Option<Pin<Box<Sleep>>>,
    /// [`Event::Abandoned`] was reported for this attempt.
    reported: bool,
}

impl Attempts {
    /// No attempt yet; `request_timeout` begins now.
    pub fn new(request_timeout: Option<Duration>) -> Self {
        let cutoff = request_timeout.map(|timeout| Box::pin(sleep(timeout)));
        Self { waiting: [None, None], losses: Losses::default(), cutoff }
    }

    /// Sends the request.
    pub fn start(&mut self, router: &Router, request: &Rc<Outgoing>, in_flight: InFlight) {
        let attempt = Attempt::start(router, request, in_flight);
        self.losses.started();
        if let Some(newest) = self.waiting[0].replace(attempt) {
            self.waiting[1] = Some(newest);
        }
    }

    /// Whether the request may be sent again: see [`Losses`].
    pub fn may_repeat(&self) -> bool {
        self.losses.may_repeat()
    }

    /// Whether no attempt waits for a reply head.
    pub fn is_empty(&self) -> bool {
        self.waiting.iter().all(Option::is_none)
    }

    /// Waits for the next event. `may_hedge`: the request may be sent to another replica while it waits. `hedged`: it
    /// was hedged before; if the second replica is suspect too, the request itself is slow and is not hedged again.
    pub async fn next(&mut self, may_hedge: bool, hedged: bool) -> Event {
        poll_fn(|cx| self.poll_next(may_hedge, hedged, cx)).await
    }

    fn poll_next(&mut self, may_hedge: bool, hedged: bool, cx: &mut Context<'_>) -> Poll<Event> {
        for at in 0..self.waiting.len() {
            let Some((mut in_flight, result)) = poll_end(&mut self.waiting[at], cx) else { continue };
            match result {
                Ok(response) => {
                    // `--request-timeout` does not bound the lifetime of a tunnel.
                    let cutoff = self.cutoff.take();
                    in_flight.cut_at(cutoff.filter(|_| response.status != StatusCode::SWITCHING_PROTOCOLS));
                    self.end_remaining();
                    let (reply, took) = reply(in_flight, response);
                    return Poll::Ready(Event::Replied(reply, took));
                }
                Err(error) => {
                    in_flight.failed(&error);
                    let suspect = in_flight.endpoint().is_suspect();
                    self.losses.failed(&error, suspect);
                    // If the abandoned attempt fails, the newest one still waits: no third attempt is needed.
                    if self.waiting[0].is_none() {
                        return Poll::Ready(Event::Failed(in_flight.endpoint().incarnation(), error));
                    }
                }
            }
        }
        if let Some(newest) = &mut self.waiting[0]
            && may_hedge
            && !(hedged && newest.in_flight.endpoint().is_suspect())
            && newest.is_abandoned(cx)
        {
            return Poll::Ready(Event::Abandoned(newest.in_flight.endpoint().incarnation()));
        }
        if self.cutoff.as_mut().is_some_and(|cutoff| cutoff.as_mut().poll(cx).is_ready()) {
            let waiting = self.waiting.iter_mut().flatten();
            waiting.for_each(|attempt| attempt.in_flight.timed_out());
            return Poll::Ready(Event::TooLong);
        }
        Poll::Pending
    }

    /// Ends the remaining attempts after another one got a reply. An attempt that is the last one waiting for its
    /// replica is finished in the background, to learn whether the replica recovers: for as long again as it has waited,
    /// since a request that waits keeps a silent replica from being replaced.
    fn end_remaining(&mut self) {
        for attempt in mem::take(&mut self.waiting).into_iter().flatten() {
            if attempt.in_flight.is_last() {
                let waited = now().saturating_duration_since(attempt.in_flight.since());
                let finished = timeout(waited.max(MIN_BACKGROUND), attempt.finish_in_background());
                actix_rt::spawn(exit_on_panic("router", Box::pin(async { drop(finished.await) })));
            }
        }
    }
}

/// Counts the replicas that were lost while they served a request, as its router sees it. The request may be the cause:
/// after a loss it is sent at most once more.
#[derive(Debug, Default)]
struct Losses {
    /// Lost attempts: the request was sent, and then the replica died, was declared hung, or broke the connection
    /// without a byte of a reply.
    lost: u32,
    /// An attempt was started after a loss; it is the last one unless nothing of it was sent.
    repeated: bool,
}

impl Losses {
    fn started(&mut self) {
        self.repeated |= self.lost > 0;
    }

    /// `suspect`: the replica misses its heartbeats. Then a request that got no reply within `--head-timeout` may be the
    /// reason, and the replica is about to be declared hung: a loss too.
    fn failed(&mut self, error: &client::Error, suspect: bool) {
        let hung = suspect && matches!(error.kind, client::Kind::TimedOut(client::Phase::Head));
        self.lost += u32::from(error.is_loss() || hung);
        self.repeated &= error.sent;
    }

    fn may_repeat(&self) -> bool {
        self.lost == 0 || (self.lost == 1 && !self.repeated)
    }
}

impl Attempt {
    fn start(router: &Router, request: &Rc<Outgoing>, in_flight: InFlight) -> Self {
        let endpoint = in_flight.endpoint();
        let call = router.client.send(endpoint.address(), request);
        let hedge_delay =
            in_flight.is_probe().then(|| Box::pin(sleep(max_normal_silence(&endpoint.latency(), now()))));
        Self { in_flight, call, hedge_delay, reported: false }
    }

    /// Whether the replica is unavailable, or the attempt is a slow probe; `true` at most once.
    fn is_abandoned(&mut self, cx: &mut Context<'_>) -> bool {
        let slow =
            self.hedge_delay.as_mut().is_some_and(|hedge_delay| hedge_delay.as_mut().poll(cx).is_ready());
        let abandoned = !self.reported && (slow || self.in_flight.is_abandoned());
        self.reported |= abandoned;
        abandoned
    }

    async fn finish_in_background(self) {
        let Self { mut in_flight, call, .. } = self;
        match call.await {
            Ok(response) => {
                in_flight.replied(response.status);
                in_flight.completed();
            }
            Err(error) => in_flight.failed(&error),
        }
    }
}

fn poll_end(attempt: &mut Option<Attempt>, cx: &mut Context<'_>) -> Option<(InFlight, CallResult)> {
    match Pin::new(&mut attempt.as_mut()?.call).poll(cx) {
        Poll::Ready(result) => Some((attempt.take()?.in_flight, result)),
        Poll::Pending => None,
    }
}

fn reply(mut in_flight: InFlight, reply: client::Reply) -> (Reply, Duration) {
    let client::Reply { status, reason, fields, payload } = reply;
    let took = in_flight.replied(status);
    if matches!(payload, Payload::None) {
        in_flight.completed();
    }
    (Reply { status, reason, fields, payload, in_flight }, took)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::proxy::client::{Error, Kind, Phase};

    fn broke() -> Error {
        Error { kind: Kind::Broke(io::ErrorKind::ConnectionReset.into()), sent: true, received: false }
    }

    fn after(attempts: &[Error]) -> Losses {
        let mut losses = Losses::default();
        for error in attempts {
            losses.started();
            losses.failed(error, false);
        }
        losses
    }

    #[test]
    fn after_a_loss_one_more_attempt_is_allowed() {
        let gone = || Error { kind: Kind::Aborted, ..broke() };
        assert!(after(&[]).may_repeat() && after(&[broke()]).may_repeat() && after(&[gone()]).may_repeat());
        assert!(!after(&[broke(), gone()]).may_repeat());
        let late = || Error { kind: Kind::TimedOut(Phase::Head), ..broke() };
        assert!(!after(&[broke(), late()]).may_repeat(), "the one repetition has failed");
        assert!(after(&[late(), late(), late()]).may_repeat(), "no replica was lost");
        assert!(after(&[late(), broke()]).may_repeat());
        assert!(!after(&[late(), broke(), late()]).may_repeat());
        let half = || Error { received: true, ..broke() };
        assert!(after(&[half(), half()]).may_repeat(), "may_retry forbids it, not the losses");
    }

    #[test]
    fn a_head_time_out_of_a_suspect_replica_is_a_loss() {
        let late = Error { kind: Kind::TimedOut(Phase::Head), ..broke() };
        let mut losses = Losses::default();
        for may_repeat in [true, false] {
            losses.started();
            losses.failed(&late, true);
            assert_eq!(losses.may_repeat(), may_repeat);
        }
    }

    #[test]
    fn an_unsent_attempt_does_not_count() {
        let refused = || Error {
            kind: Kind::Connect(io::ErrorKind::ConnectionRefused.into()),
            sent: false,
            received: false,
        };
        assert!(after(&[refused(), refused(), refused()]).may_repeat());
        assert!(after(&[broke(), refused()]).may_repeat());
        assert!(!after(&[broke(), refused(), broke()]).may_repeat());
        // A kept connection broke, and the replica refuses a new one.
        let died = || Error { sent: true, ..refused() };
        assert!(!after(&[died(), died()]).may_repeat());
    }

    #[test]
    fn a_hedge_started_before_a_loss_is_not_a_repetition() {
        let mut losses = Losses::default();
        losses.started();
        losses.started();
        losses.failed(&broke(), false);
        assert!(losses.may_repeat());
        losses.failed(&broke(), false);
        assert!(!losses.may_repeat());
    }
}
