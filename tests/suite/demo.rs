//! The whole demo, as a newcomer runs it: what it says, how it exits, and what it leaves behind.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{Instant, sleep, timeout};

use super::world::{QUORATE, free_port, signal, turn};

/// How long a demo may take on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(240);
/// How long its end may take.
const END_WITHIN: Duration = Duration::from_secs(30);
/// A demo is as heavy as that many of the other worlds.
const PLACES: u32 = 2;

fn demo(folder: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(QUORATE);
    command
        .arg("demo")
        .args(arguments)
        .env("TMPDIR", folder.path())
        // Nothing of it may depend on the machine's proxy, accounts or secrets.
        .env("HTTP_PROXY", "http://127.0.0.1:1")
        .env("http_proxy", "http://127.0.0.1:1")
        .env("AWS_PROFILE", "nobody")
        .env("QUORATE_TOKEN", "another-token")
        .env("QUORATE_SECRET_PROBE_PASSWORD", "another-password")
        .env("QUORATE_SECRET_SLACK_WEBHOOK", "http://127.0.0.1:1/real")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// The command lines of the processes that were started with a file below the folder. The demo itself is none of them.
fn processes(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(folder.to_str().unwrap()))
        .collect()
}

fn left_in(folder: &TempDir) -> Vec<String> {
    let entries = std::fs::read_dir(folder.path()).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

async fn nothing_runs(folder: &TempDir) {
    let deadline = Instant::now() + END_WITHIN;
    while !processes(folder.path()).is_empty() {
        assert!(Instant::now() < deadline, "these still run: {:#?}", processes(folder.path()));
        sleep(Duration::from_millis(50)).await;
    }
}

/// Nothing is left the moment that the demo has ended.
fn nothing_is_left(folder: &TempDir) {
    assert_eq!((processes(folder.path()), left_in(folder)), (Vec::new(), Vec::new()));
}

fn ms(line: &Value, key: &str) -> u64 {
    line["ms"][key].as_u64().unwrap_or_else(|| panic!("ms.{key} in {line}"))
}

/// The line, as the demo promises it.
fn check_line(line: &Value) {
    for (pointer, value) in [
        ("/outcome", Value::from("failed-over")),
        ("/service", "login".into()),
        ("/serving", "standby".into()),
        ("/standby_read_only", "verified".into()),
        ("/write_probe", "refused".into()),
        ("/healthz_during_outage", 200.into()),
        ("/votes/of", 5.into()),
        ("/ms/fault", 0.into()),
        ("/answer/before", "127.0.0.11".into()),
        ("/answer/after", "127.0.0.12".into()),
    ] {
        assert_eq!(line.pointer(pointer), Some(&value), "{pointer} in {line}");
    }
    assert!((3..=5).contains(&line["votes"]["down"].as_u64().unwrap()), "{line}");
    assert!(line["epoch"].as_u64().unwrap() >= 1, "{line}");
    for kind in ["slack", "slack_loud", "sms"] {
        assert!(line["notices"][kind].as_u64().unwrap() >= 1, "{kind} in {line}");
    }
    let order = [
        "fault",
        "first_failure",
        "verdict",
        "read_only",
        "flip_accepted",
        "in_sync",
        "answer_moved",
        "public_login_ok",
    ];
    let times: Vec<u64> = order.iter().map(|key| ms(line, key)).collect();
    assert!(times.is_sorted(), "{order:?} in {line}");
    assert_eq!(line.get("did_not_happen"), None);
}

#[tokio::test]
async fn the_demo_fails_over_three_times_in_a_row_and_leaves_nothing() {
    let _turn = turn(PLACES).await;
    let folder = tempfile::tempdir().unwrap();
    for run in 1..=3 {
        let output =
            timeout(PATIENCE, demo(&folder, &["--once", "--json"]).output()).await.expect("in time").unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(0), "run {run}: {out}\n{err}");
        assert_eq!((out.lines().count(), out.ends_with('\n')), (1, true), "run {run}: {out}");
        check_line(&serde_json::from_str(&out).unwrap());
        nothing_is_left(&folder);
    }
}

/// Starts a demo and reads on until a line has those words; the line with the rest of its output.
async fn started(
    folder: &TempDir,
    arguments: &[&str],
    words: &str,
) -> (Child, String, Lines<BufReader<ChildStdout>>) {
    let mut child = demo(folder, arguments).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = next_with(&mut lines, words).await;
    (child, line, lines)
}

