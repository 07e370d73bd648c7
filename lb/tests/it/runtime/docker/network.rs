//! The network of the replicas: several networks of one name, a removed one, and a full one.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};

use crate::support::docker::{Cluster, Foreign, docker, docker_log, inspect};
use crate::support::{Balancer, until};

/// Creates a network without the check for duplicate names; returns its id.
fn make_network(name: &str, labels: &Value) -> String {
    let body = json!({"Name": name, "Driver": "bridge", "Labels": labels}).to_string();
    let mut engine = UnixStream::connect("/var/run/docker.sock").unwrap();
    let length = body.len();
    write!(
        engine,
        "POST /networks/create HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    engine.read_to_string(&mut answer).unwrap();
    let made: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    made["Id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

/// The ids of the networks with exactly this name, oldest first.
fn networks(name: &str) -> Vec<String> {
    let ids = docker(&["network", "ls", "-q", "--no-trunc", "--filter", &format!("name=^{name}$")]).unwrap();
    let mut networks: Vec<(String, String)> = ids
        .lines()
        .filter_map(|id| {
            Some((docker(&["network", "inspect", "--format", "{{.Created}}", id])?, id.to_owned()))
        })
        .collect();
    networks.sort_unstable();
    networks.into_iter().map(|(_, id)| id).collect()
}

/// The networks with a cluster's name; they and their containers are removed when it is dropped.
struct Networks<'a>(&'a Cluster);

impl Drop for Networks<'_> {
    fn drop(&mut self) {
        for id in networks(&self.0.name) {
            let inside = docker(&["ps", "-aq", "--filter", &format!("network={id}")]).unwrap_or_default();
            for container in inside.lines() {
                docker(&["rm", "-f", container]);
            }
            docker(&["network", "rm", &id]);
        }
    }
}

/// Asserts that all replicas answer.
fn assert_reachable(lb: &Balancer) {
    for name in lb.names() {
        let key = (0..).map(|key: u32| key.to_string()).find(|key| lb.owner(key) == name);
        assert!(key.is_some(), "{name}");
    }
}

#[test]
fn balancers_that_start_together_agree_on_one_network() {
    const BALANCERS: usize = 4;
    let Some(cluster) = Cluster::new() else { return };
    let _networks = Networks(&cluster);
    let start = |n: usize| {
        let mut args = cluster.args(&["--replicas", "2"]);
        let at = args.iter().position(|arg| *arg == "--cluster").unwrap();
        let name = format!("{}-{n}", cluster.name);
        args[at + 1] = &name;
        Balancer::start(&args)
    };
    let mut balancers: Vec<Balancer> = std::thread::scope(|scope| {
        let started: Vec<_> = (0..BALANCERS).map(|n| scope.spawn(move || start(n))).collect();
        started.into_iter().map(|balancer| balancer.join().unwrap()).collect()
    });
    balancers.iter().for_each(assert_reachable);
    until("one network is left", || networks(&cluster.name).len() == 1);
    for lb in &mut balancers {
        assert_eq!(lb.control("POST", "/add", r#"{"n":1}"#).0, 200);
        assert_reachable(lb);
        lb.signal(rustix::process::Signal::TERM);
        assert_eq!(lb.ended().code(), Some(0));
    }
}

#[test]
fn the_oldest_network_is_used_and_only_our_unused_ones_are_removed() {
    let Some(cluster) = Cluster::new() else { return };
    let name = cluster.name.as_str();
    let _networks = Networks(&cluster);
    let foreign = make_network(name, &json!({}));
    let unused = make_network(name, &json!({"lb.cluster": "any"}));
    let used = make_network(name, &json!({"lb.cluster": "any"}));
    // The container is not started: the engine itself would remove the network.
    let _foreign = Foreign(cluster.container("foreign"));
    docker(&["create", "--network", &used, "--name", &cluster.container("foreign"), name]).unwrap();
    let also_foreign = make_network(name, &json!({}));

    let mut lb = cluster.start(&["--replicas", "2"]);
    lb.wait_for("networks of one name");
    assert_reachable(&lb);
    let expected = [foreign.as_str(), &used, &also_foreign];
    assert_eq!(networks(name), expected, "without {unused}");
    let id = inspect(&cluster.container("server1"), ".NetworkSettings.Networks")[name]["NetworkID"].clone();
    assert_eq!(id, foreign);
}

#[test]
fn a_removed_network_is_created_again() {
    let Some(cluster) = Cluster::new() else { return };
    let lb = cluster.start(&["--replicas", "0"]);
    docker(&["network", "rm", &cluster.name]).unwrap();
    let (status, answer) = lb.control("POST", "/add", r#"{"n":2}"#);
    assert_eq!(status, 200, "{answer}");
    assert_reachable(&lb);
    assert_eq!(networks(&cluster.name).len(), 1, "launches at one time make one network");
}

#[test]
fn a_balancer_in_a_container_joins_the_network_that_it_creates() {
    let Some(cluster) = Cluster::new() else { return };
    let _networks = Networks(&cluster);
    let (name, own) = (cluster.name.as_str(), cluster.container("own"));
    let args = ["run", "-d", "--name", &own, "--label", &format!("lb.cluster={name}")];
    let mount = ["-v", "/var/run:/host/run:ro", "--entrypoint", "/lb", name];
    let lb = ["--docker-host", "unix:///host/run/docker.sock", "--listen", "0.0.0.0:5000"];
    docker(&[&args[..], &mount, &cluster.args(&lb)].concat()).unwrap();
    let mut log = String::new();
    until("the balancer is ready", || {
        log = docker_log(&own);
        log.contains("] ready ")
    });
    assert!(log.contains("network joined"), "{log}");
    let networks = inspect(&own, ".NetworkSettings.Networks");
    assert!(networks[name]["IPAddress"].is_string(), "{networks}");
}

/// A /29 has room for five containers.
#[test]
fn in_a_full_subnet_a_hung_replica_is_ended_before_its_successor_starts() {
    let Some(cluster) = Cluster::new() else { return };
    let subnet = ["10.213.77.0/29", "10.213.77.8/29", "10.213.77.16/29"]
        .into_iter()
        .find(|subnet| docker(&["network", "create", "--subnet", subnet, &cluster.name]).is_some());
    if subnet.is_none() {
        eprintln!("skipped: the subnets for this test are in use");
        return;
    }
    let mut lb = cluster.start(&["--replicas", "5"]);
    let (status, answer) = lb.control("POST", "/add", r#"{"n":1}"#);
    assert_eq!(status, 503, "{answer}");
    assert!(answer["message"].as_str().unwrap().contains("has no free address"), "{answer}");

    docker(&["pause", &cluster.container("server2")]).unwrap();
    lb.until("server2 is replaced", |lb| {
        let names = lb.names();
        names.len() == 5 && !names.contains(&"server2".into())
    });
    assert_reachable(&lb);
    assert!(!lb.log().iter().any(|line| line.contains("backs off")), "{:#?}", lb.log());
    let names = lb.names();
    cluster.until_containers(&names.iter().map(String::as_str).collect::<Vec<_>>());
}
