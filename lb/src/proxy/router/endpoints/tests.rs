//! Choice, ejections, stalls and suspects of endpoints alone: no actor, no socket, and the time is a number.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::balance::Failure;
use crate::control::router_link::Skip;
use crate::ring::{Replica, Weight};

const GET: AttemptOptions = AttemptOptions { may_probe: true, bodiless: true, healthy_only: false };
const POST: AttemptOptions = AttemptOptions { may_probe: false, bodiless: false, healthy_only: false };
const HEDGE: AttemptOptions = AttemptOptions { healthy_only: true, ..GET };
const UNLIMITED: Limits = Limits { policy: Policy::Hash, bound: None, max_in_flight: usize::MAX };

pub(super) fn seated(seat: u32, incarnation: u64, weight: u32) -> Seated {
    let replica = Replica {
        seat: SeatId::new(seat).unwrap(),
        name: format!("r{incarnation}").parse().unwrap(),
        incarnation: Incarnation(incarnation),
        address: (Ipv4Addr::LOCALHOST, 1000 + incarnation as u16).into(),
    };
    Seated { replica: Arc::new(replica), weight: Weight::new(weight).unwrap() }
}

/// Endpoints whose walk is in seat order; seat n is occupied by incarnation n.
struct Fixture {
    endpoints: Endpoints,
    now: Instant,
}

impl Fixture {
    fn new(seats: u64, limits: Limits) -> Self {
        let mut endpoints = Endpoints::new(limits, fastrand::Rng::with_seed(1));
        let now = Instant::now();
        assert_eq!(endpoints.seat(&fleet(1..=seats), now), []);
        Self { endpoints, now }
    }

    fn choose(&mut self, tried: &[u64], options: AttemptOptions) -> (Choice, Vec<Change>) {
        let tried: Vec<_> = tried.iter().map(|tried| Incarnation(*tried)).collect();
        let mut selection = Selection::new(&tried, options);
        let walk = self.endpoints.seated().to_vec();
        self.endpoints.offer_page(&mut selection, &walk, self.now);
        let changes = selection.take_changes();
        (self.endpoints.finish(selection), changes)
    }

    /// The incarnation that would be chosen, why the first one was skipped, and whether the request spilled.
    fn first(&mut self, tried: &[u64], options: AttemptOptions) -> (Option<u64>, Option<Skip>, bool) {
        let Choice { endpoint, first_skipped, spilled } = self.choose(tried, options).0;
        (endpoint.map(|endpoint| endpoint.incarnation().0), first_skipped, spilled)
    }

    fn send(&mut self, to: u64) -> Outstanding {
        let endpoint = self.endpoints.get(Incarnation(to)).unwrap().clone();
        self.endpoints.begin(endpoint, GET, self.now).unwrap()
    }

    /// Sends a request that times out.
    fn eject(&mut self, incarnation: u64) -> Option<ChangeKind> {
        let mut request = self.send(incarnation);
        let failure = Failure::TimedOut { sent: request.since() };
        let change = self.endpoints.failed(&mut request, failure, self.now);
        assert_eq!(self.endpoints.end(&mut request), None);
        change.map(|change| change.kind)
    }

    fn reply(&mut self, request: &mut Outstanding, error: bool) -> Option<ChangeKind> {
        let took = self.now - request.since();
        self.endpoints.replied(request, error, took, self.now).map(|change| change.kind)
    }

    fn complete(&mut self, request: &mut Outstanding) -> Option<ChangeKind> {
        self.endpoints.completed(request, || self.now).map(|change| change.kind)
    }

    fn suspect(&mut self, suspects: &[u64]) -> Vec<ChangeKind> {
        let suspects: Vec<_> = suspects.iter().map(|suspect| Incarnation(*suspect)).collect();
        self.endpoints.suspect(&suspects, self.now).iter().map(|change| change.kind).collect()
    }

    fn skips(&self) -> Vec<Option<Skip>> {
        self.endpoints.seated().iter().map(|endpoint| self.endpoints.skip(endpoint)).collect()
    }

    fn advance(&mut self, seconds: f64) {
        self.now += Duration::from_secs_f64(seconds);
    }
}

fn fleet(seats: impl IntoIterator<Item = u64>) -> Vec<Seated> {
    seats.into_iter().map(|seat| seated(seat as u32, seat, 100)).collect()
}

