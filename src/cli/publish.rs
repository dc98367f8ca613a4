//! `campanile publish TYPE`: one event, or a line each from standard input.

use super::Failure;
use super::remote::Remote;
use awc::http::Method;
use clap::Args;
use serde_json::{Map, Value, json};

#[derive(Args)]
pub(super) struct Publish {
    /// The event's type, such as pipeline.completed
    event_type: String,
    /// Its data, a JSON object
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
    /// Print the stored event as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

impl Publish {
    pub(super) fn run(self) -> Result<(), Failure> {
        let data: Value = serde_json::from_str(&self.data)
            .map_err(|error| Failure::Usage(format!("--data is no JSON: {error}")))?;
        let mut event =
            Map::from_iter([("type".to_owned(), json!(self.event_type)), ("data".to_owned(), data)]);
        for (name, value) in [("pipeline", self.pipeline), ("run_id", self.run_id), ("id", self.id)] {
            if let Some(value) = value {
                event.insert(name.to_owned(), json!(value));
            }
        }
        let stored = self.remote.call(Method::POST, "/api/v1/events", Some(&Value::Object(event)))?;
        if self.json {
            println!("{stored}");
        } else {
            println!("{} {}", stored["sequence"], stored["id"].as_str().unwrap_or_default());
        }
        Ok(())
    }
}
