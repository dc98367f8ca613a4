//! Following the event stream: over connections that break and brokers that restart.
//!
//! What must hold: every future can be dropped and asked for again without losing an event.

use super::call::Call;
use super::connection::Client;
use super::error::{Error, Problem};
use super::events::Query;
use super::exchange::Reply;
use super::models::Event;
use super::resume::{Reading, is_final};
use super::sse::Message;
use crate::clock;
use bytes::Bytes;
use futures_util::Stream;
use serde::Deserialize;
use serde_json::Value;
use std::fmt;
use std::time::Duration;
use tokio::time::Instant;

/// A stream without a byte for three keep-alives of the broker is dead.
const SILENCE: Duration = Duration::from_secs(45);
const LARGEST_REFUSAL: usize = 1 << 20;

/// Events that are gone: between the place that was asked for and the oldest that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Gap {
    /// `trimmed`, `unknown` or `ahead`.
    pub reason: String,
    /// How many, where that is known.
    pub missed: Option<u64>,
    /// The oldest place that is kept.
    pub oldest: Option<String>,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.missed {
            Some(missed) => write!(f, "{missed} events are gone ({})", self.reason),
            None => write!(f, "events may be gone ({})", self.reason),
        }
    }
}

/// Something that happened to a stream.
#[derive(Debug)]
#[non_exhaustive]
pub enum Heard {
    /// An event, as it came.
    Message(Message),
    /// Events are gone; the stream goes on after them.
    Gap(Gap),
    /// There is no connection; it is tried again after a while.
    Interrupted(Error),
    /// There is a connection.
    Connected,
}

/// Events as they happen, each once and in order, also when the connection breaks or the broker restarts.
///
/// [`EventStream::next`] is what most programs need. A program that must not hear an event twice after a restart of its
/// own keeps [`EventStream::place`] once it has done with an event, and begins with [`Query::after`] next time.
///
/// ```no_run
/// # async fn run(client: campanile::client::Client) -> Result<(), campanile::client::Error> {
/// use campanile::client::{Error, Query};
///
/// let mut stream = client.events().stream(&Query::new().of_type("pipeline.failed").after(4711));
/// while let Some(event) = stream.next().await {
///     match event {
///         Ok(event) => println!("{}: {}", event.id, event.data),
///         Err(Error::Gap(gap)) => eprintln!("{gap}"),
///         Err(error) => return Err(error),
///     }
///     // A place to keep: std::fs::write("place", stream.place().unwrap_or_default())
/// }
/// # Ok(()) }
/// ```
pub struct EventStream {
    client: Client,
    query: Query,
    reading: Reading,
    connection: Option<Reply>,
    /// When the silence of the connection has lasted too long.
    silent_at: Instant,
    /// No dial before this.
    dial_at: Option<Instant>,
    has_ended: bool,
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").field("place", &self.place()).finish_non_exhaustive()
    }
}

impl EventStream {
    pub(super) fn new(client: Client, query: Query) -> Self {
        let reading = Reading::at(query.after.clone());
        let (connection, silent_at) = (None, soon(SILENCE));
        Self { client, query, reading, connection, silent_at, dial_at: None, has_ended: false }
    }

    /// The place after the event that was given last, to go on from with [`Query::after`]. `None` before the first
    /// connection.
    pub fn place(&self) -> Option<&str> {
        self.reading.place()
    }

