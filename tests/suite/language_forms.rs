//! Forms of the check language: read, filled and sent as a browser would.

use super::language::{SCRIPT, SITE, assert_passes, assert_true, assert_wrong, run_with};
use super::servers::{Server, respond};

/// One control of each kind, some of which are not sent.
const FORM: &str = r#"<base href="/base/">
<form id=other action=/other><input name=stray value=no></form>
<form id=login method=POST action="do?x=1#top">
    <input type=hidden name=csrf value="t&quot;k"><input name=user value="pre"><input type=password name=password>
    <input name=nameless-not-sent disabled value=x><input value="no name">
    <input type=checkbox name=remember><input type=checkbox name=news value=weekly checked>
    <input type=radio name=role value=admin checked><input type=radio name=role value=reader checked><input type=radio name=role value=none>
    <select name=realm><option value=a>A<option selected>  B  b </option><option value=c disabled>C</select>
    <select name=first><option disabled>Choose<optgroup disabled><option>No</optgroup><option>Yes</select>
    <select name=many multiple><option selected>1<option>2<option selected>3</select>
    <textarea name=note>
line 1
line 2</textarea>
    <fieldset disabled><legend><input name=legend value=in></legend><input name=barred value=x></fieldset>
    <datalist><input name=suggested value=x></datalist>
    <input type=image name=picture><button name=go value=1>Go</button><input type=submit name=save value=Save><button type=button name=js>x</button>
    <input type=hidden name=_charset_><input type=file name=upload>
</form>
<input form=login name=outside value=yes><input form=nobody name=lost value=x>
<table><form id=old action=/old method=get><tr><td><input name=q value=1></td></tr></form></table><input name=late value=x>"#;

#[tokio::test]
async fn a_form_is_read_as_a_browser_reads_it() {
    let cases = [
        r##"page.form("#login").method == "POST" && page.form("#login").action.ends_with("/base/do?x=1#top")"##,
        r##"page.form("input[type=password]").fields == page.form("#login").fields"##,
        r##"to_json(page.form("#login").fields) == `{"_charset_":"UTF-8","csrf":"t\"k","first":"Yes","legend":"in","many":["1","3"],"news":"weekly","note":"line 1\nline 2","outside":"yes","password":"","realm":"B b","role":"reader","upload":"","user":"pre"}`"##,
        r##"page.form("#old").fields == #{ q: "1" } && page.form("#old").method == "GET""##,
        r##"page.form("[name=outside]").fields.user == "pre" && page.form("#other").fields == #{ stray: "no" }"##,
    ];
    assert_true(FORM, &cases).await;
}

