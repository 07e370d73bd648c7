//! Every row and rule of the contract, on real sockets with real replicas.

use std::io::{Read, Write};

use serde_json::json;

use crate::support::{Balancer, STATE_TIMEOUT, answer, call, raw};

fn listed(names: &[&str]) -> serde_json::Value {
    json!({ "message": { "N": names.len(), "replicas": names }, "status": "successful" })
}

fn failure(message: &str) -> serde_json::Value {
    json!({ "message": format!("<Error> {message}"), "status": "failure" })
}

#[test]
fn a_new_fleet_fulfils_the_contract() {
    let lb = Balancer::start(&[]);

    let rep = lb.get("/rep");
    assert_eq!((rep.status, rep.header("content-type")), (200, vec!["application/json"]));
    assert_eq!(rep.json(), listed(&["server1", "server2", "server3"]));

    let home = lb.get("/home");
    assert_eq!((home.status, home.header("content-type")), (200, vec!["application/json"]));
    let message = home.json()["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("Hello from Server: server"), "{message}");
    assert_eq!(home.json()["status"], "successful");

    let heartbeat = lb.get("/heartbeat");
    assert_eq!((heartbeat.status, heartbeat.body.len()), (200, 0));
    let head = lb.call("HEAD", "/heartbeat", &[], b"");
    assert_eq!((head.status, head.header("via").len()), (200, 0), "answered by the balancer");
    let head = lb.call("HEAD", "/rep", &[], b"");
    assert_eq!((head.status, head.header("content-length")), (200, rep.header("content-length")));

    for (method, path) in
        [("GET", "/other"), ("POST", "/rep"), ("GET", "/add"), ("PUT", "/rm"), ("GET", "/"), ("GET", "/rep/")]
            .into_iter()
            .chain([("POST", "/heartbeat")])
    {
        let other = lb.call(method, path, &[], b"");
        assert_eq!(other.status, 400, "{method} {path}");
        assert_eq!(other.json(), failure(&format!("'{path}' endpoint does not exist in server replicas")));
    }
    let odd = lb.get("/a%20b?x=1");
    assert_eq!(odd.json(), failure("'/a%20b' endpoint does not exist in server replicas"));

    let head = lb.call("HEAD", "/home", &[], b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), home.header("content-length"));
}

#[test]
fn the_same_key_goes_to_the_same_replica_from_every_source() {
    let lb = Balancer::start(&[]);
    for key in ["7", "alice", "100000"] {
        let owner = lb.owner(key);
        let explained = call(lb.admin, "GET", &format!("/api/explain?key={key}"), &[], b"").json();
        assert_eq!(explained["chosen"]["replica"], owner);
        assert_eq!(explained["walk"][0]["replica"], owner);
        assert_eq!(explained["walk"].as_array().unwrap().len(), 3);
        assert_eq!(explained["source"], "given");
        for query in ["request_id", "rid", "id"] {
            let answer = lb.get(&format!("/home?{query}={key}"));
            assert_eq!(answer.json()["message"], format!("Hello from Server: {owner}"));
        }
    }
    let owners: std::collections::BTreeSet<String> = (0..200).map(|key| lb.owner(&key.to_string())).collect();
    assert_eq!(owners.len(), 3);
}

