//! The flag: a small text in object stores outside the primary's cloud. While it is *up*, Route 53's health checkers find the service's phrase in it,
//! take the primary for unhealthy, and answer with the standby.
//!
//! ```text
//! quorate-flag v1
//! service=login
//! token=v1;c=main;e=41;s=7;t=standby;d=0123456789abcdef
//! phrase=…                      only while t=standby
//! signature=…                   Ed25519 over every byte above this line, in Base64
//! ```
//!
//! Upheld here: a text has the phrase if and only if its token says standby, so that an absent, empty, cut or lowered flag means "stay". Cryptography is
//! the adapter's: a parsed text is nobody's word before its signature was verified.

use std::fmt;

use data_encoding::BASE64;

use super::{NameError, Role, Secret, ServiceName, Token, TokenError};

/// The first line.
const HEAD: &str = "quorate-flag v1";

/// The most that a flag's text may have, in bytes: names, a token and a signature are under 600, a phrase under 260. Route 53 looks for the phrase in
/// the first 5,120 bytes of a body (API reference of Route 53, `HTTP_STR_MATCH`).
pub const FLAG_BYTES_MAX: usize = 2_048;

/// An Ed25519 signature (RFC 8032, section 5.1.6).
pub const FLAG_SIGNATURE_BYTES: usize = 64;

/// The shortest phrase, in characters: 128 bits of chance in Base64 without padding are 22.
const PHRASE_CHARS_MIN: usize = 22;

/// The longest phrase: Route 53's `SearchString` has at most 255 characters.
const PHRASE_CHARS_MAX: usize = 255;

/// What Route 53's health checkers look for: unguessable, so that no error page of a store, and nobody who can only write *some* text there, can bring
/// it up. It becomes public when the flag is first raised, because the object is public.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagPhrase(Secret);

/// Why a secret is no phrase. It never shows the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the phrase of a flag must be {PHRASE_CHARS_MIN} to {PHRASE_CHARS_MAX} letters, digits, hyphens and underscores, by chance: \
     `openssl rand -hex 16` gives one"
)]
pub struct FlagPhraseError;

impl FlagPhrase {
    /// Checks the phrase: 22 to 255 letters, digits, `-` and `_`, which no server rewrites.
    ///
    /// # Errors
    /// When it is too short to be unguessable, too long for Route 53, or has other characters.
    pub fn new(secret: Secret) -> Result<Self, FlagPhraseError> {
        let text = secret.expose();
        let fits = (PHRASE_CHARS_MIN..=PHRASE_CHARS_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        if fits { Ok(Self(secret)) } else { Err(FlagPhraseError) }
    }

    /// The phrase as text, for the one place that writes it.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// What a flag says, before it is signed or after its form was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagText {
    service: ServiceName,
    token: Token,
    phrase: Option<FlagPhrase>,
}

/// A flag's text as it was found, with the signature that it claims.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedFlag {
    /// What it says.
    pub text: FlagText,
    /// The signature, not yet verified.
    pub signature: [u8; FLAG_SIGNATURE_BYTES],
}

impl fmt::Debug for SignedFlag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The signature of a raised flag lets its phrase be tested by whoever guesses; it is of no use in a log.
        f.debug_struct("SignedFlag").field("text", &self.text).finish_non_exhaustive()
    }
}

/// Why a text is not a flag. It never quotes the text, which may hold a phrase.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FlagError {
    /// Longer than any flag.
    #[error("it has {0} bytes, and a flag has at most {FLAG_BYTES_MAX}")]
    Long(usize),
    /// No flag's form.
    #[error("it is not a flag's text ({0})")]
    Form(&'static str),
    /// A line that is not a token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// A line that is not a name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Of another service.
    #[error("it is the flag of the service '{found}', and not of '{wanted}'")]
    Service {
        /// Whose it is.
        found: ServiceName,
        /// Whose it should be.
        wanted: ServiceName,
    },
    /// The phrase would be found in a text that says primary.
    #[error(
        "the phrase is part of the flag's other lines, so that Route 53 would always find it: choose another phrase"
    )]
    Shown,
}

