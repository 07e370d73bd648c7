//! Framing of reply bodies (RFC 9112 §6, §7): incremental decoders without I/O.

use bytes::{Bytes, BytesMut};

use super::chunk_line::{self, Grammar};
use super::malformed::Malformed;
use super::reply_head;

/// Incremental search for the empty line that ends a head or a trailer section.
#[derive(Default)]
pub(crate) struct Block {
    /// Number of bytes searched.
    scanned: usize,
    /// Start of the current line.
    line: usize,
}

/// Decoder of a body: its framing and the part that is still to come (RFC 9112 §6.3).
pub(crate) enum Decoder {
    /// This number of bytes; 0 also for a reply without a body.
    Length(u64),
    /// Chunked transfer coding (RFC 9112 §7.1).
    Chunked(Chunked),
    /// All bytes until the connection is closed.
    UntilClose,
}

/// Decoder of a chunked body.
pub(crate) struct Chunked {
    next: Element,
    grammar: Grammar,
}

/// The element of a chunked body to which the next byte belongs.
enum Element {
    Size,
    Data(u64),
    DataEnd,
    Trailers(Block),
    End,
}

/// The result of one step of a decoder.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decoded {
    /// Bytes of the body, at least one.
    Data(Bytes),
    /// More input is needed.
    More,
    /// The body is complete; bytes left in the input do not belong to it.
    End,
}

impl Block {
    /// The length of the block, its empty line included; `None` if it is not complete. Each call gets the bytes of the
    /// previous call, followed by new ones.
    pub(crate) fn find(&mut self, input: &[u8]) -> Result<Option<usize>, Malformed> {
        while let Some(at) = memchr::memchr(b'\n', &input[self.scanned..]) {
            let end = self.scanned + at;
            if end == self.line || input[end - 1] != b'\r' {
                return Err(Malformed::BareLineFeed);
            }
            let empty = end - self.line == 1;
            (self.scanned, self.line) = (end + 1, end + 1);
            if empty {
                return if end < reply_head::MAX { Ok(Some(end + 1)) } else { Err(Malformed::TooLarge) };
            }
        }
        self.scanned = input.len();
        if self.scanned < reply_head::MAX { Ok(None) } else { Err(Malformed::TooLarge) }
    }
}

impl Decoder {
    /// Takes the next bytes of the body from the front of `input`, without copying them.
    pub(crate) fn decode(&mut self, input: &mut BytesMut) -> Result<Decoded, Malformed> {
        match self {
            Self::Length(0) => Ok(Decoded::End),
            Self::Length(left) => Ok(take(left, input)),
            Self::UntilClose if input.is_empty() => Ok(Decoded::More),
            Self::UntilClose => Ok(Decoded::Data(input.split().freeze())),
            Self::Chunked(state) => state.decode(input),
        }
    }

    /// Whether the body ends with the connection.
    pub(crate) fn ends_at_close(&self) -> bool {
        matches!(self, Self::UntilClose)
    }
}

impl Chunked {
    /// At the start of a body whose chunk lines have this grammar.
    pub(crate) fn new(grammar: Grammar) -> Self {
        Self { next: Element::Size, grammar }
    }

    /// Whether the whole body was decoded.
    pub(crate) fn is_complete(&self) -> bool {
        matches!(self.next, Element::End)
    }

    fn decode(&mut self, input: &mut BytesMut) -> Result<Decoded, Malformed> {
        loop {
            match &mut self.next {
                Element::Size => match chunk_line::read(input, self.grammar)? {
                    None => return Ok(Decoded::More),
                    Some((0, line)) => {
                        let _ = input.split_to(line);
                        self.next = Element::Trailers(Block::default());
                    }
                    Some((size, line)) => {
                        let _ = input.split_to(line);
                        self.next = Element::Data(size);
                    }
                },
                Element::Data(0) => self.next = Element::DataEnd,
                Element::Data(left) => return Ok(take(left, input)),
                Element::DataEnd if b"\r\n".starts_with(input.get(..2).unwrap_or(input)) => {
                    if input.len() < 2 {
                        return Ok(Decoded::More);
                    }
                    let _ = input.split_to(2);
                    self.next = Element::Size;
                }
                Element::DataEnd => return Err(Malformed::Chunk),
                Element::Trailers(block) => match block.find(input)? {
                    None => return Ok(Decoded::More),
                    Some(end) => {
                        reply_head::check_fields(&input.split_to(end))?;
                        self.next = Element::End;
                    }
                },
                Element::End => return Ok(Decoded::End),
            }
        }
    }
}

