//! The site's pages: plain HTML with its style inside, calm in light and dark, and no script.

use super::state::Note;

const STYLE: &str = "\
:root{color-scheme:light dark;--back:#f4f5f7;--card:#fff;--text:#1c2330;--dim:#5b6475;--line:#d9dde5;--key:#2f5fd0;\
--key-text:#fff;--bad:#a4232f;--bad-back:#fdecee;--warn:#7a4b00;--warn-back:#fff4dc}\
@media(prefers-color-scheme:dark){:root{--back:#14171d;--card:#1d222b;--text:#e7eaf0;--dim:#9aa4b5;--line:#343b48;\
--key:#7ea2f5;--key-text:#0f1420;--bad:#ff9aa4;--bad-back:#3a1d22;--warn:#ffcf7a;--warn-back:#3a2d14}}\
*{box-sizing:border-box}\
body{margin:0;min-height:100vh;display:flex;flex-direction:column;align-items:center;justify-content:center;padding:1.5rem;\
background:var(--back);color:var(--text);font:16px/1.5 system-ui,sans-serif}\
main{width:100%;max-width:26rem;background:var(--card);border:1px solid var(--line);border-radius:12px;padding:1.75rem}\
h1{margin:0 0 1rem;font-size:1.35rem;line-height:1.25}\
h2{margin:1.75rem 0 .5rem;font-size:1rem}\
p{margin:.5rem 0}\
label{display:block;margin:.9rem 0 .3rem;font-size:.9rem;color:var(--dim)}\
input{width:100%;padding:.6rem .7rem;border:1px solid var(--line);border-radius:8px;background:transparent;color:inherit;font:inherit}\
button{margin-top:1.1rem;width:100%;padding:.65rem;border:0;border-radius:8px;background:var(--key);color:var(--key-text);font:inherit;font-weight:600;cursor:pointer}\
button.quiet{background:transparent;color:var(--text);border:1px solid var(--line);font-weight:400}\
input:focus-visible,button:focus-visible{outline:2px solid var(--key);outline-offset:2px}\
ul{margin:0;padding:0;list-style:none}\
li{padding:.5rem 0;border-top:1px solid var(--line);overflow-wrap:anywhere}\
li small,footer{color:var(--dim)}\
.error,.notice{padding:.6rem .75rem;border-radius:8px}\
.error{background:var(--bad-back);color:var(--bad)}\
.notice{background:var(--warn-back);color:var(--warn)}\
footer{margin-top:1rem;font-size:.85rem}";

/// The sign-in page, with what went wrong the last time.
pub(super) fn login(cloud: &str, csrf: &str, error: Option<&str>) -> String {
    let error =
        error.map(|error| format!("<p class=\"error\" role=\"alert\">{}</p>\n", escape(error))).unwrap_or_default();
    let csrf = hidden(csrf);
    let content = format!(
        "<h1>Sign in</h1>\n{error}<form method=\"post\" action=\"/login\">\n{csrf}\
         <label for=\"username\">User name</label>\n\
         <input id=\"username\" name=\"username\" autocomplete=\"username\" required autofocus>\n\
         <label for=\"password\">Password</label>\n\
         <input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"current-password\" required>\n\
         <button type=\"submit\">Sign in</button>\n</form>\n"
    );
    layout(cloud, "Sign in", &content)
}

/// The account page.
pub(super) fn account(cloud: &str, user: &str, csrf: &str, read_only: bool, notes: &[Note]) -> String {
    let notice = if read_only {
        "<p class=\"notice\" id=\"read-only\" role=\"status\">This site is read-only for now: you can sign in and read, \
         and changes are refused.</p>\n"
    } else {
        ""
    };
    let items: String = notes
        .iter()
        .map(|note| format!("<li>{} <small>{}</small></li>\n", escape(&note.text), escape(&note.user)))
        .collect();
    let list = if items.is_empty() {
        "<p><small>No notes yet.</small></p>\n".to_owned()
    } else {
        format!("<ul id=\"notes\">\n{items}</ul>\n")
    };
    let (user, csrf) = (escape(user), hidden(csrf));
    let content = format!(
        "<h1>Your account</h1>\n{notice}<p>Signed in as <b id=\"user\">{user}</b></p>\n<h2>Notes</h2>\n{list}\
         <form method=\"post\" action=\"/notes\" id=\"add-note\">\n{csrf}<label for=\"note\">A new note</label>\n\
         <input id=\"note\" name=\"note\" maxlength=\"500\" autocomplete=\"off\" required>\n\
         <button type=\"submit\">Add the note</button>\n</form>\n\
         <form method=\"post\" action=\"/logout\" id=\"logout\">\n{csrf}\
         <button type=\"submit\" class=\"quiet\">Sign out</button>\n</form>\n"
    );
    layout(cloud, "Your account", &content)
}

/// What users see when signing in meets a broken database.
pub(super) fn database_error(cloud: &str) -> String {
    let content = "<h1>Something broke</h1>\n<p class=\"error\" role=\"alert\">Database error: could not read from \
                   relation \"users\".</p>\n<p>It is not you. Please try again later.</p>\n";
    layout(cloud, "Something broke", content)
}

/// A page with a heading and a sentence.
pub(super) fn message(cloud: &str, heading: &str, detail: &str) -> String {
    let content = format!(
        "<h1>{}</h1>\n<p class=\"error\" role=\"alert\">{}</p>\n<p><a href=\"/login\">Back to the site</a></p>\n",
        escape(heading),
        escape(detail)
    );
    layout(cloud, heading, &content)
}

fn layout(cloud: &str, title: &str, content: &str) -> String {
    let (cloud, title) = (escape(cloud), escape(title));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title} · {cloud}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<main>\n{content}</main>\n\
         <footer>Served by <span id=\"served-by\">{cloud}</span></footer>\n</body>\n</html>\n"
    )
}

fn hidden(csrf: &str) -> String {
    format!("<input type=\"hidden\" name=\"csrf_token\" value=\"{}\">\n", escape(csrf))
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_users_wrote_is_text_and_never_markup() {
        let note = Note { user: "<i>".to_owned(), text: "<script>'\"&".to_owned() };
        let html = account("<cloud>", "\"ana\"", "t", false, &[note]);
        assert!(html.contains("&lt;script&gt;&#39;&quot;&amp;") && !html.contains("<script"));
        assert!(html.contains("<b id=\"user\">&quot;ana&quot;</b>") && html.contains("&lt;cloud&gt;"));
    }
}
