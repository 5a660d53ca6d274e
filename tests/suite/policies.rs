//! The shipped policies have the numbers that they are said to have, every key is documented with its default, and what
//! the main file says besides reaches the domain.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use quorate::config::{Config, LoadedPolicy, Problem, load, load_policy};
use quorate::domain::{
    Budget, Burn, Burst, Cusum, Detector, Need, Objectives, Policy, PolicyValues, WallTime, maintenance,
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// A configuration without canaries.
const NO_CANARIES: &str = "tests/config/unwise/no-canaries/quorate.toml";

fn shipped(name: &str) -> LoadedPolicy {
    let path = Path::new(ROOT).join("policies").join(format!("{name}.toml"));
    load_policy(&path).unwrap_or_else(|problems| panic!("{name}: {problems:#?}"))
}

fn values(policy: &Policy) -> &PolicyValues {
    policy
}

/// What is wrong with a policy of that text, or the policy.
fn written(text: &str) -> Result<LoadedPolicy, Vec<Problem>> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("own.toml");
    fs::write(&path, text).expect("writable");
    load_policy(&path)
}

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn the_default_preset_spells_out_what_an_empty_file_means() {
    let default = shipped("default");
    assert_eq!(values(&default.policy), &PolicyValues::default());
    assert_eq!(values(&written("").expect("is good").policy), &PolicyValues::default());
    assert_eq!(default.warnings, []);
    assert_eq!(default.policy.name(), "default");
    assert!(default.description.expect("says what it is for").contains("20 s"));
}

#[test]
fn fast_and_conservative_differ_from_default_in_confirm_only() {
    for (name, confirm_s, warned) in [("fast", 8, 1), ("conservative", 45, 0)] {
        let preset = shipped(name);
        let expected = PolicyValues { confirm: s(confirm_s), ..PolicyValues::default() };
        assert_eq!(values(&preset.policy), &expected, "{name}");
        assert_eq!(preset.warnings.len(), warned, "{name}: {:#?}", preset.warnings);
    }
}

#[test]
fn counting_counts_in_a_row_without_burst_and_burn_lane() {
    let preset = shipped("counting");
    let expected = PolicyValues {
        detector: Detector::Consecutive { down_after: 3 },
        burst: None,
        burn: None,
        ..PolicyValues::default()
    };
    assert_eq!(values(&preset.policy), &expected);
    assert_eq!(preset.warnings.len(), 2, "{:#?}", preset.warnings);
}

#[test]
fn every_key_reaches_its_value() {
    let policy = written(
        r#"
        description = "everything but the defaults"
        interval = "7s"
        timeout = "6s"
        burst_interval = "1500ms"
        burst_at_most = "5m"
        burst_then = "3s"
        detector = "cusum"
        normal_failures = 0.02
        broken_failures = 0.333
        threshold = 8
        ceiling = 9.25
        up_after = 4
        fresh_for = "20s"
        warm_up = 11
        settle = "12m"
        quorum = 4
        clouds = 3
        need = 2
        confirm = "26500ms"
        burn_failures = 0.4
        burn_window = "2m"
        recovered_after = "90s"
        approval = true
        cool_down = "2h"
        budget = 3
        budget_window = "2d"
        max_lag = "30s"
        rto = "2m"
        rpo = "45s"
        failback_after = "5m"
        "#,
    );
    let expected = PolicyValues {
        interval: s(7),
        timeout: s(6),
        burst: Some(Burst { interval: Duration::from_millis(1_500), at_most: s(300), then: s(3) }),
        detector: Detector::Cusum(Cusum { normal: 20, broken: 333, threshold: 8_000, ceiling: 9_250 }),
        up_after: 4,
        fresh_for: s(20),
        warm_up: 11,
        settle: s(720),
        quorum: 4,
        clouds: 3,
        need: Need::AtLeast(2),
        confirm: Duration::from_millis(26_500),
        burn: Some(Burn { ratio: 400, window: s(120) }),
        recovered_after: s(90),
        approval: true,
        cool_down: s(7_200),
        budget: Budget { moves: 3, per: s(172_800) },
        max_lag: Some(s(30)),
        objectives: Objectives { rto: Some(s(120)), rpo: Some(s(45)) },
        failback_after: s(300),
    };
    let policy = policy.expect("is good");
    assert_eq!((values(&policy.policy), &policy.warnings[..]), (&expected, &[][..]));

    let policy =
        written("detector = \"consecutive\"\ndown_after = 5\nneed = \"any\"\ninterval = \"4s\"\ntimeout = \"2s\"");
    let policy = policy.expect("is good").policy;
    assert_eq!((policy.detector, policy.need), (Detector::Consecutive { down_after: 5 }, Need::Any));
}

/// The keys that the reader knows, as it lists them itself for an unknown one.
fn known() -> BTreeSet<String> {
    let problems = written("zzzzzzzzzzzzzzzzzzzzzz = 1").expect_err("is refused");
    let [problem] = &problems[..] else { panic!("{problems:#?}") };
    let list = problem.message.split("known here: ").nth(1).expect("lists the keys");
    list.split(", ").map(str::to_owned).collect()
}

/// The rows of the page's tables of keys: key to default.
fn documented() -> BTreeMap<String, String> {
    let page = fs::read_to_string(Path::new(ROOT).join("docs/policies.md")).expect("the page is there");
    let keys = page.split("\n## Every key\n").nth(1).expect("has the section").split("\n## ").next().expect("ends");
    let rows = keys.lines().filter(|line| line.starts_with("| `"));
    let mut found = BTreeMap::new();
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [key, range, default, reason] = &cells[..] else { panic!("not four cells: {row}") };
        assert!(!range.is_empty() && reason.len() > 20, "{row}");
        let before = found.insert(key.trim_matches('`').to_owned(), default.trim_matches('`').to_owned());
        assert_eq!(before, None, "twice: {row}");
    }
    found
}

