//! How a move drains, second by second: the curve, who holds on, and that none of it moves anything.

use std::time::Duration;

use quorate::domain::*;
use quorate::engine::{Ask, DrainView, Input, MoveRequest, Reply};

use super::deciding::Night;
use super::world::service;

const NAME: &str = "login.example.org";

/// What a resolver says.
#[derive(Clone, Copy)]
enum Word {
    /// It leads there, and has done so for that long.
    Leads(Role, u64),
    /// It leads to neither.
    Astray,
    Silent,
}

fn id(vantage: &str, resolver: &str) -> LookupId {
    LookupId {
        vantage: VantageName::new(vantage).unwrap(),
        resolver: resolver.parse().unwrap(),
        name: NAME.to_owned(),
        kind: RecordType::A,
    }
}

fn tell(night: &mut Night, vantage: &str, resolver: &str, word: Word, ttl_s: u32) {
    let now = night.world.moment();
    let values = |role: Option<Role>| Said::Values {
        values: vec![
            role.map_or("203.0.113.9", |role| if role == Role::Primary { "192.0.2.1" } else { "192.0.2.2" }).into(),
        ],
        ttl_s: Some(ttl_s),
    };
    let (said, leads_to, since) = match word {
        Word::Leads(role, for_s) => (values(Some(role)), Some(role), now.before(Duration::from_secs(for_s))),
        Word::Astray => (values(None), None, now),
        Word::Silent => (Said::Nothing("no answer in time".into()), None, now),
    };
    let service = night.world.service.name.clone();
    let lookup = Lookup { service, id: id(vantage, resolver), said, leads_to, at: now, since };
    night.world.give(Input::Sighted(vec![Sighting::Lookup(lookup)]));
}

fn run(night: &mut Night, vantage: &str, outcome: Outcome) {
    let run = PublicRun {
        service: night.world.service.name.clone(),
        vantage: VantageName::new(vantage).unwrap(),
        check: CheckName::new("login").unwrap(),
        outcome,
        reason: (outcome != Outcome::Pass).then(|| "503".into()),
        failed_step: None,
        duration_ms: 20,
        at: night.world.moment(),
    };
    night.world.give(Input::Sighted(vec![Sighting::Run(run)]));
}

fn all_well(night: &mut Night, seconds: u64) {
    night.seconds(seconds, |_, _| Some(Outcome::Pass));
}

fn move_to(night: &mut Night, to: Role) {
    let (by, reason) = ("ada".to_owned(), "a reason".to_owned());
    let request =
        MoveRequest { service: night.world.service.name.clone(), to, by, reason, force: false, promote: false };
    let Reply::Opened(plan) = night.world.engine.draft(night.world.moment(), &request) else { panic!("no plan") };
    night.world.ask(Ask::Move { request, digest: plan.digest().clone() });
    assert_eq!(night.explained().serving, to, "{:?}", night.world.events);
}

fn drain(night: &Night) -> DrainView {
    night.explained().drain.expect("there is a drain")
}

fn recorded(night: &Night) -> Vec<DrainRecord> {
    let entries = night.world.journal.iter().map(|record| &record.entry);
    let drained = |entry: &JournalEntry| match entry {
        JournalEntry::Drained { record, .. } => Some((**record).clone()),
        _ => None,
    };
    entries.filter_map(drained).collect()
}

fn counts(curve: &Curve) -> (usize, usize, usize) {
    (curve.moved().len(), curve.old(), curve.unknown())
}

const OLD: Word = Word::Leads(Role::Primary, 600);

/// A night with resolvers at three vantages that lead to the primary, one that leads astray, and one that is silent; then the move.
fn moved() -> Night {
    let mut night = Night::of(service("login"));
    for vantage in ["aws-1", "gcp-1", "azu-1"] {
        tell(&mut night, vantage, "192.0.2.53:53", OLD, 20);
    }
    tell(&mut night, "aws-1", "9.9.9.9:53", Word::Astray, 20);
    tell(&mut night, "gcp-1", "9.9.9.9:53", Word::Silent, 0);
    assert!(!night.has("look closely") && night.explained().drain.is_none());
    move_to(&mut night, Role::Standby);
    assert!(night.has("look closely"), "{:?}", night.world.events);
    assert_eq!(counts(&drain(&night).curve), (0, 3, 2));
    night
}

