//! What keeps a service from moving though the evidence is there, and for how long.

use std::time::Duration;

use quorate::domain::*;
use quorate::engine::{Ask, Engine, Input, MoveRequest, Reply};

use super::deciding::{Night, policy};
use super::world::{End, service};

fn name() -> ServiceName {
    ServiceName::new("login").unwrap()
}

fn words() -> (String, String) {
    ("ada".to_owned(), "a reason".to_owned())
}

fn manual(night: &mut Night, to: Role) -> Reply {
    let (by, reason) = words();
    let request = MoveRequest { service: name(), to, by, reason, force: false, promote: false };
    let Reply::Opened(plan) = night.world.engine.draft(night.world.moment(), &request) else {
        return night.world.engine.draft(night.world.moment(), &request);
    };
    night.world.ask(Ask::Move { request, digest: plan.digest().clone() });
    night.world.reply.clone().unwrap()
}

/// Fails over by itself, and is brought back by a person.
fn there_and_back(night: &mut Night) {
    night.primary_fails(40, |_| true);
    assert!(night.explained().serving == Role::Standby, "{:?}", night.world.events);
    night.primary_fails(60, |_| false);
    assert!(matches!(manual(night, Role::Primary), Reply::Opened(_)));
    night.primary_fails(10, |_| false);
    assert!(night.explained().serving == Role::Primary, "{:?}", night.world.events);
}

#[test]
fn after_a_move_nothing_moves_by_itself_until_the_cool_down_is_over_also_across_a_restart() {
    let mut night = Night::new(|values| values.cool_down = Duration::from_secs(600));
    there_and_back(&mut night);
    night.primary_fails(60, |_| true);
    assert_eq!(night.codes(), ["cool-down"]);
    night.world.crash();
    night.primary_fails(420, |_| true);
    assert_eq!((night.codes(), night.world.flips), (vec!["cool-down"], 2), "{:?}", night.world.events);
    night.primary_fails(120, |_| true);
    assert_eq!(night.world.flips, 3, "{:?}", night.world.events);
    assert!(night.has("attempt-blocked cool-down"));
}

#[test]
fn the_budget_of_automatic_moves_is_never_exceeded_and_persons_may_still_move() {
    let mut night = Night::new(|values| {
        values.cool_down = Duration::ZERO;
        values.budget = Budget { moves: 2, per: Duration::from_secs(3_600) };
    });
    there_and_back(&mut night);
    there_and_back(&mut night);
    night.primary_fails(300, |_| true);
    assert_eq!((night.codes(), night.world.flips), (vec!["budget"], 4), "{:?}", night.world.events);
    assert!(matches!(manual(&mut night, Role::Standby), Reply::Opened(_)));
    night.primary_fails(10, |_| true);
    assert_eq!(night.world.flips, 5);
}

#[test]
fn the_policy_never_goes_back_by_itself_however_the_standby_fails() {
    let mut night = Night::new(|values| {
        values.cool_down = Duration::ZERO;
        values.budget = Budget { moves: 50, per: Duration::from_secs(3_600) };
    });
    night.primary_fails(40, |_| true);
    assert!(night.explained().serving == Role::Standby, "{:?}", night.world.events);
    night.primary_fails(600, |_| false);
    night.seconds(600, |_, role| Some(if role == Role::Standby { Outcome::Fail } else { Outcome::Pass }));
    assert_eq!((night.world.flips, night.explained().serving), (1, Role::Standby), "{:?}", night.world.events);
}