#[test]
fn the_choice_skips_suspects_and_ejected_replicas_and_takes_the_best_of_them_if_no_other_is_left() {
    let mut fixture = Fixture::new(4, UNLIMITED);
    assert_eq!(fixture.first(&[], GET), (Some(1), None, false));
    assert_eq!(fixture.first(&[1], GET), (Some(2), None, false));
    assert!(matches!(fixture.eject(1), Some(ChangeKind::Ejected(_))));
    assert_eq!(fixture.suspect(&[2]), [ChangeKind::Suspect(true)]);
    assert_eq!(fixture.first(&[], GET), (Some(3), Some(Skip::Unavailable), false));
    assert_eq!(fixture.first(&[1], POST), (Some(3), Some(Skip::Suspect), false));
    assert_eq!(
        fixture.first(&[3, 4], POST),
        (Some(2), Some(Skip::Unavailable), false),
        "suspect before ejected"
    );
    assert_eq!(fixture.first(&[2, 3, 4], POST), (Some(1), None, false), "the last one");
    assert_eq!(
        fixture.first(&[3, 4], HEDGE),
        (None, Some(Skip::Unavailable), false),
        "a hedge needs a healthy one"
    );
    assert_eq!(fixture.first(&[1, 2, 3, 4], GET), (None, None, false));
}

#[test]
fn a_replica_at_its_bound_is_skipped_and_the_least_loaded_is_the_last_resort() {
    let bound = Bound { load: 1000, floor: 1 };
    let mut fixture = Fixture::new(3, Limits { bound: Some(bound), max_in_flight: 5, ..UNLIMITED });
    let _one = fixture.send(1);
    assert_eq!(fixture.first(&[], GET), (Some(2), Some(Skip::OverBound), true));
    let (_two, _three) = (fixture.send(2), fixture.send(3));
    assert_eq!(fixture.first(&[], GET), (Some(1), None, false), "ceil(4 / 3) = 2");
    fixture
        .endpoints
        .configure(Limits { bound: Some(Bound { load: 0, floor: 0 }), ..fixture.endpoints.limits });
    let _four = fixture.send(1);
    assert_eq!(fixture.first(&[], GET), (Some(2), Some(Skip::OverBound), true), "all are over their bound");
    let _five = fixture.send(2);
    let endpoint = fixture.endpoints.seated()[0].clone();
    assert!(fixture.endpoints.begin(endpoint, GET, fixture.now).is_err(), "5 are in flight");
}

#[test]
fn at_most_half_is_ejected() {
    for (seats, most) in [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2)] {
        let mut fixture = Fixture::new(seats, UNLIMITED);
        for seat in 1..=seats {
            let change = fixture.eject(seat).unwrap();
            assert_eq!(
                matches!(change, ChangeKind::Ejected(_)),
                seat <= most,
                "{seat} of {seats}: {change:?}"
            );
            assert!(seat <= most || change == ChangeKind::Spared);
        }
        assert_eq!(fixture.endpoints.available_weight, (seats - most) * 100);
    }
}

#[test]
fn a_probe_readmits_or_ejects_for_longer() {
    let mut fixture = Fixture::new(3, UNLIMITED);
    let Some(ChangeKind::Ejected(first)) = fixture.eject(1) else { panic!("not ejected") };
    fixture.advance(9.0);
    assert_eq!(fixture.first(&[], GET).0, Some(2), "not due yet");
    fixture.advance(3.0);
    assert_eq!((fixture.first(&[], POST).0, fixture.first(&[], GET).0), (Some(2), Some(1)));
    let mut failing = fixture.send(1);
    assert!(failing.is_probe() && !failing.is_abandoned());
    assert_eq!(fixture.first(&[], GET).0, Some(2), "one probe at a time");
    let Some(ChangeKind::EjectedAgain(second)) =
        fixture.endpoints.failed(&mut failing, Failure::Failed, fixture.now).map(|change| change.kind)
    else {
        panic!("not ejected again")
    };
    assert!(second > first.mul_f64(1.5), "{first:?} {second:?}");
    assert_eq!(fixture.endpoints.end(&mut failing), None);

    fixture.advance(30.0);
    let mut abandoned = fixture.send(1);
    assert_eq!(fixture.endpoints.end(&mut abandoned), None);
    let mut probe = fixture.send(1);
    assert!(probe.is_probe(), "a probe without a result does not count");
    assert_eq!(fixture.reply(&mut probe, false), None);
    assert_eq!(fixture.skips()[0], Some(Skip::Unavailable), "not before the reply is complete");
    assert_eq!(fixture.complete(&mut probe), Some(ChangeKind::Readmitted));
    assert_eq!((fixture.skips()[0], fixture.complete(&mut probe)), (None, None));
    assert_eq!(fixture.endpoints.end(&mut probe), None);
}

#[test]
fn replies_with_an_error_status_eject_and_good_ones_do_not() {
    let mut fixture = Fixture::new(3, UNLIMITED);
    for n in 0..9 {
        let mut request = fixture.send(1);
        let change = fixture.reply(&mut request, n != 3);
        assert_eq!(change.is_some(), n == 8, "five in a row: {n} {change:?}");
        fixture.complete(&mut request);
        fixture.endpoints.end(&mut request);
    }
    assert_eq!(fixture.skips(), [Some(Skip::Unavailable), None, None]);
}

