//! Every rule of the configuration by a file that breaks it, with the exact words that a person sees; and what must never be
//! printed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use quorate::config::{Loaded, Loader, Problem, Severity, load};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn quorate(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quorate"));
    command.current_dir(folder).args(arguments);
    for name in ["PROBE_USER", "PROBE_PASSWORD", "STANDBY_ADMIN", "SLACK_WEBHOOK", "SLACK_WEBHOOK_LOUD", "SMS_TOKEN"]
    {
        command.env_remove(format!("QUORATE_SECRET_{name}"));
    }
    command.envs(environment.iter().copied()).output().expect("the binary starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("output is UTF-8")
}

fn folders(kind: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(Path::new(ROOT).join("tests/config").join(kind)).expect("the corpus is there");
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    folders.sort();
    folders
}

/// Runs `quorate validate` in each folder of a kind and compares all that it prints with `expected.txt`.
fn compare(kind: &str, exit: i32) {
    let folders = folders(kind);
    assert!(folders.len() >= 10, "{kind}: only {} folders", folders.len());
    let mut wrong = Vec::new();
    for folder in folders {
        let output = quorate(&folder, &["validate"], &[]);
        let expected = std::fs::read_to_string(folder.join("expected.txt")).expect("expected.txt is beside it");
        let printed = text(&output.stdout);
        if printed != expected || output.status.code() != Some(exit) || !output.stderr.is_empty() {
            let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
            let stderr = text(&output.stderr);
            wrong.push(format!("--- {name}: {}\n{stderr}{printed}--- expected\n{expected}", output.status));
        }
        assert!(!printed.contains("NEVER-SHOWN"), "a secret was printed:\n{printed}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_rule_has_a_file_that_breaks_it_and_the_exact_words_beside_it() {
    compare("bad", 64);
}

#[test]
fn what_is_unwise_is_said_and_accepted() {
    compare("unwise", 0);
}

#[test]
fn ten_problems_in_three_files_are_told_in_one_run() {
    let folder = Path::new(ROOT).join("tests/config/bad/ten-problems-in-three-files");
    let problems = load(&folder.join("quorate.toml")).expect_err("is refused");
    let errors: Vec<&Problem> = problems.iter().filter(|problem| problem.severity == Severity::Error).collect();
    let mut by_file: BTreeMap<String, usize> = BTreeMap::new();
    for error in &errors {
        assert!(error.place.is_some(), "{error}");
        *by_file.entry(error.file.file_name().expect("a name").to_string_lossy().into_owned()).or_default() += 1;
    }
    assert_eq!(errors.len(), 10, "{errors:#?}");
    assert_eq!(by_file.into_keys().collect::<Vec<_>>(), ["fast.toml", "quorate.toml", "secrets.toml"]);
}

fn demo() -> Loaded {
    load(&Path::new(ROOT).join("examples/demo/quorate.toml")).expect("the demo's configuration is good")
}

#[test]
fn the_demo_is_accepted_without_a_warning() {
    let Loaded { config, warnings } = demo();
    assert_eq!(warnings, []);
    assert_eq!(config.cluster.as_str(), "demo");
    assert_eq!((config.vantages.len(), config.checks.len(), config.services.len()), (5, 1, 1));
    let service = &config.services[0].service;
    assert_eq!((service.policy.name(), service.policy.quorum), ("demo", 3));
    assert_eq!((service.dns.name.as_str(), service.dns.ttl_s), ("login.demo.test", 30));
    assert_eq!((service.primary.answer.as_str(), service.standby.answer.as_str()), ("127.0.0.11", "127.0.0.12"));
    let check = &config.checks[0];
    assert_eq!(check.secrets.names().collect::<Vec<_>>(), ["probe-password", "probe-user"], "only those it lists");
    assert_eq!(check.params["login_path"], "/login");
    assert!(check.source.contains("step("), "the script's text is there");
    assert_eq!(config.notify.sms.expect("texts are sent").to.len(), 2);

    let output = quorate(Path::new(ROOT), &["validate", "--config", "examples/demo/quorate.toml"], &[]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        text(&output.stdout),
        "examples/demo/quorate.toml is good: 1 service (login) watched from 5 vantages in 4 clouds, by 1 check \
         (login) under 1 policy (demo)\n"
    );
}

#[test]
fn the_environment_overrides_a_secret_and_stands_in_for_a_missing_file() {
    let path = Path::new(ROOT).join("tests/config/bad/secrets-file-missing/quorate.toml");
    let environment = |name: &str| match name {
        "QUORATE_SECRET_SLACK_WEBHOOK" => Some("https://hooks.example.com/from-the-environment".to_owned()),
        name if name.starts_with("QUORATE_SECRET_") => Some("from-the-environment".to_owned()),
        other => panic!("{other} is nobody's business"),
    };
    let config = Loader::new(&path).environment(environment).load().expect("the environment has all").config;
    assert_eq!(config.checks[0].secrets.get("probe-user").expect("is there").expose(), "from-the-environment");
    assert_eq!(config.secrets.names().count(), 4);

    let demo = Path::new(ROOT).join("examples/demo/quorate.toml");
    let only = |name: &str| (name == "QUORATE_SECRET_PROBE_USER").then(|| "someone-else".to_owned());
    let config = Loader::new(&demo).environment(only).load().expect("is good").config;
    assert_eq!(config.secrets.get("probe-user").expect("is there").expose(), "someone-else");
    assert_eq!(config.secrets.get("sms-token").expect("is there").expose(), "demo-only-sms-token");

    let folder = path.parent().expect("a folder");
    let three = [("QUORATE_SECRET_PROBE_USER", "a"), ("QUORATE_SECRET_PROBE_PASSWORD", "b")];
    let output = quorate(folder, &["validate"], &three);
    let printed = text(&output.stdout);
    assert!(printed.contains("'standby-admin' is not there") && !printed.contains("'probe-user'"), "{printed}");
    assert_eq!(output.status.code(), Some(64));
}

#[test]
fn no_secret_is_in_the_debug_text_of_a_configuration() {
    let config = demo().config;
    let debug = format!("{config:?}");
    for name in config.secrets.names() {
        let value = config.secrets.get(name).expect("is there").expose();
        assert!(!debug.contains(value), "the value of {name} is in the debug text");
    }
}

#[test]
fn json_says_the_same_as_the_text() {
    let folder = Path::new(ROOT).join("tests/config/bad/ten-problems-in-three-files");
    let output = quorate(&folder, &["validate", "--json"], &[]);
    assert_eq!(output.status.code(), Some(64));
    let data: serde_json::Value = serde_json::from_slice(&output.stdout).expect("is JSON");
    assert_eq!((&data["v"], &data["ok"]), (&serde_json::json!(1), &serde_json::json!(false)));
    let problems = data["problems"].as_array().expect("a list");
    let printed = text(&quorate(&folder, &["validate"], &[]).stdout);
    for problem in problems {
        let word = |key: &str| problem[key].as_str().expect("a string").to_owned();
        let line = format!(
            "{}:{}:{}: {}: {}\n",
            word("file"),
            problem["line"],
            problem["column"],
            word("severity"),
            word("message")
        );
        assert!(printed.contains(&line), "{line}");
    }

    let output = quorate(Path::new(ROOT), &["validate", "--json", "--config", "examples/demo/quorate.toml"], &[]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout), "{\"ok\":true,\"problems\":[],\"v\":1}\n");
}

#[test]
fn a_wrong_argument_is_bad_usage() {
    assert_eq!(quorate(Path::new(ROOT), &["validate", "--confg", "x"], &[]).status.code(), Some(64));
}

#[test]
fn the_reference_page_shows_files_that_load() {
    let page = std::fs::read_to_string(Path::new(ROOT).join("docs/configuration.md")).expect("the page is there");
    let folder = tempfile::tempdir().expect("a folder");
    let mut written = Vec::new();
    // a fence whose first line is a comment with a file's name is that file
    for fence in page.split("```toml\n").skip(1) {
        let body = fence.split("```").next().expect("a fence ends");
        let name = body.lines().next().and_then(|line| line.strip_prefix("# ")).expect("the fence names its file");
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
        std::fs::write(&path, body).expect("writable");
        written.push(name.to_owned());
    }
    assert_eq!(written, ["quorate.toml", "policies/patient.toml", "secrets.toml"]);
    std::fs::create_dir(folder.path().join("checks")).expect("writable");
    for script in ["login.rhai", "capacity.rhai"] {
        std::fs::copy(Path::new(ROOT).join("checks/login.rhai"), folder.path().join("checks").join(script))
            .expect("copies");
    }
    let loaded = load(&folder.path().join("quorate.toml")).expect("the example is good");
    assert_eq!(loaded.warnings, []);
}
