//! Replicas as containers of a real engine. Without an engine each test prints that it is skipped.

mod adoption;
mod compose;
mod copies;
mod engine_failures;
mod fleet;
mod healing;
mod network;
mod outage;
mod reasons;
mod record;

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::docker::{Cluster, inspect};

#[test]
fn containers_are_added_and_removed_and_none_is_left() {
    let Some(cluster) = Cluster::new() else { return };
    let mut lb = cluster.start(&[]);
    assert_eq!(lb.names(), ["server1", "server2", "server3"]);
    let owners: BTreeSet<String> = (0..60).map(|key| lb.owner(&key.to_string())).collect();
    assert_eq!(Vec::from_iter(owners), ["server1", "server2", "server3"]);

    let (status, answer) = lb.control("POST", "/add", r#"{"n":2,"hostnames":["S 5","3"]}"#);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(lb.names(), ["server1", "server2", "server3", "S 5", "3"]);
    assert_eq!(cluster.containers(), ["3_", "S_5", "server1", "server2", "server3"]);
    let key = (0..).map(|key: u32| key.to_string()).find(|key| lb.owner(key) == "S 5");
    assert!(key.is_some());

    let (status, _) = lb.control("DELETE", "/rm", r#"{"n":3,"hostnames":["S 5","server2","3"]}"#);
    assert_eq!(status, 200);
    assert_eq!(lb.names(), ["server1", "server3"]);
    cluster.until_containers(&["server1", "server3"]);

    lb.signal(rustix::process::Signal::TERM);
    assert_eq!(lb.ended().code(), Some(0));
    assert_eq!((cluster.containers(), cluster.anchors()), (Vec::new(), Vec::new()));
}

#[test]
fn a_removed_name_can_be_reused_at_once() {
    let Some(cluster) = Cluster::new() else { return };
    let lb = cluster.start(&["--replicas", "2"]);
    for _ in 0..3 {
        let (status, answer) = lb.control("DELETE", "/rm", r#"{"n":1,"hostnames":["server2"]}"#);
        assert_eq!(status, 200, "{answer}");
        let (status, answer) = lb.control("POST", "/add", r#"{"n":1,"hostnames":["server2"]}"#);
        assert_eq!(status, 200, "{answer}");
    }
    cluster.until_containers(&["server1", "server2"]);
}

#[test]
fn containers_have_minimal_rights() {
    let Some(cluster) = Cluster::new() else { return };
    let more = ["--replicas", "1", "--replica-env", "A=1,2", "--replica-memory", "64MiB"];
    let _lb = cluster.start(&[&more[..], &["--replica-pids", "50", "--replica-cap-add", "NET_RAW"]].concat());
    let container = cluster.container("server1");
    let host = inspect(&container, ".HostConfig");
    for (field, expected) in [
        ("Init", json!(true)),
        ("CapDrop", json!(["ALL"])),
        ("CapAdd", json!(["NET_RAW"])),
        ("SecurityOpt", json!(["no-new-privileges"])),
        ("ReadonlyRootfs", json!(true)),
        ("Memory", json!(64 << 20)),
        ("PidsLimit", json!(50)),
        ("Binds", json!(null)),
        ("PortBindings", json!(null)),
        ("Privileged", json!(false)),
    ] {
        assert_eq!(host[field], expected, "{field}");
    }
    assert_eq!(inspect(&container, ".Mounts"), json!([]));
    let config = inspect(&container, ".Config");
    assert_eq!(config["Hostname"], "server1");
    let env = config["Env"].as_array().unwrap();
    for variable in ["A=1,2", "PORT=5000", "SERVER_ID=server1"] {
        assert!(env.contains(&json!(variable)), "{env:?}");
    }
    for (label, expected) in
        [("cluster", cluster.name.as_str()), ("seat", "1"), ("name", "server1"), ("incarnation", "1")]
    {
        assert_eq!(config["Labels"][format!("lb.{label}")], expected);
    }
}
