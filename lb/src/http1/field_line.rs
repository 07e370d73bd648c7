//! One field line, `field-name ":" OWS field-value OWS CRLF` (RFC 9112 §5), parsed in one pass over its bytes.

use super::known::Known;

/// A field line: offsets into the bytes that hold it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    /// The name, if a rule looks for it.
    pub known: Option<Known>,
    /// Whether it was added; otherwise it was received.
    pub is_added: bool,
    /// Whether the line is written as it is: `name: value`, without further white space.
    pub is_plain: bool,
    /// Start of the name.
    pub start: u32,
    /// End of the name.
    pub name_end: u32,
    /// Start of the value, without white space.
    pub value: u32,
    /// End of the value, without white space.
    pub value_end: u32,
    /// End of the line, its line end included.
    pub end: u32,
}

/// Reasons why bytes are no field lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidField {
    /// A line ends without a carriage return.
    LineEnd,
    /// A line has no colon.
    Colon,
    /// A name is no token (RFC 9110 §5.6.2).
    Name,
    /// A value has control bytes (RFC 9110 §5.5).
    Value,
    /// There are more fields than allowed.
    TooMany,
}

impl Line {
    /// Parses the line of `block` that begins at `start`.
    pub fn parse(block: &[u8], start: usize) -> Result<Self, InvalidField> {
        let bytes = &block[start..];
        let name = bytes.iter().take_while(|byte| is_token_byte(**byte)).count();
        let after_name = &bytes[name..];
        let Some((b':', rest)) = after_name.split_first() else {
            let line = complete_line(after_name)?;
            return Err(if line.contains(&b':') { InvalidField::Name } else { InvalidField::Colon });
        };
        if name == 0 {
            return Err(InvalidField::Name);
        }
        let length = rest.iter().take_while(|byte| VALUE[usize::from(**byte)]).count();
        if !rest[length..].starts_with(b"\r\n") {
            complete_line(&rest[length..])?;
            return Err(InvalidField::Value);
        }
        let value = trim(&rest[..length]);
        let skipped = value.as_ptr() as usize - rest.as_ptr() as usize;
        let value_start = start + name + 1 + skipped;
        Ok(Self {
            known: Known::of(&bytes[..name]),
            is_added: false,
            is_plain: length == value.len() + 1 && rest[0] == b' ',
            start: start as u32,
            name_end: (start + name) as u32,
            value: value_start as u32,
            value_end: (value_start + value.len()) as u32,
            end: (start + name + 1 + length + 2) as u32,
        })
    }
}

/// The rest of a line, without its line end.
fn complete_line(rest: &[u8]) -> Result<&[u8], InvalidField> {
    let end = memchr::memchr(b'\n', rest).ok_or(InvalidField::LineEnd)?;
    rest[..end].strip_suffix(b"\r").ok_or(InvalidField::LineEnd)
}

/// Whether a byte may occur in a token (RFC 9110 §5.6.2).
pub(crate) fn is_token_byte(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

/// The bytes of a token.
static TOKEN: [bool; 256] = {
    let mut token = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let char = byte as u8;
        token[byte] = char.is_ascii_alphanumeric()
            || matches!(
                char,
                b'!' | b'#'
                    | b'$'
                    | b'%'
                    | b'&'
                    | b'\''
                    | b'*'
                    | b'+'
                    | b'-'
                    | b'.'
                    | b'^'
                    | b'_'
                    | b'`'
                    | b'|'
                    | b'~'
            );
        byte += 1;
    }
    token
};

/// The bytes of a value (RFC 9110 §5.5): white space, visible bytes, and those above ASCII.
static VALUE: [bool; 256] = {
    let mut value = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        value[byte] = byte == 0x09 || (byte >= 0x20 && byte != 0x7f);
        byte += 1;
    }
    value
};

/// Removes optional white space (RFC 9110 §5.6.3); `trim_ascii` would also remove control bytes.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}
