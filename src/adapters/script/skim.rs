//! A page's start tags, read off its text without decoding anything: what most pages are made of, at a twentieth of a tokenizer's cost. It
//! knows the tokenizer's rules (HTML, section 13.2.5) for plain markup and gives up before the rest: who sees it give up asks a tokenizer.

/// Elements whose content is text up to their end tag.
const OF_TEXT: [&str; 5] = ["script", "style", "title", "textarea", "xmp"];

/// A start tag.
#[derive(Debug, Default)]
pub(super) struct Tag<'p> {
    /// In lower case.
    pub(super) name: &'p str,
    /// Names in lower case, values as they are; of repeated ones all, in their order. Empty where nobody wants to know.
    pub(super) attributes: Vec<(&'p str, &'p str)>,
}

impl<'p> Tag<'p> {
    /// The attribute's value.
    pub(super) fn attr(&self, name: &str) -> Option<&'p str> {
        self.attributes.iter().find(|(own, _)| *own == name).map(|(_, value)| *value)
    }
}

/// It is not plain markup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Strange;

/// Reads a page's start tags.
#[derive(Debug)]
pub(super) struct Skim<'p> {
    page: &'p str,
    at: usize,
}

impl<'p> Skim<'p> {
    /// Before the first tag.
    pub(super) fn new(page: &'p str) -> Self {
        Self { page, at: 0 }
    }

    /// Goes to the next start tag and gives its name; nothing after the last one.
    pub(super) fn name(&mut self) -> Result<Option<&'p str>, Strange> {
        loop {
            let Some(found) = self.rest().find('<') else { return Ok(None) };
            self.at += found + 1;
            match self.peek() {
                Some(letter) if letter.is_ascii_alphabetic() => return self.word(is_of_element).map(Some),
                Some(b'/') => self.end_tag()?,
                Some(b'!') => self.declaration()?,
                Some(b'?') | None => return Err(Strange),
                // A sign like any other.
                Some(_) => {}
            }
        }
    }

    /// Reads the tag of that name to its end, with its attributes if they are wanted.
    pub(super) fn attributes(&mut self, tag: &mut Tag<'p>, wanted: bool) -> Result<(), Strange> {
        tag.attributes.clear();
        loop {
            self.blanks();
            match self.peek().ok_or(Strange)? {
                b'>' => break,
                b'/' => self.at += 1,
                _ => {
                    let name = self.word(is_of_attribute)?;
                    self.blanks();
                    let value = if self.peek() == Some(b'=') { self.value()? } else { "" };
                    // What would have to be decoded.
                    if wanted && value.contains(['&', '\r', '\0']) {
                        return Err(Strange);
                    }
                    if wanted {
                        tag.attributes.push((name, value));
                    }
                }
            }
        }
        self.at += 1;
        if OF_TEXT.contains(&tag.name) { self.text_of(tag.name) } else { Ok(()) }
    }

    fn rest(&self) -> &'p str {
        self.page.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.page.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(is_blank) {
            self.at += 1;
        }
    }

    /// A name of plain signs in lower case, after which something else comes that ends it.
    fn word(&mut self, is_plain: fn(u8) -> bool) -> Result<&'p str, Strange> {
        let from = self.at;
        while self.peek().is_some_and(is_plain) {
            self.at += 1;
        }
        let ends = self.peek().is_some_and(|sign| is_blank(sign) || matches!(sign, b'/' | b'>' | b'='));
        let word = self.page.get(from..self.at).filter(|word| ends && !word.is_empty());
        word.ok_or(Strange)
    }

    /// What comes after a `=`.
    fn value(&mut self) -> Result<&'p str, Strange> {
        self.at += 1;
        self.blanks();
        let (from, length) = match self.peek().ok_or(Strange)? {
            b'"' => (self.at + 1, self.rest().get(1..).unwrap_or_default().find('"')),
            b'\'' => (self.at + 1, self.rest().get(1..).unwrap_or_default().find('\'')),
            _ => (self.at, self.rest().bytes().position(|sign| is_blank(sign) || sign == b'>')),
        };
        let length = length.ok_or(Strange)?;
        let value = self.page.get(from..from + length).ok_or(Strange)?;
        if from > self.at {
            self.at = from + length + 1;
            // Something must come between two attributes.
            let apart = self.peek().is_some_and(|sign| is_blank(sign) || matches!(sign, b'/' | b'>'));
            return if apart { Ok(value) } else { Err(Strange) };
        }
        self.at = from + length;
        if value.is_empty() || value.contains(['"', '\'', '<', '=', '`']) { Err(Strange) } else { Ok(value) }
    }

    /// An end tag without anything but its name.
    fn end_tag(&mut self) -> Result<(), Strange> {
        self.at += 1;
        if !self.peek().ok_or(Strange)?.is_ascii_alphabetic() {
            return Err(Strange);
        }
        self.word(is_of_element)?;
        self.blanks();
        if self.peek() != Some(b'>') {
            return Err(Strange);
        }
        self.at += 1;
        Ok(())
    }

    /// A comment, or the document type that pages have today.
    fn declaration(&mut self) -> Result<(), Strange> {
        const DOCTYPE: &str = "!doctype html>";
        let rest = self.rest();
        if rest.get(..DOCTYPE.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(DOCTYPE)) {
            self.at += DOCTYPE.len();
            return Ok(());
        }
        let comment = rest.strip_prefix("!--").filter(|comment| !comment.starts_with(['>', '-']));
        let comment = comment.ok_or(Strange)?;
        let end = comment.find("-->").ok_or(Strange)?;
        if comment.get(..end).is_none_or(|inside| inside.contains("--!")) {
            return Err(Strange);
        }
        self.at += "!--".len() + end + "-->".len();
        Ok(())
    }

    /// Goes past the text of an element that holds nothing else, up to its end tag.
    fn text_of(&mut self, name: &str) -> Result<(), Strange> {
        let from = self.at;
        loop {
            let end = self.rest().find("</").ok_or(Strange)?;
            let after = self.rest().get(end + "</".len()..).unwrap_or_default();
            let its_own = after.get(..name.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(name));
            if its_own {
                self.at += end;
                // In a script, comments hide end tags.
                let text = self.page.get(from..self.at).unwrap_or_default();
                let hides = name == "script" && text.contains("<!--");
                let ends =
                    after.starts_with(name) && after.get(name.len()..).is_some_and(|rest| rest.starts_with('>'));
                return if ends && !hides { Ok(()) } else { Err(Strange) };
            }
            self.at += end + "</".len();
        }
    }
}

fn is_blank(sign: u8) -> bool {
    matches!(sign, b' ' | b'\t' | b'\n' | b'\x0c' | b'\r')
}

fn is_of_element(sign: u8) -> bool {
    sign.is_ascii_lowercase() || sign.is_ascii_digit() || sign == b'-'
}

fn is_of_attribute(sign: u8) -> bool {
    is_of_element(sign) || matches!(sign, b'_' | b':' | b'.' | b'@')
}
