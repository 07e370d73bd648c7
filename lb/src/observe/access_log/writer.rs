//! The thread that writes the log: it polls the workers' queues every 20 ms, so that workers need not wake it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use super::output::{Outcome, Output};
use super::record::Record;
use super::redact::Redactor;
use super::{Format, RequestCounters, Settings, combined, json};

/// Interval of polling the queues. Waking the thread for each line would cost the workers more than queueing the line.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Number of formatted bytes after which they are written.
const BATCH: usize = 64 * 1024;

/// A command to the thread.
#[derive(Debug)]
pub(crate) enum Command {
    /// Adds the queue of a worker.
    Attach(Receiver<Record>),
    /// Replaces the settings; `None` turns the log off.
    Configure(Option<Settings>, Redactor),
    /// Opens the file again after it was renamed.
    Reopen,
    /// Writes the queued lines, signals that, and ends the thread.
    Finish(oneshot::Sender<()>),
}

/// An open log with its settings.
#[derive(Debug)]
pub(crate) struct Sink {
    settings: Settings,
    output: Output,
}

/// The state of the thread.
#[derive(Debug)]
pub(crate) struct Writer {
    /// `None` if the log is off.
    sink: Option<Sink>,
    redactor: Redactor,
    commands: Receiver<Command>,
    counters: Arc<RequestCounters>,
    queues: Vec<Receiver<Record>>,
    records: Vec<Record>,
    lines: Vec<u8>,
}

impl Sink {
    pub fn open(settings: &Settings) -> io::Result<Self> {
        Ok(Self { settings: settings.clone(), output: Output::open(settings.file.clone())? })
    }
}

impl Writer {
    pub fn new(
        sink: Option<Sink>,
        redactor: Redactor,
        commands: Receiver<Command>,
        counters: Arc<RequestCounters>,
    ) -> Self {
        let (queues, records, lines) = (Vec::new(), Vec::new(), Vec::new());
        Self { sink, redactor, commands, counters, queues, records, lines }
    }

    /// Runs until [`Command::Finish`], or until all handles of the log are dropped.
    pub fn run(mut self) {
        loop {
            match self.commands.try_recv() {
                Ok(Command::Attach(queue)) => self.queues.push(queue),
                Ok(Command::Configure(settings, redactor)) => {
                    self.empty_queues();
                    self.redactor = redactor;
                    self.change_to(settings);
                }
                Ok(Command::Reopen) => {
                    // Requests that were served before the file was renamed belong in the old file.
                    self.empty_queues();
                    self.sink.iter_mut().for_each(|sink| sink.output.reopen());
                }
                Ok(Command::Finish(done)) => {
                    self.empty_queues();
                    let _ = done.send(()); // the receiver may have timed out
                    return;
                }
                Err(TryRecvError::Disconnected) => return self.empty_queues(),
                Err(TryRecvError::Empty) => {
                    self.empty_queues();
                    match self.sink {
                        Some(_) => thread::park_timeout(POLL_INTERVAL),
                        None => thread::park(),
                    }
                }
            }
        }
    }

    /// Writes the queued lines, at most the capacity of each queue: a worker that queues faster than this thread writes
    /// must not keep it from processing commands.
    fn empty_queues(&mut self) {
        let mut queues = std::mem::take(&mut self.queues);
        queues.retain(|queue| {
            for _ in 0..super::QUEUE {
                match queue.try_recv() {
                    Ok(record) => self.records.push(record),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return false, // the worker has ended
                }
            }
            true
        });
        self.queues = queues;
        let mut records = std::mem::take(&mut self.records);
        records.sort_by_key(|record| record.ended); // the records of one worker are sorted already
        records.drain(..).for_each(|record| self.add(&record));
        self.records = records;
        self.flush();
    }

    fn change_to(&mut self, settings: Option<Settings>) {
        if settings.as_ref() == self.sink.as_ref().map(|sink| &sink.settings) {
            return;
        }
        match settings.as_ref().map(Sink::open).transpose() {
            Ok(sink) => self.sink = sink,
            Err(error) => {
                let shown = settings.map(|settings| settings.to_string()).unwrap_or_default();
                log::error!(setting:% = shown, error:%; "access log not opened");
            }
        }
    }

    fn add(&mut self, record: &Record) {
        match self.sink.as_ref().map(|sink| sink.settings.format) {
            Some(Format::Combined) => combined::write(record, &self.redactor, &mut self.lines),
            Some(Format::Json) => json::write(record, &self.redactor, &mut self.lines),
            None => {} // turned off after the request was queued
        }
        if self.lines.len() >= BATCH {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if let (Some(sink), false) = (&mut self.sink, self.lines.is_empty()) {
            let Outcome { written, lost } = sink.output.write(&self.lines);
            self.counters.written.fetch_add(written, Ordering::Relaxed);
            self.counters.lost.fetch_add(lost, Ordering::Relaxed);
        }
        self.lines.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{channel, sync_channel};

    use super::*;
    use crate::observe::access_log::record::tests::{plain, record};

    #[test]
    fn all_queued_lines_are_written_before_the_end() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let settings = Settings { format: Format::Json, file: Some(file.path().into()) };
        let sink = Sink::open(&settings).unwrap();
        let (sender, commands) = channel();
        let counters = Arc::<RequestCounters>::default();
        let writer = Writer::new(Some(sink), plain(), commands, counters.clone());
        let thread = thread::spawn(|| writer.run());
        let workers: Vec<_> = (0..3)
            .map(|_| {
                let (queue, records) = sync_channel(crate::observe::access_log::QUEUE);
                sender.send(Command::Attach(records)).unwrap();
                thread::spawn(move || (0..1000).for_each(|_| queue.try_send(record()).unwrap()))
            })
            .collect();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        let (done, written) = oneshot::channel();
        sender.send(Command::Finish(done)).unwrap();
        written.blocking_recv().unwrap();
        thread.join().unwrap();
        let text = std::fs::read_to_string(file.path()).unwrap();
        assert_eq!((text.lines().count(), counters.written.load(Ordering::Relaxed)), (3000, 3000));
    }
}