#[test]
fn add_and_rm_change_the_fleet() {
    let lb = Balancer::start(&[]);
    let digest = lb.state()["digest"].clone();

    let (status, body) = lb.control("POST", "/add", r#"{"n":2,"hostnames":["S5","S 4"]}"#);
    assert_eq!((status, body), (200, listed(&["server1", "server2", "server3", "S5", "S 4"])));

    let (status, body) = lb.control("POST", "/add", r#"{"n":1}"#);
    assert_eq!(status, 200);
    let random = body["message"]["replicas"][5].as_str().unwrap().to_owned();
    assert!(random.len() == 7 && random.starts_with(|c: char| c.is_ascii_lowercase()), "{random}");

    let named = format!(r#"{{"n":2,"hostnames":["S5","{random}"]}}"#);
    let (status, body) = lb.control("DELETE", "/rm", &named);
    assert_eq!((status, body), (200, listed(&["server1", "server2", "server3", "S 4"])));

    let (status, body) = lb.control("POST", "/rm", r#"{"n":1,"hostnames":["S 4"]}"#);
    assert_eq!((status, body), (200, listed(&["server1", "server2", "server3"])));
    assert_eq!(lb.state()["digest"], digest, "the map depends on the seats only");

    let (status, body) = lb.control("DELETE", "/rm", r#"{"n":1}"#);
    assert_eq!((status, body["message"]["N"].clone()), (200, json!(2)));
    assert_eq!(lb.state()["target"], 2);

    // The name is free again, and the smallest free seat is used.
    let (status, _) = lb.control("POST", "/add", r#"{"n":1,"hostnames":["S5"]}"#);
    assert_eq!(status, 200);
    assert_eq!(lb.names().len(), 3);
}

#[test]
fn every_bad_call_is_400_and_changes_nothing() {
    let lb = Balancer::start(&["--replicas", "2", "--max-replicas", "4"]);
    let longer_add = "Length of hostname list is more than newly added instances";
    let longer_rm = "Length of hostname list is more than removable instances";
    let exact = [
        ("POST", "/add", r#"{"n":1,"hostnames":["a","b"]}"#, longer_add),
        ("POST", "/add", r#"{"n":1,"hostnames":["../a","b/c"]}"#, longer_add),
        ("DELETE", "/rm", r#"{"n":1,"hostnames":["server1","server2"]}"#, longer_rm),
        ("POST", "/rm", r#"{"n":1,"hostnames":["x","y"]}"#, longer_rm),
        ("POST", "/add", r#"{"n":2,"hostnames":["a","a"]}"#, "Duplicate hostname 'a'"),
        ("POST", "/add", r#"{"n":2,"hostnames":["a b","a_b"]}"#, "Duplicate hostname 'a_b'"),
        ("POST", "/add", r#"{"n":1,"hostnames":["server2"]}"#, "Hostname 'server2' already exists"),
        ("DELETE", "/rm", r#"{"n":2,"hostnames":["server1","server1"]}"#, "Duplicate hostname 'server1'"),
        (
            "DELETE",
            "/rm",
            r#"{"n":2,"hostnames":["server1","absent"]}"#,
            "Hostname 'absent' is not a managed replica",
        ),
    ];
    for (method, path, body, message) in exact {
        assert_eq!(lb.control(method, path, body), (400, failure(message)), "{method} {path} {body}");
    }
    for body in [
        "",
        "{",
        "[]",
        "nonsense",
        r#"{}"#,
        r#"{"n":0}"#,
        r#"{"n":-1}"#,
        r#"{"n":1.5}"#,
        r#"{"n":"1"}"#,
        r#"{"n":null}"#,
        r#"{"n":1,"hostnames":"a"}"#,
        r#"{"n":1,"hostnames":[7]}"#,
        r#"{"n":1,"hostnames":["a/b"]}"#,
        r#"{"n":1,"hostnames":[".."]}"#,
        r#"{"n":1,"hostnames":[""]}"#,
        r#"{"n":1,"hostnames":["a.leaving.1"]}"#,
        r#"{"n":3}"#,
    ] {
        let (status, answer) = lb.control("POST", "/add", body);
        assert_eq!(status, 400, "{body}");
        assert!(answer["message"].as_str().unwrap().starts_with("<Error> "), "{answer}");
        assert_eq!(answer["status"], "failure");
    }
    let (status, answer) = lb.control("POST", "/add", r#"{"n":3}"#);
    assert_eq!(status, 400);
    assert!(answer["message"].as_str().unwrap().contains("--max-replicas 4"), "{answer}");

    let huge = format!(r#"{{"n":1,"hostnames":["{}"]}}"#, "x".repeat(10_000_000));
    let (status, answer) = lb.control("POST", "/add", &huge);
    assert_eq!((status, answer["status"].clone()), (413, json!("failure")));

    assert_eq!(lb.names(), ["server1", "server2"]);
    assert_eq!(lb.state()["others"], json!([]));
}

#[test]
fn rm_of_too_many_removes_all_unless_strict() {
    let lb = Balancer::start(&["--replicas", "2"]);
    assert_eq!(lb.control("DELETE", "/rm", r#"{"n":99}"#), (200, listed(&[])));
    let gone = lb.get("/home");
    assert_eq!((gone.status, gone.header("retry-after").len()), (503, 1));
    assert!(gone.json()["message"].as_str().unwrap().starts_with("<Error> "), "{gone:?}");
    assert_eq!(call(lb.admin, "GET", "/readyz", &[], b"").status, 503);
    assert_eq!(lb.control("POST", "/add", r#"{"n":1,"hostnames":["S1"]}"#), (200, listed(&["S1"])));
    assert_eq!(lb.get("/home").status, 200);

    let strict = Balancer::start(&["--replicas", "2", "--strict-rm"]);
    let (status, body) = strict.control("DELETE", "/rm", r#"{"n":3}"#);
    assert_eq!((status, body), (400, failure("Cannot remove more instances than are present")));
    assert_eq!(strict.names().len(), 2);
}

#[test]
fn control_off_forwards_the_paths_to_the_replicas() {
    let lb = Balancer::start(&["--replicas", "1", "--control", "off"]);
    for (method, path) in [("GET", "/rep"), ("POST", "/add"), ("DELETE", "/rm")] {
        let body: &[u8] = if method == "GET" { b"" } else { br#"{"n":1}"# };
        let answer = lb.call(method, path, &[], body);
        assert_eq!(answer.json(), failure(&format!("'{path}' endpoint does not exist in server replicas")));
    }
    for method in ["GET", "HEAD"] {
        let heartbeat = lb.call(method, "/heartbeat", &[], b"");
        assert_eq!((heartbeat.status, heartbeat.header("via")), (200, vec!["1.1 lb"]), "{method}");
    }
    assert_eq!(lb.call("HEAD", "/rep", &[], b"").header("via"), ["1.1 lb"]);
}

#[test]
fn the_heartbeat_of_the_balancer_follows_its_readiness() {
    let lb = Balancer::start(&["--replicas", "1"]);
    let heartbeat = |method| {
        let answer = lb.call(method, "/heartbeat", &[], b"");
        (answer.status, answer.body.len())
    };
    assert_eq!((heartbeat("GET"), heartbeat("HEAD")), ((200, 0), (200, 0)));
    assert_eq!(lb.control("DELETE", "/rm", r#"{"n":1}"#).0, 200);
    assert_eq!((heartbeat("GET"), heartbeat("HEAD")), ((503, 0), (503, 0)));
    assert_eq!(lb.control("POST", "/add", r#"{"n":1}"#).0, 200);
    assert_eq!((heartbeat("GET"), heartbeat("HEAD")), ((200, 0), (200, 0)));
}

#[test]
fn http_1_0_clients_are_served() {
    let lb = Balancer::start(&["--replicas", "1"]);
    let closed = raw(lb.traffic, b"GET /home HTTP/1.0\r\n\r\n");
    let closed = answer(&closed, false);
    assert_eq!((closed.status, closed.header("transfer-encoding").len()), (200, 0));

    let mut kept = std::net::TcpStream::connect(lb.traffic).unwrap();
    kept.set_read_timeout(Some(STATE_TIMEOUT)).unwrap();
    for _ in 0..2 {
        kept.write_all(b"GET /home HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").unwrap();
        let mut reply = vec![0; 4096];
        let mut length = 0;
        while !reply[..length].ends_with(b"}") {
            let read = kept.read(&mut reply[length..]).unwrap();
            assert_ne!(read, 0, "closed after {}", String::from_utf8_lossy(&reply[..length]));
            length += read;
        }
        let reply = answer(&reply[..length], false);
        assert_eq!((reply.status, reply.header("connection")), (200, vec!["keep-alive"]), "{reply:?}");
    }
}

#[test]
fn the_listener_answers_before_any_replica_is_ready() {
    let lb = Balancer::launch(&["--replica-command", "sleep 1000", "--start-timeout", "30s"]);
    assert_eq!(lb.get("/rep").json(), listed(&[]));
    let heartbeat = lb.get("/heartbeat");
    assert_eq!((heartbeat.status, heartbeat.body.len()), (503, 0));
    let early = lb.get("/home");
    assert_eq!((early.status, early.header("retry-after").len()), (503, 1));
    assert_eq!(call(lb.admin, "GET", "/livez", &[], b"").status, 200);
    assert_eq!(call(lb.admin, "GET", "/readyz", &[], b"").status, 503);
}

#[test]
fn the_admin_listener_shows_the_state() {
    let lb = Balancer::start(&["--preset", "assignment"]);
    let state = lb.state();
    assert_eq!(
        state["layout"],
        json!({"name":"ring","slots":512,"virtual_nodes":9,"hash":"polynomial","probing":"linear","slot_cap":null})
    );
    assert_eq!((state["cluster"].clone(), state["target"].clone()), (json!("default"), json!(3)));
    let seat = &state["seats"][1];
    assert_eq!((seat["seat"].clone(), seat["weight"].clone()), (json!(2), json!(100)));
    let replica = &seat["replica"];
    assert_eq!((replica["name"].clone(), replica["phase"].clone()), (json!("server2"), json!("ready")));
    assert_eq!(replica["in_flight"], 0);
    let slots: u64 =
        state["seats"].as_array().unwrap().iter().map(|seat| seat["slots"].as_u64().unwrap()).sum();
    assert_eq!(slots, 512);

    let explained = call(lb.admin, "GET", "/api/explain?key=132574", &[], b"").json();
    assert_eq!(
        (explained["number"].clone(), explained["slot"].clone()),
        (json!("17576130641"), json!(17576130641u64 % 512))
    );
    assert_eq!(call(lb.admin, "GET", "/api/explain", &[], b"").status, 400);
    let ambiguous = call(lb.admin, "GET", "/api/explain?key=%41&key=b", &[], b"");
    assert_eq!(ambiguous.json()["key"], "A", "the key is found like that of a request");
    let nothing = call(lb.admin, "GET", "/nothing", &[], b"");
    assert_eq!((nothing.status, nothing.json()), (404, failure("There is no GET /nothing")));
    assert_eq!(call(lb.admin, "HEAD", "/livez", &[], b"").status, 200);
}
