//! Manual operations on the fleet: drain and undrain, replace, rolling replacement, weights.

use std::thread;

use serde_json::{Value, json};

use crate::support::admin::{post, put, send};
use crate::support::load::Load;
use crate::support::test_replica;
use crate::support::wire::Wire;
use crate::support::{Balancer, call, runs, until};

#[track_caller]
fn good((status, answer): (u16, Value)) -> Value {
    assert_eq!((status, &answer["status"]), (200, &json!("successful")), "{answer}");
    answer["message"].clone()
}

#[track_caller]
fn refused((status, answer): (u16, Value)) -> (u16, String) {
    assert_eq!(answer["status"], "failure", "{status} {answer}");
    (status, answer["message"].as_str().unwrap().strip_prefix("<Error> ").unwrap().to_owned())
}

fn keys() -> Vec<String> {
    (0..200).map(|n| format!("key-{n}")).collect()
}

fn owners(lb: &Balancer) -> Vec<String> {
    keys().iter().map(|key| lb.owner(key)).collect()
}

fn rolling(lb: &Balancer) -> Value {
    lb.state()["rolling"].clone()
}

#[test]
fn a_drained_replica_stays_alive_without_requests_and_gets_its_keys_back() {
    let lb = Balancer::start(&[]);
    let (before, digest, pid) = (owners(&lb), lb.state()["digest"].clone(), lb.pid_of("server2"));
    let message = good(post(&lb, "/api/replicas/server2/drain"));
    let names = json!(["server1", "server3"]);
    let lasts = "until the process ends";
    let expected = json!({ "N": 2, "replicas": names, "seat": 2, "replica": "server2", "lasts": lasts });
    assert_eq!(message, expected);
    assert_eq!(lb.names(), ["server1", "server3"]);
    let state = lb.state();
    assert_eq!((&state["digest"], &state["target"]), (&digest, &json!(3)));
    assert_eq!(state["seats"][1]["replica"], Value::Null);
    let other = &state["others"][0];
    assert_eq!((&other["name"], &other["seat"]), (&json!("server2"), &json!(2)));
    assert_eq!((&other["phase"], &other["drained"]), (&json!("draining"), &json!(true)));
    for (was, is) in before.iter().zip(owners(&lb)) {
        assert!(was == &is || was == "server2" && is != "server2", "{was} {is}");
    }
    assert!(before.contains(&"server2".to_owned()));

    let message = good(post(&lb, "/api/replicas/server2/undrain"));
    let names = json!(["server1", "server2", "server3"]);
    assert_eq!(message, json!({ "N": 3, "replicas": names, "seat": 2, "replica": "server2" }));
    assert_eq!((owners(&lb), lb.pid_of("server2")), (before, pid));
    assert_eq!(lb.state()["others"], json!([]));
}

#[test]
fn a_drain_lets_requests_in_flight_finish() {
    let lb = Balancer::start(&["--replicas", "2", "--replica-command", &test_replica::command()]);
    let name = lb.owner("k");
    let mut client = Wire::connect(lb.traffic);
    client.send("GET /slow?4000 HTTP/1.1\r\nHost: test\r\nX-Request-Id: k\r\n\r\n");
    let in_flight = |lb: &Balancer| {
        let others = lb.state()["others"].as_array().unwrap().clone();
        let mut replicas = lb.replicas().into_iter().chain(others);
        replicas.find(|replica| replica["name"] == name.as_str()).unwrap()["in_flight"].clone()
    };
    lb.until("the request is in flight", |lb| in_flight(lb) == 1);
    good(post(&lb, &format!("/api/replicas/{name}/drain")));
    assert_eq!(in_flight(&lb), 1);
    assert_ne!(lb.owner("k"), name);
    let reply = client.reply().unwrap();
    assert!(reply.status() == 200 && reply.text().contains(&name), "{reply:?}");
    lb.until("the replica is idle", |lb| in_flight(lb) == 0);
    // An undrain with a request in flight leaves no trace of the drain.
    for what in ["undrain", "drain", "undrain"] {
        client.send("GET /slow?300 HTTP/1.1\r\nHost: test\r\nX-Request-Id: k\r\n\r\n");
        good(post(&lb, &format!("/api/replicas/{name}/{what}")));
        assert_eq!(client.reply().unwrap().status(), 200);
    }
    assert_eq!(lb.owner("k"), name);
}

