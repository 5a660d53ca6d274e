//! `quorate check run --trace` and `--record`, and `quorate check test`.

use std::process::{Command, Output};

use super::servers::{Server, respond};

const SECRET: &str = "correct horse";
const SCRIPT: &str = r#"
let page = step("open", || expect_status(get("/login"), 200));
let token = expect_element(page, "input[name='token']").attr("value");
let home = step("log in", || post_form("/login", #{ token: token, password: secret("probe-password"), once: uuid() }));
step("see the page", || expect_contains(home, "welcome"));
"#;

/// A site that shows what was sent to it, password and all.
fn site() -> Server {
    Server::start(|request, stream| match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/login") => respond(stream, 200, &["content-type: text/html"], "<input name=token value=t1>"),
        ("POST", _) => respond(stream, 302, &["location: /home", "set-cookie: s=1"], ""),
        _ => respond(stream, 200, &[], &format!("welcome, your password is {SECRET}")),
    })
}

fn quorate(arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_quorate")).arg("check").args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("shop.rhai", SCRIPT);
        folder.write("secrets.toml", &format!("probe-password = \"{SECRET}\"\n"));
        std::fs::create_dir(folder.0.path().join("recordings")).unwrap();
        folder
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.path().join(name), text).unwrap();
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }
}

#[test]
fn a_recorded_login_is_played_without_its_site_and_a_script_that_asks_otherwise_is_found_out() {
    let folder = Folder::new();
    let (script, secrets, file) =
        (folder.path("shop.rhai"), folder.path("secrets.toml"), folder.path("recordings/shop.json"));
    {
        let site = site();
        let ran =
            quorate(&["run", &script, "--target", site.url().as_str(), "--secrets", &secrets, "--record", &file]);
        assert_eq!(ran.0, 0, "{ran:?}");
    }
    let recorded = std::fs::read_to_string(&file).unwrap();
    assert!(!recorded.contains(SECRET) && recorded.contains("your password is [secret]"), "{recorded}");
    // The site is gone, and so is the secret.
    let played = quorate(&["test", &folder.path("recordings")]);
    assert!(played.0 == 0 && played.1.contains("1 of 1 ended as recorded"), "{played:?}");

    folder.write("shop.rhai", &SCRIPT.replace("get(\"/login\")", "get(\"/signin\")"));
    let changed = quorate(&["test", &file]);
    assert_eq!(changed.0, 1, "{changed:?}");
    for part in [
        "it ended with pass when it was recorded",
        "asks for GET {target}/signin",
        "GET {target}/login",
        "record it again",
    ] {
        assert!(changed.1.contains(part), "{part}: {changed:?}");
    }
    folder.write("shop.rhai", &SCRIPT.replace("\"welcome\"", "\"goodbye\""));
    let changed = quorate(&["test", "--json", &file]);
    let said: serde_json::Value = serde_json::from_str(&changed.1).unwrap();
    assert_eq!((changed.0, &said["recordings"][0]["ok"]), (1, &serde_json::json!(false)));
    let problem = said["recordings"][0]["problem"].as_str().unwrap();
    assert!(problem.contains("fail (assertion) in 'see the page'"), "{problem}");
}

#[test]
fn a_file_that_is_no_recording_and_a_folder_without_any_are_told_apart() {
    let folder = Folder::new();
    let empty = quorate(&["test", &folder.path("recordings")]);
    assert!(empty.0 == 64 && empty.2.contains("there is no recording (*.json)"), "{empty:?}");
    let none = quorate(&["test", &folder.path("nowhere")]);
    assert_eq!(none.0, 64, "{none:?}");
    folder.write("recordings/odd.json", "{\"v\": 1}");
    let odd = quorate(&["test", &folder.path("recordings")]);
    assert!(odd.0 == 1 && odd.1.contains("it is no recording: missing field"), "{odd:?}");
}

#[test]
fn a_trace_shows_what_went_over_the_line_with_secrets_struck_out() {
    let (folder, site) = (Folder::new(), site());
    let (script, secrets) = (folder.path("shop.rhai"), folder.path("secrets.toml"));
    let target = site.url().to_string();
    let given = ["run", &script, "--target", &target, "--secrets", &secrets, "--trace"];
    let ran = quorate(&given);
    assert_eq!(ran.0, 0, "{ran:?}");
    for part in [
        "> accept-encoding: gzip, br, zstd",
        "< set-cookie: s=1",
        "your password is [secret]",
        "first byte",
        "password=[secret]",
    ] {
        assert!(ran.1.contains(part), "{part}: {}", ran.1);
    }
    assert!(!ran.1.contains(SECRET) && !ran.1.contains("correct+horse"), "{}", ran.1);
    let json = quorate(&[given.as_slice(), &["--json"]].concat());
    let said: serde_json::Value = serde_json::from_str(&json.1).unwrap();
    assert_eq!(said["requests"].as_array().unwrap().len(), 3, "{said}");
    assert_eq!(
        (&said["requests"][1]["method"], &said["requests"][1]["answer"]["status"]),
        (&"POST".into(), &302.into())
    );
    assert_eq!(said["requests"][2]["step"], 1, "the redirect belongs to the step");
}
