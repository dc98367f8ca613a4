//! `campanile tail`: follows the stream and resumes it, so that no restart of the broker loses an event.

use super::Failure;
use super::remote::Remote;
use crate::client::sse::{Message, Parser};
use awc::Client;
use clap::Args;
use futures_util::StreamExt;
use std::io::{IsTerminal, Write};
use std::time::Duration;

/// A stream that says nothing for three keep-alives is gone.
const SILENCE: Duration = Duration::from_secs(45);
const FIRST_RETRY: Duration = Duration::from_secs(2);

#[derive(Args)]
pub(super) struct Tail {
    /// Only these types, such as pipeline.*
    #[arg(long = "type")]
    types: Vec<String>,
    /// Only this pipeline
    #[arg(long)]
    pipeline: Option<String>,
    /// Only this run
    #[arg(long)]
    run_id: Option<String>,
    /// Begin at this time instead of now
    #[arg(long)]
    since: Option<String>,
    /// Resume after this sequence or event id
    #[arg(long)]
    after: Option<String>,
    /// End after this many events
    #[arg(long)]
    count: Option<u64>,
    /// Print each event as one line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// Why a connection ended.
enum End {
    /// Everything asked for was shown.
    Done,
    /// The connection broke or was closed: it is resumed.
    Broken,
}

impl Tail {
    pub(super) fn run(self) -> Result<(), Failure> {
        actix_rt::System::new().block_on(self.follow())
    }

    async fn follow(&self) -> Result<(), Failure> {
        let mut parser = Parser::default();
        let mut last_id = self.after.clone();
        let mut shown = 0;
        loop {
            match self.connect(&mut parser, &mut last_id, &mut shown).await? {
                End::Done => return Ok(()),
                End::Broken => {
                    parser.reconnect();
                    tokio::time::sleep(parser.retry().unwrap_or(FIRST_RETRY)).await;
                }
            }
        }
    }

    async fn connect(
        &self,
        parser: &mut Parser,
        last_id: &mut Option<String>,
        shown: &mut u64,
    ) -> Result<End, Failure> {
        let client = Client::builder().disable_timeout().disable_redirects().finish();
        let mut request =
            client.get(self.remote.address(&self.path(last_id.is_none()))).bearer_auth(&self.remote.key);
        request = request.insert_header(("accept", "text/event-stream"));
        if let Some(id) = &last_id {
            request = request.insert_header(("last-event-id", id.as_str()));
        }
        let Ok(mut answer) = request.send().await else { return Ok(End::Broken) };
        if answer.status().is_client_error() {
            let body = answer.body().await.unwrap_or_default();
            let text = String::from_utf8_lossy(&body).into_owned();
            return Err(Failure::Command(format!("the broker answered {}: {text}", answer.status())));
        }
        while let Ok(Some(Ok(chunk))) = tokio::time::timeout(SILENCE, answer.next()).await {
            for message in parser.feed(&chunk) {
                if let Some(id) = parser.last_id() {
                    *last_id = Some(id.to_owned());
                }
                if !self.show(&message)? {
                    continue;
                }
                *shown += 1;
                if self.count.is_some_and(|count| *shown >= count) {
                    return Ok(End::Done);
                }
            }
            if let Some(id) = parser.last_id() {
                *last_id = Some(id.to_owned());
            }
        }
        Ok(End::Broken)
    }

    fn path(&self, is_first: bool) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for one in &self.types {
            query.append_pair("type", one);
        }
        let since = self.since.as_ref().filter(|_| is_first);
        for (name, value) in
            [("pipeline", self.pipeline.as_ref()), ("run_id", self.run_id.as_ref()), ("since", since)]
        {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        format!("/api/v1/events/stream?{}", query.finish())
    }

    /// Shows an event; false for what the stream says of itself.
    fn show(&self, message: &Message) -> Result<bool, Failure> {
        if message.event.starts_with("stream.") {
            if message.event == "stream.gap" {
                eprintln!("events are missing: {}", message.data);
            }
            return Ok(false);
        }
        let mut out = std::io::stdout().lock();
        let colours = out.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        if self.json {
            writeln!(out, "{}", message.data)?;
        } else if colours {
            writeln!(out, "\x1b[2m{}\x1b[0m \x1b[1m{}\x1b[0m {}", message.id, message.event, message.data)?;
        } else {
            writeln!(out, "{} {} {}", message.id, message.event, message.data)?;
        }
        out.flush()?;
        Ok(true)
    }
}
