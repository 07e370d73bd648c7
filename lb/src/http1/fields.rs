//! The header fields of a message: ranges into the received head, some of them removed, and fields that were added.
//!
//! A head is neither copied nor hashed: what passes unchanged is written as received, with its order and case, as one slice
//! for each run of adjacent fields.

use bytes::{Bytes, BytesMut};

pub use super::field_line::InvalidField;

use super::field_line::Line;
use super::known::{Known, KnownSet};

/// Fields for which a list has room from the start.
const ROOM: usize = 24;
/// Size of added fields for which there is room from the first one on, in bytes.
const ADDED_ROOM: usize = 256;

/// The fields of a message in order: those received, without the removed ones, then those added.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    /// The received field lines.
    received: Bytes,
    /// The added field lines.
    added: Vec<u8>,
    lines: Vec<Line>,
    /// The known names of the lines.
    known: KnownSet,
    /// Whether a name has `_`, which some servers take for `-`.
    has_underscore: bool,
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
        let (name, length) = (name.as_bytes(), name.len() as u32);
        let same_length = self.lines.iter().filter(move |line| line.name_end - line.start == length);
        let named = same_length.filter(move |line| self.name(line).eq_ignore_ascii_case(name));
        named.map(|line| self.value_of(line))
    }
}

impl Fields {
    /// Parses `*( field CRLF )`.
    pub fn parse(block: Bytes, max: usize) -> Result<Self, InvalidField> {
        let mut fields = Self { lines: Vec::with_capacity(ROOM), ..Self::default() };
        let mut start = 0;
        while start < block.len() {
            let line = Line::parse(&block, start)?;
            fields.has_underscore |= block[start..line.name_end as usize].contains(&b'_');
            if fields.lines.len() == max {
                return Err(InvalidField::TooMany);
            }
            fields.push(line);
            start = line.end as usize;
        }
        fields.received = block;
        Ok(fields)
    }

    /// The values of all fields of this name, in order.
    pub fn all(&self, name: Known) -> impl Iterator<Item = &[u8]> {
        let lines = if self.known.contains(name) { &self.lines[..] } else { &[] };
        lines.iter().filter(move |line| line.known == Some(name)).map(|line| self.value_of(line))
    }

    /// The value of the first field of this name.
    #[inline]
    pub fn get(&self, name: Known) -> Option<&[u8]> {
        if self.known.contains(name) { self.all(name).next() } else { None }
    }

    /// Whether there is a field of this name.
    #[inline]
    pub fn has(&self, name: Known) -> bool {
        self.known.contains(name)
    }

    /// Whether there is a field of one of these names.
    #[inline]
    pub(crate) fn has_any(&self, names: KnownSet) -> bool {
        self.known.intersects(names)
    }

    /// Whether a name has `_`, which some servers take for `-`.
    pub(crate) fn has_underscore(&self) -> bool {
        self.has_underscore
    }

    /// Number of fields.
    pub fn count(&self) -> usize {
        self.lines.len()
    }

