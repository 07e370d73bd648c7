//! The first line of a chunk: its size, and extensions, which are ignored (RFC 9112 §7.1).

use super::field_line::is_token_byte;
use super::malformed::Malformed;

/// Maximum length of a line, extensions included, in bytes.
pub(super) const MAX: usize = 4096;

/// The accepted lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grammar {
    /// Exactly the grammar of RFC 9112 §7.1.1, for requests: a client that violates it may hide a request in a line
    /// that another server reads differently.
    Strict,
    /// Also white space at the end of the line, and extensions of any visible bytes, for replies: some servers pad the
    /// size with spaces.
    Lenient,
}

/// Parses a line, `1*HEXDIG *( BWS ";" BWS name [ BWS "=" BWS value ] ) CRLF`, at the front of `input`: the size of the
/// chunk, and the length of the line. `None` if the line is not complete.
pub(super) fn read(input: &[u8], grammar: Grammar) -> Result<Option<(u64, usize)>, Malformed> {
    let end = memchr::memchr(b'\n', &input[..input.len().min(MAX)]);
    if end.is_none() && input.len() >= MAX {
        return Err(Malformed::TooLarge);
    }
    let line = &input[..end.unwrap_or(input.len())];
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (size, rest) = line.split_at(digits);
    let extensions = rest.strip_suffix(b"\r").unwrap_or(rest);
    if digits > 16 || (digits == 0 && !line.is_empty()) || !may_follow_size(extensions) {
        return Err(Malformed::Chunk);
    }
    match end {
        None => Ok(None),
        Some(end)
            if digits > 0
                && line.ends_with(b"\r")
                && (grammar == Grammar::Lenient || are_extensions(extensions)) =>
        {
            let size = size.iter().fold(0, |size, digit| size << 4 | hex(*digit));
            Ok(Some((size, end + 1)))
        }
        Some(_) => Err(Malformed::Chunk),
    }
}

/// Whether these bytes may follow the size of a chunk, in part or in whole: none, or white space and `;`, without control
/// bytes.
fn may_follow_size(bytes: &[u8]) -> bool {
    let visible = bytes.trim_ascii_start();
    visible.first().is_none_or(|first| *first == b';')
        && bytes.iter().all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f))
}

/// Whether these bytes are complete extensions: `*( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] )`.
fn are_extensions(mut rest: &[u8]) -> bool {
    while !rest.is_empty() {
        let Some(extension) = trim(rest).strip_prefix(b";") else { return false };
        let Some(after_name) = strip_token(trim(extension)) else { return false };
        rest = match trim(after_name).strip_prefix(b"=") {
            None => after_name,
            Some(value) => match strip_token(trim(value)).or_else(|| strip_quoted(trim(value))) {
                Some(after_value) => after_value,
                None => return false,
            },
        };
    }
    true
}

/// Removes white space from the front.
fn trim(bytes: &[u8]) -> &[u8] {
    let spaces = bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    &bytes[spaces..]
}

/// Removes a token (RFC 9110 §5.6.2) from the front; `None` if there is none.
fn strip_token(bytes: &[u8]) -> Option<&[u8]> {
    let length = bytes.iter().take_while(|byte| is_token_byte(**byte)).count();
    (length > 0).then(|| &bytes[length..])
}

/// Removes a quoted string (RFC 9110 §5.6.4) from the front; `None` if there is none.
fn strip_quoted(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes.strip_prefix(b"\"")?;
    loop {
        rest = match rest {
            [b'"', rest @ ..] => return Some(rest),
            [b'\\', _, rest @ ..] | [_, rest @ ..] => rest,
            [] => return None,
        };
    }
}

fn hex(digit: u8) -> u64 {
    char::from(digit).to_digit(16).map_or(0, u64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_may_have_well_formed_extensions_only() {
        for (line, is_strict) in [
            ("5\r\n", true),
            ("5;a\r\n", true),
            ("5 ; a\t= b;c=\"d \\\" ; e\"\r\n", true),
            ("5;a=\"\";b\r\n", true),
            ("5;\r\n", false),
            ("5 \r\n", false),
            ("5;a \r\n", false),
            ("5;a=\r\n", false),
            ("5;a=b c\r\n", false),
            ("5;=b\r\n", false),
            ("5;a=\"b\r\n", false),
            ("5;a=\"b\\\"\r\n", false),
            ("5;a=\"b\"c\r\n", false),
            ("5;(a)\r\n", false),
            ("5;a;;b\r\n", false),
        ] {
            let expected = Ok(Some((5, line.len())));
            assert_eq!(read(line.as_bytes(), Grammar::Lenient), expected, "{line:?}");
            assert_eq!(read(line.as_bytes(), Grammar::Strict) == expected, is_strict, "{line:?}");
        }
    }
}
