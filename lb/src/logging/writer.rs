//! The thread that takes lines from the queue and writes them. It alone may block on standard error.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};

use env_logger::WriteStyle;
use log::kv::Value;
use log::{Level, Log, Record};

use super::logger;
use super::output::Output;
use super::queue::{Backlog, Item};

/// The state of the thread.
pub(super) struct Writer<W = File> {
    items: Receiver<Item>,
    backlog: Arc<Backlog>,
    output: Output<W>,
    /// Lines that were dropped or could not be written, and that no line has reported yet.
    lost: u64,
    /// Formats the report of lost lines like any other record, past the filter.
    formatter: env_logger::Logger,
    formatted: Receiver<Vec<u8>>,
}

/// Receives the output of the formatter.
struct Formatted(mpsc::Sender<Vec<u8>>);

impl<W: Write> Writer<W> {
    pub(super) fn new((items, backlog): (Receiver<Item>, Arc<Backlog>), out: W, style: WriteStyle) -> Self {
        let (sender, formatted) = mpsc::channel();
        let formatter = logger::formatter(style, Formatted(sender));
        Self { items, backlog, output: Output::new(out), lost: 0, formatter, formatted }
    }

    /// Writes until all senders are gone.
    pub(super) fn run(mut self) {
        while let Ok(item) = self.items.recv() {
            match item {
                Item::Line(line) => {
                    self.write(&line);
                    self.backlog.release(line.len());
                }
                Item::Gap => {
                    self.lost += self.backlog.take_dropped();
                    self.report();
                }
                Item::Flush(pending) => drop(pending),
            }
        }
    }

    fn write(&mut self, line: &[u8]) {
        self.report();
        // While the report of lost lines fails, so would the line.
        if self.lost > 0 || self.output.write_line(line).is_err() {
            self.lost += 1;
        }
    }

    /// Writes how many lines are lost, if any are and if the output works again.
    fn report(&mut self) {
        if self.lost == 0 {
            return;
        }
        let values = [("lines", Value::from(self.lost))];
        let mut record = Record::builder();
        record.level(Level::Warn).target(module_path!()).key_values(&values);
        self.formatter.log(&record.args(format_args!("log lines dropped")).build());
        let written = self.formatted.try_iter().try_for_each(|line| self.output.write_line(&line));
        if written.is_ok() {
            self.lost = 0;
        }
    }
}

impl Write for Formatted {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // The receiver lives as long as the formatter.
        let _ = self.0.send(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, PipeReader, Read};
    use std::time::Duration;

    use super::super::queue::{self, MAX_LINES, Priority, Queue};
    use super::*;

    /// Fails while it has no reader, and goes on when it gets one.
    struct Broken(Receiver<()>, Arc<std::sync::atomic::AtomicBool>, mpsc::Sender<String>);

    impl Write for Broken {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0.try_recv().is_ok() {
                self.1.store(true, std::sync::atomic::Ordering::Relaxed);
            }
            if !self.1.load(std::sync::atomic::Ordering::Relaxed) {
                return Err(ErrorKind::BrokenPipe.into());
            }
            self.2.send(String::from_utf8(bytes.to_vec()).unwrap()).unwrap();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn start<W: Write + Send + 'static>(out: W) -> Queue {
        let (queue, receiver) = queue::new();
        std::thread::spawn(move || Writer::new(receiver, out, WriteStyle::Never).run());
        queue
    }

    fn lines(mut reader: PipeReader) -> Vec<String> {
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn lines_pass_a_pipe_that_stalls_in_order_and_the_gap_is_reported_once_where_it_is() {
        let (reader, out) = io::pipe().unwrap();
        let queue = start(out);
        let line = |n: usize| format!("{n:0>99}\n").into_bytes();
        // Far more than pipe and queue hold.
        let all = 4 * MAX_LINES;
        (0..all).for_each(|n| queue.push(Priority::Record, &line(n)));
        queue.push(Priority::Essential, b"essential\n");
        queue.flush(Duration::from_millis(1));
        drop(queue);
        let lines = lines(reader);
        let at = lines.iter().position(|line| line.contains("log lines dropped")).unwrap();
        assert!(lines[at].contains(" WARN  lb::logging"), "{}", lines[at]);
        let (_, dropped) = lines[at].rsplit_once("lines=").unwrap();
        assert_eq!(lines.len() - 2 + dropped.parse::<usize>().unwrap(), all);
        assert_eq!(lines.iter().filter(|line| line.contains("dropped")).count(), 1);
        assert!(lines[..at].iter().enumerate().all(|(n, line)| line.parse() == Ok(n)));
        assert_eq!(lines[lines.len() - 1], "essential");
    }

    #[test]
    fn what_a_broken_output_loses_is_counted_and_reported_when_it_works_again() {
        let (mend, mended) = mpsc::channel();
        let (written, lines) = mpsc::channel();
        let queue = start(Broken(mended, Arc::default(), written));
        (0..5).for_each(|_| queue.push(Priority::Record, b"lost\n"));
        queue.flush(Duration::from_secs(60));
        mend.send(()).unwrap();
        queue.push(Priority::Record, b"good\n");
        queue.push(Priority::Record, b"more\n");
        let next = || lines.recv_timeout(Duration::from_secs(60)).unwrap();
        assert!(next().ends_with("log lines dropped lines=5\n"));
        assert_eq!((next(), next()), ("good\n".to_owned(), "more\n".to_owned()));
    }
}
