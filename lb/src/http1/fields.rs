//! The header fields of a message: ranges into the received head, some of them removed, and fields that were added.
//!
//! A head is neither copied nor hashed: what passes unchanged is written as received, with its order and case, as one slice
//! for each run of adjacent fields.

use bytes::{Bytes, BytesMut};

/// Fields for which a list has room from the start.
const ROOM: usize = 24;

/// The fields of a message in order: those received, without the removed ones, then those added.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    /// The received field lines.
    received: Bytes,
    /// The added field lines.
    added: Vec<u8>,
    lines: Vec<Line>,
    /// A bit for each name, see [`bit`]: most names that are looked up are absent, and the bit shows it at once.
    present: u64,
}

/// A field line: offsets into [`Fields::received`] or [`Fields::added`].
#[derive(Clone, Copy, Debug)]
struct Line {
    is_added: bool,
    /// Whether the line is written as it is: `name: value`, without further white space.
    is_plain: bool,
    start: u32,
    name_end: u32,
    value: u32,
    value_end: u32,
    end: u32,
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

/// Access to the fields of a message by name, in any case.
pub trait FieldValues {
    /// The values of all fields of this name, in order.
    fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]>;

    /// The value of the first field of this name.
    fn value(&self, name: &str) -> Option<&[u8]> {
        self.values(name).next()
    }

    /// The value of the first field of this name, if it is visible ASCII.
    fn text(&self, name: &str) -> Option<&str> {
        let value = self.value(name)?;
        value
            .iter()
            .all(|byte| matches!(byte, b' '..=b'~' | b'\t'))
            .then(|| std::str::from_utf8(value).ok())?
    }
}

impl FieldValues for actix_http::header::HeaderMap {
    fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.get_all(name).map(|value| value.as_bytes())
    }
}

impl FieldValues for Fields {
    fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let lines = if self.present & bit(name.as_bytes()) == 0 { &[][..] } else { &self.lines };
        let name = Name::new(name);
        let named = lines.iter().filter(move |line| name.is(self.name(line)));
        named.map(|line| self.slice(line, line.value, line.value_end))
    }
}

impl Fields {
    /// Parses `*( field CRLF )`.
    pub fn parse(block: Bytes, max: usize) -> Result<Self, InvalidField> {
        let mut fields = Self { lines: Vec::with_capacity(ROOM), ..Self::default() };
        let mut start = 0;
        while start < block.len() {
            let end = memchr::memchr(b'\n', &block[start..]).ok_or(InvalidField::LineEnd)? + start + 1;
            let line = block[start..end - 1].strip_suffix(b"\r").ok_or(InvalidField::LineEnd)?;
            let colon = memchr::memchr(b':', line).ok_or(InvalidField::Colon)?;
            let (name, rest) = (&line[..colon], &line[colon + 1..]);
            if !is_token(name) {
                return Err(InvalidField::Name);
            }
            let value = trim(rest);
            if !value.iter().all(|byte| *byte >= b' ' && *byte != 0x7f || *byte == b'\t') {
                return Err(InvalidField::Value);
            }
            if fields.lines.len() == max {
                return Err(InvalidField::TooMany);
            }
            let skipped = value.as_ptr() as usize - line.as_ptr() as usize;
            fields.present |= bit(name);
            fields.lines.push(Line {
                is_added: false,
                is_plain: rest.len() == value.len() + 1 && rest.first() == Some(&b' '),
                start: start as u32,
                name_end: (start + colon) as u32,
                value: (start + skipped) as u32,
                value_end: (start + skipped + value.len()) as u32,
                end: end as u32,
            });
            start = end;
        }
        fields.received = block;
        Ok(fields)
    }

    /// Whether there is a field of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// Number of fields.
    pub fn count(&self) -> usize {
        self.lines.len()
    }

