//! Telling where in a document something stands, after the fact: only needed when a rule is broken.

use super::text::unescape;
use crate::model::Violation;

/// Pointers longer than this end in an ellipsis: an answer must not grow with hostile names.
const MAX_POINTER: usize = 1024;

#[derive(Debug)]
enum Step<'a> {
    Index(usize),
    Name(Option<&'a str>),
}

/// The JSON Pointer, from the value that starts at `from`, of what stands at `offset`. The text was checked at
/// least up to there.
pub(super) fn of_offset(text: &str, from: usize, offset: usize) -> String {
    let bytes = text.as_bytes();
    let mut steps: Vec<Step<'_>> = Vec::new();
    let mut at = from;
    while at < offset {
        match bytes[at] {
            b'{' => steps.push(Step::Name(None)),
            b'[' => steps.push(Step::Index(0)),
            b'}' | b']' => drop(steps.pop()),
            b',' => match steps.last_mut() {
                Some(Step::Index(index)) => *index += 1,
                Some(Step::Name(name)) => *name = None,
                None => {}
            },
            b'"' => {
                let end = string_end(bytes, at);
                if end >= offset {
                    break;
                }
                name_step(&mut steps, &text[at + 1..end]);
                at = end;
            }
            _ => {}
        }
        at += 1;
    }
    // What stands there may itself be a member name.
    if bytes.get(offset) == Some(&b'"') {
        name_step(&mut steps, &text[offset + 1..string_end(bytes, offset)]);
    }
    render(&steps)
}

/// Where the string that opens at `open` closes.
fn string_end(bytes: &[u8], open: usize) -> usize {
    let mut at = open + 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at.min(bytes.len())
}

fn name_step<'a>(steps: &mut [Step<'a>], raw: &'a str) {
    if let Some(Step::Name(name @ None)) = steps.last_mut() {
        *name = Some(raw);
    }
}

fn render(steps: &[Step<'_>]) -> String {
    let mut pointer = String::new();
    for step in steps {
        match step {
            Step::Index(index) => {
                pointer.push('/');
                pointer.push_str(&index.to_string());
            }
            Step::Name(Some(raw)) => {
                pointer.push('/');
                pointer.push_str(&Violation::escape(&unescape(raw)));
            }
            Step::Name(None) => {}
        }
        if pointer.len() > MAX_POINTER {
            pointer.truncate(pointer.floor_char_boundary(MAX_POINTER));
            pointer.push('…');
            break;
        }
    }
    pointer
}
