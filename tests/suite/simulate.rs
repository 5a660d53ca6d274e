//! What a policy buys: the detector in virtual time over the real engine. The bands are safety.md's (3.3) with the tolerance that issue 3
//! names; ten thousand runs of each are in docs/verification.md.

use std::process::Command;
use std::time::Duration;

use quorate::domain::{Policy, PolicyValues};
use quorate::sim::detect::{
    BASELINES, Column, Outcome, Required, SCENARIOS, Setting, Size, Watch, compared, find, run, runs_of,
};

/// The seed of every run here.
const SEED: u64 = 3;

fn preset() -> Policy {
    Policy::new("default", PolicyValues::default()).unwrap()
}

fn outcome(scenario: &str, runs: usize) -> Outcome {
    let outcome = run(&preset(), find(scenario).unwrap(), runs, SEED, 2);
    let (p50, p99) = (outcome.times.within(0.5), outcome.times.within(0.99));
    println!("{scenario}: {runs} runs, seed {SEED}: {p50:?}/{p99:?} s, {} decide", outcome.times.decided_ms.len());
    outcome
}

/// Every run decides, the median lies between, and 95 of 100 are within what is required of 99: so few runs say little of their slowest.
#[track_caller]
fn decides(scenario: &str, runs: usize, low: f64, high: f64) {
    let outcome = outcome(scenario, runs);
    let Required::Within(limit) = outcome.required else { panic!("{scenario} need not decide") };
    assert_eq!((outcome.wrong, outcome.early), (0, 0), "{scenario}");
    let (p50, p95) = (outcome.times.within(0.5).unwrap(), outcome.times.within(0.95).unwrap());
    assert!((low..high).contains(&p50), "{scenario}: the median is {p50} s");
    assert!(p95 <= limit, "{scenario}: p95 is {p95} s, and p99 may be {limit} s");
}

#[track_caller]
fn never(scenario: &str, runs: usize) {
    let outcome = outcome(scenario, runs);
    assert!(outcome.is_met() && outcome.times.decided_ms.is_empty(), "{scenario}");
}

#[test]
fn a_total_outage_is_decided_in_half_a_minute() {
    decides("total-fast", 120, 27.5, 29.5);
    decides("total-timeouts", 120, 36.0, 39.0);
    decides("total-two-agents-dead", 60, 28.0, 31.0);
}

#[test]
fn half_of_the_logins_failing_is_decided_nearly_as_soon() {
    decides("errors-50", 120, 33.0, 38.0);
}

#[test]
fn a_third_of_the_logins_failing_is_decided_whether_they_fail_at_once_or_hang() {
    decides("errors-30", 25, 45.0, 130.0);
    decides("errors-30-timeouts", 25, 45.0, 130.0);
}

#[test]
fn a_blip_of_twenty_seconds_moves_nothing() {
    never("blip-20", 60);
}

#[test]
fn ten_per_cent_of_errors_for_an_hour_move_nothing() {
    never("errors-10-hour", 1);
}

#[test]
fn what_only_some_vantages_see_moves_nothing() {
    never("paths-cut-1", 1);
    never("paths-cut-2", 1);
    never("peering-cut", 1);
    never("peers-blind", 1);
}

#[test]
fn agents_that_have_lost_their_own_network_move_nothing() {
    never("agents-own-net-3", 2);
    never("agents-own-net-all", 2);
}

#[test]
fn what_may_be_the_probes_own_fault_is_told_and_moves_nothing() {
    for scenario in
        ["refused-logins", "locked-account", "standby-also-down", "all-fail-no-action", "standby-rot-alert"]
    {
        never(scenario, 2);
    }
    decides("unmet-assertions", 20, 28.0, 32.0);
}

#[test]
fn agents_that_are_new_or_have_new_scripts_move_nothing() {
    for scenario in ["script-change", "agents-restart", "warmup-no-vote"] {
        never(scenario, 2);
    }
}

#[test]
fn a_partition_of_up_to_twenty_seconds_moves_nothing_and_a_way_that_comes_and_goes_moves_once() {
    assert!(outcome("partition-1-120", 40).is_met());
    assert!(outcome("vpn-flap-one-flip", 1).is_met());
}

#[test]
fn a_seed_gives_the_same_numbers_with_any_number_of_threads() {
    for scenario in ["errors-50", "partition-1-120"] {
        let times = |threads, seed| run(&preset(), find(scenario).unwrap(), 12, seed, threads).times;
        assert_eq!(times(1, SEED), times(3, SEED));
        assert_ne!(times(1, SEED), times(1, SEED + 1));
    }
    let baseline = &BASELINES[0];
    let times = |threads| {
        compared(baseline, find("errors-50").unwrap(), Size { runs: 50, seed: 1, threads }, &Watch::default())
    };
    assert_eq!(times(1), times(4));
}

#[test]
fn a_policy_that_does_not_wait_fails_the_requirements() {
    let values = PolicyValues { confirm: Duration::ZERO, ..PolicyValues::default() };
    let hasty = Policy::new("hasty", values).unwrap();
    assert!(!run(&hasty, find("blip-20").unwrap(), 10, SEED, 2).is_met());
    let values = PolicyValues { settle: Duration::ZERO, ..PolicyValues::default() };
    let unsettled = Policy::new("unsettled", values).unwrap();
    assert!(!run(&unsettled, find("script-change").unwrap(), 3, SEED, 2).is_met());
    let lame = Policy::new("lame", PolicyValues { burst: None, ..PolicyValues::default() }).unwrap();
    assert!(!run(&lame, find("total-fast").unwrap(), 20, SEED, 2).is_met());
}