    /// Names as received, and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.lines.iter().map(|line| (self.name(line), self.slice(line, line.value, line.value_end)))
    }

    /// Appends a field. The name must be a token, and the value free of control bytes.
    pub fn append(&mut self, name: &str, value: &[u8]) {
        let start = self.added.len() as u32;
        for part in [name.as_bytes(), b": ", value, b"\r\n"] {
            self.added.extend_from_slice(part);
        }
        let name_end = start + name.len() as u32;
        let value_start = name_end + 2;
        let value_end = value_start + value.len() as u32;
        self.present |= bit(name.as_bytes());
        self.lines.push(Line {
            is_added: true,
            is_plain: true,
            start,
            name_end,
            value: value_start,
            value_end,
            end: value_end + 2,
        });
    }

    /// Replaces all fields of this name by one.
    pub fn set(&mut self, name: &str, value: &[u8]) {
        self.remove(name);
        self.append(name, value);
    }

    /// Removes all fields of this name.
    pub fn remove(&mut self, name: &str) {
        if self.present & bit(name.as_bytes()) != 0 {
            let name = Name::new(name);
            self.retain(|other, _| !name.is(other));
        }
    }

    /// Keeps the fields for which `keep`, called with name and value, returns true.
    pub fn retain(&mut self, mut keep: impl FnMut(&[u8], &[u8]) -> bool) {
        let (received, added) = (&self.received, &self.added);
        let mut present = 0;
        self.lines.retain(|line| {
            let bytes: &[u8] = if line.is_added { added } else { received };
            let name = &bytes[line.start as usize..line.name_end as usize];
            let kept = keep(name, &bytes[line.value as usize..line.value_end as usize]);
            present |= if kept { bit(name) } else { 0 };
            kept
        });
        self.present = present;
    }

    /// Appends the field lines to `out`.
    pub fn write(&self, out: &mut BytesMut) {
        let mut run: Option<Line> = None;
        for line in &self.lines {
            run = match run {
                Some(run) if line.is_plain && line.is_added == run.is_added && line.start == run.end => {
                    Some(Line { end: line.end, ..run })
                }
                run => {
                    run.inspect(|run| out.extend_from_slice(self.slice(run, run.start, run.end)));
                    if !line.is_plain {
                        let value = self.slice(line, line.value, line.value_end);
                        for part in [self.name(line), b": ", value, b"\r\n"] {
                            out.extend_from_slice(part);
                        }
                    }
                    line.is_plain.then_some(*line)
                }
            };
        }
        run.inspect(|run| out.extend_from_slice(self.slice(run, run.start, run.end)));
    }

    /// Size of the written field lines in bytes, at most.
    pub fn max_size(&self) -> usize {
        self.received.len() + self.added.len() + self.lines.len()
    }

    /// The fields as a map, for services of actix-web.
    pub fn to_map(&self) -> actix_http::header::HeaderMap {
        use actix_http::header::{HeaderMap, HeaderName, HeaderValue};
        let mut map = HeaderMap::with_capacity(self.count());
        for (name, value) in self.iter() {
            // Every parsed field is valid for both types, except a name of 64 KiB.
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
                map.append(name, value);
            }
        }
        map
    }

    fn name(&self, line: &Line) -> &[u8] {
        self.slice(line, line.start, line.name_end)
    }

    fn slice(&self, line: &Line, start: u32, end: u32) -> &[u8] {
        let bytes: &[u8] = if line.is_added { &self.added } else { &self.received };
        &bytes[start as usize..end as usize]
    }
}

/// A name to look for.
#[derive(Clone, Copy)]
struct Name<'a>(&'a [u8]);

impl<'a> Name<'a> {
    fn new(name: &'a str) -> Self {
        Self(name.as_bytes())
    }

    fn is(self, other: &[u8]) -> bool {
        self.0.len() == other.len() && self.0.eq_ignore_ascii_case(other)
    }
}

/// The bit of a name, by its length and first letter.
fn bit(name: &[u8]) -> u64 {
    let first = name.first().map_or(0, |byte| usize::from(byte | 0x20));
    1 << ((name.len() * 7 + first) % 64)
}

/// Whether these bytes are a token (RFC 9110 §5.6.2).
fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| TOKEN[usize::from(*byte)])
}

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

/// Removes optional white space (RFC 9110 §5.6.3); `trim_ascii` would also remove control bytes.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

#[cfg(test)]
impl<const N: usize> From<[(&str, &str); N]> for Fields {
    fn from(fields: [(&str, &str); N]) -> Self {
        Self::from(&fields[..])
    }
}

#[cfg(test)]
impl From<&[(&str, &str)]> for Fields {
    fn from(fields: &[(&str, &str)]) -> Self {
        let mut list = Self::default();
        fields.iter().for_each(|(name, value)| list.append(name, value.as_bytes()));
        list
    }
}

