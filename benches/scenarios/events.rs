//! The events that are published: of a given size, and for the large log of many kinds.

use std::fmt::Write;

/// One event draft of about `bytes` bytes.
pub(crate) fn draft(bytes: usize, number: u64) -> String {
    let start = format!(
        r#"{{"type":"pipeline.completed","pipeline":"user-analytics","run_id":"run_0001","data":{{"n":{number},"status":"success","rows_loaded":950,"duration_ms":48211,"note":""#
    );
    let padding = bytes.saturating_sub(start.len() + 3);
    format!("{start}{}\"}}}}", "x".repeat(padding))
}

/// A batch of equal drafts.
pub(crate) fn batch(events: usize, bytes: usize) -> String {
    wrap((0..events as u64).map(|number| draft(bytes, number)))
}

/// The same as lines.
pub(crate) fn lines(events: usize, bytes: usize) -> String {
    (0..events as u64).map(|number| draft(bytes, number) + "\n").collect()
}

/// A batch of the large log: events `first..first + count`, ten a second from `base_ms` on.
pub(crate) fn varied(first: u64, count: u64, base_ms: i64) -> String {
    wrap((first..first + count).map(|number| varied_draft(number, base_ms)))
}

/// The time of an event of the large log.
pub(crate) fn time_of(number: u64, base_ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(base_ms + number as i64 * 100);
    at.expect("the fill lies in this century").to_string()
}

fn varied_draft(number: u64, base_ms: i64) -> String {
    let event_type = match number {
        number if number % 10_000 == 77 => "audit.key.removed",
        number if number % 1000 == 13 => "pipeline.failed",
        number if number % 10 < 3 => "pipeline.completed",
        number if number % 10 < 6 => "pipeline.stage.started",
        number if number % 10 < 9 => "pipeline.stage.completed",
        _ => "connection.synced",
    };
    let mut text = String::with_capacity(320);
    let _ = write!(
        text,
        r#"{{"type":"{event_type}","timestamp":"{}","pipeline":"pipeline-{}","run_id":"run_{}","data":{{"n":{number},"status":"success","rows_loaded":{},"note":""#,
        time_of(number, base_ms),
        number % 97,
        number / 50,
        number.wrapping_mul(2_654_435_761) % 100_000,
    );
    while text.len() < 297 {
        text.push('x');
    }
    text.push_str("\"}}");
    text
}

fn wrap(drafts: impl Iterator<Item = String>) -> String {
    format!(r#"{{"events":[{}]}}"#, drafts.collect::<Vec<_>>().join(","))
}
