//! Drills, as the engine runs them: out, held, back; and everything that ends one before its time.

use std::time::Duration;

use quorate::domain::*;
use quorate::engine::{Ask, Blocker, DrillRequest, Input, Reply};

use super::deciding::Night;
use super::world::{Door, End, World};

fn name() -> ServiceName {
    ServiceName::new("login").unwrap()
}

fn request(kind: DrillKind, hold_s: u64) -> DrillRequest {
    DrillRequest {
        service: name(),
        kind,
        hold: Duration::from_secs(hold_s),
        by: "ada".to_owned(),
        reason: "game day".to_owned(),
        scheduled: false,
        fault: None,
    }
}

fn begin(world: &mut World, kind: DrillKind, hold_s: u64) -> Reply {
    world.ask(Ask::Drill { request: request(kind, hold_s), digest: None });
    world.reply.clone().unwrap()
}

fn codes(reply: &Reply) -> Vec<&'static str> {
    match reply {
        Reply::Blocked(blockers) => blockers.iter().map(Blocker::code).collect(),
        other => panic!("{other:?}"),
    }
}

/// A live drill that holds for two minutes, with the standby serving.
fn held() -> Night {
    let mut night = Night::new(|_| {});
    night.primary_fails(5, |_| false);
    assert!(matches!(begin(&mut night.world, DrillKind::Live, 120), Reply::Drilling(_)), "{:?}", night.world.events);
    night.primary_fails(10, |_| false);
    assert_eq!((night.explained().serving, night.world.flips), (Role::Standby, 1), "{:?}", night.world.events);
    night
}

fn ended(night: &Night) -> DrillEnd {
    let last = night.world.ledger().drills.last.clone();
    last.unwrap_or_else(|| panic!("no drill has ended: {:?}", night.world.events)).end
}

fn why(night: &Night) -> String {
    ended(night).why().unwrap_or_else(|| panic!("it passed: {:?}", night.world.events)).to_owned()
}

#[test]
fn a_live_drill_goes_there_holds_and_comes_back_by_itself() {
    let mut night = held();
    night.primary_fails(100, |_| false);
    assert_eq!((night.explained().serving, night.world.flips), (Role::Standby, 1), "it holds");
    night.primary_fails(30, |_| false);
    assert_eq!((night.explained().serving, night.world.flips), (Role::Primary, 2), "{:?}", night.world.events);
    assert_eq!(ended(&night), DrillEnd::Passed);
    let levels: Vec<&str> = night.world.notices.iter().map(|notice| notice.level.as_str()).collect();
    assert!(levels.iter().all(|level| *level == "quiet"), "a drill that goes well wakes nobody: {levels:?}");
}

#[test]
fn a_drill_goes_on_where_it_was_wherever_the_controller_is_killed() {
    let (start, whole) = {
        let mut night = Night::new(|_| {});
        night.primary_fails(5, |_| false);
        let start = night.world.inputs;
        begin(&mut night.world, DrillKind::Live, 20);
        night.primary_fails(40, |_| false);
        (start, night.world.inputs)
    };
    // The moves themselves are a few dozen inputs after the first; what lies between is waiting.
    let (dense, sparse) = (start + 1..start + 60, (start + 60..whole).step_by(17));
    let mut lives = 0;
    for at in dense.chain(sparse) {
        for before in [true, false] {
            let mut night = Night::new(|_| {});
            night.primary_fails(5, |_| false);
            night.world.crash_at = Some((at, before));
            night.world.ask(Ask::Drill { request: request(DrillKind::Live, 20), digest: None });
            night.primary_fails(90, |_| false);
            lives += night.world.lives;
            let flips = night.world.flips;
            let begun = night.world.events.iter().any(|event| event.starts_with("drill-started"));
            assert_eq!(night.world.ledger().drills.open, None, "at {at}: {:?}", night.world.events);
            assert_eq!(night.explained().serving, Role::Primary, "at {at}: {:?}", night.world.events);
            assert_eq!(flips, if begun { 2 } else { 0 }, "at {at}: {:?}", night.world.events);
        }
    }
    assert!(lives > 50, "{lives}");
}

#[test]
fn a_drill_whose_standby_fails_comes_back_at_once_and_says_why() {
    let mut night = held();
    night.seconds(20, |_, role| Some(if role == Role::Standby { Outcome::Fail } else { Outcome::Pass }));
    assert_eq!(night.explained().serving, Role::Primary, "{:?}", night.world.events);
    assert!(matches!(ended(&night), DrillEnd::Aborted { .. }));
    assert!(why(&night).contains("the standby") || why(&night).contains("the check login fails"), "{}", why(&night));
    assert!(night.world.notices.iter().any(|notice| notice.level == Level::Loud), "people are told");
}

