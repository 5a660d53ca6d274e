//! Secrets: values that never print, and the texts that must be struck out wherever output goes.

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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Secrets(BTreeMap<String, Secret>);

impl Secrets {
    /// The secret with that name.
    pub fn get(&self, name: &str) -> Option<&Secret> {
        self.0.get(name)
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Only the secrets whose names are listed: what one check may see.
    pub fn only<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Self {
        names.into_iter().filter_map(|name| Some((name.to_owned(), self.get(name)?.clone()))).collect()
    }

    /// The text with every secret value, plain or percent-encoded, struck out. Values under four characters are left
    /// alone: striking out every "a" would hide the text and not the secret.
    pub fn redact(&self, text: &str) -> String {
        let mut values: Vec<&str> = self.0.values().map(Secret::expose).filter(|v| v.len() >= 4).collect();
        values.sort_by_key(|v| std::cmp::Reverse(v.len()));
        values.into_iter().fold(text.to_owned(), |text, value| {
            let encoded: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
            text.replace(value, "[secret]").replace(&encoded, "[secret]")
        })
    }
}

impl FromIterator<(String, Secret)> for Secrets {
    fn from_iter<T: IntoIterator<Item = (String, Secret)>>(iter: T) -> Self {
        Self(iter.into_iter().collect())
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
}
