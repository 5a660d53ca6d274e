//! Who may write where (S1, S14, S15): the fence of the primary, the promotion of the standby, and the way back. The world itself
//! refuses every step after which both sites would take writes.

use std::time::Duration;

use quorate::domain::*;
use quorate::engine::{Ask, Blocker, Input, MoveRequest, Reply};

use super::deciding::{Night, policy};
use super::world::service;

const PROVEN: Duration = Duration::from_secs(120);

/// A service whose primary can be fenced, and whose way back takes two minutes of health.
fn fenceable() -> Night {
    let policy = policy(|values| values.failback_after = PROVEN);
    Night::of(Service { policy, fence: true, ..service("login") })
}

fn name() -> ServiceName {
    ServiceName::new("login").unwrap()
}

fn request(to: Role, promote: bool, force: bool) -> MoveRequest {
    MoveRequest { service: name(), to, by: "ada".to_owned(), reason: "a reason".to_owned(), force, promote }
}

/// What is against it, by code; empty when it was opened.
fn asked(night: &mut Night, request: MoveRequest) -> Vec<&'static str> {
    match night.world.engine.draft(night.world.moment(), &request) {
        Reply::Opened(plan) => {
            night.world.ask(Ask::Move { request, digest: plan.digest().clone() });
            assert!(matches!(night.world.reply, Some(Reply::Opened(_))), "{:?}", night.world.reply);
            Vec::new()
        }
        Reply::Blocked(blockers) => blockers.iter().map(Blocker::code).collect(),
        other => panic!("{other:?}"),
    }
}

/// Asks, and whoever is asked may crash over it.
fn ask_once(night: &mut Night, request: MoveRequest) {
    if let Reply::Opened(plan) = night.world.engine.draft(night.world.moment(), &request) {
        let digest = plan.digest().clone();
        night.world.give(Input::Asked(Ask::Move { request, digest }));
    }
}

/// Both sites' positions, and seconds in which all is well.
fn well(night: &mut Night, seconds: u64, primary: u64, standby: u64) {
    for _ in 0..seconds.div_ceil(10) {
        compare(night, Ok(primary), Ok(standby));
        night.primary_fails(10, |_| false);
    }
    compare(night, Ok(primary), Ok(standby));
}

fn compare(night: &mut Night, primary: Result<u64, String>, standby: Result<u64, String>) {
    let look = |lsn: Result<u64, String>| -> Look {
        lsn.map(|lsn| [("db".to_owned(), Position::Lsn { timeline: 1, lsn })].into())
    };
    let comparison = Comparison { primary: look(primary), standby: look(standby) };
    night.world.give(Input::Compared { service: name(), comparison });
}

fn failed_over(night: &mut Night) {
    night.primary_fails(40, |_| true);
    assert_eq!(night.explained().serving, Role::Standby, "{:?}", night.world.events);
}

fn steps(night: &Night) -> Vec<&'static str> {
    let last = night.world.ledger().last.as_ref().unwrap();
    last.plan.steps().iter().map(|step| step.as_str()).collect()
}

#[test]
fn a_failover_fences_the_primary_after_the_refused_write_and_before_the_flip() {
    let mut night = fenceable();
    failed_over(&mut night);
    let wanted = ["enter-read-only", "verify-read-only", "fence-primary", "flip-records", "await-in-sync"];
    assert_eq!(steps(&night)[..5], wanted);
    assert_eq!(night.explained().sides.fenced, Some(true));
}

#[test]
fn a_primary_that_cannot_be_fenced_keeps_no_failover_and_every_promotion_but_a_forced_one() {
    let mut night = fenceable();
    night.world.unfenceable = true;
    failed_over(&mut night);
    assert_eq!(night.explained().sides.fenced, Some(false));
    assert!(asked(&mut night, request(Role::Standby, true, false)).is_empty());
    night.primary_fails(120, |_| true);
    let last = night.world.ledger().last.clone().unwrap();
    assert!(matches!(&last.end, PlanEnd::Abandoned { why } if why.contains("does not answer")), "{last:?}");
    assert!(!night.world.promoted && night.world.ledger().promoted.is_none() && night.world.ledger().stuck.is_none());
    assert!(asked(&mut night, request(Role::Standby, true, true)).is_empty());
    night.primary_fails(5, |_| true);
    assert!(night.world.promoted && night.world.ledger().promoted.is_some(), "{:?}", night.world.events);
}

#[test]
fn nobody_is_promoted_who_does_not_serve_or_whose_primary_has_no_control() {
    let mut night = fenceable();
    assert_eq!(asked(&mut night, request(Role::Standby, true, false)), ["not-serving"]);
    assert_eq!(asked(&mut night, request(Role::Standby, true, true)), ["not-serving"]);
    let mut night = Night::new(|_| {});
    failed_over(&mut night);
    assert_eq!(asked(&mut night, request(Role::Standby, true, false)), ["primary-unfenced"]);
    night.world.ask(Ask::Freeze { service: name(), by: "ada".to_owned(), reason: "an audit".to_owned() });
    assert_eq!(asked(&mut night, request(Role::Standby, true, true)), ["frozen"]);
}

