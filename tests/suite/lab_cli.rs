//! `quorate lab`, as it is typed: what it prints is true, and it ends when told.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use quorate::adapters::resolver::Hickory;
use quorate::domain::RecordType;
use quorate::ports::Resolver;

use super::dns_world::console;

/// A lab in a process of its own, killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn start(args: &[&str]) -> (Running, BufReader<ChildStdout>) {
    let anywhere = ["lab", "--api", "127.0.0.1:0", "--dns", "127.0.0.1:0", "--propagation", "0s"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_quorate"));
    let mut child = command.args(anywhere).args(args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    (Running(child), out)
}

#[tokio::test]
async fn the_lab_alone_says_where_it_is_and_answers_there_until_it_is_told_to_end() {
    let (mut lab, mut out) = start(&["--zone", "one.test", "--zone", "two.test", "--json"]);
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let said: serde_json::Value = serde_json::from_str(&line).unwrap();
    let client = console(said["api"].as_str().unwrap());
    let zones = client.list_hosted_zones().send().await.unwrap();
    let mut names: Vec<&str> = zones.hosted_zones().iter().map(|zone| zone.name()).collect();
    names.sort_unstable();
    assert_eq!(names, ["one.test.", "two.test."]);
    let one = client.get_hosted_zone().id(said["zones"]["one.test"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(one.hosted_zone().unwrap().name(), "one.test.");
    let server = said["dns"].as_str().unwrap().parse().unwrap();
    assert_eq!(Hickory::new().ask(server, "www.one.test", RecordType::A).await.unwrap(), [""; 0]);

    let pid = rustix::process::Pid::from_child(&lab.0);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert!(lab.0.wait().unwrap().success());
    out.read_to_string(&mut line).unwrap();
    assert!(Hickory::new().ask(server, "www.one.test", RecordType::A).await.is_err());
}

#[test]
fn what_the_lab_prints_for_people_names_the_zone_the_environment_and_the_commands() {
    let (_lab, mut out) = start(&[]);
    let mut text = String::new();
    while !text.contains("/lab/health") {
        assert!(out.read_line(&mut text).unwrap() > 0, "{text}");
    }
    for part in [
        "export AWS_ENDPOINT_URL_ROUTE_53=http://127.0.0.1:",
        "aws route53 change-resource-record-sets --hosted-zone-id Z",
        "dig @127.0.0.1 -p ",
        "www.example.test A",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn an_address_that_is_taken_ends_the_lab_with_the_way_out() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let lab = Command::new(env!("CARGO_BIN_EXE_quorate")).args(["lab", "--api", &address]).output().unwrap();
    let error = String::from_utf8_lossy(&lab.stderr).into_owned();
    assert_eq!(lab.status.code(), Some(64), "{error}");
    assert!(error.contains(&address) && error.contains("give another address"), "{error}");
}
