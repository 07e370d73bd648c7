//! Runs `analysis`, and servers for it to measure; all of them end with the test.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures::channel::oneshot;

/// Time limit of a run on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(600);

/// A finished run of `analysis`.
pub struct Run {
    /// Exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Text on standard output.
    pub printed: String,
    /// Text on standard error.
    pub errors: String,
    out: tempfile::TempDir,
}

/// An embedded balancer whose replicas run in the executable of `analysis`.
pub struct Balancer {
    /// URL of the traffic listener.
    pub url: String,
    /// URL of the admin listener.
    pub admin: String,
    _embedded: lb::app::Embedded,
}

/// A single server that answers `/home` and is not a balancer.
pub struct LoneServer {
    /// URL of the server.
    pub url: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A run that is in progress.
pub struct Running {
    child: Child,
    out: tempfile::TempDir,
}

/// Runs `analysis` to its end, with `--out` set to a temporary directory unless the arguments set it.
pub fn analysis(args: &[&str]) -> Run {
    Running::start(args).end()
}

impl Running {
    /// Starts `analysis`, as [`analysis`] does.
    pub fn start(args: &[&str]) -> Self {
        let out = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_analysis"));
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if !args.contains(&"--out") {
            command.arg("--out").arg(out.path());
        }
        Self { child: command.spawn().unwrap(), out }
    }

    /// Sends SIGINT and waits for the end.
    pub fn interrupt(self) -> Run {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        self.end()
    }

    /// Closes the output pipes, as `| head` does, and waits for the end.
    pub fn close_output(mut self) -> Run {
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
        if end.recv_timeout(TIMEOUT) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    });
    let start = Instant::now();
    let output = child.wait_with_output().unwrap();
    drop(ended);
    watch.join().unwrap();
    assert!(start.elapsed() < TIMEOUT, "analysis does not end: {}", String::from_utf8_lossy(&output.stderr));
    output
}

impl Run {
    /// The content of a file in the output directory.
    pub fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.out.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The names of the files in the output directory.
    pub fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.out.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

impl Balancer {
    /// Starts a balancer with three built-in replicas on free ports.
    pub fn start() -> Self {
        Self::with(lb::config::Config::default())
    }

    /// Starts a balancer with this configuration, on free ports.
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

    /// Names of the replicas, from /rep.
    pub fn replicas(&self) -> Vec<String> {
        serde_json::from_value(get(&self.url, "/rep")["message"]["replicas"].clone()).unwrap()
    }

    /// Polls /api/state until the condition holds.
    pub fn until(&self, reached: impl Fn(&serde_json::Value) -> bool) {
        let start = Instant::now();
        while !reached(&get(&self.admin, "/api/state")) {
            assert!(start.elapsed() < TIMEOUT, "the fleet does not reach the expected state");
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

impl LoneServer {
    /// Starts the built-in replica on a free port.
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

impl Drop for LoneServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
