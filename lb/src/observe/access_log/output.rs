//! Where the lines go: a file that can be reopened, or standard output. A failure loses lines, and nothing else.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long somebody who reads a terminal or a pipe that never blocks us may take to make room.
const ROOM: Duration = Duration::from_secs(1);

/// An open file.
#[derive(Debug)]
pub(crate) struct Output<W = File> {
    /// `None`: standard output.
    path: Option<PathBuf>,
    out: W,
    /// The last line is not whole.
    torn: bool,
    failing: bool,
}

/// What became of some lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub written: u64,
    pub lost: u64,
}

impl Output {
    /// Opens the file, which is made if there is none, or standard output.
    pub fn open(path: Option<PathBuf>) -> io::Result<Self> {
        let out = open(path.as_ref())?;
        Ok(Self { path, out, torn: false, failing: false })
    }

    /// Goes on in the file that has the name now. If there can be none, in the old one.
    pub fn reopen(&mut self) {
        let Some(path) = &self.path else { return };
        match open(Some(path)) {
            Ok(out) => {
                (self.out, self.torn) = (out, false);
                log::info!("access log reopened file={}", path.display());
            }
            Err(error) => log::error!("access log not reopened file={} error={error}", path.display()),
        }
    }
}

impl<W: Write> Output<W> {
    /// Writes whole lines, as many as can be.
    pub fn write(&mut self, lines: &[u8]) -> Outcome {
        let mut rest = lines;
        let mut result = Ok(());
        if self.torn {
            // What follows must not become a part of it.
            result = put(&mut self.out, &mut &b"\n"[..]);
        }
        if result.is_ok() {
            result = put(&mut self.out, &mut rest);
            let last = lines[..lines.len() - rest.len()].last();
            self.torn = last.is_some_and(|byte| *byte != b'\n');
        }
        self.tell(&result);
        let lost = count(rest);
        Outcome { written: count(lines) - lost, lost }
    }

    /// Says it once that it begins or ends to fail.
    fn tell(&mut self, result: &io::Result<()>) {
        let failing = result.is_err();
        match result {
            Err(error) if !self.failing => log::error!("access log fails error={error}"),
            Ok(()) if self.failing => log::info!("access log recovered"),
            _ => {}
        }
        self.failing = failing;
    }
}

fn open(path: Option<&PathBuf>) -> io::Result<File> {
    match path {
        // Not inherited by children: the reader of a pipe must see its end with ours.
        None => Ok(io::stdout().as_fd().try_clone_to_owned()?.into()),
        Some(path) => {
            // Opened for reading too, a named pipe waits for nobody to read it, and outlives whoever does.
            let is_pipe = fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo());
            // What clients send is nobody else's business.
            let file = OpenOptions::new().read(is_pipe).append(true).create(true).mode(0o640).open(path)?;
            if is_pipe {
                rustix::io::ioctl_fionbio(&file, true)?;
            }
            Ok(file)
        }
    }
}

/// Writes from the front of `rest`, and leaves there what could not be written.
fn put(out: &mut impl Write, rest: &mut &[u8]) -> io::Result<()> {
    let mut since = None;
    while !rest.is_empty() {
        match out.write(rest) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(n) => (*rest, since) = (&rest[n..], None),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if since.get_or_insert_with(Instant::now).elapsed() >= ROOM {
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

    /// A disk with so much room left.
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
    fn a_full_disk_loses_lines_and_tears_none_that_follow() {
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
    fn a_device_that_is_full_is_no_reason_to_stop() {
        let mut output = Output::open(Some("/dev/full".into())).unwrap();
        assert_eq!(output.write(b"a\nb\n"), Outcome { written: 0, lost: 2 });
    }

    #[test]
    fn a_file_that_was_renamed_is_left_and_one_that_cannot_be_had_is_not() {
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
