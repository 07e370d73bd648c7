//! Hostile requests in great numbers: the balancer lives on, and no replica sees one that can be read in two ways.

use std::sync::atomic::{AtomicUsize, Ordering};

use http_desync_guardian::RequestSafetyTier;
use http_desync_guardian::request_analyzer::HttpRequestData;

use crate::balancer::Balancer;
use crate::origin::{OK, Origin};
use crate::wire::{Message, Wire};

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

/// One worker that waits for no slow client.
const HASTY: [&str; 6] =
    ["--workers", "1", "--client-head-timeout", "300ms", "--client-idle-timeout", "300ms"];

/// The balancer's memory in kB.
fn memory(lb: &Balancer) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", lb.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// That a request which reached a replica is what the balancers of AWS let through without a doubt.
fn is_safe(request: &Message) {
    let head = format!("{}\r\n\r\n", request.head);
    let judged = HttpRequestData::analyze_raw_request(head.as_bytes());
    let safe = matches!(judged.tier, RequestSafetyTier::Compliant | RequestSafetyTier::Acceptable);
    assert!(safe, "{:?} {:?} {:?}: {head:?}", judged.tier, judged.reason, judged.message);
}

fn is_alive(lb: &Balancer) {
    let mut client = Wire::connect(lb.traffic);
    client.say(GET);
    assert_eq!(client.reply().unwrap().status(), 200);
}

/// `LB_TEST_CORPUS` names a file of payloads, one `{"src","id","latin1"}` a line.
#[test]
fn what_reaches_a_replica_can_be_read_in_one_way_only() {
    let corpus = std::env::var("LB_TEST_CORPUS").map(|path| std::fs::read_to_string(path).unwrap());
    let corpus = corpus.unwrap_or_else(|_| include_str!("hostile.jsonl").to_owned());
    let payloads: Vec<Vec<u8>> = corpus
        .lines()
        .map(|line| {
            let payload: serde_json::Value = serde_json::from_str(line).unwrap();
            payload["latin1"].as_str().unwrap().chars().map(|byte| u8::try_from(byte).unwrap()).collect()
        })
        .collect();
    let origin = Origin::saying(OK);
    let lb = Origin::balanced(&[&origin], &HASTY);
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                while let Some(payload) = payloads.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut client = Wire::connect(lb.traffic);
                    client.say(payload);
                    let replied = client.rest();
                    assert!(
                        replied.as_ref().is_ok_and(|reply| reply.is_empty() || reply.starts_with(b"HTTP/1.")),
                        "{replied:?} to {:?}",
                        String::from_utf8_lossy(payload)
                    );
                }
            });
        }
    });
    is_alive(&lb);
    let seen = origin.seen();
    eprintln!("{} payloads, {} requests reached the replica", payloads.len(), seen.len());
    assert!(!seen.is_empty());
    seen.iter().for_each(is_safe);
    lb.until("nothing is in flight", |lb| lb.replicas()[0]["in_flight"] == 0);
}

/// `LB_TEST_MUTATIONS=200000` for the whole run.
#[test]
fn mutated_requests_harm_nobody() {
    let n: usize = std::env::var("LB_TEST_MUTATIONS").map_or(2_000, |n| n.parse().unwrap());
    let origin = Origin::saying(OK);
    let lb = Origin::balanced(&[&origin], &HASTY);
    let good = [
        "GET /a?b=c HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\nCookie: a=b\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
        "PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        "HEAD http://h/ HTTP/1.0\r\nHost: h\r\nConnection: close\r\n\r\n",
    ];
    let mut rng = fastrand::Rng::with_seed(6);
    let mutated = |rng: &mut fastrand::Rng| {
        let mut bytes: Vec<u8> = (0..rng.usize(1..3)).flat_map(|_| good[rng.usize(..5)].bytes()).collect();
        for _ in 0..rng.usize(0..6) {
            let at = rng.usize(..bytes.len());
            match rng.u8(..5) {
                0 => bytes[at] = rng.u8(..),
                1 if bytes.len() > 1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, b"\r\n :\0\t,;0f"[rng.usize(..10)]),
                3 => bytes.splice(at..at, good[rng.usize(..5)].bytes().take(rng.usize(..60))).for_each(drop),
                _ => bytes.truncate(at.max(1)),
            }
        }
        bytes
    };
    let mut warm = 0;
    for round in 0..n {
        let mut client = Wire::connect(lb.traffic);
        client.say(mutated(&mut rng));
        client.half_close();
        let _ = client.rest();
        origin.seen().iter().for_each(is_safe);
        if round == n / 10 {
            warm = memory(&lb);
        }
        if round % 500 == 0 {
            is_alive(&lb);
        }
    }
    let grown = memory(&lb).saturating_sub(warm);
    assert!(grown < 16_000, "the balancer grew by {grown} kB");
    lb.until("nothing is in flight", |lb| lb.replicas()[0]["in_flight"] == 0);
}
