//! What must be struck out wherever output goes: secrets, and what was made from them.

use std::fmt;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD, Encoding, HEXLOWER, HEXUPPER};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands where something was struck out.
const STRUCK: &str = "[secret]";
/// Values under so many bytes are left alone: striking out every "a" would hide the text and not the secret.
const MIN_BYTES: usize = 4;
/// The same for what is written in Base64, in characters: less may turn up in any token.
const MIN_BASE64_CHARS: usize = 6;

/// Texts that are struck out: values as they are, and as URLs, JSON, HTML, Base64 and hex write them.
#[derive(Clone, Default)]
pub struct Redaction {
    /// All forms of the values that it began with, in one automaton; none where there are none.
    first: Option<Arc<AhoCorasick>>,
    forms: Arc<Vec<String>>,
    /// What was made from them and added, text or not.
    made: Vec<Vec<u8>>,
    /// The automaton of all forms; none after something was added, until it is [settled](Self::settle).
    all: Option<Arc<AhoCorasick>>,
    /// The automaton could not be made, of gigabytes of secrets say: nothing is shown at all.
    failed: bool,
}

impl Redaction {
    /// For these values.
    pub fn of<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut forms: Vec<String> = values.into_iter().flat_map(written_forms).collect();
        if forms.is_empty() {
            return Self::default();
        }
        forms.sort();
        forms.dedup();
        let first = automaton(&forms, None).map(Arc::new);
        let failed = first.is_none();
        Self { all: first.clone(), first, forms: Arc::new(forms), made: Vec::new(), failed }
    }

    /// Strikes out this value, too.
    pub fn strike(&mut self, value: &str) {
        if value.len() >= MIN_BYTES {
            self.made.push(value.as_bytes().to_vec());
            self.add(written_forms(value));
        }
    }

    /// These bytes, which nobody prints as they are, were made from a secret: what is made from them [touches](Self::touches) it as well.
    pub fn strike_bytes(&mut self, value: &[u8]) {
        if value.len() >= MIN_BYTES {
            self.made.push(value.to_vec());
            self.add(written_forms_of_bytes(value));
        }
    }

    /// Whether something that is struck out is among these bytes.
    pub fn touches(&self, bytes: &[u8]) -> bool {
        let first = self.first.as_ref().is_some_and(|first| first.is_match(bytes));
        self.failed || first || self.made.iter().any(|made| bytes.windows(made.len()).any(|part| part == made))
    }

    /// The text with everything struck out. Of two that begin at one place the longer one is.
    pub fn redact(&self, text: &str) -> String {
        if self.forms.is_empty() {
            return text.to_owned();
        }
        let all = self.all.clone().or_else(|| self.automaton_of_all());
        let Some(all) = all.filter(|_| !self.failed) else { return STRUCK.to_owned() };
        let mut plain = String::with_capacity(text.len());
        all.replace_all_with(text, &mut plain, |_, _, plain| {
            plain.push_str(STRUCK);
            true
        });
        plain
    }

    /// Whether [`redact`](Self::redact) would have to prepare itself for every text.
    pub fn is_unsettled(&self) -> bool {
        self.all.is_none() && !self.forms.is_empty()
    }

    /// Prepares for many texts after something was added.
    pub fn settle(&mut self) {
        self.all = self.automaton_of_all();
    }

    fn automaton_of_all(&self) -> Option<Arc<AhoCorasick>> {
        // Made for a few texts, it need not be the fastest one.
        automaton(&self.forms, Some(AhoCorasickKind::NoncontiguousNFA)).map(Arc::new)
    }

    fn add(&mut self, forms: Vec<String>) {
        Arc::make_mut(&mut self.forms).extend(forms);
        self.all = None;
    }
}

fn automaton(forms: &[String], kind: Option<AhoCorasickKind>) -> Option<AhoCorasick> {
    AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).kind(kind).build(forms).ok()
}

impl fmt::Debug for Redaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redaction").field("forms", &self.forms.len()).finish_non_exhaustive()
    }
}

impl PartialEq for Redaction {
    fn eq(&self, other: &Self) -> bool {
        self.forms == other.forms && self.made == other.made
    }
}

impl Eq for Redaction {}

/// How a value may be written where it turns up: by our own requests, and by a site that echoes them.
fn written_forms(value: &str) -> Vec<String> {
    if value.len() < MIN_BYTES {
        return Vec::new();
    }
    let mut forms = vec![value.to_owned()];
    let html = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    forms.extend([html.replace('\'', "&#39;"), html.replace('\'', "&#x27;"), html]);
    forms.extend(json_forms(value));
    let mut coded: Vec<String> = vec![url::form_urlencoded::byte_serialize(value.as_bytes()).collect()];
    // Paths and queries each leave other signs as they are.
    if let Ok(mut url) = url::Url::parse("http://host/") {
        url.set_query(Some(value));
        coded.extend(url.query().map(str::to_owned));
        url.set_path(value);
        coded.push(url.path().trim_start_matches('/').to_owned());
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.clear().push(value);
        }
        coded.push(url.path().trim_start_matches('/').to_owned());
    }
    // Everything but letters and digits, as some servers and `encodeURIComponent` with its kin do.
    coded.push(utf8_percent_encode(value, NON_ALPHANUMERIC).to_string());
    coded.push(utf8_percent_encode(value, URI_COMPONENT).to_string());
    forms.extend(coded.iter().map(|form| lower_escapes(form)));
    forms.extend(coded);
    forms.extend(written_forms_of_bytes(value.as_bytes()));
    forms.retain(|form| form.len() >= MIN_BYTES);
    forms
}

