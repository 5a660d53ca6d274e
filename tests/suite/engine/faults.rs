//! Faults that rehearsals cause on purpose: what waits for them, who sees them, and that they end.

use std::time::Duration;

use quorate::domain::*;
use quorate::engine::{Ask, Blocker, DrillRequest, Input, Reply};

use super::deciding::Night;

fn real() -> ServiceName {
    ServiceName::new("login").unwrap()
}

fn begin(night: &mut Night, kind: DrillKind, fault: DrillFault) -> Reply {
    let request = DrillRequest {
        service: real(),
        kind,
        hold: Duration::from_secs(20),
        by: "ada".to_owned(),
        reason: "game day".to_owned(),
        scheduled: false,
        fault: Some(fault),
    };
    night.world.ask(Ask::Drill { request, digest: None });
    night.world.reply.clone().unwrap()
}

fn begun(fault: DrillFault) -> Night {
    begun_under(fault, |_| {})
}

fn begun_under(fault: DrillFault, change: impl FnOnce(&mut PolicyValues)) -> Night {
    let mut night = Night::rehearsing(change);
    night.primary_fails(5, |_| false);
    let reply = begin(&mut night, DrillKind::Rehearse, fault);
    assert!(matches!(reply, Reply::Drilling(_)), "{reply:?}");
    night
}

/// A lab says how it went.
fn caused(night: &mut Night, result: Result<&str, &str>) {
    let result = result.map(str::to_owned).map_err(str::to_owned);
    night.world.give(Input::Faulted { service: night.world.service.name.clone(), number: 1, result });
}

fn lab_fault(night: &Night) -> Option<DrillFault> {
    night.world.ledger().drills.open.as_ref().and_then(|open| open.lab_fault())
}

fn ended(night: &Night) -> DrillEnd {
    let last = night.world.ledger().drills.last.clone();
    last.unwrap_or_else(|| panic!("no drill has ended: {:?}", night.world.events)).end
}

fn why(night: &Night) -> String {
    ended(night).why().unwrap_or_else(|| panic!("it passed: {:?}", night.world.events)).to_owned()
}

fn count(night: &Night, event: &str) -> usize {
    night.world.events.iter().filter(|known| known.starts_with(event)).count()
}

/// What keeps the service itself from moving by its policy.
fn against_the_service(night: &Night) -> Vec<&'static str> {
    let known = night.world.engine.explain(night.world.moment(), &real()).unwrap();
    known.blockers.iter().map(Blocker::code).collect()
}

