//! The `quorate check run` command, through its binary.

use std::path::Path;
use std::process::{Command, Output};

use super::django::{self, Django};
use super::servers::{Server, respond};

const LOGIN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/checks/login.rhai");

struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

fn check(script: &Path, arguments: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quorate"));
    let Output { status, stdout, stderr } =
        command.args(["check", "run"]).arg(script).args(arguments).output().expect("quorate runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Ran { code: status.code(), out: text(stdout), err: text(stderr) }
}

fn written(folder: &tempfile::TempDir, name: &str, text: &str) -> std::path::PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).expect("writes");
    path
}

fn django_arguments(url: &str, secrets: &Path) -> Vec<String> {
    let mut arguments = vec!["--target".to_owned(), url.to_owned()];
    arguments.extend(["--secrets".to_owned(), secrets.display().to_string()]);
    for (name, value) in django::params() {
        arguments.extend(["--param".to_owned(), format!("{name}={value}")]);
    }
    arguments
}

#[test]
fn a_passing_login_prints_a_timeline_and_exits_with_0() {
    let (django, folder) = (Django::start(), tempfile::tempdir().expect("a folder"));
    let text = format!("probe-user = '{}'\nprobe-password = '{}'\n", django::USER, django::PASSWORD);
    let secrets = written(&folder, "secrets.toml", &text);
    let arguments = django_arguments(django.url().as_str(), &secrets);
    let ran = check(Path::new(LOGIN), &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{}", ran.out);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines[0], format!("login → {} (primary)", django.url()));
    let steps: Vec<&&str> = lines.iter().filter(|line| line.starts_with("  ✓ ")).collect();
    for (line, step) in steps.iter().zip(["open the login page", "log in", "see the account page", "log out"]) {
        assert!(line.contains(step) && line.ends_with(" ms") && line.contains('━'), "{line}");
    }
    assert_eq!(steps.len(), 4, "{}", ran.out);
    // Below each step stands what it asked for.
    let asked: Vec<&str> = lines.iter().filter(|line| line.contains('─')).map(|line| line.trim()).collect();
    assert!(
        asked[0].starts_with("200 GET /admin/login/ ") && asked[1].starts_with("302 POST /admin/login/ "),
        "{}",
        ran.out
    );
    assert!(lines.last().unwrap().starts_with("✓ pass in "), "{}", ran.out);
    assert!(!ran.out.contains('\u{1b}'), "no colours in a pipe: {:?}", ran.out);
}

#[test]
fn a_failing_login_is_one_json_object_without_secrets_and_exits_with_1() {
    let (django, folder) = (Django::start(), tempfile::tempdir().expect("a folder"));
    let secrets = written(&folder, "secrets.toml", "probe-user = 'probe-ada'\nprobe-password = 'not-the-one'\n");
    let target = django.url().as_str().replace("http://", "http://operator:not-the-one@");
    let mut arguments = django_arguments(&target, &secrets);
    arguments.extend(["--json", "--role", "standby"].map(str::to_owned));
    let ran = check(Path::new(LOGIN), &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!((ran.code, ran.err.as_str()), (Some(1), ""), "{}", ran.out);
    let data: serde_json::Value = serde_json::from_str(&ran.out).expect("one JSON object");
    let of = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
    assert_eq!(data["v"], 1);
    assert_eq!((of("check"), of("target"), of("role")), ("login".into(), django.url().into(), "standby".into()));
    assert_eq!((of("outcome"), of("kind"), of("failed_step")), ("fail".into(), "assertion".into(), "log in".into()));
    assert!(of("reason").starts_with("the login was refused: "), "{data}");
    assert_eq!(data["steps"][0]["name"], "open the login page");
    assert!(data["steps"][1]["duration_ms"].is_u64() && data["duration_ms"].is_u64(), "{data}");
    assert!(!ran.out.contains("not-the-one") && !ran.out.contains("operator"), "{}", ran.out);
}

#[test]
fn a_missing_secret_is_inconclusive_names_its_place_and_exits_with_2() {
    let server = Server::start(|_, stream| respond(stream, 200, &[], "<input name=csrf_token value=t>"));
    let ran = check(Path::new(LOGIN), &["--target", server.url().as_str()]);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert!(ran.out.contains("  ? log in"), "{}", ran.out);
    assert!(ran.out.contains("login.rhai:"), "{}", ran.out);
    let words = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("the secret 'probe-user' is not given to this check"), "{}", ran.out);
}

#[test]
fn bad_usage_and_bad_files_exit_with_64_and_say_where() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = ["--target", "http://127.0.0.1:9/"];
    let good = written(&folder, "good.rhai", "get(\"/\");\n");
    let broken = written(&folder, "broken.rhai", "get(\"/\");\nlet x = ;\n");
    let secrets = written(&folder, "secrets.toml", "a = 'x'\nb = 7\n");
    let secrets = secrets.display().to_string();
    let cases: [(&Path, Vec<&str>, &str); 8] = [
        (&folder.path().join("none.rhai"), target.into(), "none.rhai: No such file"),
        (&broken, target.into(), "broken.rhai:2:9: "),
        (&broken, target.into(), "    2 | let x = ;\n      |         ^"),
        (&good, vec![], "--target"),
        (&good, vec!["--target", "example.test"], "http://"),
        (&good, vec!["--target", "ftp://example.test"], "http:// or https://"),
        (&good, [&target[..], &["--deadline", "soon"]].concat(), "write it as 10s"),
        (&good, [&target[..], &["--secrets", &secrets]].concat(), "secrets.toml:2:5: 'b' must be a string"),
    ];
    for (script, arguments, saying) in cases {
        let ran = check(script, &arguments);
        assert_eq!(ran.code, Some(64), "{arguments:?}: {}", ran.err);
        assert!(ran.err.contains(saying), "{arguments:?}: {:?} does not say {saying:?}", ran.err);
        assert_eq!(ran.out, "");
    }
}
