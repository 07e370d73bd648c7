//! /api/events: every transition in order; a stream can be resumed after a disconnect.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::admin::{post, put};
use crate::support::{Balancer, STATE_TIMEOUT, call, signal_pid};

struct Follower {
    status: u16,
    reader: BufReader<TcpStream>,
}

#[derive(Clone, Debug, PartialEq)]
struct Event {
    id: Option<u64>,
    name: String,
    data: Value,
}

impl Follower {
    fn new(admin: SocketAddr, last: Option<&str>) -> Self {
        let mut connection = TcpStream::connect(admin).unwrap();
        connection.set_read_timeout(Some(STATE_TIMEOUT)).unwrap();
        let last = last.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        write!(connection, "GET /api/events HTTP/1.1\r\nHost: localhost\r\n{last}\r\n").unwrap();
        let mut follower = Self { status: 0, reader: BufReader::new(connection) };
        let head: Vec<String> = std::iter::from_fn(|| follower.line().filter(|l| !l.is_empty())).collect();
        follower.status = head[0].split(' ').nth(1).unwrap().parse().unwrap();
        if follower.status == 200 {
            assert!(head.iter().any(|field| field == "content-type: text/event-stream"), "{head:?}");
        }
        follower
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.reader.read_line(&mut line).expect("a line in time");
        (read > 0).then(|| line.trim_end().to_owned())
    }

    /// The next event; `None`: the stream has ended.
    fn next(&mut self) -> Option<Event> {
        let mut event = Event { id: None, name: String::new(), data: Value::Null };
        loop {
            let line = self.line()?;
            match line.split_once(": ") {
                Some(("id", id)) => event.id = Some(id.parse().unwrap()),
                Some(("event", name)) => event.name = name.to_owned(),
                Some(("data", data)) => event.data = serde_json::from_str(data).unwrap(),
                _ if line.starts_with(':') => {}
                _ if line.is_empty() && !event.name.is_empty() => return Some(event),
                // Each event is one chunk, so chunk sizes are between the lines.
                _ => assert!(line.is_empty() || u64::from_str_radix(&line, 16).is_ok(), "{line}"),
            }
            if line == "0" {
                return None;
            }
        }
    }

    /// All events up to the first with this name and data.
    fn until(&mut self, name: &str, data: &[(&str, Value)]) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let event = self.next().unwrap_or_else(|| panic!("the end after {events:#?}"));
            events.push(event.clone());
            if event.name == name && data.iter().all(|(field, value)| event.data[*field] == *value) {
                return events;
            }
        }
    }
}

/// Name, seat, old and new state of the events about seats, or about the phases of one replica.
fn transitions(events: &[Event], replica: Option<&str>) -> Vec<Value> {
    let mine = events.iter().filter(|event| match replica {
        Some(_) => event.name == "phase" && event.data["replica"].as_str() == replica,
        None => event.name != "phase",
    });
    mine.map(|event| json!([event.name, event.data["seat"], event.data["was"], event.data["now"]])).collect()
}