#[tokio::test]
async fn a_form_that_is_not_as_the_check_wants_it_is_the_sites_fault() {
    let cases = [
        (r##"page.form("#signin")"##, SITE, "wanted a form '#signin', got 200 OK from GET http"),
        (r##"page.form("[name=late]")"##, SITE, "wanted a form '[name=late]', got"),
        (r##"page.form("[name=lost]")"##, SITE, "wanted a form '[name=lost]', got"),
        (
            r##"submit(page.form("#other"), #{ pass: "x" })"##,
            SITE,
            "wanted a field 'pass' in the form '#other', which has stray",
        ),
        (
            r##"let f = page.form("#login"); f.set("realm", "c")"##,
            SITE,
            "wanted the choice 'c' of 'realm' in the form '#login', which has a, B b",
        ),
        (r##"page.form("a[")"##, SCRIPT, "'a[' is no CSS selector"),
        (
            r##"let f = page.form("#login"); f.set("user", page.select("#none"))"##,
            SCRIPT,
            "the field 'user' has no value, ()",
        ),
        (
            r##"submit(page.form("#login"), #{}, #{ folow: true })"##,
            SCRIPT,
            "unknown option 'folow': there are headers, query, follow",
        ),
    ];
    assert_wrong(FORM, &cases).await;
    let cases = [
        (r##"submit(page.form("#a"))"##, SITE, "wanted a URL in the form '#a', not 'http://['"),
        (r##"submit(page.form("#b"))"##, SITE, "wanted the form '#b' to go to the web, and not to 'javascript:'"),
        (r##"submit(page.form("#c"))"##, SCRIPT, "the form '#c' only closes a dialog"),
    ];
    let forms = "<form id=a action='http://['></form><form id=b action='javascript:go()'></form><form id=c method=dialog></form>";
    assert_wrong(forms, &cases).await;
}

#[tokio::test]
async fn a_form_is_sent_as_its_page_says_with_what_the_script_filled_in() {
    let server = Server::start(|request, stream| match request.path.as_str() {
        "/form" => respond(stream, 200, &["set-cookie: s=1"], FORM),
        "/multi" => respond(
            stream,
            200,
            &[],
            "<form method=post enctype='multipart/form-data' action=/m><input name='a\"b' value=1><input type=file name=f><input type=file name=g></form>",
        ),
        "/plain" => respond(
            stream,
            200,
            &[],
            "<form method=post enctype=text/plain action=/p><input name=a value='1 2'></form>",
        ),
        _ => respond(stream, 200, &[], "sent"),
    });
    let source = r##"
        let form = get("/form").form("#login");
        form.set("user", "Ada & Bob");
        form.set("remember", true);
        form.set("news", false);
        form.set("role", "admin");
        form.set("many", ["2", "3"]);
        form.set("go", true);
        form.add("js_made", 7);
        expect(form.fields["go"] == "1" && form.fields.js_made == "7", "what will be sent is known before");
        submit(form, #{ password: "p+w" }, #{ headers: #{ "x-probe": "yes" }, query: #{ more: "2" } });
        submit(get("/form").form("#old"), #{ q: "é" });
        let multi = get("/multi").form("form");
        multi.set("g", "content");
        submit(multi);
        submit(get("/plain").form("form"));
    "##;
    let report = run_with(source, server.url(), &[], &[]).await;
    assert_passes(&report);
    let seen = server.seen();
    assert_eq!((seen[1].method.as_str(), seen[1].path.as_str()), ("POST", "/base/do?x=1&more=2"));
    assert_eq!(
        seen[1].body,
        "csrf=t%22k&user=Ada+%26+Bob&password=p%2Bw&remember=on&role=admin&realm=B+b&first=Yes&many=2&many=3&note=line+1%0D%0Aline+2\
         &legend=in&go=1&_charset_=UTF-8&upload=&outside=yes&js_made=7"
    );
    assert_eq!(
        (seen[1].header("content-type"), seen[1].header("x-probe"), seen[1].header("cookie")),
        ("application/x-www-form-urlencoded", "yes", "s=1")
    );
    assert!(seen[1].header("referer").ends_with("/form") && seen[1].header("origin").starts_with("http://"));
    assert_eq!((seen[3].method.as_str(), seen[3].path.as_str(), seen[3].body.as_str()), ("GET", "/old?q=%C3%A9", ""));
    assert!(seen[3].header("referer").ends_with("/form"));
    let (kind, body) = (seen[5].header("content-type"), seen[5].body.as_str());
    let boundary = kind.strip_prefix("multipart/form-data; boundary=").expect("multipart");
    let part = |head: &str, content: &str| {
        format!("--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n")
    };
    let expected = [
        part(r#"name="a%22b""#, "1"),
        part("name=\"f\"; filename=\"\"\r\nContent-Type: application/octet-stream", ""),
        part("name=\"g\"; filename=\"probe.txt\"\r\nContent-Type: text/plain", "content"),
        format!("--{boundary}--\r\n"),
    ];
    assert_eq!(body, expected.concat());
    assert_eq!((seen[7].header("content-type"), seen[7].body.as_str()), ("text/plain", "a=1 2\r\n"));
}
