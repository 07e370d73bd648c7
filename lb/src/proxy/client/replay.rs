//! A request body that can be sent again as long as all that was read of it is kept.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_http::Payload;
use actix_http::error::PayloadError;
use awc::body::{BodySize, BoxBody, MessageBody};
use bytes::Bytes;
use futures::Stream;

/// How much of a body is kept, in bytes. A body that grows past it can be sent once only.
const MAX_KEPT: usize = 64 * 1024;
/// In how many pieces it may have come: each costs memory too.
const MAX_PIECES: usize = 1024;

/// The client's body and what was read of it; with an offer to upgrade also what the client sends behind it.
pub struct ReplayBody {
    source: Rc<RefCell<Source>>,
    size: BodySize,
    following: Option<Rc<RefCell<Payload>>>,
}

/// The body of one attempt: first what was kept, then the rest from the client. A newer attempt ends an older.
///
/// With an offer to upgrade the stream goes on behind the body with what the client sends then. Between the two it ends
/// once if the body is chunked; a sized body needs no mark.
pub struct Attempt {
    source: Rc<RefCell<Source>>,
    size: BodySize,
    number: usize,
    next: usize,
    following: Option<Rc<RefCell<Payload>>>,
    /// The body of an offer has come to its end.
    body_ended: bool,
}

/// What a body's stream still gives, read without framing.
pub(crate) struct Rest(Rc<RefCell<Source>>);

/// Why an attempt got no more of the body.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReplayError {
    /// The client's body failed.
    #[error("{0}")]
    Source(String),
    /// What an earlier attempt read is not kept any more, or a newer attempt took over.
    #[error("the body cannot be sent again")]
    Spent,
}

struct Source {
    body: BoxBody,
    max_kept: usize,
    kept: Vec<Bytes>,
    kept_bytes: usize,
    attempts: usize,
    state: State,
}

/// What the source is good for.
enum State {
    /// All that was read of it is kept.
    Kept,
    /// Too much was read to keep it; only the attempt of this number may go on.
    Passed(usize),
    /// It came to its end, and all of it is kept.
    Ended,
    /// It failed.
    Failed(String),
}

/// A client's payload with the size that its framing gives.
struct ClientBody {
    payload: Payload,
    size: BodySize,
}

impl ReplayBody {
    /// A client's body. `size` is what the replica gets as framing: `Content-Length` or chunked.
    pub fn new(payload: Payload, size: BodySize) -> Self {
        Self::of(BoxBody::new(ClientBody { payload, size }))
    }

    /// The body of an offer to upgrade, if it has one, and what the client sends behind it: that is read once a replica
    /// has accepted, and nothing of it is kept. Without a body the size is [`BodySize::Sized`] zero, since awc drops the
    /// stream of a body that has none.
    pub fn offer(body: Option<Self>, following: Payload) -> Self {
        let body = body.unwrap_or_else(|| Self::new(Payload::None, BodySize::Sized(0)));
        Self { following: Some(Rc::new(RefCell::new(following))), ..body }
    }

    /// Any body.
    pub(crate) fn of(body: BoxBody) -> Self {
        Self::keeping(MAX_KEPT, body)
    }

    /// A body that is sent once, so nothing of it is kept.
    pub(crate) fn once(body: BoxBody) -> Self {
        Self::keeping(0, body)
    }

    /// What is left of the stream behind the attempt of a body that is sent once.
    pub(crate) fn into_rest(self) -> Rest {
        Rest(self.source)
    }

    fn keeping(max_kept: usize, body: BoxBody) -> Self {
        let size = body.size();
        let source =
            Source { body, max_kept, kept: Vec::new(), kept_bytes: 0, attempts: 0, state: State::Kept };
        Self { source: Rc::new(RefCell::new(source)), size, following: None }
    }

    /// Whether a further attempt can send the body from its start.
    pub fn replayable(&self) -> bool {
        matches!(self.source.borrow().state, State::Kept | State::Ended)
    }

