//! Mutated requests against a running balancer: it keeps running, its memory does not grow, other clients are served.
//!
//! A long run: `LB_FUZZ_REQUESTS=200000`.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::support::Balancer;
use crate::support::load::Load;
use crate::support::origin::Origin;
use crate::support::validating_replica::ValidatingReplica;
use crate::support::wire::Wire;
use crate::testing::corpus;
use crate::testing::mutate::case;
use crate::testing::variable::number;

/// Default number of requests.
const REQUESTS: u64 = 3_000;
/// Number of concurrent connections.
const CLIENTS: usize = 16;
/// Allowed growth of the process after the first tenth, in kB: a leak of a few hundred bytes per request is detected.
const GROWTH: u64 = 16_000;

#[test]
fn mutated_requests_affect_no_other_client() {
    let all = number("LB_FUZZ_REQUESTS").unwrap_or(REQUESTS);
    let corpus: Vec<_> = corpus::requests().into_iter().map(|(_, request)| request).collect();
    let replica = ValidatingReplica::new();
    let lb = Origin::balanced(&[&replica.origin], &["--client-head-timeout=500ms", "--idle-timeout=500ms"]);
    let (next, load) = (AtomicU64::new(0), Load::start(lb.traffic, 2));
    let send = |until: u64| {
        std::thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| {
                    while let Ok(n) = next
                        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < until).then_some(n + 1))
                    {
                        // Without the corpus itself, which `corpus_requests` sends.
                        let request = case(&corpus, n + corpus.len() as u64);
                        let mut client = Wire::connect(lb.traffic);
                        client.send(request);
                        client.half_close();
                        let _ = client.rest();
                    }
                });
            }
        });
    };
    send(all / 10);
    let (warm, answered) = (memory(&lb), load.answered());
    send(all);
    lb.until("others are served still", |_| load.answered() > answered + 100);
    let grown = memory(&lb).saturating_sub(warm);
    assert!(grown < GROWTH, "from {warm} kB the balancer grew by {grown} kB");
    let (answered, failed) = load.finish();
    assert!(failed.is_empty(), "of {answered} ordinary requests failed: {failed:?}");
    lb.until("nothing is in flight", |lb| lb.replicas()[0]["in_flight"] == 0);
    replica.origin.until_open(0);
    let bad = replica.bad();
    assert!(bad.is_empty(), "{} of {} that reached the replica: {bad:?}", bad.len(), replica.seen());
    println!("{all} mutated and {answered} ordinary requests, {warm} kB and {grown} kB more");
}

/// The balancer's memory, in kB.
fn memory(lb: &Balancer) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", lb.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
