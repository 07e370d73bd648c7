//! Missing prerequisites are named, and a failing engine does not affect routing.

use crate::support::docker::proxy::{Mode, Proxy};
use crate::support::docker::{Cluster, Foreign, docker};
use crate::support::load::Load;
use crate::support::{lb, until};

/// Asserts that the start fails with one line; returns the line.
fn refused(args: &[&str], code: i32) -> String {
    let ended = lb(&[args, &["--listen", "127.0.0.1:0", "--admin-listen", "off"]].concat(), &[]);
    assert_eq!(ended.status.code(), Some(code), "{}", ended.stderr);
    let line = ended.stderr.lines().rfind(|line| line.starts_with("lb: ")).unwrap();
    line.to_owned()
}

#[test]
fn a_socket_where_no_engine_listens_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let socket = format!("unix://{}/docker.sock", directory.path().display());
    let line = refused(&["--runtime", "docker", "--docker-host", &socket], 1);
    assert!(line.contains(&socket) && line.contains("is the Docker engine running?"), "{line}");

    let path = directory.path().join("docker.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "").unwrap();
    let line = refused(&["--runtime", "docker", "--docker-host", &socket], 1);
    assert!(line.contains(&socket), "{line}");
}

#[test]
fn an_image_that_does_not_exist_is_named_at_the_start_and_by_add() {
    let Some(cluster) = Cluster::new() else { return };
    let line = refused(&["--runtime", "docker", "--image", "no-such-image:7"], 1);
    assert!(line.contains("no-such-image:7") && line.contains("docker pull"), "{line}");

    let lb = cluster.start(&["--replicas", "0"]);
    docker(&["rmi", "-f", &cluster.name]).unwrap();
    let (status, answer) = lb.control("POST", "/add", r#"{"n":2}"#);
    assert_eq!(status, 503, "{answer}");
    assert!(answer["message"].as_str().unwrap().contains(&cluster.name), "{answer}");
    assert_eq!((lb.names().len(), cluster.containers().len()), (0, 0));
}

#[test]
fn a_network_of_another_kind_is_named() {
    let Some(cluster) = Cluster::new() else { return };
    let mut args = cluster.args(&[]);
    let at = args.iter().position(|arg| *arg == "--network").unwrap();
    args[at + 1] = "host";
    let line = refused(&args, 64);
    assert!(line.contains("--network host") && line.contains("bridge"), "{line}");
}

#[test]
fn a_foreign_container_keeps_its_name() {
    let Some(cluster) = Cluster::new() else { return };
    let lb = cluster.start(&["--replicas", "1"]);
    let foreign = Foreign(cluster.container("S5"));
    docker(&["create", "--name", &foreign.0, &cluster.name]).unwrap();
    let (status, answer) = lb.control("POST", "/add", r#"{"n":2,"hostnames":["S4","S5"]}"#);
    assert_eq!((status, answer["message"].as_str().unwrap()), (400, "<Error> Hostname 'S5' already exists"));
    assert_eq!(lb.names(), ["server1"]);
    cluster.until_containers(&["server1"]);
    assert!(docker(&["inspect", &foreign.0]).is_some());
}

/// With these flags heartbeats detect nothing; only the engine's events do.
const NO_HEARTBEATS: [&str; 4] = ["--heartbeat-interval", "1h", "--replace-after", "1h"];

#[test]
fn events_continue_after_a_break_and_missed_changes_are_detected() {
    let Some(cluster) = Cluster::new() else { return };
    let proxy = Proxy::new();
    let mut lb = cluster.start(&[&NO_HEARTBEATS[..], &["--docker-host", &proxy.url]].concat());

    proxy.set(Mode::Refusing);
    lb.wait_for("engine away");
    docker(&["kill", &cluster.container("server2")]).unwrap();
    proxy.set(Mode::Passing);
    lb.until("server2 is replaced", |lb| {
        let names = lb.names();
        names.len() == 3 && !names.contains(&"server2".into())
    });
    let dead = lb.wait_for("replica dead name=server2");
    assert!(dead.contains("while the engine was away"), "{dead}");

    docker(&["kill", &cluster.container("server3")]).unwrap();
    lb.until("server3 is replaced", |lb| {
        let names = lb.names();
        names.len() == 3 && !names.contains(&"server3".into())
    });
}

/// Asserts that routing continues under load while the engine is in this mode, and that /add fails and changes nothing.
fn assert_routing_continues(mode: Mode, why: &str) {
    let Some(cluster) = Cluster::new() else { return };
    let proxy = Proxy::new();
    let lb = cluster.start(&["--docker-host", &proxy.url]);
    let load = Load::start(lb.traffic, 2);
    proxy.set(mode);
    let (status, answer) = lb.control("POST", "/add", r#"{"n":2,"hostnames":["S5"]}"#);
    assert_eq!(status, 503, "{answer}");
    let message = answer["message"].as_str().unwrap();
    assert!(message.contains(why) && !message.contains("hyper") && !message.contains("os error"), "{answer}");
    let seen = load.answered();
    until("the load goes on", || load.answered() > seen + 200);
    let (answered, failed) = load.finish();
    assert_eq!(failed, Vec::<String>::new(), "of {answered}");

    proxy.set(Mode::Passing);
    let (status, answer) = lb.control("POST", "/add", r#"{"n":1,"hostnames":["S5"]}"#);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(lb.names(), ["server1", "server2", "server3", "S5"]);
}

#[test]
fn a_hung_engine_does_not_affect_routing() {
    assert_routing_continues(Mode::Hanging, "does not answer within 10 s");
}

#[test]
fn an_engine_that_answers_500_does_not_affect_routing() {
    assert_routing_continues(Mode::Failing, "out of order");
}

#[test]
fn an_unreachable_engine_does_not_affect_routing() {
    assert_routing_continues(Mode::Refusing, "the Docker engine is unreachable: ");
}

#[test]
fn an_engine_that_hangs_at_the_start_is_reported() {
    let Some(cluster) = Cluster::new() else { return };
    let proxy = Proxy::new();
    proxy.set(Mode::Hanging);
    let line = refused(&[&cluster.args(&[])[..], &["--docker-host", &proxy.url]].concat(), 1);
    assert!(line.contains(&proxy.url) && line.contains("does not answer"), "{line}");
}