#[test]
fn every_key_of_the_reader_is_on_the_page_and_every_key_of_the_page_is_read() {
    let documented: BTreeSet<String> = documented().into_keys().collect();
    assert_eq!(documented, known());
    assert!(documented.len() > 25, "{documented:?}");
}

#[test]
fn the_page_and_the_default_preset_say_the_same_defaults() {
    let text = fs::read_to_string(Path::new(ROOT).join("policies/default.toml")).expect("the preset is there");
    let lines = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(" = "));
    let preset: BTreeMap<&str, &str> = lines.collect();
    let elsewhere = ["description", "down_after", "max_lag", "rto", "rpo"];
    for (key, default) in documented() {
        match preset.get(key.as_str()) {
            Some(value) if key != "description" => assert_eq!(*value, default, "{key}"),
            _ => assert!(elsewhere.contains(&key.as_str()), "{key} is not in the default preset"),
        }
    }
}

#[test]
fn the_pages_policies_load_without_a_warning() {
    let page = fs::read_to_string(Path::new(ROOT).join("docs/policies.md")).expect("the page is there");
    let fences: Vec<&str> =
        page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().expect("ends")).collect();
    assert_eq!(fences.len(), 2);
    for fence in fences {
        let policy = written(fence).unwrap_or_else(|problems| panic!("{fence}\n{problems:#?}"));
        assert_eq!(policy.warnings, [], "{fence}");
    }
}

#[test]
fn a_policy_that_is_not_there_is_named() {
    let problems = load_policy(&PathBuf::from("nowhere/own.toml")).expect_err("is refused");
    assert_eq!(
        problems[0].to_string(),
        "nowhere/own.toml: error: there is no such policy: name a file such as policies/default.toml"
    );
}

/// The configuration page's example, which has every table.
fn page() -> Config {
    let page = fs::read_to_string(Path::new(ROOT).join("docs/configuration.md")).expect("the page is there");
    let folder = tempfile::tempdir().expect("a folder");
    for fence in page.split("```toml\n").skip(1) {
        let body = fence.split("```").next().expect("a fence ends");
        let name = body.lines().next().and_then(|line| line.strip_prefix("# ")).expect("the fence names its file");
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
        fs::write(&path, body).expect("writable");
    }
    fs::create_dir(folder.path().join("checks")).expect("writable");
    for script in ["login.rhai", "capacity.rhai"] {
        fs::copy(Path::new(ROOT).join("checks/login.rhai"), folder.path().join("checks").join(script))
            .expect("copies");
    }
    load(&folder.path().join("quorate.toml")).unwrap_or_else(|problems| panic!("{problems:#?}")).config
}

#[test]
fn what_the_main_file_says_reaches_the_domain() {
    let config = page();
    let service = &config.services[0].service;
    let place = |at: usize| (service.vantages[at].network.as_deref(), service.vantages[at].account.as_str());
    assert_eq!([place(0), place(4)], [(None, "probe-1"), (Some("core-backbone"), "probe-2")]);
    let names = |checks: &[quorate::domain::CheckName]| checks.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        (names(&service.checks), names(&service.critical)),
        (vec!["login".to_owned()], vec!["login".to_owned()])
    );
    assert_eq!(service.veto.as_ref().map(ToString::to_string).as_deref(), Some("capacity"));
    assert_eq!((config.limits.moves, config.limits.per), (5, s(600)));
    assert_eq!((config.agents.canaries.len(), config.agents.canaries_needed), (3, 2));
    assert_eq!(config.agents.canaries[2].as_str(), "tcp://192.0.2.53:443");
    assert_eq!(config.store.observations_kept, s(7 * 86_400));
    assert!(config.controller.local_freeze.ends_with("quorate.db.freeze"));

    let reason = |ms: u64| maintenance::active(&service.maintenance, WallTime::from_ms(ms)).map(|open| open.reason());
    let saturday = 1_778_292_000_000; // 2026-05-09T02:00:00Z
    assert_eq!(reason(saturday), Some("weekly deployment"));
    assert_eq!(reason(saturday + 2 * 3_600_000), None);
    let upgrade = 1_791_518_400_000; // 2026-10-09T04:00:00Z
    assert_eq!((reason(upgrade - 1), reason(upgrade)), (None, Some("database upgrade")));
}

#[test]
fn what_the_main_file_leaves_out_has_its_default() {
    let config = load(&Path::new(ROOT).join("examples/demo/quorate.toml")).expect("is good").config;
    assert_eq!((config.limits.moves, config.limits.per), (5, s(600)));
    // The demo names its canaries, and not how many of them must answer.
    assert_eq!((config.agents.canaries.len(), config.agents.canaries_needed), (3, 2));
    let bare = load(&Path::new(ROOT).join(NO_CANARIES)).expect("is good").config;
    assert_eq!((bare.agents.canaries.len(), bare.agents.canaries_needed), (0, 0));
    assert_eq!(config.store.observations_kept, s(7 * 86_400));
    assert!(config.controller.local_freeze.ends_with("examples/demo/quorate.db.freeze"));
    let service = &config.services[0].service;
    assert!(service.vantages.iter().all(|vantage| vantage.network.is_none() && vantage.account == "default"));
    assert!(service.critical.is_empty() && service.veto.is_none() && service.maintenance.is_empty());
}
