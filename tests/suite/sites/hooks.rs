//! Hooks: scripts and programs of the operator's own, honest, lying, hanging and broken.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use quorate::adapters::script::{CheckScript, Limits, Reach, RhaiHook};
use quorate::adapters::site::Control;
use quorate::adapters::site::command::Command;
use quorate::adapters::site::script::Hook;
use quorate::domain::{CheckName, Class, Role, Secret, Secrets};
use quorate::ports::WriteProbe;
use tempfile::TempDir;
use tokio::time::Instant;
use url::Url;

use super::act::{STANDBY, accepted, enter, leave, probe, refused};
use crate::suite::servers::{Server, respond};

/// A program with that text, and a folder for what it remembers.
fn program(text: &str) -> (TempDir, Command) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fence");
    std::fs::write(&path, format!("#!/bin/sh\nmode={}\n{text}", folder.path().join("mode").display())).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    (folder, command(path))
}

fn command(program: PathBuf) -> Command {
    Command {
        site: STANDBY.to_owned(),
        program,
        args: vec!["--site".to_owned(), "b".to_owned()],
        secrets: [("fence-token".to_owned(), Secret::new("command-secret-88"))].into_iter().collect(),
        timeout: Duration::from_secs(2),
    }
}

const HONEST: &str = r#"
echo "$* $(env | sort | cut -d= -f1 | tr '\n' ' ')$(pwd)" >> "$mode.calls"
case "$3" in
  enter) echo on > "$mode" ;;
  leave) rm -f "$mode" ;;
  verify) test -f "$mode" ;;
  *) exit 9 ;;
esac
"#;

#[tokio::test]
async fn a_program_is_told_what_to_do_and_finds_nothing_in_its_environment_that_was_not_named() {
    let (folder, control) = program(HONEST);
    accepted(&control).await;
    enter(&control).await.unwrap();
    enter(&control).await.unwrap();
    refused(&control).await;
    leave(&control).await.unwrap();
    accepted(&control).await;
    let calls = std::fs::read_to_string(folder.path().join("mode.calls")).unwrap();
    let first = calls.lines().next().unwrap();
    // What a shell sets by itself is its own.
    assert_eq!(first, "--site b verify login login-3 7 PATH PWD QUORATE_SECRET_FENCE_TOKEN /", "{calls}");
}

#[tokio::test]
async fn a_program_says_yes_no_or_nothing_that_counts() {
    let cases = [
        ("exit 1", Class::Refused, "it says no"),
        ("test $3 = enter", Class::Refused, "says that it has not"),
        ("echo 'no such gateway' >&2; exit 3", Class::Retry, "it said 'no such gateway'"),
        ("kill -TERM $$", Class::Retry, "neither yes (0) nor no (1)"),
        ("echo \"token $QUORATE_SECRET_FENCE_TOKEN\"; exit 2", Class::Retry, "it said 'token [secret]'"),
        ("yes | head -c 10000000; exit 2", Class::Retry, "it said 'y'"),
    ];
    for (text, class, words) in cases {
        let (_folder, control) = program(text);
        let error = enter(&control).await.unwrap_err();
        assert!(error.class == class && error.what.contains(words), "{text}: {error:?}");
        assert!(error.what.starts_with(STANDBY) && !error.what.contains("command-secret"), "{error}");
    }
    let error = enter(&command(PathBuf::from("/nowhere/at/all"))).await.unwrap_err();
    assert!(error.class == Class::Broken && error.what.contains("cannot be started"), "{error}");
}

/// Whether a process is there that is no zombie.
fn alive(pid: &str) -> bool {
    let status = std::fs::read_to_string(Path::new("/proc").join(pid.trim()).join("status")).unwrap_or_default();
    !status.is_empty() && !status.contains("State:\tZ")
}