#[test]
fn a_pin_holds_against_policy_and_people_until_it_runs_out_or_is_taken_out() {
    let pin = |night: &mut Night, to, minutes: u64| {
        let (by, reason) = words();
        night.world.ask(Ask::Pin { service: name(), to, lasting: Duration::from_secs(minutes * 60), by, reason });
        assert_eq!(night.world.reply, Some(Reply::Done));
    };
    let mut night = Night::new(|_| {});
    pin(&mut night, Role::Primary, 10);
    night.primary_fails(120, |_| true);
    assert_eq!(night.codes(), ["pinned"]);
    assert!(matches!(manual(&mut night, Role::Standby), Reply::Blocked(_)));
    night.primary_fails(500, |_| true);
    assert_eq!(night.world.flips, 1, "it has run out: {:?}", night.world.events);

    let mut night = Night::new(|_| {});
    pin(&mut night, Role::Primary, 600);
    night.primary_fails(120, |_| true);
    let (by, reason) = words();
    night.world.ask(Ask::Unpin { service: name(), by, reason });
    night.primary_fails(5, |_| true);
    assert_eq!(night.world.flips, 1, "{:?}", night.world.events);
    // A pin to where it goes anyway is no hindrance.
    let mut night = Night::new(|_| {});
    pin(&mut night, Role::Standby, 600);
    night.primary_fails(60, |_| true);
    assert_eq!(night.world.flips, 1, "{:?}", night.world.events);
}

#[test]
fn a_pin_that_comes_while_a_plan_is_before_its_flip_ends_the_plan() {
    let mut night = Night::new(|_| {});
    night.world.auto = false;
    night.primary_fails(40, |_| true);
    assert!(night.has("run enter-read-only"), "{:?}", night.world.events);
    let (by, reason) = words();
    night.world.ask(Ask::Pin { service: name(), to: Role::Primary, lasting: Duration::from_secs(600), by, reason });
    night.world.auto = true;
    night.world.end(&End::Ok);
    assert!(night.has("plan-closed login-1 abandoned"), "{:?}", night.world.events);
    assert_eq!(night.world.flips, 0);
}

#[test]
fn nothing_moves_by_itself_in_a_maintenance_window_or_while_everything_is_halted() {
    let mut night = Night::new(|_| {});
    let window = |window: Option<&str>| Input::Maintenance { service: name(), window: window.map(str::to_owned) };
    night.world.give(window(Some("saturdays from 02:00 to 04:00 UTC: patching")));
    night.primary_fails(120, |_| true);
    assert_eq!((night.codes(), night.world.flips), (vec!["maintenance"], 0));
    night.world.give(Input::Halted { why: Some("the file quorate.db.freeze is there".to_owned()) });
    night.world.give(window(None));
    night.primary_fails(10, |_| true);
    assert_eq!((night.codes(), night.world.flips), (vec!["halted"], 0));
    assert!(matches!(manual(&mut night, Role::Standby), Reply::Blocked(_)), "a halt is for people too");
    night.world.give(Input::Halted { why: None });
    night.primary_fails(5, |_| true);
    assert_eq!(night.world.flips, 1, "{:?}", night.world.events);
}

#[test]
fn data_that_is_too_far_behind_or_nobody_knows_how_far_keeps_the_service_where_it_is() {
    let lag = |seconds: Option<u64>| Input::Lag {
        service: name(),
        reading: seconds.map(|seconds| LagReading::now(Duration::from_secs(seconds))),
    };
    for (measured, moves) in [(None, false), (Some(None), false), (Some(Some(31)), false), (Some(Some(30)), true)] {
        let mut night = Night::new(|values| values.max_lag = Some(Duration::from_secs(30)));
        for _ in 0..12 {
            if let Some(measured) = measured {
                night.world.give(lag(measured));
            }
            night.primary_fails(5, |_| true);
        }
        assert_eq!(night.world.flips == 1, moves, "{measured:?}: {:?}", night.world.events);
        assert_eq!(night.has("attempt-blocked lag"), !moves, "{measured:?}");
    }
}

#[test]
fn an_old_measurement_of_the_lag_is_none() {
    let mut night = Night::new(|values| values.max_lag = Some(Duration::from_secs(30)));
    night.world.give(Input::Lag { service: name(), reading: Some(LagReading::now(Duration::ZERO)) });
    night.primary_fails(10, |_| false);
    night.primary_fails(60, |_| true);
    assert_eq!((night.codes(), night.world.flips), (vec!["lag"], 0));
}

