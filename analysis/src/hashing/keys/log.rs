//! Reading the lines of a file that may be larger than the memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::field::Field;
use super::tally::Tally;

/// A longer line is no line of keys; it would have to be held whole.
const LONGEST_LINE: usize = 1 << 20;

/// So many lines are read between two reports of progress.
const STEP: u64 = 10_000;

/// What was read besides the keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// Lines that are not blank.
    pub lines: u64,
    /// Lines of these without a key.
    pub without_key: u64,
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refuses it.
    #[error("--keys: cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Not one line that is not blank.
    #[error("--keys: {} is empty: one key a line is expected, or an access log and --field", .0.display())]
    Empty(PathBuf),
    /// The field is in no line.
    #[error("--field: not one of the {lines} lines of {} has a key: {field} is in none", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
        /// How many lines it has.
        lines: u64,
        /// What was looked for.
        field: Field,
    },
    /// Not a file of lines.
    #[error("--keys: line {line} of {} is longer than 1 MiB", path.display())]
    LongLine {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: u64,
    },
}

/// Counts the keys of a file, `-` being the standard input; `progress` hears how many bytes of how many were read, if
/// their number is known.
///
/// # Errors
/// When it cannot be read, or has no key.
pub fn read(
    path: &Path,
    field: &Field,
    tally: &mut Tally,
    progress: impl FnMut(u64, Option<u64>),
) -> Result<Log, Error> {
    let unreadable = |source| Error::Unreadable { path: path.into(), source };
    if path == Path::new("-") {
        return read_lines(path, io::stdin().lock(), None, field, tally, progress);
    }
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    // A pipe has no length.
    let length = metadata.is_file().then_some(metadata.len());
    read_lines(path, BufReader::with_capacity(1 << 16, file), length, field, tally, progress)
}

fn read_lines(
    path: &Path,
    mut input: impl BufRead,
    length: Option<u64>,
    field: &Field,
    tally: &mut Tally,
    mut progress: impl FnMut(u64, Option<u64>),
) -> Result<Log, Error> {
    let (mut log, mut number, mut bytes) = (Log::default(), 0, 0);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = input.by_ref().take(LONGEST_LINE as u64 + 1).read_until(b'\n', &mut line);
        let read = read.map_err(|source| Error::Unreadable { path: path.into(), source })?;
        if read == 0 {
            break;
        }
        number += 1;
        if read > LONGEST_LINE {
            return Err(Error::LongLine { path: path.into(), line: number });
        }
        bytes += read as u64;
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if !text.trim_ascii().is_empty() {
            log.lines += 1;
            match field.key(text) {
                Some(key) => tally.add(&key),
                None => log.without_key += 1,
            }
        }
        if number.is_multiple_of(STEP) {
            progress(bytes, length);
        }
    }
    if log.lines == 0 {
        return Err(Error::Empty(path.into()));
    }
    if tally.is_empty() {
        return Err(Error::NoKey { path: path.into(), lines: log.lines, field: field.clone() });
    }
    Ok(log)
}

#[cfg(test)]
mod tests {
    use lb::ring::Layout;

    use super::super::tally::{Bounds, Counted};
    use super::*;

    fn read_text(text: impl AsRef<[u8]>, field: &Field) -> Result<(Log, Counted), Error> {
        let mut tally = Tally::over([&Layout::default()], Bounds::DEFAULT);
        let log = read_lines(Path::new("a.log"), text.as_ref(), None, field, &mut tally, |_, _| ())?;
        Ok((log, tally.finish(9)))
    }

    #[test]
    fn keys_are_bytes_and_lines_end_as_they_like() {
        let (log, counted) = read_text(b"a\r\n\xff\n\n  \na\nlast", &Field::Line).unwrap();
        assert_eq!(log, Log { lines: 4, without_key: 0 });
        let heaviest: Vec<_> = counted.heaviest.iter().map(|(key, count)| (&**key, *count)).collect();
        assert_eq!(heaviest, [(&b"a"[..], 2), (b"last", 1), (b"\xff", 1)]);
    }

    #[test]
    fn lines_without_the_field_are_counted() {
        let (log, counted) = read_text("x 1\nx\nx 2\n", &"2".parse().unwrap()).unwrap();
        assert_eq!(log, Log { lines: 3, without_key: 1 });
        assert_eq!(counted.traffic.requests(), 2);
    }

    #[test]
    fn a_file_without_a_key_is_an_error_that_says_what_is_missing() {
        let error =
            |text: &str, field: &str| read_text(text, &field.parse().unwrap()).unwrap_err().to_string();
        assert_eq!(
            error("a\nb\n", "2"),
            "--field: not one of the 2 lines of a.log has a key: column 2 is in none"
        );
        assert!(error("", "2").starts_with("--keys: a.log is empty"));
        assert!(error("\n \r\n", "2").starts_with("--keys: a.log is empty"));
        let long = "x".repeat(LONGEST_LINE + 1);
        assert_eq!(error(&format!("a\n{long}"), "1"), "--keys: line 2 of a.log is longer than 1 MiB");
        let mut tally = Tally::over([&Layout::default()], Bounds::DEFAULT);
        let error = read(Path::new("/nowhere/a"), &Field::Line, &mut tally, |_, _| ()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "--keys: cannot read /nowhere/a: No such file or directory (os error 2)"
        );
    }

    #[test]
    fn progress_tells_bytes() {
        let mut told = Vec::new();
        let mut tally = Tally::over([&Layout::default()], Bounds::DEFAULT);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "ab\n".repeat(25_000)).unwrap();
        read(file.path(), &Field::Line, &mut tally, |bytes, of| told.push((bytes, of))).unwrap();
        assert_eq!(told, [(30_000, Some(75_000)), (60_000, Some(75_000))]);
    }
}
