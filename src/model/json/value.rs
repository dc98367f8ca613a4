//! Checking one whole value with a stack of its own, and finding names given twice when an object closes.

use super::text::{Text, unescape};
use super::{Broken, Malformed, Rule};

/// Objects with more members than this are sorted to find a name given twice; smaller ones are compared pairwise.
const PAIRWISE: usize = 12;

/// A frame of the stack that is an array; every other number is where an object's names start in `names`.
const ARRAY: usize = usize::MAX;

/// The memory of a check, kept from one value to the next.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    stack: Vec<usize>,
    names: Vec<Name>,
    unescaped: String,
}

/// A member name.
#[derive(Debug, Clone, Copy)]
struct Name {
    /// Where it stands, its quote included.
    offset: usize,
    /// Where its characters are, in the text or in `unescaped`.
    start: usize,
    end: usize,
    escaped: bool,
}

impl Scratch {
    /// Checks the value at the text's place and steps over it. Malformed text is an error, a broken rule is a
    /// finding: the check goes on after it, because malformed text behind it weighs more.
    pub(super) fn check(
        &mut self,
        text: &mut Text<'_>,
        max_depth: usize,
    ) -> Result<Option<Broken>, Malformed> {
        self.stack.clear();
        self.names.clear();
        self.unescaped.clear();
        let mut broken = None;
        loop {
            // A value starts here.
            match text.peek() {
                Some(open @ (b'{' | b'[')) => {
                    if self.stack.len() == max_depth {
                        broken = broken.or(Some(Broken { offset: text.at, rule: Rule::TooDeep(max_depth) }));
                    }
                    text.at += 1;
                    text.skip_space();
                    let (frame, close) = if open == b'{' { (self.names.len(), b'}') } else { (ARRAY, b']') };
                    if text.peek() == Some(close) {
                        text.at += 1;
                    } else {
                        self.stack.push(frame);
                        if frame != ARRAY {
                            self.name(text, &mut broken)?;
                        }
                        continue;
                    }
                }
                _ => {
                    if let Some(offset) = text.scalar()? {
                        broken = broken.or(Some(Broken { offset, rule: Rule::LoneSurrogate }));
                    }
                }
            }
            // A value ended here: on to the next one, or out of what is complete.
            if !self.next_value(text, &mut broken)? {
                return Ok(broken);
            }
        }
    }

    /// Steps over what stands between two values; false when the outermost value is complete.
    fn next_value(&mut self, text: &mut Text<'_>, broken: &mut Option<Broken>) -> Result<bool, Malformed> {
        while let Some(&frame) = self.stack.last() {
            text.skip_space();
            match text.peek() {
                Some(b',') => {
                    text.at += 1;
                    text.skip_space();
                    if frame != ARRAY {
                        self.name(text, broken)?;
                    }
                    return Ok(true);
                }
                Some(b']') if frame == ARRAY => {}
                Some(b'}') if frame != ARRAY => {
                    if let Some(offset) = self.twice(text.text, frame) {
                        *broken = broken.or(Some(Broken { offset, rule: Rule::DuplicateKey }));
                    }
                    self.names.truncate(frame);
                }
                _ if frame == ARRAY => return Err(text.malformed("a comma or the end of the array")),
                _ => return Err(text.malformed("a comma or the end of the object")),
            }
            text.at += 1;
            self.stack.pop();
        }
        Ok(false)
    }

    /// Reads a member name and the colon after it.
    fn name(&mut self, text: &mut Text<'_>, broken: &mut Option<Broken>) -> Result<(), Malformed> {
        let offset = text.at;
        if text.peek() != Some(b'"') {
            return Err(text.malformed("a member name in quotes"));
        }
        let found = text.string()?;
        if let Some(lone) = found.lone_surrogate {
            *broken = broken.or(Some(Broken { offset: lone, rule: Rule::LoneSurrogate }));
        }
        let mut name =
            Name { offset, start: found.inner.start, end: found.inner.end, escaped: found.escaped };
        if found.escaped {
            name.start = self.unescaped.len();
            self.unescaped.push_str(&unescape(&text.text[found.inner]));
            name.end = self.unescaped.len();
        }
        self.names.push(name);
        text.skip_space();
        text.expect(b':', "a colon after the member name")?;
        text.skip_space();
        Ok(())
    }

    /// Where a name stands that the object, whose names start at `first`, has already.
    fn twice(&mut self, text: &str, first: usize) -> Option<usize> {
        let names = &mut self.names[first..];
        let unescaped = &self.unescaped;
        let characters = |name: &Name| {
            let whole = if name.escaped { unescaped.as_bytes() } else { text.as_bytes() };
            &whole[name.start..name.end]
        };
        if names.len() <= PAIRWISE {
            let known = |at: usize| names[..at].iter().any(|n| characters(n) == characters(&names[at]));
            return (1..names.len()).find(|at| known(*at)).map(|at| names[at].offset);
        }
        names.sort_unstable_by(|a, b| characters(a).cmp(characters(b)).then_with(|| a.offset.cmp(&b.offset)));
        let pairs = names.windows(2).filter(|pair| characters(&pair[0]) == characters(&pair[1]));
        pairs.map(|pair| pair[1].offset).min()
    }
}
