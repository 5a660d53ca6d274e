//! What makes a vantage say "down", what makes a quorum, and what keeps a quorum from acting: the policy of safety.md 3, rule by rule.

use std::time::Duration;

use quorate::domain::*;
use quorate::engine::{Blocker, Explanation, Input};

use super::world::{VANTAGES, World, service};

/// A world under the default policy, changed as a test needs it, after a quiet minute.
pub(super) struct Night {
    pub(super) world: World,
}

pub(super) fn policy(change: impl FnOnce(&mut PolicyValues)) -> Policy {
    let mut values = PolicyValues { warm_up: 0, failback_after: Duration::ZERO, ..PolicyValues::default() };
    change(&mut values);
    Policy::new("test", values).unwrap()
}

impl Night {
    pub(super) fn new(change: impl FnOnce(&mut PolicyValues)) -> Self {
        Self::of(Service { policy: policy(change), ..service("login") })
    }

    pub(super) fn of(service: Service) -> Self {
        Self::begun(World::of(service))
    }

    /// The same of a service's rehearsal, which sees what the service's vantages see.
    pub(super) fn rehearsing(change: impl FnOnce(&mut PolicyValues)) -> Self {
        Self::begun(World::rehearsing(Service { policy: policy(change), ..service("login") }))
    }

    fn begun(mut world: World) -> Self {
        world.auto = true;
        world.lead();
        let mut night = Self { world };
        night.seconds(60, |_, _| Some(Outcome::Pass));
        night
    }

    /// So many seconds in which every vantage probes each site once a second, and sees what is said for its number and the role.
    pub(super) fn seconds(&mut self, seconds: u64, see: impl Fn(usize, Role) -> Option<Outcome>) {
        self.seconds_of(seconds, |_, vantage, role, seen| {
            if let Some(outcome) = see(vantage, role) {
                *seen = made(seen, outcome);
            } else {
                seen.outcome = Outcome::Inconclusive;
            }
        });
    }

    /// Likewise, where each observation can be changed: by the second, the vantage's number and the role. It begins as a pass.
    pub(super) fn seconds_of(&mut self, seconds: u64, change: impl Fn(u64, usize, Role, &mut Observation)) {
        for second in 0..seconds {
            self.world.pass_until(self.world.now + 1_000);
            for (number, (vantage, _)) in VANTAGES.into_iter().enumerate() {
                for role in Role::BOTH {
                    let mut seen = self.world.seen(vantage, "login", role, Outcome::Pass, 0);
                    change(second, number, role, &mut seen);
                    self.world.give(Input::Observed(seen));
                }
            }
        }
    }

    /// The primary fails for these vantages, and the standby is well.
    pub(super) fn primary_fails(&mut self, seconds: u64, vantages: impl Fn(usize) -> bool) {
        self.seconds(seconds, |vantage, role| Some(outcome(role == Role::Primary && vantages(vantage))));
    }

    pub(super) fn explained(&self) -> Explanation {
        self.world.engine.explain(self.world.moment(), &self.world.service.name).unwrap()
    }

    pub(super) fn codes(&self) -> Vec<&'static str> {
        self.explained().blockers.iter().map(Blocker::code).collect()
    }

    pub(super) fn views(&self, role: Role) -> Vec<VantageView> {
        let explained = self.explained();
        let site = explained.sites.into_iter().find(|site| site.role == role).unwrap();
        site.votes.votes.into_iter().map(|vote| vote.view).collect()
    }

    pub(super) fn has(&self, event: &str) -> bool {
        self.world.events.iter().any(|known| known.starts_with(event))
    }
}

pub(super) fn outcome(failed: bool) -> Outcome {
    if failed { Outcome::Fail } else { Outcome::Pass }
}

fn made(seen: &Observation, outcome: Outcome) -> Observation {
    let failed = outcome == Outcome::Fail;
    Observation {
        outcome,
        kind: failed.then_some(FailureKind::ServerError),
        reason: failed.then(|| "503".to_owned()),
        ..seen.clone()
    }
}

fn all(_: usize) -> bool {
    true
}