impl FlagText {
    /// The text of a service's flag with this token. The phrase goes in while the token says standby, and only then.
    pub fn new(service: ServiceName, token: Token, phrase: &FlagPhrase) -> Self {
        let phrase = match token.serving {
            Role::Standby => Some(phrase.clone()),
            Role::Primary => None,
        };
        Self { service, token, phrase }
    }

    /// The token.
    pub fn token(&self) -> &Token {
        &self.token
    }

    /// Whether Route 53's checkers find this phrase in it. A flag that was raised under an older phrase does not show today's.
    pub fn shows(&self, phrase: &FlagPhrase) -> bool {
        self.phrase.as_ref() == Some(phrase)
    }

    /// What is signed: every byte before the signature's line.
    pub fn signed_bytes(&self) -> String {
        let mut text = format!("{HEAD}\nservice={}\ntoken={}\n", self.service, self.token);
        if let Some(phrase) = &self.phrase {
            text.push_str("phrase=");
            text.push_str(phrase.expose());
            text.push('\n');
        }
        text
    }

    /// The object's body. `phrase` is the service's, which a text that says primary must not contain anywhere.
    ///
    /// # Errors
    /// `Shown` when it would.
    pub fn render(&self, phrase: &FlagPhrase, signature: &[u8; FLAG_SIGNATURE_BYTES]) -> Result<String, FlagError> {
        let text = format!("{}signature={}\n", self.signed_bytes(), BASE64.encode(signature));
        if self.phrase.is_none() && text.contains(phrase.expose()) {
            return Err(FlagError::Shown);
        }
        Ok(text)
    }

    /// Reads the body of the flag of `service`. Anything but the exact form is refused: a hand-edited flag needs a person.
    ///
    /// # Errors
    /// Says what is wrong without quoting the text.
    pub fn parse(service: &ServiceName, body: &[u8]) -> Result<SignedFlag, FlagError> {
        if body.len() > FLAG_BYTES_MAX {
            return Err(FlagError::Long(body.len()));
        }
        let text = std::str::from_utf8(body).map_err(|_| FlagError::Form("not UTF-8"))?;
        let mut lines = text.split('\n');
        if lines.next() != Some(HEAD) {
            return Err(FlagError::Form("the first line"));
        }
        let named = |line: Option<&str>, key: &str, what| {
            line.and_then(|line| line.strip_prefix(key)).map(str::to_owned).ok_or(FlagError::Form(what))
        };
        let found = ServiceName::new(&named(lines.next(), "service=", "the service")?)?;
        let token = Token::parse(&named(lines.next(), "token=", "the token")?)?;
        let phrase = match token.serving {
            Role::Primary => None,
            Role::Standby => {
                let phrase = named(lines.next(), "phrase=", "the phrase of a raised flag")?;
                Some(FlagPhrase::new(Secret::new(phrase)).map_err(|_| FlagError::Form("the phrase"))?)
            }
        };
        let signature = named(lines.next(), "signature=", "the signature")?;
        let signature = BASE64.decode(signature.as_bytes()).map_err(|_| FlagError::Form("the signature"))?;
        let signature = signature.try_into().map_err(|_| FlagError::Form("the signature's length"))?;
        if lines.next() != Some("") || lines.next().is_some() {
            return Err(FlagError::Form("the end"));
        }
        if found != *service {
            return Err(FlagError::Service { found, wanted: service.clone() });
        }
        Ok(SignedFlag { text: Self { service: found, token, phrase }, signature })
    }
}

/// A service's flag that is ours: what the newest move was, over all its stores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedFlag {
    token: Token,
}

impl OwnedFlag {
    /// With the token that was written or found.
    pub fn new(token: Token) -> Self {
        Self { token }
    }

    /// The token that the next write follows.
    pub fn token(&self) -> &Token {
        &self.token
    }

