//! Steps, cleaning up, measures, and files that checks share.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use quorate::domain::{FailureKind, Outcome, ProbeReport};

use super::{check, fails, inconclusive, passes};
use crate::suite::servers::{Server, respond};

/// A server that is broken until it has been asked so often.
fn recovering(after: usize) -> Server {
    let asked = AtomicUsize::new(0);
    Server::start(move |_, stream| {
        let status = if asked.fetch_add(1, Ordering::SeqCst) < after { 503 } else { 200 };
        respond(stream, status, &[], "said");
    })
}

fn steps(report: &ProbeReport) -> Vec<(&str, Outcome)> {
    report.steps.iter().map(|step| (step.name.as_str(), step.outcome)).collect()
}

#[tokio::test]
async fn a_step_with_retries_passes_when_one_try_does_and_shows_them_all() {
    let site = recovering(2);
    let source =
        r#"same(step("ask", #{ retries: 2, pause: "10ms" }, || { expect_status(get("/"), 200).text }), "said")"#;
    let report = check(source).at(site.url()).await;
    passes(&report);
    assert_eq!(steps(&report), [("ask", Outcome::Fail), ("ask", Outcome::Fail), ("ask", Outcome::Pass)]);
    assert_eq!(report.failed_step, None);
    assert!(report.steps[1].start_ms >= report.steps[0].start_ms + 10, "{report:?}");
}

#[tokio::test]
async fn a_step_that_fails_in_every_try_fails_as_the_last_one_did() {
    let site = recovering(9);
    let source =
        r#"step("outer", || step("ask", #{ retries: 2, pause: "1ms" }, || { expect_status(get("/"), 200) }))"#;
    let report = check(source).at(site.url()).await;
    fails(&report, FailureKind::ServerError, "wanted status 200, got 503");
    assert_eq!((report.failed_step.as_deref(), site.seen().len()), (Some("ask"), 3));
}