#[test]
fn a_total_outage_is_decided_after_confirmation_and_no_sooner() {
    let mut night = Night::new(|_| {});
    night.primary_fails(3, all);
    assert_eq!(night.codes(), ["confirming"]);
    night.primary_fails(24, all);
    assert!(!night.has("plan-opened"), "{:?}", night.world.events);
    night.primary_fails(2, all);
    assert!(night.has("plan-opened login-1 to standby"), "{:?}", night.world.events);
    assert_eq!(night.world.flips, 1);
}

#[test]
fn a_pass_between_failures_does_not_erase_what_was_seen() {
    let half = |second: u64| second.is_multiple_of(2);
    let mut night = Night::new(|_| {});
    night.seconds_of(34, |second, _, role, seen| *seen = made(seen, outcome(role == Role::Primary && half(second))));
    assert!(night.has("plan-opened"), "every other login fails: {:?}", night.world.events);
    let mut counted = Night::new(|values| {
        values.detector = Detector::Consecutive { down_after: 3 };
        values.burn = None;
    });
    counted
        .seconds_of(120, |second, _, role, seen| *seen = made(seen, outcome(role == Role::Primary && half(second))));
    assert!(!counted.has("incident-opened"), "counting in a row never sees it");
}

#[test]
fn failures_that_come_and_go_are_seen_by_the_second_lane() {
    let flapping = |second: u64| second % 40 < 20;
    let mut night = Night::new(|_| {});
    night.seconds(120, |_, _| Some(Outcome::Pass));
    night.seconds_of(89, |second, _, role, seen| {
        *seen = made(seen, outcome(role == Role::Primary && flapping(second)))
    });
    assert!(!night.has("plan-opened"), "{:?}", night.world.events);
    night.seconds_of(11, |second, _, role, seen| {
        *seen = made(seen, outcome(role == Role::Primary && flapping(second + 89)));
    });
    assert!(night.has("plan-opened"), "{:?}", night.world.events);
    let mut without = Night::new(|values| values.burn = None);
    without.seconds_of(600, |second, _, role, seen| {
        *seen = made(seen, outcome(role == Role::Primary && flapping(second)))
    });
    assert!(!without.has("plan-opened"), "{:?}", without.world.events);
}

#[test]
fn a_site_that_passes_again_is_not_left_though_the_evidence_still_stands() {
    let mut night = Night::new(|values| values.confirm = Duration::from_secs(10));
    // Long enough for the sum to be at its ceiling, and just before the end of the confirmation the site is back.
    night.primary_fails(9, all);
    assert!(!night.has("plan-opened"), "{:?}", night.world.events);
    night.primary_fails(4, |_| false);
    assert_eq!(night.views(Role::Primary), [VantageView::Down; 5], "the memory is longer than the gate");
    assert_eq!(night.codes(), ["recovering"]);
    night.primary_fails(30, |_| false);
    assert!(!night.has("plan-opened"), "{:?}", night.world.events);
}

#[test]
fn two_vantages_are_no_quorum_and_neither_are_three_in_one_cloud() {
    let mut night = Night::new(|_| {});
    night.primary_fails(120, |vantage| vantage >= 3);
    assert!(!night.has("incident-opened"), "{:?}", night.world.events);
    let mut night = Night::new(|_| {});
    // The first three stand in one cloud.
    night.primary_fails(120, |vantage| vantage < 3);
    assert!(!night.has("incident-opened"), "{:?}", night.world.events);
    assert_eq!(night.codes(), ["no-quorum"]);
}

#[test]
fn vantages_whose_own_network_is_down_abstain_and_people_are_told() {
    let mut night = Night::new(|_| {});
    night.seconds_of(300, |_, _, _, seen| {
        *seen = Observation { canaries: Canaries::Silent, ..made(seen, Outcome::Fail) };
    });
    assert_eq!(night.views(Role::Primary), [VantageView::Abstaining; 5]);
    assert!(!night.has("incident-opened") && night.has("alert blind"), "{:?}", night.world.events);
    // It counts as soon as the network is back, and not before.
    night.seconds_of(40, |_, _, role, seen| {
        *seen = Observation { canaries: Canaries::Answered, ..made(seen, outcome(role == Role::Primary)) };
    });
    assert!(night.has("plan-opened"), "{:?}", night.world.events);
}