#[test]
fn when_seats_leave_the_first_ejected_replica_is_readmitted() {
    let mut fixture = Fixture::new(4, UNLIMITED);
    for seat in [2, 1] {
        fixture.eject(seat);
        fixture.advance(1.0);
    }
    assert_eq!(fixture.endpoints.remove(&[3, 4].map(Incarnation)), []);
    let changes = fixture.endpoints.seat(&fleet(1..=2), fixture.now);
    let kind = ChangeKind::ForciblyReadmitted { was_ejected: true };
    assert_eq!(changes, [Change { incarnation: Incarnation(2), kind }]);
    assert_eq!(fixture.skips(), [Some(Skip::Unavailable), None]);
}

#[test]
fn three_waiting_requests_stall_a_replica_while_others_answer_and_a_reply_ends_the_stall() {
    let mut fixture = Fixture::new(3, UNLIMITED);
    let mut waiting = [1, 1, 1].map(|to| fixture.send(to));
    fixture.advance(0.5);
    assert_eq!(fixture.choose(&[], GET).1, [], "no other replica has answered either");
    let mut other = fixture.send(2);
    fixture.reply(&mut other, false);
    let (choice, changes) = fixture.choose(&[], GET);
    let stalled = ChangeKind::Stalled(Duration::from_millis(500)).of(Incarnation(1));
    assert_eq!((choice.endpoint.unwrap().incarnation(), changes), (Incarnation(2), vec![stalled]));
    assert!(waiting.iter().all(Outstanding::is_abandoned));
    assert_eq!(fixture.endpoints.available_weight, 200);
    fixture.reply(&mut waiting[0], false);
    assert!(!waiting.iter().any(Outstanding::is_abandoned));
    assert_eq!((fixture.skips(), fixture.endpoints.available_weight), (vec![None; 3], 300));
}

#[test]
fn one_waiting_request_stalls_a_suspect_unless_all_are_suspect() {
    let mut fixture = Fixture::new(3, UNLIMITED);
    let slow = fixture.send(1);
    assert_eq!(fixture.suspect(&[1]), [ChangeKind::Suspect(true)]);
    assert_eq!(fixture.endpoints.available_weight, 200);
    fixture.advance(0.5);
    assert_eq!(fixture.suspect(&[1, 2, 3]), [ChangeKind::Suspect(true); 2], "where is it better?");
    assert_eq!(fixture.endpoints.available_weight, 0);
    assert_eq!(fixture.first(&[], GET), (Some(1), None, false), "the first choice");
    let changes = fixture.suspect(&[1]);
    assert_eq!(changes[..2], [ChangeKind::Suspect(false); 2]);
    assert_eq!(changes[2..], [ChangeKind::Stalled(Duration::from_millis(500))]);
    assert!(slow.is_abandoned() && slow.is_last());
    assert_eq!(fixture.suspect(&[]), [ChangeKind::Suspect(false)]);
}

#[test]
fn a_removed_replica_is_idle_after_its_last_request_and_a_returning_one_keeps_its_counters() {
    let mut fixture = Fixture::new(2, UNLIMITED);
    let (mut one, mut two) = (fixture.send(1), fixture.send(1));
    one.endpoint().counters().borrow_mut().attempts = 7;
    assert_eq!(fixture.endpoints.remove(&[1, 9].map(Incarnation)), [Incarnation(1)]);
    assert_eq!(fixture.endpoints.seat(&fleet([2]), fixture.now), []);
    assert_eq!(fixture.endpoints.end(&mut one), None);
    let idle = ChangeKind::Idle.of(Incarnation(1));
    assert_eq!((fixture.endpoints.end(&mut two), fixture.endpoints.in_flight()), (Some(idle), 0));
    assert!(fixture.endpoints.get(Incarnation(1)).is_none());
    assert_eq!(fixture.endpoints.latest().count(), 2);
    assert_eq!(fixture.endpoints.seat(&fleet([1, 2]), fixture.now), []);
    let returned = fixture.endpoints.get(Incarnation(1)).unwrap();
    assert_eq!((returned.counters().borrow().attempts, returned.is_in_ring()), (7, true));
}

#[test]
fn a_policy_picks_a_due_probe_first_and_never_a_suspect_while_another_is_available() {
    for policy in Policy::ALL.into_iter().filter(|policy| *policy != Policy::Hash) {
        let mut fixture = Fixture::new(3, Limits { policy, ..UNLIMITED });
        assert!(fixture.endpoints.picks_by_policy());
        fixture.suspect(&[2]);
        fixture.eject(1);
        let mut pick =
            |options, now| fixture.endpoints.pick(options, now).0.map(|picked| picked.incarnation().0);
        for _ in 0..20 {
            assert_eq!(pick(GET, fixture.now), Some(3), "{policy:?}");
        }
        let later = fixture.now + Duration::from_secs(12);
        assert_eq!((pick(GET, later), pick(POST, later)), (Some(1), Some(3)), "{policy:?}");
        fixture.suspect(&[2, 3]);
        assert!(fixture.endpoints.pick(POST, later).0.is_none(), "the walk decides");
    }
}