#[cfg(test)]
impl Fields {
    /// The written lines.
    pub fn written(&self) -> String {
        let mut out = BytesMut::new();
        self.write(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::corpus;
    use crate::testing::fuzz::fuzz;

    fn parse(block: &str) -> Fields {
        Fields::parse(Bytes::copy_from_slice(block.as_bytes()), 100).unwrap()
    }

    #[test]
    fn order_and_case_survive() {
        let text = "Host: h\r\nx-B: 1\r\nX-a:  2\t\r\nX-b:3\r\nCookie: c\r\n";
        let mut fields = parse(text);
        assert_eq!(fields.written(), "Host: h\r\nx-B: 1\r\nX-a: 2\r\nX-b: 3\r\nCookie: c\r\n");
        assert_eq!(fields.values("X-B").collect::<Vec<_>>(), [b"1", b"3"]);
        fields.remove("x-a");
        fields.append("via", b"1.1 lb");
        fields.set("HOST", b"other");
        assert_eq!(fields.written(), "x-B: 1\r\nX-b: 3\r\nCookie: c\r\nvia: 1.1 lb\r\nHOST: other\r\n");
        assert!(!fields.contains("x-a") && fields.contains("host"));
        assert_eq!((fields.count(), fields.text("via"), fields.value("x")), (5, Some("1.1 lb"), None));
    }

    #[test]
    fn a_run_of_kept_fields_is_one_slice_and_removed_fields_part_it() {
        let names: Vec<String> = (0..40).map(|n| format!("{}-{n}", ["X-Aa", "x-bB", "Cc"][n % 3])).collect();
        let line = |name: &String| format!("{name}: {name} v\r\n");
        for removed in 0..names.len() {
            let mut fields = parse(&names.iter().map(line).collect::<String>());
            fields.remove(&names[removed].to_lowercase());
            let kept = names.iter().enumerate().filter(|(n, _)| *n != removed);
            assert_eq!(fields.written(), kept.map(|(_, name)| line(name)).collect::<String>());
        }
    }

    #[test]
    fn lines_that_are_no_fields_are_errors() {
        for (block, error) in [
            ("A: b\n", InvalidField::LineEnd),
            ("A: b", InvalidField::LineEnd),
            ("A\r\n", InvalidField::Colon),
            (": b\r\n", InvalidField::Name),
            ("A : b\r\n", InvalidField::Name),
            (" A: b\r\n", InvalidField::Name),
            ("A\": b\r\n", InvalidField::Name),
            ("A: b\rc\r\n", InvalidField::Value),
            ("A: \0\r\n", InvalidField::Value),
            ("A: \x7f\r\n", InvalidField::Value),
        ] {
            let parsed = Fields::parse(Bytes::from_static(block.as_bytes()), 9);
            assert_eq!(parsed.err(), Some(error), "{block:?}");
        }
        let parsed = Fields::parse(Bytes::from_static(b"A: 1\r\nB: 2\r\n"), 1);
        assert_eq!(parsed.err(), Some(InvalidField::TooMany));
    }

    /// httparse is the reference: it reads the same fields, and refuses what this parser refuses.
    #[test]
    fn fields_are_those_that_httparse_reads() {
        let requests = corpus::requests().into_iter().map(|(_, request)| request);
        let corpus: Vec<Vec<u8>> = requests
            .filter_map(|request| {
                let line = memchr::memchr(b'\n', &request)?;
                let end = memchr::memmem::find(&request, b"\r\n\r\n")?;
                (line < end).then(|| request[line + 1..end + 2].to_vec())
            })
            .collect();
        let mut agreed = 0;
        fuzz(&corpus, |block| {
            // A whole section ends with its first empty line, which the caller has found.
            if block.starts_with(b"\r\n") || memchr::memmem::find(block, b"\n\r\n").is_some() {
                return;
            }
            let mut reference = [httparse::EMPTY_HEADER; 200];
            let whole = [block, b"\r\n"].concat();
            let theirs = httparse::parse_headers(&whole, &mut reference);
            let ours = Fields::parse(Bytes::copy_from_slice(block), 200);
            match (theirs, ours) {
                (Ok(httparse::Status::Complete((_, theirs))), Ok(ours)) => {
                    let theirs: Vec<_> = theirs.iter().map(|it| (it.name.as_bytes(), it.value)).collect();
                    assert_eq!(ours.iter().collect::<Vec<_>>(), theirs);
                    agreed += 1;
                }
                (Err(_) | Ok(httparse::Status::Partial), Err(_)) => {}
                // httparse accepts lines that end with a line feed only.
                (Ok(_), Err(InvalidField::LineEnd)) => {}
                (theirs, ours) => panic!("{theirs:?} {ours:?} {}", block.escape_ascii()),
            }
        });
        assert!(agreed > 0 || std::env::var_os("LB_FUZZ_SEED").is_some());
    }
}
