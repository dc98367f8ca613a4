//! `campanile tail`: follows the stream and resumes it, so that no restart of the broker loses an event.

use super::remote::{Remote, refused};
use super::{Failure, output};
use crate::client::sse::{Message, Parser};
use awc::http::{Method, StatusCode};
use clap::Args;
use futures_util::StreamExt;
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
    /// Only events that this expression holds for, such as 'data.rows > 1000'
    #[arg(long)]
    filter: Option<String>,
    /// Begin at this time instead of now
    #[arg(long)]
    since: Option<String>,
    /// Resume after this sequence or event id
    #[arg(long)]
    after: Option<String>,
    /// End after this many events
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
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
    Broken(String),
}

/// What is known across connections.
#[derive(Default)]
struct Reading {
    parser: Parser,
    /// Where to resume; `None` as long as `since` says it.
    place: Option<String>,
    shown: u64,
    /// Whether the outage that goes on has been told.
    is_told: bool,
}

impl Tail {
    pub(super) fn run(self) -> Result<(), Failure> {
        actix_rt::System::new().block_on(self.follow())
    }

    async fn follow(&self) -> Result<(), Failure> {
        let mut reading = Reading { place: self.after.clone(), ..Reading::default() };
        loop {
            let End::Broken(why) = self.connect(&mut reading).await? else { return Ok(()) };
            if !std::mem::replace(&mut reading.is_told, true) {
                output::note(format_args!("{why}; trying again"));
            }
            reading.parser.reconnect();
            tokio::time::sleep(reading.parser.retry().unwrap_or(FIRST_RETRY)).await;
        }
    }

    /// "From now on" is a place too: with it, an event that comes while the first connection breaks is not missed.
    async fn find_place(&self, reading: &mut Reading) -> Result<Option<End>, Failure> {
        if reading.place.is_some() || self.since.is_some() {
            return Ok(None);
        }
        let head = self.remote.exchange(Method::GET, "/api/v1/events?order=desc&limit=1", None).await;
        match head {
            Ok(page) => reading.place = page["head_cursor"].as_str().map(str::to_owned),
            Err(Failure::Unreachable(why)) => return Ok(Some(End::Broken(why))),
            Err(failure) => return Err(failure),
        }
        Ok(None)
    }

    async fn connect(&self, reading: &mut Reading) -> Result<End, Failure> {
        if let Some(end) = self.find_place(reading).await? {
            return Ok(end);
        }
        let path = self.path(reading.place.is_none());
        let mut request = self.remote.request(&self.remote.client()?, Method::GET, &path);
        request = request.insert_header(("accept", "text/event-stream"));
        if let Some(place) = &reading.place {
            request = request.insert_header(("last-event-id", place.as_str()));
        }
        let mut answer = match tokio::time::timeout(SILENCE, request.send()).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                return Ok(End::Broken(format!("{} does not answer: {error}", self.remote.url)));
            }
            Err(_) => return Ok(End::Broken(format!("{} does not answer", self.remote.url))),
        };
        let status = answer.status();
        if !status.is_success() {
            let body = answer.body().await.unwrap_or_default();
            let failure = refused(status, &String::from_utf8_lossy(&body));
            let passes = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
            return if passes { Ok(End::Broken(failure.to_string())) } else { Err(failure) };
        }
        if std::mem::take(&mut reading.is_told) {
            output::note(format_args!("{} answers again", self.remote.url));
        }
        while let Ok(Some(Ok(chunk))) = tokio::time::timeout(SILENCE, answer.next()).await {
            if self.take(reading, &chunk)? {
                return Ok(End::Done);
            }
        }
        Ok(End::Broken(format!("the stream of {} has ended", self.remote.url)))
    }

    /// Shows what a piece of the stream completes; true when that was enough.
    fn take(&self, reading: &mut Reading, chunk: &[u8]) -> Result<bool, Failure> {
        for message in reading.parser.feed(chunk) {
            if message.event.starts_with("stream.") {
                if message.event == "stream.gap" {
                    output::note(format_args!("events are missing: {}", output::printable(&message.data)));
                }
                continue;
            }
            self.show(&message)?;
            reading.shown += 1;
            if self.count.is_some_and(|count| reading.shown >= count) {
                return Ok(true);
            }
        }
        if let Some(id) = reading.parser.last_id() {
            reading.place = Some(id.to_owned());
        }
        Ok(false)
    }

    fn path(&self, is_first: bool) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for one in &self.types {
            query.append_pair("type", one);
        }
        let since = self.since.as_ref().filter(|_| is_first);
        for (name, value) in [
            ("pipeline", self.pipeline.as_ref()),
            ("run_id", self.run_id.as_ref()),
            ("filter", self.filter.as_ref()),
            ("since", since),
        ] {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        format!("/api/v1/events/stream?{}", query.finish())
    }

    fn show(&self, message: &Message) -> Result<(), Failure> {
        if self.json {
            return output::line(&message.data);
        }
        let Message { id, event, data } = message;
        if !output::is_terminal() {
            return output::line(format_args!("{id} {event} {data}"));
        }
        let (id, event, data) = (output::printable(id), output::printable(event), output::printable(data));
        if output::has_colours() {
            output::line(format_args!("\x1b[2m{id}\x1b[0m \x1b[1m{event}\x1b[0m {data}"))
        } else {
            output::line(format_args!("{id} {event} {data}"))
        }
    }
}
