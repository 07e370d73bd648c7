//! The framing of a response body as it is written to a client (RFC 9112 §6, §7.1).

use std::fmt::Write;

use bytes::BytesMut;

/// The framing of a body and the part that is still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyEncoder {
    /// No byte follows the head.
    None,
    /// This number of bytes.
    Length(u64),
    /// Chunked transfer coding.
    Chunked,
    /// All bytes until the connection is closed.
    UntilClose,
}

/// The body has fewer bytes than its head announces.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooShort;

impl BodyEncoder {
    /// Appends bytes of the body to `out`. Bytes beyond the length that the head announces are left out.
    pub fn encode(&mut self, bytes: &[u8], out: &mut BytesMut) {
        match self {
            Self::None => {}
            Self::Length(left) => {
                let n = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                out.extend_from_slice(&bytes[..n]);
                *left -= n as u64;
            }
            // An empty chunk would end the body.
            Self::Chunked if bytes.is_empty() => {}
            Self::Chunked => {
                out.reserve(bytes.len() + 20);
                // A write to memory cannot fail.
                let _ = write!(out, "{:X}\r\n", bytes.len());
                out.extend_from_slice(bytes);
                out.extend_from_slice(b"\r\n");
            }
            Self::UntilClose => out.extend_from_slice(bytes),
        }
    }

    /// Appends the end of the body.
    ///
    /// # Errors
    /// The body is shorter than announced: the connection must be closed.
    pub fn finish(&mut self, out: &mut BytesMut) -> Result<(), TooShort> {
        match self {
            Self::Length(1..) => return Err(TooShort),
            Self::Chunked => out.extend_from_slice(b"0\r\n\r\n"),
            Self::None | Self::Length(0) | Self::UntilClose => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(mut encoder: BodyEncoder, parts: &[&str]) -> (String, Result<(), TooShort>) {
        let mut out = BytesMut::new();
        parts.iter().for_each(|part| encoder.encode(part.as_bytes(), &mut out));
        let end = encoder.finish(&mut out);
        (String::from_utf8(out.to_vec()).unwrap(), end)
    }

    #[test]
    fn a_body_is_framed() {
        let long = "x".repeat(26);
        assert_eq!(
            encoded(BodyEncoder::Chunked, &["ab", "", &long]).0,
            format!("2\r\nab\r\n1A\r\n{long}\r\n0\r\n\r\n")
        );
        assert_eq!(encoded(BodyEncoder::UntilClose, &["ab", "c"]), ("abc".into(), Ok(())));
        assert_eq!(encoded(BodyEncoder::None, &["ab"]), (String::new(), Ok(())));
    }

    #[test]
    fn a_body_has_the_announced_length() {
        assert_eq!(encoded(BodyEncoder::Length(3), &["ab", "c"]), ("abc".into(), Ok(())));
        assert_eq!(encoded(BodyEncoder::Length(3), &["ab", "cd"]), ("abc".into(), Ok(())));
        assert_eq!(encoded(BodyEncoder::Length(3), &["ab"]), ("ab".into(), Err(TooShort)));
    }
}
