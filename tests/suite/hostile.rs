//! Hostile scripts against a hostile site, by seeded chance: whatever they do, a probe ends in time, with an outcome and a reason in one
//! line, and nothing is left of it. And five of them by name.
//!
//! `QUORATE_SEED` repeats a run, whose seed every run prints; `QUORATE_HOSTILE` says how many scripts there are.

/// Support: the scripts.
mod scripts;
/// Support: the site.
mod site;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use quorate::adapters::script::{CheckScript, Limits, Reach, RhaiRunner, ScriptError};
use quorate::domain::{CheckName, FailureKind, Outcome, ProbeReport, Role, Secret};
use quorate::ports::{ProbeRequest, ProbeRunner, Resolution};
use tokio::task::JoinSet;
use url::Url;

use super::http_cases::{Raw, SLACK, alone, check, fails, inconclusive, own, passes};
use super::servers::read;
use scripts::Scripts;
use site::Site;

/// How many scripts the gate runs; a long run has ten thousand.
const GATE: usize = 1_500;
/// How many are compiled together.
const BATCH: usize = 50;
/// How many run at the same time.
const AT_A_TIME: usize = 8;
const DEADLINE: Duration = Duration::from_millis(80);
/// How long after its deadline a probe may come back on a machine that has other things to do: the runner gives up after 50 ms.
const LATE: Duration = Duration::from_millis(1_500);
/// How much the process may hold beside what it held at first, at its worst: what one script may take (512 MiB), and what it takes
/// between two looks.
const GROWTH_KIB: usize = 768 * 1024;
/// The check that means well.
const WELL: &str = "well";
/// A TOTP secret as well.
const SECRET: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";

