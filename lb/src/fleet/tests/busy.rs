//! Replicas that miss heartbeats but work, and replicas that miss them and do not work.

use super::*;

const NONE: [u32; 0] = [];

impl Scenario {
    /// From now on the heartbeats of a replica fail, and a request waits for its reply.
    fn busy(&mut self, incarnation: u64) {
        self.hang(incarnation);
        self.waits(incarnation, self.now);
    }

    /// From `since` on a request waits for a reply of the replica.
    fn waits(&mut self, incarnation: u64, since: Instant) {
        let waiting = self.activity.entry(Incarnation(incarnation)).or_default();
        waiting.waiting_since = Some(since);
    }

    fn waits_no_more(&mut self, incarnation: u64) {
        self.activity.entry(Incarnation(incarnation)).or_default().waiting_since = None;
    }

    /// Seats that were vacated so far, in order.
    fn vacated(&self) -> Vec<u32> {
        let changes = self.changes().into_iter();
        changes
            .filter_map(|change| if let Change::Vacate(seat) = change { Some(seat.get()) } else { None })
            .collect()
    }

    /// Time from now until the seat is vacated.
    fn until_vacated(&mut self, seat: u32) -> Duration {
        let start = self.now;
        while !self.vacated().contains(&seat) {
            assert!(self.now < start + 100 * SECOND, "never vacated");
            self.pass(100 * MS);
        }
        self.now - start
    }
}

#[test]
fn a_replica_with_progress_is_never_replaced_for_missing_heartbeats() {
    let mut scenario = Scenario::ready(3);
    scenario.hang(3);
    scenario.replying.insert(Incarnation(3));
    scenario.pass(600 * SECOND);
    assert_eq!(scenario.seats()[2], (3, Some((3, Phase::Suspect))));
    assert_eq!(scenario.names().len(), 3);
    let inquiries = scenario.times(|action| matches!(action, Action::Inquire(_))).len();
    assert!((1000..=1200).contains(&inquiries), "one inquiry per heartbeat interval: {inquiries}");
    scenario.replying.clear();
    assert!((2500 * MS..=3600 * MS).contains(&scenario.until_vacated(3)));
}

#[test]
fn serial_servers_that_keep_answering_are_never_replaced() {
    // Every heartbeat waits behind requests and times out; each request takes 2 s.
    let mut scenario = Scenario::ready(3);
    (1..=3).for_each(|incarnation| scenario.hang(incarnation));
    for _ in 0..60 {
        for incarnation in 1..=3 {
            let activity = Activity { last_progress: Some(scenario.now), waiting_since: Some(scenario.now) };
            scenario.activity.insert(Incarnation(incarnation), activity);
        }
        scenario.pass(2 * SECOND);
    }
    assert_eq!(scenario.vacated(), NONE);
    assert_eq!(scenario.launches().len(), 3);
}

#[test]
fn a_silent_replica_for_which_a_request_waits_is_busy_up_to_head_timeout() {
    let mut scenario = Scenario::ready(3);
    scenario.busy(2);
    let after = scenario.until_vacated(2);
    assert!((30 * SECOND..=31 * SECOND).contains(&after), "{after:?}");

    let mut scenario = Scenario::new(Settings { head_timeout: None, ..settings() });
    scenario.dispatch(Event::Listed(Vec::new()));
    scenario.pass(SECOND);
    scenario.busy(2);
    scenario.pass(3600 * SECOND);
    assert_eq!(scenario.vacated(), NONE, "without a head timeout a request of any age counts");
}

#[test]
fn progress_and_a_good_heartbeat_restart_the_head_timeout() {
    let mut scenario = Scenario::ready(3);
    // A request that never ends, on a replica whose heartbeats are good at first.
    scenario.waits(2, scenario.now);
    scenario.pass(60 * SECOND);
    scenario.hang(2);
    scenario.pass(25 * SECOND);
    let seen = Activity { last_progress: Some(scenario.now), ..scenario.activity[&Incarnation(2)] };
    scenario.activity.insert(Incarnation(2), seen);
    let after = scenario.until_vacated(2);
    assert!((29 * SECOND..=31 * SECOND).contains(&after), "{after:?}");
}

#[test]
fn after_a_request_without_reply_replace_after_applies() {
    let mut scenario = Scenario::ready(3);
    scenario.busy(2);
    scenario.pass(10 * SECOND);
    assert_eq!(scenario.vacated(), NONE);
    scenario.waits_no_more(2);
    let after = scenario.until_vacated(2);
    assert!(
        (2 * SECOND..=4 * SECOND).contains(&after),
        "its client left, the server may still work: {after:?}"
    );
}

#[test]
fn a_suspended_replica_is_never_busy() {
    for progress in [false, true] {
        let mut scenario = Scenario::ready(3);
        scenario.busy(3);
        if progress {
            // The kernel accepts bytes for a stopped process, which looks like progress.
            scenario.replying.insert(Incarnation(3));
        }
        scenario.suspended.insert(Incarnation(3));
        let after = scenario.until_vacated(3);
        assert!((2400 * MS..=3600 * MS).contains(&after), "{after:?}");
        assert_eq!(scenario.names().len(), 3);
    }
}

