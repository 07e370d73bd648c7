//! The balancer under callgrind: its start, its counters, its end.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A running balancer whose instructions are counted. It ends when this is dropped.
pub struct Callgrind {
    child: Child,
    traffic: SocketAddr,
    files: tempfile::TempDir,
}

/// Instructions a request.
#[derive(Clone, Copy)]
pub struct Instructions {
    /// All, as callgrind counts them: each byte of a `rep stosb` is one.
    pub all: u64,
    /// Without `memset`, `memcpy` and `memmove`.
    pub without_memory: u64,
}

impl Callgrind {
    /// Starts a balancer with one worker in front of these servers, without heartbeats, which would add to the counts.
    pub fn start(executable: &str, upstreams: &[String]) -> Self {
        let files = tempfile::tempdir().expect("a directory for callgrind's output");
        let output = files.path().join("out");
        let mut command = Command::new("valgrind");
        command.args(["--tool=callgrind", &format!("--callgrind-out-file={}", output.display())]);
        command.arg(executable).args(["--workers=1", "--listen=127.0.0.1:0", "--admin-listen=off"]);
        command.args([
            "--runtime=static",
            "--heartbeat-path=off",
            "--heartbeat-interval=10m",
            "--replace-after=10m",
        ]);
        command.args(upstreams.iter().map(|upstream| format!("--upstream={upstream}")));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("RUST_LOG", "info");
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.expect("valgrind runs");
        let mut lines = BufReader::new(child.stderr.take().expect("standard error is a pipe")).lines();
        let mut traffic = None;
        for line in lines.by_ref().map_while(Result::ok) {
            if let Some((_, rest)) = line.split_once("] listening traffic=") {
                traffic = rest.split_whitespace().next().and_then(|address| address.parse().ok());
            }
            if line.contains("] ready ") {
                break;
            }
        }
        // The rest is read, so that no write of the balancer blocks.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, traffic: traffic.expect("the balancer has started"), files }
    }

    /// Address of the traffic listener.
    pub fn traffic(&self) -> SocketAddr {
        self.traffic
    }

    /// The instructions of each of the `requests` that `load` sends.
    pub fn count(&self, requests: usize, load: impl FnOnce()) -> Instructions {
        self.control("--zero");
        load();
        self.control("--dump");
        let dumps = std::fs::read_dir(self.files.path()).expect("callgrind's output");
        let latest = dumps.filter_map(Result::ok).max_by_key(|file| number(&file.path()));
        let dump = std::fs::read_to_string(latest.expect("a dump").path()).expect("a readable dump");
        let (all, memory) = costs(&dump);
        let of_one = |costs: u64| costs / requests as u64;
        Instructions { all: of_one(all), without_memory: of_one(all - memory) }
    }

    fn control(&self, command: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("callgrind_control")
            .args([command, &pid])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(status.is_ok_and(|status| status.success()), "callgrind_control {command}");
    }
}

impl Drop for Callgrind {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The number of a dump: `out.7` is the seventh.
fn number(path: &Path) -> u32 {
    path.extension().and_then(|number| number.to_str()?.parse().ok()).unwrap_or_default()
}

/// The exclusive costs of all functions in a dump, and of those that set or copy memory. A name is written once, with
/// its number: `fn=(7) memcpy`, later `fn=(7)`. The line after `calls=` holds inclusive costs of the callee.
fn costs(dump: &str) -> (u64, u64) {
    let mut memory_functions = std::collections::HashSet::new();
    let (mut all, mut memory, mut in_memory, mut inclusive) = (0, 0, false, false);
    for line in dump.lines() {
        if let Some(function) = line.strip_prefix("fn=").or_else(|| line.strip_prefix("cfn=")) {
            let number = function.split(' ').next().unwrap_or_default();
            if ["memset", "memcpy", "memmove"].iter().any(|name| function.contains(name)) {
                memory_functions.insert(number.to_owned());
            }
            if line.starts_with("fn=") {
                in_memory = memory_functions.contains(number);
            }
        } else if line.starts_with("calls=") {
            inclusive = true;
        } else if line.starts_with(|c: char| c.is_ascii_digit() || "+-*".contains(c)) {
            let cost: u64 = line.split(' ').nth(1).and_then(|cost| cost.parse().ok()).unwrap_or_default();
            if !std::mem::take(&mut inclusive) {
                all += cost;
                memory += if in_memory { cost } else { 0 };
            }
        }
    }
    (all, memory)
}