/// What JavaScript's `encodeURIComponent` encodes: all that is neither a letter, a digit nor one of `-_.!~*'()` (ECMA-262, 19.2.6.4).
pub const URI_COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// `%2F` as `%2f`.
fn lower_escapes(text: &str) -> String {
    let mut left = 0;
    let lower = |c: char| {
        if c == '%' {
            left = 2;
            return c;
        }
        let escaped = left > 0;
        left = left.max(1) - 1;
        if escaped { c.to_ascii_lowercase() } else { c }
    };
    text.chars().map(lower).collect()
}

/// As JSON writes it: plainly, with `/` escaped, with all but ASCII escaped, in either case.
fn json_forms(value: &str) -> Vec<String> {
    let mut plain = String::new();
    let mut ascii = [String::new(), String::new()];
    for c in value.chars() {
        let short = match c {
            '"' => Some("\\\""),
            '\\' => Some("\\\\"),
            '\n' => Some("\\n"),
            '\r' => Some("\\r"),
            '\t' => Some("\\t"),
            '\u{8}' => Some("\\b"),
            '\u{c}' => Some("\\f"),
            _ => None,
        };
        if let Some(short) = short {
            plain.push_str(short);
            ascii.iter_mut().for_each(|form| form.push_str(short));
            continue;
        }
        if c.is_control() && c.is_ascii() {
            plain.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            plain.push(c);
        }
        let [lower, upper] = &mut ascii;
        if (' '..='~').contains(&c) {
            lower.push(c);
            upper.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                lower.push_str(&format!("\\u{unit:04x}"));
                upper.push_str(&format!("\\u{unit:04X}"));
            }
        }
    }
    let mut forms = vec![plain];
    forms.extend(ascii);
    let slashes: Vec<String> = forms.iter().map(|form| form.replace('/', "\\/")).collect();
    forms.extend(slashes);
    forms
}

/// In hex and in Base64, as a whole and as a part of something longer: `user:password` in Base64 has the password's letters in one of
/// three ways, by what is before it.
fn written_forms_of_bytes(value: &[u8]) -> Vec<String> {
    let mut forms = vec![HEXLOWER.encode(value), HEXUPPER.encode(value)];
    forms.extend([BASE64, BASE64URL, BASE64_NOPAD, BASE64URL_NOPAD].map(|encoding| encoding.encode(value)));
    for encoding in [BASE64_NOPAD, BASE64URL_NOPAD] {
        forms.extend((0..3).filter_map(|before| inner_base64(&encoding, value, before)));
    }
    forms.retain(|form| form.len() >= MIN_BASE64_CHARS);
    forms
}

/// The letters that are the value's alone when so many bytes are before it, and any after.
fn inner_base64(encoding: &Encoding, value: &[u8], before: usize) -> Option<String> {
    let mut bytes = vec![0; before];
    bytes.extend_from_slice(value);
    let text = encoding.encode(&bytes);
    let (first, last) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
    text.get(first..last).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_struck_out_of_whatever_base64_it_is_in() {
        let redaction = Redaction::of(["correct horse"]);
        for around in [("", ""), ("a:", ""), ("ada:", "x"), ("\0ada\0", "yz"), ("ab", "\n")] {
            let text = format!("{}correct horse{}", around.0, around.1);
            for encoding in [BASE64, BASE64URL_NOPAD] {
                let coded = encoding.encode(text.as_bytes());
                let plain = redaction.redact(&format!("Basic {coded}."));
                // At most what shares a letter with its neighbours is left: less than a byte at either end.
                assert!(plain.contains(STRUCK) && plain.len() < 12 + coded.len() - 12, "{coded} {plain}");
            }
        }
        assert_eq!(redaction.redact("Y29ycmVjdCBob3JzZQ== Y29ycmVjdCBob3JzZQ"), "[secret] [secret]");
    }

    #[test]
    fn a_value_is_struck_out_in_hex_percent_signs_and_escapes_of_either_case() {
        let redaction = Redaction::of(["k/ü\"\n+é"]);
        let cases = [
            "6b2fc3bc220a2bc3a9",
            "6B2FC3BC220A2BC3A9",
            "k%2F%C3%BC%22%0A%2B%C3%A9",
            "k%2f%c3%bc%22%0a%2b%c3%a9",
            r#"k/ü\"\n+é"#,
            r#"k\/ü\"\n+é"#,
            r#"k/\u00fc\"\n+\u00e9"#,
            r#"k\/\u00FC\"\n+\u00E9"#,
        ];
        for case in cases {
            assert_eq!(redaction.redact(&format!("<{case}>")), "<[secret]>", "{case}");
        }
    }

    #[test]
    fn what_is_made_from_a_secret_touches_it_and_other_things_do_not() {
        let mut redaction = Redaction::of(["correct horse"]);
        assert!(redaction.touches(b"AWS4correct horse") && !redaction.touches(b"horse"));
        redaction.strike_bytes(&[0, 159, 146, 150, 7]);
        assert!(redaction.touches(&[1, 0, 159, 146, 150, 7]) && !redaction.touches(&[159, 146, 150, 7]));
        redaction.strike("287082");
        assert_eq!(redaction.redact("code=287082&x=009f929607"), "code=[secret]&x=[secret]");
        assert_eq!(format!("{redaction:?}").matches("correct").count(), 0);
    }

    #[test]
    fn without_a_secret_nothing_is_struck_out() {
        assert_eq!(Redaction::of(["abc", ""]).redact("abc"), "abc");
        assert!(!Redaction::default().touches(b"abc"));
    }
}
