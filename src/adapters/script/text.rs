//! Texts for people: one line, no secrets, not too long. Everything that a probe reports goes through here.

use url::Url;

use crate::domain::Redaction;

/// The longest reason, in characters: it must fit a notification.
pub(super) const MAX_REASON_CHARS: usize = 600;
/// The longest step name, in characters: it must fit a line of a timeline.
pub(super) const MAX_STEP_NAME_CHARS: usize = 100;
/// How much of a body a reason quotes, in characters: enough to recognise an error page.
pub(super) const MAX_EXCERPT_CHARS: usize = 160;

/// The text redacted, on one line and clipped. It redacts before it joins lines, because a secret may hold blanks;
/// after it, because a body may break a secret over lines; and always before it clips, because half a secret would no
/// longer be recognised.
pub(super) fn tidy(text: &str, struck: &Redaction, max_chars: usize) -> String {
    let redacted = struck.redact(text);
    if is_one_line(&redacted) {
        return clip(&redacted, max_chars);
    }
    clip(&struck.redact(&one_line(&redacted)), max_chars)
}

/// The URL without user, password and fragment.
pub(super) fn plain_url(url: &Url) -> Url {
    let mut url = url.clone();
    url.set_fragment(None);
    // A URL that cannot have a user has none to remove.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}

/// Whether it surely is a line already; one with letters beyond ASCII may be.
fn is_one_line(text: &str) -> bool {
    text.bytes().all(|sign| matches!(sign, b' '..=b'~'))
        && !text.starts_with(' ')
        && !text.ends_with(' ')
        && !text.contains("  ")
}

fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(4096));
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

fn clip(text: &str, max_chars: usize) -> String {
    match text.char_indices().nth(max_chars) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default().trim_end()),
    }
}

/// The text with a lower-case first letter, unless it begins with an abbreviation.
pub(super) fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), second) if !second.is_some_and(char::is_uppercase) => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_the_clip_would_cut_in_half_is_struck_out_whole() {
        let secrets = Redaction::of(["correct horse"]);
        assert_eq!(tidy("you sent correct horse", &secrets, 17), "you sent [secret]");
        assert_eq!(tidy("you sent\n correct\n horse!", &secrets, 18), "you sent [secret]!");
        assert_eq!(tidy("a  b\u{7}c", &secrets, 3), "a b…");
    }
}
