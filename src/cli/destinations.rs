//! `campanile destinations`: the webhooks of a tenant.

use super::remote::Remote;
use super::{Failure, output};
use crate::client::{Call, segment};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

#[derive(Args)]
pub(super) struct Destinations {
    #[command(subcommand)]
    action: Action,
    /// Print one JSON object a line
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Action {
    /// List them
    List {
        #[command(flatten)]
        remote: Remote,
    },
    /// Show one
    Show(One),
    /// Create one; its secret is shown this once
    Create {
        /// Where to send events
        #[arg(value_name = "URL")]
        endpoint: String,
        /// Sign with this secret; one is made when there is none
        #[arg(long, env = "WEBHOOK_SECRET", hide_env_values = true)]
        secret: Option<String>,
        /// Do not sign
        #[arg(long, conflicts_with = "secret")]
        unsigned: bool,
        /// Where it begins: now, oldest, a sequence or a time
        #[arg(long)]
        start: Option<String>,
        #[command(flatten)]
        settings: Settings,
        #[command(flatten)]
        remote: Remote,
    },
    /// Change one; what is not given stays
    Update {
        /// Its id
        id: String,
        /// Where to send events
        #[arg(long)]
        to: Option<String>,
        #[command(flatten)]
        settings: Settings,
        #[command(flatten)]
        remote: Remote,
    },
    /// Remove one
    Delete(One),
    /// Ask its endpoint for its consent again
    Verify(One),
    /// Switch it on
    Activate {
        #[command(flatten)]
        one: One,
        /// Skip what happened while it was off
        #[arg(long)]
        skip_backlog: bool,
    },
    /// Switch it off; it keeps its place
    Deactivate(One),
    /// Send one signed sample now and say what came of it
    Test {
        #[command(flatten)]
        one: One,
        /// The sample's type
        #[arg(long = "type")]
        event_type: Option<String>,
    },
    /// Change its secret; the new one is shown this once
    RotateSecret {
        #[command(flatten)]
        one: One,
        /// For so many seconds the earlier secrets sign too
        #[arg(long, default_value = "86400")]
        overlap_s: u64,
    },
    /// Show its figures
    Stats(One),
}

#[derive(Args)]
struct One {
    /// Its id
    id: String,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Args)]
struct Settings {
    /// Only these types, such as pipeline.*
    #[arg(long = "event", value_delimiter = ',')]
    events: Vec<String>,
    /// Only events that this expression holds for
    #[arg(long)]
    filter: Option<String>,
    /// What it is for
    #[arg(long)]
    description: Option<String>,
    /// How bodies are written, such as envelope or cloudevents
    #[arg(long)]
    format: Option<String>,
    /// A header of every delivery, as Name: value
    #[arg(long = "header")]
    headers: Vec<String>,
    /// none, strict, pipeline or `run_id`
    #[arg(long)]
    ordering: Option<String>,
    /// challenge, ping or none
    #[arg(long)]
    verification: Option<String>,
    /// How long the endpoint may take, in milliseconds
    #[arg(long)]
    timeout_ms: Option<u64>,
    /// How many deliveries may be under way
    #[arg(long)]
    max_in_flight: Option<u32>,
    /// At most so many attempts a second
    #[arg(long)]
    rate_limit: Option<u32>,
}

impl Settings {
    fn body(&self) -> Result<Map<String, Value>, Failure> {
        let mut body = Map::new();
        let texts = [
            ("filter", &self.filter),
            ("description", &self.description),
            ("format", &self.format),
            ("ordering", &self.ordering),
            ("verification", &self.verification),
        ];
        for (name, value) in texts {
            if let Some(value) = value {
                body.insert(name.to_owned(), json!(value));
            }
        }
        let numbers = [
            ("timeout_ms", self.timeout_ms),
            ("max_in_flight", self.max_in_flight.map(u64::from)),
            ("rate_limit_per_s", self.rate_limit.map(u64::from)),
        ];
        for (name, value) in numbers {
            if let Some(value) = value {
                body.insert(name.to_owned(), json!(value));
            }
        }
        if !self.events.is_empty() {
            body.insert("events".to_owned(), json!(self.events));
        }
        let mut headers = Map::new();
        for header in &self.headers {
            let Some((name, value)) = header.split_once(':') else {
                // It may be a secret whose colon was forgotten.
                return Err(Failure::Usage("--header takes Name: value, and one has no colon".to_owned()));
            };
            headers.insert(name.trim().to_owned(), json!(value.trim()));
        }
        if !headers.is_empty() {
            body.insert("headers".to_owned(), headers.into());
        }
        Ok(body)
    }
}

