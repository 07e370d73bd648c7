//! Runs `analysis`, and a balancer for it to measure; both end with the test.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures::channel::oneshot;

/// How long a run may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(600);

/// A run that ended.
pub struct Run {
    /// Its exit code.
    pub code: Option<i32>,
    /// Its standard output.
    pub printed: String,
    /// Its standard error.
    pub errors: String,
    out: tempfile::TempDir,
}

/// A balancer to measure; its replicas are started by way of the executable of `analysis`.
pub struct Balancer {
    /// Where it listens.
    pub url: String,
    /// Where its admin listener is.
    pub admin: String,
    _embedded: lb::app::Embedded,
}

/// A server that answers `/home`, and is no balancer.
pub struct Lone {
    /// Where it listens.
    pub url: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A run that has not ended.
pub struct Running {
    child: Child,
    out: tempfile::TempDir,
}

/// Runs it to its end, with `--out` into a directory of its own unless the arguments say where.
pub fn analysis(args: &[&str]) -> Run {
    Running::start(args).end()
}

impl Running {
    /// Starts it as [`analysis`] does.
    pub fn start(args: &[&str]) -> Self {
        let out = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_analysis"));
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if !args.contains(&"--out") {
            command.arg("--out").arg(out.path());
        }
        Self { child: command.spawn().unwrap(), out }
    }

    /// Ctrl-C.
    pub fn interrupt(self) -> Run {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        self.end()
    }

    /// `| head`: nobody reads what it prints.
    pub fn unread(mut self) -> Run {
        drop((self.child.stdout.take(), self.child.stderr.take()));
        self.end()
    }

    fn end(self) -> Run {
        let output = wait(self.child);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (printed, errors) = (text(output.stdout), text(output.stderr));
        Run { code: output.status.code(), printed, errors, out: self.out }
    }
}

fn wait(child: Child) -> std::process::Output {
    let pid = rustix::process::Pid::from_child(&child);
    let (ended, end) = std::sync::mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        if end.recv_timeout(PATIENCE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    });
    let start = Instant::now();
    let output = child.wait_with_output().unwrap();
    drop(ended);
    watch.join().unwrap();
    assert!(start.elapsed() < PATIENCE, "analysis does not end: {}", String::from_utf8_lossy(&output.stderr));
    output
}

impl Run {
    /// A file that it wrote.
    pub fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.out.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The names of the files that it wrote.
    pub fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.out.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

impl Balancer {
    /// Three built-in replicas, on free ports.
    pub fn start() -> Self {
        Self::with(lb::config::Config::default())
    }

    /// With all of this but the addresses.
    pub fn with(config: lb::config::Config) -> Self {
        let free = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let config = lb::config::Config { listen: free, admin_listen: Some(free), ..config };
        let embedded = lb::app::Embedded::start(config, env!("CARGO_BIN_EXE_analysis").into()).unwrap();
        let admin = embedded.admin.unwrap();
        Self {
            url: format!("http://{}", embedded.traffic),
            admin: format!("http://{admin}"),
            _embedded: embedded,
        }
    }

    /// What /rep lists.
    pub fn replicas(&self) -> Vec<String> {
        serde_json::from_value(get(&self.url, "/rep")["message"]["replicas"].clone()).unwrap()
    }

    /// Waits for a state of the fleet, as /api/state shows it.
    pub fn until(&self, reached: impl Fn(&serde_json::Value) -> bool) {
        let start = Instant::now();
        while !reached(&get(&self.admin, "/api/state")) {
            assert!(start.elapsed() < PATIENCE, "the fleet does not come to this state");
        }
    }
}

fn get(url: &str, path: &str) -> serde_json::Value {
    let mut stream = std::net::TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    serde_json::from_str(reply.split_once("\r\n\r\n").unwrap().1).unwrap()
}

impl Lone {
    /// The built-in replica, on a free port.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let stop = async { _ = stopped.await };
            let serving = replica::serve_until(listener, "lone".into(), stop);
            actix_rt::System::new().block_on(serving).unwrap();
        });
        Self { url, stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Lone {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
