//! `campanile publish`: one event, or a line each from standard input. What is given is sent byte for byte.

use super::remote::{Remote, block_on, text};
use super::{Failure, output};
use crate::client::{Call, Client};
use clap::Args;
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::io::{BufRead, BufReader, IsTerminal, Read};

/// What the API takes at once, with room for the brackets.
const MOST_LINES: usize = 1000;
const MOST_BYTES: usize = 1_000_000;

/// What is at hand is sent: a slow producer is not waited for.
const READ_BYTES: usize = 256 * 1024;

#[derive(Args)]
pub(super) struct Publish {
    /// The event's type, such as pipeline.completed
    #[arg(required_unless_present = "lines")]
    event_type: Option<String>,
    /// Its data, a JSON object; - reads it from standard input
    #[arg(long, default_value = "{}")]
    data: String,
    /// The pipeline it belongs to
    #[arg(long)]
    pipeline: Option<String>,
    /// The run it belongs to
    #[arg(long)]
    run_id: Option<String>,
    /// An id of your own: publishing it again changes nothing
    #[arg(long)]
    id: Option<String>,
    /// Publish whole events from standard input, one line of JSON each
    #[arg(long, conflicts_with_all = ["event_type", "data", "pipeline", "run_id", "id"])]
    lines: bool,
    /// Print each stored event as a line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Serialize)]
struct Draft<'a> {
    #[serde(rename = "type")]
    event_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pipeline: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<&'a str>,
    data: &'a RawValue,
}

/// Where an event is.
#[derive(Deserialize)]
struct Stored {
    id: String,
    sequence: u64,
}

#[derive(Deserialize)]
struct StoredBatch<'a> {
    #[serde(borrow)]
    events: Vec<&'a RawValue>,
}

impl Publish {
    pub(super) fn run(self) -> Result<(), Failure> {
        block_on(async {
            let client = self.remote.client()?;
            let Some(event_type) = &self.event_type else {
                let mut input = BufReader::with_capacity(READ_BYTES, std::io::stdin().lock());
                return self.many(&client, &mut input).await;
            };
            self.one(&client, event_type).await
        })
    }

    async fn one(&self, client: &Client, event_type: &str) -> Result<(), Failure> {
        let mut data = self.data.clone();
        if data == "-" {
            data.clear();
            std::io::stdin().read_to_string(&mut data)?;
        }
        let data = RawValue::from_string(data.trim().to_owned())
            .map_err(|error| Failure::Data(format!("--data is no JSON: {error}")))?;
        let (id, pipeline, run_id) = (self.id.as_deref(), self.pipeline.as_deref(), self.run_id.as_deref());
        let draft = Draft { event_type, id, pipeline, run_id, data: &data };
        let call = Call::post("/api/v1/events").json(&draft).named();
        self.show(&text(client, call).await?)
    }

    /// Batch after batch: each is stored as a whole or not at all.
    async fn many(&self, client: &Client, input: &mut BufReader<impl Read>) -> Result<(), Failure> {
        let bar = ProgressBar::no_length();
        if !std::io::stderr().is_terminal() {
            bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
        }
        let (mut batch, mut first) = (Batch::default(), 1);
        loop {
            let is_last = batch.fill(input)?;
            let last = first + batch.lines - 1;
            if !batch.text.is_empty() {
                let sent = publish(client, std::mem::take(&mut batch.text)).await;
                let stored = sent.inspect_err(|_| {
                    output::note(format_args!(
                        "lines {first} to {last} were not acknowledged, later ones not sent"
                    ));
                })?;
                bar.set_position(last as u64);
                self.show_all(&stored)?;
            }
            first += std::mem::take(&mut batch.lines);
            if is_last {
                bar.finish_and_clear();
                return Ok(());
            }
        }
    }

    fn show_all(&self, answer: &str) -> Result<(), Failure> {
        let stored: StoredBatch<'_> = serde_json::from_str(answer).map_err(std::io::Error::from)?;
        stored.events.iter().try_for_each(|one| self.show(one.get()))
    }

    fn show(&self, stored: &str) -> Result<(), Failure> {
        if self.json {
            return output::line(stored);
        }
        let stored: Stored = serde_json::from_str(stored).map_err(std::io::Error::from)?;
        output::line(format_args!("{} {}", stored.sequence, stored.id))
    }
}

/// Publishes lines, all of them or none.
async fn publish(client: &Client, lines: String) -> Result<String, Failure> {
    let call = Call::post("/api/v1/events/batch").body("application/x-ndjson", lines);
    text(client, call.named()).await
}

/// Lines that are sent together.
#[derive(Default)]
struct Batch {
    text: String,
    lines: usize,
    /// Read already, but too much for the batch before.
    ahead: String,
}

impl Batch {
    /// Takes the lines that are at hand, up to the bounds; true at the end of the input. An empty line only counts.
    fn fill(&mut self, input: &mut BufReader<impl Read>) -> std::io::Result<bool> {
        loop {
            if self.ahead.is_empty() && input.read_line(&mut self.ahead)? == 0 {
                return Ok(true);
            }
            let is_full = self.lines == MOST_LINES || self.text.len() + self.ahead.len() > MOST_BYTES;
            if is_full && self.lines > 0 {
                return Ok(false);
            }
            if !self.ahead.trim().is_empty() {
                self.text.push_str(self.ahead.trim_end_matches(['\n', '\r']));
                self.text.push('\n');
            }
            self.ahead.clear();
            self.lines += 1;
            if input.buffer().is_empty() {
                return Ok(false);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_into_batches_that_the_api_takes_and_none_is_lost() {
        let long = "x".repeat(600_000);
        let text = format!("{}{long}\n{long}\nlast", "a\r\n".repeat(2500));
        let mut input = BufReader::with_capacity(4 << 20, text.as_bytes());
        let (mut batch, mut sizes) = (Batch::default(), Vec::new());
        loop {
            let is_last = batch.fill(&mut input).unwrap();
            sizes.push(std::mem::take(&mut batch.lines));
            assert!(std::mem::take(&mut batch.text).len() <= MOST_BYTES);
            if is_last {
                break;
            }
        }
        assert_eq!(sizes, [1000, 1000, 501, 2, 0]);
    }

    #[test]
    fn an_empty_line_is_counted_and_not_sent() {
        let (mut input, mut batch) = (BufReader::new(&b"a\n\n  \nb\n"[..]), Batch::default());
        assert!(!batch.fill(&mut input).unwrap());
        assert_eq!((batch.lines, &*batch.text), (4, "a\nb\n"));
        assert!(batch.fill(&mut input).unwrap());
    }
}
