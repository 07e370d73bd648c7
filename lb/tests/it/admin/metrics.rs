//! /api/traffic and /metrics: the counts equal those of the clients.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::test_replica;
use crate::support::tool::installed;
use crate::support::wire::Wire;
use crate::support::{Balancer, STATE_TIMEOUT, call, raw, signal_pid};

fn traffic(lb: &Balancer) -> Value {
    let answer = call(lb.admin, "GET", "/api/traffic", &[], b"");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[test]
fn the_traffic_of_the_last_seconds_is_returned() {
    let lb = Balancer::start(&["--workers", "2"]);
    let idle = traffic(&lb);
    assert_eq!((&idle["p50_ms"], &idle["peak_to_average"]), (&Value::Null, &Value::Null), "{idle}");
    for key in 0..60 {
        lb.owner(&format!("key{key}"));
    }
    lb.until("all requests are in the traffic", |lb| {
        let traffic = traffic(lb);
        let replicas = traffic["replicas"].as_array().unwrap();
        let sum = |field: &str| replicas.iter().map(|one| one[field].as_f64().unwrap_or(0.0)).sum::<f64>();
        replicas.len() == 3
            && (sum("load_share") - 1.0).abs() < 1e-9
            && (sum("key_share") - 1.0).abs() < 1e-9
            && (sum("requests_per_second") * traffic["seconds"].as_f64().unwrap()).round() >= 55.0
            && traffic["requests_per_second"].as_f64().unwrap() > 0.0
            && traffic["p50_ms"].as_f64().is_some_and(|ms| ms > 0.0)
            && traffic["p99_ms"].as_f64() >= traffic["p50_ms"].as_f64()
            && traffic["peak_to_average"].as_f64().is_some_and(|peak| peak >= 1.0)
            && replicas.iter().zip(1..).all(|(one, seat)| one["seat"] == seat && one["p50_ms"].is_f64())
            && traffic["in_flight"] == 0
    });
}

#[test]
fn the_traffic_is_an_event_each_second_if_requested() {
    let lb = Balancer::start(&["--replicas", "1"]);
    assert_eq!(call(lb.admin, "GET", "/api/events?traffic=yes", &[], b"").status, 400);
    let mut connection = TcpStream::connect(lb.admin).unwrap();
    connection.set_read_timeout(Some(STATE_TIMEOUT)).unwrap();
    write!(connection, "GET /api/events?traffic=1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let lines = BufReader::new(connection).lines().map(Result::unwrap);
    let mut events = Vec::new();
    let mut name = String::new();
    for line in lines {
        assert!(!line.starts_with("id: ") || events.is_empty(), "an event of traffic has no id: {line}");
        if let Some(event) = line.strip_prefix("event: ") {
            name = event.to_owned();
        }
        if let (Some(data), "traffic") = (line.strip_prefix("data: "), name.as_str()) {
            events.push(serde_json::from_str::<Value>(data).unwrap());
        }
        if events.len() == 3 {
            break;
        }
    }
    let seconds: Vec<u64> = events.iter().map(|traffic| traffic["seconds"].as_u64().unwrap()).collect();
    assert!(
        seconds.is_sorted() && events.iter().all(|one| one["replicas"][0]["name"] == "server1"),
        "{events:?}"
    );
}

/// Number of requests by method and class of status.
type Counts = BTreeMap<(String, String), u64>;

/// The series of /metrics with their values; the labels are part of the key, in their original form.
fn scrape(admin: SocketAddr) -> BTreeMap<String, f64> {
    let answer = call(admin, "GET", "/metrics", &[], b"");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), ["text/plain; version=0.0.4"]);
    let text = String::from_utf8(answer.body).unwrap();
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(name, n)| (name.to_owned(), n.parse().unwrap()))
        .collect()
}

fn label<'a>(series: &'a str, name: &str) -> &'a str {
    let (_, rest) = series.split_once(&format!("{name}=\"")).unwrap_or_else(|| panic!("{series}"));
    rest.split_once('"').unwrap().0
}

