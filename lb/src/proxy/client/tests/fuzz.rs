//! Fuzzing of the reply parser and the request writer: no panic, and the same result for every split of the bytes.

mod reference;

use awc::http::StatusCode;
use bytes::BytesMut;

use self::reference::{CompleteReply, Reference};
use super::*;
use crate::http1::framing::{Block, Decoded};
use crate::http1::reply_head;
use crate::http1::request_writer::RequestHead;
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
        let Some((method, target, mut fields, size)) = request(bytes) else { return };
        strip_hop_by_hop(&mut fields);
        let expected_fields = pairs(&fields);
        let announced = fields.has(Known::ContentLength);
        let mut out = BytesMut::new();
        RequestHead::new(&method, &target, &mut fields, size).write(&mut out, ([127, 0, 0, 1], 1).into());
        written += 1;
        let mut fields = [httparse::EMPTY_HEADER; 256];
        let mut request = httparse::Request::new(&mut fields);
        let end = request.parse(&out).unwrap();
        assert_eq!(end, httparse::Status::Complete(out.len()), "one head and nothing else");
        assert_eq!((request.method, request.path), (Some(method.as_str()), Some(&*target)));
        let mut sent: Vec<_> = request
            .headers
            .iter()
            .map(|field| (field.name.to_ascii_lowercase(), field.value.to_owned()))
            .collect();
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

/// Method, target, fields and size of a request with any values that the types allow, without the checks of the listener.
fn request(bytes: &[u8]) -> Option<(Method, String, Fields, BodySize)> {
    let mut headers = [httparse::EMPTY_HEADER; 128];
    let mut request = httparse::Request::new(&mut headers);
    httparse::Status::is_complete(&request.parse(bytes).ok()?).then_some(())?;
    let method = Method::from_bytes(request.method?.as_bytes()).ok()?;
    let mut fields = Fields::default();
    for field in request.headers.iter() {
        fields.append(field.name, field.value);
    }
    fields.set(Known::Host, b"h");
    let size = match bytes.len() % 3 {
        0 => BodySize::None,
        1 => BodySize::Sized(bytes.len() as u64),
        _ => BodySize::Stream,
    };
    // A list that the listener would reject, and a request without a body that has a length.
    fields.remove(Known::TransferEncoding);
    if size == BodySize::Stream {
        fields.remove(Known::ContentLength);
    }
    Some((method, request.path?.to_owned(), fields, size))
}

/// All fields except those of the framing, in lower case, sorted.
fn pairs(fields: &Fields) -> Vec<(String, Vec<u8>)> {
    let lower = |(name, value): (&[u8], &[u8])| {
        (String::from_utf8(name.to_ascii_lowercase()).unwrap(), value.to_owned())
    };
    let mut pairs: Vec<_> = fields.iter().map(lower).collect();
    pairs.retain(|(name, _)| name != "content-length" && name != "transfer-encoding");
    pairs.sort_unstable();
    pairs
}
