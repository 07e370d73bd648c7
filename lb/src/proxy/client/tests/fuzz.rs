//! Mutated bytes for the readers and the writer of heads: never a panic, and one meaning however they are split.

mod reference;

use actix_http::{RequestHead, RequestHeadType};
use awc::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use awc::http::{StatusCode, Uri};
use bytes::BytesMut;

use self::reference::{Reference, Whole};
use super::*;
use crate::fuzz::{self, corpus};
use crate::http1::framing::{Block, Decoded};
use crate::http1::reply_head;
use crate::proxy::hop_by_hop::strip_hop_by_hop;

/// What the bytes of one connection mean, once it has ended.
#[derive(Debug, PartialEq, Eq)]
enum Meaning {
    /// A reply, and so many bytes that nobody asked for.
    Whole(Whole, usize),
    /// The connection ended before the reply did.
    Cut(Vec<u8>),
    /// No reply.
    Malformed(Malformed),
}

/// Reads as an exchange does, in pieces.
fn read(method: &Method, pieces: &[&[u8]]) -> Meaning {
    let mut reading = Reading::default();
    for (n, piece) in pieces.iter().enumerate() {
        reading.input.extend_from_slice(piece);
        match reading.go_on(method) {
            Err(malformed) => return Meaning::Malformed(malformed),
            Ok(None) => {}
            Ok(Some(status)) => {
                let left =
                    reading.input.len() + pieces[n + 1..].iter().map(|piece| piece.len()).sum::<usize>();
                return Meaning::Whole(Whole { status, body: reading.body }, left);
            }
        }
    }
    match reading.head {
        Some(head) if head.decoder.ends_at_close() => {
            Meaning::Whole(Whole { status: head.status.as_u16(), body: reading.body }, 0)
        }
        _ => Meaning::Cut(reading.body),
    }
}

#[derive(Default)]
struct Reading {
    input: BytesMut,
    block: Block,
    head: Option<reply_head::ReplyHead>,
    body: Vec<u8>,
}

impl Reading {
    /// The status, once the reply is whole.
    fn go_on(&mut self, method: &Method) -> Result<Option<u16>, Malformed> {
        loop {
            let Some(head) = &mut self.head else {
                match reply_head::read_reply(&mut self.input, &mut self.block, method)? {
                    None => return Ok(None),
                    Some(head) if head.status == StatusCode::SWITCHING_PROTOCOLS => {
                        return Err(Malformed::Interim);
                    }
                    Some(head) if head.status.is_informational() => {}
                    Some(head) => self.head = Some(head),
                }
                continue;
            };
            match head.decoder.decode(&mut self.input)? {
                Decoded::More => return Ok(None),
                Decoded::End => return Ok(Some(head.status.as_u16())),
                Decoded::Data(data) => {
                    assert!(!data.is_empty());
                    self.body.extend_from_slice(&data);
                }
            }
        }
    }
}

#[test]
fn a_reply_means_the_same_in_any_pieces_and_to_another_reader() {
    let corpus: Vec<_> = corpus::load(include_str!("../../../../tests/corpora/replies.jsonl"), "reply")
        .into_iter()
        .map(|(_, reply)| reply)
        .collect();
    let (reference, mut agreed) = (Reference::new(), 0);
    fuzz::fuzz(&corpus, |bytes| {
        let method = if bytes.len() % 16 == 7 { Method::HEAD } else { Method::GET };
        let meaning = read(&method, &[bytes]);
        let seed =
            bytes.iter().fold(0, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(u64::from(*byte)));
        let cuts = fuzz::cuts(bytes.len(), seed);
        let pieces: Vec<_> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
        let in_pieces = read(&method, &pieces);
        match (&meaning, &in_pieces) {
            // What is malformed later may have been noticed before or after other bytes were looked at.
            (Meaning::Malformed(_), Meaning::Malformed(_)) => {}
            _ => assert_eq!(in_pieces, meaning),
        }
        match (reference.read(&method, bytes), meaning) {
            (Some(theirs), Meaning::Whole(ours, _)) => {
                assert_eq!(ours, theirs);
                agreed += 1;
            }
            (Some(theirs), Meaning::Cut(body)) => panic!("{theirs:?} is whole, not {body:?}"),
            // We are stricter, and may be.
            (Some(_), Meaning::Malformed(_)) => {}
            (None, _) => {}
        }
    });
    assert!(agreed > 0 || std::env::var_os("LB_FUZZ_SEED").is_some());
}