#[tokio::test]
async fn a_program_that_hangs_is_killed_with_all_that_it_has_started() {
    let (folder, control) = program("sleep 600 & echo $! > \"$mode.child\"; wait");
    let begun = Instant::now();
    let error = enter(&control).await.unwrap_err();
    assert!(error.class == Class::Retry && error.what.contains("not over within 2 s, and killed"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    let child = std::fs::read_to_string(folder.path().join("mode.child")).unwrap();
    for _ in 0..500 {
        if !alive(&child) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("what it has started lives on: {child}");
}

#[tokio::test]
async fn a_program_whose_child_keeps_its_output_open_is_not_waited_for() {
    let (folder, control) = program("case $3 in enter) sleep 5 & echo $! > \"$mode.child\" ;; esac; echo done");
    let begun = Instant::now();
    enter(&control).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    let child = std::fs::read_to_string(folder.path().join("mode.child")).unwrap();
    crate::suite::world::signal(child.trim().parse().unwrap(), "KILL");
}

/// A site whose mode a hook switches; `lies` goes on taking writes.
fn site(lies: bool) -> Server {
    let mode = Arc::new(AtomicBool::new(false));
    Server::start(move |request, stream| match request.path.as_str() {
        "/mode/on?service=login&plan=login-3&epoch=7" => {
            mode.store(true, Ordering::SeqCst);
            respond(stream, 200, &[], "on");
        }
        "/mode/off" => {
            mode.store(false, Ordering::SeqCst);
            respond(stream, 200, &[], "off");
        }
        "/write" if mode.load(Ordering::SeqCst) && !lies => respond(stream, 503, &[], "read-only"),
        "/write" => respond(stream, 201, &[], "written"),
        _ => respond(stream, 500, &[], "no such path"),
    })
}

const HOOK: &str = r#"// Switches the mode of a site.
fn enter() { expect_status(get(`/mode/on?service=${param("service")}&plan=${param("plan")}&epoch=${param("epoch")}`), 200); }
fn leave() { expect_status(get("/mode/off"), 200); }
fn verify() {
    let answer = post("/write", "x");
    if answer.status == 201 { fail("a write was taken"); }
    if answer.status != 503 { inconclusive(`neither taken nor refused: ${answer.status}`); }
}
"#;

fn hook(site: &Url, source: &str) -> Hook {
    let script = CheckScript {
        name: CheckName::new("gateway").unwrap(),
        path: PathBuf::from("hooks/gateway.rhai"),
        source: source.to_owned(),
        params: [("service".to_owned(), "not this one".to_owned())].into(),
        secrets: Secrets::default(),
        reach: Reach::default(),
        limits: Limits::default(),
    };
    let runner = Arc::new(RhaiHook::new(&script, Vec::new()).unwrap());
    let (role, name) = (Role::Standby, "gateway".to_owned());
    Hook { site: STANDBY.to_owned(), role, target: site.clone(), name, runner }
}

#[tokio::test]
async fn a_script_enters_verifies_and_leaves() {
    let honest = site(false);
    let control = hook(&honest.url(), HOOK);
    assert_eq!(accepted(&control).await, "the hook 'gateway' says no: a write was taken (line 6)");
    enter(&control).await.unwrap();
    enter(&control).await.unwrap();
    refused(&control).await;
    leave(&control).await.unwrap();
    accepted(&control).await;
}

#[tokio::test]
async fn a_script_that_is_lied_to_says_so_and_one_that_cannot_tell_is_tried_again() {
    let lying = site(true);
    let error = enter(&hook(&lying.url(), HOOK)).await.unwrap_err();
    assert!(
        error.class == Class::Refused && error.what.contains("verify(): it says no: a write was taken"),
        "{error}"
    );
    for (from, to, words) in [
        ("post(\"/write\", \"x\")", "post(\"/elsewhere\", \"x\")", "neither taken nor refused: 500"),
        ("post(\"/write\", \"x\")", "no_such_function()", "no_such_function"),
        ("fn verify() {", "fn verify() { while true {}", ""),
    ] {
        let error = enter(&hook(&lying.url(), &HOOK.replace(from, to))).await.unwrap_err();
        assert!(error.class == Class::Retry && error.what.contains(words), "{error}");
        assert!(error.what.starts_with("the standby 'azure': the hook 'gateway', verify(): "), "{error}");
    }
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = probe(&hook(&format!("http://{nobody}/").parse().unwrap(), HOOK)).await.unwrap_err();
    assert_eq!(error.class, Class::Retry, "a site that is down has refused nothing: {error}");
}

/// A control that is what it is told to be.
#[tokio::test]
async fn a_write_that_one_of_several_has_taken_is_the_answer_whatever_the_others_say() {
    use quorate::adapters::site::{Chain, Named};
    use quorate::ports::SiteControl;

    let (_one, refuses) = program("exit 0");
    let (_two, takes) = program("exit 1");
    let (_three, broken) = program("exit 9");
    let chain = |controls: Vec<Command>| {
        let names = ["one", "two", "three"].into_iter().zip(controls);
        let controls = names
            .map(|(name, control)| Named { name: name.to_owned(), control: Arc::new(control) as Arc<dyn Control> });
        Chain::new(STANDBY.to_owned(), Role::Standby, controls.collect())
    };
    let (fence, service, plan) = (super::act::fence(), super::act::service(), super::act::plan());
    let all = [refuses.clone(), broken.clone(), takes.clone()];
    let tried = chain(all.to_vec()).probe_write(&fence, &service, &plan).await.unwrap();
    assert!(matches!(tried, WriteProbe::Accepted { .. }), "{tried:?}");
    let tried = chain(vec![refuses.clone(), broken.clone()]).probe_write(&fence, &service, &plan).await.unwrap_err();
    assert_eq!(tried.class, Class::Retry, "one that nobody could tell is not refused");
    let tried = chain(vec![refuses.clone(), refuses.clone()]).probe_write(&fence, &service, &plan).await.unwrap();
    assert!(matches!(tried, WriteProbe::Refused { .. }), "{tried:?}");

    // A standby's controls one after the other, a primary's all at once.
    let (folder, last) = program(HONEST);
    let reached = || folder.path().join("mode").exists();
    let order = vec![takes.clone(), last.clone()];
    let error = chain(order.clone()).enter_read_only(&fence, &service, &plan).await.unwrap_err();
    assert!(error.class == Class::Refused && !reached(), "{error}");
    let names = ["one", "two"].into_iter().zip(order);
    let controls =
        names.map(|(name, control)| Named { name: name.to_owned(), control: Arc::new(control) as Arc<dyn Control> });
    let primary = Chain::new("the primary 'aws'".to_owned(), Role::Primary, controls.collect());
    let error = primary.enter_read_only(&fence, &service, &plan).await.unwrap_err();
    assert!(error.what.contains("(done: two)") && reached(), "{error}");
}
