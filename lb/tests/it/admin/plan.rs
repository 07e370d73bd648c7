//! Plans: a change moves exactly the keys that its plan names, and a plan changes nothing.

use serde_json::{Value, json};

use crate::support::admin::Asker;
use crate::support::admin::put;
use crate::support::{Balancer, call};

const KEYS: usize = 5_000;

fn post(lb: &Balancer, path: &str, body: &Value) -> (u16, Value) {
    let answer = call(lb.admin, "POST", path, &[("X-LB-Admin", "1")], body.to_string().as_bytes());
    (answer.status, answer.json())
}

fn planned(lb: &Balancer, path: &str, body: Value) -> Value {
    let (status, plan) = post(lb, path, &body);
    assert_eq!(status, 200, "{plan}");
    plan
}

fn keys() -> Vec<String> {
    (0..KEYS).map(|n| format!("key {n}")).collect()
}

/// The seat of each key, from /api/explain.
fn seats(lb: &Balancer) -> Vec<Value> {
    let mut asker = Asker::new(lb);
    let explain = |key: String| {
        let explained = asker.explain(&key);
        assert_eq!(explained["key"], key);
        explained["chosen"]["seat"].clone()
    };
    keys().into_iter().map(explain).collect()
}

/// Makes a change, and asserts that it does what its plan says.
fn assert_plan_holds(lb: &Balancer, plan: &Value, change: impl FnOnce()) {
    let fates = plan["keys"].as_array().unwrap();
    let side = |name| fates.iter().map(|fate| fate[name].clone()).collect::<Vec<_>>();
    let before = lb.state();
    assert_eq!(plan["epoch"], before["epoch"]);
    assert_eq!(side("from"), seats(lb));
    change();
    let after = lb.state();
    assert_eq!(side("to"), seats(lb));
    assert_eq!(plan["digest"], after["digest"]);
    let figures = |seats: &Value| -> Vec<Value> {
        let seats = seats.as_array().unwrap().iter();
        seats.map(|seat| json!([seat["seat"], seat["weight"], seat["slots"]])).collect()
    };
    assert_eq!(figures(&plan["seats"]), figures(&after["seats"]));
    let moved: u64 = plan["moves"].as_array().unwrap().iter().map(|one| one["slots"].as_u64().unwrap()).sum();
    assert!(moved > 0);
    assert_eq!(plan["slots_moved"], moved);
    let slots = after["layout"]["slots"].as_u64().unwrap() as f64;
    assert_eq!(plan["moved_percent"], moved as f64 * 100.0 / slots);
}

fn owners(lb: &Balancer) -> Value {
    let ring = call(lb.admin, "GET", "/api/ring", &[], b"").json();
    let state = lb.state();
    assert_eq!((&ring["epoch"], &ring["digest"]), (&state["epoch"], &state["digest"]));
    let runs = ring["owners"].as_array().unwrap();
    let slots = |seat: &Value| -> u64 {
        let mine = runs.iter().filter(|run| run[0] == *seat);
        mine.map(|run| run[1].as_u64().unwrap()).sum()
    };
    for seat in state["seats"].as_array().unwrap() {
        assert_eq!(seat["slots"], slots(&seat["seat"]));
    }
    let all: u64 = runs.iter().map(|run| run[1].as_u64().unwrap()).sum();
    assert_eq!((&ring["slots"], &state["layout"]["slots"]), (&json!(all), &json!(all)));
    ring["owners"].clone()
}