fn take(left: &mut u64, input: &mut BytesMut) -> Decoded {
    if input.is_empty() {
        return Decoded::More;
    }
    let n = usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
    *left -= n as u64;
    Decoded::Data(input.split_to(n).freeze())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Decodes `pieces`, one after the other: the body, and the bytes after it if it is complete.
    fn decode_pieces(
        mut decoder: Decoder,
        pieces: &[&[u8]],
    ) -> Result<(Vec<u8>, Option<Vec<u8>>), Malformed> {
        let (mut input, mut body) = (BytesMut::new(), Vec::new());
        for (i, piece) in pieces.iter().enumerate() {
            input.extend_from_slice(piece);
            loop {
                match decoder.decode(&mut input)? {
                    Decoded::Data(data) => {
                        assert!(!data.is_empty());
                        body.extend_from_slice(&data);
                    }
                    Decoded::More => break,
                    Decoded::End => {
                        let rest = pieces[i + 1..].concat();
                        return Ok((body, Some([&input[..], &rest].concat())));
                    }
                }
            }
        }
        Ok((body, None))
    }

    fn chunked() -> Decoder {
        Decoder::Chunked(Chunked::new(Grammar::Lenient))
    }

    fn decode(text: &str) -> Result<(Vec<u8>, Option<Vec<u8>>), Malformed> {
        let whole = decode_pieces(chunked(), &[text.as_bytes()]);
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(decode_pieces(chunked(), &bytes), whole, "byte by byte: {text:?}");
        for at in 0..=text.len() {
            let (a, b) = text.as_bytes().split_at(at);
            assert_eq!(decode_pieces(chunked(), &[a, b]), whole, "split at {at}: {text:?}");
        }
        whole
    }

    #[test]
    fn bytes_after_a_chunked_body_stay_in_the_input() {
        for (text, body, left) in [
            ("0\r\n\r\n", "", ""),
            ("5\r\nhello\r\n0\r\n\r\nHTTP/1.1", "hello", "HTTP/1.1"),
            ("3\r\nabc\r\n0a\r\n0123456789\r\n000\r\n\r\n", "abc0123456789", ""),
            ("2;name=value;\"q\"\r\nhi\r\n0;last\r\nx-trailer: 1\r\ny: 2\r\n\r\n!", "hi", "!"),
            ("2 \r\nhi\r\n0\t;x\r\n\r\n", "hi", ""),
        ] {
            assert_eq!(decode(text), Ok((body.into(), Some(left.into()))), "{text:?}");
        }
    }

    #[test]
    fn an_incomplete_chunked_body_needs_more_input() {
        for text in ["", "5", "5\r", "5\r\nhel", "5\r\nhello", "5\r\nhello\r\n", "0\r\n", "0\r\nx: 1\r\n"] {
            assert_eq!(decode(text).unwrap().1, None, "{text:?}");
        }
    }

    #[test]
    fn invalid_chunks_are_malformed() {
        for text in [
            "\r\n",
            "x\r\n",
            "-1\r\n",
            "+1\r\n",
            "0x5\r\nhello\r\n",
            " 5\r\nhello\r\n",
            "5\nhello\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "5\r\nhelloX\r\n",
            "5 5\r\n",
            "5\0\r\n",
            "5;a\rb\r\n",
            ";a\r\n",
            "00000000000000001\r\n",
            "0\r\nbad trailer\r\n\r\n",
            "0\r\nx: 1\n\r\n",
            "0\r\n folded: 1\r\n\r\n",
        ] {
            assert!(decode(text).is_err(), "{text:?}");
        }
        let long = format!("1;{}\r\n", "x".repeat(chunk_line::MAX));
        assert_eq!(decode_pieces(chunked(), &[long.as_bytes()]), Err(Malformed::TooLarge));
        let trailers = format!("0\r\nx: {}", "x".repeat(reply_head::MAX));
        assert_eq!(decode_pieces(chunked(), &[trailers.as_bytes()]), Err(Malformed::TooLarge));
    }

    #[test]
    fn a_body_with_a_length_takes_exactly_this_many_bytes() {
        assert_eq!(
            decode_pieces(Decoder::Length(3), &[b"ab", b"cd"]),
            Ok((b"abc".into(), Some(b"d".into())))
        );
        assert_eq!(decode_pieces(Decoder::Length(0), &[b"x"]), Ok((vec![], Some(b"x".into()))));
        assert_eq!(decode_pieces(Decoder::Length(3), &[b"ab"]), Ok((b"ab".into(), None)));
        assert_eq!(decode_pieces(Decoder::UntilClose, &[b"ab", b"cd"]), Ok((b"abcd".into(), None)));
    }

    proptest! {
        #[test]
        fn an_encoded_body_is_decoded_at_any_splits(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..6),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let mut text = Vec::new();
            for chunk in &chunks {
                text.extend(format!("{:x}\r\n", chunk.len()).bytes());
                text.extend(chunk);
                text.extend(b"\r\n");
            }
            text.extend(b"0\r\n\r\nleft");
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces: Vec<_> = cuts.windows(2).map(|cut| &text[cut[0]..cut[1]]).collect();
            prop_assert_eq!(decode_pieces(chunked(), &pieces), Ok((chunks.concat(), Some(b"left".into()))));
        }

        #[test]
        fn the_result_for_random_bytes_does_not_depend_on_the_split(
            text in "[0-9a-f;\r\n x:]{0,40}", at in any::<prop::sample::Index>(),
        ) {
            let (a, b) = text.as_bytes().split_at(at.index(text.len() + 1));
            prop_assert_eq!(decode_pieces(chunked(), &[a, b]), decode_pieces(chunked(), &[text.as_bytes()]));
        }
    }
}