#[test]
fn with_all_replicas_drained_requests_get_503_and_rm_removes_drained_ones() {
    let lb = Balancer::start(&["--replicas", "1"]);
    let pid = lb.pid_of("server1");
    good(post(&lb, "/api/replicas/server1/drain"));
    assert_eq!((lb.get("/home").status, call(lb.admin, "GET", "/readyz", &[], b"").status), (503, 503));
    assert!(runs(pid));
    assert_eq!(lb.control("DELETE", "/rm", r#"{"n":1,"hostnames":["server1"]}"#).0, 200);
    until("its process ends", || !runs(pid));
    assert_eq!(lb.state()["seats"], json!([]));
}

#[test]
fn bad_calls_are_refused_and_change_nothing() {
    let lb = Balancer::start(&["--replicas", "2"]);
    good(post(&lb, "/api/replicas/server2/drain"));
    let untouched = lb.state();
    for (path, status, words) in [
        ("/api/replicas/absent/drain", 404, "There is no replica 'absent'"),
        ("/api/replicas/absent/undrain", 404, "There is no replica 'absent'"),
        ("/api/replicas/absent/replace", 404, "There is no replica 'absent'"),
        ("/api/replicas/server2/drain", 409, "Replica 'server2' is drained already"),
        ("/api/replicas/server1/undrain", 409, "Replica 'server1' is not drained"),
    ] {
        assert_eq!(refused(post(&lb, path)), (status, words.to_owned()));
    }
    assert_eq!(refused(post(&lb, "/api/replicas/a%2Fb/drain")).0, 400, "an invalid name");
    assert_eq!(refused(post(&lb, "/api/replicas/server1/kill")).0, 404);
    assert_eq!(call(lb.admin, "GET", "/api/replicas/server1/drain", &[], b"").status, 405);
    assert_eq!(lb.state(), untouched);

    let range = "'weight' is not an integer from 1 to 1000";
    let missing = "The body is not like {\"weight\":200}, 1 to 1000 where 100 is the usual share: missing field `weight`";
    for (body, words) in [
        (r#"{"weight":0}"#, range),
        (r#"{"weight":-1}"#, range),
        (r#"{"weight":1001}"#, range),
        (r#"{"weight":1.5}"#, range),
        (r#"{"weight":"100"}"#, range),
        (r#"{"weight":99999999999999999999}"#, range),
        ("{}", missing),
        (r#"{"weight":null}"#, range),
        (r#"{"weight":200,"dry_run":1}"#, "'dry_run' is not a boolean"),
    ] {
        assert_eq!(refused(put(&lb, "/api/seats/1/weight", body)), (400, words.to_owned()));
    }
    assert_eq!(refused(put(&lb, "/api/seats/1/weight", "x")).0, 400);
    for seat in ["0", "-1", "x", "1.5", "01", "+1", "99999999999"] {
        let (status, words) = refused(put(&lb, &format!("/api/seats/{seat}/weight"), r#"{"weight":1}"#));
        assert_eq!((status, words), (400, format!("Seat '{seat}' is not an integer of 1 or more")));
    }
    for body in [r#"{"weight":200}"#, r#"{"weight":200,"dry_run":true}"#] {
        let unknown = (404, "There is no seat 7".to_owned());
        assert_eq!(refused(put(&lb, "/api/seats/7/weight", body)), unknown);
    }
    assert_eq!(lb.state(), untouched);
}

#[test]
fn weights_and_adds_that_do_not_fit_the_layout_are_refused() {
    let args = ["--replicas", "2", "--slots", "64", "--virtual-nodes", "16", "--max-replicas", "4"];
    let lb = Balancer::start(&args);
    let untouched = lb.state();
    let full = "2 seats with 66 virtual nodes together do not fit 64 slots";
    let (status, words) = refused(put(&lb, "/api/seats/1/weight", r#"{"weight":313}"#));
    assert_eq!((status, words.as_str()), (400, full));
    assert_eq!(lb.state(), untouched);
    assert_eq!(good(put(&lb, "/api/seats/1/weight", r#"{"weight":200}"#))["weight"], 200);
    let (status, answer) = lb.control("POST", "/add", r#"{"n":2}"#);
    assert_eq!(status, 400, "{answer}");
    assert!(answer["message"].as_str().unwrap().ends_with("do not fit 64 slots"), "{answer}");
    assert_eq!(lb.control("POST", "/add", r#"{"n":1}"#).0, 200);
}

#[test]
fn a_replacement_takes_over_the_seat_and_no_request_fails() {
    let lb = Balancer::start(&[]);
    let (digest, pid) = (lb.state()["digest"].clone(), lb.pid_of("server2"));
    let load = Load::start(lb.traffic, 4);
    let message = good(post(&lb, "/api/replicas/server2/replace"));
    let successor = message["replica"].as_str().unwrap().to_owned();
    let names = json!(["server1", successor, "server3"]);
    let expected =
        json!({ "N": 3, "replicas": names, "seat": 2, "replica": successor, "replaced": "server2" });
    assert_eq!(message, expected);
    until("the old one ends", || !runs(pid));
    let (answered, failed) = load.finish();
    assert!(answered > 0 && failed.is_empty(), "{failed:?}");
    assert_eq!(lb.state()["digest"], digest);
    // A drained replica can be replaced too.
    good(post(&lb, "/api/replicas/server1/drain"));
    let message = good(post(&lb, "/api/replicas/server1/replace"));
    assert_eq!(
        (&message["seat"], &message["N"], &message["replaced"]),
        (&json!(1), &json!(3), &json!("server1"))
    );
    lb.until("no replaced replica is left", |lb| lb.state()["others"] == json!([]));
}

#[test]
fn a_rolling_replacement_replaces_all_and_no_request_fails() {
    let lb = Balancer::start(&["--replicas", "4"]);
    let pids: Vec<i32> = lb.names().iter().map(|name| lb.pid_of(name)).collect();
    let load = Load::start(lb.traffic, 4);
    let begun = post(&lb, "/api/rolling-replace");
    assert_eq!(begun, (202, json!({ "message": { "total": 4 }, "status": "successful" })));
    let mut fewest = 4;
    lb.until("all replicas are replaced", |lb| {
        fewest = fewest.min(lb.names().len());
        rolling(lb).is_null()
    });
    assert_eq!(fewest, 4, "a replacement is ready before the old replica leaves");
    until("the old ones end", || pids.iter().all(|pid| !runs(*pid)));
    let (answered, failed) = load.finish();
    assert!(answered > 0 && failed.is_empty(), "{failed:?}");
    assert!(lb.names().iter().all(|name| !name.starts_with("server")), "{:?}", lb.names());
}

#[test]
fn a_rolling_replacement_stops_at_the_first_failure_and_only_one_runs_at_a_time() {
    let only_the_first = format!(
        "sh -c 'case \"$SERVER_ID\" in server*) exec {} replica;; *) exec sleep 3600;; esac'",
        env!("CARGO_BIN_EXE_lb")
    );
    let args = ["--replicas", "2", "--start-timeout", "3s", "--replica-command", &only_the_first];
    let mut lb = Balancer::start(&args);
    let to = lb.admin;
    let replace = thread::spawn(move || send(to, "POST", "/api/replicas/server2/replace", ""));
    lb.wait_for("replica launched name=");
    lb.until("the new replica starts", |lb| lb.state()["others"] != json!([]));
    let being = (409, "Replica 'server2' is being replaced".to_owned());
    assert_eq!(refused(post(&lb, "/api/replicas/server2/replace")), being);
    assert_eq!(refused(post(&lb, "/api/replicas/server2/drain")), being);
    let (status, words) = refused(replace.join().unwrap());
    assert!(status == 503 && words.contains("did not get ready: not ready within 3s"), "{status} {words}");

    assert_eq!(post(&lb, "/api/rolling-replace").0, 202);
    let second = refused(post(&lb, "/api/rolling-replace"));
    assert_eq!(second, (409, "A rolling replacement is under way: 0 of 2 are done".to_owned()));
    assert_eq!(rolling(&lb), json!({ "done": 0, "total": 2 }));
    lb.wait_for("rolling replacement stopped done=0 of=2 ");
    assert_eq!((lb.names(), rolling(&lb)), (vec!["server1".into(), "server2".into()], Value::Null));
}

#[test]
fn external_servers_can_be_drained_and_weighted_but_not_replaced() {
    let origins = [
        crate::support::origin::Origin::replying(crate::support::origin::OK),
        crate::support::origin::Origin::replying(crate::support::origin::OK),
    ];
    let upstreams = format!("a={},b={}", origins[0].address, origins[1].address);
    let lb = Balancer::launch(&["--runtime", "static", "--heartbeat-path", "off", "--upstream", &upstreams]);
    lb.until("both servers serve", |lb| lb.names() == ["a", "b"]);
    for path in ["/api/replicas/a/replace", "/api/rolling-replace"] {
        let words = "The replicas are external servers (--runtime static): they cannot be replaced";
        assert_eq!(refused(post(&lb, path)), (400, words.to_owned()));
    }
    good(post(&lb, "/api/replicas/a/drain"));
    assert_eq!(lb.names(), ["b"]);
    good(post(&lb, "/api/replicas/a/undrain"));
    assert_eq!(lb.names(), ["a", "b"]);
    let message = good(put(&lb, "/api/seats/2/weight", r#"{"weight":300}"#));
    let state = lb.state();
    assert_eq!((&message["epoch"], &message["digest"]), (&state["epoch"], &state["digest"]));
    assert!(message["slots_moved"].as_u64().unwrap() > 50, "{message}");
    assert_eq!(state["seats"][1]["weight"], 300);
}
