//! A crash between any two inputs of a failover ends in the same place, with every effect once (S7, S8, E3).

use quorate::domain::{Authority, ClusterName, DnsLane, Epoch, Moment, Outcome, PortError, Role};
use quorate::engine::{Ask, Engine, Input, MoveRequest, Phase, Reply};

use super::world::{End, LANES, World, service};

/// Probes every two seconds; the primary fails from the fourth round on.
fn drive(world: &mut World, end_at_ms: u64) {
    for second in (0..end_at_ms / 1000).step_by(2) {
        world.pass_until(second * 1000);
        let primary = if second < 8 { Outcome::Pass } else { Outcome::Fail };
        world.round(Some(primary), Some(Outcome::Pass));
    }
}

fn start(crash_at: Option<(usize, bool)>) -> World {
    start_in(DnsLane::Records, crash_at)
}

fn start_in(lane: DnsLane, crash_at: Option<(usize, bool)>) -> World {
    let mut world = World::in_lane(lane);
    world.auto = true;
    world.crash_at = crash_at;
    world.lead();
    world
}

fn keys(world: &World) -> Vec<String> {
    let mut keys: Vec<String> = world.notices.iter().map(|notice| notice.key.clone()).collect();
    keys.sort();
    keys
}

fn assert_failed_over(world: &World, what: &str) {
    let explanation = world.engine.explain(world.moment(), &world.service.name).unwrap();
    assert_eq!(explanation.phase, Phase::Holding, "{what}: {:#?}", world.events);
    assert_eq!(world.register().serving(), Role::Standby, "{what}");
    let pinned = world.service.dns.lane == DnsLane::Both;
    assert_eq!(world.pins, u32::from(pinned), "{what}: pins");
    let moved = if world.service.dns.lane.has_records() { Role::Standby } else { Role::Primary };
    assert_eq!(world.records().serving(), moved, "{what}");
    assert_eq!(world.flips, 1, "{what}: flips");
    assert_eq!(world.times_made_read_only, 1, "{what}");
    assert_eq!((world.ledger().plans, world.ledger().moves.len(), world.ledger().incidents), (1, 1, 1), "{what}");
}

#[test]
fn a_crash_at_any_point_of_a_failover_ends_in_the_same_place_in_every_lane() {
    for lane in LANES {
        let mut straight = start_in(lane, None);
        drive(&mut straight, 30_000);
        assert_failed_over(&straight, "without a crash");
        let told = keys(&straight);
        for at in 4..=straight.inputs {
            for before in [true, false] {
                let mut world = start_in(lane, Some((at, before)));
                drive(&mut world, 60_000);
                let what = format!("{lane:?}: crash {} input {at}", if before { "before" } else { "after" });
                assert_eq!(world.lives, 1, "{what}");
                assert_failed_over(&world, &what);
                assert_eq!(keys(&world), told, "{what}");
            }
        }
    }
}

#[test]
fn a_crash_at_any_point_of_a_failback_ends_in_the_same_place_in_every_lane() {
    for lane in LANES {
        let run = |crash_at: Option<usize>| {
            let mut world = start_in(lane, None);
            drive(&mut world, 30_000);
            assert_failed_over(&world, "before the failback");
            // The primary is well again, long enough for every vantage.
            for second in (30..90).step_by(2) {
                world.pass_until(second * 1000);
                world.round(Some(Outcome::Pass), Some(Outcome::Pass));
            }
            let begun = world.inputs;
            world.crash_at = crash_at.map(|at| (begun + at, true));
            let request = MoveRequest {
                service: world.service.name.clone(),
                to: Role::Primary,
                by: "ann".to_owned(),
                reason: "the primary is repaired".to_owned(),
                force: false,
                promote: false,
            };
            for second in (90..180).step_by(2) {
                world.pass_until(second * 1000);
                world.round(Some(Outcome::Pass), Some(Outcome::Pass));
                // Whoever asked asks again when nothing came of it.
                if world.ledger().open.is_none()
                    && world.register().serving() == Role::Standby
                    && let Reply::Opened(plan) = world.engine.draft(world.moment(), &request)
                {
                    let digest = plan.digest().clone();
                    world.give(Input::Asked(Ask::Move { request: request.clone(), digest }));
                }
            }
            let what = format!("{lane:?}: crash before input {crash_at:?} of the failback: {:#?}", world.events);
            assert!(world.ledger().open.is_none() && world.ledger().stuck.is_none(), "{what}");
            assert_eq!(world.register().serving(), Role::Primary, "{what}");
            assert_eq!(world.records().serving(), Role::Primary, "{what}");
            assert_eq!((world.flips, world.ledger().moves.len()), (2, 2), "{what}");
            (world.inputs - begun, world.pins)
        };
        let (inputs, pins) = run(None);
        assert_eq!(pins, if lane == DnsLane::Both { 2 } else { 0 });
        // Every input of the plan itself, and some of the rounds after it.
        for at in 1..=inputs.min(60) {
            run(Some(at));
        }
    }
}