#[tokio::test]
async fn a_step_is_tried_once_unless_it_says_otherwise_and_one_that_cannot_tell_is_not_tried_again() {
    let site = recovering(1);
    fails(
        &check(r#"step("ask", || expect_status(get("/"), 200))"#).at(site.url()).await,
        FailureKind::ServerError,
        "503",
    );
    assert_eq!(site.seen().len(), 1);
    let report = check(r#"step("ask", #{ retries: 5 }, || { get("/"); secret("none") })"#).at(site.url()).await;
    inconclusive(&report, "the secret 'none'");
    assert_eq!(site.seen().len(), 2);
}

#[tokio::test]
async fn a_pause_that_the_deadline_has_no_room_for_leaves_the_failure_as_it_was() {
    let report = check(r#"step("ask", #{ retries: 5, pause: "1h" }, || expect_status(get("/"), 200))"#)
        .at(recovering(9).url())
        .await;
    fails(&report, FailureKind::ServerError, "wanted status 200, got 503");
    assert!(report.duration_ms < 5_000, "{report:?}");
}

#[tokio::test]
async fn a_steps_options_are_checked() {
    for (options, saying) in [
        ("#{ retries: 11 }", "the option 'retries' of a step must be a whole number from 0 to 10"),
        ("#{ retries: -1 }", "must be a whole number from 0 to 10"),
        ("#{ pause: 5 }", "the option 'pause' of a step must be a time such as"),
        ("#{ pause: \"soon\" }", "the option 'pause' of a step must be a time such as"),
        ("#{ retry: 1 }", "unknown option 'retry' of a step: there are retries and pause"),
    ] {
        inconclusive(&check(&format!("step(\"s\", {options}, || 1)")).at("http://127.0.0.1:1/").await, saying);
    }
}

#[tokio::test]
async fn what_is_deferred_runs_after_every_ending_and_changes_none() {
    let endings = [
        ("1", Outcome::Pass, ""),
        (r#"fail("broken")"#, Outcome::Fail, "broken"),
        (r#"inconclusive("unknown")"#, Outcome::Inconclusive, "unknown"),
        ("nothing.at_all", Outcome::Inconclusive, "at_all"),
        ("loop { }", Outcome::Inconclusive, "operations"),
    ];
    for (ending, outcome, saying) in endings {
        let site = recovering(0);
        let ending = ending.replace("nothing.at_all", "let x = 1; x.at_all()");
        let source = format!(
            r#"
            defer(|| get("/last"));
            defer(|| fail("in cleaning up"));
            defer(|| inconclusive("in cleaning up, too"));
            defer(|| post("/first", "{{}}"));
            step("work", || get("/work"));
            {ending}
            "#
        );
        let report = check(&source).at(site.url()).await;
        assert_eq!(report.outcome, outcome, "{report:?}");
        assert!(super::reason(&report).contains(saying), "{report:?}");
        let paths: Vec<String> = site.seen().iter().map(|request| request.path.clone()).collect();
        assert_eq!(paths, ["/work", "/first", "/last"]);
        let clean = [Outcome::Pass, Outcome::Inconclusive, Outcome::Fail, Outcome::Pass];
        let seen: Vec<Outcome> =
            report.steps.iter().filter(|step| step.name == "clean up").map(|step| step.outcome).collect();
        assert_eq!(seen, clean);
    }
}

#[tokio::test]
async fn the_failed_step_is_the_scripts_and_never_the_cleaning_up() {
    let report =
        check(r#"defer(|| fail("no")); step("work", || { get("/"); fail("broken") })"#).at(recovering(0).url()).await;
    assert_eq!(report.failed_step.as_deref(), Some("work"));
    let report = check(r#"defer(|| fail("no")); get("/");"#).at(recovering(0).url()).await;
    passes(&report);
    assert_eq!(report.failed_step, None);
}

#[tokio::test]
async fn cleaning_up_has_what_is_left_of_the_deadline() {
    let report = check(r#"defer(|| { loop { get("/") } }); get("/");"#)
        .within(Duration::from_millis(400))
        .at(recovering(0).url())
        .await;
    // It ends by the requests or by the deadline, whichever is first.
    assert!(report.duration_ms < 1_100, "{report:?}");
    passes(&report);
}

#[tokio::test]
async fn measures_are_reported_and_checked() {
    let report = check(r#"get("/"); metric("logins", 12, "1/min"); metric("lag", 0.5); metric("lag", -3);"#)
        .at(recovering(0).url())
        .await;
    passes(&report);
    let seen: Vec<_> =
        report.metrics.iter().map(|metric| (metric.name.as_str(), metric.value, metric.unit.as_str())).collect();
    assert_eq!(seen, [("logins", 12.0, "1/min"), ("lag", 0.5, ""), ("lag", -3.0, "")]);
    for (source, saying) in [
        (r#"metric("x", "12")"#, "the metric 'x' must have a number"),
        (r#"metric("x", 0.0 / 0.0)"#, "the metric 'x' must have a number"),
        (r#"metric("", 1)"#, "needs a name of 1 to 60 characters"),
        (r#"for n in 0..51 { metric("x", n) }"#, "the script measures more than 50 things"),
    ] {
        inconclusive(&check(source).at("http://127.0.0.1:1/").await, saying);
    }
    let report = check(r#"get("/"); metric("p4ssword", 1, "p4ssword");"#)
        .secret("s", "p4ssword")
        .at(recovering(0).url())
        .await;
    assert!(!format!("{report:?}").contains("p4ssword"), "{report:?}");
}

const MATHS: &str = "fn twice(n) { n * 2 } fn here() { `${site} ${target}` } private fn hidden() { 1 }";
const LOGIN: &str =
    r#"import "lib/maths" as maths; fn four() { maths::twice(2) } fn ask() { step("shared", || get("/").text) }"#;

#[tokio::test]
async fn checks_share_functions_which_may_use_other_shared_ones() {
    let source = r#"
        import "lib/login" as login;
        import "lib/maths" as maths;
        same(login::ask(), "said");
        same(login::four(), 4);
        same(step("closure", || maths::twice(3)), 6);
        same(maths::here(), `primary ${target}`);
    "#;
    // Files are loaded in any order.
    let case = check(source).with_file("lib/login", LOGIN).with_file("lib/maths", MATHS);
    let report = case.at(recovering(0).url()).await;
    passes(&report);
    assert_eq!(steps(&report), [("shared", Outcome::Pass), ("closure", Outcome::Pass)]);
}

#[tokio::test]
async fn a_file_that_is_not_there_is_the_scripts_fault() {
    let report =
        check(r#"import "lib/none" as none; get("/");"#).with_file("lib/maths", MATHS).at(recovering(0).url()).await;
    inconclusive(&report, "lib/none");
    let report = check(r#"import "/etc/passwd" as none; get("/");"#).at(recovering(0).url()).await;
    inconclusive(&report, "/etc/passwd");
    let report = check(r#"import "lib/maths" as maths; maths::hidden()"#)
        .with_file("lib/maths", MATHS)
        .at(recovering(0).url())
        .await;
    inconclusive(&report, "hidden");
}
