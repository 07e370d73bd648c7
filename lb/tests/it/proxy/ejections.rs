//! Replicas that fail while their heartbeats stay good: how they are detected, at what cost, and how they are readmitted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{JoinHandle, spawn};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::keyed::{breaking, send, walk};
use crate::support::origin::{OK, Origin};
use crate::support::wire::{Message, Wire};
use crate::support::{Balancer, call, signal_pid, until};

/// The reasons to skip each seat of the walk of key `k`.
fn skips(lb: &Balancer) -> Vec<Value> {
    let explained = call(lb.admin, "GET", "/api/explain?key=k", &[], b"").json();
    let walk = explained["walk"].as_array().unwrap().clone();
    let first = walk.iter().find(|place| place["skip"].is_null());
    assert_eq!(explained["chosen"]["seat"], first.unwrap()["seat"]);
    walk.into_iter().map(|place| place["skip"].clone()).collect()
}

fn count(lb: &Balancer, what: &str) -> u64 {
    lb.state()["routing"][what].as_u64().unwrap()
}

/// A replica that accepts requests and never answers.
fn silent() -> Origin {
    Origin::new(|peer| {
        while peer.request().is_some() {}
        None
    })
}

/// Sends a GET with this key on a separate thread.
fn get(lb: &Balancer, key: &str) -> JoinHandle<Option<Message>> {
    get_with(lb, key, "")
}

/// Like [`get`], with further fields, each with its line end.
fn get_with(lb: &Balancer, key: &str, fields: &str) -> JoinHandle<Option<Message>> {
    let to = lb.traffic;
    let request = format!("GET /home HTTP/1.1\r\nHost: h\r\nX-Request-Id: {key}\r\n{fields}\r\n");
    spawn(move || {
        let mut client = Wire::connect(to);
        client.send(request);
        client.reply()
    })
}

fn status(reply: JoinHandle<Option<Message>>) -> Option<u16> {
    reply.join().unwrap().map(|reply| reply.status())
}

/// Three replicas, of which only the first on the walk of key `k` is bad.
fn one_bad(bad: impl Fn() -> Origin, args: &[&str]) -> (Balancer, Vec<Origin>, Vec<usize>) {
    let good = [Origin::replying(OK), Origin::replying(OK), Origin::replying(OK)];
    let args = [&["--workers", "1"], args].concat();
    // The walk depends only on the seats.
    let order = walk(&Origin::balanced(&good.iter().collect::<Vec<_>>(), &args));
    let mut origins: Vec<_> = good.into_iter().collect();
    origins[order[0]] = bad();
    let lb = Origin::balanced(&origins.iter().collect::<Vec<_>>(), &args);
    (lb, origins, order)
}

#[test]
fn three_consecutive_failures_eject_and_the_ejection_is_visible() {
    let broken = Arc::new(AtomicUsize::new(0));
    let (mut lb, origins, order) = one_bad(|| breaking(&broken), &[]);
    for _ in 0..9 {
        assert_eq!(send(&lb, "GET", b"").status(), 200);
    }
    assert_eq!(broken.load(Ordering::SeqCst), 3);
    assert_eq!(origins[order[1]].seen().len(), 9);
    assert_eq!(skips(&lb), ["ejected".into(), Value::Null, Value::Null]);
    assert_eq!(lb.replicas()[order[0]]["skip"], "ejected");
    assert_eq!((count(&lb, "ejections"), count(&lb, "retries")), (1, 3));
    assert_eq!(send(&lb, "POST", b"x").status(), 200, "the POST skips the ejected replica");
    lb.wait_for("replica ejected ");
}

#[test]
fn no_get_fails_because_of_garbage_replies() {
    for garbage in
        ["\0\x01\x02\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx"]
    {
        let (lb, origins, order) = one_bad(|| Origin::replying_once(garbage), &[]);
        assert_eq!(send(&lb, "POST", b"x").status(), 502, "the POST may have been carried out");
        for _ in 0..5 {
            assert_eq!(send(&lb, "GET", b"").status(), 200);
        }
        assert_eq!(origins[order[0]].seen().len(), 3);
    }
}

