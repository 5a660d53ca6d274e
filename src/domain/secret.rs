//! Secrets: values that never print.

use std::collections::BTreeMap;
use std::fmt;

use super::redaction::Redaction;

/// A value that must not reach a log, an error, a journal or a screen. `Debug` prints a placeholder and there is no
/// `Display`: reading it takes an explicit [`Secret::expose`].
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one call that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Secrets by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    values: BTreeMap<String, Secret>,
    redaction: Redaction,
}

impl Secrets {
    /// The secret with that name.
    pub fn get(&self, name: &str) -> Option<&Secret> {
        self.values.get(name)
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// Only the secrets whose names are listed: what one check may see.
    pub fn only<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Self {
        names.into_iter().filter_map(|name| Some((name.to_owned(), self.get(name)?.clone()))).collect()
    }

    /// The text with every secret value struck out, as [`Redaction`] does it.
    pub fn redact(&self, text: &str) -> String {
        self.redaction.redact(text)
    }

    /// What is struck out.
    pub fn redaction(&self) -> &Redaction {
        &self.redaction
    }
}

impl FromIterator<(String, Secret)> for Secrets {
    fn from_iter<T: IntoIterator<Item = (String, Secret)>>(iter: T) -> Self {
        let values: BTreeMap<String, Secret> = iter.into_iter().collect();
        let redaction = Redaction::of(values.values().map(Secret::expose));
        Self { values, redaction }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_struck_out_plain_and_encoded_and_never_debug_printed() {
        let secrets: Secrets = [("password".to_owned(), Secret::new("hunter 2&3"))].into_iter().collect();
        assert_eq!(secrets.redact("p=hunter 2&3 q=hunter+2%263"), "p=[secret] q=[secret]");
        assert!(!format!("{secrets:?}").contains("hunter"));
    }

    #[test]
    fn a_secret_is_struck_out_however_urls_json_and_html_write_it() {
        let value = "a b/\"c\"<&d'e";
        let secrets: Secrets = [("password".to_owned(), Secret::new(value))].into_iter().collect();
        let mut url = url::Url::parse("http://host/").expect("a URL");
        url.set_path(value);
        url.set_query(Some(value));
        assert_eq!(secrets.redact(url.as_str()), "http://host/[secret]?[secret]");
        assert_eq!(secrets.redact(r#"{"p":"a b/\"c\"<&d'e"}"#), r#"{"p":"[secret]"}"#);
        assert_eq!(secrets.redact("<p>a b/&quot;c&quot;&lt;&amp;d&#x27;e</p>"), "<p>[secret]</p>");
    }
}