#[test]
fn the_way_back_waits_until_the_primary_has_proven_itself_and_a_person_can_overrule_that() {
    let mut night = fenceable();
    failed_over(&mut night);
    well(&mut night, 60, 7, 7);
    assert_eq!(asked(&mut night, request(Role::Primary, false, false)), ["proving"]);
    // One vantage's failure is no end of it, a quorum's is.
    well(&mut night, 70, 7, 7);
    night.primary_fails(20, |_| true);
    well(&mut night, 60, 7, 7);
    assert_eq!(asked(&mut night, request(Role::Primary, false, false)), ["proving"]);
    assert!(asked(&mut night, request(Role::Primary, false, true)).is_empty());
    well(&mut night, 10, 7, 7);
    assert_eq!(night.explained().serving, Role::Primary, "{:?}", night.world.events);
    assert_eq!(steps(&night)[..3], ["verify-read-only", "release-primary", "flip-records"]);
    assert_eq!((night.world.fenced, night.explained().sides.fenced), (false, None));
}

#[test]
fn positions_that_are_not_known_or_have_diverged_are_taken_on_by_a_person_or_nothing_goes_back() {
    let mut night = fenceable();
    failed_over(&mut night);
    well(&mut night, 200, 7, 7);
    night.primary_fails(40, |_| false);
    assert_eq!(asked(&mut night, request(Role::Primary, false, false)), ["comparing"], "the last look is too old");
    compare(&mut night, Err("connection refused".to_owned()), Ok(7));
    assert_eq!(asked(&mut night, request(Role::Primary, false, true)), ["unreconciled"], "force does not help");
    compare(&mut night, Ok(7), Ok(9));
    let found = night.explained().sides.reconciliation.unwrap();
    assert!(found.findings[0].contains("2 bytes ahead"), "{found:?}");
    assert_eq!(asked(&mut night, request(Role::Primary, false, false)), ["unreconciled"]);
    let say = |night: &mut Night, digest: &PlanDigest| {
        let (by, reason) = ("ada".to_owned(), "both rows were copied".to_owned());
        night.world.ask(Ask::Reconcile { service: name(), digest: digest.clone(), by, reason });
        night.world.reply.clone().unwrap()
    };
    let other = PlanDigest::parse("0123456789abcdef").unwrap();
    assert!(matches!(say(&mut night, &other), Reply::Blocked(_)), "what was acknowledged must be what is there");
    let digest = found.digest.unwrap();
    assert_eq!(say(&mut night, &digest), Reply::Done);
    assert_eq!(say(&mut night, &digest), Reply::AlreadySo);
    // The same finding with another number is the same; another finding is not.
    compare(&mut night, Err("connection refused".to_owned()), Ok(7));
    assert_eq!(asked(&mut night, request(Role::Primary, false, false)), ["unreconciled"]);
    compare(&mut night, Ok(7), Ok(11));
    assert!(asked(&mut night, request(Role::Primary, false, false)).is_empty());
    well(&mut night, 10, 11, 11);
    assert_eq!(night.explained().serving, Role::Primary, "{:?}", night.world.events);
    assert_eq!(night.world.ledger().reconciled, None, "it was for this way back only");
}

#[test]
fn after_a_promotion_the_way_back_is_reconciled_and_drained_and_never_has_two_writers() {
    let mut night = fenceable();
    failed_over(&mut night);
    assert!(asked(&mut night, request(Role::Standby, true, false)).is_empty());
    night.primary_fails(5, |_| true);
    assert!(night.world.promoted, "{:?}", night.world.events);
    assert_eq!(steps(&night), ["fence-primary", "allow-writes", "verify-writes"]);
    well(&mut night, 200, 7, 9);
    assert_eq!(asked(&mut night, request(Role::Primary, false, true)), ["unreconciled"]);
    // It was rebuilt from the standby, and has everything.
    well(&mut night, 10, 9, 9);
    assert!(asked(&mut night, request(Role::Primary, false, false)).is_empty());
    let ttl = u64::from(night.world.service.dns.ttl_s);
    well(&mut night, ttl + 50, 9, 9);
    assert_eq!(night.explained().serving, Role::Standby, "it drains for the time to live and a minute");
    assert!(!night.world.promoted && night.world.fenced, "nobody takes writes meanwhile");
    well(&mut night, 30, 9, 9);
    assert_eq!(night.explained().serving, Role::Primary, "{:?}", night.world.events);
    let wanted = ["enter-read-only", "verify-read-only", "drain-standby", "release-primary", "flip-records"];
    assert_eq!(steps(&night)[..5], wanted);
    let ledger = night.world.ledger();
    assert_eq!((ledger.promoted, ledger.diverging, ledger.fenced), (None, None, None));
}