    /// Where the flag sends users: the standby while it is up.
    pub fn serving(&self) -> Role {
        self.token.serving
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHRASE: &str = "c0ffee-c0ffee-c0ffee-c0ffee";
    const LOWERED: &str = "v1;c=main;e=41;s=6;t=primary;d=-";
    const RAISED: &str = "v1;c=main;e=41;s=7;t=standby;d=0123456789abcdef";

    fn phrase() -> FlagPhrase {
        FlagPhrase::new(Secret::new(PHRASE)).unwrap()
    }

    fn login() -> ServiceName {
        ServiceName::new("login").unwrap()
    }

    fn body(token: &str) -> String {
        let text = FlagText::new(login(), Token::parse(token).unwrap(), &phrase());
        text.render(&phrase(), &[7; FLAG_SIGNATURE_BYTES]).unwrap()
    }

    #[test]
    fn a_flag_has_the_phrase_if_and_only_if_it_is_up_and_survives_the_way_through_a_store() {
        for (token, up) in [(LOWERED, false), (RAISED, true)] {
            let body = body(token);
            assert_eq!(body.contains(PHRASE), up);
            let found = FlagText::parse(&login(), body.as_bytes()).unwrap();
            assert_eq!(found.signature, [7; FLAG_SIGNATURE_BYTES]);
            assert_eq!(found.text.token().to_string(), token);
            assert_eq!(found.text.shows(&phrase()), up);
            assert_eq!(found.text.render(&phrase(), &found.signature).unwrap(), body);
            assert!(body.starts_with(&found.text.signed_bytes()));
        }
    }

    #[test]
    fn every_longest_flag_is_short_enough_for_route_53_and_for_our_own_limit() {
        let long = "a".repeat(63);
        let max = u64::MAX;
        let token = Token::parse(&format!("v1;c={long};e={max};s={max};t=standby;d=0123456789abcdef")).unwrap();
        let phrase = FlagPhrase::new(Secret::new("p".repeat(PHRASE_CHARS_MAX))).unwrap();
        let text = FlagText::new(ServiceName::new(&long).unwrap(), token, &phrase);
        assert!(text.render(&phrase, &[255; FLAG_SIGNATURE_BYTES]).unwrap().len() <= FLAG_BYTES_MAX);
    }

    #[test]
    fn no_byte_of_a_flag_can_be_taken_away_added_or_turned_into_another_line() {
        for token in [LOWERED, RAISED] {
            let whole = body(token);
            for cut in 0..whole.len() {
                let _ = FlagText::parse(&login(), &whole.as_bytes()[..cut]).unwrap_err();
            }
            for more in ["\n", " ", "x", "phrase=x\n"] {
                let _ = FlagText::parse(&login(), format!("{whole}{more}").as_bytes()).unwrap_err();
            }
            for edited in [
                whole.replace('\n', "\r\n"),
                whole.replace("quorate-flag v1", "quorate-flag v2"),
                whole.replace("service=login", "service=other"),
                whole.replace("e=41", "e=041"),
                whole.replace("signature=", "signature= "),
                if token == LOWERED {
                    whole.replace("primary", "standby")
                } else {
                    whole.replace("standby", "primary")
                },
                format!("{whole}{}", "x".repeat(FLAG_BYTES_MAX)),
            ] {
                let error = FlagText::parse(&login(), edited.as_bytes()).unwrap_err();
                assert!(!error.to_string().contains(PHRASE), "{error}");
            }
        }
        let _ = FlagText::parse(&login(), &[0xff; 20]).unwrap_err();
    }

    #[test]
    fn a_phrase_is_never_printed_and_a_weak_one_is_refused() {
        let flag = FlagText::parse(&login(), body(RAISED).as_bytes()).unwrap();
        assert!(!format!("{flag:?} {:?}", flag.text).contains(PHRASE));
        for weak in ["", "short", "has blanks in it, and signs", &"x".repeat(PHRASE_CHARS_MAX + 1)] {
            let error = FlagPhrase::new(Secret::new(weak)).unwrap_err();
            assert!(weak.is_empty() || !error.to_string().contains(weak));
        }
    }

    #[test]
    fn a_phrase_that_a_lowered_flag_would_show_is_refused() {
        let text = FlagText::new(login(), Token::parse(LOWERED).unwrap(), &phrase());
        // The Base64 of a signature of zeros is letters only.
        let unlucky = FlagPhrase::new(Secret::new("A".repeat(30))).unwrap();
        assert_eq!(text.render(&unlucky, &[0; FLAG_SIGNATURE_BYTES]), Err(FlagError::Shown));
    }
}
