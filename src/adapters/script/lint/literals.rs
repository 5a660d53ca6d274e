//! Texts that do not belong into a script: hosts and secrets. Rules of thumb, which are wrong now and then; a comment
//! silences them.

use rhai::Expr;

/// Words in a name that say that its value is secret.
const SECRET_WORDS: [&str; 9] =
    ["pass", "passwd", "password", "passphrase", "secret", "token", "apikey", "pin", "credential"];
/// Last words of a name that say that its value only tells where to find or how to call something.
const PLACE_WORDS: [&str; 16] = [
    "field", "name", "path", "url", "uri", "css", "selector", "param", "label", "header", "input", "type", "hint",
    "error", "text", "endpoint",
];
/// How tokens of well-known services begin, and how long they are at least.
const TOKENS: [(&str, usize, &str); 9] = [
    ("eyJ", 40, "a JSON web token stands"),
    ("AKIA", 20, "an AWS access key stands"),
    ("ghp_", 20, "a GitHub token stands"),
    ("github_pat_", 20, "a GitHub token stands"),
    ("xoxb-", 15, "a Slack token stands"),
    ("sk_live_", 15, "a Stripe key stands"),
    ("Bearer ", 15, "a bearer token stands"),
    ("Basic ", 12, "a user and a password stand"),
    ("-----BEGIN", 20, "a private key stands"),
];

/// Whether the text is an address with a host.
pub(super) fn is_host(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '['))
}

/// What secret the text looks like.
pub(super) fn token(text: &str) -> Option<&'static str> {
    let known = TOKENS.iter().find(|(start, length, _)| text.starts_with(start) && text.len() >= *length);
    if known.is_some() {
        return known.map(|(_, _, what)| *what);
    }
    // https://user:password@host
    let authority = text.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or_default())?;
    let user = authority.rsplit_once('@').map(|(user, _)| user)?;
    user.contains(':').then_some("a user and a password stand")
}

/// Whether a value with that name is a password, as far as one can see.
pub(super) fn is_password(name: &str, value: &str) -> bool {
    let words = words(name);
    let secret = words.iter().any(|word| SECRET_WORDS.contains(&word.as_str()))
        || words.windows(2).any(|pair| matches!(pair, [a, b] if a == "api" && b == "key"));
    let elsewhere = words.last().is_some_and(|word| PLACE_WORDS.contains(&word.as_str()));
    // Selectors and paths have these; "password" as the value of "password" is the name of a field.
    let looks_like_one =
        value.len() >= 4 && !value.starts_with(['#', '.', '/']) && !value.contains(['[', ' ']) && value != name;
    secret && !elsewhere && looks_like_one
}

/// The name that an assignment is to: the last of `form.password`, `form["password"]`, `password`.
pub(super) fn last_name(left: &Expr) -> Option<String> {
    match left {
        Expr::Variable(variable, ..) => Some(variable.1.to_string()),
        Expr::Property(property, _) => Some(property.2.to_string()),
        Expr::StringConstant(text, _) => Some(text.to_string()),
        Expr::Dot(pair, ..) | Expr::Index(pair, ..) => last_name(&pair.rhs),
        _ => None,
    }
}

/// The words of a name, in lower case, at `_`, `-` and capitals.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before_is_lower = false;
    for letter in name.chars() {
        if !letter.is_alphanumeric() || (letter.is_uppercase() && before_is_lower) {
            words.push(String::new());
        }
        if letter.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(letter.to_lowercase());
        }
        before_is_lower = letter.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_told_from_the_name_of_its_field() {
        for (name, value) in [("password", "hunter2"), ("clientSecret", "s3cr3t"), ("api_key", "abcd")] {
            assert!(is_password(name, value), "{name} = {value}");
        }
        let places = [
            ("password_field", "passwd"),
            ("password", "password"),
            ("token", "input[name=t]"),
            ("compass", "north"),
        ];
        for (name, value) in places {
            assert!(!is_password(name, value), "{name} = {value}");
        }
    }

    #[test]
    fn a_host_needs_more_than_a_scheme() {
        assert!(is_host("https://login.example.com/x") && is_host("http://127.0.0.1"));
        assert!(!is_host("https://") && !is_host("/login") && !is_host("see https://example.com"));
    }

    #[test]
    fn tokens_are_known_by_how_they_begin() {
        assert!(token("https://ada:lovelace@example.com/").is_some() && token("Bearer abcdefghijk").is_some());
        assert!(token("Bearer ").is_none() && token("https://example.com/@ada:x").is_none());
    }
}
