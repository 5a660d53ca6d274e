//! Cookies as RFC 6265 has them. The server sets what the header `x-set` says and answers with the cookies that it was sent, so that a
//! script sees what the jar does. All names lead to that server.

use quorate::domain::{FailureKind, ProbeReport};

use super::{check, cookie_server, fails, inconclusive, passes};

const WORDS: &str = r#"
    defaults(#{ connect_to: param("address") });
    fn set(url, cookies) { get(url, #{ headers: #{ "x-set": cookies } }); }
    fn sent(url) { get(url).text }
"#;

/// Runs the script as a check of `http://login.example.test`.
async fn run(source: &str) -> ProbeReport {
    let server = cookie_server();
    let address = server.url().authority().to_owned();
    let hosts = ["*.example.test", "example.test", "other.test", "127.0.0.1"];
    check(&format!("{WORDS}{source}"))
        .param("address", address)
        .reaching(&hosts)
        .at("http://login.example.test/")
        .await
}

#[tokio::test]
async fn several_cookies_of_one_answer_are_all_kept_and_sent_in_the_order_in_which_they_came() {
    passes(&run(r#"set("/", "a=1|b=2; HttpOnly|c=3; SameSite=Strict"); same(sent("/"), "a=1; b=2; c=3");"#).await);
}

#[tokio::test]
async fn a_cookie_that_is_set_again_has_the_new_value_and_the_old_place() {
    passes(&run(r#"set("/", "a=1|b=2"); set("/", "a=3"); same(sent("/"), "a=3; b=2");"#).await);
}

#[tokio::test]
async fn values_are_sent_as_they_came() {
    let source = r#"
        set("/", "base64=YWJj==|quoted=\"a b\"|empty=|signs=a/b:c%20<d>");
        same(sent("/"), "base64=YWJj==; quoted=\"a b\"; empty=; signs=a/b:c%20<d>");
    "#;
    passes(&run(source).await);
}

#[tokio::test]
async fn an_expiry_in_the_past_or_an_age_of_zero_deletes_a_cookie() {
    let source = r#"
        set("/", "a=1|b=2|c=3|d=4|e=5|f=6");
        set("/", "a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT");
        same(sent("/"), "b=2; c=3; d=4; e=5; f=6");
        set("/", "b=; Max-Age=0");
        same(sent("/"), "c=3; d=4; e=5; f=6");
        set("/", "c=; Max-Age=-1|d=; expires=Wed, 21-Oct-2015 07:28:00 GMT");
        same(sent("/"), "e=5; f=6");
        // The age counts where both are said (section 5.3, step 3).
        set("/", "e=7; Max-Age=3600; Expires=Thu, 01 Jan 1970 00:00:00 GMT");
        set("/", "f=; Max-Age=0; Expires=Fri, 01 Jan 2100 00:00:00 GMT");
        same(sent("/"), "e=7");
        same(cookie("f"), ());
    "#;
    passes(&run(source).await);
}

#[tokio::test]
async fn a_path_is_a_folder_and_not_how_a_path_begins() {
    let source = r#"
        set("/", "x=1; Path=/a");
        for path in ["/a", "/a/", "/a/b", "/a?b"] { same(sent(path), "x=1"); }
        for path in ["/", "/ab", "/b/a", "/A"] { same(sent(path), ""); }
    "#;
    passes(&run(source).await);
}

#[tokio::test]
async fn without_a_path_a_cookie_is_for_the_folder_of_the_page_that_set_it() {
    let source = r#"
        set("/deep/page", "x=1|y=2; Path=relative");
        same(sent("/deep/other"), "x=1; y=2");
        same(sent("/deep/er/other"), "x=1; y=2");
        same(sent("/other"), "");
    "#;
    passes(&run(source).await);
}

#[tokio::test]
async fn the_cookie_of_the_longest_path_comes_first() {
    let source = r#"
        set("/", "n=root; Path=/|n=deeper; Path=/a/b|n=deep; Path=/a|m=root; Path=/");
        same(sent("/a/b/c"), "n=deeper; n=deep; n=root; m=root");
        same(cookie("n"), "deeper");
        same(sent("/a"), "n=deep; n=root; m=root");
        same(cookie("n"), "deep");
    "#;
    passes(&run(source).await);
}

#[tokio::test]
async fn a_cookie_goes_to_other_hosts_only_if_it_says_the_domain() {
    let source = r#"
        set("/", "own=1|shared=2; Domain=example.test|dotted=3; Domain=.Example.Test");
        same(sent("/"), "own=1; shared=2; dotted=3");
        for host in ["www.example.test", "example.test", "a.login.example.test"] {
            same(sent(`http://${host}/`), "shared=2; dotted=3");
        }
        same(sent("http://other.test/"), "");
    "#;
    passes(&run(source).await);
}

#[tokio::test]
async fn a_cookie_for_a_domain_that_its_host_is_not_of_is_refused() {
    let source = r#"
        set("/", "a=1; Domain=other.test|b=2; Domain=www.example.test|c=3; Domain=a.login.example.test");
        set("/", "d=4; Domain=gin.example.test");
        for url in ["/", "http://other.test/", "http://www.example.test/", "http://a.login.example.test/"] {
            same(sent(url), "");
        }
    "#;
    passes(&run(source).await);
}

#[tokio::test]
async fn a_secure_cookie_is_not_sent_over_plain_http() {
    passes(&run(r#"set("/", "a=1; Secure|b=2"); same(sent("/"), "b=2"); same(cookie("a"), ());"#).await);
}

#[tokio::test]
async fn a_script_reads_and_sets_cookies_as_the_last_page_would() {
    let source = r#"
        set_cookie("early=0");
        same(sent("/a/b"), "early=0");
        set_cookie("here=1");
        set_cookie("all=2; Path=/; Domain=example.test");
        same(cookie("here"), "1");
        same(sent("/a/c"), "here=1; early=0; all=2");
        same(sent("/d"), "early=0; all=2");
        same(cookie("here"), ());
        same(sent("http://www.example.test/"), "all=2");
        same(cookie("early"), ());
    "#;
    passes(&run(source).await);
    inconclusive(&run(r#"set_cookie("a=1; Domain=other.test")"#).await, "the cookie cannot be set");
    inconclusive(&run(r#"set_cookie("no cookie")"#).await, "the cookie cannot be set");
}

#[tokio::test]
async fn what_the_script_says_of_the_header_stands_instead_of_the_jar() {
    let source =
        r#"set("/", "a=1"); same(get("/", #{ headers: #{ Cookie: "b=2" } }).text, "b=2"); same(sent("/"), "a=1");"#;
    passes(&run(source).await);
}

#[tokio::test]
async fn a_jar_belongs_to_one_run() {
    let server = cookie_server();
    let source = r#"same(get("/", #{ headers: #{ "x-set": "a=1" } }).text, "")"#;
    for _ in 0..2 {
        passes(&check(source).at(server.url()).await);
    }
}

#[tokio::test]
async fn the_helper_of_these_cases_does_fail() {
    fails(
        &run(r#"set("/", "a=1"); same(sent("/"), "a=2");"#).await,
        FailureKind::Assertion,
        "wanted 'a=2', got 'a=1'",
    );
}
