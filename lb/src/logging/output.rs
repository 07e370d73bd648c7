//! Writes lines to a file that may block or fail, so that a line that failed halfway does not merge with the next one.

use std::io::{self, ErrorKind, Write};
use std::thread;
use std::time::Duration;

/// Pause before another attempt on a descriptor that is in non-blocking mode and full. Another process can have set
/// that mode: it belongs to the open file, which is shared.
const PAUSE: Duration = Duration::from_millis(10);

/// A destination of lines.
#[derive(Debug)]
pub(super) struct Output<W> {
    out: W,
    /// The last byte written is not a line feed.
    torn: bool,
}

impl<W: Write> Output<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, torn: false }
    }

    /// Writes a line whole; blocks while the reader stalls.
    ///
    /// # Errors
    /// The line is lost or cut short: the file is closed, broken or full.
    pub(super) fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        if self.torn {
            self.write_all(b"\n")?;
        }
        self.write_all(line)
    }

    fn write_all(&mut self, mut rest: &[u8]) -> io::Result<()> {
        while !rest.is_empty() {
            match self.out.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => {
                    self.torn = rest[n - 1] != b'\n';
                    rest = &rest[n..];
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(PAUSE),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::collections::VecDeque;

    /// Takes at most this many bytes per call, or fails.
    struct Script(VecDeque<Result<usize, ErrorKind>>, Vec<u8>);

    impl Write for Script {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let n = self.0.pop_front().unwrap_or(Ok(usize::MAX))?.min(bytes.len());
            self.1.extend_from_slice(&bytes[..n]);
            Ok(n)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn short_writes_interruptions_and_a_full_non_blocking_pipe_lose_nothing() {
        let script = [Ok(2), Err(ErrorKind::Interrupted), Ok(1), Err(ErrorKind::WouldBlock)];
        let mut output = Output::new(Script(script.into(), Vec::new()));
        output.write_line(b"one\n").unwrap();
        output.write_line(b"two\n").unwrap();
        assert_eq!(output.out.1, b"one\ntwo\n");
    }

    #[test]
    fn a_line_that_is_cut_short_does_not_merge_with_the_next() {
        let full = Err(ErrorKind::StorageFull);
        let mut output = Output::new(Script([Ok(2), full, full].into(), Vec::new()));
        assert!(output.write_line(b"one\n").is_err());
        assert!(output.write_line(b"two\n").is_err());
        output.write_line(b"three\n").unwrap();
        output.write_line(b"four\n").unwrap();
        assert_eq!(output.out.1, b"on\nthree\nfour\n");
    }
}
