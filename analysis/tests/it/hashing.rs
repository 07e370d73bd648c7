//! End-to-end tests of `analysis hashing`.

use std::io::Write;

use serde_json::Value;

use super::program::{Run, analysis};

/// A temporary file with these lines.
fn file(lines: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(lines.as_bytes()).unwrap();
    file
}

fn experiment(run: &Run) -> Value {
    assert_eq!(run.code, Some(0), "{}", run.errors);
    let report: Value = serde_json::from_str(&run.printed).unwrap();
    report["experiments"][0].clone()
}

fn row<'a>(experiment: &'a Value, table: &str, name: &str) -> &'a Value {
    let rows = experiment["tables"][table].as_array().unwrap();
    let first = |row: &Value| row.as_object().unwrap().values().any(|value| value == name);
    rows.iter().find(|row| first(row)).unwrap_or_else(|| panic!("{name} in {table}: {rows:?}"))
}

#[test]
fn random_ids_are_measured_on_every_scheme_without_a_balancer() {
    let run = analysis(&["hashing", "--seat-sets", "4", "--requests", "2000", "--json"]);
    let found = experiment(&run);
    assert!(!run.errors.contains("started"), "{}", run.errors);
    assert_eq!(found["tables"]["hashing"].as_array().unwrap().len(), 17);
    assert_eq!(row(&found, "hashing", "polynomial")["reached"], 87);
    let given = row(&found, "hashing_why", "as given");
    assert_eq!((&given["server 1 (%)"], &given["longest run"]), (&Value::from(83.6), &Value::from(408)));
    assert_eq!(row(&found, "hashing", "rendezvous")["needless (%)"], 0.0);
    assert!(found["facts"]["peak_to_average"].as_f64().unwrap() < 1.3, "{}", found["facts"]);
    assert_eq!(found["facts"]["slots_reached"], 1.0);
    for chart in ["balance", "trade", "why", "rings", "virtual_nodes"] {
        assert!(run.file(&format!("hashing_{chart}.svg")).ends_with("</svg>\n"), "{chart}");
        assert!(run.files().contains(&format!("hashing_{chart}.png")), "{chart}");
    }
}

#[test]
fn hot_keys_of_a_request_log_are_reported() {
    let line = |id: &str| {
        format!("192.0.2.1 - - [10/Oct/2026:13:55:36 +0000] \"GET /home?id={id} HTTP/1.1\" 200 5\n")
    };
    let many: String = (0..200).map(|n| line(&format!("user-{n}"))).collect();
    let log = file(&(many + &line("bot").repeat(200) + "not a request\n"));
    let path = log.path().to_str().unwrap();
    let flags = ["--seats", "4", "--seat-sets", "2", "--json"];
    let found = experiment(&analysis(
        &[&["hashing", "--keys", path, "--field", "query:id"][..], &flags[..]].concat(),
    ));
    let bot = row(&found, "hashing_hot_keys", "bot");
    assert_eq!(
        (&bot["requests"], &bot["share (%)"], &bot["hot"]),
        (&Value::from(200), &Value::from(50.0), &Value::from("yes"))
    );
    assert_eq!(found["facts"]["keys_least_peak_to_average"], 2.0);
    assert_eq!(found["facts"]["keys_hot"], 1.0);
    let maglev = row(&found, "hashing_keys", "maglev");
    assert!(
        maglev["requests"].as_f64() > Some(2.0) && maglev["without hot"].as_f64() < Some(1.5),
        "{maglev}"
    );
    assert!(
        found["text"][0].as_str().unwrap().contains("1 of 401 lines have no key"),
        "{}",
        found["text"][0]
    );
}

#[test]
fn a_live_run_measures_the_polynomials() {
    let gate = ["--assert", "failed=0", "--assert", "hashing-live-distribution.peak_to_average>2"];
    let args = ["hashing", "--seat-sets", "1", "--requests", "300", "--live", "polynomial", "--json"];
    let run = analysis(&[&args[..], &gate].concat());
    experiment(&run);
    let report: Value = serde_json::from_str(&run.printed).unwrap();
    let live = &report["experiments"][1];
    assert!(live["title"].as_str().unwrap().starts_with("A-4 live, polynomial: A-1"), "{}", live["title"]);
    let share = row(live, "distribution", "server1")["share (%)"].as_f64().unwrap();
    assert!((75.0..92.0).contains(&share), "expected 83.6, four standard deviations are 8.5: {share}");
}

#[test]
fn an_unreadable_key_file_is_a_one_line_error_and_nothing_is_written() {
    let (empty, keys) = (file(" \n\n"), file("a\nb\n"));
    let (empty, keys) = (empty.path().to_str().unwrap(), keys.path().to_str().unwrap());
    for (flags, code, expected) in [
        (vec!["--keys", empty], 1, "is empty"),
        (vec!["--keys", "/nowhere/keys"], 1, "--keys: cannot read /nowhere/keys: No such file"),
        (vec!["--keys", keys, "--field", "2"], 1, "--field: not one of the 2 lines"),
        (vec!["--keys", keys, "--field", "0"], 64, "the number of a column from 1"),
        (vec!["--field", "2"], 64, "--field needs --keys"),
        (vec!["--live", "sha1"], 64, "unknown hash pair 'sha1'"),
        (vec!["--seats", "3"], 64, "--seats needs --keys"),
        (vec!["--keys", keys, "--seats", "56"], 64, "--seats"),
    ] {
        let run = analysis(&[vec!["hashing"], flags.clone()].concat());
        assert_eq!(run.code, Some(code), "{flags:?} {}", run.errors);
        assert!(
            run.errors.contains(expected) && run.errors.trim_end().lines().count() == 1,
            "{}",
            run.errors
        );
        assert_eq!(run.files(), Vec::<String>::new());
    }
}