#[test]
fn a_way_back_that_is_given_up_half_way_drains_again_the_next_time() {
    let mut night = fenceable();
    failed_over(&mut night);
    assert!(asked(&mut night, request(Role::Standby, true, false)).is_empty());
    night.primary_fails(5, |_| true);
    well(&mut night, 200, 9, 9);
    assert!(asked(&mut night, request(Role::Primary, false, false)).is_empty());
    well(&mut night, 20, 9, 9);
    let (by, reason) = ("ada".to_owned(), "wait".to_owned());
    night.world.ask(Ask::Freeze { service: name(), by: by.clone(), reason: reason.clone() });
    well(&mut night, 10, 9, 9);
    assert!(matches!(night.world.ledger().last.as_ref().unwrap().end, PlanEnd::Abandoned { .. }));
    assert!(!night.world.promoted, "read-only is the safe side");
    night.world.ask(Ask::Unfreeze { service: name(), by, reason });
    assert!(asked(&mut night, request(Role::Primary, false, false)).is_empty());
    assert!(steps_of_open(&night).contains(&"drain-standby"));
}

fn steps_of_open(night: &Night) -> Vec<&'static str> {
    let open = night.world.ledger().open.as_ref().unwrap();
    open.plan.steps().iter().map(|step| step.as_str()).collect()
}

#[test]
fn a_crash_at_any_point_of_a_promotion_and_of_the_way_back_ends_in_the_same_place() {
    let run = |crash_at: Option<usize>| {
        let mut night = fenceable();
        failed_over(&mut night);
        let begun = night.world.inputs;
        // Of the thousands of inputs only those near the two plans matter: a crash is put before each of them.
        night.world.crash_at = crash_at.map(|at| (begun + at, true));
        for _ in 0..3 {
            if !night.world.promoted && night.world.ledger().open.is_none() {
                ask_once(&mut night, request(Role::Standby, true, false));
            }
            night.primary_fails(3, |_| true);
        }
        let promoted_after = night.world.inputs - begun;
        let what = format!("crash before input {crash_at:?}");
        assert!(night.world.promoted && night.world.ledger().open.is_none(), "{what}: {:#?}", night.world.events);
        well(&mut night, 30, 9, 9);
        for _ in 0..16 {
            if night.explained().serving == Role::Standby && night.world.ledger().open.is_none() {
                ask_once(&mut night, request(Role::Primary, false, true));
            }
            well(&mut night, 10, 9, 9);
        }
        assert_eq!(night.explained().serving, Role::Primary, "{what}: {:#?}", night.world.events);
        assert!(!night.world.promoted && !night.world.fenced, "{what}");
        promoted_after
    };
    let inputs = run(None);
    for at in 1..=inputs.min(90) {
        run(Some(at));
    }
}

#[test]
fn a_standby_that_takes_a_write_while_it_serves_is_told_at_once_and_to_be_reconciled() {
    let mut night = fenceable();
    failed_over(&mut night);
    well(&mut night, 30, 7, 7);
    let tried = night.explained().sides.tried;
    assert!(tried.iter().all(|tried| tried.word == "refused") && tried.len() == 2, "{tried:?}");
    night.world.takes_writes = vec![Role::Standby];
    well(&mut night, 20, 7, 7);
    assert!(night.has("alert standby-writable"), "{:?}", night.world.events);
    night.world.takes_writes.clear();
    well(&mut night, 100, 7, 7);
    assert!(night.has("alert-over standby-writable"), "{:?}", night.world.events);
    // What it has taken is to be looked for, whatever it says now.
    well(&mut night, 120, 9, 7);
    assert!(night.explained().sides.reconciliation.unwrap().findings[0].contains("ahead"));
    night.world.takes_writes = vec![Role::Primary];
    well(&mut night, 20, 7, 7);
    assert!(night.has("alert primary-writable"), "{:?}", night.world.events);
}

#[test]
fn the_lag_is_as_of_when_the_primary_was_last_heard_and_not_for_ever() {
    for (heard, moves) in [(40, true), (299, true), (301, false)] {
        let mut night = Night::new(|values| values.max_lag = Some(Duration::from_secs(30)));
        for _ in 0..12 {
            let heard = Duration::from_secs(heard);
            let reading = LagReading { behind: Duration::from_secs(2), heard, text: String::new() };
            night.world.give(Input::Lag { service: name(), reading: Some(reading) });
            night.primary_fails(5, |_| true);
        }
        assert_eq!(night.world.flips == 1, moves, "{heard}");
    }
}