    /// Names as received, and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.lines.iter().map(|line| (self.name(line), self.value_of(line)))
    }

    /// Appends a field. The name must be a token, and the value free of control bytes.
    pub fn append(&mut self, name: &str, value: &[u8]) {
        self.append_known(Known::of(name.as_bytes()), name, value);
    }

    /// Appends a field of a known name.
    pub fn add(&mut self, name: Known, value: &[u8]) {
        self.append_known(Some(name), name.name(), value);
    }

    /// Replaces all fields of this name by one.
    pub fn set(&mut self, name: Known, value: &[u8]) {
        self.remove(name);
        self.add(name, value);
    }

    /// Appends a field with the value of another one, if that is present.
    pub fn add_copy(&mut self, name: Known, of: Known) {
        if let Some(value) = self.get(of).map(<[u8]>::to_vec) {
            self.add(name, &value);
        }
    }

    /// Removes all fields of this name.
    pub fn remove(&mut self, name: Known) {
        if self.known.contains(name) {
            self.lines.retain(|line| line.known != Some(name));
            self.known.remove(name);
        }
    }

    /// Removes all fields of these names.
    pub(crate) fn remove_all(&mut self, names: KnownSet) {
        if self.known.intersects(names) {
            self.lines.retain(|line| !line.known.is_some_and(|known| names.contains(known)));
            self.known = self.known.without(names);
        }
    }

    /// Keeps the fields for whose names `keep` returns true.
    pub fn retain(&mut self, mut keep: impl FnMut(&[u8]) -> bool) {
        let (received, added) = (&self.received, &self.added);
        let mut left = KnownSet::default();
        self.lines.retain(|line| {
            let bytes: &[u8] = if line.is_added { added } else { received };
            let kept = keep(&bytes[line.start as usize..line.name_end as usize]);
            line.known.filter(|_| kept).inspect(|known| left.insert(*known));
            kept
        });
        self.known = left;
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

    fn append_known(&mut self, known: Option<Known>, name: &str, value: &[u8]) {
        let start = self.added.len();
        let value_start = start + name.len() + 2;
        let value_end = value_start + value.len();
        // Room for the fields that the proxy adds to a request.
        self.added.reserve(if start == 0 { ADDED_ROOM } else { value_end + 2 - start });
        for part in [name.as_bytes(), b": ", value, b"\r\n"] {
            self.added.extend_from_slice(part);
        }
        self.push(Line {
            known,
            is_added: true,
            is_plain: true,
            start: start as u32,
            name_end: (value_start - 2) as u32,
            value: value_start as u32,
            value_end: value_end as u32,
            end: (value_end + 2) as u32,
        });
    }

    fn push(&mut self, line: Line) {
        if let Some(known) = line.known {
            self.known.insert(known);
        }
        self.lines.push(line);
    }

    fn value_of(&self, line: &Line) -> &[u8] {
        self.slice(line, line.value, line.value_end)
    }

    fn name(&self, line: &Line) -> &[u8] {
        self.slice(line, line.start, line.name_end)
    }

    fn slice(&self, line: &Line, start: u32, end: u32) -> &[u8] {
        let bytes: &[u8] = if line.is_added { &self.added } else { &self.received };
        &bytes[start as usize..end as usize]
    }
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
        fields.retain(|name| !name.eq_ignore_ascii_case(b"x-a"));
        fields.append("Via", b"1.1 lb");
        fields.set(Known::Host, b"other");
        assert_eq!(fields.written(), "x-B: 1\r\nX-b: 3\r\nCookie: c\r\nVia: 1.1 lb\r\nhost: other\r\n");
        assert!(fields.value("x-a").is_none() && fields.has(Known::Host) && fields.has(Known::Cookie));
        assert_eq!((fields.count(), fields.text("via"), fields.get(Known::Te)), (5, Some("1.1 lb"), None));
        fields.remove_all(KnownSet::new(&[Known::Host, Known::Cookie, Known::Te]));
        fields.add_copy(Known::XForwardedHost, Known::Via);
        fields.add_copy(Known::XForwardedFor, Known::Host);
        assert_eq!(fields.written(), "x-B: 1\r\nX-b: 3\r\nVia: 1.1 lb\r\nx-forwarded-host: 1.1 lb\r\n");
        assert!(!fields.has(Known::Host) && !fields.has(Known::Cookie) && fields.has(Known::Via));
    }

    #[test]
    fn a_run_of_kept_fields_is_one_slice_and_removed_fields_part_it() {
        let names: Vec<String> = (0..40).map(|n| format!("{}-{n}", ["X-Aa", "x-bB", "Cc"][n % 3])).collect();
        let line = |name: &String| format!("{name}: {name} v\r\n");
        for removed in 0..names.len() {
            let mut fields = parse(&names.iter().map(line).collect::<String>());
            fields.retain(|name| name != names[removed].as_bytes());
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
            ("A: b\n: c\r\n", InvalidField::LineEnd),
            ("A: \0\n", InvalidField::LineEnd),
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
