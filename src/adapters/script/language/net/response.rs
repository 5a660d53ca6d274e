//! IMAP's answers, read strictly enough that a server cannot make a probe believe what it did not say (RFC 3501, section 7).

/// How deep lists may nest: those that are asked for have two levels.
const MAX_DEPTH: usize = 8;
/// One value of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// A word or a number as it stands, NIL included.
    Atom(String),
    /// A quoted string or a literal.
    Text(Vec<u8>),
    /// A list in parentheses.
    List(Vec<Value>),
}

impl Value {
    /// The word, if it is one.
    pub(super) fn atom(&self) -> Option<&str> {
        match self {
            Self::Atom(atom) => Some(atom),
            _ => None,
        }
    }

    /// The bytes of a text.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Text(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Whether it is this word, in any case of its letters.
    pub(super) fn is(&self, word: &str) -> bool {
        self.atom().is_some_and(|atom| atom.eq_ignore_ascii_case(word))
    }
}

/// The length of the literal that this line announces at its end: `{123}`.
pub(super) fn announced(line: &[u8]) -> Option<usize> {
    let inner = line.strip_suffix(b"}")?;
    let at = inner.iter().rposition(|byte| *byte == b'{')?;
    let digits = std::str::from_utf8(inner.get(at + 1..)?).ok()?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // One that does not fit is larger than any cap.
    Some(digits.parse().unwrap_or(usize::MAX))
}

/// The values of one answer, in which a literal's bytes follow its announcement and a line feed. Each takes one off what is `left`.
pub(super) fn values(bytes: &[u8], left: &mut usize) -> Option<Vec<Value>> {
    let mut reader = Reader { bytes, left };
    let values = reader.list(0)?;
    reader.bytes.is_empty().then_some(values)
}

struct Reader<'a> {
    bytes: &'a [u8],
    left: &'a mut usize,
}

impl Reader<'_> {
    /// Values up to the list's end, which stays.
    fn list(&mut self, depth: usize) -> Option<Vec<Value>> {
        let mut values = Vec::new();
        loop {
            match self.bytes.first() {
                Some(b' ') => self.skip(1),
                None | Some(b')') => return Some(values),
                Some(_) => {
                    *self.left = self.left.checked_sub(1)?;
                    values.push(self.value(depth)?);
                }
            }
        }
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        match self.bytes.first()? {
            b'(' if depth < MAX_DEPTH => {
                self.skip(1);
                let values = self.list(depth + 1)?;
                (self.bytes.first() == Some(&b')')).then(|| self.skip(1))?;
                Some(Value::List(values))
            }
            b'(' => None,
            b'"' => self.quoted().map(Value::Text),
            b'{' => self.literal().map(Value::Text),
            _ => self.atom().map(Value::Atom),
        }
    }

    fn quoted(&mut self) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        let mut escaped = false;
        for (at, byte) in self.bytes.iter().enumerate().skip(1) {
            match byte {
                b'\\' if !escaped => escaped = true,
                b'"' if !escaped => {
                    self.skip(at + 1);
                    return Some(text);
                }
                byte => {
                    escaped = false;
                    text.push(*byte);
                }
            }
        }
        None
    }

    fn literal(&mut self) -> Option<Vec<u8>> {
        let end = self.bytes.iter().position(|byte| *byte == b'\n')?;
        let count = announced(self.bytes.get(..end)?)?;
        let text = self.bytes.get(end + 1..)?.get(..count)?.to_vec();
        self.skip(end + 1 + count);
        Some(text)
    }

    /// A word; in brackets, as in `BODY[HEADER.FIELDS (TO)]`, blanks and parentheses belong to it.
    fn atom(&mut self) -> Option<String> {
        let mut brackets = 0_usize;
        let mut end = self.bytes.len();
        for (at, byte) in self.bytes.iter().enumerate() {
            match byte {
                b'[' => brackets += 1,
                b']' => brackets = brackets.saturating_sub(1),
                b' ' | b'(' | b')' if brackets == 0 => {
                    end = at;
                    break;
                }
                _ => {}
            }
        }
        let word = String::from_utf8_lossy(self.bytes.get(..end)?).into_owned();
        self.skip(end);
        (!word.is_empty()).then_some(word)
    }

    fn skip(&mut self, count: usize) {
        self.bytes = self.bytes.get(count..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn atom(text: &str) -> Value {
        Value::Atom(text.to_owned())
    }

    fn read(answer: &[u8]) -> Option<Vec<Value>> {
        values(answer, &mut 100)
    }

    #[test]
    fn no_more_values_are_read_than_are_left() {
        let mut left = 3;
        assert!(values(b"1 (2)", &mut left).is_some() && left == 0);
        assert_eq!(values(b"4", &mut left), None);
    }

    #[test]
    fn words_texts_literals_and_lists_are_told_apart() {
        let answer = b"12 FETCH (UID 7 INTERNALDATE \"17-Jul-1996 \\\"x\" BODY[HEADER.FIELDS (TO CC)] {6}\na)\r\n(\" FLAGS (\\Seen))";
        let list = vec![
            atom("UID"),
            atom("7"),
            atom("INTERNALDATE"),
            Value::Text(b"17-Jul-1996 \"x".to_vec()),
            atom("BODY[HEADER.FIELDS (TO CC)]"),
            Value::Text(b"a)\r\n(\"".to_vec()),
            atom("FLAGS"),
            Value::List(vec![atom("\\Seen")]),
        ];
        assert_eq!(read(answer), Some(vec![atom("12"), atom("FETCH"), Value::List(list)]));
    }

    #[test]
    fn what_is_broken_is_not_read_at_all() {
        let deep = [b"(".repeat(9), b")".repeat(9)].concat();
        for broken in [&b"(a"[..], b"a)", b"\"a", b"{5}\nab", b"{5}", &deep] {
            assert_eq!(read(broken), None, "{}", String::from_utf8_lossy(broken));
        }
        assert_eq!(read(b""), Some(Vec::new()));
    }

    #[test]
    fn a_literal_is_announced_at_the_end_of_a_line_only() {
        assert_eq!(announced(b"* 1 FETCH (BODY[] {12}"), Some(12));
        assert_eq!(announced(b"{99999999999999999999999}"), Some(usize::MAX));
        for none in [&b"{12} "[..], b"{}", b"12}", b"{1a}", b"{-1}"] {
            assert_eq!(announced(none), None);
        }
    }
}