/// The series of `lb_requests_total` that are not 0.
fn counted(admin: SocketAddr) -> Counts {
    let series =
        scrape(admin).into_iter().filter(|(name, n)| name.starts_with("lb_requests_total{") && *n > 0.0);
    series
        .map(|(name, n)| ((label(&name, "method").to_owned(), label(&name, "status").to_owned()), n as u64))
        .collect()
}

fn class(status: u16) -> String {
    format!("{}xx", status / 100)
}

/// A client that counts its responses, on fresh connections and on a kept one.
fn count(traffic: SocketAddr, thread: usize, stop: &AtomicBool) -> Counts {
    let mut counts = Counts::new();
    let mut kept = Kept::new(traffic);
    for n in 0.. {
        if n >= 100 && stop.load(Ordering::Relaxed) {
            break;
        }
        let key = format!("{thread}-{n}");
        let key = [("X-Request-Id", key.as_str())];
        let (method, status) = match n % 7 {
            0 => ("GET", call(traffic, "GET", "/home", &key, b"").status),
            1 => ("POST", call(traffic, "POST", "/slow?3", &key, b"body").status),
            2 => ("HEAD", call(traffic, "HEAD", "/home", &key, b"").status),
            3 => ("GET", call(traffic, "GET", "/rep", &[], b"").status),
            4 => ("other", call(traffic, "PURGE", "/slow?1", &key, b"").status),
            5 => {
                let refused = String::from_utf8(raw(traffic, b"nonsense\r\n\r\n")).unwrap();
                ("other", refused.split(' ').nth(1).unwrap().parse().unwrap())
            }
            _ => ("GET", kept.get("/slow?2")),
        };
        *counts.entry((method.to_owned(), class(status))).or_default() += 1;
    }
    counts
}

struct Kept {
    traffic: SocketAddr,
    connection: Option<BufReader<TcpStream>>,
}

impl Kept {
    fn new(traffic: SocketAddr) -> Self {
        Self { traffic, connection: None }
    }

    fn get(&mut self, path: &str) -> u16 {
        let mut connection = self.connection.take().unwrap_or_else(|| {
            let connection = TcpStream::connect(self.traffic).unwrap();
            connection.set_read_timeout(Some(STATE_TIMEOUT)).unwrap();
            BufReader::new(connection)
        });
        write!(connection.get_mut(), "GET {path} HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
        let (mut head, mut length, mut last) = (Vec::new(), 0, false);
        loop {
            let mut line = String::new();
            assert!(connection.read_line(&mut line).unwrap() > 0, "{head:?}");
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            length = line.strip_prefix("content-length: ").map_or(length, |n| n.parse().unwrap());
            last |= line == "connection: close";
            head.push(line);
        }
        connection.read_exact(&mut vec![0; length]).unwrap();
        self.connection = (!last).then_some(connection);
        head[0].split(' ').nth(1).unwrap().parse().unwrap()
    }
}

#[test]
fn metrics_equal_the_counts_of_the_clients_also_after_kills_and_reloads() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let config = file.path().to_str().unwrap();
    let lb = Balancer::start(&[
        "--workers",
        "2",
        "--replica-command",
        &test_replica::command(),
        "--config",
        config,
    ]);
    assert_eq!(counted(lb.admin), Counts::new());
    let stop = AtomicBool::new(false);
    let mut expected = Counts::new();
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|n| {
                scope.spawn({
                    let (stop, to) = (&stop, lb.traffic);
                    move || count(to, n, stop)
                })
            })
            .collect();
        let mut before = Counts::new();
        for round in 0..3 {
            let replicas = lb.replicas();
            std::fs::write(file.path(), format!("retries = {round}\n")).unwrap();
            assert_eq!(call(lb.admin, "POST", "/api/reload", &[("X-LB-Admin", "1")], b"").status, 200);
            let victim = &replicas[round];
            signal_pid(victim["id"].as_str().unwrap().parse().unwrap(), Signal::KILL);
            lb.until("the killed replica is replaced", |lb| {
                // Repeated scrapes: no counter ever decreases.
                let now = counted(lb.admin);
                assert!(before.iter().all(|(which, n)| now[which] >= *n), "{before:?} {now:?}");
                before = now;
                lb.replicas()
                    .iter()
                    .all(|replica| replica["phase"] == "ready" && replica["name"] != victim["name"])
            });
        }
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            for (which, n) in client.join().unwrap() {
                *expected.entry(which).or_default() += n;
            }
        }
    });
    assert_eq!(counted(lb.admin), expected);
    let (kinds, total) = (expected.len(), expected.values().sum::<u64>());
    assert!(kinds >= 5 && total >= 400, "{expected:?}");

    let metrics = scrape(lb.admin);
    let sum = |prefix: &str| {
        metrics.iter().filter(|(name, _)| name.starts_with(prefix)).map(|(_, n)| n).sum::<f64>()
    };
    assert_eq!(metrics["lb_request_duration_seconds_count"], total as f64);
    assert_eq!(metrics["lb_requests_in_flight"], 0.0);
    assert_eq!(metrics["lb_replica_starts_total{reason=\"died\"}"], 3.0);
    assert_eq!(metrics["lb_replica_ready_duration_seconds_count"], 6.0);
    assert_eq!((sum("lb_seat_slots"), sum("lb_replicas{")), (512.0, 3.0));
    let names: Vec<String> =
        lb.replicas().iter().map(|replica| replica["name"].as_str().unwrap().to_owned()).collect();
    for series in metrics.keys().filter(|name| name.contains("replica=")) {
        let name = label(series, "replica");
        assert!(name.is_empty() || names.iter().any(|of| of == name), "{series} is gone");
    }
    assert!(metrics.keys().all(|name| name.starts_with("lb_")));
    assert!(
        metrics["lb_process_resident_memory_bytes"] > 1e6 && metrics["lb_process_start_time_seconds"] > 1.6e9
    );
}

