//! Copied containers with a replica's labels: they are never routed to, stopped or removed, and not taken as a sign of
//! another balancer.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::Balancer;
use crate::support::docker::{Cluster, docker, fleet, inspect, kill};

/// Commits a container to an image, which is removed with the cluster.
fn commit(cluster: &Cluster, container: &str) -> String {
    let image = format!("{}-copy", cluster.name);
    docker(&["commit", &cluster.container(container), &image]).unwrap();
    image
}

/// Starts a container of an image under a name, with further arguments.
fn run(cluster: &Cluster, image: &str, name: &str, more: &[&str]) -> String {
    let name = cluster.container(name);
    let start = ["run", "-d", "--network", &cluster.name, "--name", &name];
    docker(&[&start[..], more, &[image]].concat()).unwrap()
}

fn is_running(container: &str) -> bool {
    inspect(container, ".State.Running") == json!(true)
}

/// The replicas that answer some keys, in order.
fn answering(lb: &Balancer) -> Vec<String> {
    let mut owners: Vec<String> = (0..60).map(|key| lb.owner(&key.to_string())).collect();
    owners.sort_unstable();
    owners.dedup();
    owners
}

#[test]
fn a_copied_container_is_not_a_replica() {
    let Some(cluster) = Cluster::new() else { return };
    let mut lb = cluster.start(&[]);
    let before = fleet(&lb);
    let image = commit(&cluster, "server2");
    let copies = ["copy", "server2.copy", "server2.leaving.x"].map(|name| run(&cluster, &image, name, &[]));
    let ended = docker(&["create", "--name", &cluster.container("ended"), &image]).unwrap();

    // Its start is not taken as a sign of another balancer, nor its end as the end of a replica.
    docker(&["kill", &copies[1]]).unwrap();
    docker(&["start", &copies[1]]).unwrap();
    assert_eq!(lb.control("POST", "/add", r#"{"n":1,"hostnames":["S4"]}"#).0, 200);
    let (status, answer) = lb.control("POST", "/add", r#"{"n":1,"hostnames":["copy"]}"#);
    assert_eq!(
        (status, answer["message"].as_str().unwrap()),
        (400, "<Error> Hostname 'copy' already exists")
    );
    assert_eq!(lb.control("DELETE", "/rm", r#"{"n":1,"hostnames":["S4"]}"#).0, 200);
    assert!(
        !lb.log()
            .iter()
            .any(|line| line.contains("another balancer") || line.contains("replica dead name=server"))
    );

    kill(lb);
    let mut lb = cluster.start(&[]);
    lb.wait_for("container passed over");
    assert_eq!(fleet(&lb), before);
    assert_eq!(answering(&lb), ["server1", "server2", "server3"]);
    lb.signal(Signal::TERM);
    assert_eq!(lb.ended().code(), Some(0));
    assert!(copies.iter().all(|copy| is_running(copy)));
    assert_eq!(inspect(&ended, ".State.Status"), json!("created"));
    assert_eq!(cluster.containers(), ["copy", "ended", "server2.copy", "server2.leaving.x"]);
}

#[test]
fn a_copy_with_the_name_of_the_replica_is_not_a_replica_either() {
    let Some(cluster) = Cluster::new() else { return };
    let lb = cluster.start(&[]);
    let image = commit(&cluster, "server2");
    kill(lb);
    docker(&["rm", "-f", &cluster.container("server2")]).unwrap();
    let copy = run(&cluster, &image, "server2", &[]);

    let mut lb = cluster.start(&[]);
    let names = lb.names();
    assert_eq!((names.len(), names.contains(&"server2".to_owned())), (3, false), "{names:?}");
    assert!(is_running(&copy));
    let (status, answer) = lb.control("POST", "/add", r#"{"n":1,"hostnames":["server2"]}"#);
    assert_eq!(
        (status, answer["message"].as_str().unwrap()),
        (400, "<Error> Hostname 'server2' already exists")
    );
    assert_eq!(lb.names(), names);
    // The first names of the next start include the name of the copy.
    lb.signal(Signal::TERM);
    assert_eq!(lb.ended().code(), Some(0));
    let lb = cluster.start(&[]);
    let names = lb.names();
    assert_eq!((&*names[0], &*names[2], names[1] == "server2"), ("server1", "server3", false));
    assert!(is_running(&copy));
}

#[test]
fn a_manually_renamed_replica_stays_managed_until_the_balancer_ends() {
    let Some(cluster) = Cluster::new() else { return };
    let lb = cluster.start(&[]);
    docker(&["rename", &cluster.container("server1"), &cluster.container("mine")]).unwrap();
    docker(&["rename", &cluster.container("server2"), &cluster.container("kept")]).unwrap();
    let renamed = inspect(&cluster.container("kept"), ".Id");
    assert_eq!(answering(&lb), ["server1", "server2", "server3"]);
    assert_eq!(lb.control("DELETE", "/rm", r#"{"n":1,"hostnames":["server1"]}"#).0, 200);
    cluster.until_containers(&["kept", "server3"]);

    kill(lb);
    let mut lb = cluster.start(&[]);
    lb.wait_for("why=name");
    let names = lb.names();
    assert_eq!((names.len(), &*names[1]), (2, "server3"), "{names:?}");
    lb.signal(Signal::TERM);
    assert_eq!(lb.ended().code(), Some(0));
    assert!(is_running(renamed.as_str().unwrap()));
    assert_eq!(cluster.containers(), ["kept"]);
}

#[test]
fn all_containers_of_an_older_version_are_adopted() {
    let Some(cluster) = Cluster::new() else { return };
    let mut lb = cluster.start(&["--replicas", "0"]); // makes the network
    lb.signal(Signal::TERM);
    assert_eq!(lb.ended().code(), Some(0));
    let old = ["server1", "server2", "server3", "S4"];
    for (name, seat) in old.iter().zip(1..) {
        let labels = [
            format!("lb.cluster={}", cluster.name),
            format!("lb.seat={seat}"),
            format!("lb.name={name}"),
            format!("lb.incarnation={seat}"),
            "lb.balancer=0123456789abcdef".to_owned(),
            "lb.spec=0123456789abcdef".to_owned(),
        ];
        let mut more: Vec<&str> = labels.iter().flat_map(|label| ["--label", label]).collect();
        let id = format!("SERVER_ID={name}");
        more.extend(["-e", "PORT=5000", "-e", &id]);
        run(&cluster, &cluster.name, name, &more);
    }
    let mut lb = cluster.start(&[]);
    assert_eq!(lb.state()["target"], 4);
    // They are outdated and therefore replaced; none is removed before its successor is ready.
    lb.until("all replicas are replaced", |lb| {
        let names = lb.names();
        assert_eq!(names.len(), 4, "a seat was vacant: {names:?}");
        !names.iter().any(|name| old.contains(&name.as_str()))
    });
    lb.signal(Signal::TERM);
    assert_eq!(lb.ended().code(), Some(0));
    assert_eq!((cluster.containers(), cluster.anchors()), (Vec::new(), Vec::new()));
}

#[test]
fn a_copied_anchor_is_ignored() {
    let Some(cluster) = Cluster::new() else { return };
    let lb = cluster.start(&["--replicas", "2"]);
    let before = fleet(&lb);
    let anchors = cluster.anchors();
    assert_eq!(anchors.len(), 1);
    let image = commit(&cluster, &anchors[0]);
    let name = cluster.container("lb.record.99");
    let one = r#"lb.record={"format":1,"seats":{"1":{"weight":100}}}"#;
    let labels = ["--label", "lb.record.version=99", "--label", one];
    let copy = docker(&[&["create", "--name", &name], &labels[..], &[&image]].concat()).unwrap();
    kill(lb);
    let mut lb = cluster.start(&["--replicas", "2"]);
    assert_eq!(fleet(&lb), before);
    lb.signal(Signal::TERM);
    assert_eq!(lb.ended().code(), Some(0));
    assert_eq!(inspect(&copy, ".Id"), Value::String(copy.clone()));
    assert_eq!((cluster.containers(), cluster.anchors()), (Vec::new(), vec!["lb.record.99".to_owned()]));
}
