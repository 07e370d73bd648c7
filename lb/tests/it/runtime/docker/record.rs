//! The target, the weights and the drained replicas survive a kill -9 of the balancer, at any moment.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::admin::{post, put};
use crate::support::docker::{Cluster, docker, fleet, inspect, kill};
use crate::support::{Balancer, until};
use crate::testing::variable::number;

/// Number of kills of the balancer.
const KILLS: usize = 20;

/// The longest time from a call to the kill, in milliseconds.
const LATEST: u64 = 600;

fn names(lb: &Balancer, n: usize) -> Vec<String> {
    lb.until(&format!("{n} replicas serve"), |lb| lb.names().len() == n);
    lb.names()
}

/// Waits until these are the only containers besides one anchor.
fn until_only(cluster: &Cluster, names: &[String]) {
    cluster.until_containers(&Vec::from_iter(names.iter().map(|name| name.as_str())));
    until("one anchor is left", || cluster.anchors().len() == 1);
}

#[test]
fn a_replica_that_is_removed_while_no_balancer_runs_is_replaced_in_its_seat() {
    let Some(cluster) = Cluster::new() else { return };
    let lb = cluster.start(&[]);
    let digest = fleet(&lb).1;
    kill(lb);
    docker(&["rm", "-f", &cluster.container("server2")]).unwrap();
    let lb = cluster.start(&[]);
    let names = names(&lb, 3);
    assert_eq!((&*names[0], &*names[2], fleet(&lb).1), ("server1", "server3", digest));
    until_only(&cluster, &names);
}

