//! Hot keys: the most frequent keys, their seats, and their effect on the balance.

use serde_json::{Value, json};

use crate::support::origin::{OK, Origin};
use crate::support::wire::Wire;
use crate::support::{Balancer, call, lb};

fn hot_keys(lb: &Balancer, query: &str) -> Value {
    call(lb.admin, "GET", &format!("/api/hot-keys{query}"), &[], b"").json()
}

/// Sends requests with these keys, on as many connections as there are workers, so that each worker counts some.
fn send(lb: &Balancer, keys: impl IntoIterator<Item = Option<String>>) {
    let mut clients: Vec<_> = (0..4).map(|_| Wire::connect(lb.traffic)).collect();
    for (at, key) in keys.into_iter().enumerate() {
        let client = &mut clients[at % 4];
        let field = key.map_or(String::new(), |key| format!("X-Request-Id: {key}\r\n"));
        client.send(format!("GET / HTTP/1.1\r\nHost: h\r\n{field}\r\n"));
        assert_eq!(client.reply().unwrap().status(), 200);
    }
}

#[test]
fn a_hot_key_is_listed_with_its_seat_and_its_effect_on_the_balance() {
    let origins = [Origin::replying(OK), Origin::replying(OK), Origin::replying(OK)];
    let lb = Origin::balanced(&origins.each_ref(), &["--log-key=plain", "--workers=2"]);
    assert_eq!(hot_keys(&lb, "")["keys"], json!([]));
    // One key has half of the requests; each other key occurs once, and there are more of them than counters.
    send(&lb, (0..1200).map(|n| Some(if n % 2 == 0 { "celebrity".to_owned() } else { n.to_string() })));
    send(&lb, (0..100).map(|_| None));
    let answer = hot_keys(&lb, "?limit=3");
    assert_eq!(answer["requests"], 1200, "random keys are not counted");
    let keys = answer["keys"].as_array().unwrap();
    assert!(keys.len() <= 3, "{answer}");
    let explained = lb.explain("celebrity");
    let of = |name: &str| &keys[0][name];
    assert_eq!((of("key"), of("slot")), (&json!("celebrity"), &explained["slot"]));
    assert_eq!((of("seat"), of("replica")), (&explained["chosen"]["seat"], &explained["chosen"]["replica"]));
    let (count, error) = (of("count").as_u64().unwrap(), of("error").as_u64().unwrap());
    assert!(count >= 600 && count - error <= 600, "{answer}");
    let share = of("share").as_f64().unwrap();
    assert!((0.45..=0.5).contains(&share), "{answer}");
    let imbalance = |name: &str| answer["imbalance"][name].as_f64().unwrap();
    assert!(imbalance("peak_to_average") > 1.5, "one of three has two thirds: {answer}");
    assert!(imbalance("without_hot_keys") < 1.4, "without it the load is even: {answer}");
}

#[test]
fn keys_have_the_same_form_as_in_the_access_log() {
    let origin = Origin::replying(OK);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let log = format!("--access-log=json:{}", path.display());
    let lb = Origin::balanced(&[&origin], &[&log]);
    send(&lb, (0..8).map(|_| Some("alice".to_owned())));
    let key = hot_keys(&lb, "")["keys"][0]["key"].as_str().unwrap().to_owned();
    assert_eq!(key.len(), 16);
    lb.until("the request is logged", |_| {
        std::fs::read_to_string(&path).unwrap().contains(&format!("\"key\":\"{key}\""))
    });

    let lb = Origin::balanced(&[&origin], &["--log-key=off"]);
    send(&lb, (0..8).map(|_| Some("alice".to_owned())));
    let keys = &hot_keys(&lb, "")["keys"];
    assert_eq!((&keys[0]["key"], &keys[0]["count"]), (&Value::Null, &json!(8)));
}

#[test]
fn an_invalid_limit_is_refused() {
    let origin = Origin::replying(OK);
    let lb = Origin::balanced(&[&origin], &[]);
    for bad in ["?limit=0", "?limit=-1", "?limit=257", "?limit=x", "?limit=18446744073709551616"] {
        let answer = call(lb.admin, "GET", &format!("/api/hot-keys{bad}"), &[], b"");
        let message = "<Error> 'limit' must be a whole number from 1 to 256";
        assert_eq!((answer.status, &answer.json()["message"]), (400, &json!(message)), "{bad}");
    }
}

#[test]
fn the_command_line_shows_hot_keys() {
    let origin = Origin::replying(OK);
    let balancer = Origin::balanced(&[&origin], &["--log-key=plain"]);
    send(&balancer, (0..8).map(|n| Some(if n < 5 { "alice".into() } else { "bob".into() })));
    let admin = [("LB_ADMIN", format!("http://{}", balancer.admin))];
    let env = [(admin[0].0, admin[0].1.as_str())];
    let shown = lb(&["hot-keys"], &env);
    assert_eq!(shown.status.code(), Some(0), "{}", shown.stderr);
    assert!(shown.stdout.starts_with("8 requests with a key in the last "), "{}", shown.stdout);
    let rows: Vec<Vec<&str>> = shown.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!((rows[3][0], rows[3][1], rows[4][0]), ("alice", "62.5", "bob"), "{}", shown.stdout);
    let one = lb(&["hot-keys", "--limit", "1", "--json"], &env);
    let one: Value = serde_json::from_str(&one.stdout).unwrap();
    assert_eq!(one["keys"].as_array().unwrap().len(), 1);
    assert_eq!(lb(&["hot-keys", "--limit", "0"], &env).status.code(), Some(64));
}
