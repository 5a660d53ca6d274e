//! Drift, as the engine tells it, and what a person's repair does to a decision.

use quorate::domain::drift::{AnswerSeen, FlagSeen, FlagTrouble, Sighting, ZoneSeen};
use quorate::domain::*;
use quorate::engine::{Ask, Input, MoveRequest, Reply};

use super::world::World;

const SECOND: u64 = 1_000;

/// What is there when everything is as it should be, and what one change makes of it.
fn seen(world: &World, change: impl FnOnce(&mut Sighting)) -> Sighting {
    let service = &world.service;
    let value = |role: Role| Ok(vec![service.site(role).answer.clone()]);
    let mut seen = Sighting {
        zones: vec![ZoneSeen {
            at: "zone Z1".to_owned(),
            routing: service.dns.routing,
            records: Ok(world.zone_sets()),
        }],
        flags: Vec::new(),
        answers: vec![AnswerSeen {
            server: "192.0.2.53:53".to_owned(),
            name: service.dns.name.clone(),
            kind: RecordType::A,
            primary: value(Role::Primary),
            standby: value(Role::Standby),
            got: value(world.register().serving()),
        }],
        unasked: Vec::new(),
    };
    change(&mut seen);
    seen
}

fn answers(text: &str) -> impl Fn(&mut Sighting) + use<> {
    let text = text.to_owned();
    move |seen: &mut Sighting| seen.answers[0].got = Ok(vec![text.clone()])
}

fn silent(seen: &mut Sighting) {
    seen.answers[0].got = Err("no answer in time".to_owned());
}

/// A look that ends at once.
fn look(world: &mut World, change: impl FnOnce(&mut Sighting)) {
    let seen = Box::new(seen(world, change));
    let (service, began) = (world.service.name.clone(), world.moment());
    world.give(Input::Surveyed { service, began, seen });
}

fn looks(world: &mut World, minutes: u64, change: impl Fn(&mut Sighting)) {
    for _ in 0..minutes {
        world.pass_until(world.now + 60 * SECOND);
        look(world, &change);
    }
}

fn count(world: &World, event: &str) -> usize {
    world.events.iter().filter(|known| *known == event).count()
}

fn led() -> World {
    let mut world = World::new();
    world.lead();
    world.pass_until(10 * SECOND);
    world
}

fn differences(world: &World) -> Vec<&'static str> {
    let explained = world.engine.explain(world.moment(), &world.service.name).unwrap();
    explained.drift.map(|drift| drift.differences.iter().map(|one| one.code).collect()).unwrap_or_default()
}

#[test]
fn what_differs_for_two_minutes_pages_once_and_is_over_two_minutes_after_it_is_mended() {
    let mut world = led();
    look(&mut world, |_| {});
    assert_eq!(differences(&world), [""; 0]);
    look(&mut world, answers("198.51.100.9"));
    assert_eq!(differences(&world), ["answer"]);
    looks(&mut world, 1, answers("198.51.100.9"));
    world.pass_until(world.now + 59 * SECOND);
    assert_eq!(count(&world, "alert drift"), 0, "not before two minutes: {:?}", world.events);
    looks(&mut world, 5, answers("198.51.100.9"));
    assert_eq!(count(&world, "alert drift"), 1, "{:?}", world.events);
    let notice = world.notices.iter().find(|notice| notice.text.contains("not what was decided")).unwrap();
    assert_eq!(notice.level, Level::Everyone);
    assert!(notice.text.contains("198.51.100.9") && notice.text.contains("quorate drift login"), "{}", notice.text);
    looks(&mut world, 1, |_| {});
    assert_eq!(count(&world, "alert-over drift"), 0);
    looks(&mut world, 3, |_| {});
    assert_eq!(count(&world, "alert-over drift"), 1, "{:?}", world.events);
}

#[test]
fn what_cannot_be_read_is_neither_drift_nor_the_end_of_it() {
    let mut world = led();
    looks(&mut world, 10, silent);
    assert_eq!(count(&world, "alert drift"), 0, "{:?}", world.events);
    looks(&mut world, 4, answers("198.51.100.9"));
    assert_eq!(count(&world, "alert drift"), 1);
    looks(&mut world, 10, silent);
    assert_eq!(count(&world, "alert-over drift"), 0, "{:?}", world.events);
}

