//! Buffer of the latest output of one child, for readers that take the present content or follow it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use bytes::Bytes;
use futures::stream::{self, StreamExt};
use tokio::sync::watch;

use super::super::logs::{Output, Tail};

/// Size of the buffer in bytes; every line counts as this many more, so that many short lines are bounded too.
const CAPACITY: usize = 256 << 10;
const LINE_OVERHEAD: usize = 64;

/// The most bytes that a reader gets at once, unless one line is longer.
const MAX_PIECE: usize = 16 << 10;

/// The writing end; followers reach the end of the output when it is dropped.
pub(super) struct Writer {
    lines: Rc<RefCell<Lines>>,
    next: watch::Sender<u64>,
}

/// The reading end.
#[derive(Clone)]
pub(super) struct Reader {
    lines: Rc<RefCell<Lines>>,
    /// Number of the next line; closed when no more lines will come.
    next: watch::Receiver<u64>,
}

#[derive(Default)]
struct Lines {
    buffered: VecDeque<Bytes>,
    bytes: usize,
    /// Number of the first line in the buffer.
    first: u64,
}

/// Creates an empty buffer.
pub(super) fn line_buffer() -> (Writer, Reader) {
    let (writer, next) = watch::channel(0);
    let lines = Rc::<RefCell<Lines>>::default();
    (Writer { lines: lines.clone(), next: writer }, Reader { lines, next })
}

impl Writer {
    /// Adds a line, which contains no line break; the oldest lines are dropped.
    pub fn write(&self, line: &str) {
        let mut lines = self.lines.borrow_mut();
        lines.bytes += line.len() + LINE_OVERHEAD;
        lines.buffered.push_back(Bytes::from(format!("{line}\n")));
        while lines.bytes > CAPACITY
            && let Some(oldest) = lines.buffered.pop_front()
        {
            lines.bytes -= oldest.len() - 1 + LINE_OVERHEAD;
            lines.first += 1;
        }
        self.next.send_replace(lines.next());
    }
}

impl Reader {
    /// The last line, without its break; empty if there is none.
    pub fn last(&self) -> String {
        let lines = self.lines.borrow();
        let last =
            lines.buffered.back().map(|line| String::from_utf8_lossy(line.trim_ascii_end()).into_owned());
        last.unwrap_or_default()
    }

    /// Returns a part of the output. A follower that reads too slowly gets a note with the number of lines it has
    /// missed.
    pub fn read(&self, Tail { lines, follow }: Tail) -> Output {
        let end = self.lines.borrow().next();
        let start = end.saturating_sub(lines as u64).max(self.lines.borrow().first);
        let until = if follow { u64::MAX } else { end };
        let state = (start, self.clone());
        stream::unfold(state, move |(at, mut reader)| async move {
            loop {
                // Checked before the lines are read, so that no line between the two steps is missed.
                let ended = reader.next.has_changed().is_err();
                reader.next.mark_unchanged();
                if let Some((piece, at)) = reader.lines.borrow().piece(at, until) {
                    return Some((piece, (at, reader.clone())));
                }
                if ended || !follow {
                    return None;
                }
                // An error means closed: the lines written last are read once more.
                let _ = reader.next.changed().await;
            }
        })
        .boxed_local()
    }
}

impl Lines {
    fn next(&self) -> u64 {
        self.first + self.buffered.len() as u64
    }

    /// Lines from number `at` on, and the number of the next line.
    fn piece(&self, at: u64, until: u64) -> Option<(Bytes, u64)> {
        let until = until.min(self.next());
        let mut text = Vec::new();
        let mut next = at;
        if at < self.first && at < until {
            text.extend(format!("lb: {} lines are lost: read too slowly\n", self.first - at).bytes());
            next = self.first;
        }
        let skip = usize::try_from(next.checked_sub(self.first)?).ok()?;
        for line in self.buffered.iter().skip(skip) {
            if next >= until || (!text.is_empty() && text.len() + line.len() > MAX_PIECE) {
                break;
            }
            text.extend_from_slice(line);
            next += 1;
        }
        (!text.is_empty()).then(|| (text.into(), next))
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    async fn all(output: Output) -> String {
        String::from_utf8(output.collect::<Vec<Bytes>>().await.concat()).unwrap()
    }

    fn tail(lines: usize) -> Tail {
        Tail { lines, follow: false }
    }

    #[actix_rt::test]
    async fn the_last_lines() {
        let (writer, reader) = line_buffer();
        assert_eq!((all(reader.read(tail(3))).await.as_str(), reader.last().as_str()), ("", ""));
        ["a", "b", "c"].iter().for_each(|line| writer.write(line));
        for (lines, expected) in [(0, ""), (1, "c\n"), (2, "b\nc\n"), (3, "a\nb\nc\n"), (9, "a\nb\nc\n")] {
            assert_eq!(all(reader.read(tail(lines))).await, expected);
        }
        assert_eq!(reader.last(), "c");
        let before = reader.read(tail(9));
        writer.write("d");
        assert_eq!(all(before).await, "a\nb\nc\n", "later lines are not included");
    }

    #[actix_rt::test]
    async fn a_follower_gets_later_lines_until_the_end() {
        let (writer, reader) = line_buffer();
        writer.write("a");
        writer.write("b");
        let mut output = reader.read(Tail { lines: 1, follow: true });
        assert_eq!(output.next().await.unwrap(), "b\n");
        assert_eq!(output.next().now_or_never(), None);
        writer.write("c");
        assert_eq!(output.next().await.unwrap(), "c\n");
        let waiting = actix_rt::spawn(async move { all(output).await });
        writer.write("d");
        drop(writer);
        assert_eq!(waiting.await.unwrap(), "d\n");
        assert_eq!(all(reader.read(Tail { lines: 2, follow: true })).await, "c\nd\n");
    }

    #[actix_rt::test]
    async fn memory_is_bounded_and_a_slow_follower_gets_a_note() {
        let (writer, reader) = line_buffer();
        writer.write("first");
        let mut output = reader.read(Tail { lines: 9, follow: true });
        assert_eq!(output.next().await.unwrap(), "first\n");
        for n in 0..100_000 {
            writer.write(&n.to_string());
            assert!(reader.lines.borrow().bytes <= CAPACITY);
        }
        drop(writer);
        let text = all(output).await;
        let (note, rest) = text.split_once('\n').unwrap();
        let lost: usize = note.split(' ').nth(1).unwrap().parse().unwrap();
        assert_eq!(note, format!("lb: {lost} lines are lost: read too slowly"));
        let expected: Vec<String> = (lost..100_000).map(|n| n.to_string()).collect();
        assert!(lost > 90_000 && rest.lines().eq(expected.iter()), "{note}");
        let text = all(reader.read(tail(usize::MAX))).await;
        assert!(text.lines().eq(expected.iter()), "a new reader gets every buffered line");
    }

    #[actix_rt::test]
    async fn a_long_line_is_one_piece() {
        let (writer, reader) = line_buffer();
        let long = "x".repeat(MAX_PIECE * 2);
        writer.write(&long);
        writer.write("y");
        assert_eq!(reader.read(tail(2)).next().await.unwrap().len(), long.len() + 1);
        assert_eq!(all(reader.read(tail(2))).await.len(), long.len() + 3);
    }
}
