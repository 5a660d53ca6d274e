//! Secrets: values that never print, and the texts that must be struck out wherever output goes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

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
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    values: BTreeMap<String, Secret>,
    /// What is struck out, the longest first, so that a secret which holds another is struck out whole.
    forms: Vec<String>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Secrets").field(&self.values).finish()
    }
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

    /// The text with every secret value struck out: plain, and as URLs, JSON and HTML write it. Values under four
    /// characters are left alone: striking out every "a" would hide the text and not the secret.
    pub fn redact(&self, text: &str) -> String {
        self.redacted(text).into_owned()
    }

    /// The same, which copies nothing where there is nothing to strike out.
    pub fn redacted<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.forms.iter().fold(Cow::Borrowed(text), |text, form| {
            if text.contains(form.as_str()) { Cow::Owned(text.replace(form.as_str(), "[secret]")) } else { text }
        })
    }
}

/// How a value may be written where it turns up: by our own requests, and by a site that echoes them.
fn written_forms(value: &str) -> Vec<String> {
    let json = value.replace('\\', r"\\").replace('"', r#"\""#);
    let html = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let mut forms = vec![
        value.to_owned(),
        url::form_urlencoded::byte_serialize(value.as_bytes()).collect(),
        html.replace('\'', "&#39;"),
        html.replace('\'', "&#x27;"),
        html,
        json,
    ];
    // Paths and queries each leave other signs as they are.
    if let Ok(mut url) = url::Url::parse("http://host/") {
        url.set_query(Some(value));
        forms.extend(url.query().map(str::to_owned));
        url.set_path(value);
        forms.push(url.path().trim_start_matches('/').to_owned());
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.clear().push(value);
        }
        forms.push(url.path().trim_start_matches('/').to_owned());
    }
    forms.retain(|form| form.len() >= 4);
    forms
}

impl FromIterator<(String, Secret)> for Secrets {
    fn from_iter<T: IntoIterator<Item = (String, Secret)>>(iter: T) -> Self {
        let values: BTreeMap<String, Secret> = iter.into_iter().collect();
        let long = values.values().map(Secret::expose).filter(|value| value.len() >= 4);
        let mut forms: Vec<String> = long.flat_map(written_forms).collect();
        forms.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        forms.dedup();
        Self { values, forms }
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