    /// The body for the next attempt; its stream fails unless the body is [`replayable`](Self::replayable).
    pub fn attempt(&self) -> Attempt {
        let mut source = self.source.borrow_mut();
        source.attempts += 1;
        Attempt {
            source: self.source.clone(),
            size: self.size,
            number: source.attempts,
            next: 0,
            following: self.following.clone(),
            body_ended: false,
        }
    }
}

impl MessageBody for Attempt {
    type Error = ReplayError;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ReplayError>>> {
        let this = self.get_mut();
        if !this.body_ended {
            let next = ready!(this.poll_body(cx));
            if next.is_some() || this.following.is_none() {
                return Poll::Ready(next);
            }
            this.body_ended = true;
            if this.size == BodySize::Stream {
                return Poll::Ready(None);
            }
        }
        let Some(following) = &this.following else { return Poll::Ready(None) };
        let next = ready!(Pin::new(&mut *following.borrow_mut()).poll_next(cx));
        Poll::Ready(next.map(|chunk| chunk.map_err(|error| ReplayError::Source(error.to_string()))))
    }
}

impl Attempt {
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ReplayError>>> {
        let source = &mut *self.source.borrow_mut();
        if source.attempts != self.number {
            return Poll::Ready(Some(Err(ReplayError::Spent)));
        }
        if let Some(chunk) = source.kept.get(self.next) {
            self.next += 1;
            return Poll::Ready(Some(Ok(chunk.clone())));
        }
        match &source.state {
            State::Ended => return Poll::Ready(None),
            State::Failed(reason) => return Poll::Ready(Some(Err(ReplayError::Source(reason.clone())))),
            State::Passed(number) if *number != self.number => {
                return Poll::Ready(Some(Err(ReplayError::Spent)));
            }
            State::Kept | State::Passed(_) => {}
        }
        let next = ready!(source.poll_client(self.number, cx));
        self.next = source.kept.len();
        Poll::Ready(next)
    }
}

impl Stream for Rest {
    type Item = Result<Bytes, Box<dyn std::error::Error>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.0.borrow_mut().body).poll_next(cx)
    }
}

