//! Fuzzing of the reply parser and the request writer: no panic, and the same result for every split of the bytes.

mod reference;

use actix_http::{RequestHead, RequestHeadType};
use awc::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use awc::http::{StatusCode, Uri};
use bytes::BytesMut;

use self::reference::{CompleteReply, Reference};
use super::*;
use crate::http1::framing::{Block, Decoded};
use crate::http1::{reply_head, request_writer};
use crate::proxy::hop_by_hop::strip_hop_by_hop;
use crate::testing::{corpus, fuzz};

/// The result of parsing all bytes of one connection.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// A complete reply, and the number of unsolicited bytes after it.
    Complete(CompleteReply, usize),
    /// The connection ended before the reply was complete.
    Truncated(Vec<u8>),
    /// The bytes are not a valid reply.
    Malformed(Malformed),
}

/// Parses bytes that arrive in pieces, as an exchange does.
fn read(method: &Method, pieces: &[&[u8]]) -> Outcome {
    let mut parser = Parser::default();
    for (n, piece) in pieces.iter().enumerate() {
        parser.input.extend_from_slice(piece);
        match parser.parse(method) {
            Err(malformed) => return Outcome::Malformed(malformed),
            Ok(None) => {}
            Ok(Some(status)) => {
                let left =
                    parser.input.len() + pieces[n + 1..].iter().map(|piece| piece.len()).sum::<usize>();
                return Outcome::Complete(CompleteReply { status, body: parser.body }, left);
            }
        }
    }
    match parser.head {
        Some(head) if head.decoder.ends_at_close() => {
            Outcome::Complete(CompleteReply { status: head.status.as_u16(), body: parser.body }, 0)
        }
        _ => Outcome::Truncated(parser.body),
    }
}

#[derive(Default)]
struct Parser {
    input: BytesMut,
    block: Block,
    head: Option<reply_head::ReplyHead>,
    body: Vec<u8>,
}

impl Parser {
    /// Parses the input: the status if the reply is complete, `None` if more bytes are needed.
    fn parse(&mut self, method: &Method) -> Result<Option<u16>, Malformed> {
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
fn a_reply_is_parsed_alike_at_any_split_and_by_hyper() {
    let corpus: Vec<_> = corpus::load(include_str!("../../../../tests/corpora/replies.jsonl"), "reply")
        .into_iter()
        .map(|(_, reply)| reply)
        .collect();
    let (reference, mut agreed) = (Reference::new(), 0);
    fuzz::fuzz(&corpus, |bytes| {
        let method = if bytes.len() % 16 == 7 { Method::HEAD } else { Method::GET };
        let whole = read(&method, &[bytes]);
        let seed =
            bytes.iter().fold(0, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(u64::from(*byte)));
        let cuts = fuzz::cuts(bytes.len(), seed);
        let pieces: Vec<_> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
        let in_pieces = read(&method, &pieces);
        match (&whole, &in_pieces) {
            // The errors may differ: with all bytes at once a later one may be found first.
            (Outcome::Malformed(_), Outcome::Malformed(_)) => {}
            _ => assert_eq!(in_pieces, whole),
        }
        match (reference.read(&method, bytes), whole) {
            (Some(theirs), Outcome::Complete(ours, _)) => {
                assert_eq!(ours, theirs);
                agreed += 1;
            }
            (Some(theirs), Outcome::Truncated(body)) => {
                panic!("{theirs:?} is complete for hyper, but {body:?} is truncated")
            }
            // This parser is stricter than hyper's.
            (Some(_), Outcome::Malformed(_)) => {}
            (None, _) => {}
        }
    });
    assert!(agreed > 0 || std::env::var_os("LB_FUZZ_SEED").is_some());
}

#[test]
fn a_written_request_is_parsed_as_the_original() {
    let corpus: Vec<_> = corpus::requests().into_iter().map(|(_, request)| request).collect();
    let mut written = 0;
    fuzz::fuzz(&corpus, |bytes| {
        let Some((mut head, size)) = request(bytes) else { return };
        strip_hop_by_hop(&mut head.headers);
        let (target, method) = (head.uri.path_and_query().unwrap().to_string(), head.method.to_string());
        let expected_fields = pairs(&head.headers);
        let announced = head.headers.contains_key(header::CONTENT_LENGTH);
        let mut out = BytesMut::new();
        if request_writer::write_request(&mut out, &RequestHeadType::Owned(head), size).is_err() {
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
        assert_eq!(sent, expected_fields);
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

/// A request with any values that the types allow, without the checks of the listener.
fn request(bytes: &[u8]) -> Option<(RequestHead, BodySize)> {
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

/// All fields except those of the framing, sorted.
fn pairs(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let is_framing = |name: &HeaderName| name == header::CONTENT_LENGTH || name == header::TRANSFER_ENCODING;
    let others = headers.iter().filter(|(name, _)| !is_framing(name));
    let mut pairs: Vec<_> =
        others.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_owned())).collect();
    pairs.sort_unstable();
    pairs
}
