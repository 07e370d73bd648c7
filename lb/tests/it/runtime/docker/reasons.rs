//! The reason why a container does not run is reported with its remedy.

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::docker::private::Engine;
use crate::support::docker::{Cluster, build_image, docker, inspect};
use crate::support::{Balancer, call, until};

/// Copies the image of a cluster to a private engine.
fn copy_image(cluster: &Cluster, engine: &Engine) {
    let mut save =
        Command::new("docker").args(["save", &cluster.name]).stdout(Stdio::piped()).spawn().unwrap();
    let image = save.stdout.take().unwrap();
    let load = Command::new("docker").args(["--host", &engine.url(), "load"]).stdin(image).output().unwrap();
    assert!(
        save.wait().unwrap().success() && load.status.success(),
        "{}",
        String::from_utf8_lossy(&load.stderr)
    );
}

/// A program that takes memory until it is killed.
const GREEDY: &str = "fn main() { let mut all = Vec::new(); loop { all.push(vec![1u8; 1 << 20]); } }";

#[test]
fn a_kill_for_memory_is_reported() {
    let Some(cluster) = Cluster::new() else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("greedy.rs"), GREEDY).unwrap();
    let mut rustc = Command::new("rustc");
    rustc.args(["-C", "target-feature=+crt-static", "--target", "x86_64-unknown-linux-gnu", "-o"]);
    rustc.arg(path("greedy")).arg(path("greedy.rs"));
    if !rustc.status().is_ok_and(|status| status.success()) {
        eprintln!("skipped: rustc does not build a static program");
        return;
    }
    let text = format!(
        "FROM scratch\nCOPY greedy /greedy\nLABEL lb-test={}\nENTRYPOINT [\"/greedy\"]\n",
        cluster.name
    );
    std::fs::write(path("Dockerfile"), text).unwrap();
    build_image(&cluster.name, directory.path());
    let args = cluster.args(&["--replicas", "1", "--replica-memory", "32MiB"]);
    let mut lb = Balancer::launch(&args);
    lb.wait_for("exit status: 137, killed for its memory (--replica-memory 32MiB)");
}

#[test]
fn a_name_held_by_a_foreign_container_is_reported_and_the_seat_gets_another_replica() {
    let Some(cluster) = Cluster::new() else { return };
    let foreign = cluster.container("server1");
    let label = format!("lb-test-foreign={}", cluster.name);
    docker(&["create", "--label", &label, "--name", &foreign, &cluster.name]).unwrap();
    let started = std::panic::catch_unwind(|| {
        let mut lb = cluster.start(&["--replicas", "2"]);
        let dead = lb.wait_for("replica dead name=server1");
        let why = "the name 'server1' is held by a container that is not ours";
        assert!(dead.contains(why), "{dead}");
        lb.wait_for(&format!("container not made name={foreign}"));
        assert_eq!(lb.names().len(), 2);
    });
    assert_eq!(inspect(&foreign, ".State.Status"), "created");
    docker(&["rm", &foreign]);
    assert!(started.is_ok());
}

#[test]
fn a_missing_docker_init_is_reported_with_the_flag_to_avoid_it() {
    let Some(cluster) = Cluster::new() else { return };
    let Some(engine) = Engine::start(&["--init-path", "/nonexistent/docker-init"]) else { return };
    copy_image(&cluster, &engine);
    let url = engine.url();
    let args = cluster.args(&["--docker-host", &url, "--replicas", "1"]);
    {
        let mut lb = Balancer::launch(&args);
        let dead = lb.wait_for("replica dead name=server1");
        assert!(dead.contains("docker-init") && dead.contains("--replica-init off"), "{dead}");
    }
    let lb = Balancer::start(&[&args[..], &["--replica-init", "off"]].concat());
    let (name, format) = (cluster.container(&lb.names()[0]), "{{.HostConfig.Init}}");
    assert_eq!(engine.docker(&["inspect", "--format", format, &name]).as_deref(), Some("false"));
    lb.signal(rustix::process::Signal::TERM);
}

/// With live-restore the containers, including the balancer, keep running while the engine is away.
#[test]
fn after_an_engine_restart_a_mounted_directory_recovers_and_a_mounted_file_is_reported() {
    let Some(cluster) = Cluster::new() else { return };
    let Some(mut engine) = Engine::start(&[]) else { return };
    copy_image(&cluster, &engine);
    let name = cluster.name.as_str();
    engine.docker(&["network", "create", name]).unwrap();
    let run = engine.run().display().to_string();
    // The mount of docker-compose.yml, and the mount that the documentation advises against.
    let directory = (format!("{run}:/host/run:ro"), "unix:///host/run/docker.sock", "directory");
    let file = (format!("{run}/docker.sock:/run/docker.sock"), "unix:///run/docker.sock", "file");
    for (mount, host, own) in [&directory, &file] {
        let start = ["run", "-d", "--name", own, "--network", name, "-v", mount, "--entrypoint", "/lb", name];
        let lb = ["--listen", "0.0.0.0:5000", "--runtime", "docker", "--docker-host", host];
        let replicas = ["--cluster", own, "--replicas", "1", "--network", name, "--image", name];
        engine.docker(&[&start[..], &lb, &replicas].concat()).unwrap();
        until("the balancer is ready", || engine.log(own).contains("] ready "));
    }
    // Until the engine is back the reason is another one: the old socket exists, and nothing listens on it.
    let address = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    let address = engine.docker(&["inspect", "--format", address, "file"]).unwrap();
    let balancer = SocketAddr::new(address.parse().unwrap(), 5000);
    engine.kill();
    until("the outage is noticed before the engine is back", || {
        call(balancer, "POST", "/add", &[], br#"{"n":1,"hostnames":[]}"#).status == 503
    });
    engine.resume();
    for own in ["directory", "file"] {
        engine.docker(&["kill", &format!("{own}-server1")]).unwrap();
    }
    let running = |own: &str| {
        let label = format!("label=lb.cluster={own}");
        let names = engine.docker(&["ps", "--filter", &label, "--format", "{{.Names}}"]).unwrap();
        json!(names.lines().collect::<Vec<_>>())
    };
    until("the one with the directory recovers", || running("directory").as_array().unwrap().len() == 1);
    let why = "/run/docker.sock was replaced by a restarted engine, and the mounted file is dead; mount its directory";
    until("the one with the file reports the dead mount", || {
        engine.log("file").lines().any(|line| line.contains("engine still away") && line.contains(why))
    });
}
