//! Writes lines to a file that can be reopened, or to standard output. A failure loses lines, but never ends the log.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The longest wait for room in a terminal or pipe that is in non-blocking mode and full.
const FULL_TIMEOUT: Duration = Duration::from_secs(1);

/// The open file of the log.
#[derive(Debug)]
pub(crate) struct Output<W = File> {
    /// `None` for standard output.
    path: Option<PathBuf>,
    out: W,
    /// The last byte written is not a line feed.
    torn: bool,
    /// The last write failed.
    failing: bool,
}

/// Numbers of lines written and lost by one call of [`Output::write`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub written: u64,
    pub lost: u64,
}

impl Output {
    /// Opens the file, which is created if it does not exist, or standard output.
    pub fn open(path: Option<PathBuf>) -> io::Result<Self> {
        let out = open(path.as_ref())?;
        Ok(Self { path, out, torn: false, failing: false })
    }

    /// Opens the file under its name again. If that fails, an error is logged and the open file stays in use.
    pub fn reopen(&mut self) {
        let Some(path) = &self.path else { return };
        match open(Some(path)) {
            Ok(out) => {
                (self.out, self.torn) = (out, false);
                log::info!(file:% = path.display(); "access log reopened");
            }
            Err(error) => log::error!(file:% = path.display(), error:%; "access log not reopened"),
        }
    }
}

impl<W: Write> Output<W> {
    /// Writes lines, each with its line feed, until a write fails; the rest is lost.
    pub fn write(&mut self, lines: &[u8]) -> Outcome {
        let mut rest = lines;
        let mut result = Ok(());
        if self.torn {
            // The next line must not merge with the incomplete one.
            result = put(&mut self.out, &mut &b"\n"[..]);
        }
        if result.is_ok() {
            result = put(&mut self.out, &mut rest);
            let last = lines[..lines.len() - rest.len()].last();
            self.torn = last.is_some_and(|byte| *byte != b'\n');
        }
        self.log_transition(&result);
        let lost = count(rest);
        Outcome { written: count(lines) - lost, lost }
    }

    /// Logs the first failure after a success, and the first success after a failure.
    fn log_transition(&mut self, result: &io::Result<()>) {
        let failing = result.is_err();
        match result {
            Err(error) if !self.failing => log::error!(error:%; "access log fails"),
            Ok(()) if self.failing => log::info!("access log recovered"),
            _ => {}
        }
        self.failing = failing;
    }
}

fn open(path: Option<&PathBuf>) -> io::Result<File> {
    match path {
        // Not inherited by children: the reader of a pipe must see its end when this process ends.
        None => Ok(io::stdout().as_fd().try_clone_to_owned()?.into()),
        Some(path) => {
            // A named pipe is opened for reading too: otherwise open(2) would wait for a reader, and writing would fail
            // after the reader has closed it.
            let is_pipe = fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo());
            // Mode 0640: the lines contain data of clients.
            let file = OpenOptions::new().read(is_pipe).append(true).create(true).mode(0o640).open(path)?;
            if is_pipe {
                rustix::io::ioctl_fionbio(&file, true)?;
            }
            Ok(file)
        }
    }
}

/// Writes from the front of `rest`; bytes that could not be written stay in it.
fn put(out: &mut impl Write, rest: &mut &[u8]) -> io::Result<()> {
    let mut since = None;
    while !rest.is_empty() {
        match out.write(rest) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(n) => (*rest, since) = (&rest[n..], None),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if since.get_or_insert_with(Instant::now).elapsed() >= FULL_TIMEOUT {
                    return Err(error);
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn count(lines: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', lines).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with `room` bytes left.
    struct Disk {
        content: Vec<u8>,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let n = bytes.len().min(self.room).min(5);
            if n == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            self.room -= n;
            self.content.extend_from_slice(&bytes[..n]);
            Ok(n)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_loses_lines_but_later_lines_are_whole() {
        for room in 0..30 {
            let mut output =
                Output { path: None, out: Disk { content: Vec::new(), room }, torn: false, failing: false };
            let first = output.write(b"line 1\nline 2\nline 3\n");
            let second = output.write(b"line 4\n");
            output.out.room = 100;
            let third = output.write(b"line 5\nline 6\n");
            assert_eq!(third, Outcome { written: 2, lost: 0 });
            let text = String::from_utf8(output.out.content).unwrap();
            let whole = (1..=6).filter(|n| text.lines().any(|line| line == format!("line {n}"))).count();
            let sum = |of: fn(Outcome) -> u64| of(first) + of(second) + of(third);
            assert_eq!(sum(|outcome| outcome.written + outcome.lost), 6);
            assert!(sum(|outcome| outcome.written) <= whole as u64, "{room}: {text}");
            assert!(text.ends_with("line 5\nline 6\n"), "{room}: {text}");
        }
    }

    #[test]
    fn a_full_device_loses_lines_without_an_error() {
        let mut output = Output::open(Some("/dev/full".into())).unwrap();
        assert_eq!(output.write(b"a\nb\n"), Outcome { written: 0, lost: 2 });
    }

    #[test]
    fn reopen_follows_the_name_and_keeps_the_old_file_on_failure() {
        let directory = tempfile::tempdir().unwrap();
        let (path, old) = (directory.path().join("a"), directory.path().join("a.1"));
        let mut output = Output::open(Some(path.clone())).unwrap();
        output.write(b"1\n");
        std::fs::rename(&path, &old).unwrap();
        output.write(b"2\n");
        output.reopen();
        output.write(b"3\n");
        let read = |path| std::fs::read_to_string(path).unwrap();
        assert_eq!((read(&old), read(&path)), ("1\n2\n".into(), "3\n".into()));
        std::fs::rename(&path, &old).unwrap();
        std::fs::create_dir(&path).unwrap();
        output.reopen();
        assert_eq!(output.write(b"4\n").written, 1);
        assert_eq!(read(&old), "3\n4\n");
    }
}
