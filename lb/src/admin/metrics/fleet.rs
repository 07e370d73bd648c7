//! Metric families of the fleet, the ring and the event subscribers.

use std::ops::RangeInclusive;

use crate::control::journal::SubscriberCounts;
use crate::control::ring::Snapshotted;
use crate::control::supervisor::State;
use crate::fleet::{Counters, Phase};
use crate::stats::traffic::Traffic;

use super::exposition::Exposition;

/// Powers of two in µs: bounds from 4 ms to 67 s.
const BUCKETS: RangeInclusive<u32> = 12..=26;

const PHASES: [Phase; 7] = [
    Phase::Starting,
    Phase::Ready,
    Phase::Suspect,
    Phase::Dead,
    Phase::Leaving,
    Phase::Draining,
    Phase::Stopping,
];

pub fn expose(
    exposition: &mut Exposition,
    ring: &Snapshotted,
    state: &State,
    traffic: &Traffic,
    subscribers: &SubscriberCounts,
) {
    replicas(exposition, state);
    seats(exposition, ring, traffic);
    let open = subscribers.subscribers as f64;
    exposition.gauge("lb_event_subscribers", "Open subscriptions to /api/events.", open);
    let help = "Subscriptions to /api/events that were closed because the client did not read.";
    exposition.counter("lb_event_subscribers_dropped_total", help, subscribers.dropped);
}

fn replicas(exposition: &mut Exposition, state: &State) {
    exposition.gauge(
        "lb_replicas_target",
        "The number of replicas that the fleet aims at.",
        state.view.target as f64,
    );
    let cordoned = state.view.others.iter().filter(|member| member.cordoned).count();
    let help = "Seats whose replica was drained by hand; they are not refilled.";
    exposition.gauge("lb_seats_drained", help, cordoned as f64);
    let seated = state.view.seats.iter().filter_map(|seat| seat.replica.as_ref());
    let members: Vec<_> = seated.chain(&state.view.others).collect();
    let mut replicas = exposition.gauges("lb_replicas", "Replicas by phase.");
    for phase in PHASES {
        let count = members.iter().filter(|member| member.phase == phase).count();
        replicas.set(&[("phase", phase.as_str())], count as f64);
    }
    let Counters { heartbeats, starts, ready_after } = &state.counters;
    let help = "Heartbeats by result; early: failed before the replica's first good one; void: failed because the \
                balancer got no CPU time, or lacked descriptors, ports or memory.";
    let mut family = exposition.counters("lb_heartbeats_total", help);
    for (result, count) in Counters::RESULTS.iter().zip(heartbeats) {
        family.count(&[("result", result)], *count);
    }
    let mut family = exposition.counters("lb_replica_starts_total", "Replicas launched, by reason.");
    for (reason, count) in Counters::REASONS.iter().zip(starts) {
        family.count(&[("reason", reason)], *count);
    }
    let help = "Time from the launch of a replica to its first good heartbeat.";
    exposition.histograms("lb_replica_ready_duration_seconds", help).observe(&[], ready_after, BUCKETS);
}

fn seats(exposition: &mut Exposition, ring: &Snapshotted, traffic: &Traffic) {
    exposition.gauge(
        "lb_ring_epoch",
        "Epoch of the ring; grows with every change of seats or their occupants.",
        ring.epoch as f64,
    );
    let seats: Vec<_> = ring.slots.iter().map(|(seat, slots)| (seat.to_string(), *slots as f64)).collect();
    let mut family = exposition.gauges("lb_seat_slots", "Slots that a seat owns.");
    seats.iter().for_each(|(seat, slots)| family.set(&[("seat", seat)], *slots));
    let all = f64::from(ring.layout.slots());
    let mut family = exposition.gauges("lb_seat_key_share_ratio", "Part of all slots that a seat owns.");
    seats.iter().for_each(|(seat, slots)| family.set(&[("seat", seat)], slots / all));
    if let Some(peak) = traffic.peak_to_average {
        let help =
            "Largest number of requests of a seat in the last minute, relative to the share of its weight.";
        exposition.gauge("lb_peak_to_average_ratio", help, peak);
    }
}