#[test]
fn agents_without_canaries_fail_the_requirements() {
    let setting = Setting { canaries: false, ..Setting::new(preset()) };
    let size = Size { runs: 3, seed: SEED, threads: 2 };
    // Both sites seem to fail, so that there is nowhere to go: only the alert differs.
    let all = runs_of(&setting, find("all-fail-no-action").unwrap(), Column::Default, size, &Watch::default());
    assert!(!all.is_met());
}

/// p50 and p99 in seconds, or how many of a hundred decide.
enum Cell {
    Decides(f64, f64),
    Share(f64, f64),
}

#[test]
fn the_other_detectors_do_as_published() {
    use Cell::{Decides, Share};
    // Safety.md 3.3, with a tolerance of a tenth of the time (a fifth at p99 of the slow ones), or so many of a hundred.
    let published = [
        ("total-fast", [Decides(25.0, 30.0), Decides(86.0, 90.0), Decides(29.0, 31.0), Decides(25.0, 29.0)]),
        ("total-timeouts", [Decides(30.0, 35.0), Decides(98.0, 102.0), Decides(41.0, 42.0), Decides(30.0, 34.0)]),
        ("errors-70", [Decides(48.0, 226.0), Decides(312.0, 772.0), Decides(106.0, 255.0), Decides(46.0, 116.0)]),
        ("errors-50", [Decides(98.0, 583.0), Share(7.0, 5.0), Share(24.0, 6.0), Decides(108.0, 445.0)]),
        ("errors-30", [Share(98.0, 4.0), Share(0.0, 0.0), Share(0.0, 0.0), Share(56.0, 9.0)]),
        ("blip-20", [Share(0.5, 1.5), Share(0.0, 0.0), Share(0.0, 0.0), Share(0.0, 1.0)]),
        ("agents-own-net-all", [Share(100.0, 0.0), Share(100.0, 0.0), Share(100.0, 0.0), Share(100.0, 0.0)]),
        ("paths-cut-1", [Share(100.0, 0.0), Share(0.0, 0.0), Share(0.0, 0.0), Share(0.0, 0.0)]),
    ];
    for (scenario, cells) in published {
        for (baseline, cell) in BASELINES.iter().zip(cells) {
            let times = compared(
                baseline,
                find(scenario).unwrap(),
                Size { runs: 400, seed: SEED, threads: 2 },
                &Watch::default(),
            );
            let (p50, p99, share) = (times.within(0.5), times.within(0.99), times.share() * 100.0);
            println!("{scenario}, {}: {p50:?}/{p99:?}, {share} %", baseline.name);
            match cell {
                Decides(median, late) => {
                    let (p50, p99) = (p50.unwrap(), p99.unwrap());
                    assert!((p50 - median).abs() <= 0.12 * median, "{scenario}, {}: median {p50}", baseline.name);
                    assert!((p99 - late).abs() <= 0.35 * late, "{scenario}, {}: p99 {p99}", baseline.name);
                }
                Share(of_hundred, tolerance) => {
                    assert!((share - of_hundred).abs() <= tolerance, "{scenario}, {}: {share} %", baseline.name);
                }
            }
        }
    }
}

#[test]
fn names_of_scenarios_are_unique_and_fit_the_table() {
    let mut names: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), SCENARIOS.len());
    assert!(names.iter().all(|name| name.len() <= 22));
}

fn quorate(args: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_quorate")).arg("simulate").args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_table_reads_like_this() {
    let scenarios = ["--scenario", "total-fast", "--scenario", "blip-20", "--scenario", "paths-cut-3"];
    let (code, out, _) = quorate(&[&["--runs", "4", "--seed", "7"], &scenarios[..]].concat());
    assert_eq!(out, include_str!("../fixtures/simulate/table.txt"));
    assert_eq!(code, 0);
    assert!(out.lines().all(|line| line.chars().count() <= 100));
}

#[test]
fn a_requirement_that_is_not_met_is_said_and_ends_with_1() {
    let args = ["--policy", "fast", "--held-to", "default", "--runs", "3", "--scenario", "blip-20"];
    let (code, out, _) = quorate(&args);
    assert_eq!(code, 1);
    assert!(out.contains("never NOT MET") && out.contains("1 of 1 requirements of 'default' are not met"), "{out}");
    let (code, out, _) = quorate(&[&args[..], &["--json"]].concat());
    let data: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, &data["v"], &data["ok"], &data["scenarios"][0]["wrong_runs"]),
        (1, &1.into(), &false.into(), &3.into())
    );
}

#[test]
fn what_cannot_be_simulated_is_bad_usage_with_a_way_out() {
    for (args, said) in [
        (&["--scenario", "blip"][..], "did you mean blip-15?"),
        (&["--policy", "policies/nowhere.toml"], "there is no such policy"),
        (&["--agents", "2"], "at least the policy's quorum of 3"),
        (&["--runs", "0"], "at least 1"),
        (&["--held-to", "nobody"], "it is default, fast or conservative"),
    ] {
        let (code, _, error) = quorate(args);
        assert!(code == 64 && error.contains(said), "{args:?}: {code}: {error}");
    }
}

#[test]
fn the_chart_is_well_formed_and_shows_every_scenario_that_anybody_decides() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chart.svg");
    let path = file.to_str().unwrap();
    let _ = quorate(&["--runs", "3", "--scenario", "total-fast", "--scenario", "paths-cut-1", "--svg", path]);
    let text = std::fs::read_to_string(&file).unwrap();
    let chart = roxmltree::Document::parse(&text).unwrap();
    assert_eq!(chart.root_element().tag_name().name(), "svg");
    assert!(text.contains(">total-fast<") && text.contains(">paths-cut-1<"));
}