#[test]
fn the_curve_is_of_those_that_are_known_and_is_recorded_once_after_the_plan() {
    let mut night = moved();
    all_well(&mut night, 10);
    tell(&mut night, "aws-1", "192.0.2.53:53", Word::Leads(Role::Standby, 4), 20);
    assert_eq!(counts(&drain(&night).curve), (1, 2, 2));
    all_well(&mut night, 10);
    tell(&mut night, "gcp-1", "192.0.2.53:53", Word::Leads(Role::Standby, 0), 20);
    all_well(&mut night, 5);
    tell(&mut night, "azu-1", "192.0.2.53:53", Word::Leads(Role::Standby, 1), 20);
    let view = drain(&night);
    assert_eq!(counts(&view.curve), (3, 0, 2));
    assert_eq!(
        [50, 90, 100].map(|share| view.curve.reached(share).map(|t| t.as_secs())),
        [Some(20), Some(24), Some(24)]
    );
    assert!(view.running.is_some() && recorded(&night).is_empty(), "the checks have not passed through the name yet");
    // Votes on the sites are what they were: none of this is one.
    let votes = night.explained().sites.iter().map(|site| site.votes.votes.len()).collect::<Vec<_>>();
    for vantage in ["aws-1", "gcp-1"] {
        run(&mut night, vantage, Outcome::Pass);
    }
    run(&mut night, "azu-1", Outcome::Fail);
    assert_eq!(public_in_words(&drain(&night).public).unwrap(), "2 of 3 vantages pass; azu-1: fail: login: 503");
    assert!(recorded(&night).is_empty());
    all_well(&mut night, 1);
    run(&mut night, "azu-1", Outcome::Pass);
    let records = recorded(&night);
    assert_eq!(records.len(), 1, "{:?}", night.world.events);
    assert_eq!(
        (records[0].end, counts(&records[0].curve), records[0].stragglers.len()),
        (DrainEnd::Moved, (3, 0, 2), 0)
    );
    assert_eq!(records[0].public_in_words().unwrap(), "3 of 3 vantages pass");
    assert!(night.has("look at rest"));
    assert_eq!(votes, night.explained().sites.iter().map(|site| site.votes.votes.len()).collect::<Vec<_>>());
    // What is said later changes nothing any more, also after a restart.
    tell(&mut night, "azu-1", "192.0.2.53:53", OLD, 20);
    all_well(&mut night, 200);
    night.world.crash();
    tell(&mut night, "azu-1", "192.0.2.53:53", OLD, 20);
    all_well(&mut night, 5);
    assert_eq!(recorded(&night).len(), 1);
    assert_eq!((drain(&night).running, drain(&night).end), (None, Some(DrainEnd::Moved)));
}

#[test]
fn whoever_holds_on_past_the_time_to_live_is_named_with_by_how_much() {
    let mut night = moved();
    // The time to live is 30 s, and a browser's minute comes after it.
    for second in 1..=89_u64 {
        all_well(&mut night, 1);
        let word =
            |moved_at: u64| if second < moved_at { OLD } else { Word::Leads(Role::Standby, second - moved_at) };
        tell(&mut night, "aws-1", "192.0.2.53:53", word(12), 20);
        tell(&mut night, "gcp-1", "192.0.2.53:53", word(50), 20);
        tell(&mut night, "azu-1", "192.0.2.53:53", OLD, 3_600);
    }
    assert!(recorded(&night).is_empty());
    all_well(&mut night, 2);
    let records = recorded(&night);
    assert_eq!(records.len(), 1, "{:?}", night.world.events);
    let record = &records[0];
    assert_eq!((record.end, counts(&record.curve)), (DrainEnd::TimeOut, (2, 1, 2)));
    let named: Vec<_> = record
        .stragglers
        .iter()
        .map(|s| (s.vantage.as_str(), s.moved.map(|t| t.as_secs()), s.stretched.as_secs(), s.said_ttl_s))
        .collect();
    assert_eq!(named, [("azu-1", None, 60, Some(3_600)), ("gcp-1", Some(50), 20, None)]);
    assert!(night.world.notices.iter().all(|notice| !notice.text.contains("192.0.2.53")), "nobody is paged");
}

#[test]
fn a_move_that_is_overtaken_is_recorded_as_far_as_it_got_and_a_new_leader_goes_on() {
    let mut night = moved();
    all_well(&mut night, 10);
    tell(&mut night, "aws-1", "192.0.2.53:53", Word::Leads(Role::Standby, 4), 20);
    night.world.crash();
    assert!(night.explained().drain.is_none(), "nobody has said anything to the new one yet");
    tell(&mut night, "gcp-1", "192.0.2.53:53", OLD, 20);
    tell(&mut night, "aws-1", "192.0.2.53:53", Word::Leads(Role::Standby, 4), 20);
    assert_eq!(counts(&drain(&night).curve), (1, 1, 0));
    assert_eq!(drain(&night).curve.moved()[0].as_secs(), 6, "since when is told by the agent");
    all_well(&mut night, 60);
    tell(&mut night, "gcp-1", "192.0.2.53:53", OLD, 20);
    move_to(&mut night, Role::Primary);
    let records = recorded(&night);
    assert_eq!(records.len(), 1, "{:?}", night.world.events);
    assert_eq!(records[0].end, DrainEnd::Overtaken);
    assert_eq!(drain(&night).plan.as_str(), night.world.ledger().last.as_ref().unwrap().plan.id().as_str());
}

#[test]
fn where_nobody_looks_nothing_is_told_and_strangers_are_not_counted() {
    let mut night = Night::of(service("login"));
    tell(&mut night, "mars-1", "192.0.2.53:53", OLD, 20);
    move_to(&mut night, Role::Standby);
    all_well(&mut night, 300);
    assert!(recorded(&night).is_empty() && night.explained().drain.is_none() && !night.has("look closely"));
    // Whoever looks only now saw nothing of it.
    tell(&mut night, "aws-1", "192.0.2.53:53", Word::Leads(Role::Standby, 150), 20);
    all_well(&mut night, 5);
    assert!(recorded(&night).is_empty() && night.explained().drain.is_none());
}