    /// The next event; `None` at the end of a query that has one, and after an error that will not pass. After
    /// [`Error::Gap`] the stream goes on. The future may be dropped: no event is lost by it.
    pub async fn next(&mut self) -> Option<Result<Event, Error>> {
        loop {
            match self.advance().await? {
                Ok(Heard::Message(message)) => return Some(self.event(&message)),
                Ok(Heard::Gap(gap)) => return Some(Err(Error::Gap(gap))),
                Ok(Heard::Interrupted(_) | Heard::Connected) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// The same with everything that happens to the connection, and events as they came.
    pub async fn advance(&mut self) -> Option<Result<Heard, Error>> {
        while !self.has_ended {
            if let Some(message) = self.reading.take() {
                match self.meaning(message) {
                    Some(heard) => return Some(heard),
                    None => continue,
                }
            }
            if self.connection.is_some() {
                if let Some(error) = self.read().await {
                    return Some(Ok(self.interrupt(error)));
                }
                continue;
            }
            return Some(match self.connect().await {
                Ok(()) => Ok(Heard::Connected),
                Err(error) if is_final(&error) => {
                    self.has_ended = true;
                    Err(error)
                }
                Err(error) => Ok(self.interrupt(error)),
            });
        }
        None
    }

    /// As a stream of events, for the combinators of the futures libraries.
    pub fn into_stream(self) -> impl Stream<Item = Result<Event, Error>> + Send {
        futures_util::stream::unfold(self, |mut stream| async move {
            let event = stream.next().await?;
            Some((event, stream))
        })
    }

    fn event(&self, message: &Message) -> Result<Event, Error> {
        let read = serde_json::from_str::<Event>(&message.data);
        let mut event = read.map_err(|error| self.unexpected(error.to_string()))?;
        event.sequence = event.sequence.or_else(|| message.id.parse().ok());
        Ok(event)
    }

    /// What a message says of the stream itself; `None` when there is nothing to hear.
    fn meaning(&mut self, message: Message) -> Option<Result<Heard, Error>> {
        match message.event.as_str() {
            "stream.closing" => None,
            "stream.end" => {
                self.has_ended = true;
                None
            }
            "stream.gap" => {
                let gap = serde_json::from_str(&message.data).map(Heard::Gap);
                Some(gap.map_err(|error| self.unexpected(error.to_string())))
            }
            _ => Some(Ok(Heard::Message(message))),
        }
    }

    /// Reads what comes next; the error that ended the connection, if one did.
    async fn read(&mut self) -> Option<Error> {
        let reply = self.connection.as_mut()?;
        match tokio::time::timeout_at(self.silent_at, reply.chunk()).await {
            Ok(Some(Ok(bytes))) => {
                self.reading.feed(&bytes);
                self.silent_at = soon(SILENCE);
                None
            }
            Ok(Some(Err(detail))) => Some(self.client.unreachable(detail)),
            Ok(None) => Some(self.client.unreachable("the stream has ended")),
            Err(_) => Some(self.client.unreachable("the stream is silent")),
        }
    }

    fn interrupt(&mut self, error: Error) -> Heard {
        self.connection = None;
        let asked = error.problem().and_then(|problem| problem.retry_after);
        self.dial_at = Some(soon(self.reading.wait(asked, clock::random_unit())));
        Heard::Interrupted(error)
    }

    async fn connect(&mut self) -> Result<(), Error> {
        if let Some(at) = self.dial_at {
            tokio::time::sleep_until(at).await;
            self.dial_at = None;
        }
        self.find_place().await?;
        let opened = tokio::time::timeout(SILENCE, self.client.open(&self.call(), Bytes::new())).await;
        let timed_out = Error::TimedOut { url: self.client.url().to_owned(), after: SILENCE };
        let reply = opened.unwrap_or(Err(timed_out))?;
        if reply.status != 200 {
            let (status, headers) = (reply.status, reply.headers.clone());
            let body = tokio::time::timeout(SILENCE, reply.whole(LARGEST_REFUSAL)).await;
            let body = body.ok().and_then(Result::ok).unwrap_or_default();
            return Err(Error::Refused(Box::new(Problem::of(status, &headers, &body))));
        }
        let media_type = super::error::header(&reply.headers, "content-type").unwrap_or_default();
        if !media_type.starts_with("text/event-stream") {
            return Err(self.unexpected(format!("the stream has the type {media_type:?}")));
        }
        (self.connection, self.silent_at) = (Some(reply), soon(SILENCE));
        Ok(())
    }

    /// "From now on" is a place too: with it, an event that comes while the first connection breaks is not missed.
    async fn find_place(&mut self) -> Result<(), Error> {
        if self.reading.place().is_some() || self.query.since.is_some() {
            return Ok(());
        }
        let head = Call::get("/api/v1/events").query("order", "desc").query("limit", 1);
        let page: Value = self.client.fetch(head).await?;
        let place = page["head_cursor"].as_str();
        let place = place.ok_or_else(|| self.unexpected("a page without head_cursor".to_owned()))?;
        self.reading.begin_at(place.to_owned());
        Ok(())
    }

    fn call(&self) -> Call {
        let call = self.query.on(Call::get("/api/v1/events/stream"));
        let call = call.header("accept", "text/event-stream").header("cache-control", "no-store");
        match self.reading.place() {
            Some(place) => call.header("last-event-id", place),
            None => call.query_if("since", self.query.since.as_ref()),
        }
    }

    fn unexpected(&self, detail: String) -> Error {
        Error::Unexpected { url: self.client.url().to_owned(), detail }
    }
}

fn soon(wait: Duration) -> Instant {
    Instant::from_std(clock::instant()) + wait
}