#[test]
fn refused_logins_only_page_where_all_use_one_account() {
    let refuse = |_: u64, _: usize, role: Role, seen: &mut Observation| {
        if role == Role::Primary {
            *seen = Observation { kind: Some(FailureKind::Denied), ..made(seen, Outcome::Fail) };
        }
    };
    let mut night = Night::new(|_| {});
    night.seconds_of(300, refuse);
    assert_eq!(night.views(Role::Primary), [VantageView::Suspect; 5]);
    assert!(night.has("alert suspected") && !night.has("incident-opened"), "{:?}", night.world.events);

    let mut two_accounts = service("login");
    for vantage in two_accounts.vantages.iter_mut().skip(3) {
        vantage.account = "another".to_owned();
    }
    two_accounts.policy = policy(|_| {});
    let mut night = Night::of(two_accounts);
    night.seconds_of(60, refuse);
    assert!(night.has("plan-opened"), "{:?}", night.world.events);
}

#[test]
fn suspicion_takes_one_vote_more_than_certainty() {
    let mut two_accounts = service("login");
    two_accounts.vantages[4].account = "another".to_owned();
    two_accounts.policy = policy(|_| {});
    let unmet = |failing: usize| {
        move |_: u64, vantage: usize, role: Role, seen: &mut Observation| {
            if role == Role::Primary && vantage >= 5 - failing {
                *seen = Observation { kind: Some(FailureKind::Assertion), ..made(seen, Outcome::Fail) };
            }
        }
    };
    let mut night = Night::of(two_accounts.clone());
    night.seconds_of(300, unmet(3));
    assert!(!night.has("incident-opened") && night.has("alert suspected"), "{:?}", night.world.events);
    let mut night = Night::of(two_accounts);
    night.seconds_of(60, unmet(4));
    assert!(night.has("plan-opened"), "{:?}", night.world.events);
}

#[test]
fn an_agent_that_has_just_started_has_no_vote_yet() {
    let service = Service { policy: policy(|values| values.warm_up = 10), ..service("login") };
    let mut night = Night::of(service);
    let restarted = |sum: u64| {
        move |second: u64, vantage: usize, role: Role, seen: &mut Observation| {
            *seen = made(seen, outcome(role == Role::Primary));
            // Two of five, so that the others are not unsettled by it.
            if vantage >= 3 {
                seen.id.boot = "again".to_owned();
                seen.id.seq = sum + 2 * second + u64::from(role == Role::Standby) + 1;
            }
        }
    };
    night.seconds_of(4, restarted(0));
    assert_eq!(
        night.views(Role::Primary)[2..],
        [VantageView::Down, VantageView::Abstaining, VantageView::Abstaining]
    );
    night.seconds_of(1, restarted(8));
    assert_eq!(night.views(Role::Primary), [VantageView::Down; 5]);
}

#[test]
fn what_an_earlier_run_of_an_agent_has_seen_is_forgotten() {
    let mut night = Night::new(|values| values.settle = Duration::ZERO);
    night.primary_fails(3, all);
    assert_eq!(night.views(Role::Primary), [VantageView::Down; 5]);
    night.seconds_of(1, |_, _, role, seen| {
        *seen = made(seen, outcome(role == Role::Primary));
        seen.id.boot = "again".to_owned();
    });
    assert_eq!(night.views(Role::Primary), [VantageView::Unknown; 5], "one failure of a new run is one failure");
}

#[test]
fn after_most_agents_have_restarted_or_the_scripts_have_changed_nothing_moves_for_a_while() {
    for scripts in [false, true] {
        let mut night = Night::new(|_| {});
        let sick = move |second: u64, vantage: usize, role: Role, seen: &mut Observation| {
            *seen = made(seen, outcome(role == Role::Primary && second > 3));
            if scripts {
                seen.generation = Generation::of(["the next version"]);
            } else if vantage > 1 {
                seen.id.boot = "again".to_owned();
            }
        };
        // What was before has a generation too.
        night.seconds_of(10, |_, _, _, seen| seen.generation = Generation::of(["the first version"]));
        let before = if scripts { 0 } else { 1_000 };
        night.seconds_of(300, move |second, vantage, role, seen| sick(second + before, vantage, role, seen));
        assert!(!night.has("plan-opened"), "{:?}", night.world.events);
        assert_eq!(night.codes(), ["unsettled"], "scripts: {scripts}");
        night.seconds_of(320, move |second, vantage, role, seen| sick(second + 1_000, vantage, role, seen));
        assert!(night.has("plan-opened"), "{:?}", night.world.events);
    }
}

