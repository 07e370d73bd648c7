//! The access log (`--access-log`): a line for every request of the traffic listener, written outside the request path.
//!
//! Each worker puts its completed requests into a bounded queue of its own; one thread formats and writes them. A
//! worker never waits for the thread: a line is dropped and counted if the queue is full or the line cannot be written.
//!
//! # Layout
//! - `record`: the data of one request in the queue · `writer`: the thread · `output`: the file
//! - `json`, `combined`: the formats of a line · `redact`: hides keys in a line (`--log-key`)

mod combined;
mod json;
mod output;
mod record;
mod redact;
mod writer;

use std::cell::OnceCell;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, SyncSender, sync_channel};
use std::thread::Thread;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::proxy::router::{RequestInfo, RequestObserver};
use record::Record;
pub(crate) use redact::Redactor;
use writer::{Command, Sink, Writer};

/// Capacity of the queue of one worker, in lines.
const QUEUE: usize = 4096;

/// The longest time that the end of the process waits for the last lines.
const FINISH_TIMEOUT: Duration = Duration::from_secs(2);

/// Settings of the access log (`--access-log`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Format of the lines.
    pub format: Format,
    /// The file to which lines are appended; `None` for standard output.
    pub file: Option<PathBuf>,
}

/// Format of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The Combined Log Format of Apache and nginx, followed by fields of the balancer.
    Combined,
    /// A JSON object in one line.
    Json,
}

/// Handle of the access log of a running balancer, which may be off.
#[derive(Clone, Debug)]
pub struct AccessLog {
    commands: mpsc::Sender<Command>,
    thread: Thread,
    counters: Arc<RequestCounters>,
}

/// Numbers of lines of the access log since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[schema(as = Lines)]
pub struct Counts {
    /// Lines that were written.
    pub written: u64,
    /// Lines that were dropped, because the queue was full or the file could not be written.
    pub dropped: u64,
}

#[derive(Debug, Default)]
struct RequestCounters {
    written: AtomicU64,
    /// Lines that could not be written.
    lost: AtomicU64,
    /// Lines that were dropped because the queue was full.
    queue_full: AtomicU64,
}

/// The observer of one worker: the sending side of its queue.
struct Recorder {
    log: AccessLog,
    /// Created with the first request.
    queue: OnceCell<SyncSender<Record>>,
}

impl AccessLog {
    /// Opens the file and starts the thread.
    ///
    /// # Errors
    /// The file cannot be opened for writing.
    pub(crate) fn start(settings: Option<&Settings>, redactor: Redactor) -> io::Result<Self> {
        let sink = settings.map(Sink::open).transpose()?;
        let (commands, received) = mpsc::channel();
        let counters = Arc::<RequestCounters>::default();
        let writer = Writer::new(sink, redactor, received, counters.clone());
        let spawned = std::thread::Builder::new().name("access-log".into()).spawn(|| writer.run())?;
        Ok(Self { commands, thread: spawned.thread().clone(), counters })
    }

    /// A new observer, for one worker.
    pub fn observer(&self) -> impl RequestObserver + use<> {
        Recorder { log: self.clone(), queue: OnceCell::new() }
    }

    /// Replaces the settings (`None` turns the log off). If the new file cannot be opened, an error is logged and the
    /// present file stays in use.
    pub(crate) fn configure(&self, settings: Option<Settings>, redactor: Redactor) {
        self.send(Command::Configure(settings, redactor));
    }

    /// Closes the file and opens it again under the same name, after a log rotation has renamed it.
    pub fn reopen(&self) {
        self.send(Command::Reopen);
    }

    /// The numbers of lines since the start.
    pub fn counts(&self) -> Counts {
        let RequestCounters { written, lost, queue_full } = &*self.counters;
        let dropped = lost.load(Ordering::Relaxed) + queue_full.load(Ordering::Relaxed);
        Counts { written: written.load(Ordering::Relaxed), dropped }
    }

    /// Writes the queued lines and ends the thread. Gives up after 2 s, because the reader of standard output may have
    /// stalled.
    pub async fn finish(&self) {
        let (done, written) = oneshot::channel();
        self.send(Command::Finish(done));
        if timeout(FINISH_TIMEOUT, written).await.is_err() {
            log::warn!(why = "deadline"; "access log cut short");
        }
    }

    fn send(&self, command: Command) {
        // An error means that the thread has ended after `Finish`.
        let _ = self.commands.send(command);
        self.thread.unpark();
    }
}

impl RequestObserver for Recorder {
    fn on_complete(&self, request: &mut RequestInfo) {
        let Some(client_request) = request.client_request.take() else { return };
        let queue = self.queue.get_or_init(|| {
            let (queue, records) = sync_channel(QUEUE);
            self.log.send(Command::Attach(records));
            queue
        });
        if queue.try_send(Record::new(request, client_request)).is_err() {
            // Logged once, and by the worker: the thread may be blocked for ever.
            if self.log.counters.queue_full.fetch_add(1, Ordering::Relaxed) == 0 {
                log::warn!(why = "queue_full", lines:% = QUEUE; "access log drops lines");
            }
        }
    }
}

impl FromStr for Settings {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (format, file) = text.split_once(':').map_or((text, None), |(format, file)| (format, Some(file)));
        let format = match format {
            "combined" => Format::Combined,
            "json" => Format::Json,
            _ => return Err("must be 'combined' or 'json', alone or as 'json:FILE', or 'off'"),
        };
        match file {
            Some("") => Err("needs the name of a file after the colon; '-' is standard output"),
            None | Some("-") => Ok(Self { format, file: None }),
            Some(file) => Ok(Self { format, file: Some(file.into()) }),
        }
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.format {
            Format::Combined => "combined",
            Format::Json => "json",
        })?;
        self.file.as_ref().map_or(Ok(()), |file| write!(f, ":{}", file.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_parsed() {
        let shown = |text: &str| text.parse::<Settings>().map(|settings| settings.to_string());
        assert_eq!(shown("json").as_deref(), Ok("json"));
        assert_eq!(shown("combined:-").as_deref(), Ok("combined"));
        assert_eq!(shown("json:/var/log/lb:1.log").as_deref(), Ok("json:/var/log/lb:1.log"));
        for (text, part) in
            [("", "'combined' or 'json'"), ("xml:a", "'combined' or"), ("json:", "after the colon")]
        {
            assert!(shown(text).unwrap_err().contains(part), "{text:?}");
        }
    }

    #[test]
    fn a_worker_does_not_wait_for_a_blocked_writer() {
        let (queue, records) = sync_channel(2);
        let (commands, _received) = mpsc::channel();
        let log = AccessLog { commands, thread: std::thread::current(), counters: Arc::default() };
        let recorder = Recorder { log, queue: queue.into() };
        let dropped = |n: usize| {
            (0..n).for_each(|_| {
                recorder.on_complete(&mut RequestInfo {
                    client_request: Some(Box::default()),
                    ..RequestInfo::default()
                });
            });
            recorder.log.counts().dropped
        };
        assert_eq!(dropped(5), 3);
        drop(records);
        assert_eq!(dropped(1), 4);
    }
}
