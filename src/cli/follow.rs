//! Following an event stream across restarts of the broker: what `tail` and `listen` share.

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

/// Which events.
#[derive(Args)]
pub(super) struct Selection {
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
}

/// What is done with each event.
pub(super) trait Hear {
    /// Takes one event. What comes after it waits.
    async fn hear(&mut self, message: &Message) -> Result<(), Failure>;
}

/// Gives every event that is selected to `to`, in order, until there were as many as asked for.
pub(super) async fn follow(
    remote: &Remote,
    selection: &Selection,
    to: &mut impl Hear,
) -> Result<(), Failure> {
    let mut reading = Reading { place: selection.after.clone(), ..Reading::default() };
    let follower = Follower { remote, selection };
    loop {
        let End::Broken(why) = follower.connect(&mut reading, to).await? else { return Ok(()) };
        if !std::mem::replace(&mut reading.is_told, true) {
            output::note(format_args!("{why}; trying again"));
        }
        reading.parser.reconnect();
        tokio::time::sleep(reading.parser.retry().unwrap_or(FIRST_RETRY)).await;
    }
}

struct Follower<'a> {
    remote: &'a Remote,
    selection: &'a Selection,
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

impl Follower<'_> {
    /// "From now on" is a place too: with it, an event that comes while the first connection breaks is not missed.
    async fn find_place(&self, reading: &mut Reading) -> Result<Option<End>, Failure> {
        if reading.place.is_some() || self.selection.since.is_some() {
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

    async fn connect(&self, reading: &mut Reading, to: &mut impl Hear) -> Result<End, Failure> {
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
            if self.take(reading, &chunk, to).await? {
                return Ok(End::Done);
            }
        }
        Ok(End::Broken(format!("the stream of {} has ended", self.remote.url)))
    }

    /// Hands on what a piece of the stream completes; true when that was enough.
    async fn take(&self, reading: &mut Reading, chunk: &[u8], to: &mut impl Hear) -> Result<bool, Failure> {
        for message in reading.parser.feed(chunk) {
            if message.event.starts_with("stream.") {
                if message.event == "stream.gap" {
                    output::note(format_args!("events are missing: {}", output::printable(&message.data)));
                }
                continue;
            }
            to.hear(&message).await?;
            reading.shown += 1;
            if self.selection.count.is_some_and(|count| reading.shown >= count) {
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
        for one in &self.selection.types {
            query.append_pair("type", one);
        }
        let since = self.selection.since.as_ref().filter(|_| is_first);
        for (name, value) in [
            ("pipeline", self.selection.pipeline.as_ref()),
            ("run_id", self.selection.run_id.as_ref()),
            ("filter", self.selection.filter.as_ref()),
            ("since", since),
        ] {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        format!("/api/v1/events/stream?{}", query.finish())
    }
}
