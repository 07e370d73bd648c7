//! Output of a child: logged line by line, with the latest lines kept in a buffer.

use std::io::{self, PipeReader};
use std::os::fd::OwnedFd;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::net::unix::pipe::Receiver;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::super::logs::Printable;
use super::line_buffer::{Reader, line_buffer};
use crate::logging::REPLICA;
use crate::name::Name;

/// A longer line is logged in pieces of this many bytes.
const LONGEST_LINE: u64 = 4096;

/// Time after the end of the child for which its last output is awaited: a descendant that left the process group may
/// hold the pipe open for ever.
pub(super) const LAST_OUTPUT_TIMEOUT: Duration = Duration::from_secs(1);

/// The output of one child: standard output and standard error in the order written.
pub(super) struct Output {
    pub(super) buffer: Reader,
    reading: JoinHandle<()>,
}

impl Output {
    /// Logs each line as `replica=<name> <line>` with target `replica`; the buffered lines are not escaped.
    ///
    /// # Errors
    /// The pipe cannot be read asynchronously.
    pub(super) fn log(reader: PipeReader, name: Name) -> io::Result<Self> {
        let pipe = Receiver::from_owned_fd(OwnedFd::from(reader))?;
        let (writer, buffer) = line_buffer();
        let reading = actix_rt::spawn(each_line(pipe, move |line| {
            log::info!(target: REPLICA, "replica={name} {}", Printable(&line));
            writer.write(&line);
        }));
        Ok(Self { buffer, reading })
    }

    /// The last line that was not blank, once the output has ended.
    pub(super) async fn last_line(self) -> String {
        let _ = timeout(LAST_OUTPUT_TIMEOUT, self.reading).await;
        Printable(&self.buffer.last()).to_string()
    }
}

/// Calls `each` with every line that is not blank, without trailing blanks and as UTF-8 (lossy).
async fn each_line(input: impl AsyncRead + Unpin, mut each: impl FnMut(String)) {
    let mut input = BufReader::new(input);
    let mut line = Vec::new();
    while let Ok(1..) = (&mut input).take(LONGEST_LINE).read_until(b'\n', &mut line).await {
        if !line.trim_ascii().is_empty() {
            each(String::from_utf8_lossy(line.trim_ascii_end()).into_owned());
        }
        line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(input: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        each_line(input, |line| lines.push(line)).await;
        lines
    }

    #[actix_rt::test]
    async fn lines_are_trimmed_and_blank_ones_left_out() {
        assert_eq!(lines(b"  one \r\n\n \ntwo").await, ["  one", "two"]);
        assert_eq!(lines(b"").await, [""; 0]);
    }

    #[actix_rt::test]
    async fn invalid_utf8_is_replaced() {
        assert_eq!(lines(b"a\xffb\n").await, ["a\u{fffd}b"]);
    }

    #[actix_rt::test]
    async fn memory_is_bounded_by_cutting_long_lines() {
        let pieces = lines(&[b'x'; 10_000]).await;
        assert_eq!(pieces.iter().map(String::len).collect::<Vec<_>>(), [4096, 4096, 10_000 - 2 * 4096]);
    }
}
