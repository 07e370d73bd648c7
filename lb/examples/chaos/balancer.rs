//! A balancer with three faulty-on-request replicas, as a separate process.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use rustix::process::{Pid, Resource, Signal, getrlimit, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::task::spawn_local;
use tokio::time::timeout;

use crate::CONTROL_TIMEOUT;
use crate::args::Args;
use crate::client::Connection;

/// Number of lines of the balancer's log that are kept for an error message.
const LAST_LINES: usize = 5;

/// A running balancer. It is killed on drop, and its replicas end with it.
pub struct Balancer {
    pub traffic: SocketAddr,
    admin: SocketAddr,
    child: Child,
}

/// One replica of the balancer.
pub struct Replica {
    pub name: String,
    pub pid: Pid,
    pub address: SocketAddr,
}

struct Log {
    lines: Lines<BufReader<ChildStderr>>,
    last: VecDeque<String>,
    show: bool,
}

impl Balancer {
    /// Starts the balancer and waits until all replicas are ready.
    pub async fn start(lb: &Path, args: &Args) -> Result<Self, String> {
        let own = std::env::current_exe().map_err(|error| error.to_string())?;
        let quoted = shlex::try_quote(own.to_str().ok_or("the path of this executable is not UTF-8")?);
        let replica = format!("{} replica", quoted.map_err(|error| error.to_string())?);
        let files = getrlimit(Resource::Nofile).current.map_or("unlimited".into(), |files| files.to_string());
        // `lb::child` replaces this executable by the balancer, and ends it with this process.
        let mut command = Command::new(&own);
        command.args(["__exec", &std::process::id().to_string(), &files]).arg(lb);
        command.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--replicas", "3"]);
        command.args(["--replica-command", &replica, "--head-timeout", &args.head_timeout.to_string()]);
        command.args(&args.flags).env("RUST_LOG", "info");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| format!("{}: {error}", lb.display()))?;
        let stderr = child.stderr.take().ok_or("no log")?;
        let mut log = Log { lines: BufReader::new(stderr).lines(), last: VecDeque::new(), show: args.log };
        let open = log.until("] listening ").await?;
        let address = |name: &str| {
            let (_, rest) = open.split_once(name)?;
            rest.split(' ').next()?.parse().ok()
        };
        let (traffic, admin) = address("traffic=").zip(address("admin=")).ok_or("no addresses in the log")?;
        log.until("] ready ").await?;
        spawn_local(log.drain());
        Ok(Self { traffic, admin, child })
    }

    /// The replicas in seat order.
    pub async fn replicas(&self) -> Result<Vec<Replica>, String> {
        let state = call(self.admin, "GET", "/api/state", "").await?;
        let seats = state["seats"].as_array().ok_or("no seats in /api/state")?;
        let replica = |seat: &Value| {
            let replica = &seat["replica"];
            Some(Replica {
                name: replica["name"].as_str()?.to_owned(),
                pid: Pid::from_raw(replica["id"].as_str()?.parse().ok()?)?,
                address: replica["address"].as_str()?.parse().ok()?,
            })
        };
        seats.iter().map(replica).collect::<Option<_>>().ok_or_else(|| format!("not all ready: {state}"))
    }

    /// Adds a replica; returns when it gets traffic.
    pub async fn add(&self, name: &str) -> Result<(), String> {
        call(self.traffic, "POST", "/add", &names(name)).await.map(drop)
    }

    /// Removes a replica; returns when it gets no more traffic.
    pub async fn remove(&self, name: &str) -> Result<(), String> {
        call(self.traffic, "DELETE", "/rm", &names(name)).await.map(drop)
    }

    /// Stops the balancer with SIGTERM; an error if it does not end successfully in time.
    pub async fn stop(mut self) -> Result<(), String> {
        let pid = self.child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        let pid = pid.ok_or("the balancer has already ended")?;
        kill_process(pid, Signal::TERM)
            .map_err(|error| format!("the balancer cannot be signalled: {error}"))?;
        match timeout(CONTROL_TIMEOUT, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(format!("the balancer failed: {status}")),
            Ok(Err(error)) => Err(format!("cannot wait for the balancer: {error}")),
            Err(_) => Err("the balancer does not end".into()),
        }
    }
}

impl Log {
    async fn until(&mut self, text: &str) -> Result<String, String> {
        let found = async {
            while let Some(line) = self.next().await {
                if line.contains(text) {
                    return Ok(line);
                }
            }
            Err("has ended")
        };
        let found = timeout(CONTROL_TIMEOUT, found).await.unwrap_or(Err("is not ready in time"));
        found.map_err(|state| format!("the balancer {state}:\n{}", self.last.make_contiguous().join("\n")))
    }

    /// Reads the log to its end: a full pipe would block the balancer.
    async fn drain(mut self) {
        while self.next().await.is_some() {}
    }

    async fn next(&mut self) -> Option<String> {
        let line = self.lines.next_line().await.ok()??;
        if self.show {
            eprintln!("{line}");
        }
        if self.last.len() == LAST_LINES {
            self.last.pop_front();
        }
        self.last.push_back(line.clone());
        Some(line)
    }
}

/// Sends a request that must be answered with 200; returns the JSON of the reply.
pub async fn call(to: SocketAddr, method: &str, path: &str, body: &str) -> Result<Value, String> {
    let length = body.len();
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}");
    let exchange = async {
        let mut connection = Connection::open(to).await.map_err(|error| error.to_string())?;
        connection.send(request.as_bytes()).await.map_err(|bad| bad.reason.to_owned())
    };
    let reply = timeout(CONTROL_TIMEOUT, exchange).await.unwrap_or_else(|_| Err("no answer".into()));
    let reply = reply.map_err(|error| format!("{method} {path}: {error}"))?;
    if reply.status != 200 {
        return Err(format!("{method} {path}: {} {}", reply.status, String::from_utf8_lossy(&reply.body)));
    }
    Ok(serde_json::from_slice(&reply.body).unwrap_or_default())
}

fn names(name: &str) -> String {
    json!({ "n": 1, "hostnames": [name] }).to_string()
}