#[test]
fn a_difference_that_comes_and_goes_within_two_minutes_tells_nobody() {
    let mut world = led();
    for _ in 0..10 {
        looks(&mut world, 1, answers("198.51.100.9"));
        looks(&mut world, 1, |_| {});
    }
    assert_eq!(count(&world, "alert drift"), 0, "{:?}", world.events);
}

#[test]
fn a_look_that_began_before_a_fence_is_not_counted() {
    let mut world = led();
    let (service, began) = (world.service.name.clone(), Moment::default());
    let seen = Box::new(seen(&world, answers("198.51.100.9")));
    world.pass_until(world.now + SECOND);
    let register = world.register();
    world.give(Input::Fenced { service: service.clone(), register, behind: Vec::new() });
    world.give(Input::Surveyed { service, began, seen });
    assert_eq!(differences(&world), [""; 0]);
}

fn first(sets: &mut [RecordSet], kind: RecordType) -> &mut RecordSet {
    sets.iter_mut().find(|set| set.kind == kind).unwrap()
}

#[test]
fn every_kind_of_difference_is_told_apart() {
    let world = led();
    let is = |code: &str, change: &dyn Fn(&mut Vec<RecordSet>)| {
        let mut world = led();
        look(&mut world, |seen| change(seen.zones[0].records.as_mut().unwrap()));
        assert_eq!(differences(&world), [code]);
    };
    let (pair, marks): (Vec<_>, Vec<_>) = world.zone_sets().into_iter().partition(|set| set.kind == RecordType::A);
    assert_eq!((pair.len(), marks.len()), (2, 1));
    let at = |sets: &[RecordSet], kind| sets.iter().position(|set| set.kind == kind).unwrap();
    is("missing", &|sets| drop(sets.remove(at(sets, RecordType::A))));
    is("changed", &|sets| first(sets, RecordType::A).ttl_s = 300);
    is("changed", &|sets| first(sets, RecordType::A).values = vec!["198.51.100.9".to_owned()]);
    is("changed", &|sets| first(sets, RecordType::A).health_check = Some("h-1".to_owned()));
    is("unexpected", &|sets| {
        let extra = RecordSet { set_identifier: Some("third".to_owned()), ..first(sets, RecordType::A).clone() };
        sets.push(extra);
    });
    is("other-type", &|sets| {
        let six = RecordSet { kind: RecordType::Aaaa, values: vec!["2001:db8::1".to_owned()], ..pair[0].clone() };
        sets.push(six);
    });
    is("mark-missing", &|sets| drop(sets.remove(at(sets, RecordType::Txt))));
    is("mark-changed", &|sets| first(sets, RecordType::Txt).values = vec!["by hand".to_owned()]);
    is("mark-foreign", &|sets| {
        first(sets, RecordType::Txt).values = vec!["v1;c=others;e=9;s=0;t=primary;d=-".to_owned()];
    });
    is("mark-stale", &|sets| {
        first(sets, RecordType::Txt).values = vec!["v1;c=demo;e=0;s=0;t=primary;d=-".to_owned()];
    });
    is("mark-changed", &|sets| {
        first(sets, RecordType::Txt).values = vec!["v1;c=demo;e=1;s=9;t=primary;d=-".to_owned()];
    });
}

#[test]
fn a_store_of_the_flag_that_is_behind_is_caught_up_and_one_that_is_away_is_not_asked() {
    let mut world = World::in_lane(DnsLane::Flag);
    world.lead();
    world.pass_until(10 * SECOND);
    let token = world.register().token().clone();
    let flag = |held| FlagSeen { store: "s3://one".to_owned(), held };
    look(&mut world, |seen| {
        seen.flags = vec![flag(Ok(Some(token.clone()))), flag(Err(FlagTrouble::Unknown("away".to_owned())))]
    });
    assert!(!world.events.iter().any(|event| event.starts_with("catch up")), "{:?}", world.events);
    look(&mut world, |seen| seen.flags = vec![flag(Ok(Some(token.clone()))), flag(Ok(None))]);
    assert_eq!(count(&world, &format!("catch up {token}")), 1, "{:?}", world.events);
    assert_eq!(differences(&world), ["flag-behind"]);
    // One that is up is never lowered by the way.
    let up = Token { serving: Role::Standby, epoch: Epoch::new(0), ..token.clone() };
    look(&mut world, |seen| seen.flags = vec![flag(Ok(Some(token.clone()))), flag(Ok(Some(up)))]);
    assert_eq!(count(&world, &format!("catch up {token}")), 1);
}

