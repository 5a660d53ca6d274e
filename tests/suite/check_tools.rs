//! The tools for writing a check, through the binary: `quorate check new`, `lint`, `schema`, and `run --watch`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use quorate::adapters::script::entries;
use serde_json::Value;

use super::servers::{Server, respond};

/// How long a run after a save may take to show on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

fn quorate(folder: &Path, arguments: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quorate"));
    let Output { status, stdout, stderr } =
        command.current_dir(folder).arg("check").args(arguments).output().expect("quorate runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Ran { code: status.code(), out: text(stdout), err: text(stderr) }
}

fn folder_with(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("its folder");
        fs::write(path, text).expect("writes");
    }
    folder
}

/// What the linter says of one script, a line each: `line:column severity message`.
fn said(script: &str) -> Vec<String> {
    let folder = folder_with(&[("a.rhai", script)]);
    let ran = quorate(folder.path(), &["lint", "a.rhai", "--json"]);
    let data: Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!(ran.code, Some(i32::from(data["ok"] == false)), "{}", ran.out);
    let problems = data["problems"].as_array().expect("a list");
    let of = |problem: &Value, name: &str| problem[name].as_str().expect("text").to_owned();
    problems
        .iter()
        .map(|problem| {
            let (line, column) = (&problem["line"], &problem["column"]);
            format!("{line}:{column} {} {}", of(problem, "severity"), of(problem, "message"))
        })
        .collect()
}

#[track_caller]
fn assert_says(script: &str, expected: &[&str]) {
    let said = said(script);
    let fits = said.len() == expected.len() && said.iter().zip(expected).all(|(is, part)| is.contains(part));
    assert!(fits, "{script}\nsays {said:#?}\nwanted {expected:#?}");
}

// ---- schema ----

