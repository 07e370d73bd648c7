//! Reads the lines of a key file, which may be larger than the memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::counter::KeyCounter;
use super::field::Field;

/// Longest line in bytes, because a line is read into memory as a whole.
const MAX_LINE: usize = 1 << 20;

/// Number of lines between two calls of `progress`.
const PROGRESS_INTERVAL: u64 = 10_000;

/// Line counts of a key file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogSummary {
    /// Number of lines that are not blank.
    pub lines: u64,
    /// Number of these lines that have no key.
    pub without_key: u64,
}

/// Errors of reading a key file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be opened or read.
    #[error("--keys: cannot read {}: {source}", path.display())]
    Unreadable {
        /// Path of the file.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// The file has only blank lines.
    #[error("--keys: {} is empty: one key a line is expected, or an access log and --field", .0.display())]
    Empty(PathBuf),
    /// No line has a key.
    #[error("--field: not one of the {lines} lines of {} has a key: no line has {field}", path.display())]
    NoKey {
        /// Path of the file.
        path: PathBuf,
        /// Number of lines that are not blank.
        lines: u64,
        /// The field that was looked for.
        field: Field,
    },
    /// A line is longer than 1 MiB.
    #[error("--keys: line {line} of {} is longer than 1 MiB", path.display())]
    LongLine {
        /// Path of the file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: u64,
    },
}

/// Counts the keys of a file; `-` is standard input. `progress` is called with the bytes read and the length of the
/// file, which is `None` for pipes.
///
/// # Errors
/// When the file cannot be read, or no line has a key.
pub fn read(
    path: &Path,
    field: &Field,
    counter: &mut KeyCounter,
    progress: impl FnMut(u64, Option<u64>),
) -> Result<LogSummary, Error> {
    let unreadable = |source| Error::Unreadable { path: path.into(), source };
    if path == Path::new("-") {
        return read_lines(path, io::stdin().lock(), None, field, counter, progress);
    }
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    // A pipe has no length.
    let length = metadata.is_file().then_some(metadata.len());
    read_lines(path, BufReader::with_capacity(1 << 16, file), length, field, counter, progress)
}

fn read_lines(
    path: &Path,
    mut input: impl BufRead,
    length: Option<u64>,
    field: &Field,
    counter: &mut KeyCounter,
    mut progress: impl FnMut(u64, Option<u64>),
) -> Result<LogSummary, Error> {
    let (mut log, mut number, mut bytes) = (LogSummary::default(), 0, 0);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = input.by_ref().take(MAX_LINE as u64 + 1).read_until(b'\n', &mut line);
        let read = read.map_err(|source| Error::Unreadable { path: path.into(), source })?;
        if read == 0 {
            break;
        }
        number += 1;
        if read > MAX_LINE {
            return Err(Error::LongLine { path: path.into(), line: number });
        }
        bytes += read as u64;
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if !text.trim_ascii().is_empty() {
            log.lines += 1;
            match field.key(text) {
                Some(key) => counter.add(&key),
                None => log.without_key += 1,
            }
        }
        if number.is_multiple_of(PROGRESS_INTERVAL) {
            progress(bytes, length);
        }
    }
    if log.lines == 0 {
        return Err(Error::Empty(path.into()));
    }
    if counter.is_empty() {
        return Err(Error::NoKey { path: path.into(), lines: log.lines, field: field.clone() });
    }
    Ok(log)
}

#[cfg(test)]
mod tests {
    use lb::ring::Layout;

    use super::super::counter::{Bounds, Counted};
    use super::*;

    fn read_text(text: impl AsRef<[u8]>, field: &Field) -> Result<(LogSummary, Counted), Error> {
        let mut counter = KeyCounter::for_layouts([&Layout::default()], Bounds::DEFAULT);
        let log = read_lines(Path::new("a.log"), text.as_ref(), None, field, &mut counter, |_, _| ())?;
        Ok((log, counter.finish(9)))
    }

    #[test]
    fn keys_are_bytes_and_both_line_ends_are_accepted() {
        let (log, counted) = read_text(b"a\r\n\xff\n\n  \na\nlast", &Field::Line).unwrap();
        assert_eq!(log, LogSummary { lines: 4, without_key: 0 });
        let heaviest: Vec<_> = counted.heaviest.iter().map(|(key, count)| (&**key, *count)).collect();
        assert_eq!(heaviest, [(&b"a"[..], 2), (b"last", 1), (b"\xff", 1)]);
    }

    #[test]
    fn lines_without_the_field_are_counted() {
        let (log, counted) = read_text("x 1\nx\nx 2\n", &"2".parse().unwrap()).unwrap();
        assert_eq!(log, LogSummary { lines: 3, without_key: 1 });
        assert_eq!(counted.traffic.requests(), 2);
    }

    #[test]
    fn a_file_without_a_key_is_an_error_with_the_reason() {
        let error =
            |text: &str, field: &str| read_text(text, &field.parse().unwrap()).unwrap_err().to_string();
        assert_eq!(
            error("a\nb\n", "2"),
            "--field: not one of the 2 lines of a.log has a key: no line has column 2"
        );
        assert!(error("", "2").starts_with("--keys: a.log is empty"));
        assert!(error("\n \r\n", "2").starts_with("--keys: a.log is empty"));
        let long = "x".repeat(MAX_LINE + 1);
        assert_eq!(error(&format!("a\n{long}"), "1"), "--keys: line 2 of a.log is longer than 1 MiB");
        let mut counter = KeyCounter::for_layouts([&Layout::default()], Bounds::DEFAULT);
        let error = read(Path::new("/nowhere/a"), &Field::Line, &mut counter, |_, _| ()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "--keys: cannot read /nowhere/a: No such file or directory (os error 2)"
        );
    }

    #[test]
    fn progress_is_reported_in_bytes() {
        let mut reported = Vec::new();
        let mut counter = KeyCounter::for_layouts([&Layout::default()], Bounds::DEFAULT);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "ab\n".repeat(25_000)).unwrap();
        let progress = |bytes, length| reported.push((bytes, length));
        read(file.path(), &Field::Line, &mut counter, progress).unwrap();
        assert_eq!(reported, [(30_000, Some(75_000)), (60_000, Some(75_000))]);
    }
}
