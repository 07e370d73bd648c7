//! A real `lb` process, and an HTTP client that exposes every byte.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Time limit for every awaited state; test machines are slow and noisy.
pub const STATE_TIMEOUT: Duration = Duration::from_secs(120);

/// A running `lb`; it and its replicas are killed when it is dropped.
pub struct Balancer {
    pub child: Child,
    pub traffic: SocketAddr,
    pub admin: SocketAddr,
    log: Receiver<String>,
    pub seen: Vec<String>,
}

/// An HTTP response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

/// A process that is killed when it is dropped, also when the test fails.
pub struct Killed(pub Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The result of a command that has exited.
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Balancer {
    /// Starts `lb` on free ports and waits until it logs that it is ready.
    pub fn start(args: &[&str]) -> Self {
        let mut balancer = Self::launch(args);
        balancer.wait_for("] ready ");
        balancer
    }

    /// Starts `lb` on free ports, unless `args` has others, and waits until its listeners are open.
    pub fn launch(args: &[&str]) -> Self {
        Self::launch_with(args, &[])
    }

    /// Like [`launch`](Self::launch), with environment variables.
    pub fn launch_with(args: &[&str], env: &[(&str, &str)]) -> Self {
        Self::launch_by(Command::new(env!("CARGO_BIN_EXE_lb")), args, env)
    }

    /// Like [`launch`](Self::launch), by a command that executes `lb` with these arguments.
    pub fn launch_by(mut command: Command, args: &[&str], env: &[(&str, &str)]) -> Self {
        command.args(args);
        for listener in ["--listen", "--admin-listen"].iter().filter(|listener| !args.contains(listener)) {
            command.args([listener, "127.0.0.1:0"]);
        }
        command
            .env("RUST_LOG", "info")
            .envs(env.iter().copied())
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .stdin(Stdio::null());
        let mut child = command.spawn().unwrap();
        let stderr = child.stderr.take().unwrap();
        let (lines, log) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    break;
                }
            }
        });
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut balancer = Self { child, traffic: nowhere, admin: nowhere, log, seen: Vec::new() };
        let open = balancer.wait_for("] listening ");
        balancer.traffic = field(&open, "traffic=").parse().unwrap();
        balancer.admin = field(&open, "admin=").parse().unwrap();
        balancer
    }

    /// Waits for a log line that contains `text`; earlier lines count too.
    pub fn wait_for(&mut self, text: &str) -> String {
        if let Some(line) = self.seen.iter().find(|line| line.contains(text)) {
            return line.clone();
        }
        let deadline = Instant::now() + STATE_TIMEOUT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.log.recv_timeout(left) else {
                panic!("no log line with {text:?} among {:#?}", self.seen);
            };
            self.seen.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// All log lines so far.
    pub fn log(&mut self) -> &[String] {
        self.seen.extend(self.log.try_iter());
        &self.seen
    }

    pub fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &[], b"")
    }

    pub fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        call(self.traffic, method, path, headers, body)
    }

    /// Calls /add or /rm.
    pub fn control(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let answer = self.call(method, path, &[], body.as_bytes());
        (answer.status, answer.json())
    }

    /// The hostnames that /rep lists.
    pub fn names(&self) -> Vec<String> {
        let rep = self.get("/rep").json();
        let names: Vec<String> = serde_json::from_value(rep["message"]["replicas"].clone()).unwrap();
        assert_eq!(rep["message"]["N"], names.len());
        names
    }

    pub fn state(&self) -> Value {
        call(self.admin, "GET", "/api/state", &[], b"").json()
    }

    /// The response of /api/explain for a key.
    pub fn explain(&self, key: &str) -> Value {
        call(self.admin, "GET", &format!("/api/explain?key={key}"), &[], b"").json()
    }

    /// The replica of each seat in /api/state.
    pub fn replicas(&self) -> Vec<Value> {
        self.state()["seats"].as_array().unwrap().iter().map(|seat| seat["replica"].clone()).collect()
    }

    /// The process id of a replica, which need not have a seat.
    pub fn pid_of(&self, name: &str) -> i32 {
        let others = self.state()["others"].as_array().unwrap().clone();
        let replica = self.replicas().into_iter().chain(others).find(|replica| replica["name"] == name);
        replica.unwrap()["id"].as_str().unwrap().parse().unwrap()
    }

    /// Name of the replica that answers a request with this key.
    pub fn owner(&self, key: &str) -> String {
        let answer = self.call("GET", "/home", &[("X-Request-Id", key)], b"");
        assert_eq!(answer.status, 200, "{answer:?}");
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        message.strip_prefix("Hello from Server: ").unwrap().to_owned()
    }

    /// Waits until `state` returns true; `what` names it if it does not.
    pub fn until(&self, what: &str, state: impl FnMut(&Self) -> bool) {
        let mut state = state;
        until(what, || state(self));
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        signal_pid(i32::try_from(self.child.id()).unwrap(), signal);
    }

    /// Waits until the process ends.
    pub fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        until("the balancer ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the balancer's log:\n{}", self.log().join("\n"));
        }
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// The values of a header field, in order.
    pub fn header(&self, name: &str) -> Vec<&str> {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        fields.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    }
}