#[test]
fn every_transition_is_sent_once_in_order_and_again_on_resume() {
    let lb = Balancer::start(&[]);
    let mut follower = Follower::new(lb.admin, None);
    let state = follower.next().unwrap();
    let start = state.id.unwrap();
    assert_eq!((state.name.as_str(), &state.data["seats"]), ("state", &lb.state()["seats"]));

    signal_pid(lb.pid_of("server2"), Signal::KILL);
    let mut events = follower.until("phase", &[("seat", json!(2)), ("now", json!("ready"))]);
    let died = transitions(&events, Some("server2"));
    assert_eq!(died[0], json!(["phase", 2, "ready", "dead"]));
    let healed = [json!(["vacate", 2, "occupied", "vacant"]), json!(["occupy", 2, "vacant", "occupied"])];
    assert_eq!(transitions(&events, None), healed);
    let successor = events.last().unwrap().data["replica"].as_str().unwrap().to_owned();
    let born = [json!(["phase", 2, null, "starting"]), json!(["phase", 2, "starting", "ready"])];
    assert_eq!(transitions(&events, Some(&successor)), born);

    assert_eq!(lb.control("POST", "/add", r#"{"n":1,"hostnames":["S4"]}"#).0, 200);
    assert_eq!(lb.control("DELETE", "/rm", r#"{"n":1,"hostnames":["S4"]}"#).0, 200);
    events.extend(follower.until("phase", &[("replica", json!("S4")), ("now", Value::Null)]));
    let seats = [json!(["join", 4, null, "occupied"]), json!(["leave", 4, null, null])];
    assert_eq!(transitions(&events, None)[2..], seats);
    let phases = ["starting", "ready", "leaving", "draining", "stopping"].map(|phase| json!(phase));
    let way: Vec<Value> = transitions(&events, Some("S4")).into_iter().map(|one| one[2].clone()).collect();
    assert_eq!((&way[0], &way[1..]), (&Value::Null, &phases[..]));

    let ids: Vec<u64> = events.iter().map(|event| event.id.unwrap()).collect();
    assert_eq!(ids, (start + 1..=start + events.len() as u64).collect::<Vec<_>>());
    let epochs: Vec<u64> = events.iter().map(|event| event.data["epoch"].as_u64().unwrap()).collect();
    assert!(epochs.is_sorted(), "{epochs:?}");
    assert_eq!(lb.state()["epoch"], *epochs.last().unwrap());
    for event in &events {
        assert_eq!((&event.data["id"], &event.data["name"]), (&json!(event.id), &json!(event.name)));
        let time = event.data["time"].as_str().unwrap();
        assert!(time.ends_with('Z') && time.len() == "2026-11-21T18:00:00.000Z".len(), "{time}");
    }

    drop(follower);
    let mut again = Follower::new(lb.admin, Some(&(start + 3).to_string()));
    let missed: Vec<Event> = (3..events.len()).map(|_| again.next().unwrap()).collect();
    assert_eq!(missed, events[3..]);
}

#[test]
fn manual_operations_are_events() {
    let lb = Balancer::start(&["--replicas", "2"]);
    let mut follower = Follower::new(lb.admin, None);
    follower.next().unwrap();
    let calls = ["/api/replicas/server2/drain", "/api/replicas/server2/undrain", "/api/rolling-replace"];
    assert_eq!(post(&lb, calls[0]).0, 200);
    let drained = follower.until("phase", &[("now", json!("draining"))]);
    let steps = |events: &[Event]| -> Vec<Value> {
        let step =
            |event: &Event| json!([event.name, event.data["seat"], event.data["was"], event.data["now"]]);
        events.iter().map(step).collect()
    };
    let expected = [
        json!(["phase", 2, "ready", "leaving"]),
        json!(["drain", 2, "occupied", "vacant"]),
        json!(["phase", 2, "leaving", "draining"]),
    ];
    assert_eq!(steps(&drained), expected);
    assert!(drained.iter().all(|event| event.data["replica"] == "server2"), "{drained:?}");
    assert_eq!(post(&lb, calls[1]).0, 200);
    let back = follower.until("phase", &[("now", json!("ready"))]);
    let expected = [
        json!(["phase", 2, "draining", "starting"]),
        json!(["occupy", 2, "vacant", "occupied"]),
        json!(["phase", 2, "starting", "ready"]),
    ];
    assert_eq!(steps(&back), expected);

    assert_eq!(put(&lb, "/api/seats/1/weight", r#"{"weight":200}"#).0, 200);
    let weighed = follower.until("weigh", &[("seat", json!(1))]);
    assert_eq!(weighed.last().unwrap().data["why"], "weight=200 was=100");
    assert_eq!(weighed.last().unwrap().data["epoch"], lb.state()["epoch"]);

    assert_eq!(post(&lb, calls[2]).0, 202);
    let rolled = follower.until("rolling", &[("now", json!("done"))]);
    let rolling = rolled.iter().filter(|event| event.name == "rolling");
    let rolling: Vec<Value> =
        rolling.map(|event| json!([event.data["now"], event.data["done"], event.data["total"]])).collect();
    assert_eq!(rolling, [json!(["running", 0, 2]), json!(["running", 1, 2]), json!(["done", 2, 2])]);
    assert!(weighed[0].data.get("done").is_none(), "only these have a progress");

    let document = call(lb.admin, "GET", "/api/openapi.json", &[], b"").json();
    let described = &document["components"]["schemas"]["Happened"]["properties"];
    for event in [&drained, &back, &weighed, &rolled].into_iter().flatten() {
        let members = event.data.as_object().unwrap();
        let unknown: Vec<_> = members.keys().filter(|member| described.get(member).is_none()).collect();
        assert_eq!(unknown, Vec::<&String>::new(), "not in the OpenAPI document");
    }
}

#[test]
fn an_unknown_event_id_causes_a_reset() {
    let mut lb = Balancer::start(&["--replicas", "1"]);
    for unknown in ["1", "18446744073709551615", "none", "-3"] {
        let mut follower = Follower::new(lb.admin, Some(unknown));
        assert_eq!(follower.next().unwrap().name, "reset");
        let state = follower.next().unwrap();
        assert_eq!((state.name.as_str(), &state.data["target"]), ("state", &json!(1)));
        let mut resumed = Follower::new(lb.admin, Some(&state.id.unwrap().to_string()));
        assert_eq!(lb.control("POST", "/add", r#"{"n":1,"hostnames":["S2"]}"#).0, 200);
        let first = follower.next().unwrap();
        assert_eq!(resumed.next().unwrap(), first);
        assert_eq!((first.id, first.data["was"].clone()), (Some(state.id.unwrap() + 1), Value::Null));
        assert_eq!(lb.control("DELETE", "/rm", r#"{"n":1,"hostnames":["S2"]}"#).0, 200);
        follower.until("phase", &[("replica", json!("S2")), ("now", Value::Null)]);
    }
    let mut follower = Follower::new(lb.admin, None);
    lb.signal(Signal::TERM);
    assert_eq!(lb.ended().code(), Some(0), "a reader does not hold up the end");
    while follower.reader.read_line(&mut String::new()).is_ok_and(|read| read > 0) {}
}

#[test]
fn at_most_64_readers_are_allowed_at_a_time() {
    let lb = Balancer::start(&["--replicas", "1"]);
    let readers: Vec<_> = (0..64).map(|_| Follower::new(lb.admin, None)).collect();
    assert!(readers.iter().all(|reader| reader.status == 200));
    assert_eq!(Follower::new(lb.admin, None).status, 503);
    assert_eq!(lb.state()["events"], json!({ "subscribers": 64, "dropped": 0 }));
    drop(readers);
    lb.until("closed subscriptions are removed", |lb| lb.state()["events"]["subscribers"] == 0);
    assert_eq!(Follower::new(lb.admin, None).status, 200);
}

#[test]
fn the_history_has_the_events_before_a_subscription() {
    let lb = Balancer::start(&[]);
    let history = |query: &str| call(lb.admin, "GET", &format!("/api/history{query}"), &[], b"");
    let mut follower = Follower::new(lb.admin, None);
    follower.next();
    assert_eq!(lb.control("POST", "/add", r#"{"n":1,"hostnames":["S5"]}"#).0, 200);
    let transitions = follower.until("phase", &[("replica", json!("S5")), ("now", json!("ready"))]);
    let transitions: Vec<Value> = transitions.into_iter().map(|event| event.data).collect();
    let latest = history(&format!("?limit={}", transitions.len())).json();
    assert_eq!(latest, json!({ "events": transitions }));
    let all = history("").json();
    assert_eq!(all["events"][0]["now"], "starting");
    assert!(all["events"].as_array().unwrap().ends_with(&transitions));
    assert_eq!(history("?limit=0").json(), json!({ "events": [] }));
    for wrong in ["-1", "x", "1.5", "1025", "99999999999999999999"] {
        let answer = history(&format!("?limit={wrong}"));
        assert_eq!(answer.status, 400);
        assert_eq!(answer.json()["message"], "<Error> 'limit' must be a whole number from 0 to 1024");
    }
}
