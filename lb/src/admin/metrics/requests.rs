//! Metrics of requests: totals, which never decrease, and series for each replica, which end with the replica.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use super::actor::Totals;
use crate::fleet::View;
use crate::ring::SeatId;
use crate::stats::counters::{METHODS, Measured, STATUSES, StatusCounts};

use super::exposition::{Exposition, Family, Labels};

/// Powers of two in µs: bounds from 128 µs to 34 s.
const BUCKETS: RangeInclusive<u32> = 7..=25;

pub fn expose(exposition: &mut Exposition, totals: &Totals, fleet: &View) {
    all(exposition, totals);
    by_replica(exposition, totals, fleet);
    routing(exposition, totals);
}

fn all(exposition: &mut Exposition, totals: &Totals) {
    let help =
        "Requests that have ended, by method and status class; none: the client left before the reply.";
    let mut requests = exposition.counters("lb_requests_total", help);
    for (method, replies) in METHODS.iter().zip(&totals.counters.requests) {
        for (status, count) in STATUSES.iter().zip(replies.0) {
            requests.count(&[("method", method), ("status", status)], count);
        }
    }
    let help = "Time from the head of a request to the last byte of its reply, without tunnels.";
    let mut durations = exposition.histograms("lb_request_duration_seconds", help);
    durations.observe(&[], &totals.counters.durations, BUCKETS);
    let in_flight = totals.counters.in_flight as f64;
    exposition.gauge(
        "lb_requests_in_flight",
        "Requests sent to a replica that have not ended, including retries.",
        in_flight,
    );
}

fn by_replica(exposition: &mut Exposition, totals: &Totals, fleet: &View) {
    let live_replicas = live_replicas(totals, fleet);
    let named = |name: &mut dyn FnMut(Labels<'_>, &Measured)| {
        for measured in live_replicas.values() {
            let seat = measured.replica.seat.to_string();
            name(&[("seat", seat.as_str()), ("replica", measured.replica.name.as_str())], measured);
        }
    };
    let help = "Requests that have ended, by the replica that answered; empty: no replica answered.";
    let mut requests = exposition.counters("lb_replica_requests_total", help);
    count_replies(&mut requests, &[("seat", ""), ("replica", "")], &totals.counters.own);
    named(&mut |labels, measured| count_replies(&mut requests, labels, &measured.counters.replies));
    let mut attempts = exposition
        .counters("lb_replica_attempts_total", "Requests sent to a replica, including retries and probes.");
    named(&mut |labels, measured| attempts.count(labels, measured.counters.attempts));
    let mut failures = exposition
        .counters("lb_replica_failures_total", "Attempts and replies that failed because of the replica.");
    named(&mut |labels, measured| failures.count(labels, measured.counters.failures));
    let help = "Time from sending a request to the head of the replica's reply.";
    let mut durations = exposition.histograms("lb_replica_head_duration_seconds", help);
    named(&mut |labels, measured| durations.observe(labels, &measured.counters.durations, BUCKETS));
    let mut in_flight = exposition
        .gauges("lb_replica_in_flight", "Requests sent to this replica whose reply is not complete.");
    named(&mut |labels, measured| in_flight.set(labels, measured.in_flight as f64));
}

/// By seat, its last replica, if that is alive: on the ring, drained or leaving. It is matched by incarnation: a router
/// may still report the previous replica of the seat, which can have the same name.
fn live_replicas<'a>(totals: &'a Totals, fleet: &View) -> BTreeMap<SeatId, &'a Measured> {
    let seated = fleet.seats.iter().filter_map(|seat| seat.replica.as_ref());
    let live = seated.chain(&fleet.others).map(|member| member.incarnation).collect::<BTreeSet<_>>();
    let live_replicas =
        totals.replicas.values().filter(|measured| live.contains(&measured.replica.incarnation));
    live_replicas.map(|measured| (measured.replica.seat, measured)).collect()
}

fn routing(exposition: &mut Exposition, totals: &Totals) {
    let routing = &totals.routing;
    exposition.counter("lb_retries_total", "Attempts beyond the first of a request.", routing.retries);
    let help = "Attempts that the retry budget did not allow.";
    exposition.counter("lb_retry_budget_exhausted_total", help, routing.budget_exhausted);
    let help = "Requests that skipped a replica because of its bounded load.";
    exposition.counter("lb_spills_total", help, routing.spills);
    exposition.counter("lb_ejections_total", "Replicas ejected by a router.", routing.ejections);
    exposition.counter("lb_readmissions_total", "Replicas readmitted by a router.", routing.readmissions);
    let help = "Failed requests that were not retried although retries were left: a replica was lost while serving \
                them, and a further attempt failed too.";
    exposition.counter("lb_requests_not_repeated_total", help, routing.not_repeated);
    exposition.counter(
        "lb_stalls_total",
        "Stalls: a replica went silent while others answered.",
        routing.stalls,
    );
    let help = "Requests that wait for a reply of the ring to a slot lookup.";
    let mut lookups = exposition.gauges("lb_router_lookups_waiting", help);
    let routers: Vec<_> = totals.queues.iter().map(|(id, queues)| (id.0.to_string(), queues)).collect();
    routers.iter().for_each(|(id, queues)| lookups.set(&[("router", id)], queues.lookups as f64));
    let help =
        "Response time of a router to the poll of this scrape, a sample of its mailbox delay; at most 1 s.";
    let mut delays = exposition.gauges("lb_router_answer_seconds", help);
    for (id, queues) in &routers {
        delays.set(&[("router", id)], queues.answer_after.as_secs_f64());
    }
}

fn count_replies(family: &mut Family<'_>, labels: Labels<'_>, replies: &StatusCounts) {
    for (status, count) in STATUSES.iter().zip(replies.0) {
        family.count(&[labels, &[("status", status)]].concat(), count);
    }
}