#[test]
fn truncated_bodies_eject() {
    let cut = || Origin::replying_once("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    let (lb, origins, order) = one_bad(cut, &[]);
    for _ in 0..3 {
        let reply = get(&lb, "k").join().unwrap();
        assert_eq!(reply, None, "the client cannot take the body for complete");
    }
    for _ in 0..3 {
        assert_eq!(send(&lb, "GET", b"").status(), 200);
    }
    assert_eq!(origins[order[0]].seen().len(), 3);
}

#[test]
fn five_consecutive_500s_eject_and_4xx_do_not() {
    let failing = || Origin::replying("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
    let (lb, origins, order) = one_bad(failing, &[]);
    let statuses: Vec<_> = (0..8).map(|_| send(&lb, "GET", b"").status()).collect();
    assert_eq!(statuses, [500, 500, 500, 500, 500, 200, 200, 200]);
    assert_eq!(origins[order[0]].seen().len(), 5);

    let refusing = || Origin::replying("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
    let (lb, _origins, _) = one_bad(refusing, &[]);
    let statuses: Vec<_> = (0..20).map(|_| send(&lb, "GET", b"").status()).collect();
    assert_eq!(statuses, [404; 20]);
}

#[test]
fn other_statuses_eject_only_if_eject_on_lists_them() {
    let replying =
        |status: u16| move || Origin::replying(format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n"));
    for (status, eject_on, ejects) in [
        (501, None, false),
        (505, None, false),
        (503, None, true),
        (501, Some("5xx"), true),
        (404, Some("404,500"), true),
        (500, Some("off"), false),
    ] {
        let args: Vec<_> = eject_on.iter().flat_map(|statuses| ["--eject-on", statuses]).collect();
        let (lb, _origins, _) = one_bad(replying(status), &args);
        let statuses: Vec<_> = (0..8).map(|_| send(&lb, "GET", b"").status()).collect();
        let expected = if ejects { [[status; 5].as_slice(), &[200; 3]].concat() } else { vec![status; 8] };
        assert_eq!(statuses, expected, "--eject-on {eject_on:?}");
        assert_eq!(count(&lb, "ejections"), u64::from(ejects), "{status} --eject-on {eject_on:?}");
    }
}

#[test]
fn a_hung_replica_costs_one_timeout_in_total() {
    let (lb, origins, order) = one_bad(silent, &["--head-timeout", "1s"]);
    // Two requests wait, of which one must not be repeated.
    let post = {
        let to = lb.traffic;
        spawn(move || {
            let mut client = Wire::connect(to);
            client.send("POST /x HTTP/1.1\r\nHost: h\r\nX-Request-Id: k\r\nContent-Length: 1\r\n\r\nx");
            client.reply()
        })
    };
    origins[order[0]].next();
    let waiting = get(&lb, "k");
    origins[order[0]].next();
    assert_eq!((status(post), status(waiting)), (Some(504), Some(200)));
    for _ in 0..20 {
        assert_eq!(send(&lb, "GET", b"").status(), 200);
    }
    assert!(origins[order[0]].seen().is_empty());
    assert_eq!((count(&lb, "ejections"), skips(&lb)[0].clone()), (1, "ejected".into()));
}

#[test]
fn requests_to_a_silent_replica_are_hedged_before_the_timeout() {
    assert_hedged("");
}

#[test]
fn requests_with_content_length_zero_are_hedged_too() {
    assert_hedged("Content-Length: 0\r\n");
}

fn assert_hedged(fields: &str) {
    let (lb, origins, order) = one_bad(silent, &["--head-timeout", "10m"]);
    // A key of another seat, which proves that the other replicas answer.
    let explained = |key: &str| call(lb.admin, "GET", &format!("/api/explain?key={key}"), &[], b"").json();
    let elsewhere = |key: &String| explained(key)["chosen"]["seat"] != order[0] as u64 + 1;
    let other = (0..).map(|n| format!("other{n}")).find(elsewhere).unwrap();
    let mut waiting: Vec<_> = (0..3).map(|_| get_with(&lb, "k", fields)).collect();
    (0..3).for_each(|_| drop(origins[order[0]].next()));
    until("the replica is passed over", || {
        assert_eq!(status(get(&lb, &other)), Some(200));
        waiting.push(get_with(&lb, "k", fields));
        count(&lb, "stalls") > 0
    });
    assert!(waiting.into_iter().all(|reply| status(reply) == Some(200)));
    assert_eq!(send(&lb, "POST", b"x").status(), 200);
    origins[order[0]].until_open(1); // The one request that keeps waiting.
    assert_eq!(count(&lb, "ejections"), 0);
}

#[test]
fn a_stopped_replica_fails_no_get_and_is_readmitted() {
    let lb =
        Balancer::start(&["--head-timeout", "1s", "--replace-after", "10m", "--heartbeat-failures", "100"]);
    let name = lb.owner("k");
    let pid = lb.pid_of(&name);
    signal_pid(pid, Signal::STOP);
    let load: Vec<_> = (0..40).map(|_| get(&lb, "k")).collect();
    let failed: Vec<_> = load.into_iter().map(status).filter(|status| *status != Some(200)).collect();
    signal_pid(pid, Signal::CONT);
    assert!(failed.is_empty(), "{failed:?}");
    lb.until("its key is home again", |lb| lb.owner("k") == name);
}

#[test]
fn one_of_two_replicas_can_be_ejected_but_never_the_only_one() {
    let broken = Arc::new(AtomicUsize::new(0));
    let alone = breaking(&broken);
    let lb = Origin::balanced(&[&alone], &["--workers", "1"]);
    assert!((0..9).all(|_| send(&lb, "GET", b"").status() == 502));
    assert_eq!((broken.load(Ordering::SeqCst), count(&lb, "ejections")), (9, 0));
    drop(lb);

    let both = [breaking(&broken), breaking(&broken)];
    let lb = Origin::balanced(&[&both[0], &both[1]], &["--workers", "1"]);
    assert!((0..9).all(|_| send(&lb, "GET", b"").status() == 502));
    assert_eq!(skips(&lb).iter().filter(|skip| skip.is_null()).count(), 1);
}

#[test]
fn with_an_exhausted_retry_budget_there_is_one_attempt() {
    let broken = Arc::new(AtomicUsize::new(0));
    let both = [breaking(&broken), breaking(&broken)];
    let args = ["--workers", "1", "--retry-budget", "0%", "--bounded-load", "off"];
    let lb = Origin::balanced(&[&both[0], &both[1]], &args);
    let mut sent = 0;
    until("the budget is exhausted", || {
        // Many concurrently: sequentially, a starved machine would not spend the ten free retries per second.
        let waiting: Vec<_> = (0..40).map(|_| get(&lb, "k")).collect();
        sent += waiting.len() as u64;
        assert!(waiting.into_iter().all(|reply| status(reply) == Some(502)));
        count(&lb, "budget_exhausted") > 0
    });
    let (retries, refused) = (count(&lb, "retries"), count(&lb, "budget_exhausted"));
    assert_eq!((retries + refused, broken.load(Ordering::SeqCst) as u64), (sent, sent + retries));
    assert!(retries >= 100, "{retries}: the reserve of ten seconds at ten a second");
}
