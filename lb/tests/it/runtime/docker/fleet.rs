//! Manual operations on containers: drain, replace, rolling replacement.

use serde_json::{Value, json};

use crate::support::admin::post;
use crate::support::docker::{Cluster, docker, inspect};
use crate::support::load::Load;
use crate::support::until;

#[test]
fn a_drained_container_keeps_its_name_and_seat_even_after_its_exit() {
    let Some(cluster) = Cluster::new() else { return };
    let lb = cluster.start(&["--replicas", "2"]);
    assert_eq!(post(&lb, "/api/replicas/server2/drain").0, 200);
    assert_eq!(cluster.containers(), ["server1", "server2"]);
    docker(&["kill", &cluster.container("server2")]).unwrap();
    lb.until("the drained replica is dead", |lb| lb.state()["others"][0]["phase"] == "dead");
    assert_eq!(lb.state()["others"][0]["drained"], true);
    assert_eq!(inspect(&cluster.container("server2"), ".State.Running"), json!(false));
    assert_eq!(lb.names(), ["server1"]);
    let (status, undrained) = post(&lb, "/api/replicas/server2/undrain");
    assert_eq!(status, 200, "{undrained}");
    let heir = undrained["message"]["replica"].as_str().unwrap().to_owned();
    assert_eq!(lb.names(), ["server1", &heir]);
    cluster.until_containers(&["server1", &heir]);
}

#[test]
fn a_rolling_replacement_of_containers_fails_no_request() {
    let Some(cluster) = Cluster::new() else { return };
    let lb = cluster.start(&[]);
    let load = Load::start(lb.traffic, 4);
    until("the load runs", || load.answered() > 200);
    assert_eq!(post(&lb, "/api/replicas/server1/drain").0, 200);
    let (status, replaced) = post(&lb, "/api/replicas/server1/replace");
    assert_eq!((status, &replaced["message"]["seat"]), (200, &json!(1)), "{replaced}");
    assert_eq!(post(&lb, "/api/rolling-replace").0, 202);
    lb.until("all replicas are replaced", |lb| lb.state()["rolling"] == Value::Null);
    let (answered, failed) = load.finish();
    assert_eq!(failed, Vec::<String>::new(), "of {answered}");
    let names = lb.names();
    assert!(names.len() == 3 && names.iter().all(|name| !name.starts_with("server")), "{names:?}");
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.sort_unstable();
    cluster.until_containers(&names);
}
