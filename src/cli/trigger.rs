//! `campanile trigger`: publishes the sample of an event type, changed where the caller says so. Everything else of the
//! sample stays as it is written.

use super::remote::{Remote, block_on, text};
use super::{Failure, output};
use crate::client::{Call, segment};
use crate::model::json;
use clap::Args;
use serde_json::{Value, json};
use std::ops::Range;

/// Members of a sample that belong to the sample alone: an event that happens now has its own.
const OF_THE_SAMPLE: [&str; 2] = ["id", "timestamp"];

#[derive(Args)]
pub(super) struct Trigger {
    /// The event's type, one that the broker knows
    event_type: String,
    /// Change a member of the event, such as data.rows=5; the value is JSON, or else a text. May be repeated
    #[arg(long, value_name = "PATH=VALUE", value_parser = assignment)]
    set: Vec<Assignment>,
    /// Only print the event, do not publish it
    #[arg(long)]
    dry_run: bool,
    /// Wait for the functions of a PRE event
    #[arg(long, conflicts_with = "dry_run")]
    wait: bool,
    /// Print the answer as a line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// What a member becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Assignment {
    path: Vec<String>,
    /// JSON.
    value: String,
}

fn assignment(text: &str) -> Result<Assignment, String> {
    let (path, value) = text.split_once('=').ok_or("as in data.rows=5")?;
    let path: Vec<String> = path.split('.').map(str::to_owned).collect();
    if path.iter().any(String::is_empty) {
        return Err("the path is names with dots between them, as in data.rows".to_owned());
    }
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(value).is_ok();
    let value = if is_json { value.trim().to_owned() } else { json!(value).to_string() };
    Ok(Assignment { path, value })
}

impl Trigger {
    pub(super) fn run(self) -> Result<(), Failure> {
        block_on(async {
            let client = self.remote.client()?;
            let path = format!("/api/v1/event-types/{}/sample", segment(&self.event_type));
            let sample = text(&client, Call::get(path)).await?;
            let event = changed(&sample, &self.set).map_err(Failure::Data)?;
            if self.dry_run {
                return output::line(event);
            }
            let call = Call::post("/api/v1/events").body("application/json", event).named();
            // A function may take five minutes unless it says otherwise.
            let call = if self.wait { call.query("wait", true).waiting_ms(300_000) } else { call };
            let stored = text(&client, call).await?;
            self.show(&stored)
        })
    }

    fn show(&self, stored: &str) -> Result<(), Failure> {
        if self.json {
            return output::line(stored);
        }
        let answer: Value = serde_json::from_str(stored).map_err(std::io::Error::from)?;
        let said = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match answer["sequence"].as_u64() {
            Some(sequence) => output::line(format_args!("{sequence} {}", said(&answer["id"]))),
            // Functions were asked.
            None => output::line(format_args!(
                "{} {} functions: {}",
                said(&answer["data"]["event_id"]),
                answer["data"]["total_subscribers"],
                said(&answer["message"])
            )),
        }
    }
}

/// The event to publish: the sample with its changes.
fn changed(sample: &str, changes: &[Assignment]) -> Result<String, String> {
    let members = json::members(sample.as_bytes(), 0..sample.len());
    let members = members.ok_or("the sample of this type cannot be read")?;
    let kept = members.iter().filter(|(name, _)| !OF_THE_SAMPLE.contains(&&**name));
    let kept: Vec<String> =
        kept.map(|(name, span)| format!("{}:{}", json!(name), &sample[span.clone()])).collect();
    let mut event = format!("{{{}}}", kept.join(","));
    for change in changes {
        event = with(&event, &change.path, &change.value)
            .map_err(|why| format!("--set {}={}: {why}", change.path.join("."), change.value))?;
    }
    Ok(event)
}

/// A JSON text with another value at a path. Objects on the way are made where there are none.
fn with(text: &str, path: &[String], value: &str) -> Result<String, String> {
    let Some((name, rest)) = path.split_first() else { return Ok(value.to_owned()) };
    let replaced = |span: Range<usize>| -> Result<String, String> {
        let inner = with(&text[span.clone()], rest, value)?;
        Ok(format!("{}{inner}{}", &text[..span.start], &text[span.end..]))
    };
    if let Some(members) = json::members(text.as_bytes(), 0..text.len()) {
        if let Some((_, span)) = members.into_iter().find(|(known, _)| known == name) {
            return replaced(span);
        }
        let inner = with("{}", rest, value)?;
        let open = text.trim_end().strip_suffix('}').unwrap_or(text).trim_end();
        let comma = if open.ends_with('{') { "" } else { "," };
        return Ok(format!("{open}{comma}{}:{inner}}}", json!(name)));
    }
    if text.starts_with('[') {
        let index: usize = name.parse().map_err(|_| format!("{name} is no place in a list"))?;
        let element = json::spans(text.as_bytes(), b'[').nth(index);
        let (_, span) = element.ok_or_else(|| format!("the list has no element {index}"))?;
        return replaced(span);
    }
    Err(format!("there is no member {name} in {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = r#"{"id":"evt_1","type":"a.b","timestamp":"2026-01-01T00:00:00Z","pipeline":"p","data":{"n": 1.10,"list":[{"a":1}, 2],"s":"x"}}"#;

    fn set(changes: &[&str]) -> Result<String, String> {
        let changes: Result<Vec<Assignment>, String> = changes.iter().map(|text| assignment(text)).collect();
        changed(SAMPLE, &changes?)
    }

    #[test]
    fn what_is_not_changed_stays_as_it_is_written() {
        let plain = r#"{"type":"a.b","pipeline":"p","data":{"n": 1.10,"list":[{"a":1}, 2],"s":"x"}}"#;
        assert_eq!(set(&[]).unwrap(), plain);
        for (change, from, to) in [
            ("data.n=5", "1.10", "5"),
            ("data.s=hello world", r#""x""#, r#""hello world""#),
            ("data.s=a=b", r#""x""#, r#""a=b""#),
            (r#"data.s={"k":[1]}"#, r#""x""#, r#"{"k":[1]}"#),
            ("data.list.0.a=2", r#"{"a":1}"#, r#"{"a":2}"#),
            ("data.list.1=null", ", 2]", ", null]"),
            ("pipeline=other", r#""p""#, r#""other""#),
            ("run_id=\"7\"", r#""s":"x"}}"#, r#""s":"x"},"run_id":"7"}"#),
            ("data.deep.er=true", r#""s":"x"}}"#, r#""s":"x","deep":{"er":true}}}"#),
            ("data={}", r#"{"n": 1.10,"list":[{"a":1}, 2],"s":"x"}"#, "{}"),
        ] {
            assert_eq!(set(&[change]).unwrap(), plain.replacen(from, to, 1), "{change}");
        }
        assert_eq!(
            set(&["data={}", "data.a=1", "data.b=2"]).unwrap(),
            r#"{"type":"a.b","pipeline":"p","data":{"a":1,"b":2}}"#
        );
    }

    #[test]
    fn what_cannot_be_changed_is_said() {
        for wrong in ["data.n", "=5", "data..n=5", "data.n.m=5", "data.list.x=1", "data.list.2=1"] {
            assert!(set(&[wrong]).is_err(), "{wrong}");
        }
    }
}