#[test]
fn the_owners_of_a_plan_are_the_owners_after_the_change() {
    let lb = Balancer::start(&[]);
    let before = owners(&lb);
    assert!(planned(&lb, "/api/plan", json!({ "add": 1 })).get("owners").is_none());
    let plan = planned(&lb, "/api/plan", json!({ "add": 1, "owners": true }));
    assert_ne!(plan["owners"], before);
    assert_eq!(lb.control("POST", "/add", r#"{"n":1}"#).0, 200);
    assert_eq!(owners(&lb), plan["owners"]);
    let all = json!({ "n": 4, "dry_run": true, "owners": true });
    assert_eq!(planned(&lb, "/api/remove", all)["owners"], json!([[null, 512]]));
    assert_eq!(lb.control("POST", "/rm", r#"{"n":4}"#).0, 200);
    assert_eq!(owners(&lb), json!([[null, 512]]));
    let wrong = post(&lb, "/api/plan", &json!({ "add": 1, "owners": 1 }));
    assert_eq!((wrong.0, &wrong.1["message"]), (400, &json!("<Error> 'owners' is not a boolean")));
}

#[test]
fn a_change_moves_exactly_the_keys_of_its_plan() {
    let lb = Balancer::start(&[]);
    let untouched = lb.state();
    let plan = planned(&lb, "/api/plan", json!({ "add": 2, "keys": keys() }));
    let dry = json!({ "n": 2, "hostnames": ["S5"], "dry_run": true, "keys": keys() });
    assert_eq!(planned(&lb, "/api/add", dry), plan);
    assert_eq!(plan["ideal_percent"], 40.0);
    assert_eq!(lb.state(), untouched);
    assert_plan_holds(&lb, &plan, || {
        let added = lb.control("POST", "/add", r#"{"n":2,"hostnames":["S4","S5"]}"#);
        assert_eq!(added.0, 200, "{}", added.1);
    });

    let untouched = lb.state();
    let plan = planned(&lb, "/api/plan", json!({ "remove": ["server2"], "keys": keys() }));
    let dry = json!({ "n": 1, "hostnames": ["server2"], "dry_run": true, "keys": keys() });
    assert_eq!(planned(&lb, "/api/remove", dry), plan);
    assert_eq!((&plan["ideal_percent"], lb.state()), (&json!(20.0), untouched));
    assert_plan_holds(&lb, &plan, || {
        let removed = post(&lb, "/api/remove", &json!({ "n": 1, "hostnames": ["server2"] }));
        assert_eq!(removed.0, 200, "{}", removed.1);
    });

    // Seat 2 is free again: the plan of an /add uses it first.
    let plan = planned(&lb, "/api/plan", json!({ "add": 1, "keys": keys() }));
    assert_plan_holds(&lb, &plan, || {
        let added = post(&lb, "/api/add", &json!({ "n": 1, "hostnames": ["S6"] }));
        let names = ["server1", "S6", "server3", "S4", "S5"];
        let listed = json!({ "message": { "N": 5, "replicas": names }, "status": "successful" });
        assert_eq!(added, (200, listed));
    });
}

#[test]
fn a_change_of_weights_moves_exactly_the_keys_of_its_plan_in_every_layout() {
    for layout in ["ring", "rendezvous", "maglev"] {
        let lb = Balancer::start(&["--layout", layout]);
        let untouched = lb.state();
        let plan = planned(&lb, "/api/plan", json!({ "weights": { "2": 250 }, "keys": keys() }));
        let dry = json!({ "weight": 250, "dry_run": true, "keys": keys() });
        assert_eq!(put(&lb, "/api/seats/2/weight", &dry.to_string()), (200, plan.clone()));
        assert_eq!(lb.state(), untouched);
        assert_plan_holds(&lb, &plan, || {
            let (status, weighed) = put(&lb, "/api/seats/2/weight", r#"{"weight":250}"#);
            assert_eq!(status, 200, "{weighed}");
            let message = &weighed["message"];
            let lasts = "until the process ends";
            let expected = json!({
                "seat": 2, "weight": 250, "epoch": plan["epoch"].as_u64().unwrap() + 1,
                "slots_moved": plan["slots_moved"], "digest": plan["digest"], "lasts": lasts,
            });
            assert_eq!(*message, expected);
        });
        let several = json!({ "weights": { "1": 50, "2": 100, "3": 10 }, "keys": keys() });
        let plan = planned(&lb, "/api/plan", several);
        let seats: Vec<_> =
            plan["seats"].as_array().unwrap().iter().map(|seat| seat["weight"].clone()).collect();
        assert_eq!(seats, [50, 100, 10]);
        for (seat, weight) in [(1, 50), (3, 10), (2, 100)] {
            let body = format!(r#"{{"weight":{weight}}}"#);
            assert_eq!(put(&lb, &format!("/api/seats/{seat}/weight"), &body).0, 200);
        }
        assert_eq!(lb.state()["digest"], plan["digest"], "the order does not matter");
    }
}

#[test]
fn the_last_seats_can_be_removed_and_added() {
    let lb = Balancer::start(&["--replicas", "1", "--layout", "maglev"]);
    let plan = planned(&lb, "/api/remove", json!({ "n": 9, "dry_run": true }));
    assert_eq!(plan["moves"], json!([{ "from": 1, "to": null, "slots": 65_537 }]));
    assert_eq!(plan["peak_to_average"], json!({ "before": 1.0, "after": null }));
    assert_eq!(plan["seats"], json!([]));
    let empty = json!({ "message": { "N": 0, "replicas": [] }, "status": "successful" });
    assert_eq!(post(&lb, "/api/remove", &json!({ "n": 9, "dry_run": false })), (200, empty));
    let plan = planned(&lb, "/api/plan", json!({ "add": 1 }));
    assert_eq!(plan["moves"], json!([{ "from": null, "to": 1, "slots": 65_537 }]));
    assert_eq!(plan.get("keys"), None);
}

#[test]
fn bad_calls_are_refused_with_the_messages_of_add_and_rm_and_change_nothing() {
    let lb = Balancer::start(&["--max-replicas", "4", "--max-control-body", "1KiB"]);
    let untouched = lb.state();
    let refused = |path: &str, body: &str| {
        let answer = call(lb.admin, "POST", path, &[("X-LB-Admin", "1")], body.as_bytes());
        let json = answer.json();
        assert_eq!(json["status"], "failure", "{path} {body}");
        (answer.status, json["message"].as_str().unwrap().strip_prefix("<Error> ").unwrap().to_owned())
    };
    let plan = |body: &str| refused("/api/plan", body);
    let either = r#"give one of 'add', 'remove' and 'weights': {"add":2}, {"remove":["server2"]} or {"weights":{"1":200}}"#;
    let both = [r#"{"add":1,"remove":["server1"]}"#, r#"{"add":1,"weights":{"1":1}}"#];
    for body in ["{}", both[0], both[1], r#"{"add":null}"#] {
        assert_eq!(plan(body), (400, either.to_owned()));
    }
    let not_a_name = "is not allowed: 1 to 63 of letters, digits, space, '_', '.' and '-', starting with a letter or a \
        digit, without '.leaving.', and not 'lb.record.' with a number";
    for (body, words) in [
        (r#"{"add":0}"#, "'add' is not an integer of 1 or more"),
        (r#"{"add":"2"}"#, "'add' is not an integer of 1 or more"),
        (r#"{"add":2}"#, "n is 2: at most 1 more replicas are allowed (--max-replicas 4)"),
        (r#"{"remove":"server1"}"#, "'remove' is not a sequence"),
        (r#"{"remove":[1]}"#, "'remove[0]' is not a string"),
        (r#"{"remove":["a","../x"]}"#, &format!("'remove[1]': Hostname '../x' {not_a_name}")),
        (r#"{"remove":[]}"#, "'remove' is empty: name at least one replica"),
        (r#"{"remove":["server9"]}"#, "Hostname 'server9' is not a managed replica"),
        (r#"{"remove":["server1","server1"]}"#, "Duplicate hostname 'server1'"),
        (r#"{"add":1,"keys":"a"}"#, "'keys' is not a sequence"),
        (r#"{"weights":{}}"#, "'weights' is empty: name at least one seat"),
        (r#"{"weights":[200]}"#, "'weights' is not a map"),
        (r#"{"weights":{"1":0}}"#, "'weights.1' is not an integer from 1 to 1000"),
        (r#"{"weights":{"1":1001}}"#, "'weights.1' is not an integer from 1 to 1000"),
        (r#"{"weights":{"0":100}}"#, "'weights.0': Seat '0' is not an integer of 1 or more"),
        (r#"{"add":1,"keys":["a",2]}"#, "'keys[1]' is not a string"),
    ] {
        assert_eq!(plan(body), (400, words.to_owned()));
    }
    assert_eq!(refused("/api/plan", r#"{"weights":{"1":1,"9":1}}"#), (404, "There is no seat 9".to_owned()));
    assert!(plan("add=2").1.starts_with("The body is not a JSON object like {"));
    assert!(plan(r#"{"add":2"#).1.starts_with("The body is not JSON: "));
    assert_eq!(plan(&" ".repeat(2000)).0, 413);

    // Whatever /add and /rm refuse is refused here with the same message, also as a dry run.
    for (traffic, admin, fields) in [
        ("/add", "/api/add", r#""n":5"#),
        ("/add", "/api/add", r#""n":1,"hostnames":["a","b"]"#),
        ("/add", "/api/add", r#""n":1,"hostnames":["server1"]"#),
        ("/add", "/api/add", r#""n":1,"hostnames":["../x"]"#),
        ("/rm", "/api/remove", r#""n":1,"hostnames":["a","b"]"#),
        ("/rm", "/api/remove", r#""n":1,"hostnames":["a"]"#),
        ("/rm", "/api/remove", r#""n":0"#),
    ] {
        let (status, words) = lb.control("POST", traffic, &format!("{{{fields}}}"));
        assert_eq!(status, 400);
        let words = words["message"].as_str().unwrap().strip_prefix("<Error> ").unwrap().to_owned();
        assert_eq!(refused(admin, &format!("{{{fields}}}")), (400, words.clone()));
        assert_eq!(refused(admin, &format!(r#"{{{fields},"dry_run":true}}"#)), (400, words));
    }
    let not_bool = "'dry_run' is not a boolean".to_owned();
    assert_eq!(refused("/api/remove", r#"{"n":1,"dry_run":"yes"}"#), (400, not_bool));
    assert_eq!(
        refused("/api/remove", r#"{"n":1,"owners":1}"#),
        (400, "'owners' is not a boolean".to_owned())
    );
    let (add, remove) = ("`n`, `hostnames`, `dry_run`", "`n`, `hostnames`, `seats`, `dry_run`");
    // A misspelt member must not turn a dry run into a change.
    for (path, members) in [("/api/add", add), ("/api/remove", remove)] {
        let (status, words) = refused(path, r#"{"n":1,"dry-run":true}"#);
        let expected = format!("'dry-run' is not one of {members}, `keys`, `owners`");
        assert_eq!((status, words), (400, expected));
    }
    assert_eq!(call(lb.admin, "GET", "/api/add", &[], b"").status, 405);
    assert_eq!(lb.state(), untouched);
}

#[test]
fn external_servers_have_no_plan() {
    let lb = Balancer::launch(&["--runtime", "static", "--upstream", "127.0.0.1:1"]);
    let (status, words) = lb.control("POST", "/add", r#"{"n":1}"#);
    assert_eq!((status, words), post(&lb, "/api/plan", &json!({ "add": 1 })));
    assert_eq!(status, 400);
}
