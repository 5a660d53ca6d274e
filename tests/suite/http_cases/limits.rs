//! What a script may do, and how it ends when it does more: by a limit, with a message that says which.

use std::time::Duration;

use quorate::adapters::script::Limits;
use quorate::domain::{Outcome, ProbeReport};

use super::{SLACK, alone, check, inconclusive, passes, reason};
use crate::suite::servers::{Server, respond};

fn hello() -> Server {
    Server::start(|_, stream| respond(stream, 200, &[], "hello"))
}

async fn run(source: &str) -> ProbeReport {
    check(source).within(Duration::from_secs(10)).at(hello().url()).await
}

#[tokio::test]
async fn a_check_has_the_limits_that_its_configuration_gives_it() {
    let site = hello();
    let few = Limits { operations: 1_000, requests: 2, ..Limits::default() };
    let report = check(r#"get("/"); get("/"); get("/");"#).limited(few).at(site.url()).await;
    inconclusive(&report, "the script makes more than 2 requests");
    assert_eq!(site.seen().len(), 2);
    let report = check(r#"get("/"); let n = 0; loop { n += 1; }"#).limited(few).at(site.url()).await;
    inconclusive(&report, "the script ran more than 1000 operations");
    passes(&check(r#"get("/"); for n in 0..50 { n + 1; }"#).limited(few).at(site.url()).await);
}

#[tokio::test]
async fn no_configuration_goes_beyond_the_ceiling() {
    let most = Limits {
        operations: u64::MAX,
        requests: usize::MAX,
        body_bytes: usize::MAX,
        clean_up: std::time::Duration::MAX,
    };
    let report = check("loop { }").limited(most).at("http://127.0.0.1:1/").await;
    inconclusive(&report, "the script ran more than 2500000 operations");
    assert_eq!(most.capped(), Limits::CEILING);
}

#[tokio::test]
async fn what_closures_do_counts_wherever_they_are_called_from() {
    // Three, since a closure cannot read what its own caller is at.
    let many = "let many = []; many.pad(1000, 0); let more = many; let most = many;";
    let cases = [
        r#"for n in 0..90 { step("s", || { for m in 0..5000 { } }); }"#.to_owned(),
        format!("{many} many.for_each(|| more.for_each(|| 1))"),
        format!("{many} many.map(|x| more.filter(|y| true))"),
        format!("{many} many.map(|x| more.some(|y| false))"),
        format!("{many} many.sort(|a, b| {{ more.reduce(|sum, n| n + 1, 0); 0 }})"),
        format!("{many} many.dedup(|a, b| more.all(|n| n == 0))"),
        "fn again() { defer(|| again()) } again();".to_owned(),
    ];
    let few = Limits { operations: 20_000, ..Limits::default() };
    for source in &cases[..6] {
        let report = check(source).limited(few).at("http://127.0.0.1:1/").await;
        inconclusive(&report, "the script ran more than 20000 operations");
    }
    // Cleaning up changes no outcome, and ends as well.
    let report = check(&format!("get(\"/\"); {}", cases[6])).at(hello().url()).await;
    passes(&report);
    assert!(report.steps.len() <= 100, "{report:?}");
}

#[tokio::test]
async fn a_loop_in_a_closure_ends_by_the_deadline_as_well() {
    let most = Limits { operations: u64::MAX, ..Limits::default() };
    let many = "let many = []; many.pad(5000, 0); let more = many; let most = many;";
    for body in ["many.map(|x| more.map(|y| most.map(|z| 1)))", "many.sort(|a, b| { more.sort(|c, d| 0); 0 })"] {
        let deadline = Duration::from_millis(100);
        let report = check(&format!("{many} {body}")).limited(most).within(deadline).at("http://127.0.0.1:1/").await;
        inconclusive(&report, "used up the deadline of 100ms");
        assert!(Duration::from_millis(report.duration_ms) < deadline + SLACK, "{report:?}");
    }
}

#[tokio::test]
async fn a_function_that_makes_much_of_little_is_refused_before_it_does() {
    let big = r#"let big = "ab"; while big.len() < 1000000 { big += big; }"#;
    let cases = [
        (r#"big.replace("a", big)"#, "length of string"),
        (r#"big.replace('a', big)"#, "length of string"),
        (r#"big.replace("", big)"#, "length of string"),
        (r#"big.split("")"#, "size of array"),
        (r#"big.split("a")"#, "size of array"),
        (r#"big.split('a', 1000000)"#, "size of array"),
        (r#"big.split_rev("b")"#, "size of array"),
        ("big.to_chars()", "size of array"),
        ("big.pad(1000000000, 'x')", "length of string"),
        (r#"big.pad(1000000000, "xyz")"#, "length of string"),
        (r#"big.pad(9223372036854775807, "xyz")"#, "length of string"),
        ("let a = []; a.pad(1000000000, 1)", "size of array"),
        ("let a = []; a.pad(100, big)", "length of string"),
        ("big += big; big += big; big += big;", "length of string"),
        ("`${big}${big}${big}${big}`", "length of string"),
        ("[big, big, big, big]", "length of string"),
    ];
    for (source, what) in cases {
        let report = run(&format!("{big} {source}")).await;
        inconclusive(&report, &format!("the script made too large a value: {what}"));
    }
    inconclusive(&run(r#"let s = "a"; s.pad(10, "")"#).await, "a text cannot be padded with an empty one");
}

#[tokio::test]
async fn memory_is_bounded_where_no_single_value_is_too_large() {
    if !alone("suite::http_cases::limits::memory_is_bounded_where_no_single_value_is_too_large") {
        return;
    }
    let source = r#"
        let big = "0123456789"; while big.len() < 1500000 { big += big; }
        let many = []; many.pad(5000, 0);
        many.map(|| big + "x");
    "#;
    inconclusive(&run(source).await, "the prober's memory grew by more than 512 MiB while the script ran");
}

#[tokio::test]
async fn what_stands_instead_of_rhais_functions_does_the_same() {
    let source = r##"
        let text = "a,b,,c"; let words = "  one  two ";
        same(text.split(","), ["a", "b", "", "c"]); same(text.split(','), ["a", "b", "", "c"]);
        same(text.split(",", 2), ["a", "b,,c"]); same(text.split(',', 2), ["a", "b,,c"]);
        same(text.split(",", 1), ["a,b,,c"]); same(text.split(";"), ["a,b,,c"]); same("".split(","), [""]);
        same(text.split_rev(","), ["c", "", "b", "a"]); same(text.split_rev(',', 2), ["c", "a,b,"]);
        same(words.split(), ["one", "two"]); same("".split(), [""]); same("héé".split(1), ["h", "éé"]);
        same("abc".split(""), ["", "a", "b", "c", ""]); same("aé".to_chars(), ['a', 'é']); same("".to_chars(), []);
        let t = text; t.replace(",", "-"); same(t, "a-b--c"); t.replace('-', "++"); same(t, "a++b++++c");
        t.replace("++", '.'); same(t, "a.b..c"); t.replace('.', ' '); same(t, "a b  c"); t.replace("x", "y"); same(t, "a b  c");
        t = "ab"; t.replace("", "-"); same(t, "-a-b-"); t = ""; t.replace("", "-"); same(t, "");
        t = "é"; t.pad(3, 'x'); same(t, "éxx"); t.pad(6, "yz"); same(t, "éxxyzy"); t.pad(2, "q"); same(t, "éxxyzy"); t.pad(-1, "q");
        let list = [3, 1, 2]; list.sort(); same(list, [1, 2, 3]); same([3, 1, 2].order(), [1, 2, 3]);
        list.sort_desc(); same(list, [3, 2, 1]); same([1, 3, 2].order_desc(), [3, 2, 1]);
        list.sort(|a, b| a - b); same(list, [1, 2, 3]); list.sort_by(|a, b| a > b); same(list, [3, 2, 1]);
        same(list.order_by(|a, b| a < b), [1, 2, 3]); same(list, [3, 2, 1]);
        let pairs = [["b", 1], ["a", 1], ["c", 0]]; pairs.sort(|x, y| x[1] - y[1]); same(pairs, [["c", 0], ["b", 1], ["a", 1]]);
        list = ["b", "a"]; list.sort(); same(list, ["a", "b"]); list = [2.5, -1.0]; list.sort(); same(list, [-1.0, 2.5]);
        list = [1, 1, 2, 1]; list.dedup(); same(list, [1, 2, 1]); list = [1, 2, 4, 3]; list.dedup(|a, b| b > a); same(list, [1, 3]);
        list = []; list.sort(); list.sort(|a, b| 0); same(list, []);
        get("/");
    "##;
    // Rhai's `dedup` keeps the first of each run, and compares with the last one that was kept.
    let source = source.replace("same(list, [1, 3]);", "same(list, [1]);");
    passes(&run(&source).await);
}

#[tokio::test]
async fn sorting_bears_every_comparer() {
    let many = "let many = []; for n in 0..300 { many.push(n * 7919 % 300); }";
    for comparer in
        ["|a, b| 1", "|a, b| -1", "|a, b| random(a, b)", "|a, b| a % 3 - b % 2", "|a, b| true", "|a, b| false"]
    {
        let source = format!(
            "fn random(a, b) {{ (a * 31 + b * 17) % 5 - 2 }} {many} many.sort({comparer}); same(many.len(), 300); get(\"/\");"
        );
        passes(&run(&source).await);
    }
    passes(&run("let a = [1.0, 0.0 / 0.0, -1.0]; for n in 0..40 { a += a.extract(0..3); } a.sort(); a.sort_desc(); get(\"/\")").await);
    inconclusive(&run(r#"[2, 1].sort(|a, b| "less")"#).await, "what sorts must give a whole number");
    inconclusive(&run("[2, 1].sort(|a, b| a.nothing)").await, "checks/case.rhai");
    inconclusive(&run(r#"[2, "b"].sort()"#).await, "elements of different types cannot be sorted");
}

#[tokio::test]
async fn no_native_function_hides_how_a_probe_ended() {
    for source in [
        r#"[2, 1].sort(|a, b| fail("in a comparer"))"#,
        r#"[2, 1].dedup(|a, b| fail("in a comparer"))"#,
        r#"[2, 1].map(|a| fail("in a comparer"))"#,
        r#"[2, 1].filter(|a| fail("in a comparer"))"#,
        r#"[2, 1].retain(|a| fail("in a comparer"))"#,
        r#"[2, 1].drain(|a| fail("in a comparer"))"#,
        r#"[2, 1].reduce(|a, b| fail("in a comparer"))"#,
        r#"[2, 1].index_of(|a| fail("in a comparer"))"#,
        r#"[2, 1].zip([1, 2], |a, b| fail("in a comparer"))"#,
        r#"#{a: 1}.map(|k, v| fail("in a comparer"))"#,
        r#"#{a: 1}.filter(|k, v| fail("in a comparer"))"#,
        r#"#{a: 1}.retain(|k, v| fail("in a comparer"))"#,
        r#"#{a: 1}.drain(|k, v| fail("in a comparer"))"#,
        r#"try { [2, 1].find(|a| fail("in a comparer")) } catch { }"#,
        r#"try { [2, 1].map(|a| fail("in a comparer")) } catch { get("/"); }"#,
        r#"try { step("s", || fail("in a comparer")) } catch { throw "hidden" }"#,
        r#"try { step("s", || [1].map(|n| fail("in a comparer"))) } catch { loop { } }"#,
        r#"fn f() { fail("in a comparer") } try { [1].map(|n| f()) } catch { fail("later") }"#,
        r#"try { [2, 1].some(|a| fail("in a comparer")) } catch { inconclusive("hidden") }"#,
    ] {
        let report = run(&format!("get(\"/\"); {source}")).await;
        assert_eq!((report.outcome, reason(&report)), (Outcome::Fail, "in a comparer"), "{source}");
    }
}

#[tokio::test]
async fn a_shared_file_that_never_ends_is_refused_when_it_is_loaded() {
    let case = check("1").with_file("lib/spin", "loop { }");
    let library = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| case.runner()));
    assert!(library.is_err(), "it must not load");
}
