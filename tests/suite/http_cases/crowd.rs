//! Many probes at a time, and probes that are dropped while they wait.

use std::io::Read;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quorate::ports::{ProbeRequest, ProbeRunner};
use tokio::task::JoinSet;

use super::tls_servers::{Habits, serve};
use super::{LONG, Raw, alone, check, own, passes, reason};
use crate::suite::servers::read;

/// How many wait at the same time.
const PROBES: usize = 500;

#[tokio::test]
async fn five_hundred_probes_wait_at_the_same_time_on_no_thread_of_their_own() {
    if !alone("suite::http_cases::crowd::five_hundred_probes_wait_at_the_same_time_on_no_thread_of_their_own") {
        return;
    }
    // Each answer takes longer than all the probes take to begin.
    let address = serve(None, Habits { delay: Duration::from_secs(1), ..Habits::default() });
    let case = check(r#"let page = step("ask", || get("/")); same(page.text.split("|")[1], "GET"); get("/again");"#);
    let (runner, request) = (Arc::new(case.runner()), case.request(&format!("http://{address}/")));
    passes(&runner.run(&request).await);
    let (threads, memory) = (own("Threads"), own("VmRSS"));
    let mut probes = JoinSet::new();
    for _ in 0..PROBES {
        let (runner, request) = (Arc::clone(&runner), request.clone());
        probes.spawn(async move { runner.run(&request).await });
    }
    tokio::time::sleep(Duration::from_millis(700)).await;
    let (threads_then, memory_then) = (own("Threads"), own("VmRSS"));
    let reports = probes.join_all().await;
    reports.iter().for_each(passes);
    let longest = reports.iter().map(|report| report.duration_ms).max().unwrap();
    println!(
        "threads {threads} → {threads_then}, {} KiB a probe and its server's side, {longest} ms the longest",
        (memory_then - memory) / PROBES
    );
    assert!(threads_then <= threads + 1, "{threads} → {threads_then}");
    // One after the other they would have taken half an hour.
    assert!(longest < 15_000, "{longest}");
}

/// A server that answers `/`, and otherwise tells when the probe has hung up on it.
fn hanging() -> (Raw, mpsc::Receiver<()>) {
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let server = Raw::start(move |stream, _| {
        while let Some(request) = read(stream) {
            use std::io::Write;
            match request.path.as_str() {
                "/" => {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx");
                    continue;
                }
                "/half" => {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nx");
                }
                _ => {}
            }
            while stream.read(&mut [0; 64]).is_ok_and(|length| length > 0) {}
            let _ = tell.lock().unwrap().send(());
            return;
        }
    });
    (server, told)
}

#[tokio::test]
async fn a_dropped_probe_ends_wherever_its_script_waits() {
    let (server, told) = hanging();
    let scripts = [
        r#"get("/hang")"#,
        r#"get("/"); get("/half")"#,
        r#"step("outer", || step("inner", || get("/hang")))"#,
        r#"[1, 2].map(|n| get("/hang"))"#,
        r#"[2, 1].sort(|a, b| { get("/hang"); 1 }); loop { }"#,
        r#"[2, 1].dedup(|a, b| { get("/hang"); true }); loop { }"#,
        r#"try { get("/hang") } catch { loop { } }"#,
        r#"fn f(n) { if n == 0 { get("/hang") } else { f(n - 1) } } f(12)"#,
        r#"defer(|| { loop { } }); get("/hang")"#,
        r#"defer(|| get("/hang")); get("/")"#,
        r#"step("again", #{ retries: 3 }, || { get("/hang") })"#,
        r#"post("/hang", "x", #{ timeout: "1h" })"#,
    ];
    let mut dropped = JoinSet::new();
    for source in scripts {
        let case = check(source).within(Duration::from_secs(3600));
        let (runner, request) = (case.runner(), case.request(&server.url()));
        dropped.spawn(async move {
            let given_up = tokio::time::timeout(Duration::from_millis(300), runner.run(&request)).await;
            assert!(given_up.is_err(), "{source}");
            (source, runner, request)
        });
    }
    let dropped = dropped.join_all().await;
    for _ in &dropped {
        assert!(told.recv_timeout(LONG).is_ok());
    }
    // No worker has been left in a loop: as many probes as there can be workers come back in time.
    let mut probes = JoinSet::new();
    for (source, runner, request) in dropped {
        let (runner, request) = (Arc::new(runner), ProbeRequest { deadline: Duration::from_millis(200), ..request });
        for _ in 0..4 {
            let (runner, request) = (Arc::clone(&runner), request.clone());
            probes.spawn(async move { (source, runner.run(&request).await) });
        }
    }
    for (source, report) in probes.join_all().await {
        assert!(!reason(&report).contains("did not come back"), "{source}: {report:?}");
    }
}

#[tokio::test]
async fn a_probe_that_is_dropped_before_it_begins_asks_nothing() {
    let (server, _told) = hanging();
    let case = check(r#"get("/")"#);
    let (runner, request) = (case.runner(), case.request(&server.url()));
    drop(runner.run(&request));
    passes(&runner.run(&request).await);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_script_that_computes_leaves_time_for_those_that_wait() {
    let address = serve(None, Habits::default());
    let busy = check("loop { }").within(Duration::from_secs(2)).limited(quorate::adapters::script::Limits::CEILING);
    let (runner, spinning) = (Arc::new(busy.runner()), busy.request("http://127.0.0.1:1/"));
    let mut spinners = JoinSet::new();
    for _ in 0..8 {
        let (runner, request) = (Arc::clone(&runner), spinning.clone());
        spinners.spawn(async move { runner.run(&request).await });
    }
    let case = check(r#"for n in 0..10 { get("/"); }"#);
    let own_runner = case.runner();
    let report = own_runner.run(&case.request(&format!("http://{address}/"))).await;
    passes(&report);
    for report in spinners.join_all().await {
        super::inconclusive(&report, "");
    }
}
