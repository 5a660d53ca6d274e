//! What a login costs: processor time and memory of a flow of three requests (form, token, cookie, redirect) as a check, beside a bare
//! hyper client and beside plain Node. Everything runs on this machine; each client is a process of its own, so that only its own time and
//! memory count.
//!
//! ```text
//! cargo bench --bench checks                   all of it; without Node its rows are left out, and said to be
//! cargo bench --bench checks -- --flows 5000   with another number of flows
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing
)]

mod client;
mod server;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// Flows in each measurement of time.
const FLOWS: usize = 3_000;
/// At a time.
const WIDTH: usize = 32;
/// Flows that wait at the same time when memory is measured.
const WAITING: usize = 4_000;
/// How long the slow server keeps them waiting.
const SLOW_MS: u64 = 6_000;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve", delay_ms, folder] => server::serve(delay_ms.parse().unwrap(), folder),
        ["client", kind, base, flows, width, rest @ ..] => {
            client::run(kind, base, flows.parse().unwrap(), width.parse().unwrap(), rest.first().copied());
        }
        ["--flows", flows] => measure(flows.parse().expect("a number of flows")),
        [] => measure(FLOWS),
        _ => panic!("cargo bench --bench checks [-- --flows N]"),
    }
}

/// A server in a process of its own.
struct Server {
    child: Child,
    http: String,
    https: String,
}

impl Server {
    fn start(delay_ms: u64, folder: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["serve", &delay_ms.to_string(), folder])
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts itself as a server");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let mut words = line.split_whitespace().map(str::to_owned);
        Self { http: words.next().expect("an address"), https: words.next().expect("an address"), child }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processor time in microseconds and memory in bytes that a client used for its flows.
#[derive(Clone, Copy)]
struct Cost {
    cpu_us: f64,
    bytes: f64,
}

fn cost(kind: &str, base: &str, flows: usize, width: usize, ca: &str) -> Option<Cost> {
    let mut command = if kind == "node" {
        let mut node = Command::new("node");
        node.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/checks/flow.mjs"));
        node
    } else {
        let mut own = Command::new(std::env::current_exe().unwrap());
        own.args(["client", kind]);
        own
    };
    command.args([base, &flows.to_string(), &width.to_string()]);
    if base.starts_with("https") {
        command.arg(ca).env("SSL_CERT_FILE", ca);
    }
    let output = command.stderr(Stdio::inherit()).output().ok()?;
    assert!(output.status.success(), "the client {kind} failed");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut numbers = text.split_whitespace().map(|word| word.parse::<f64>().unwrap());
    Some(Cost { cpu_us: numbers.next()?, bytes: numbers.next()? })
}

fn measure(flows: usize) {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_str().unwrap();
    let quick = Server::start(0, folder);
    let ca = format!("{folder}/ca.pem");
    println!("processor time of a flow of three requests, {flows} flows, {WIDTH} at a time\n");
    println!("{:<8} {:<18} {:>10} {:>12} {:>12}", "over", "client", "ms a flow", "of the bare", "Node's share");
    for (over, base) in [("HTTP", &quick.http), ("TLS", &quick.https)] {
        // What a process costs before its first flow is not the flow's: it is measured with one, and taken off.
        let per_flow = |kind: &str| {
            let all = cost(kind, base, flows, WIDTH, &ca)?;
            let start = cost(kind, base, WIDTH, WIDTH, &ca)?;
            Some((all.cpu_us - start.cpu_us) / (flows - WIDTH) as f64)
        };
        let bare = per_flow("bare").expect("the bare client runs");
        let node = per_flow("node");
        for (name, kind) in [("a bare hyper client", "bare"), ("a check", "check"), ("plain Node", "node")] {
            let us = match kind {
                "bare" => Some(bare),
                "node" => node,
                kind => per_flow(kind),
            };
            match us {
                Some(us) => println!(
                    "{over:<8} {name:<18} {:>10.3} {:>11.2}× {:>12}",
                    us / 1_000.0,
                    us / bare,
                    node.map_or("-".to_owned(), |node| format!("{:.2}×", node / us)),
                ),
                None => println!("{over:<8} {name:<18} not measured: there is no `node` here"),
            }
        }
    }
    drop(quick);
    let slow = Server::start(SLOW_MS, folder);
    println!("\nmemory of a flow that waits, {WAITING} at a time\n");
    println!("{:<8} {:<18} {:>10}", "over", "client", "KB a flow");
    for (over, base) in [("HTTP", &slow.http), ("TLS", &slow.https)] {
        for (name, kind) in [("a bare hyper client", "bare"), ("a check", "check"), ("plain Node", "node")] {
            match cost(kind, base, WAITING, WAITING, &ca) {
                Some(cost) => println!("{over:<8} {name:<18} {:>10.1}", cost.bytes / WAITING as f64 / 1_000.0),
                None => println!("{over:<8} {name:<18} not measured: there is no `node` here"),
            }
        }
    }
}
