//! Request bodies that can be sent again as long as all bytes read so far are buffered.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_http::Payload;
use actix_http::error::PayloadError;
use awc::body::{BodySize, BoxBody, MessageBody};
use bytes::Bytes;
use futures::Stream;

/// Limit of the buffered bytes of a body. A longer body can be sent only once.
const MAX_BUFFERED: usize = 64 * 1024;
/// Limit of the number of buffered chunks, because each chunk has an overhead.
const MAX_CHUNKS: usize = 1024;

/// The client's body and a buffer of its first bytes; for an offer to upgrade also the bytes after the body.
pub struct ReplayBody {
    source: Rc<RefCell<Source>>,
    size: BodySize,
    /// The bytes that the client sends after the body; `None` unless the request offers an upgrade.
    following: Option<Rc<RefCell<Payload>>>,
}

/// The body of one attempt: the buffered bytes, then the rest from the client. A newer attempt makes older ones fail.
///
/// For an offer to upgrade the stream continues with the bytes after the body. After a chunked body the stream ends
/// once before it continues; a body of known size needs no such mark.
pub struct Attempt {
    source: Rc<RefCell<Source>>,
    size: BodySize,
    /// Number of this attempt, from 1.
    number: usize,
    /// Index of the next buffered chunk.
    next: usize,
    following: Option<Rc<RefCell<Payload>>>,
    /// Whether the stream has reached the end of the body of an offer.
    body_ended: bool,
}

/// The rest of the stream of a body, read without framing.
pub(crate) struct Rest(Rc<RefCell<Source>>);

/// Error of the body of an attempt.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReplayError {
    /// The client's body failed; the text is its error.
    #[error("{0}")]
    Source(String),
    /// The bytes that an earlier attempt read are not buffered any more, or a newer attempt has begun.
    #[error("the body cannot be sent again")]
    Spent,
}

struct Source {
    body: BoxBody,
    max_buffered: usize,
    buffered: Vec<Bytes>,
    buffered_bytes: usize,
    attempts: usize,
    state: State,
}

/// State of the client's body.
enum State {
    /// All bytes read so far are buffered.
    Buffered,
    /// The buffer limit was exceeded; only the attempt of this number can continue.
    Exceeded(usize),
    /// The body is complete, and all of it is buffered.
    Ended,
    /// The client's body failed with this error.
    Failed(String),
}

/// A client's payload with the size by its framing.
struct ClientBody {
    payload: Payload,
    size: BodySize,
}

impl ReplayBody {
    /// A client's body. `size` determines the framing of the request: `Content-Length` or chunked.
    pub fn new(payload: Payload, size: BodySize) -> Self {
        Self::of(BoxBody::new(ClientBody { payload, size }))
    }

    /// The body of an offer to upgrade, if it has one, and the bytes that the client sends after it; these are read
    /// only after a replica has accepted the offer, and are never buffered. Without a body the size is
    /// [`BodySize::Sized`] 0, because awc drops the stream of a body of size `None`.
    pub fn offer(body: Option<Self>, following: Payload) -> Self {
        let body = body.unwrap_or_else(|| Self::new(Payload::None, BodySize::Sized(0)));
        Self { following: Some(Rc::new(RefCell::new(following))), ..body }
    }

    /// A replayable body from any body of awc.
    pub(crate) fn of(body: BoxBody) -> Self {
        Self::with_limit(MAX_BUFFERED, body)
    }

    /// A body that is sent once; nothing of it is buffered.
    pub(crate) fn once(body: BoxBody) -> Self {
        Self::with_limit(0, body)
    }

    /// The rest of the stream after the only attempt of a body that is sent once.
    pub(crate) fn into_rest(self) -> Rest {
        Rest(self.source)
    }

    fn with_limit(max_buffered: usize, body: BoxBody) -> Self {
        let size = body.size();
        let source = Source {
            body,
            max_buffered,
            buffered: Vec::new(),
            buffered_bytes: 0,
            attempts: 0,
            state: State::Buffered,
        };
        Self { source: Rc::new(RefCell::new(source)), size, following: None }
    }

    /// The size of the body by its framing.
    pub fn size(&self) -> BodySize {
        self.size
    }

    /// Whether another attempt can send the body from its start.
    pub fn replayable(&self) -> bool {
        matches!(self.source.borrow().state, State::Buffered | State::Ended)
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
        if let Some(chunk) = source.buffered.get(self.next) {
            self.next += 1;
            return Poll::Ready(Some(Ok(chunk.clone())));
        }
        match &source.state {
            State::Ended => return Poll::Ready(None),
            State::Failed(reason) => return Poll::Ready(Some(Err(ReplayError::Source(reason.clone())))),
            State::Exceeded(number) if *number != self.number => {
                return Poll::Ready(Some(Err(ReplayError::Spent)));
            }
            State::Buffered | State::Exceeded(_) => {}
        }
        let next = ready!(source.poll_client(self.number, cx));
        self.next = source.buffered.len();
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
    /// Reads the next chunk from the client and buffers it if the limits allow. `attempt` is the number of the reading
    /// attempt.
    fn poll_client(
        &mut self,
        attempt: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, ReplayError>>> {
        let next = ready!(Pin::new(&mut self.body).poll_next(cx));
        let buffering = matches!(self.state, State::Buffered);
        Poll::Ready(match next {
            Some(Ok(chunk)) => {
                self.buffered_bytes += chunk.len();
                if buffering && self.buffered_bytes <= self.max_buffered && self.buffered.len() < MAX_CHUNKS {
                    self.buffered.push(chunk.clone());
                } else if buffering {
                    self.buffered = Vec::new();
                    self.state = State::Exceeded(attempt);
                }
                Some(Ok(chunk))
            }
            Some(Err(error)) => {
                let reason = error.to_string();
                self.state = State::Failed(reason.clone());
                Some(Err(ReplayError::Source(reason)))
            }
            None => {
                if buffering {
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
    async fn a_body_dropped_halfway_is_sent_again_completely() {
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
    async fn beyond_64_kib_only_the_current_attempt_can_continue() {
        let replay = replay(&[MAX_BUFFERED, 1, 7]);
        let mut first = replay.attempt();
        assert!(matches!(next(&mut first).await, Some(Ok(MAX_BUFFERED))));
        assert!(replay.replayable());
        assert!(matches!(next(&mut first).await, Some(Ok(1))));
        assert!(!replay.replayable());
        assert!(matches!(next(&mut first).await, Some(Ok(7))));
        assert!(next(&mut first).await.is_none());
        assert!(matches!(next(&mut replay.attempt()).await, Some(Err(ReplayError::Spent))));
    }

    #[tokio::test]
    async fn the_number_of_buffered_chunks_is_limited() {
        let replay = replay(&[1; MAX_CHUNKS + 1]);
        assert_eq!(rest(replay.attempt()).await.len(), MAX_CHUNKS + 1);
        assert!(!replay.replayable());
    }

    #[tokio::test]
    async fn the_stream_of_an_offer_continues_after_its_body() {
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
    async fn a_newer_attempt_makes_the_older_fail() {
        let replay = replay(&[1, 2]);
        let mut old = replay.attempt();
        let new = replay.attempt();
        assert!(matches!(next(&mut old).await, Some(Err(ReplayError::Spent))));
        assert_eq!(rest(new).await, [1, 2]);
    }

    #[tokio::test]
    async fn every_attempt_of_a_failed_body_fails() {
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