impl One {
    fn path(&self, rest: &str) -> String {
        format!("/api/v1/destinations/{}{rest}", segment(&self.id))
    }

    fn post(&self, rest: &str, body: &Value) -> Result<Value, Failure> {
        self.remote.call(Call::post(self.path(rest)).json(body))
    }
}

const MEMBERS: [&str; 3] = ["id", "status", "url"];

impl Destinations {
    pub(super) fn run(self) -> Result<(), Failure> {
        let json = self.json;
        let row = |value: &Value| output::row(json, value, &MEMBERS, "");
        match self.action {
            Action::List { remote } => remote.list(Call::get("/api/v1/destinations"), None, row),
            Action::Show(one) => output::thing(json, &one.remote.call(Call::get(one.path("")))?),
            Action::Stats(one) => output::thing(json, &one.remote.call(Call::get(one.path("/stats")))?),
            Action::Create { endpoint, secret, unsigned, start, settings, remote } => {
                let mut body = settings.body()?;
                body.insert("url".to_owned(), json!(endpoint));
                if let Some(start) = start {
                    body.insert("start".to_owned(), json!(start));
                }
                if secret.is_some() || unsigned {
                    body.insert("secret".to_owned(), json!(secret));
                }
                let made = remote.call(Call::post("/api/v1/destinations").json(&body))?;
                output::row(json, &made, &["id", "status", "url", "secret"], "")
            }
            Action::Update { id, to, settings, remote } => {
                let mut body = settings.body()?;
                if let Some(url) = to {
                    body.insert("url".to_owned(), json!(url));
                }
                let one = One { id, remote };
                row(&one.remote.call(Call::patch(one.path("")).json(&body))?)
            }
            Action::Delete(one) => {
                one.remote.call(Call::delete(one.path("")))?;
                output::removed(json, &one.id)
            }
            Action::Verify(one) => tried(json, &one.post("/verify", &json!({}))?["attempt"], "passed"),
            Action::Test { one, event_type } => {
                let body = event_type.map_or(json!({}), |event_type| json!({"type": event_type}));
                tried(json, &one.post("/test", &body)?, "success")
            }
            Action::Activate { one, skip_backlog } => {
                let backlog = if skip_backlog { "skip" } else { "send" };
                row(&one.post("/activate", &json!({"backlog": backlog}))?)
            }
            Action::Deactivate(one) => row(&one.post("/deactivate", &json!({}))?),
            Action::RotateSecret { one, overlap_s } => {
                let rotated = one.post("/rotate-secret", &json!({"overlap_s": overlap_s}))?;
                output::row(json, &rotated, &["id", "secret", "overlap_until"], "")
            }
        }
    }
}

/// Says what came of asking an endpoint; that it did not agree is a failure.
fn tried(json: bool, attempt: &Value, agreed: &str) -> Result<(), Failure> {
    output::row(json, attempt, &["status", "latency_ms", "error"], "")?;
    if attempt[agreed] == true {
        return Ok(());
    }
    Err(Failure::Command("the endpoint did not take it".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Given {
        #[command(flatten)]
        settings: Settings,
    }

    #[test]
    fn a_header_without_a_colon_is_refused_and_not_shown() {
        let given =
            Given::parse_from(["x", "--header", "X-Team: data", "--header", "Authorization Bearer hush"]);
        let refused = given.settings.body().unwrap_err().to_string();
        assert!(refused.contains("Name: value") && !refused.contains("hush"), "{refused}");
    }
}