#[test]
fn the_anchor_is_never_started_and_is_removed_with_the_replicas() {
    let Some(cluster) = Cluster::new() else { return };
    let mut lb = cluster.start(&["--replicas", "1"]);
    let anchor = cluster.anchors()[0].clone();
    let state = inspect(&cluster.container(&anchor), ".State");
    assert_eq!((&state["Status"], &state["StartedAt"]), (&json!("created"), &json!("0001-01-01T00:00:00Z")));
    assert_eq!(inspect(&cluster.container(&anchor), ".HostConfig.NetworkMode"), "none");
    assert_eq!(lb.control("POST", "/add", r#"{"n":1,"hostnames":["S2"]}"#).0, 200);
    until("the anchor is replaced", || cluster.anchors().len() == 1 && cluster.anchors()[0] != anchor);

    // docker container prune removes the anchor: it is created again.
    docker(&["rm", &cluster.container(&cluster.anchors()[0])]).unwrap();
    lb.wait_for("record of the target removed");
    until("there is an anchor again", || cluster.anchors().len() == 1);
    lb.signal(Signal::TERM);
    assert_eq!(lb.ended().code(), Some(0));
    assert_eq!((cluster.containers(), cluster.anchors()), (Vec::new(), Vec::new()));
}

#[test]
fn weights_and_drained_replicas_survive_and_on_exit_keep_keeps_them() {
    let Some(cluster) = Cluster::new() else { return };
    let mut lb = cluster.start(&["--on-exit", "keep"]);
    assert_eq!(lb.control("POST", "/add", r#"{"n":1,"hostnames":["S4"]}"#).0, 200);
    assert_eq!(post(&lb, "/api/replicas/server2/drain").0, 200);
    let (status, weight) = put(&lb, "/api/seats/1/weight", r#"{"weight":300}"#);
    assert_eq!(status, 200, "{weight}");
    assert_eq!(weight["message"]["lasts"], "until the balancer stops; a crash does not end it");
    let digest = fleet(&lb).1;
    let drained = lb.state()["others"][0]["id"].clone();
    let check = |lb: &Balancer| {
        let state = lb.state();
        assert_eq!(lb.names(), ["server1", "server3", "S4"]);
        assert_eq!((&state["digest"], &state["target"]), (&digest, &json!(4)));
        let other = &state["others"][0];
        assert_eq!((&other["name"], &other["id"]), (&json!("server2"), &drained));
        assert_eq!((&other["drained"], &other["phase"]), (&json!(true), &json!("draining")));
    };
    check(&lb);
    lb.signal(Signal::TERM);
    assert_eq!(lb.ended().code(), Some(0));
    // The previous anchor may still exist: the next start removes it.
    assert!(!cluster.anchors().is_empty());
    let lb = cluster.start(&[]);
    check(&lb);
    kill(lb);
    let lb = cluster.start(&[]);
    check(&lb);
    assert_eq!(post(&lb, "/api/replicas/server2/undrain").0, 200);
    kill(lb);
    let lb = cluster.start(&[]);
    assert_eq!(names(&lb, 4), ["server1", "server2", "server3", "S4"]);
    until_only(&cluster, &names(&lb, 4));
}

#[test]
fn a_changed_configured_number_takes_precedence_over_the_recorded_one() {
    let Some(cluster) = Cluster::new() else { return };
    let lb = cluster.start(&[]);
    assert_eq!(lb.control("POST", "/add", r#"{"n":2}"#).0, 200);
    kill(lb);
    let lb = cluster.start(&["--replicas", "2"]);
    assert_eq!(names(&lb, 2), ["server1", "server2"]);
    until_only(&cluster, &names(&lb, 2));
    kill(lb);
    let lb = cluster.start(&["--replicas", "3"]);
    until_only(&cluster, &names(&lb, 3));
    kill(lb);

    // Without a record the configured number counts too.
    docker(&["rm", "-f", &cluster.container(&cluster.anchors()[0])]).unwrap();
    docker(&["rm", "-f", &cluster.container("server1")]).unwrap();
    let lb = cluster.start(&["--replicas", "3"]);
    until_only(&cluster, &names(&lb, 3));
}

/// Sends a call and returns the status; `None` if the connection ended without a response.
fn status(to: SocketAddr, method: &'static str, path: &'static str, body: String) -> Option<u16> {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut connection = std::net::TcpStream::connect(to).ok()?;
    connection.set_read_timeout(Some(crate::support::STATE_TIMEOUT)).ok()?;
    std::io::Write::write_all(&mut connection, request.as_bytes()).ok()?;
    let mut reply = Vec::new();
    let _ = std::io::Read::read_to_end(&mut connection, &mut reply);
    String::from_utf8_lossy(&reply).split(' ').nth(1)?.parse().ok()
}

#[test]
fn twenty_kills_at_random_moments_keep_the_target_consistent() {
    let Some(cluster) = Cluster::new() else { return };
    let seed = number("LB_SEED").unwrap_or_else(|| fastrand::u64(..));
    eprintln!("LB_SEED={seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut lb = cluster.start(&[]);
    let mut target = 3;
    for round in 0..KILLS {
        let n = rng.usize(1..3);
        let body = format!(r#"{{"n":{n}}}"#);
        let to = lb.traffic;
        let (what, after, calling) = match rng.u8(..3) {
            0 => {
                let victim = rng.choice(lb.names()).unwrap();
                let how = *rng.choice(&["kill", "rm -f"]).unwrap();
                let command: Vec<&str> = how.split(' ').collect();
                docker(&[&command[..], &[&cluster.container(&victim)]].concat()).unwrap();
                (how, target, None)
            }
            1 if target + n <= 6 => {
                let calling = std::thread::spawn(move || status(to, "POST", "/add", body));
                ("/add", target + n, Some(calling))
            }
            _ if target > n => {
                let calling = std::thread::spawn(move || status(to, "DELETE", "/rm", body));
                ("/rm", target - n, Some(calling))
            }
            _ => continue,
        };
        // This sleep selects the moment of the kill; it does not wait for a state.
        std::thread::sleep(Duration::from_millis(rng.u64(..LATEST)));
        kill(lb);
        let answered = calling.and_then(|calling| calling.join().unwrap());
        let begun = Instant::now();
        lb = cluster.start(&[]);
        let now = usize::try_from(lb.state()["target"].as_u64().unwrap()).unwrap();
        let shown =
            format!("round {round}: {what} from {target} to {after}, answered {answered:?}, then {now}");
        eprintln!("{shown}, ready after {} ms", begun.elapsed().as_millis());
        match answered {
            Some(200) => assert_eq!(now, after, "{shown}"),
            Some(_) => assert_eq!(now, target, "{shown}"),
            None => assert!(now == after || now == target, "{shown}"),
        }
        target = now;
        until_only(&cluster, &names(&lb, target));
        let state: Value = lb.state();
        assert_eq!(state["seats"].as_array().unwrap().len(), target);
    }
    lb.signal(Signal::TERM);
    assert_eq!(lb.ended().code(), Some(0));
    assert_eq!((cluster.containers(), cluster.anchors()), (Vec::new(), Vec::new()));
}