#[test]
fn a_plan_that_needs_approval_waits_for_the_digest_that_was_shown() {
    let mut night = Night::new(|values| values.approval = true);
    night.primary_fails(60, |_| true);
    assert!(night.has("plan-opened login-1") && !night.has("run"), "{:?}", night.world.events);
    let plan = night.explained().plan.unwrap();
    assert!(plan.needs_approval && plan.approved.is_none());
    let approve = |plan: &str, digest: &str| Ask::Approve {
        service: name(),
        plan: PlanId::new(plan).unwrap(),
        digest: PlanDigest::parse(digest).unwrap(),
        by: "ada".to_owned(),
    };
    night.world.ask(approve("login-1", "0123456789abcdef"));
    assert!(matches!(night.world.reply, Some(Reply::PlanChanged(_))));
    night.world.ask(approve("login-2", &plan.digest));
    assert!(matches!(night.world.reply, Some(Reply::Blocked(_))));
    night.primary_fails(5, |_| true);
    assert_eq!(night.world.flips, 0);
    night.world.ask(approve("login-1", &plan.digest));
    assert_eq!(night.world.reply, Some(Reply::Done));
    night.primary_fails(5, |_| true);
    assert_eq!(night.world.flips, 1, "{:?}", night.world.events);
}

#[test]
fn a_plan_that_nobody_approves_dies_with_its_evidence() {
    let mut night = Night::new(|values| values.approval = true);
    night.primary_fails(60, |_| true);
    night.primary_fails(90, |_| false);
    assert!(night.has("plan-closed login-1 abandoned"), "{:?}", night.world.events);
    assert_eq!(night.world.flips, 0);
}

#[test]
fn the_veto_check_is_asked_first_and_its_no_ends_the_plan_before_anything_is_touched() {
    let vetoed =
        Service { veto: Some(CheckName::new("sanity").unwrap()), policy: policy(|_| {}), ..service("login") };
    let mut night = Night::of(vetoed.clone());
    night.primary_fails(40, |_| true);
    let runs: Vec<&String> = night.world.events.iter().filter(|event| event.starts_with("run")).collect();
    assert_eq!(runs[..2], ["run ask-veto", "run enter-read-only"]);
    assert_eq!(night.world.flips, 1);

    let mut night = Night::of(vetoed);
    night.world.auto = false;
    night.primary_fails(40, |_| true);
    night.world.end(&End::Fails(Class::Refused));
    assert!(night.has("plan-closed login-1 abandoned"), "{:?}", night.world.events);
    assert!(!night.has("run enter-read-only") && !night.has("notice everyone login/plan-login-1/stuck"));
}

#[test]
fn a_plan_that_is_stuck_is_told_every_quarter_of_an_hour_until_somebody_acknowledges_it() {
    let mut night = Night::new(|_| {});
    night.world.auto = false;
    night.primary_fails(40, |_| true);
    night.world.end(&End::Fails(Class::Broken));
    assert!(night.has("plan-closed login-1 stuck"), "{:?}", night.world.events);
    night.primary_fails(2 * 15 * 60 + 30, |_| true);
    assert!(night.has("reminded 2") && !night.has("reminded 3"), "{:?}", night.world.events);
    assert_eq!(night.codes(), ["stuck"]);
    let (by, reason) = words();
    night.world.auto = true;
    night.world.ask(Ask::Acknowledge { service: name(), by, reason });
    night.primary_fails(10, |_| true);
    assert_eq!(night.world.flips, 1, "it may act again: {:?}", night.world.events);
    night.primary_fails(60, |_| true);
    assert!(!night.has("reminded 3"));
}