#[test]
fn only_a_rehearsal_breaks_anything_and_only_what_its_configuration_lists() {
    let mut night = Night::rehearsing(|_| {});
    night.primary_fails(5, |_| false);
    for kind in [DrillKind::Tabletop, DrillKind::Live] {
        match begin(&mut night, kind, DrillFault::DropAgent) {
            Reply::Blocked(blockers) => assert!(blockers.iter().any(|one| one.code() == "fault-not-allowed")),
            other => panic!("{other:?}"),
        }
    }
    let mut night = Night::new(|_| {});
    night.primary_fails(5, |_| false);
    match begin(&mut night, DrillKind::Rehearse, DrillFault::DropAgent) {
        Reply::Blocked(blockers) => {
            let codes: Vec<&str> = blockers.iter().map(Blocker::code).collect();
            assert_eq!(codes, ["no-rehearsal", "fault-not-allowed"]);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_broken_login_is_waited_for_until_a_quorum_sees_it_and_the_service_itself_stays_where_it_is() {
    let mut night = begun(DrillFault::BreakLogin);
    night.primary_fails(30, |_| false);
    assert_eq!((lab_fault(&night), night.world.flips), (Some(DrillFault::BreakLogin), 0));
    caused(&mut night, Ok("the login meets an error"));
    night.primary_fails(5, |_| false);
    assert_eq!((count(&night, "drill-faulted 1"), night.world.flips), (1, 0), "{:?}", night.world.events);
    assert!(against_the_service(&night).contains(&"broken-on-purpose"), "{:?}", against_the_service(&night));
    night.primary_fails(120, |_| true);
    assert_eq!((count(&night, "drill-detected 1"), night.world.flips), (1, 1), "{:?}", night.world.events);
    assert_eq!(night.explained().serving, Role::Standby);
    // Its own way back waits until the primary is well: this one has been mended.
    assert_eq!(lab_fault(&night), None);
    assert_eq!(count(&night, "login: plan-opened"), 0, "{:?}", night.world.events);
    night.primary_fails(200, |_| false);
    assert_eq!((ended(&night), night.explained().serving), (DrillEnd::Passed, Role::Primary));
    assert!(!against_the_service(&night).contains(&"broken-on-purpose"), "{:?}", against_the_service(&night));
}

#[test]
fn a_fault_that_is_not_caused_or_not_noticed_ends_the_drill_and_moves_nothing() {
    for fault in [DrillFault::BreakLogin, DrillFault::DelayProvider] {
        let mut night = begun(fault);
        caused(&mut night, Err("it does not prove to be a lab"));
        assert!(why(&night).ends_with("was not caused: it does not prove to be a lab"), "{}", why(&night));

        let mut night = begun(fault);
        night.primary_fails(70, |_| false);
        assert!(why(&night).contains(&format!("nobody caused the fault {fault} within")), "{}", why(&night));
        assert_eq!(night.world.flips, 0, "{:?}", night.world.events);
    }
    let mut night = begun(DrillFault::BreakLogin);
    caused(&mut night, Ok("the login meets an error"));
    night.primary_fails(610, |vantage| vantage == 0);
    assert!(why(&night).contains("was not noticed within 10m"), "{}", why(&night));
    assert_eq!((night.world.flips, lab_fault(&night)), (0, None));

    // Seen, and gone again before it was confirmed: somebody else has mended it.
    let mut night = begun_under(DrillFault::BreakLogin, |values| values.confirm = Duration::from_secs(60));
    caused(&mut night, Ok("the login meets an error"));
    night.primary_fails(30, |_| true);
    assert_eq!((count(&night, "drill-detected 1"), night.world.flips), (1, 0), "{:?}", night.world.events);
    night.primary_fails(640, |_| false);
    assert!(why(&night).contains("no failover came of the fault within 11m"), "{}", why(&night));
    assert_eq!((night.world.flips, lab_fault(&night)), (0, None));
}

#[test]
fn a_broken_login_is_mended_as_soon_as_the_drill_is_aborted() {
    let mut night = begun(DrillFault::BreakLogin);
    caused(&mut night, Ok("the login meets an error"));
    assert_eq!(lab_fault(&night), Some(DrillFault::BreakLogin));
    night.world.ask(Ask::AbortDrill { service: real(), why: "ada: enough".to_owned() });
    assert_eq!(lab_fault(&night), None);
    night.primary_fails(10, |_| false);
    assert_eq!((why(&night).as_str(), night.world.flips), ("ada: enough", 0));

    // What was seen to fail is seen to work again first, or the service itself would be moved.
    let mut night = begun(DrillFault::BreakLogin);
    caused(&mut night, Ok("the login meets an error"));
    night.primary_fails(3, |_| true);
    night.world.ask(Ask::AbortDrill { service: real(), why: "ada: enough".to_owned() });
    night.primary_fails(20, |_| true);
    assert_eq!(lab_fault(&night), None);
    assert!(night.world.ledger().drills.open.is_some(), "{:?}", night.world.events);
    assert!(against_the_service(&night).contains(&"broken-on-purpose"), "{:?}", against_the_service(&night));
    night.primary_fails(30, |_| false);
    assert_eq!((why(&night).as_str(), night.world.flips), ("ada: enough", 0));
    assert!(!against_the_service(&night).contains(&"broken-on-purpose"));
}

#[test]
fn an_agent_that_is_dropped_is_not_heard_by_the_rehearsal_and_is_by_its_service() {
    let mut night = begun(DrillFault::DropAgent);
    assert_eq!(count(&night, "drill-faulted 1"), 1, "{:?}", night.world.events);
    assert_eq!(night.world.flips, 0, "what it said before counts still");
    night.primary_fails(20, |_| false);
    assert_eq!(night.world.flips, 1, "{:?}", night.world.events);
    let unheard = |views: &[VantageView]| views.iter().filter(|view| **view == VantageView::Stale).count();
    assert_eq!((unheard(&night.views(Role::Primary)), unheard(&night.views(Role::Standby))), (1, 1));
    let known = night.world.engine.explain(night.world.moment(), &real()).unwrap();
    let views: Vec<VantageView> = known.sites[0].votes.votes.iter().map(|vote| vote.view).collect();
    assert_eq!(unheard(&views), 0, "{views:?}");
    night.primary_fails(60, |_| false);
    assert_eq!((ended(&night), night.world.flips), (DrillEnd::Passed, 2));
    night.primary_fails(10, |_| false);
    assert_eq!(unheard(&night.views(Role::Primary)), 0, "it is heard again");
}

#[test]
fn a_delayed_provider_stays_so_until_the_drill_has_ended() {
    let mut night = begun(DrillFault::DelayProvider);
    night.primary_fails(10, |_| false);
    assert_eq!(night.world.flips, 0, "nothing is late yet");
    caused(&mut night, Ok("it answers late"));
    night.primary_fails(10, |_| false);
    assert_eq!((night.world.flips, lab_fault(&night)), (1, Some(DrillFault::DelayProvider)));
    assert!(!against_the_service(&night).contains(&"broken-on-purpose"), "the service may move");
    night.primary_fails(30, |_| false);
    assert_eq!((ended(&night), night.world.flips, lab_fault(&night)), (DrillEnd::Passed, 2, None));
}

#[test]
fn a_controller_that_is_to_end_does_so_once_between_the_switch_and_its_verification() {
    let mut night = begun(DrillFault::KillController);
    night.primary_fails(60, |_| false);
    let place = |event: &str| night.world.events.iter().position(|known| known.starts_with(event));
    let order = ["succeeded login-rehearsal-1 2", "drill-faulted 1", "end-process 1", "crash", "run await-in-sync"]
        .map(place);
    assert!(order.iter().all(Option::is_some) && order.is_sorted(), "{order:?} {:?}", night.world.events);
    assert_eq!((count(&night, "end-process"), night.world.lives), (1, 1), "{:?}", night.world.events);
    assert_eq!((ended(&night), night.world.flips), (DrillEnd::Passed, 2));
}
