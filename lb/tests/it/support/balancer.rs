//! A running `lb` process: its log, its two listeners, its replicas.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use serde_json::Value;

use super::client::{Answer, call};
use super::process::{ended, signal_pid};
use super::wait::{STATE_TIMEOUT, until};

/// A running `lb`; it and its replicas are killed when it is dropped.
pub struct Balancer {
    pub child: Child,
    pub traffic: SocketAddr,
    pub admin: SocketAddr,
    log: Receiver<String>,
    pub seen: Vec<String>,
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
        ended(&mut self.child)
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

fn field(line: &str, name: &str) -> String {
    let (_, rest) = line.split_once(name).unwrap();
    rest.split(' ').next().unwrap().to_owned()
}