#[test]
fn a_written_request_is_the_one_that_was_meant() {
    let corpus: Vec<_> = corpus::requests().into_iter().map(|(_, request)| request).collect();
    let mut written = 0;
    fuzz::fuzz(&corpus, |bytes| {
        let Some((mut head, size)) = meant(bytes) else { return };
        strip_hop_by_hop(&mut head.headers);
        let (target, method) = (head.uri.path_and_query().unwrap().to_string(), head.method.to_string());
        let kept = pairs(&head.headers);
        let announced = head.headers.contains_key(header::CONTENT_LENGTH);
        let mut out = BytesMut::new();
        if reply_head::write_request(&mut out, &RequestHeadType::Owned(head), size).is_err() {
            return;
        }
        written += 1;
        let mut fields = [httparse::EMPTY_HEADER; 256];
        let mut request = httparse::Request::new(&mut fields);
        let end = request.parse(&out).unwrap();
        assert_eq!(end, httparse::Status::Complete(out.len()), "one head and nothing else");
        assert_eq!((request.method, request.path), (Some(&*method), Some(&*target)));
        let mut sent: Vec<_> =
            request.headers.iter().map(|field| (field.name.to_owned(), field.value.to_owned())).collect();
        let is_framing = |name: &str| name == "content-length" || name == "transfer-encoding";
        let framing: Vec<_> = sent.iter().filter(|(name, _)| is_framing(name)).cloned().collect();
        sent.retain(|(name, _)| !is_framing(name));
        sent.sort_unstable();
        assert_eq!(sent, kept);
        let expected = match size {
            BodySize::Sized(size) => vec![("content-length".to_owned(), size.to_string().into_bytes())],
            BodySize::Stream => vec![("transfer-encoding".to_owned(), b"chunked".to_vec())],
            BodySize::None if announced => vec![("content-length".to_owned(), b"0".to_vec())],
            BodySize::None => vec![],
        };
        assert_eq!(framing, expected);
    });
    assert!(written > 0 || std::env::var_os("LB_FUZZ_SEED").is_some());
}

/// A request as a careless front would hand it over: whatever the types can hold.
fn meant(bytes: &[u8]) -> Option<(RequestHead, BodySize)> {
    let mut fields = [httparse::EMPTY_HEADER; 128];
    let mut request = httparse::Request::new(&mut fields);
    httparse::Status::is_complete(&request.parse(bytes).ok()?).then_some(())?;
    let mut head = RequestHead::default();
    head.method = Method::from_bytes(request.method?.as_bytes()).ok()?;
    head.uri = format!("http://lb{}", request.path?).parse::<Uri>().ok()?;
    for field in request.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        head.headers.append(name, HeaderValue::from_bytes(field.value).ok()?);
    }
    head.headers.insert(header::HOST, HeaderValue::from_static("h"));
    let size = match bytes.len() % 3 {
        0 => BodySize::None,
        1 => BodySize::Sized(bytes.len() as u64),
        _ => BodySize::Stream,
    };
    Some((head, size))
}

/// What is to arrive: all but framing, in an order of its own.
fn pairs(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let is_framing = |name: &HeaderName| name == header::CONTENT_LENGTH || name == header::TRANSFER_ENCODING;
    let kept = headers.iter().filter(|(name, _)| !is_framing(name));
    let mut pairs: Vec<_> =
        kept.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_owned())).collect();
    pairs.sort_unstable();
    pairs
}