/// Sends one request on a new connection.
pub fn call(to: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    let request = [head.as_bytes(), body].concat();
    answer(&raw(to, &request), method == "HEAD")
}

/// Sends bytes on a new connection, and reads until it ends.
pub fn raw(to: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut connection = TcpStream::connect(to).unwrap();
    connection.set_read_timeout(Some(STATE_TIMEOUT)).unwrap();
    // The balancer may respond and close before it has read everything (413).
    let _ = connection.write_all(request);
    let mut reply = Vec::new();
    match connection.read_to_end(&mut reply) {
        Err(error) if reply.is_empty() => panic!("no reply: {error}"),
        _ => reply,
    }
}

/// Parses a response that ends with its connection.
pub fn answer(reply: &[u8], head_only: bool) -> Answer {
    let shown = || String::from_utf8_lossy(reply).into_owned();
    let end = reply.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or_else(|| panic!("{}", shown()));
    let head = String::from_utf8(reply[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut answer = Answer { status, head, body: reply[end + 4..].to_vec() };
    if !answer.header("transfer-encoding").is_empty() {
        answer.body = unchunk(&answer.body).unwrap_or_else(|| panic!("{}", shown()));
    } else if let (Some(length), false) = (answer.header("content-length").first(), head_only) {
        assert_eq!(length.parse::<usize>().unwrap(), answer.body.len(), "{}", shown());
    }
    answer
}

fn unchunk(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let line = body.windows(2).position(|two| two == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&body[..line]).ok()?, 16).ok()?;
        body = body.get(line + 2..)?;
        if size == 0 {
            return (body == b"\r\n").then_some(whole);
        }
        whole.extend_from_slice(body.get(..size)?);
        body = body.get(size..)?.strip_prefix(b"\r\n")?;
    }
}

/// Runs `lb` until it exits.
pub fn lb(args: &[&str], env: &[(&str, &str)]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
    command.args(args).envs(env.iter().copied()).stdin(Stdio::null());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + STATE_TIMEOUT;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() >= deadline {
            child.kill().unwrap();
            panic!("lb {args:?} does not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Waits until `state` returns true; fails the test after [`STATE_TIMEOUT`].
pub fn until(what: &str, mut state: impl FnMut() -> bool) {
    let deadline = Instant::now() + STATE_TIMEOUT;
    while !state() {
        assert!(Instant::now() < deadline, "timed out waiting until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn signal_pid(pid: i32, signal: rustix::process::Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal).unwrap();
}

/// Whether a process is running (a zombie is not).
pub fn runs(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// The children of a process that are not reaped.
pub fn children(pid: i32) -> Vec<i32> {
    let listed = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    listed.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

fn field(line: &str, name: &str) -> String {
    let (_, rest) = line.split_once(name).unwrap();
    rest.split(' ').next().unwrap().to_owned()
}
