//! A private Docker engine of a test, which can be killed and restarted: `dockerd` with its own directories, bridge and
//! containerd. All of it is removed when the guard is dropped.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal, kill_process};

use super::docker;
use crate::support::tool::installed;
use crate::support::until;

static ENGINES: AtomicU32 = AtomicU32::new(0);

/// A private engine. Its socket is `docker.sock` in [`Engine::run`].
pub struct Engine {
    directory: tempfile::TempDir,
    bridge: String,
    subnet: String,
    options: Vec<String>,
    containerd: Option<Child>,
    daemon: Option<Child>,
}

impl Engine {
    /// Starts an engine with live-restore and further `options`. If none can run it prints `skipped` and returns `None`.
    pub fn start(options: &[&str]) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: a private engine needs root");
            return None;
        }
        if !installed(&["dockerd", "containerd", "ip", "fuse-overlayfs"]) {
            return None;
        }
        let n = ENGINES.fetch_add(1, Ordering::Relaxed);
        let pid = std::process::id();
        let octet = 100 + (pid.wrapping_mul(4).wrapping_add(n)) % 100;
        let mut engine = Self {
            directory: tempfile::Builder::new().prefix("lbe").tempdir_in("/tmp").unwrap(),
            bridge: format!("lbe{}n{n}", pid % 100_000),
            subnet: format!("10.214.{octet}"),
            options: options.iter().map(|&option| option.to_owned()).collect(),
            containerd: None,
            daemon: None,
        };
        std::fs::create_dir(engine.run()).unwrap();
        std::fs::write(engine.path("empty.json"), "{}").unwrap();
        let ip = |args: &[&str]| Command::new("ip").args(args).status().is_ok_and(|status| status.success());
        let gateway = format!("{}.1/24", engine.subnet);
        let made = ip(&["link", "add", &engine.bridge, "type", "bridge"])
            && ip(&["addr", "add", &gateway, "dev", &engine.bridge])
            && ip(&["link", "set", &engine.bridge, "up"]);
        if !made {
            eprintln!("skipped: no bridge can be made");
            return None;
        }
        engine.start_containerd();
        engine.resume();
        Some(engine)
    }

    /// The directory of the socket.
    pub fn run(&self) -> PathBuf {
        self.path("run")
    }

    /// The value for `--docker-host`.
    pub fn url(&self) -> String {
        format!("unix://{}/docker.sock", self.run().display())
    }

    /// Runs a docker command with this engine; `None` if it fails.
    pub fn docker(&self, args: &[&str]) -> Option<String> {
        docker(&[&["--host", &self.url()], args].concat())
    }

    /// The standard error of a container.
    pub fn log(&self, container: &str) -> String {
        let output =
            Command::new("docker").args(["--host", &self.url(), "logs", container]).output().unwrap();
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Starts containerd, which outlives the daemon as under systemd.
    fn start_containerd(&mut self) {
        let path = |name: &str| self.path(name).display().to_string();
        std::fs::write(
            self.path("containerd.toml"),
            "version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n",
        )
        .unwrap();
        let mut containerd = Command::new("containerd");
        containerd.args(["--config", &path("containerd.toml"), "--address", &path("containerd.sock")]);
        containerd.args(["--root", &path("containerd"), "--state", &path("containerd-state")]);
        let containerd = containerd.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.containerd = Some(containerd.spawn().unwrap());
        until("containerd listens", || {
            std::os::unix::net::UnixStream::connect(self.path("containerd.sock")).is_ok()
        });
    }

    /// Kills the daemon; its containers keep running.
    pub fn kill(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }

    /// Starts the daemon again, and waits until it answers.
    pub fn resume(&mut self) {
        let path = |name: &str| self.path(name).display().to_string();
        let mut daemon = Command::new("dockerd");
        daemon
            .args(["--config-file", &path("empty.json"), "--data-root", &path("data")])
            .args([
                "--containerd",
                &path("containerd.sock"),
                "--exec-root",
                &path("exec"),
                "--pidfile",
                &path("pid"),
                "-H",
                &self.url(),
            ])
            .args(["--bridge", &self.bridge, "--storage-driver", "fuse-overlayfs", "--live-restore"])
            .args([
                "--default-address-pool",
                &format!("base={}.0/24,size=29", self.subnet.replace("214", "215")),
            ])
            .args(&self.options);
        let log = std::fs::File::options().create(true).append(true).open(self.path("log")).unwrap();
        let daemon = daemon.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        self.daemon = Some(daemon);
        until("the private engine answers", || {
            if let Some(Some(status)) = self.daemon.as_mut().map(|daemon| daemon.try_wait().unwrap()) {
                let log = std::fs::read_to_string(self.path("log")).unwrap();
                panic!(
                    "dockerd ended with {status}: {}",
                    log.lines().rev().take(5).collect::<Vec<_>>().join("\n")
                );
            }
            self.docker(&["version"]).is_some()
        });
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The processes whose command line names the directory: containerd, its shims, and helpers of file systems.
    fn processes(&self) -> Vec<i32> {
        let ours = self.directory.path().display().to_string();
        let ours = |pid: &i32| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(&ours) && *pid != std::process::id().cast_signed()
        };
        let entries = std::fs::read_dir("/proc").unwrap().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(ours).collect()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.path("log")).unwrap_or_default();
            eprintln!("the engine's log ends with: {:#?}", log.lines().rev().take(20).collect::<Vec<_>>());
        }
        if self.daemon.is_some() {
            let ids = self.docker(&["ps", "-aq"]).unwrap_or_default();
            self.docker(&[&["rm", "-f"], &Vec::from_iter(ids.lines())[..]].concat());
            let ids = self.docker(&["network", "ls", "-q", "--filter", "type=custom"]).unwrap_or_default();
            self.docker(&[&["network", "rm"], &Vec::from_iter(ids.lines())[..]].concat());
        }
        // A regular end of the daemon removes its mounts.
        for mut process in [self.daemon.take(), self.containerd.take()].into_iter().flatten() {
            let _ = kill_process(Pid::from_child(&process), Signal::TERM);
            let _ = process.wait();
        }
        for pid in self.processes().into_iter().filter_map(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
        until("the processes of the engine have ended", || self.processes().is_empty());
        let ours = self.directory.path().display().to_string();
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let mut points: Vec<&str> = mounts.lines().filter_map(|line| line.split(' ').nth(4)).collect();
        points.retain(|point| point.starts_with(&ours));
        for point in points.into_iter().rev() {
            let _ = Command::new("umount").args(["-l", point]).status();
        }
        let _ = Command::new("ip").args(["link", "del", &self.bridge]).status();
    }
}
