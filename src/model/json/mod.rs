//! Reading JSON from a caller: strict (RFC 8259), in one pass, without recursion, without building a tree.
//!
//! Owns what is well-formed and which further rules every document keeps: UTF-8 without a byte order mark, no
//! member name twice in an object (compared after unescaping), no lone surrogate in an escape, no nesting
//! deeper than allowed. Numbers are checked for their grammar only and keep any size and precision.
//!
//! What must hold: malformed text is always [`Malformed`] with the offset of the first byte that cannot be, also
//! when a rule was broken before it; a broken rule never stops the pass. Time and memory are linear in the text,
//! whatever it holds.

mod compact;
mod pointer;
mod split;
mod text;
mod value;

#[cfg(test)]
mod tests;

pub use compact::compact;
pub use split::members;
pub(crate) use split::spans;

use super::Violation;
use std::borrow::Cow;
use std::ops::Range;
use text::Text;
use value::Scratch;

/// The text is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed JSON at byte {offset}: {expected}")]
pub struct Malformed {
    /// The first byte that cannot be there; the length of the text when it ends too early.
    pub offset: usize,
    /// What would have been right there.
    pub expected: &'static str,
}

/// What kind of value stands somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonKind {
    /// `{...}`
    Object,
    /// `[...]`
    Array,
    /// `"..."`
    String,
    /// A number.
    Number,
    /// `true` or `false`.
    Bool,
    /// `null`
    Null,
}

/// Well-formed text that breaks a rule, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken {
    offset: usize,
    rule: Rule,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    DuplicateKey,
    TooDeep(usize),
    LoneSurrogate,
}

/// Checks a whole text of any kind: the rule that it breaks first, if any. `max_depth` counts objects and arrays
/// around a value, the outermost as one.
pub fn scan(document: &[u8], max_depth: usize) -> Result<Option<Violation>, Malformed> {
    let mut reader = JsonReader::new(document)?;
    reader.value(max_depth)?;
    reader.finish()?;
    Ok(reader.take_broken(0))
}

/// The JSON Pointer of what stands at an offset of a text that was scanned.
pub(crate) fn pointer_at(text: &[u8], offset: usize) -> String {
    std::str::from_utf8(text).map(|text| pointer::of_offset(text, 0, offset)).unwrap_or_default()
}

/// Walks through one document. The caller says where it expects objects, arrays and strings; whole values are
/// checked in one go and given back as spans.
#[derive(Debug)]
pub struct JsonReader<'a> {
    text: Text<'a>,
    broken: Option<Broken>,
    scratch: Scratch,
}

impl<'a> JsonReader<'a> {
    /// Starts at the beginning of a document.
    pub fn new(document: &'a [u8]) -> Result<Self, Malformed> {
        let text = std::str::from_utf8(document)
            .map_err(|error| Malformed { offset: error.valid_up_to(), expected: "the text is UTF-8" })?;
        Ok(Self { text: Text::new(text), broken: None, scratch: Scratch::default() })
    }

    /// How far the reader is.
    pub fn offset(&self) -> usize {
        self.text.at
    }

    /// What kind of value comes next.
    pub fn kind(&mut self) -> Result<JsonKind, Malformed> {
        self.text.skip_space();
        match self.text.peek() {
            Some(b'{') => Ok(JsonKind::Object),
            Some(b'[') => Ok(JsonKind::Array),
            Some(b'"') => Ok(JsonKind::String),
            Some(b't' | b'f') => Ok(JsonKind::Bool),
            Some(b'n') => Ok(JsonKind::Null),
            Some(b'-' | b'0'..=b'9') => Ok(JsonKind::Number),
            _ => Err(self.text.malformed("a value")),
        }
    }

    /// Enters an object: [`JsonReader::next_key`] follows until it says that there is none.
    pub fn enter_object(&mut self) -> Result<(), Malformed> {
        self.text.skip_space();
        self.text.expect(b'{', "an object")
    }

    /// The next member's name in the object just entered; its value must be read next. The caller looks for
    /// names given twice itself, because it knows which it takes.
    pub fn next_key(&mut self, first: bool) -> Result<Option<Cow<'a, str>>, Malformed> {
        if !self.next_item(first, b'}', "a comma or the end of the object")? {
            return Ok(None);
        }
        if self.text.peek() != Some(b'"') {
            return Err(self.text.malformed("a member name in quotes"));
        }
        let name = self.string()?;
        self.text.skip_space();
        self.text.expect(b':', "a colon after the member name")?;
        Ok(Some(name))
    }

    /// Enters an array: [`JsonReader::next_element`] follows until it says that there is none.
    pub fn enter_array(&mut self) -> Result<(), Malformed> {
        self.text.skip_space();
        self.text.expect(b'[', "an array")
    }

    /// Whether the array just entered has another element, which must be read next.
    pub fn next_element(&mut self, first: bool) -> Result<bool, Malformed> {
        self.next_item(first, b']', "a comma or the end of the array")
    }

    fn next_item(&mut self, first: bool, close: u8, expected: &'static str) -> Result<bool, Malformed> {
        self.text.skip_space();
        if self.text.peek() == Some(close) {
            self.text.at += 1;
            return Ok(false);
        }
        if !first {
            self.text.expect(b',', expected)?;
            self.text.skip_space();
        }
        Ok(true)
    }

    /// Reads a string.
    pub fn string(&mut self) -> Result<Cow<'a, str>, Malformed> {
        self.text.skip_space();
        let found = self.text.string()?;
        self.note_surrogate(found.lone_surrogate);
        let raw = &self.text.text[found.inner];
        Ok(if found.escaped { Cow::Owned(text::unescape(raw)) } else { Cow::Borrowed(raw) })
    }

    /// Checks a whole value of any kind, nested at most `max_depth` deep (an empty object is one deep), and says
    /// where it stands.
    pub fn value(&mut self, max_depth: usize) -> Result<Range<usize>, Malformed> {
        self.text.skip_space();
        let start = self.text.at;
        let broken = self.scratch.check(&mut self.text, max_depth)?;
        self.broken = self.broken.or(broken);
        Ok(start..self.text.at)
    }

    /// Checks that nothing follows.
    pub fn finish(&mut self) -> Result<(), Malformed> {
        self.text.skip_space();
        if self.text.peek().is_none() { Ok(()) } else { Err(self.text.malformed("the end of the text")) }
    }

    /// The first rule that was broken since this was last asked, as the caller sees it: its pointer is from the
    /// value that starts at `from`.
    pub fn take_broken(&mut self, from: usize) -> Option<Violation> {
        self.broken.take().map(|broken| self.violation(broken, from))
    }

    fn violation(&self, broken: Broken, from: usize) -> Violation {
        let pointer = pointer::of_offset(self.text.text, from, broken.offset);
        match broken.rule {
            Rule::DuplicateKey => {
                Violation::new(pointer, "this member name is given twice").with_code("duplicate_key")
            }
            Rule::TooDeep(max) => {
                Violation::new(pointer, format!("nested deeper than {max} levels")).with_code("too_deep")
            }
            Rule::LoneSurrogate => {
                Violation::new(pointer, "an escape is half of a surrogate pair").with_code("lone_surrogate")
            }
        }
    }

    fn note_surrogate(&mut self, lone: Option<usize>) {
        let broken = lone.map(|offset| Broken { offset, rule: Rule::LoneSurrogate });
        self.broken = self.broken.or(broken);
    }
}
