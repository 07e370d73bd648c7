//! The machine's Docker engine, and a separate cluster for each test, which is removed when the test ends.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{build_image, docker};
use crate::support::{Balancer, until};

/// Maximum number of clean-up attempts.
const ROUNDS: usize = 20;

static CLUSTERS: AtomicU32 = AtomicU32::new(0);

/// Names that are unique on the engine; everything with these names is removed when it is dropped.
pub struct Cluster {
    /// The name of the cluster, the network and the image.
    pub name: String,
}

impl Cluster {
    /// Without an engine it prints `skipped` and returns `None`.
    pub fn new() -> Option<Self> {
        if docker(&["version"]).is_none() {
            eprintln!("skipped: no Docker engine answers");
            return None;
        }
        let name = format!("lb-test-{}-{}", std::process::id(), CLUSTERS.fetch_add(1, Ordering::Relaxed));
        let cluster = Self { name };
        cluster.build("first");
        Some(cluster)
    }

    /// Builds this cluster's image of replica and balancer; another `edition` results in another image id.
    pub fn build(&self, edition: &str) {
        let directory = tempfile::tempdir().unwrap();
        std::fs::copy(executable(), directory.path().join("lb")).unwrap();
        let text = format!(
            "FROM scratch\nCOPY lb /lb\nLABEL lb-test={} edition={edition}\nENTRYPOINT [\"/lb\", \"replica\"]\n",
            self.name
        );
        std::fs::write(directory.path().join("Dockerfile"), text).unwrap();
        build_image(&self.name, directory.path());
    }

    /// The arguments of a balancer of this cluster.
    pub fn args<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let name = self.name.as_str();
        [&["--runtime", "docker", "--cluster", name, "--network", name, "--image", name], more].concat()
    }

    /// A balancer of this cluster, ready.
    pub fn start(&self, more: &[&str]) -> Balancer {
        Balancer::start(&self.args(more))
    }

    /// The container name of a replica.
    pub fn container(&self, name: &str) -> String {
        format!("{}-{name}", self.name)
    }

    /// The names of the cluster's containers, ended ones too, without the cluster and without the anchor that holds
    /// the record of the target.
    pub fn containers(&self) -> Vec<String> {
        self.listed(false)
    }

    /// The containers that hold a record of the target: one while a balancer runs, none after a graceful end.
    pub fn anchors(&self) -> Vec<String> {
        self.listed(true)
    }

    fn listed(&self, anchors: bool) -> Vec<String> {
        let format = "{{.Names}} {{.Label \"lb.record.version\"}}";
        let listed = docker(&["ps", "-a", "--filter", &self.label(), "--format", format]).unwrap();
        let named = listed.lines().filter_map(|line| line.split_once(' ').or(Some((line, ""))));
        let wanted = named.filter(|(_, version)| version.is_empty() != anchors);
        let mut names: Vec<String> =
            wanted.map(|(name, _)| name.replacen(&self.container(""), "", 1)).collect();
        names.sort_unstable();
        names
    }

    /// Waits until the cluster has exactly these containers.
    pub fn until_containers(&self, expected: &[&str]) {
        let mut expected: Vec<&str> = expected.to_vec();
        expected.sort_unstable();
        until(&format!("the containers are {expected:?}"), || self.containers() == expected);
    }

    fn label(&self) -> String {
        format!("label=lb.cluster={}", self.name)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let label = self.label();
        let left = || docker(&["ps", "-aq", "--filter", &label]).unwrap_or_default();
        let remove = |how: &[&str], what: &str| docker(&[how, &Vec::from_iter(what.lines())].concat());
        // Containers requested by a killed balancer may appear late. A network of compose does not have our label.
        for _ in 0..ROUNDS {
            remove(&["rm", "-f"], &left());
            docker(&["network", "rm", &self.name]);
            if left().is_empty() && docker(&["network", "inspect", &self.name]).is_none() {
                break;
            }
        }
        let images = docker(&["images", "-q", "--filter", &format!("label=lb-test={}", self.name)]);
        remove(&["rmi", "-f"], &images.unwrap_or_default());
    }
}

/// `lb` as a static executable, built once.
fn executable() -> &'static Path {
    static EXECUTABLE: OnceLock<PathBuf> = OnceLock::new();
    EXECUTABLE.get_or_init(|| {
        const TARGET: &str = "x86_64-unknown-linux-gnu";
        let ours = Path::new(env!("CARGO_BIN_EXE_lb")).ancestors().nth(2).unwrap();
        let target = ours.join("docker-test");
        let mut build = Command::new(env!("CARGO"));
        build
            .args(["build", "--package", "lb", "--bin", "lb", "--target", TARGET, "--target-dir"])
            .arg(&target);
        build.env("RUSTFLAGS", "-C target-feature=+crt-static").env("CARGO_PROFILE_DEV_DEBUG", "0");
        build.env("CARGO_PROFILE_DEV_STRIP", "true").current_dir(env!("CARGO_MANIFEST_DIR"));
        assert!(build.status().unwrap().success(), "the static executable does not build");
        target.join(TARGET).join("debug/lb")
    })
}
