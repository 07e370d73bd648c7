//! The machine's Docker engine: a cluster for each test, commands, a private engine, a proxy that fails.

mod cluster;
pub mod private;
pub mod proxy;

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::Balancer;

pub use cluster::Cluster;

/// A container that no balancer made; removed when dropped.
pub struct Foreign(pub String);

impl Drop for Foreign {
    fn drop(&mut self) {
        docker(&["rm", "-f", &self.0]);
    }
}

/// Builds an image. Without the cache: another test that removes its image would take the layers that both share
/// away from under this build.
pub fn build_image(tag: &str, directory: &Path) {
    let mut build = Command::new("docker");
    build.args(["build", "-q", "--no-cache", "-t", tag]).arg(directory).env("DOCKER_BUILDKIT", "0");
    let built = build.output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
}

/// Runs a docker command; `None` if it fails.
pub fn docker(args: &[&str]) -> Option<String> {
    let output = Command::new("docker").args(args).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

/// One field of a container, as JSON.
pub fn inspect(container: &str, field: &str) -> Value {
    let text = docker(&["inspect", "--format", &format!("{{{{json {field}}}}}"), container]).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The output of a container.
pub fn docker_log(container: &str) -> String {
    let output = Command::new("docker").args(["logs", container]).output().unwrap();
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Kills the balancer with SIGKILL.
pub fn kill(mut lb: Balancer) {
    lb.child.kill().unwrap();
    lb.child.wait().unwrap();
}

/// Seat, name and container of each replica, and the digest.
pub fn fleet(lb: &Balancer) -> (Vec<(Value, Value, Value)>, Value) {
    let state = lb.state();
    let of = |seat: &Value| {
        let replica = &seat["replica"];
        (seat["seat"].clone(), replica["name"].clone(), replica["id"].clone())
    };
    (state["seats"].as_array().unwrap().iter().map(of).collect(), state["digest"].clone())
}
