//! A failover that is given up after it has fenced the primary: the primary serves, and must take writes again.

use std::time::Duration;

use quorate::domain::*;
use quorate::engine::{Ask, DrillRequest, Reply};

use super::deciding::{Night, policy};
use super::world::{End, LANES, service};

fn fenceable(lane: DnsLane) -> Night {
    let mut service = Service { policy: policy(|_| {}), fence: true, ..service("login") };
    service.dns.lane = lane;
    Night::of(service)
}

/// The primary is fenced, and the switch is not accepted; the primary is still down.
fn fenced(lane: DnsLane) -> Night {
    let mut night = fenceable(lane);
    night.world.flip_ends = vec![End::Fails(Class::Retry); 10_000];
    night.primary_fails(60, |_| true);
    let open = night.world.ledger().open.as_ref().map(|open| open.plan.direction());
    assert_eq!((night.world.fenced, open), (true, Some("failover")), "{:?}", night.world.events);
    night
}

fn name() -> ServiceName {
    ServiceName::new("login").unwrap()
}

fn freeze(night: &mut Night) {
    night.world.ask(Ask::Freeze { service: name(), by: "ada".to_owned(), reason: "a release".to_owned() });
}

fn unfreeze(night: &mut Night) {
    night.world.ask(Ask::Unfreeze { service: name(), by: "ada".to_owned(), reason: "done".to_owned() });
}

fn is_as_before(night: &Night) {
    let ledger = night.world.ledger();
    assert_eq!((&ledger.open, &ledger.told, &ledger.stuck), (&None, &None, &None), "{:?}", night.world.events);
    assert_eq!((night.world.fenced, night.world.flips), (false, 0), "{:?}", night.world.events);
    assert_eq!(night.explained().serving, Role::Primary);
}

#[test]
fn the_primary_takes_writes_again_once_it_is_well_in_every_lane() {
    for lane in LANES {
        let mut night = fenced(lane);
        night.primary_fails(180, |_| false);
        is_as_before(&night);
        assert!(night.has("plan-closed login-1 abandoned"), "{lane:?}: {:?}", night.world.events);
        assert!(night.has("plan-opened login-2 to primary"), "{lane:?}: {:?}", night.world.events);
        assert!(!night.has("alert primary-read-only"), "it took no time: {:?}", night.world.events);
        let notices: Vec<&str> = night.world.notices.iter().map(|notice| notice.text.as_str()).collect();
        assert!(notices.iter().any(|text| text.contains("takes writes again")), "{notices:?}");
    }
}

#[test]
fn a_freeze_in_between_is_kept_and_people_are_told_that_nobody_takes_writes() {
    let mut night = fenced(DnsLane::Records);
    freeze(&mut night);
    night.primary_fails(120, |_| false);
    assert!(
        night.has("plan-closed login-1 abandoned") && night.has("alert primary-read-only"),
        "{:?}",
        night.world.events
    );
    assert_eq!((night.world.fenced, night.world.ledger().plans), (true, 1), "{:?}", night.world.events);
    assert!(night.explained().next.contains("stays so: frozen by ada"), "{}", night.explained().next);
    let told: Vec<&Notice> =
        night.world.notices.iter().filter(|notice| notice.text.contains("refuses writes since")).collect();
    assert_eq!((told.len(), told[0].level), (1, Level::Everyone), "told once, and loudly");
    unfreeze(&mut night);
    night.primary_fails(5, |_| false);
    is_as_before(&night);
    assert!(night.has("alert-over primary-read-only"), "{:?}", night.world.events);
}

#[test]
fn a_drill_that_is_aborted_between_the_fence_and_the_switch_leaves_nothing_behind() {
    let mut night = fenceable(DnsLane::Records);
    night.primary_fails(5, |_| false);
    night.world.flip_ends = vec![End::Fails(Class::Retry); 10_000];
    let request = DrillRequest {
        service: name(),
        kind: DrillKind::Live,
        hold: Duration::from_secs(60),
        by: "ada".to_owned(),
        reason: "game day".to_owned(),
        scheduled: false,
        fault: None,
    };
    night.world.ask(Ask::Drill { request, digest: None });
    assert!(matches!(night.world.reply, Some(Reply::Drilling(_))), "{:?}", night.world.reply);
    night.primary_fails(10, |_| false);
    assert!(night.world.fenced, "{:?}", night.world.events);
    night.world.ask(Ask::AbortDrill { service: name(), why: "ada: wrong day".to_owned() });
    night.primary_fails(30, |_| false);
    is_as_before(&night);
    let last = night.world.ledger().drills.last.clone().unwrap();
    assert_eq!(last.end, DrillEnd::Aborted { why: "ada: wrong day".to_owned() });
}

#[test]
fn a_primary_that_cannot_be_let_go_is_tried_each_minute_is_told_of_and_is_in_no_failovers_way() {
    let mut night = fenced(DnsLane::Records);
    night.world.unreleasable = true;
    night.primary_fails(400, |_| false);
    assert!(night.has("alert primary-read-only"), "{:?}", night.world.events);
    let tries = night.world.events.iter().filter(|event| event.ends_with(" to primary")).count();
    assert!((2..=4).contains(&tries), "{tries}: {:?}", night.world.events);
    assert_eq!(night.world.ledger().stuck, None, "{:?}", night.world.events);
    // While one is under way, the primary fails for good.
    night.seconds(60, |_, _| Some(Outcome::Pass));
    while night.world.ledger().open.is_none() {
        night.primary_fails(1, |_| false);
    }
    night.world.flip_ends.clear();
    night.primary_fails(60, |_| true);
    assert_eq!((night.explained().serving, night.world.flips), (Role::Standby, 1), "{:?}", night.world.events);
    assert!(night.world.fenced);
    assert!(night.has("alert-over primary-read-only"), "{:?}", night.world.events);
}

/// What the crash test plays: seconds in which the primary fails, and seconds in which it is well.
fn play(night: &mut Night, mut each: impl FnMut(&mut Night, bool)) {
    night.world.flip_ends = vec![End::Fails(Class::Retry); 10_000];
    for second in 0..200 {
        each(night, second < 45);
    }
}

#[test]
fn a_crash_at_any_point_leaves_a_primary_that_takes_writes() {
    // Seconds in which only observations came that changed nothing are left out.
    let mut places = Vec::new();
    let mut night = fenceable(DnsLane::Records);
    play(&mut night, |night, down| {
        let (inputs, events) = (night.world.inputs, night.world.events.len());
        night.primary_fails(1, |_| down);
        if night.world.events.len() > events {
            places.extend(inputs + 1..=night.world.inputs);
        }
    });
    is_as_before(&night);
    let mut lives = 0;
    for at in places {
        for before in [true, false] {
            let mut night = fenceable(DnsLane::Records);
            night.world.crash_at = Some((at, before));
            play(&mut night, |night, down| night.primary_fails(1, |_| down));
            night.primary_fails(60, |_| false);
            lives += night.world.lives;
            is_as_before(&night);
        }
    }
    assert!(lives > 100, "{lives}");
}
