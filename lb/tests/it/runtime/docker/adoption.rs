//! A start adopts the containers that are running.

use rustix::process::Signal;

use crate::support::docker::{Cluster, docker, fleet, inspect, kill};
use crate::support::load::Load;
use crate::support::until;

#[test]
fn after_a_kill_9_the_same_replicas_serve_in_the_same_seats() {
    let Some(cluster) = Cluster::new() else { return };
    let lb = cluster.start(&[]);
    assert_eq!(lb.control("POST", "/add", r#"{"n":2,"hostnames":["S 5","S4"]}"#).0, 200);
    assert_eq!(lb.control("DELETE", "/rm", r#"{"n":1,"hostnames":["server1"]}"#).0, 200);
    cluster.until_containers(&["S4", "S_5", "server2", "server3"]);
    let before = fleet(&lb);
    kill(lb);
    let lb = cluster.start(&[]);
    assert_eq!(fleet(&lb), before);
    assert_eq!(lb.names(), ["server2", "server3", "S 5", "S4"]);
    assert_eq!(cluster.containers(), ["S4", "S_5", "server2", "server3"]);
    assert_eq!(lb.state()["target"], 4);
    lb.signal(Signal::TERM);
    cluster.until_containers(&[]);
}

#[test]
fn seats_of_containers_that_ended_meanwhile_are_refilled() {
    let Some(cluster) = Cluster::new() else { return };
    let lb = cluster.start(&["--replicas", "4"]);
    let before = fleet(&lb);
    kill(lb);
    docker(&["kill", &cluster.container("server2")]).unwrap();
    let leaving = cluster.container("server3.leaving.3");
    docker(&["rename", &cluster.container("server3"), &leaving]).unwrap();
    docker(&["rm", "-f", &cluster.container("server4")]).unwrap();
    let mut lb = cluster.start(&["--replicas", "4"]);
    lb.wait_for("seats found=2 target=4");
    let after = fleet(&lb);
    assert_eq!((after.0.len(), &after.0[0], &after.1), (4, &before.0[0], &before.1));
    let names = lb.names();
    assert!(names[1..].iter().all(|name| !name.starts_with("server")), "{names:?}");
    cluster.until_containers(&names.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn outdated_containers_are_replaced_one_by_one_and_no_request_fails() {
    let Some(cluster) = Cluster::new() else { return };
    let lb = cluster.start(&[]);
    let (before, digest) = fleet(&lb);
    kill(lb);
    cluster.build("second");
    let image = docker(&["image", "inspect", "--format", "{{.Id}}", &cluster.name]).unwrap();

    let lb = cluster.start(&[]);
    let load = Load::start(lb.traffic, 4);
    until("the load runs", || load.answered() > 200);
    lb.until("all replicas are replaced", |lb| {
        let names = lb.names();
        assert_eq!(names.len(), 3, "a seat was vacant: {names:?}");
        !names.iter().any(|name| name.starts_with("server"))
    });
    let seen = load.answered();
    until("the load goes on", || load.answered() > seen + 200);
    let (answered, failed) = load.finish();
    assert_eq!(failed, Vec::<String>::new(), "of {answered}");

    let (after, digest_after) = fleet(&lb);
    assert_eq!(digest_after, digest);
    for (old, new) in before.iter().zip(&after) {
        assert_eq!(new.0, old.0);
        assert_eq!(inspect(new.2.as_str().unwrap(), ".Image"), image);
    }
    let names: Vec<String> = after.iter().map(|(_, name, _)| name.as_str().unwrap().to_owned()).collect();
    cluster.until_containers(&names.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn containers_kept_at_the_end_are_adopted_by_the_next_start() {
    let Some(cluster) = Cluster::new() else { return };
    let mut lb = cluster.start(&["--on-exit", "keep"]);
    let before = fleet(&lb);
    lb.signal(Signal::TERM);
    assert_eq!(lb.ended().code(), Some(0));
    assert_eq!(cluster.containers(), ["server1", "server2", "server3"]);
    let lb = cluster.start(&[]);
    assert_eq!(fleet(&lb), before);
}

#[test]
fn two_balancers_of_one_cluster_do_not_remove_each_others_containers() {
    let Some(cluster) = Cluster::new() else { return };
    let mut first = cluster.start(&["--replicas", "2"]);
    let mut second = cluster.start(&["--replicas", "2"]);
    assert_eq!(first.names(), second.names());

    assert_eq!(second.control("POST", "/add", r#"{"n":1,"hostnames":["S5"]}"#).0, 200);
    first.wait_for("another balancer acts");
    let (status, answer) = first.control("POST", "/add", r#"{"n":1}"#);
    assert_eq!(status, 503);
    assert!(answer["message"].as_str().unwrap().contains("Another balancer"), "{answer}");
    assert_eq!(first.get("/home").status, 200);

    first.signal(Signal::TERM);
    assert_eq!(first.ended().code(), Some(0));
    assert_eq!(second.names(), ["server1", "server2", "S5"]);
    assert_eq!(cluster.containers(), ["S5", "server1", "server2"]);
    assert!(!second.log().iter().any(|line| line.contains("replica dead")));
}

#[test]
fn a_container_that_the_engine_created_late_for_a_previous_balancer_is_removed() {
    let Some(cluster) = Cluster::new() else { return };
    let mut lb = cluster.start(&["--replicas", "1"]);
    let config = inspect(&cluster.container("server1"), ".Config");
    let create = |name: &str| {
        let mut labels = config["Labels"].as_object().unwrap().clone();
        labels.insert("lb.name".into(), name.into());
        labels.insert("lb.balancer".into(), "0".into());
        labels.insert("lb.incarnation".into(), "9".into());
        let labels = labels.iter().map(|(key, value)| format!("--label={key}={}", value.as_str().unwrap()));
        let (labels, container): (Vec<String>, _) = (labels.collect(), cluster.container(name));
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        let image = config["Image"].as_str().unwrap();
        docker(&[&["create", "--name", &container], &labels[..], &[image]].concat()).unwrap();
    };
    create("S8");
    create("S9");
    let (status, answer) = lb.control("POST", "/add", r#"{"n":1,"hostnames":["S9"]}"#);
    assert_eq!(status, 200, "{answer}");
    lb.wait_for("why=never_started");
    cluster.until_containers(&["S9", "server1"]);
}
