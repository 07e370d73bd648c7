//! The access log (`--access-log`): a line for every request of the traffic listener, written beside the request path.
//!
//! Each worker puts what it has served into a bounded queue of its own; one thread formats and writes. Nobody ever waits
//! for it: what finds its queue full, or cannot be written, is dropped and counted.
//!
//! # Layout
//! - `record`: what a worker hands over · `writer`: the thread · `output`: where it writes
//! - `json`, `combined`: the lines · `redact`: what `--log-key` hides in them

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

/// How many lines of one worker may wait to be written.
const QUEUE: usize = 4096;

/// How long the end of the process may wait for the last lines.
const LAST_LINES: Duration = Duration::from_secs(2);

/// Which lines, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What a line looks like.
    pub format: Format,
    /// Appended to; `None`: standard output.
    pub file: Option<PathBuf>,
}

/// What a line looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The Combined Log Format of Apache and nginx, and our own fields behind it.
    Combined,
    /// A JSON object.
    Json,
}

/// The access log of a running balancer; it may be off.
#[derive(Clone, Debug)]
pub struct AccessLog {
    commands: mpsc::Sender<Command>,
    thread: Thread,
    tally: Arc<Tally>,
}

/// What has become of the lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[schema(as = Lines)]
pub struct Counts {
    /// They were written.
    pub written: u64,
    /// They found their queue full, or could not be written.
    pub dropped: u64,
}

#[derive(Debug, Default)]
struct Tally {
    written: AtomicU64,
    /// They could not be written.
    lost: AtomicU64,
    /// They found their queue full.
    crowded: AtomicU64,
}

/// The end of the queue at which a worker is.
struct Recorder {
    log: AccessLog,
    /// Made for the first line.
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
        let tally = Arc::<Tally>::default();
        let writer = Writer::new(sink, redactor, received, tally.clone());
        let spawned = std::thread::Builder::new().name("access-log".into()).spawn(|| writer.run())?;
        Ok(Self { commands, thread: spawned.thread().clone(), tally })
    }

    /// The observer of one more worker.
    pub fn observer(&self) -> impl RequestObserver + use<> {
        Recorder { log: self.clone(), queue: OnceCell::new() }
    }

    /// Goes on by other rules. A file that cannot be opened is logged, and the one before is kept.
    pub(crate) fn configure(&self, settings: Option<Settings>, redactor: Redactor) {
        self.tell(Command::Configure(settings, redactor));
    }

    /// Goes on in a new file of the same name: the old one was renamed.
    pub fn reopen(&self) {
        self.tell(Command::Reopen);
    }

    /// What has become of the lines until now.
    pub fn counts(&self) -> Counts {
        let Tally { written, lost, crowded } = &*self.tally;
        let dropped = lost.load(Ordering::Relaxed) + crowded.load(Ordering::Relaxed);
        Counts { written: written.load(Ordering::Relaxed), dropped }
    }

    /// Writes what is left, and ends. A reader of standard output that does not read is waited for only so long.
    pub async fn finish(&self) {
        let (done, written) = oneshot::channel();
        self.tell(Command::Finish(done));
        if timeout(LAST_LINES, written).await.is_err() {
            log::warn!("access log cut short why=deadline");
        }
    }

    fn tell(&self, command: Command) {
        // The thread only ends when it was told to.
        let _ = self.commands.send(command);
        self.thread.unpark();
    }
}

impl RequestObserver for Recorder {
    fn on_complete(&self, request: &mut RequestInfo) {
        let Some(asked) = request.asked.take() else { return };
        let queue = self.queue.get_or_init(|| {
            let (queue, records) = sync_channel(QUEUE);
            self.log.tell(Command::Attach(records));
            queue
        });
        if queue.try_send(Record::new(request, asked)).is_err() {
            // Said here, and once: the thread may be stuck for good.
            if self.log.tally.crowded.fetch_add(1, Ordering::Relaxed) == 0 {
                log::warn!("access log drops lines why=queue_full lines={QUEUE}");
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
    fn what_can_be_given() {
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
    fn nobody_waits_for_a_writer_that_is_stuck() {
        let (queue, records) = sync_channel(2);
        let (commands, _received) = mpsc::channel();
        let log = AccessLog { commands, thread: std::thread::current(), tally: Arc::default() };
        let recorder = Recorder { log, queue: queue.into() };
        let dropped = |n: usize| {
            (0..n).for_each(|_| {
                recorder
                    .on_complete(&mut RequestInfo { asked: Some(Box::default()), ..RequestInfo::default() });
            });
            recorder.log.counts().dropped
        };
        assert_eq!(dropped(5), 3);
        drop(records);
        assert_eq!(dropped(1), 4);
    }
}
