//! The bounded queue of formatted lines between the threads that log and the writer.
//!
//! The channel itself has no bound; each line reserves room in a budget of lines and bytes first. So essential lines
//! and the mark of a gap are accepted when the budget is spent, and all lines keep one order.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

/// Size of the queue in lines.
pub(super) const MAX_LINES: usize = 4096;
/// Size of the queue in bytes.
pub(super) const MAX_BYTES: usize = 1024 * 1024;
/// Lines beyond [`MAX_LINES`] that only panic messages may use.
const PANIC_LINES: usize = 64;
/// Bytes beyond [`MAX_BYTES`] that only panic messages may use.
const PANIC_BYTES: usize = 256 * 1024;

/// How much of the queue a line may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Priority {
    /// A line printed by a replica: half of the queue.
    Replica,
    /// A record of the balancer: the queue.
    Record,
    /// A panic message: the queue and a reserve.
    Panic,
    /// The line is never dropped.
    Essential,
}

/// One element of the channel.
#[derive(Debug)]
pub(super) enum Item {
    /// A formatted line with its line feed, or several.
    Line(Box<[u8]>),
    /// Lines were dropped after those before this mark; [`Backlog::take_dropped`] has the number. At most one mark is
    /// in the channel.
    Gap,
    /// Dropped by the writer when all items before it are processed.
    Flush(Sender<()>),
}

/// The sending side.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    items: Sender<Item>,
    backlog: Arc<Backlog>,
}

/// Length of the queue, and the number of lines dropped since the last [`Item::Gap`] was processed.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    lines: AtomicUsize,
    bytes: AtomicUsize,
    dropped: AtomicU64,
}

/// A queue at one priority, as a stream to write to: each call of `write` is one line.
#[derive(Debug)]
pub(super) struct Lane {
    queue: Queue,
    priority: Priority,
}

/// An empty queue and its receiving side.
pub(super) fn new() -> (Queue, (Receiver<Item>, Arc<Backlog>)) {
    let (items, received) = mpsc::channel();
    let backlog = Arc::<Backlog>::default();
    (Queue { items, backlog: backlog.clone() }, (received, backlog))
}

impl Queue {
    /// Queues a line or drops and counts it. Never blocks.
    pub(super) fn push(&self, priority: Priority, line: &[u8]) {
        if self.backlog.reserve(priority, line.len()) {
            // An error means that the writer has ended: nothing can be written any more.
            let _ = self.items.send(Item::Line(line.into()));
        } else if self.backlog.dropped.fetch_add(1, Relaxed) == 0 {
            let _ = self.items.send(Item::Gap);
        }
    }

    /// Blocks until the writer has processed all that was queued before this call, at most for `timeout`.
    pub(super) fn flush(&self, timeout: Duration) {
        let (pending, done) = mpsc::channel();
        if self.items.send(Item::Flush(pending)).is_ok() {
            // Nothing is ever sent: the writer drops the sender.
            let _ = done.recv_timeout(timeout);
        }
    }

    pub(super) fn lane(&self, priority: Priority) -> Lane {
        Lane { queue: self.clone(), priority }
    }
}

impl Backlog {
    /// Takes room for a line of this many bytes; `false` if there is none.
    fn reserve(&self, priority: Priority, bytes: usize) -> bool {
        let lines_queued = self.lines.fetch_add(1, Relaxed) + 1;
        let bytes_queued = self.bytes.fetch_add(bytes, Relaxed) + bytes;
        let fits = |lines, bytes| lines_queued <= lines && bytes_queued <= bytes;
        let accepted = match priority {
            Priority::Replica => fits(MAX_LINES / 2, MAX_BYTES / 2),
            Priority::Record => fits(MAX_LINES, MAX_BYTES),
            Priority::Panic => fits(MAX_LINES + PANIC_LINES, MAX_BYTES + PANIC_BYTES),
            Priority::Essential => true,
        };
        if !accepted {
            self.release(bytes);
        }
        accepted
    }

    /// Gives the room of a line back.
    pub(super) fn release(&self, bytes: usize) {
        self.lines.fetch_sub(1, Relaxed);
        self.bytes.fetch_sub(bytes, Relaxed);
    }

    /// The number of lines dropped since the last call.
    pub(super) fn take_dropped(&self) -> u64 {
        self.dropped.swap(0, Relaxed)
    }
}

impl io::Write for Lane {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.queue.push(self.priority, line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines and gaps that are queued.
    fn queued(items: &Receiver<Item>) -> (usize, usize) {
        let items: Vec<Item> = items.try_iter().collect();
        let gaps = items.iter().filter(|item| matches!(item, Item::Gap)).count();
        (items.len() - gaps, gaps)
    }

    #[test]
    fn each_priority_has_its_bound_in_lines_and_essential_lines_have_none() {
        let (queue, (items, backlog)) = new();
        for (priority, bound) in [
            (Priority::Replica, MAX_LINES / 2),
            (Priority::Record, MAX_LINES),
            (Priority::Panic, MAX_LINES + PANIC_LINES),
        ] {
            for _ in 0..MAX_LINES + PANIC_LINES + 10 {
                queue.push(priority, b"x\n");
            }
            assert_eq!(backlog.lines.load(Relaxed), bound, "{priority:?}");
        }
        (0..10).for_each(|_| queue.push(Priority::Essential, b"x\n"));
        let accepted = MAX_LINES + PANIC_LINES;
        assert_eq!(queued(&items), (accepted + 10, 1), "all drops are one gap");
        assert_eq!(backlog.take_dropped() as usize, 3 * (MAX_LINES + PANIC_LINES + 10) - accepted);
    }

    #[test]
    fn the_bound_in_bytes_holds_and_room_that_is_given_back_is_used_again() {
        let (queue, (items, backlog)) = new();
        let line = vec![b'x'; MAX_BYTES / 2];
        (0..3).for_each(|_| queue.push(Priority::Record, &line));
        assert_eq!(queued(&items), (2, 1));
        queue.push(Priority::Record, b"x\n");
        assert_eq!(queued(&items), (0, 0), "the gap is marked already");
        backlog.release(line.len());
        assert_eq!(backlog.take_dropped(), 2);
        queue.push(Priority::Record, b"x\n");
        queue.push(Priority::Replica, b"x\n");
        assert_eq!(queued(&items), (1, 1), "another gap");
    }

    #[test]
    fn flush_waits_for_a_writer_that_is_stuck_or_gone_no_longer_than_allowed() {
        let (queue, (items, _)) = new();
        queue.flush(Duration::from_millis(10));
        drop(items);
        queue.flush(Duration::from_secs(3600));
    }
}