#[test]
fn votes_by_two_versions_of_a_script_are_not_counted_together() {
    let mut night = Night::new(|values| values.settle = Duration::ZERO);
    let versions = |split: usize| {
        move |_: u64, vantage: usize, role: Role, seen: &mut Observation| {
            *seen = made(seen, outcome(role == Role::Primary && vantage > 0));
            seen.generation = Generation::of([if vantage < split { "old" } else { "new" }]);
        }
    };
    night.seconds_of(60, versions(3));
    assert!(!night.has("incident-opened"), "two and two: {:?}", night.world.events);
    night.seconds_of(60, versions(2));
    assert!(night.has("plan-opened"), "three of one: {:?}", night.world.events);
}

#[test]
fn with_both_sides_failing_nothing_moves_and_people_are_told_why() {
    let mut night = Night::new(|_| {});
    night.seconds(120, |_, _| Some(Outcome::Fail));
    assert!(!night.has("plan-opened") && night.has("attempt-blocked target-down"), "{:?}", night.world.events);
}

#[test]
fn a_standby_that_rots_is_told_long_before_it_is_needed() {
    let mut night = Night::new(|_| {});
    night.seconds(70, |_, role| Some(outcome(role == Role::Standby)));
    assert!(night.has("alert reserve-unproven") && !night.has("incident-opened"), "{:?}", night.world.events);
    // What has failed for a minute has failed too often for two more.
    night.seconds(200, |_, _| Some(Outcome::Pass));
    assert!(night.has("alert-over reserve-unproven"), "{:?}", night.world.events);
}

#[test]
fn a_failure_starts_a_burst_that_ends_when_all_is_well_and_grows_gentler_when_it_is_not() {
    let mut night = Night::new(|_| {});
    assert!(!night.has("pace"));
    night.primary_fails(1, |vantage| vantage == 0);
    assert_eq!(night.explained().burst, Some(Duration::from_secs(1)));
    night.primary_fails(10, |_| false);
    assert_eq!(night.explained().burst, None, "{:?}", night.world.events);
    // One vantage that fails for ever is worth ten minutes of hurry.
    night.primary_fails(599, |vantage| vantage == 0);
    assert_eq!(night.explained().burst, Some(Duration::from_secs(1)));
    night.primary_fails(3, |vantage| vantage == 0);
    assert_eq!(night.explained().burst, Some(Duration::from_secs(2)));
    let paces: Vec<&String> = night.world.events.iter().filter(|event| event.starts_with("pace")).collect();
    assert_eq!(paces, ["pace 1 s", "pace rest", "pace 1 s", "pace 2 s"]);
}

/// A service with three checks, of which the last vantage's word is asked for after the given ones were down for a while.
fn combined(need: Need, critical: &[&str], down: &[&str]) -> VantageView {
    let name = |name: &str| CheckName::new(name).unwrap();
    let service = Service {
        checks: ["login", "api", "mail"].map(name).to_vec(),
        critical: critical.iter().map(|check| name(check)).collect(),
        policy: policy(|values| values.need = need),
        ..service("login")
    };
    let mut world = World::of(service);
    world.lead();
    for second in 0..10 {
        world.now = second * 1_000;
        for check in ["login", "api", "mail"] {
            let failed = second > 4 && down.contains(&check);
            world.observe_by("gcp-1", check, Role::Primary, outcome(failed), 0);
        }
    }
    Night { world }.views(Role::Primary)[3]
}

#[test]
fn several_checks_are_combined_as_the_policy_says() {
    use VantageView::{Down, Up};
    for (need, critical, down, wanted) in [
        (Need::All, &[][..], &["api"][..], Down),
        (Need::Any, &[], &["api"], Up),
        (Need::Any, &[], &["login", "api", "mail"], Down),
        (Need::AtLeast(2), &[], &["api"], Up),
        (Need::AtLeast(2), &[], &["api", "mail"], Down),
        (Need::Any, &["login"], &["login"], Down),
        (Need::Any, &["login"], &["api"], Up),
        (Need::All, &[], &[], Up),
        (Need::AtLeast(3), &[], &["login"], Down),
    ] {
        assert_eq!(combined(need, critical, down), wanted, "{need:?} critical {critical:?} down {down:?}");
    }
}
