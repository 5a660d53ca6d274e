//! Which scripts and settings something was seen by.

use std::fmt;

use sha2::{Digest, Sha256};

/// A mark of a check's script and settings. Votes by different generations are never counted together (S18).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Generation(u64);

impl Generation {
    /// The mark of these texts: the first eight bytes of their SHA-256, each text with its length.
    pub fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut hash = Sha256::new();
        for text in texts {
            hash.update(text.len().to_be_bytes());
            hash.update(text.as_bytes());
        }
        Self(hash.finalize().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// The mark of both together, in this order; nothing and a mark are that mark.
    pub fn and(self, other: Self) -> Self {
        match (self.0, other.0) {
            (0, mark) | (mark, 0) => Self(mark),
            // An odd multiplier, so that no two marks are mixed into one by the order they come in.
            (first, second) => Self(first.rotate_left(23).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ second),
        }
    }

    /// Reads a mark; none when the text is not 16 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let sound = text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if sound { u64::from_str_radix(text, 16).ok().map(Self) } else { None }
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}