#[test]
fn a_store_that_is_not_known_to_be_fenced_stands_in_the_way_back_alone_until_a_look_shows_it_is() {
    let mut world = World::in_lane(DnsLane::Flag);
    world.lead();
    world.pass_until(10 * SECOND);
    let token = world.register().token().clone();
    let blocked = |world: &World, to: Role| {
        let (service, by, reason) = (world.service.name.clone(), "ada".to_owned(), "a test".to_owned());
        match world
            .engine
            .draft(world.moment(), &MoveRequest { service, to, by, reason, force: true, promote: false })
        {
            Reply::Blocked(blockers) => blockers.iter().any(|blocker| blocker.code() == "flag-behind"),
            _ => false,
        }
    };
    let both = |world: &World| (blocked(world, Role::Primary), blocked(world, Role::Standby));
    assert_eq!(both(&world), (false, false));
    let (service, register) = (world.service.name.clone(), world.register());
    world.give(Input::Fenced { service, register, behind: vec!["s3://two: no answer".to_owned()] });
    assert_eq!(both(&world), (true, false));
    let flag = |held| FlagSeen { store: "s3://one".to_owned(), held };
    let whole = || Ok(Some(token.clone()));
    let cases = [
        (whole(), false),
        (Err(FlagTrouble::Unknown("away".to_owned())), true),
        (whole(), false),
        (Ok(None), true),
        (Err(FlagTrouble::Foreign("s3://one: edited".to_owned())), true),
    ];
    for (held, wanted) in cases {
        world.pass_until(world.now + SECOND);
        look(&mut world, |seen| seen.flags = vec![flag(whole()), flag(held.clone())]);
        assert_eq!(both(&world), (wanted, false), "{held:?}");
    }
    assert_eq!(differences(&world), ["flag-foreign"]);
    look(&mut world, |_| {});
    assert_eq!(both(&world), (true, false), "stores that could not even be asked");
}

fn repair(world: &World) -> Ask {
    let digest = PlanDigest::parse("0123456789abcdef").unwrap();
    let service = world.service.name.clone();
    Ask::Repair { service, digest, by: "ada".to_owned(), reason: "a hand slipped".to_owned() }
}

#[test]
fn a_repair_is_recorded_first_and_nothing_moves_until_the_register_is_fenced_again() {
    let mut world = led();
    world.ask(repair(&world));
    assert_eq!((count(&world, "reply done"), count(&world, "repair-asked")), (1, 1), "{:?}", world.events);
    let blocked = world.engine.explain(world.moment(), &world.service.name).unwrap();
    assert!(blocked.token.is_none() && blocked.blockers.iter().any(|blocker| blocker.code() == "not-fenced"));
    let fences = count(&world, "fence");
    world.give(Input::Mended { service: world.service.name.clone() });
    assert_eq!(count(&world, "fence"), fences + 1, "at once: {:?}", world.events);
    assert!(world.engine.explain(world.moment(), &world.service.name).unwrap().token.is_some());
}

#[test]
fn a_write_that_never_comes_back_does_not_keep_the_register_for_ever() {
    let mut world = led();
    let fences = count(&world, "fence");
    world.ask(repair(&world));
    world.pass_until(world.now + 119 * SECOND);
    assert_eq!(count(&world, "fence"), fences);
    world.pass_until(world.now + 2 * SECOND);
    assert_eq!(count(&world, "fence"), fences + 1, "{:?}", world.events);
}

#[test]
fn a_frozen_service_is_neither_adopted_nor_repaired() {
    let mut world = led();
    let service = world.service.name.clone();
    world.ask(Ask::Freeze { service, by: "ada".to_owned(), reason: "a release".to_owned() });
    world.ask(repair(&world));
    assert_eq!(world.events.last().map(String::as_str), Some("reply blocked frozen"));
    let (service, digest) = (world.service.name.clone(), PlanDigest::parse("0123456789abcdef").unwrap());
    let (by, reason) = ("ada".to_owned(), "now".to_owned());
    world.ask(Ask::Adopt { service, from: None, digest, by, reason });
    assert_eq!(world.events.last().map(String::as_str), Some("reply blocked frozen"));
    assert_eq!(count(&world, "repair-asked") + count(&world, "adoption-asked"), 0);
}