#[test]
fn a_switch_whose_answer_was_lost_survives_a_crash_at_any_point_in_every_lane() {
    for (lane, end) in
        LANES.into_iter().flat_map(|lane| [End::Lost, End::LostApplied, End::LostLate].map(|end| (lane, end)))
    {
        let begin = |crash_at| {
            let mut world = start_in(lane, crash_at);
            world.flip_ends.push(end.clone());
            world
        };
        let mut straight = begin(None);
        drive(&mut straight, 30_000);
        for at in 4..=straight.inputs {
            let mut world = begin(Some((at, true)));
            drive(&mut world, 60_000);
            // A write that comes late finds its token gone.
            for write in std::mem::take(&mut world.on_their_way) {
                assert!(!world.apply(&write), "{lane:?}, {end:?} at {at}: a late write was applied");
            }
            assert_failed_over(&world, &format!("{lane:?}, {end:?}, crash before input {at}"));
        }
    }
}

/// Only the moments that the engine asked for, after the last observation was given.
#[test]
fn its_own_wake_ups_carry_a_whole_failover() {
    let mut world = start(None);
    for second in [0, 2, 4] {
        world.pass_until(second * 1000);
        world.round(Some(Outcome::Pass), Some(Outcome::Pass));
    }
    for second in [6, 8, 10] {
        world.pass_until(second * 1000);
        world.round(Some(Outcome::Fail), Some(Outcome::Pass));
    }
    world.pass_until(19_000);
    assert_failed_over(&world, "by its own wake-ups");
}

#[test]
fn a_turn_of_one_service_does_not_forget_when_another_is_due() {
    let services = vec![service("login"), service("mail")];
    let mail = services[1].name.clone();
    let mut engine = Engine::new(ClusterName::new("demo").unwrap(), quorate::domain::Limits::default(), services);
    let mut at = |ms, input| engine.handle(Moment::from_ms(ms), input).wake_at.map(Moment::as_ms);
    // Nothing was seen yet: after a minute of that, people are told.
    assert_eq!(at(0, Input::Led(Authority::new(Epoch::new(1), None))), Some(60_000));
    let error = PortError::retry("no answer");
    assert_eq!(at(0, Input::FenceFailed { service: mail, error: error.clone() }), Some(1_000));
    let login = service("login").name;
    assert_eq!(at(10, Input::FenceFailed { service: login, error }), Some(1_000));
    assert_eq!(at(20, Input::Deposed { why: "the lease is gone".to_owned() }), Some(1_000));
}

#[test]
fn records_fenced_under_an_older_epoch_are_not_known_under_a_newer_one() {
    let mut world = start(None);
    let token = |world: &World| world.engine.explain(world.moment(), &world.service.name).unwrap().token;
    assert!(token(&world).is_some());
    world.give(Input::Led(Authority::new(Epoch::new(1), None)));
    assert!(token(&world).is_some(), "a lease that was only renewed");
    world.give(Input::Led(Authority::new(Epoch::new(2), None)));
    assert_eq!(token(&world), None);
}
