//! Steps, cleaning up, measures, and files that checks share.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use quorate::adapters::script::{Limits, Mode};
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

/// A server whose `/slow` never answers, and whose `/logout` takes a moment.
fn slow() -> Server {
    Server::start(|request, stream| {
        std::thread::sleep(match request.path.as_str() {
            "/slow" => super::LONG,
            "/logout" => Duration::from_millis(150),
            _ => Duration::ZERO,
        });
        respond(stream, 200, &[], "said");
    })
}

#[tokio::test]
async fn cleaning_up_has_a_moment_when_the_deadline_is_over_and_the_report_does_not_wait_for_it() {
    let site = slow();
    let source = r#"defer(|| get("/out")); defer(|| get("/logout")); step("work", || get("/slow"));"#;
    let case = check(source).within(Duration::from_millis(300));
    let runner = case.runner();
    let began = tokio::time::Instant::now();
    let run = runner.run_as(&case.request(site.url().as_str()), Mode::default()).await;
    let took = began.elapsed();
    fails(&run.report, FailureKind::Timeout, "/slow within the deadline of 300ms");
    assert!((300..1_000).contains(&run.report.duration_ms), "{:?}", run.report);
    assert!(took < Duration::from_millis(300) + super::SLACK, "{took:?}");
    assert_eq!(run.report.failed_step.as_deref(), Some("work"));
    // It goes on all the same.
    let began = tokio::time::Instant::now();
    while site.seen().len() < 3 {
        assert!(began.elapsed() < super::LONG, "{:?}", site.seen());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let paths: Vec<String> = site.seen().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/slow", "/logout", "/out"]);
}

#[tokio::test]
async fn a_report_that_is_to_be_whole_waits_for_the_cleaning_up_which_counts_for_nothing() {
    let site = slow();
    let source = r#"defer(|| get("/logout")); step("work", || get("/slow"));"#;
    let case = check(source).within(Duration::from_millis(300)).in_mode(Mode { whole: true, ..Mode::default() });
    let report = case.at(site.url()).await;
    fails(&report, FailureKind::Timeout, "/slow within the deadline of 300ms");
    assert!((300..1_000).contains(&report.duration_ms), "{report:?}");
    assert_eq!(steps(&report), [("work", Outcome::Fail), ("clean up", Outcome::Pass)]);
    assert!(report.steps[1].duration_ms >= 150, "{report:?}");
}

#[tokio::test]
async fn cleaning_up_ends_by_its_own_limit() {
    let site = slow();
    let few = Limits { clean_up: Duration::from_millis(200), ..Limits::default() };
    for waits in [r#"get("/slow")"#, "loop { }"] {
        let source = format!(r#"defer(|| {{ {waits} }}); get("/slow");"#);
        let case = check(&source).within(Duration::from_millis(200)).limited(few);
        let (runner, mode) = (case.runner(), Mode { whole: true, ..Mode::default() });
        let began = tokio::time::Instant::now();
        let report = runner.run_as(&case.request(site.url().as_str()), mode).await.report;
        fails(&report, FailureKind::Timeout, "within the deadline of 200ms");
        assert!(began.elapsed() < Duration::from_millis(400) + super::SLACK, "{:?}", began.elapsed());
        assert_ne!(steps(&report).last(), Some(&("clean up", Outcome::Pass)), "{report:?}");
    }
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

/// Where it ended, as people write it.
fn place(report: &ProbeReport) -> String {
    report.place.as_ref().map_or_else(|| "nowhere".to_owned(), ToString::to_string)
}

#[tokio::test]
async fn an_ending_names_its_line_and_column_in_the_script() {
    let site = recovering(9);
    // The first line is the one with the words of these cases.
    let cases = [
        ("\nget(\"/\");\n  expect_status(get(\"/\"), 200);", "checks/case.rhai:3:3"),
        ("\nstep(\"ask\", || {\n    expect_status(get(\"/\"), 200);\n});", "checks/case.rhai:3:5"),
        ("\nfn ask() {\n  fail(\"no\")\n}\nstep(\"a\", || step(\"b\", || ask()));", "checks/case.rhai:3:3"),
        (
            "\nfor n in 0..2 {\n  step(\"a\", #{ retries: n }, || {\n expect(n < 1, \"x\");\n}) }",
            "checks/case.rhai:4:2",
        ),
        ("\nlet all = [1, 2].map(|n| {\n   get(\"/\").json() });", "checks/case.rhai:3:13"),
        ("\ntry { fail(\"a\") } catch { }", "checks/case.rhai:2:7"),
        ("\n[2, 1].sort(|a, b| { fail(\"a\"); 0 });", "checks/case.rhai:2:22"),
        ("\nlet text = secret(\"none\");", "checks/case.rhai:2:12"),
        ("\nfn f() {\n () + 1 }\nf();", "checks/case.rhai:3:5"),
        ("\nfn f() {\n inconclusive(\"x\") }\nf();", "checks/case.rhai:3:2"),
        ("\ndefer(|| fail(\"later\"));\nget(\"http://127.0.0.1:1/\");", "checks/case.rhai:3:1"),
    ];
    for (source, at) in cases {
        let report = check(source).at(site.url()).await;
        assert_eq!(place(&report), at, "{source}: {report:?}");
        let said = super::reason(&report).starts_with(&format!("{at}: "));
        assert_eq!(said, report.outcome == Outcome::Inconclusive, "{source}: {report:?}");
    }
    let report = check("get(\"/\"); defer(|| fail(\"later\"));").at(site.url()).await;
    assert_eq!((place(&report).as_str(), report.outcome), ("nowhere", Outcome::Pass));
}

#[tokio::test]
async fn an_ending_in_a_shared_file_names_that_file() {
    let site = recovering(9);
    let shared = "fn asks() {\n  expect_status(get(\"/\"), 200)\n}\nfn breaks() {\n  let x = 1;\n  x.nothing()\n}\n\
        fn calls(what) {\n  step(\"called\", || what.call())\n}\nfn own() { calls(|| fail(\"mine\")) }";
    let other = "import \"lib/shared\" as common;\nfn further() {\n  common::asks()\n}\nfn lost() { throw \"lost\" }";
    let cases = [
        ("common::asks()", "checks/lib/shared.rhai:2:3"),
        ("step(\"a\", || common::asks())", "checks/lib/shared.rhai:2:3"),
        ("common::breaks()", "checks/lib/shared.rhai:6:5"),
        ("common::own()", "checks/lib/shared.rhai:11:21"),
        ("other::further()", "checks/lib/shared.rhai:2:3"),
        ("other::lost()", "checks/lib/other.rhai:5:13"),
        // A closure of the check is on the check's lines, whoever calls it.
        ("common::calls(||\n  fail(\"here\"))", "checks/case.rhai:4:3"),
        ("common::calls(||\n  ().nothing())", "checks/case.rhai:4:6"),
    ];
    for (source, at) in cases {
        let source = format!("\nimport \"lib/shared\" as common; import \"lib/other\" as other;\n{source}");
        let case = check(&source).with_file("lib/shared", shared).with_file("lib/other", other);
        let report = case.at(site.url()).await;
        assert_eq!(place(&report), at, "{source}: {report:?}");
    }
}