#[test]
fn tunnels_leaving_clients_and_an_empty_fleet_are_counted_too() {
    let lb = Balancer::start(&["--replicas", "1", "--replica-command", &test_replica::command()]);
    let mut tunnel = TcpStream::connect(lb.traffic).unwrap();
    write!(tunnel, "GET /tunnel HTTP/1.1\r\nHost: test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        .unwrap();
    tunnel.set_read_timeout(Some(STATE_TIMEOUT)).unwrap();
    tunnel.read_exact(&mut [0; 12]).unwrap();
    assert_eq!(counted(lb.admin), Counts::new(), "the request has not ended");
    drop(tunnel);
    let of = |method: &str, status: &str| (method.to_owned(), status.to_owned());
    lb.until("the tunnel is counted", |lb| counted(lb.admin) == Counts::from([(of("GET", "1xx"), 1)]));
    assert_eq!(scrape(lb.admin)["lb_request_duration_seconds_count"], 0.0, "a tunnel is not slow");

    let mut leaver = Wire::connect(lb.traffic);
    leaver.send("GET /slow?60000 HTTP/1.1\r\nHost: test\r\n\r\n");
    lb.until("the request is in flight", |lb| scrape(lb.admin)["lb_requests_in_flight"] == 1.0);
    leaver.reset();
    lb.until("the request is counted", |lb| counted(lb.admin).contains_key(&of("GET", "none")));
    assert_eq!(lb.control("DELETE", "/rm", r#"{"n":1}"#).0, 200);
    assert_eq!(lb.get("/home").status, 503);
    let expected = [("GET", "1xx"), ("GET", "none"), ("GET", "5xx"), ("DELETE", "2xx")];
    let expected = expected.map(|(method, status)| (of(method, status), 1));
    assert_eq!(counted(lb.admin), Counts::from(expected));
    let metrics = scrape(lb.admin);
    assert_eq!(metrics["lb_replica_requests_total{seat=\"\",replica=\"\",status=\"5xx\"}"], 1.0);
    lb.until("its series have left", |lb| !scrape(lb.admin).keys().any(|name| name.contains("server1")));
}

/// The metrics in the README of Grafana: name, type and labels.
fn documented() -> BTreeSet<(String, String, BTreeSet<String>)> {
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/grafana/README.md");
    let text = std::fs::read_to_string(readme).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `lb_"));
    let row = |row: &str| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let labels = cells[2].split(", ").filter(|label| !label.is_empty()).map(str::to_owned).collect();
        (format!("lb_{}", cells[0].trim_end_matches('`')), cells[1].to_owned(), labels)
    };
    rows.map(row).collect()
}

#[test]
fn the_readme_names_every_metric_with_its_type_and_labels() {
    let lb = Balancer::start(&["--replicas", "2"]);
    lb.until("the peak-to-average ratio is exposed", |lb| {
        lb.owner("key");
        scrape(lb.admin).contains_key("lb_peak_to_average_ratio")
    });
    let text = String::from_utf8(call(lb.admin, "GET", "/metrics", &[], b"").body).unwrap();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let found = types.map(|line| {
        let (name, kind) = line.split_once(' ').unwrap();
        let sample = if kind == "histogram" { format!("{name}_bucket") } else { name.to_owned() };
        let series = text.lines().filter(|line| line.split(['{', ' ']).next() == Some(&sample));
        let labels =
            series.flat_map(|series| series.split_once('{').map_or("", |(_, rest)| rest).split("\","));
        let labels = labels.filter_map(|label| Some(label.split_once('=')?.0.to_owned()));
        (name.to_owned(), kind.to_owned(), labels.filter(|label| label != "le").collect())
    });
    assert_eq!(found.collect::<BTreeSet<_>>(), documented());
}

#[test]
fn a_drained_replica_keeps_its_series_and_continues_them_after_undrain() {
    let lb = Balancer::start(&["--replicas", "2", "--workers", "2"]);
    let keys: Vec<String> = (0..200).map(|n| format!("key{n}")).collect();
    let of_first = keys.iter().filter(|key| lb.owner(key) == "server1").count() as f64;
    let steer = |what: &str| {
        let path = format!("/api/replicas/server1/{what}");
        assert_eq!(call(lb.admin, "POST", &path, &[("X-LB-Admin", "1")], b"").status, 200, "{what}");
    };
    let attempts = "lb_replica_attempts_total{seat=\"1\",replica=\"server1\"}";
    let replies = "lb_replica_requests_total{seat=\"1\",replica=\"server1\",status=\"2xx\"}";
    let counted = || {
        let metrics = scrape(lb.admin);
        (metrics[attempts], metrics[replies], metrics["lb_seats_drained"])
    };
    assert!(of_first > 10.0);
    assert_eq!(counted(), (of_first, of_first, 0.0));
    steer("drain");
    assert!(keys.iter().all(|key| lb.owner(key) == "server2"));
    assert_eq!(counted(), (of_first, of_first, 1.0));
    steer("undrain");
    lb.until("the replica serves again", |lb| lb.names().len() == 2);
    keys.iter().for_each(|key| drop(lb.owner(key)));
    assert_eq!(counted(), (2.0 * of_first, 2.0 * of_first, 0.0));
    // The series end with the replica; a successor in the seat or with the name starts at 0.
    assert_eq!(lb.control("DELETE", "/rm", r#"{"n":1,"hostnames":["server1"]}"#).0, 200);
    lb.until("its series have left", |lb| !scrape(lb.admin).contains_key(attempts));
    assert_eq!(lb.control("POST", "/add", r#"{"n":1,"hostnames":["server1"]}"#).0, 200);
    assert_eq!(scrape(lb.admin)[attempts], 0.0);
}

#[test]
fn promtool_reports_no_problems() {
    if !installed(&["promtool"]) {
        return;
    }
    let mut checker = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lb = Balancer::start(&["--replicas", "2"]);
    lb.owner("key");
    let text = call(lb.admin, "GET", "/metrics", &[], b"").body;
    checker.stdin.take().unwrap().write_all(&text).unwrap();
    let checked = checker.wait_with_output().unwrap();
    let problems =
        format!("{}{}", String::from_utf8_lossy(&checked.stdout), String::from_utf8_lossy(&checked.stderr));
    assert!(checked.status.success() && problems.is_empty(), "{problems}");
}
