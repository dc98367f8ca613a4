//! What a command says: data on standard output, everything else on standard error, and no panic when nobody reads.

use super::Failure;
use serde_json::Value;
use std::fmt::Display;
use std::io::{IsTerminal, Write};

/// Writes a line of data and sees that it is gone.
pub(super) fn line(text: impl Display) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(Failure::Output)
}

/// Writes data as it is asked for: as one JSON object, or as text.
pub(super) fn report(json: bool, value: &Value, text: impl Display) -> Result<(), Failure> {
    if json { line(value) } else { line(text) }
}

/// Writes one row of a list: as one JSON object, or its members named here and what else there is to say.
pub(super) fn row(json: bool, value: &Value, members: &[&str], more: &str) -> Result<(), Failure> {
    if json {
        return line(value);
    }
    let text = |name: &&str| match &value[*name] {
        Value::Null => "-".to_owned(),
        Value::String(text) => printable(text),
        other => printable(&other.to_string()),
    };
    let mut cells: Vec<String> = members.iter().map(text).collect();
    if !more.is_empty() {
        cells.push(printable(more));
    }
    line(cells.join("  "))
}

/// Says that something is gone.
pub(super) fn removed(json: bool, id: &str) -> Result<(), Failure> {
    if json {
        return line(serde_json::json!({"id": id, "removed": true}));
    }
    note(format_args!("removed {}", printable(id)));
    Ok(())
}

/// Writes one thing: as one JSON object, or a member a line.
pub(super) fn thing(json: bool, value: &Value) -> Result<(), Failure> {
    if json {
        return line(value);
    }
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let members = value.as_object().into_iter().flatten();
    let lines: Vec<String> =
        members.map(|(name, value)| format!("{name}: {}", printable(&text(value)))).collect();
    line(lines.join("\n"))
}

/// Says something that is not data; there is nobody to tell when that fails.
pub(super) fn note(text: impl Display) {
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}

/// Whether a person reads the data.
pub(super) fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Whether lines of data may have colours.
pub(super) fn has_colours() -> bool {
    is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A text without what a terminal would take for a command.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|one| if one.is_control() { one.escape_unicode().collect() } else { vec![one] })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn a_terminal_is_never_sent_control_characters() {
        assert_eq!(printable("{\"a\":\"\u{9b}31m\u{7f}é\"}"), "{\"a\":\"\\u{9b}31m\\u{7f}é\"}");
    }
}