async fn next_with(lines: &mut Lines<BufReader<ChildStdout>>, words: &str) -> String {
    let mut seen = String::new();
    let read = timeout(PATIENCE, async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains(words) {
                return Some(line);
            }
            seen.push_str(&line);
            seen.push('\n');
        }
        None
    });
    let found = read.await.ok().flatten();
    found.unwrap_or_else(|| panic!("no line with '{words}':\n{seen}"))
}

/// Reads what is left to be read, and waits for the end.
async fn ended(mut child: Child, mut lines: Lines<BufReader<ChildStdout>>) -> (Option<i32>, String) {
    let mut out = String::new();
    let status = timeout(END_WITHIN, async {
        while let Some(line) = lines.next_line().await.unwrap() {
            out.push_str(&line);
            out.push('\n');
        }
        child.wait().await.unwrap()
    });
    let status = status.await.unwrap_or_else(|_| panic!("it does not end"));
    (status.code(), out)
}

#[tokio::test]
async fn a_demo_that_is_interrupted_in_the_middle_leaves_nothing() {
    let _turn = turn(PLACES).await;
    let folder = tempfile::tempdir().unwrap();
    let (child, _, lines) = started(&folder, &["--once"], "breaks now").await;
    assert_eq!(processes(folder.path()).len(), 9, "{:#?}", processes(folder.path()));
    signal(child.id().unwrap(), "INT");
    let (code, _) = ended(child, lines).await;
    assert_eq!(code, Some(2), "it is not known how it would have come out");
    nothing_is_left(&folder);
}

#[tokio::test]
async fn a_demo_that_is_interrupted_while_it_starts_leaves_nothing() {
    let _turn = turn(PLACES).await;
    let folder = tempfile::tempdir().unwrap();
    let mut child = demo(&folder, &["--once"]).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let deadline = Instant::now() + END_WITHIN;
    while processes(folder.path()).is_empty() {
        assert!(Instant::now() < deadline, "nothing was started");
        sleep(Duration::from_millis(5)).await;
    }
    signal(child.id().unwrap(), "INT");
    let (code, _) = ended(child, lines).await;
    assert_eq!(code, Some(2));
    nothing_is_left(&folder);
}

#[tokio::test]
async fn the_processes_of_a_demo_that_is_killed_end_by_themselves() {
    let _turn = turn(PLACES).await;
    let folder = tempfile::tempdir().unwrap();
    let (mut child, _, _lines) = started(&folder, &["--once"], "breaks now").await;
    assert_eq!(processes(folder.path()).len(), 9);
    child.kill().await.unwrap();
    nothing_runs(&folder).await;
}

#[tokio::test]
async fn a_demo_without_once_stays_up_to_be_looked_at_until_ctrl_c() {
    let _turn = turn(PLACES).await;
    let folder = tempfile::tempdir().unwrap();
    let (child, line, mut lines) = started(&folder, &[], "export QUORATE_API=").await;
    let api = line.trim().strip_prefix("export QUORATE_API=").unwrap().to_owned();
    next_with(&mut lines, "configuration:").await;

    let status = Command::new(QUORATE).args(["status", "--api", &api]).output().await.unwrap();
    let out = String::from_utf8(status.stdout).unwrap();
    assert_eq!(status.status.code(), Some(0), "{out}");
    assert!(out.contains("holding") && out.contains("standby"), "{out}");

    signal(child.id().unwrap(), "INT");
    let (code, out) = ended(child, lines).await;
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("removing everything"), "{out}");
    nothing_is_left(&folder);
}

#[tokio::test]
async fn a_base_whose_ports_are_taken_is_refused_with_the_port_and_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let _taken = TcpListener::bind(("127.0.0.1", port)).unwrap();
    for base in [port, port - 1, port - 2] {
        let output = demo(&folder, &["--once", "--port-base", &base.to_string()]).output().await.unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{err}");
        assert!(err.contains("--port-base"), "{err}");
        assert!(err.contains(&format!("port {port} on 127.0.0.1")), "{base}: {err}");
    }
    let output = demo(&folder, &["--once", "--port-base", "65535"]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert_eq!(left_in(&folder), [""; 0]);
}