#[test]
fn a_measure_beyond_its_limit_and_a_persons_word_bring_it_back() {
    let mut night = held();
    let why_it = Some("queue above 5: 7 at the standby".to_owned());
    night.world.give(Input::Breached { service: name(), why: why_it });
    night.primary_fails(10, |_| false);
    assert_eq!((night.explained().serving, why(&night).as_str()), (Role::Primary, "queue above 5: 7 at the standby"));

    let mut night = held();
    night.world.ask(Ask::AbortDrill { service: name(), why: "ada: enough".to_owned() });
    assert_eq!(night.world.reply, Some(Reply::Done));
    night.primary_fails(10, |_| false);
    assert_eq!((night.explained().serving, why(&night).as_str()), (Role::Primary, "ada: enough"));
    night.world.ask(Ask::AbortDrill { service: name(), why: "ada: again".to_owned() });
    assert_eq!(codes(&night.world.reply.clone().unwrap()), ["nothing-drilled"]);
}

#[test]
fn a_drill_that_is_aborted_before_its_flip_moves_nothing() {
    let mut night = Night::new(|_| {});
    night.primary_fails(5, |_| false);
    night.world.auto = false;
    begin(&mut night.world, DrillKind::Live, 120);
    assert!(night.world.running.is_some(), "{:?}", night.world.events);
    night.world.ask(Ask::AbortDrill { service: name(), why: "ada: wrong day".to_owned() });
    night.world.auto = true;
    night.world.end(&End::Ok);
    night.primary_fails(10, |_| false);
    assert_eq!((night.world.flips, night.explained().serving), (0, Role::Primary), "{:?}", night.world.events);
    assert_eq!(ended(&night), DrillEnd::Aborted { why: "ada: wrong day".to_owned() });
}

#[test]
fn a_service_that_is_frozen_meanwhile_comes_back_as_soon_as_it_may() {
    let mut night = held();
    let (by, reason) = ("bob".to_owned(), "hands off".to_owned());
    night.world.ask(Ask::Freeze { service: name(), by: by.clone(), reason: reason.clone() });
    night.primary_fails(300, |_| false);
    assert_eq!((night.explained().serving, night.world.flips), (Role::Standby, 1), "{:?}", night.world.events);
    let told: Vec<&Notice> =
        night.world.notices.iter().filter(|notice| notice.text.contains("cannot come back")).collect();
    assert_eq!((told.len(), told[0].level), (1, Level::Everyone), "told once, and loudly");
    night.world.ask(Ask::Unfreeze { service: name(), by, reason });
    night.primary_fails(10, |_| false);
    assert_eq!((night.explained().serving, night.world.flips), (Role::Primary, 2), "{:?}", night.world.events);
    assert!(why(&night).contains("frozen by bob: hands off"), "{}", why(&night));
}

#[test]
fn a_drill_does_not_come_back_to_a_primary_that_is_down() {
    let mut night = held();
    night.primary_fails(200, |_| true);
    assert_eq!((night.explained().serving, night.world.flips), (Role::Standby, 1), "{:?}", night.world.events);
    assert!(
        why(&night).contains("did not come back") && why(&night).contains("the primary is down"),
        "{}",
        why(&night)
    );
    assert!(
        night.world.notices.iter().any(|notice| notice.level == Level::Everyone && notice.text.contains("drill 1"))
    );
    // What is left is an ordinary failover: nothing comes back by itself.
    night.primary_fails(600, |_| false);
    assert_eq!(night.explained().serving, Role::Standby);
}

#[test]
fn silence_is_no_proof_and_the_way_back_waits_for_it_for_a_while() {
    let mut night = held();
    night.seconds(125, |_, role| (role == Role::Standby).then_some(Outcome::Pass));
    assert_eq!(night.explained().serving, Role::Standby, "{:?}", night.world.events);
    assert!(night.world.ledger().drills.open.is_some(), "it waits: {:?}", night.world.events);
    night.primary_fails(20, |_| false);
    assert_eq!((night.explained().serving, ended(&night)), (Role::Primary, DrillEnd::Passed));
}