#[test]
fn the_schema_has_every_function_of_the_language_once_with_its_topic_signature_and_sentence() {
    let ran = quorate(Path::new("."), &["schema", "--json"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    let data: Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!(data["v"], 1);
    let functions = data["functions"].as_array().expect("a list");
    assert_eq!(functions.len(), entries().len());
    for (function, entry) in functions.iter().zip(entries()) {
        for (field, value) in
            [("topic", entry.topic), ("name", entry.name()), ("signature", entry.signature), ("doc", entry.doc)]
        {
            assert_eq!(function[field], value);
        }
        assert!(entry.doc.ends_with('.'), "{}: no sentence: {}", entry.signature, entry.doc);
    }
    let text = quorate(Path::new("."), &["schema"]).out;
    assert!(entries().iter().all(|entry| text.contains(entry.signature) && text.contains(entry.topic)), "{text}");
}

#[test]
fn the_schema_of_one_word_is_what_has_it_and_nothing_is_an_answer() {
    let ran = quorate(Path::new("."), &["schema", "expect_status"]);
    assert_eq!(ran.code, Some(0));
    assert!(ran.out.starts_with("steps\n\n  expect_status(page: Page, code: int) -> Page\n"), "{}", ran.out);
    let ran = quorate(Path::new("."), &["schema", "expect_sunshine"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("nothing in the check language is called 'expect_sunshine'"), "{}", ran.err);
}

// ---- lint ----

#[test]
fn what_ships_with_quorate_lints_clean() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    for path in ["checks", "src/cli/check/templates"] {
        let ran = quorate(home, &["lint", path, "--strict"]);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{}", ran.out);
        assert!(ran.out.starts_with("nothing to say in "), "{}", ran.out);
    }
}

#[test]
fn a_problem_is_shown_with_its_place_and_carets_below_what_is_meant() {
    let folder = folder_with(&[("checks/a.rhai", "let page = get(\"/\");\nexpect_stauts(page, 200);\n")]);
    let ran = quorate(folder.path(), &["lint", "checks"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(1), ""));
    let expected = "checks/a.rhai:2:1: error: there is no function 'expect_stauts'; did you mean \
                    expect_status(page: Page, code: int) -> Page?\n  \
                      2 | expect_stauts(page, 200);\n    \
                        | ^^^^^^^^^^^^^\n\n1 error in 1 script\n";
    assert_eq!(ran.out, expected);
}

#[test]
fn a_script_that_does_not_parse_is_an_error_at_its_place() {
    assert_says("get(\"/\").status;\nlet x = ;\n", &["2:9 error "]);
}

#[test]
fn a_function_that_nobody_has_is_an_error_wherever_it_is_called() {
    assert_says("fn f() { helo() } f();", &["1:10 error there is no function 'helo'"]);
    assert_says(
        "get(\"/\").select(\"p\").atr(\"x\");",
        &["1:22 error there is no function 'atr'; did you mean element.attr"],
    );
    assert_says("step(\"s\", || { nope(); expect(true, \"\"); });", &["1:16 error there is no function 'nope'"]);
    let loops = "for i in 0..2 { a1() } while b1() { } switch c1() { 1 => d1(), _ => e1() } loop { break f1(); }";
    assert_says(loops, &["'a1'", "'b1'", "'c1'", "'d1'", "'e1'", "'f1'"]);
}

#[test]
fn a_wrong_number_of_arguments_is_an_error_that_says_the_right_ones() {
    assert_says(
        "get().status;",
        &["error 'get' takes 1 or 2 arguments, and here it gets 0: get(path: string) -> Page, or"],
    );
    assert_says("fn f(a) { a } f(1, 2);", &["error 'f' takes 1 argument, and here it gets 2"]);
    assert_says(
        "get(\"/\").select(\"a\", 2);",
        &["error 'select' takes 1 argument, and here it gets 2: page.select"],
    );
}

#[test]
fn calls_of_shared_functions_are_known_by_name_and_number_of_arguments() {
    const LOGIN: &str = "fn open(path) { expect_status(get(path), 200) }\nfn open(path, code) { expect_status(get(path), code) }\n\
        fn quiet() { 1 }\nprivate fn hidden() { 1 }\n";
    let script = "import \"lib/login\" as login;\nimport \"lib/none\" as none;\n\
        login::open(\"/\");\nlogin::open();\nlogin::opn(\"/\");\nlogin::hidden();\nlogin::quiet(1);\n\
        step(\"a\", || login::open(\"/\", 201));\nstep(\"b\", || login::quiet());\n";
    let folder = folder_with(&[("a.rhai", script), ("lib/login.rhai", LOGIN)]);
    let ran = quorate(folder.path(), &["lint", "a.rhai", "--json"]);
    let data: Value = serde_json::from_str(&ran.out).expect("JSON");
    let said: Vec<String> = data["problems"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|problem| format!("{}: {}", problem["line"], problem["message"].as_str().unwrap_or_default()))
        .collect();
    let wanted = [
        "2: there is no shared file 'lib/none'",
        "4: 'login::open' takes 1 or 2 arguments, and here it gets 0",
        "5: 'lib/login' has no public function 'opn'; did you mean login::open?",
        "6: 'lib/login' has no public function 'hidden'",
        "7: 'login::quiet' takes 0 arguments, and here it gets 1",
        "9: the step expects nothing",
    ];
    let fits = said.len() == wanted.len() && said.iter().zip(wanted).all(|(is, part)| is.starts_with(part));
    assert!(fits && ran.code == Some(1), "{said:#?}");
    // A shared file that uses another one is judged with the same files.
    let folder = folder_with(&[
        ("lib/login.rhai", LOGIN),
        ("lib/more.rhai", "import \"lib/login\" as login;\nfn twice() { login::opn(1) }\n"),
    ]);
    let ran = quorate(folder.path(), &["lint", "lib"]);
    assert!(ran.out.contains("lib/more.rhai:2:21: error: 'lib/login' has no public function 'opn'"), "{}", ran.out);
}

#[test]
fn rhais_own_functions_closures_in_variables_and_maps_are_known() {
    assert_says(
        r#"
        fn twice(x) { x * 2 }
        let words = "a b".to_upper().split(" ").map(|w| w.len());
        let f = |x| twice(x);
        let m = #{ run: |x| x };
        let all = [f.call(1), f(2), m.run(3), 5.max(2), parse_int("4"), "x".contains("y"), type_of(words), -3, !true];
        print(all.len()); debug(Fn("twice").call(3));
        let page = get("/"); expect(page.status == 200 && "a" in page.text, "x");
        "#,
        &[],
    );
}

#[test]
fn secrets_are_compared_with_the_file_and_with_the_comment_at_the_top() {
    let script = "// Secrets: probe-user, probe-old: an account\nlet u = secret(\"probe-usr\");\nget(u).status;\n";
    let folder = folder_with(&[("a.rhai", script), ("s.toml", "probe-user = 'x'\nspare = 'y'\n")]);
    let ran = quorate(folder.path(), &["lint", "a.rhai", "--secrets", "s.toml"]);
    assert_eq!(ran.code, Some(1));
    for line in [
        "a.rhai:2:16: error: the file of secrets has no 'probe-usr'; did you mean 'probe-user'?",
        "a.rhai:1:25: warning: the comment lists the secret 'probe-old', and nothing asks for it",
        "s.toml: warning: no script here asks for the secret 'spare'",
    ] {
        assert!(ran.out.contains(line), "{}\ndoes not say {line}", ran.out);
    }
    assert_says(
        "// Secrets: none\nget(secret(\"a\")).status;",
        &["2:12 warning the comment at the top lists the secrets, and not 'a'"],
    );
    // Computed names may be any of them.
    let computed = folder_with(&[("a.rhai", "get(secret(`a-${site}`)).status;"), ("s.toml", "spare = 'y'\n")]);
    let ran = quorate(computed.path(), &["lint", "a.rhai", "--secrets", "s.toml", "--strict"]);
    assert_eq!(ran.code, Some(0), "{}", ran.out);
}

#[test]
fn a_step_that_expects_nothing_is_unwise_unless_something_that_it_calls_does() {
    assert_says("step(\"a\", || { let p = get(\"/\"); p.status });", &["1:6 warning the step expects nothing"]);
    assert_says("fn ok(p) { expect_status(p, 200) } step(\"a\", || { ok(get(\"/\")) });", &[]);
    assert_says("step(\"a\", || { step(\"b\", || { expect(get(\"/\").status == 200, \"x\") }) });", &[]);
    assert_says("let x = 200; step(\"a\", || { if get(\"/\").status != x { fail(\"x\") } });", &[]);
}

#[test]
fn two_steps_of_one_name_are_unwise() {
    let script = "for i in 0..2 { step(\"a\", || expect(i < 2, \"x\")); }\nstep(\"a\", || expect(true, \"x\"));\n";
    assert_says(script, &["2:6 warning a second step 'a', which reports cannot tell from the one on line 1"]);
}

#[test]
fn an_answer_that_nobody_looks_at_is_unwise() {
    assert_says("get(\"/a\"); get(\"/b\").status;", &["1:1 warning nobody looks at the answer of get(…)"]);
    assert_says("let page = get(\"/a\");", &["1:12 warning nobody looks"]);
    assert_says("let p = step(\"a\", || { expect(true, \"\"); get(\"/\") }); expect_status(p, 200);", &[]);
    let unused =
        "step(\"a\", || { expect(true, \"\"); if site == \"primary\" { get(\"/\") } else { get(\"/x\") } });";
    assert_says(unused, &["1:57 warning", "1:75 warning"]);
    assert_says("get(\"/a\"); expect(cookie(\"session\") != (), \"x\");", &[]);
}

#[test]
fn hosts_and_passwords_in_the_text_are_unwise_and_the_line_of_a_password_is_not_shown() {
    assert_says("get(\"https://a.example.com/x\").status;", &["1:5 warning a host is written down"]);
    assert_says("get(param(\"at\", \"https://a.example.com/x\")).status; get(`https://${site}.x`).status;", &[]);
    let folder = folder_with(&[(
        "a.rhai",
        "let form = #{ user: \"ada\", password: \"hunter22\" };\npost_form(\"/\", form).status;",
    )]);
    let ran = quorate(folder.path(), &["lint", "a.rhai", "--strict"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.out.starts_with("a.rhai:1:38: warning: 'password' stands in the script's text"), "{}", ran.out);
    assert!(!ran.out.contains("hunter22"), "{}", ran.out);
    assert_says("let form = #{}; form[\"api_key\"] = \"abcd\"; form.token = \"efgh\";", &["'api_key'", "'token'"]);
}

#[test]
fn a_comment_silences_a_rule_on_its_line_and_the_next() {
    let script = "// lint: allow hard-coded-host\nget(\"https://a.example.com/\").status;\nget(\"https://b.example.com/\").status;";
    assert_says(script, &["3:5 warning a host"]);
}

#[test]
fn warnings_alone_are_no_failure_unless_asked_for_and_what_cannot_be_read_is_bad_usage() {
    let folder = folder_with(&[("a.rhai", "get(\"/\");"), ("empty/readme", "")]);
    assert_eq!(quorate(folder.path(), &["lint", "a.rhai"]).code, Some(0));
    assert_eq!(quorate(folder.path(), &["lint", "a.rhai", "--strict"]).code, Some(1));
    for arguments in
        [&["lint"][..], &["lint", "none.rhai"], &["lint", "empty"], &["lint", "a.rhai", "--secrets", "none"]]
    {
        let ran = quorate(folder.path(), arguments);
        assert_eq!((ran.code, ran.out.as_str()), (Some(64), ""), "{arguments:?}: {}", ran.err);
    }
}

// ---- new ----

#[test]
fn a_new_check_is_written_lints_clean_and_is_never_written_over() {
    let folder = folder_with(&[]);
    let list = quorate(folder.path(), &["new", "--list"]);
    assert_eq!((list.code, list.err.as_str()), (Some(0), ""));
    let templates: Vec<&str> = list.out.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(templates.contains(&"form-login") && templates.contains(&"health"), "{}", list.out);
    for template in templates {
        let name = format!("my-{template}");
        let file = format!("checks/{name}.rhai");
        let ran = quorate(folder.path(), &["new", &name, "--template", template]);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
        assert!(ran.out.starts_with(&format!("wrote {file} from the template {template}\n")), "{}", ran.out);
        assert!(ran.out.contains(&format!("quorate check run {file} --target https://your.site")), "{}", ran.out);
        let lint = quorate(folder.path(), &["lint", &file, "--strict"]);
        assert_eq!(lint.code, Some(0), "{}", lint.out);

        fs::write(folder.path().join(&file), "mine").expect("writes");
        let ran = quorate(folder.path(), &["new", &name, "--template", template]);
        assert_eq!(ran.code, Some(64));
        assert!(ran.err.contains(&format!("{file} is there already, and is left as it is")), "{}", ran.err);
        assert_eq!(fs::read_to_string(folder.path().join(&file)).expect("reads"), "mine");
    }
}

#[test]
fn a_name_that_is_none_and_a_template_that_nobody_has_are_bad_usage() {
    let folder = folder_with(&[]);
    let cases: [&[&str]; 5] = [
        &["new"],
        &["new", "a"],
        &["new", "a", "--template", "b"],
        &["new", "../a", "--template", "health"],
        &["new", "A b", "--template", "health"],
    ];
    for arguments in cases {
        assert_eq!(quorate(folder.path(), arguments).code, Some(64), "{arguments:?}");
    }
    assert!(!folder.path().join("checks").exists());
}

// ---- run ----

#[test]
fn an_expectation_that_is_not_met_shows_its_line_with_a_caret_in_the_script_or_a_shared_file() {
    let server = Server::start(|_, stream| respond(stream, 200, &[], "hello"));
    let script = "import \"lib/pages\" as pages;\nstep(\"look\", || {\n    tcp(\"127.0.0.1\", parse_int(param(\"port\")));\n    \
        if param(\"shared\", false) { pages::is_well(get(\"/\")) }\n    expect_status(get(\"/\"), 201);\n});\n";
    let shared = "fn is_well(page) {\n  expect_contains(page, \"bye\")\n}\n";
    let folder = folder_with(&[("a.rhai", script), ("lib/pages.rhai", shared)]);
    let port = format!("port={}", server.url().port().expect("a port"));
    let mut arguments = vec!["run", "a.rhai", "--target", "URL", "--param", &port];
    let url = server.url();
    arguments[3] = url.as_str();
    let ran = quorate(folder.path(), &arguments);
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    let line = "    5 |     expect_status(get(\"/\"), 201);\n      |     ^\n";
    assert!(ran.out.contains("    at a.rhai:5:5\n") && ran.out.contains(line), "{}", ran.out);
    assert!(ran.out.contains("connected connect tcp://127.0.0.1:"), "{}", ran.out);
    arguments.push("--json");
    let ran = quorate(folder.path(), &arguments);
    let data: Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!(data["place"], serde_json::json!({ "file": "a.rhai", "line": 5, "column": 5 }));
    let row = &data["requests"][0];
    assert_eq!((row["protocol"].as_str(), row["said"].as_str()), (Some("tcp"), Some("connected")), "{row}");
    assert_eq!(data["requests"][1]["protocol"], "http");
    arguments.pop();
    arguments.extend(["--param", "shared=true"]);
    let ran = quorate(folder.path(), &arguments);
    let line = "    2 |   expect_contains(page, \"bye\")\n      |   ^\n";
    assert!(ran.out.contains("lib/pages.rhai:2:3\n") && ran.out.contains(line), "{}", ran.out);
}

#[test]
fn an_error_of_the_script_shows_its_line_with_a_caret() {
    let server = Server::start(|_, stream| respond(stream, 200, &[], "<p>hello</p>"));
    let script = "step(\"read\", || {\n    let found = get(\"/\").select(\"h1\");\n    expect(found.text == \"x\", \"y\");\n});\n";
    let folder = folder_with(&[("a.rhai", script)]);
    let ran = quorate(folder.path(), &["run", "a.rhai", "--target", server.url().as_str()]);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    let at = ran.out.find("a.rhai:3:").expect("a place");
    let below: Vec<&str> = ran.out[at..].lines().skip_while(|line| !line.starts_with("    3 | ")).collect();
    assert_eq!(below[0], "    3 |     expect(found.text == \"x\", \"y\");", "{}", ran.out);
    let (caret, text) = (below[1].find('^').expect("a caret"), below[0].find(".text").expect("the property"));
    assert!(below[1].starts_with("      | ") && caret >= text && caret <= text + 5, "{}", ran.out);
    assert!(ran.out.lines().all(|line| line.chars().count() <= 80), "{}", ran.out);
}

#[test]
fn a_host_beside_the_target_is_asked_only_if_it_is_named_and_shared_files_are_found_beside_the_script() {
    let server = Server::start(|_, stream| respond(stream, 200, &[], "<p>hello</p>"));
    let other = server.url().as_str().replace("127.0.0.1", "localhost");
    let script = "import \"lib/pages\" as pages;\npages::is_well(get(param(\"other\")));\n";
    let shared = "fn is_well(page) { expect_status(page, 200); }\n";
    let folder = folder_with(&[("checks/a.rhai", script), ("checks/lib/pages.rhai", shared)]);
    let arguments = ["run", "checks/a.rhai", "--target", server.url().as_str(), "--param", &format!("other={other}")]
        .map(str::to_owned);
    let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ran = quorate(folder.path(), &arguments);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert!(ran.out.contains("may not ask 'localhost'"), "{}", ran.out);
    arguments.extend(["--reach", "localhost"]);
    assert_eq!(quorate(folder.path(), &arguments).code, Some(0));
    assert_eq!(quorate(folder.path(), &["lint", "checks", "--strict"]).code, Some(0));
}

#[cfg(unix)]
#[test]
fn watching_runs_again_after_each_save_and_ends_with_the_last_code() {
    let status = Arc::new(AtomicU16::new(200));
    let says = Arc::clone(&status);
    let server = Server::start(move |_, stream| respond(stream, says.load(Ordering::SeqCst), &[], "hello"));
    let folder = folder_with(&[("a.rhai", "expect_status(get(\"/\"), 200);\n"), ("lib/b.rhai", "// nothing\n")]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_quorate"))
        .current_dir(folder.path())
        .args(["check", "run", "a.rhai", "--watch", "--target", server.url().as_str()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("quorate runs");
    let (tell, told) = mpsc::channel();
    let out = BufReader::new(child.stdout.take().expect("a pipe"));
    std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
    let wait_for = |what: &str| {
        while !told.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no '{what}'")).contains(what) {}
    };
    wait_for("✓ pass in");
    fs::write(folder.path().join("a.rhai"), "expect_status(get(\"/\"), 204);\n// longer\n").expect("writes");
    wait_for(" UTC ───");
    wait_for("✗ fail (assertion) in");
    // A file of the lib folder counts, too.
    status.store(500, Ordering::SeqCst);
    fs::write(folder.path().join("lib/b.rhai"), "// something else\n").expect("writes");
    wait_for("✗ fail (server-error) in");
    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
    assert!(interrupted.success());
    assert_eq!(child.wait().expect("it ends").code(), Some(1));
}
