//! /api/explain agrees with where requests go, and gives the reasons.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::admin::Asker;
use crate::support::keyed::send;
use crate::support::origin::{OK, Origin};
use crate::support::wire::Wire;
use crate::support::{Balancer, signal_pid, until};

const KEYS: usize = 5_000;
/// Number of keys between two kills of a replica.
const KILLED: usize = 500;

/// Name of the replica that answers a GET with this key, sent on a kept connection.
fn home(client: &mut Wire, key: &str) -> String {
    client.send(format!("GET /home HTTP/1.1\r\nHost: test\r\nX-Request-Id: {key}\r\n\r\n"));
    let reply = client.reply().unwrap();
    assert_eq!(reply.status(), 200, "{reply:?}");
    let json: Value = serde_json::from_slice(&reply.body).unwrap();
    json["message"].as_str().unwrap().strip_prefix("Hello from Server: ").unwrap().to_owned()
}

#[test]
fn explain_agrees_with_5000_live_requests_while_replicas_die() {
    let lb = Balancer::start(&["--replicas", "5", "--workers", "1"]);
    let (mut asker, mut client) = (Asker::new(&lb), Wire::connect(lb.traffic));
    let (mut races, mut killed) = (0, [0; 6]);
    for n in 0..KEYS {
        let key = format!("key-{n}");
        if n % KILLED == KILLED / 2 {
            let chosen = asker.explain(&key)["chosen"].clone();
            let of_seat = &mut killed[chosen["seat"].as_u64().unwrap() as usize];
            // The replica may be the successor of one that has just died.
            let replicas = lb.replicas();
            let victim = replicas.iter().find(|replica| replica["name"] == chosen["replica"]);
            let pid = victim.and_then(|victim| victim["id"].as_str()?.parse().ok());
            // After four deaths in a row a seat would be vacant for a minute.
            if let (Some(pid), 0..4) = (pid, *of_seat) {
                *of_seat += 1;
                signal_pid(pid, Signal::KILL);
            }
        }
        until("a request goes where explain says", || {
            let explained = asker.explain(&key);
            let went = home(&mut client, &key);
            if explained["chosen"]["replica"] == went.as_str() {
                return true;
            }
            // Only a change of the ring is an excuse: a replica has died, and this is or will soon be detected.
            races += 1;
            until("the ring changes", || asker.explain(&key)["epoch"] != explained["epoch"]);
            false
        });
    }
    assert!(races <= 10 * KEYS / KILLED, "{races}");
    lb.until("the fleet is whole", |lb| lb.names().len() == 5);
}

#[test]
fn a_drained_replica_is_named_and_skipped() {
    let lb = Balancer::start(&["--workers", "2"]);
    let mut asker = Asker::new(&lb);
    let home = asker.explain("k")["chosen"]["replica"].as_str().unwrap().to_owned();
    let drain = crate::support::admin::post(&lb, &format!("/api/replicas/{home}/drain"));
    assert_eq!(drain.0, 200, "{}", drain.1);
    let explained = asker.explain("k");
    assert_eq!(
        (&explained["walk"][0]["replica"], &explained["walk"][0]["skip"]),
        (&json!(home), &json!("draining"))
    );
    assert_eq!(explained["chosen"]["replica"], lb.owner("k"));
    assert_eq!(explained["chosen"]["seat"], explained["walk"][1]["seat"]);
    assert_eq!(explained["workers"], json!({ "asked": 2, "agreeing": 2 }));
}

#[test]
fn other_policies_are_named_and_have_no_choice() {
    let origins = [Origin::replying(OK), Origin::replying(OK)];
    let lb = Origin::balanced(&[&origins[0], &origins[1]], &["--policy", "round-robin"]);
    assert_eq!(send(&lb, "GET", b"").status(), 200);
    let explained = Asker::new(&lb).explain("k");
    assert_eq!((&explained["policy"], &explained["chosen"]), (&json!("round-robin"), &Value::Null));
    assert_eq!(explained["walk"].as_array().unwrap().len(), 2, "of the retries");
}
