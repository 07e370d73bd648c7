//! Temporary outages of the engine.

use crate::support::docker::proxy::{Mode, Proxy};
use crate::support::docker::{Cluster, docker};
use crate::support::{call, lb, until};

#[test]
fn an_outage_is_logged_once_and_replacement_follows_at_once() {
    let Some(cluster) = Cluster::new() else { return };
    let proxy = Proxy::new();
    let mut lb = cluster.start(&["--docker-host", &proxy.url]);
    proxy.set(Mode::Refusing);
    lb.wait_for("engine away");
    docker(&["kill", &cluster.container("server2")]).unwrap();
    // More attempts than the limit of launches for a crashing seat in a minute.
    lb.until("eight launches have failed", |lb| {
        let metrics = call(lb.admin, "GET", "/metrics", &[], b"");
        let text = String::from_utf8(metrics.body).unwrap();
        let starts = text.lines().filter(|line| line.starts_with("lb_replica_starts_total{"));
        starts.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum::<f64>() >= 3.0 + 8.0
    });
    proxy.set(Mode::Passing);
    lb.until("server2 is replaced", |lb| {
        let names = lb.names();
        names.len() == 3 && !names.contains(&"server2".into())
    });
    lb.wait_for("engine back after_ms=");
    let log = lb.log();
    let count = |text: &str| log.iter().filter(|line| line.contains(text)).count();
    assert_eq!((count("engine away"), count("engine back"), count("backs off")), (1, 1, 0), "{log:#?}");
    assert!(count("replica launched") <= 3 + 2, "{log:#?}");
    assert!(count("hyper") == 0 && count("os error") == 0, "{log:#?}");
}

#[test]
fn a_container_that_the_engine_does_not_end_is_not_reported_as_gone() {
    let Some(cluster) = Cluster::new() else { return };
    let proxy = Proxy::new();
    let mut lb = cluster.start(&["--docker-host", &proxy.url, "--replicas", "2", "--stop-timeout", "1s"]);
    proxy.set(Mode::Failing);
    let (status, answer) = lb.control("DELETE", "/rm", r#"{"n":1,"hostnames":["server2"]}"#);
    assert_eq!(status, 200, "{answer}");
    lb.wait_for("container not removed yet");
    let others = lb.state()["others"].clone();
    assert_eq!(
        (&others[0]["name"], &others[0]["phase"]),
        (&"server2".into(), &"stopping".into()),
        "{others}"
    );
    assert!(!lb.log().iter().any(|line| line.contains("replica gone")), "{:#?}", lb.log());
    proxy.set(Mode::Passing);
    lb.wait_for("replica gone name=server2");
    assert_eq!(cluster.containers(), ["server1"]);
}

#[test]
fn a_replica_that_is_removed_during_an_outage_gets_sigterm_after_it() {
    let Some(cluster) = Cluster::new() else { return };
    let proxy = Proxy::new();
    let mut lb = cluster.start(&["--docker-host", &proxy.url, "--replicas", "2"]);
    let id = docker(&["inspect", "--format", "{{.Id}}", &cluster.container("server2")]).unwrap();
    proxy.set(Mode::Refusing);
    let (status, answer) = lb.control("DELETE", "/rm", r#"{"n":1,"hostnames":["server2"]}"#);
    assert_eq!(status, 200, "{answer}");
    lb.wait_for("engine away");
    lb.wait_for("replica stopping name=server2");
    // Not to wait for a state: the outage has to last while the first attempt is made.
    std::thread::sleep(std::time::Duration::from_secs(1));
    proxy.set(Mode::Passing);
    lb.wait_for("replica gone name=server2");
    let of = format!("container={}", id.trim());
    let format = "{{.Actor.Attributes.signal}}";
    let filters = ["--filter", &of, "--filter", "event=kill", "--format", format];
    let mut signals = String::new();
    // The engine omits the events of the present second.
    until("the engine reports the signals", || {
        signals = docker(&[&["events", "--since", "10m", "--until", "0s"], &filters[..]].concat()).unwrap();
        !signals.is_empty()
    });
    assert_eq!(signals.split_whitespace().next(), Some("15"), "{signals}");
}

#[test]
fn docker_host_is_used_without_another_setting() {
    let Some(cluster) = Cluster::new() else { return };
    let proxy = Proxy::new();
    let mut lb = crate::support::Balancer::launch_with(&cluster.args(&[]), &[("DOCKER_HOST", &proxy.url)]);
    lb.wait_for("] ready ");
    proxy.set(Mode::Refusing);
    let away = lb.wait_for("engine away");
    assert!(away.contains(&proxy.url), "{away}");
    proxy.set(Mode::Passing);
    lb.wait_for("engine back");
}

#[test]
fn an_engine_can_be_reached_by_tcp() {
    let Some(cluster) = Cluster::new() else { return };
    let proxy = Proxy::tcp();
    assert!(proxy.url.starts_with("tcp://127.0.0.1:"), "{}", proxy.url);
    let lb = cluster.start(&["--docker-host", &proxy.url, "--replicas", "2"]);
    assert_eq!(lb.names(), ["server1", "server2"]);
}

#[test]
fn a_scheme_that_is_not_supported_is_named() {
    for (scheme, code) in [("ssh://host", 64), ("https://host:2376", 64), ("tcp://127.0.0.1:1", 1)] {
        let ended = lb(&["--runtime", "docker"], &[("DOCKER_HOST", scheme)]);
        assert_eq!(ended.status.code(), Some(code), "{}", ended.stderr);
        assert!(ended.stderr.contains(scheme) && !ended.stderr.contains("os error"), "{}", ended.stderr);
    }
}
