//! `--layout`: the balancer routes by the slot map of the pure function, also after deaths, /add and /rm.

use std::collections::BTreeMap;

use lb::ring::{Layout, SeatId, SlotMap, Weight};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Balancer, call, signal_pid};

const KEYS: u32 = 60;

/// The slot map of the seats 1, 2, 3 … with these weights.
fn map(layout: &Layout, weights: &[u32]) -> SlotMap {
    let weights = weights.iter().map(|weight| Weight::new(*weight).unwrap());
    layout.slot_map(&(1..).filter_map(SeatId::new).zip(weights).collect()).unwrap()
}

/// Name of the replica that answers each key.
fn owners(lb: &Balancer) -> BTreeMap<String, String> {
    (0..KEYS).map(|key| key.to_string()).map(|key| (key.clone(), lb.owner(&key))).collect()
}

fn slots(lb: &Balancer) -> Vec<u64> {
    lb.state()["seats"].as_array().unwrap().iter().map(|seat| seat["slots"].as_u64().unwrap()).collect()
}

/// Asserts that requests, /api/state and /api/explain agree with the slot map.
fn assert_placed(lb: &Balancer, layout: &Layout) {
    let names = lb.names();
    let map = map(layout, &vec![100; names.len()]);
    assert_eq!(slots(lb), map.seats().map(|(_, owned)| u64::from(owned)).collect::<Vec<_>>());
    let name = |seat: SeatId| names[seat.get() as usize - 1].clone();
    for (key, owner) in owners(lb) {
        let slot = layout.position(key.as_bytes()).slot;
        let explained = call(lb.admin, "GET", &format!("/api/explain?key={key}"), &[], b"").json();
        let walk: Vec<_> = map.walk(slot).map(name).collect();
        let shown = explained["walk"].as_array().unwrap().iter().map(|place| place["replica"].clone());
        assert_eq!((&explained["slot"], shown.collect()), (&json!(slot), json!(walk)));
        assert_eq!((&explained["chosen"]["replica"], &walk[0]), (&json!(owner), &owner), "key {key}");
    }
}

/// Tests a balancer of three replicas with a layout that /api/state shows as `shown`: a death, /add in two orders, /rm.
fn serves(name: &str, layout: &Layout, shown: &Value) {
    let lb = Balancer::start(&["--layout", name]);
    assert_eq!(&lb.state()["layout"], shown);
    assert_placed(&lb, layout);
    let (before, digest) = (owners(&lb), lb.state()["digest"].clone());

    signal_pid(lb.pid_of("server2"), Signal::KILL);
    lb.until("server2 is replaced", |lb| {
        let names = lb.names();
        names.len() == 3 && names[1] != "server2"
    });
    assert_placed(&lb, layout);
    assert_eq!(lb.state()["digest"], digest);
    let moved = owners(&lb).into_iter().filter(|(key, owner)| before[key] != *owner);
    assert!(moved.map(|(key, _)| before[&key].clone()).all(|owner| owner == "server2"));

    let change = |method, path, names: &[&str]| {
        let (status, answer) =
            lb.control(method, path, &json!({"n": names.len(), "hostnames": names}).to_string());
        assert_eq!(status, 200, "{answer}");
        assert_placed(&lb, layout);
        lb.state()["digest"].clone()
    };
    let five = change("POST", "/add", &["S4", "S5"]);
    assert_eq!(change("DELETE", "/rm", &["S5", "S4"]), digest);
    assert_ne!(change("POST", "/add", &["S5"]), five);
    assert_eq!(change("POST", "/add", &["S4"]), five, "in whatever order they were added");
}

#[test]
fn ring() {
    let shown = json!({
        "name": "ring", "slots": 512, "virtual_nodes": 9, "hash": "xxh3", "probing": "linear", "slot_cap": 1.1,
    });
    serves("ring", &Layout::default(), &shown);
}

#[test]
fn rendezvous() {
    let shown = json!({
        "name": "rendezvous", "slots": 65537, "virtual_nodes": null, "hash": "xxh3", "probing": null,
        "slot_cap": 1.1,
    });
    serves("rendezvous", &Layout::rendezvous(), &shown);
}

#[test]
fn maglev() {
    let shown = json!({
        "name": "maglev", "slots": 65537, "virtual_nodes": null, "hash": "xxh3", "probing": null,
        "slot_cap": null,
    });
    serves("maglev", &Layout::maglev(), &shown);
}

#[test]
fn every_layout_respects_the_weights_of_upstreams() {
    for (name, layout) in
        [("ring", Layout::default()), ("rendezvous", Layout::rendezvous()), ("maglev", Layout::maglev())]
    {
        // Nothing listens there; vacant seats own their slots too.
        let upstreams = "127.0.0.1:1*300,127.0.0.1:2,127.0.0.1:3*50";
        let lb = Balancer::launch(&["--layout", name, "--runtime", "static", "--upstream", upstreams]);
        let expected: Vec<_> =
            map(&layout, &[300, 100, 50]).seats().map(|(_, owned)| u64::from(owned)).collect();
        lb.until("the seats own their slots", |lb| slots(lb) == expected);
        let share = expected[0] as f64 / f64::from(layout.slots());
        assert!((share - 300.0 / 450.0).abs() < 0.07, "{name}: {share}");
    }
}