#[test]
fn a_busy_replica_that_is_stopped_is_replaced_after_replace_after() {
    let mut scenario = Scenario::ready(3);
    scenario.busy(3);
    scenario.pass(10 * SECOND);
    scenario.suspended.insert(Incarnation(3));
    scenario.pass(SECOND);
    scenario.suspended.clear();
    scenario.pass(5 * SECOND);
    assert_eq!(scenario.vacated(), NONE, "it was stopped for only a second");
    scenario.suspended.insert(Incarnation(3));
    let after = scenario.until_vacated(3);
    assert!((2400 * MS..=3600 * MS).contains(&after), "{after:?}");
}

#[test]
fn idle_tunnels_do_not_make_a_replica_busy() {
    let mut scenario = Scenario::ready(3);
    scenario.hang(1);
    let before = scenario.now;
    scenario.activity.insert(Incarnation(1), Activity { last_progress: Some(before), waiting_since: None });
    let after = scenario.until_vacated(1);
    assert!((2400 * MS..=3600 * MS).contains(&after), "{after:?}");
}

#[test]
fn a_busy_replica_that_exits_or_refuses_is_replaced_at_once() {
    let mut scenario = Scenario::ready(3);
    (1..=3).for_each(|incarnation| scenario.busy(incarnation));
    scenario.pass(5 * SECOND);
    assert_eq!(scenario.vacated(), NONE);
    scenario.exit(1);
    assert_eq!(scenario.vacated(), [1]);
    scenario.heartbeats.insert(Incarnation(2), HeartbeatResult::Refused);
    scenario.pass(SECOND);
    assert_eq!(scenario.vacated(), [1, 2]);
}

#[test]
fn busy_replicas_do_not_count_in_a_mass_hang() {
    // Three of four are busy: the fourth, which hangs, is replaced, and so is a fifth.
    let mut scenario = Scenario::ready(5);
    scenario.hold = is_launch;
    (1..=3).for_each(|incarnation| scenario.busy(incarnation));
    scenario.hang(4);
    scenario.hang(5);
    scenario.pass(5 * SECOND);
    assert_eq!(scenario.vacated(), [4, 5]);
}

#[test]
fn a_missing_router_report_is_no_reason_to_replace() {
    let mut scenario = Scenario::ready(3);
    scenario.hang(3);
    scenario.hold = |action| matches!(action, Action::Inquire(_));
    for _ in 0..20 {
        scenario.pass(SECOND);
        scenario.held.clear();
        scenario.dispatch(Event::InquiryResult {
            incarnation: Incarnation(3),
            activity: None,
            suspended: Some(false),
        });
    }
    assert_eq!(scenario.vacated(), NONE, "a stalled router is a fault of the balancer");
    scenario.dispatch(Event::InquiryResult {
        incarnation: Incarnation(3),
        activity: None,
        suspended: Some(true),
    });
    scenario.pass(3 * SECOND);
    scenario.dispatch(Event::InquiryResult {
        incarnation: Incarnation(3),
        activity: None,
        suspended: Some(true),
    });
    assert_eq!(scenario.vacated(), [3], "the runtime reports that it is stopped");
}

#[test]
fn the_seat_of_a_busy_external_server_is_not_vacated() {
    let upstreams = ["a=a:80", "b=b:80"].map(|text| text.parse().unwrap()).to_vec();
    let mut scenario = Scenario::new(Settings { ownership: Ownership::External, upstreams, ..settings() });
    scenario.dispatch(Event::Listed(Vec::new()));
    scenario.pass(10 * MS);
    scenario.busy(1);
    scenario.hang(2);
    scenario.pass(20 * SECOND);
    assert_eq!(scenario.vacated(), [2], "it refused connections, and answers again");
    assert_eq!(scenario.names(), ["a", "b"]);
    assert!((9 * SECOND..=11 * SECOND).contains(&scenario.until_vacated(1)), "--head-timeout");
}

#[test]
fn suspects_are_published_to_routers_again_while_heartbeats_are_missed() {
    let published = |scenario: &Scenario| -> Vec<Vec<u64>> {
        let suspects = scenario.log.iter().filter_map(|(_, action)| match action {
            Action::Suspects(of) => Some(of.iter().map(|incarnation| incarnation.0).collect()),
            _ => None,
        });
        suspects.collect()
    };
    let mut scenario = Scenario::ready(3);
    scenario.busy(2);
    scenario.pass(SECOND);
    assert!(published(&scenario).is_empty());
    scenario.pass(3 * SECOND);
    let reminded = published(&scenario).len();
    assert!(
        (5..=7).contains(&reminded) && published(&scenario).iter().all(|of| *of == [2]),
        "{:?}",
        published(&scenario)
    );
    scenario.heartbeats.clear();
    scenario.pass(5 * SECOND);
    assert_eq!(published(&scenario).len(), reminded + 1);
    assert_eq!(published(&scenario).last(), Some(&vec![]));
    assert_eq!(scenario.fleet.suspects(), []);
}

#[test]
fn many_silent_replicas_are_published_together() {
    let mut scenario = Scenario::new(Settings { replicas: 20, max_replicas: 20, ..settings() });
    scenario.dispatch(Event::Listed(Vec::new()));
    scenario.pass(SECOND);
    (1..=20).for_each(|incarnation| scenario.busy(incarnation));
    let published =
        |scenario: &Scenario| scenario.times(|action| matches!(action, Action::Suspects(_))).len();
    scenario.pass(2 * SECOND);
    let before = published(&scenario);
    scenario.pass(2 * SECOND);
    // Each of them misses a heartbeat every half second.
    assert!((4..=17).contains(&(published(&scenario) - before)), "{}", published(&scenario) - before);
}