#[expect(clippy::disallowed_methods, reason = "how a person repeats a run, or asks for a longer one")]
fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[tokio::test]
async fn hostile_scripts_against_a_hostile_site_end_in_time_and_leave_nothing_behind() {
    if !alone("suite::hostile::hostile_scripts_against_a_hostile_site_end_in_time_and_leave_nothing_behind") {
        return;
    }
    let seed =
        asked("QUORATE_SEED").unwrap_or_else(|| u64::from(std::process::id()) << 20 | rand::random_range(0..1 << 20));
    let count = asked("QUORATE_HOSTILE").map_or(GATE, |count| usize::try_from(count).unwrap());
    println!("QUORATE_SEED={seed} QUORATE_HOSTILE={count}");
    let panics = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&panics);
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        counted.fetch_add(1, Ordering::SeqCst);
        before(info);
    }));
    let forbidden = Raw::start(|_, _| {});
    let site = Site::start(seed);
    let mut scripts = Scripts::new(seed, site.address, forbidden.address.port());
    let mut tally = Tally::default();
    // What is made once is made before anything is counted.
    run(vec![r#"get("/").select("p"); "#.to_owned()], &site, &mut tally).await;
    let (threads, memory) = (own("Threads"), own("VmRSS"));
    while tally.scripts < count {
        let batch = (0..BATCH).map(|_| scripts.next()).collect();
        run(batch, &site, &mut tally).await;
        assert_eq!(panics.load(Ordering::SeqCst), 0, "a panic");
    }
    // Threads of runners that are gone end on their own time.
    for _ in 0..50 {
        if own("Threads") <= threads {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (peak, now) = (own("VmHWM") - memory, own("VmRSS").saturating_sub(memory));
    println!(
        "{tally:?}; memory: at most {} MiB more, {} MiB more at the end; the slowest took {:?}",
        peak / 1024,
        now / 1024,
        tally.slowest
    );
    assert!(own("Threads") <= threads, "{threads} threads have become {}", own("Threads"));
    assert!(peak < GROWTH_KIB, "{peak} KiB");
    assert_eq!(forbidden.connections(), 0, "a host out of reach was asked");
    // The scripts are no formality: they get to the site, and they hit limits.
    assert!(tally.outcomes.iter().all(|(_, count)| *count > 0) && tally.limits > 0, "{tally:?}");
}

/// What became of them.
#[derive(Debug)]
struct Tally {
    scripts: usize,
    compiled: usize,
    outcomes: [(Outcome, usize); 3],
    limits: usize,
    slowest: Duration,
}

impl Default for Tally {
    fn default() -> Self {
        let outcomes = [Outcome::Pass, Outcome::Fail, Outcome::Inconclusive].map(|outcome| (outcome, 0));
        Self { scripts: 0, compiled: 0, outcomes, limits: 0, slowest: Duration::ZERO }
    }
}

fn named(number: usize, source: &str) -> CheckScript {
    let params = [("login_path", "/"), ("account", "p"), ("redirect_uri", "http://127.0.0.1/cb"), ("client_id", "x")];
    CheckScript {
        name: CheckName::new(&format!("check-{number}")).unwrap(),
        path: format!("checks/{number}.rhai").into(),
        source: source.to_owned(),
        params: params.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        secrets: ["probe-user", "probe-password", "probe-totp", "client-id", "client-secret", "s"]
            .map(|name| (name.to_owned(), Secret::new(SECRET)))
            .into_iter()
            .collect(),
        reach: Reach::default(),
        limits: Limits::default(),
    }
}

fn path_of(error: &ScriptError) -> Option<&PathBuf> {
    match error {
        ScriptError::Syntax { path, .. } | ScriptError::TooLong { path, .. } => Some(path),
        _ => None,
    }
}

/// Compiles what compiles of a batch, and runs it.
async fn run(sources: Vec<String>, site: &Site, tally: &mut Tally) {
    tally.scripts += sources.len();
    let mut all: Vec<CheckScript> =
        sources.iter().enumerate().map(|(number, source)| named(number, source)).collect();
    all.push(CheckScript {
        name: CheckName::new(WELL).unwrap(),
        ..named(BATCH, r#"expect_status(get("/well"), 200)"#)
    });
    let compiled = match RhaiRunner::new(all.clone()) {
        Ok(runner) => (runner, all),
        Err(errors) => {
            let wrong: Vec<&PathBuf> = errors.iter().filter_map(path_of).collect();
            let good: Vec<CheckScript> = all.into_iter().filter(|script| !wrong.contains(&&script.path)).collect();
            (RhaiRunner::new(good.clone()).unwrap(), good)
        }
    };
    let (runner, good) = (Arc::new(compiled.0), compiled.1);
    tally.compiled += good.len() - 1;
    let mut waiting = good.into_iter().filter(|script| script.name.as_str() != WELL);
    let mut running = JoinSet::new();
    loop {
        while running.len() < AT_A_TIME
            && let Some(script) = waiting.next()
        {
            let (runner, request) = (Arc::clone(&runner), request(&script.name, site.url(), DEADLINE));
            running.spawn(async move {
                let began = tokio::time::Instant::now();
                let report = runner.run(&request).await;
                (script.source, report, began.elapsed())
            });
        }
        let Some(ended) = running.join_next().await else { break };
        let (source, report, took) = ended.unwrap();
        judge(&source, &report, took, tally);
    }
    still_works(&runner, site).await;
}

fn request(check: &CheckName, target: Url, deadline: Duration) -> ProbeRequest {
    ProbeRequest {
        check: check.clone(),
        target,
        role: Role::Primary,
        vantage: None,
        deadline,
        resolution: Resolution::System,
    }
}

fn judge(source: &str, report: &ProbeReport, took: Duration, tally: &mut Tally) {
    let reason = report.reason.as_deref();
    let said = || format!("{report:?} of the script:\n{source}");
    assert!(took < DEADLINE + LATE, "{took:?}: {}", said());
    assert_eq!(report.outcome == Outcome::Pass, reason.is_none(), "{}", said());
    assert_eq!(report.outcome == Outcome::Fail, report.kind.is_some(), "{}", said());
    if let Some(reason) = reason {
        let is_one_line =
            !reason.trim().is_empty() && reason.chars().count() <= 601 && !reason.contains(['\n', '\r']);
        assert!(is_one_line, "{}", said());
        assert!(!reason.contains("broke down"), "{}", said());
        tally.limits += usize::from(reason.contains("more than") || reason.contains("too large"));
    }
    assert!(!format!("{report:?}").contains(SECRET), "a secret: {}", said());
    assert!(report.steps.len() <= 100 && report.requests.len() <= 200 && report.metrics.len() <= 50, "{}", said());
    tally.slowest = tally.slowest.max(took);
    if let Some((_, count)) = tally.outcomes.iter_mut().find(|(outcome, _)| *outcome == report.outcome) {
        *count += 1;
    }
}

/// No script keeps a worker: as many probes as there can be workers pass after them.
async fn still_works(runner: &Arc<RhaiRunner>, site: &Site) {
    let mut probes = JoinSet::new();
    for _ in 0..4 {
        let (runner, request) =
            (Arc::clone(runner), request(&CheckName::new(WELL).unwrap(), site.patient_url(), Duration::from_secs(5)));
        probes.spawn(async move { runner.run(&request).await });
    }
    probes.join_all().await.iter().for_each(passes);
}

// ---- by name ----

#[tokio::test]
async fn an_endless_loop_ends_by_its_operations() {
    for source in [
        "loop { }",
        "while true { let x = 1; }",
        "for n in 0..9223372036854775807 { }",
        "let f = || { loop { } }; f.call()",
    ] {
        let report = check(source).at("http://127.0.0.1:1/").await;
        inconclusive(&report, "the script ran more than 250000 operations");
    }
}

#[tokio::test]
async fn an_exponential_string_ends_by_its_size() {
    for source in [
        r#"let s = "0123456789"; loop { s += s; }"#,
        r#"let s = "0123456789"; loop { s = `${s}${s}`; }"#,
        r#"let s = "aa"; loop { s.replace("a", "aa"); }"#,
        r#"let s = "a"; loop { s.pad(s.len() * 2, s); }"#,
        r#"let s = "é"; for n in 0..40 { s += s; }"#,
    ] {
        let report = check(source).at("http://127.0.0.1:1/").await;
        inconclusive(&report, "the script made too large a value: length of string");
    }
}

#[tokio::test]
async fn deep_recursion_ends_by_its_depth() {
    for source in [
        "fn f() { f() } f()",
        "fn f(n) { g(n + 1) } fn g(n) { f(n + 1) } f(0)",
        r#"fn f() { step("again", || f()) } f()"#,
        "fn f(a) { a.map(|x| f([x])) } f([1])",
        "fn f() { defer(|| 1); f() } f()",
    ] {
        let report = check(source).at("http://127.0.0.1:1/").await;
        inconclusive(&report, "the script called more than 16 functions deep");
    }
}

#[tokio::test]
async fn a_body_of_a_gigabyte_ends_by_its_cap() {
    let announced = Raw::start(|stream, _| {
        let _ = read(stream);
        let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n");
        while stream.write_all(&[b'x'; 64 * 1024]).is_ok() {}
    });
    let chunked = Raw::start(|stream, _| {
        let _ = read(stream);
        let _ = write!(stream, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        while stream.write_all(b"10\r\n0123456789abcdef\r\n").is_ok() {}
    });
    for server in [announced, chunked] {
        let report = check(r#"get("/large")"#).at(server.url()).await;
        fails(&report, FailureKind::Assertion, "/large is larger than 1024 KiB");
    }
}

#[tokio::test]
async fn a_byte_a_second_ends_by_the_deadline() {
    let drips = |head: &'static str| {
        Raw::start(move |stream, _| {
            let _ = read(stream);
            let _ = stream.write_all(head.as_bytes());
            while stream.write_all(b"1").is_ok() {
                thread::sleep(Duration::from_secs(1));
            }
        })
    };
    let deadline = Duration::from_millis(1_500);
    for (head, saying) in [
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n",
            "did not end (2 bytes came) within the deadline of 1s 500ms",
        ),
        ("HTTP/1.1 200 OK\r\nx-long: ", "no answer to GET"),
        ("HTTP/1.1 200 OK\r\n", "no answer to GET"),
    ] {
        let report = check(r#"get("/")"#).within(deadline).at(drips(head).url()).await;
        fails(&report, FailureKind::Timeout, saying);
        assert!(Duration::from_millis(report.duration_ms) < deadline + SLACK, "{report:?}");
    }
}

#[tokio::test]
async fn a_page_that_no_parser_bears_ends_by_its_tree() {
    let formats: String = (0..400).map(|number| format!("<b a{number}>")).collect();
    let attributes: String = (0..100_000).map(|number| format!("a{number} ")).collect();
    let pages = [
        ("<div>".repeat(200_000), "the page has more than 512 elements inside each other"),
        (formats + "<p>".repeat(300_000).as_str(), "the page has more than 200000 elements and texts"),
        (format!("<x {attributes}"), "within the deadline"),
    ];
    for (page, saying) in pages {
        let server = Raw::saying(format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\n\r\n{page}",
            page.len()
        ));
        let deadline = Duration::from_secs(1);
        let report = check(r##"get("/").select_all("b > i")"##).within(deadline).at(server.url()).await;
        let reason = report.reason.as_deref().unwrap_or_default();
        assert!(
            report.outcome != Outcome::Pass && (reason.contains(saying) || reason.contains("deadline")),
            "{report:?}"
        );
        // Left to itself, a parser takes minutes.
        assert!(Duration::from_millis(report.duration_ms) < deadline + 4 * SLACK, "{report:?}");
    }
}

#[tokio::test]
async fn the_site_of_these_scripts_can_be_logged_in_to_by_those_that_mean_well() {
    let site = Site::start(7);
    let report = check(r#"for n in 0..3 { expect_status(get("/well"), 200); }"#).at(site.patient_url()).await;
    passes(&report);
}