impl Source {
    /// The next new chunk, kept if there is room for it; `attempt` is who reads.
    fn poll_client(
        &mut self,
        attempt: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, ReplayError>>> {
        let next = ready!(Pin::new(&mut self.body).poll_next(cx));
        let keeping = matches!(self.state, State::Kept);
        Poll::Ready(match next {
            Some(Ok(chunk)) => {
                self.kept_bytes += chunk.len();
                if keeping && self.kept_bytes <= self.max_kept && self.kept.len() < MAX_PIECES {
                    self.kept.push(chunk.clone());
                } else if keeping {
                    self.kept = Vec::new();
                    self.state = State::Passed(attempt);
                }
                Some(Ok(chunk))
            }
            Some(Err(error)) => {
                let reason = error.to_string();
                self.state = State::Failed(reason.clone());
                Some(Err(ReplayError::Source(reason)))
            }
            None => {
                if keeping {
                    self.state = State::Ended;
                }
                None
            }
        })
    }
}

impl MessageBody for ClientBody {
    type Error = PayloadError;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, PayloadError>>> {
        Pin::new(&mut self.payload).poll_next(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures::future::poll_fn;
    use futures::stream;

    use super::*;

    fn replay(chunks: &[usize]) -> ReplayBody {
        let chunks: Vec<_> = chunks.iter().map(|n| Ok(Bytes::from(vec![b'x'; *n]))).collect();
        ReplayBody::new(Payload::Stream { payload: Box::pin(stream::iter(chunks)) }, BodySize::Stream)
    }

    async fn next(attempt: &mut Attempt) -> Option<Result<usize, ReplayError>> {
        poll_fn(|cx| Pin::new(&mut *attempt).poll_next(cx)).await.map(|chunk| chunk.map(|chunk| chunk.len()))
    }

    async fn rest(mut attempt: Attempt) -> Vec<usize> {
        let mut sizes = Vec::new();
        while let Some(chunk) = next(&mut attempt).await {
            sizes.push(chunk.unwrap());
        }
        sizes
    }

    #[tokio::test]
    async fn an_attempt_dropped_halfway_is_sent_again_whole() {
        let replay = replay(&[1, 2, 3]);
        let mut first = replay.attempt();
        assert!(matches!(next(&mut first).await, Some(Ok(1))));
        assert!(matches!(next(&mut first).await, Some(Ok(2))));
        drop(first);
        assert_eq!(rest(replay.attempt()).await, [1, 2, 3]);
        assert_eq!(rest(replay.attempt()).await, [1, 2, 3]);
        assert!(replay.replayable());
    }

    #[tokio::test]
    async fn past_64_kib_only_the_attempt_under_way_goes_on() {
        let replay = replay(&[MAX_KEPT, 1, 7]);
        let mut first = replay.attempt();
        assert!(matches!(next(&mut first).await, Some(Ok(MAX_KEPT))));
        assert!(replay.replayable());
        assert!(matches!(next(&mut first).await, Some(Ok(1))));
        assert!(!replay.replayable());
        assert!(matches!(next(&mut first).await, Some(Ok(7))));
        assert!(next(&mut first).await.is_none());
        assert!(matches!(next(&mut replay.attempt()).await, Some(Err(ReplayError::Spent))));
    }

    #[tokio::test]
    async fn many_tiny_pieces_are_not_kept_for_ever() {
        let replay = replay(&[1; MAX_PIECES + 1]);
        assert_eq!(rest(replay.attempt()).await.len(), MAX_PIECES + 1);
        assert!(!replay.replayable());
    }

    #[tokio::test]
    async fn an_offer_goes_on_behind_its_body() {
        let following = || -> Payload {
            let chunks = [Ok(Bytes::from_static(b"aaaa")), Ok(Bytes::from_static(b"bbbbb"))];
            Payload::Stream { payload: Box::pin(stream::iter(chunks)) }
        };
        let sized = || {
            let chunks = [Ok(Bytes::from_static(b"x")), Ok(Bytes::from_static(b"yz"))];
            ReplayBody::new(Payload::Stream { payload: Box::pin(stream::iter(chunks)) }, BodySize::Sized(3))
        };
        let offer = ReplayBody::offer(None, following());
        assert_eq!(offer.attempt().size(), BodySize::Sized(0));
        assert_eq!(rest(offer.attempt()).await, [4, 5]);

        let offer = ReplayBody::offer(Some(sized()), following());
        let mut first = offer.attempt();
        assert!(matches!(next(&mut first).await, Some(Ok(1))));
        drop(first);
        assert!(offer.replayable());
        assert_eq!(rest(offer.attempt()).await, [1, 2, 4, 5]);

        let offer = ReplayBody::offer(Some(replay(&[1, 2])), following());
        let mut attempt = offer.attempt();
        for expected in [Some(1), Some(2), None, Some(4), Some(5), None] {
            assert_eq!(next(&mut attempt).await.map(|chunk| chunk.unwrap()), expected);
        }
    }

    #[tokio::test]
    async fn a_newer_attempt_ends_the_older() {
        let replay = replay(&[1, 2]);
        let mut old = replay.attempt();
        let new = replay.attempt();
        assert!(matches!(next(&mut old).await, Some(Err(ReplayError::Spent))));
        assert_eq!(rest(new).await, [1, 2]);
    }

    #[tokio::test]
    async fn a_failed_client_fails_every_attempt() {
        let chunks = vec![Ok(Bytes::from_static(b"a")), Err(PayloadError::Overflow)];
        let replay =
            ReplayBody::new(Payload::Stream { payload: Box::pin(stream::iter(chunks)) }, BodySize::Sized(2));
        for _ in 0..2 {
            let mut attempt = replay.attempt();
            assert!(matches!(next(&mut attempt).await, Some(Ok(1))));
            assert!(matches!(next(&mut attempt).await, Some(Err(ReplayError::Source(_)))));
        }
        assert!(!replay.replayable());
    }
}
