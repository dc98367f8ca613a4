//! `campanile replay`: sends stored events to a destination again, and shows how far that is.

use super::remote::{Remote, block_on, value};
use super::{Failure, output};
use crate::client::{Call, Client, segment};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressDrawTarget};
use serde_json::{Map, Value, json};
use std::io::IsTerminal;
use std::time::Duration;

/// How often a replay is asked how far it is.
const PAUSE: Duration = Duration::from_millis(250);

#[derive(Args)]
pub(super) struct Replay {
    #[command(subcommand)]
    action: Action,
    /// Print one JSON object a line
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Action {
    /// Begin one and wait for its end
    Start(Start),
    /// List replays, the newest first
    List {
        /// Only of this destination
        #[arg(long)]
        destination: Option<String>,
        #[command(flatten)]
        remote: Remote,
    },
    /// Show how far one is
    Show {
        /// Its id
        id: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// Stop one
    Stop {
        /// Its id
        id: String,
        #[command(flatten)]
        remote: Remote,
    },
}

#[derive(Args)]
struct Start {
    /// The destination's id
    destination: String,
    /// Only events of this time or later
    #[arg(long)]
    since: Option<String>,
    /// Only events before this time
    #[arg(long)]
    until: Option<String>,
    /// Only events of these types, such as pipeline.*
    #[arg(long = "type", value_delimiter = ',')]
    types: Vec<String>,
    /// Which deliveries
    #[arg(long, value_parser = ["failed", "missing", "all"], default_value = "failed")]
    only: String,
    /// At most so many a second
    #[arg(long)]
    rate: Option<u32>,
    /// Only count what it would send
    #[arg(long)]
    dry_run: bool,
    /// Do not wait for its end
    #[arg(long)]
    detach: bool,
    #[command(flatten)]
    remote: Remote,
}

const MEMBERS: [&str; 7] = ["id", "destination_id", "status", "only", "total", "done", "failed"];

impl Replay {
    pub(super) fn run(self) -> Result<(), Failure> {
        let json = self.json;
        match self.action {
            Action::Start(start) => start.run(json),
            Action::List { destination, remote } => {
                let call = Call::get("/api/v1/replays").query_if("destination_id", destination);
                remote.list(call, None, |one| output::row(json, one, &MEMBERS, ""))
            }
            Action::Show { id, remote } => {
                let path = format!("/api/v1/replays/{}", segment(&id));
                output::thing(json, &remote.call(Call::get(path))?)
            }
            Action::Stop { id, remote } => {
                remote.call(Call::delete(format!("/api/v1/replays/{}", segment(&id))))?;
                if json {
                    return output::line(json!({"id": id, "stopped": true}));
                }
                output::note(format_args!("stopped {}", output::printable(&id)));
                Ok(())
            }
        }
    }
}

impl Start {
    fn run(&self, json: bool) -> Result<(), Failure> {
        block_on(async {
            let client = self.remote.client()?;
            let path = format!("/api/v1/destinations/{}/replay", segment(&self.destination));
            let made = value(&client, Call::post(path).json(&self.body())).await?;
            if self.dry_run {
                return output::report(json, &made, format_args!("{} deliveries", made["total"]));
            }
            if self.detach {
                return output::row(json, &made, &MEMBERS, "");
            }
            let ended = wait(&client, made).await?;
            output::row(json, &ended, &MEMBERS, "")?;
            match (ended["status"].as_str(), ended["failed"].as_u64()) {
                (Some("done"), Some(0)) => Ok(()),
                (Some("done"), failed) => {
                    Err(Failure::Command(format!("{} deliveries failed", failed.unwrap_or_default())))
                }
                _ => Err(Failure::Command("the replay was stopped".to_owned())),
            }
        })
    }

    fn body(&self) -> Value {
        let mut body = Map::new();
        body.insert("only".to_owned(), json!(self.only));
        for (name, value) in [("since", &self.since), ("until", &self.until)] {
            if let Some(value) = value {
                body.insert(name.to_owned(), json!(value));
            }
        }
        if !self.types.is_empty() {
            body.insert("types".to_owned(), json!(self.types));
        }
        if let Some(rate) = self.rate {
            body.insert("rate_per_s".to_owned(), json!(rate));
        }
        if self.dry_run {
            body.insert("dry_run".to_owned(), json!(true));
        }
        body.into()
    }
}

/// Follows a replay to its end, with a bar on a terminal. A broker that restarts goes on with it, and so does this.
async fn wait(client: &Client, mut replay: Value) -> Result<Value, Failure> {
    let bar = ProgressBar::no_length();
    if !std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let path = format!("/api/v1/replays/{}", segment(replay["id"].as_str().unwrap_or_default()));
    while ["queued", "running"].contains(&replay["status"].as_str().unwrap_or_default()) {
        if let Some(total) = replay["total"].as_u64() {
            bar.set_length(total);
        }
        bar.set_position(replay["done"].as_u64().unwrap_or(0) + replay["failed"].as_u64().unwrap_or(0));
        tokio::time::sleep(PAUSE).await;
        match value(client, Call::get(&path)).await {
            Ok(shown) => replay = shown,
            Err(Failure::Unreachable(_)) => {}
            Err(failure) => return Err(failure),
        }
    }
    bar.finish_and_clear();
    Ok(replay)
}