#[test]
fn nobody_drills_a_service_that_is_busy_with_something_else() {
    let mut night = Night::new(|_| {});
    night.primary_fails(5, |_| false);
    let (by, reason) = ("bob".to_owned(), "hands off".to_owned());
    night.world.ask(Ask::Freeze { service: name(), by: by.clone(), reason: reason.clone() });
    assert_eq!(codes(&begin(&mut night.world, DrillKind::Live, 60)), ["frozen"]);
    night.world.ask(Ask::Unfreeze { service: name(), by: by.clone(), reason: reason.clone() });
    let pin = Ask::Pin { service: name(), to: Role::Primary, lasting: Duration::from_secs(60), by, reason };
    night.world.ask(pin);
    night.world.give(Input::Maintenance { service: name(), window: Some("an upgrade".to_owned()) });
    assert_eq!(codes(&begin(&mut night.world, DrillKind::Live, 60)), ["pinned", "maintenance"]);
    assert_eq!(codes(&begin(&mut night.world, DrillKind::Rehearse, 60)), ["pinned", "maintenance", "no-rehearsal"]);
    night.world.give(Input::Maintenance { service: name(), window: None });
    night.primary_fails(70, |_| false);
    assert!(matches!(begin(&mut night.world, DrillKind::Live, 60), Reply::Drilling(_)));
    let again = begin(&mut night.world, DrillKind::Live, 60);
    assert!(codes(&again).contains(&"drill-open"), "{again:?}");
    night.primary_fails(20, |_| false);
    let again = begin(&mut night.world, DrillKind::Live, 60);
    assert_eq!(codes(&again), ["already-serving", "drill-open"], "{again:?}");
}

#[test]
fn a_drill_begins_from_good_health_on_both_sides() {
    let mut night = Night::new(|values| values.confirm = Duration::from_secs(3_000));
    night.primary_fails(30, |_| true);
    let codes = codes(&begin(&mut night.world, DrillKind::Live, 60));
    assert_eq!(codes, ["incident-open", "target-down"]);
}

#[test]
fn a_drill_is_no_restlessness_of_the_service_and_spends_no_budget() {
    let mut night = Night::new(|values| {
        values.cool_down = Duration::from_secs(3_600);
        values.budget = Budget { moves: 1, per: Duration::from_secs(3_600) };
    });
    night.primary_fails(5, |_| false);
    begin(&mut night.world, DrillKind::Live, 10);
    night.primary_fails(60, |_| false);
    assert_eq!((ended(&night), night.world.flips), (DrillEnd::Passed, 2));
    night.primary_fails(60, |_| true);
    assert_eq!(night.world.flips, 3, "a failure right after it is acted on: {:?}", night.world.events);
}

#[test]
fn an_incident_in_the_middle_of_the_way_out_is_still_a_move_to_the_standby() {
    let mut night = Night::new(|_| {});
    night.primary_fails(5, |_| false);
    night.world.store = Door::Open;
    begin(&mut night.world, DrillKind::Live, 30);
    night.primary_fails(120, |_| true);
    assert_eq!((night.explained().serving, night.world.flips), (Role::Standby, 1), "{:?}", night.world.events);
    assert!(matches!(ended(&night), DrillEnd::Failed { .. }));
}

#[test]
fn a_tabletop_looks_and_moves_nothing() {
    let mut night = Night::new(|_| {});
    night.primary_fails(5, |_| false);
    let zone = night.world.zone_sets();
    assert!(matches!(begin(&mut night.world, DrillKind::Tabletop, 60), Reply::Drilling(_)));
    assert!(night.has("look 1"), "{:?}", night.world.events);
    night.world.crash();
    assert_eq!(night.world.events.iter().filter(|event| *event == "look 1").count(), 2, "it looks again");
    let zone_after_crash = night.world.zone_sets();
    let looks = vec![DrillLook { at: "ttl".to_owned(), finding: Finding::Bad, text: "an hour".to_owned() }];
    night.world.give(Input::Looked { service: name(), number: 1, looks: looks.clone() });
    assert_eq!(why(&night), "one look did not come out well");
    let kept = night.world.journal.iter().find_map(|record| match &record.entry {
        JournalEntry::Drill(DrillEntry::Ended { looks, .. }) => Some(looks.clone()),
        _ => None,
    });
    assert_eq!(kept, Some(looks));
    assert_eq!((night.world.flips, night.world.zone_sets()), (0, zone_after_crash));
    assert_ne!(night.world.zone_sets(), zone, "the crash fenced, and nothing else wrote");
    // Also a service that nothing else may touch is looked at.
    let (by, reason) = ("bob".to_owned(), "hands off".to_owned());
    night.world.ask(Ask::Freeze { service: name(), by, reason });
    assert!(matches!(begin(&mut night.world, DrillKind::Tabletop, 60), Reply::Drilling(_)));
}
