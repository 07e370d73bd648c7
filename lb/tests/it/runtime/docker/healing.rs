//! Every end or hang of a container is detected, and its seat refilled.

use crate::support::docker::{Cluster, docker};
use rustix::process::Signal;

use crate::support::load::Load;
use crate::support::{signal_pid, until};

/// Ends server2 under load. Asserts that it is replaced in its seat and that no request fails.
fn assert_replaced(how: &[&str]) {
    let Some(cluster) = Cluster::new() else { return };
    let lb = cluster.start(&[]);
    let digest = lb.state()["digest"].clone();
    let load = Load::start(lb.traffic, 4);
    until("the load runs", || load.answered() > 200);
    docker(&[how, &[&cluster.container("server2")]].concat()).unwrap();
    lb.until("server2 is replaced", |lb| {
        let names = lb.names();
        names.len() == 3 && names[1] != "server2"
    });
    let seen = load.answered();
    until("the load goes on", || load.answered() > seen + 200);
    let (answered, failed) = load.finish();
    assert_eq!(failed, Vec::<String>::new(), "of {answered}");
    assert_eq!(lb.state()["digest"], digest);
    let heir = lb.names()[1].clone();
    cluster.until_containers(&["server1", &heir, "server3"]);
}

#[test]
fn docker_kill_is_detected_and_no_request_fails() {
    assert_replaced(&["kill"]);
}

#[test]
fn docker_rm_is_detected_and_no_request_fails() {
    assert_replaced(&["rm", "-f"]);
}

#[test]
fn docker_stop_is_detected_and_no_request_fails() {
    assert_replaced(&["stop"]);
}

#[test]
fn docker_pause_is_detected_like_a_hang() {
    assert_replaced(&["pause"]);
}

/// Heartbeats are so rare that only the engine's events can reveal the exit.
#[test]
fn an_exit_is_logged_with_status_and_last_line() {
    let Some(cluster) = Cluster::new() else { return };
    let mut lb = cluster.start(&["--replicas", "1", "--heartbeat-interval", "1h", "--replace-after", "1h"]);
    docker(&["kill", &cluster.container("server1")]).unwrap();
    let dead = lb.wait_for("replica dead");
    assert!(dead.contains("exit status: 137; its last line: ") && dead.contains("listening"), "{dead}");
    lb.until("the replica is replaced", |lb| lb.names().len() == 1);
}

#[test]
fn a_foreign_sigterm_is_distinguished_from_the_balancers() {
    let Some(cluster) = Cluster::new() else { return };
    let mut lb = cluster.start(&[]);
    assert_eq!(lb.control("DELETE", "/rm", r#"{"n":1,"hostnames":["server1"]}"#).0, 200);
    cluster.until_containers(&["server2", "server3"]);
    docker(&["kill", "-s", "WINCH", &cluster.container("server3")]).unwrap();
    docker(&["kill", "-s", "TERM", &cluster.container("server2")]).unwrap();
    lb.wait_for("termination requested name=server2");
    lb.until("server2 is replaced", |lb| {
        let names = lb.names();
        names.len() == 2 && !names.contains(&"server2".into())
    });
    assert_eq!(lb.names()[1], "server3");
    let requests = lb.log().iter().filter(|line| line.contains("termination requested")).count();
    assert_eq!(requests, 1);
}

#[test]
fn a_paused_container_is_suspended() {
    use lb::runtime::docker::{Docker, Host, Template};
    use lb::runtime::{Launch, Runtime};

    let Some(cluster) = Cluster::new() else { return };
    let template = Template {
        image: cluster.name.clone(),
        network: cluster.name.clone(),
        port: 5000,
        env: Default::default(),
        memory: 64 << 20,
        pids: 32,
        writable: false,
        init: true,
        capabilities: Default::default(),
    };
    actix_rt::System::new().block_on(async {
        let runtime = Docker::connect(&Host::default(), &cluster.name, template).await.unwrap();
        let incarnation = lb::ring::Incarnation(1);
        let seat = lb::ring::SeatId::new(1).unwrap();
        runtime.launch(Launch { seat, name: "server1".parse().unwrap(), incarnation }).await.unwrap();
        assert_eq!(runtime.is_suspended(incarnation).await, Some(false));
        // The process below docker-init.
        let init = docker(&["inspect", "-f", "{{.State.Pid}}", &cluster.container("server1")]).unwrap();
        let init = init.trim();
        let children = std::fs::read_to_string(format!("/proc/{init}/task/{init}/children")).unwrap();
        let replica: i32 = children.trim().parse().unwrap();
        signal_pid(replica, Signal::STOP);
        assert_eq!(runtime.is_suspended(incarnation).await, Some(true));
        signal_pid(replica, Signal::CONT);
        docker(&["pause", &cluster.container("server1")]).unwrap();
        assert_eq!(runtime.is_suspended(incarnation).await, Some(true));
        assert_eq!(runtime.is_suspended(lb::ring::Incarnation(2)).await, None, "it is unknown");
        assert!(runtime.kill_dead(incarnation).await, "a paused one can be killed");
        assert_ne!(runtime.is_suspended(incarnation).await, Some(true));
        assert_eq!(cluster.containers(), ["server1"], "the paused container must not be removed");
        runtime.stop(incarnation, std::time::Duration::ZERO).await;
        assert_eq!(cluster.containers(), [""; 0]);
    });
}