#[test]
fn too_many_services_that_move_at_once_are_stopped_whatever_their_own_budgets_say() {
    move_three(false);
    // The journal answers only when all services have had their turn.
    move_three(true);
}

fn move_three(late: bool) {
    let services: Vec<Service> =
        ["a", "b", "c"].iter().map(|name| Service { policy: policy(|_| {}), ..service(name) }).collect();
    let limits = Limits { moves: 2, per: Duration::from_secs(600), ..Limits::default() };
    let mut engine = Engine::new(ClusterName::new("demo").unwrap(), limits, services.clone());
    let (mut journal, mut opened): (Vec<JournalRecord>, Vec<String>) = Default::default();
    let mut waiting: Vec<Input> = Vec::new();
    let mut wall = |engine: &mut Engine, now: u64, input: Input| {
        let mut inputs = vec![input];
        let tick = matches!(inputs[0], Input::Tick);
        if tick {
            inputs.append(&mut waiting);
        }
        while let Some(input) = inputs.pop() {
            for command in engine.handle(Moment::from_ms(now), input).commands {
                if let quorate::engine::Command::Append { service, entries, .. } = command {
                    let records: Vec<JournalRecord> = entries
                        .into_iter()
                        .map(|entry| {
                            if matches!(entry, JournalEntry::PlanOpened { .. }) {
                                opened.push(service.to_string());
                            }
                            let (id, at) = (journal.len() as u64 + 1, WallTime::from_ms(now));
                            let record =
                                JournalRecord { id, at, epoch: Epoch::new(1), service: service.clone(), entry };
                            journal.push(record.clone());
                            record
                        })
                        .collect();
                    let journaled = Input::Journaled(records);
                    if late && !tick { waiting.push(journaled) } else { inputs.push(journaled) }
                }
            }
        }
    };
    wall(&mut engine, 0, Input::Led(Authority::new(Epoch::new(1), None)));
    for service in &services {
        let mark = RecordSet {
            name: OwnedRecords::mark_name(&service.dns.name),
            kind: RecordType::Txt,
            ttl_s: 30,
            values: vec!["v1;c=demo;e=1;s=0;t=primary;d=-".to_owned()],
            alias: None,
            set_identifier: None,
            failover: None,
            health_check: None,
        };
        let mut zone = OwnedRecords::wanted(service, Role::Primary);
        zone.push(mark);
        let register = OwnedRecords::find(&ClusterName::new("demo").unwrap(), service, &zone).unwrap().into();
        wall(&mut engine, 0, Input::Fenced { service: service.name.clone(), register, behind: Vec::new() });
    }
    let mut seq = 0;
    for second in 1..120 {
        for service in &services {
            for vantage in &service.vantages {
                for role in Role::BOTH {
                    seq += 1;
                    let failed = role == Role::Primary && second > 10;
                    let seen = Observation {
                        id: ObservationId { vantage: vantage.name.clone(), boot: "b".to_owned(), seq },
                        service: service.name.clone(),
                        check: service.checks[0].clone(),
                        role,
                        at: Moment::from_ms(second * 1_000),
                        outcome: super::deciding::outcome(failed),
                        kind: failed.then_some(FailureKind::ServerError),
                        reason: None,
                        failed_step: None,
                        duration_ms: 40,
                        canaries: Canaries::Unasked,
                        generation: Generation::default(),
                        metrics: Vec::new(),
                    };
                    wall(&mut engine, second * 1_000, Input::Observed(seen));
                }
            }
        }
        wall(&mut engine, second * 1_000, Input::Tick);
    }
    assert_eq!(opened.len(), 2, "late: {late}: {opened:?}");
    let third =
        engine.services().map(|service| service.name.clone()).find(|name| !opened.contains(&name.to_string()));
    let explained = engine.explain(Moment::from_ms(120_000), &third.unwrap()).unwrap();
    assert_eq!(explained.blockers.iter().map(quorate::engine::Blocker::code).collect::<Vec<_>>(), ["velocity"]);
}
