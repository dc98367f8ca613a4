//! What a request for an event stream asks for.

use super::App;
use super::auth::Caller;
use super::params::Params;
use super::problem::Problem;
use crate::clock;
use crate::delivery::stream::machine::Pace;
use crate::delivery::stream::{Begin, StreamFormat};
use crate::log::LogError;
use crate::model::{EventFilter, EventId, Scope, Sequence, TenantId};
use actix_web::HttpRequest;

/// The parameters of `GET /events/stream`. `lastEventId` is how some `EventSource` libraries spell it.
pub(super) const STREAM: &[&str] = &[
    "type",
    "pipeline",
    "run_id",
    "filter",
    "since",
    "until",
    "speed",
    "format",
    "last_event_id",
    "lastEventId",
    "on_gap",
    "ticket",
];

/// The parameters of `GET /events` when it is answered with a stream: those of a list, which has pages, too.
pub(super) const LIST: &[&str] = &[
    "type",
    "pipeline",
    "run_id",
    "filter",
    "since",
    "until",
    "speed",
    "format",
    "last_event_id",
    "lastEventId",
    "on_gap",
    "ticket",
    "cursor",
    "limit",
    "order",
    "wait_ms",
];

/// A request for a stream, every parameter read.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) caller: Caller,
    /// To be used up when the stream is opened.
    pub(super) ticket: Option<String>,
    pub(super) filter: EventFilter,
    pub(super) format: StreamFormat,
    pub(super) begin: Begin,
    pub(super) pace: Pace,
    pub(super) fails_on_gap: bool,
}

impl Asked {
    pub(super) async fn read(request: &HttpRequest, app: &App, known: &[&str]) -> Result<Self, Problem> {
        let params = Params::read(request.query_string(), known)?;
        let caller = caller(request, app, &params)?;
        let filter = params.filter()?;
        let format = params.parsed("format", "envelope, flat or cloudevents", format)?.unwrap_or_default();
        let fails_on_gap = params.parsed("on_gap", "fail or continue", |text| match text {
            "fail" => Some(true),
            "continue" => Some(false),
            _ => None,
        })?;
        let pace = params.parsed("speed", "1x, 10x or max", pace)?.unwrap_or_default();
        // A stream has no pages and always waits: these two change nothing, but a list takes them.
        params.whole("limit", 1..=1000)?;
        params.whole("wait_ms", 0..=30_000)?;
        params.parsed("order", "asc: a stream goes forward", |text| (text == "asc").then_some(()))?;
        let begin = begin(request, app, &params, caller.tenant(), &filter).await?;
        let ticket = params.text("ticket").map(str::to_owned);
        let fails_on_gap = fails_on_gap.unwrap_or(false);
        Ok(Self { caller, ticket, filter, format, begin, pace, fails_on_gap })
    }
}

/// A browser's `EventSource` can send no header: it brings a ticket.
fn caller(request: &HttpRequest, app: &App, params: &Params) -> Result<Caller, Problem> {
    let Some(ticket) = params.text("ticket") else { return Caller::of(request, app, Scope::EventsRead) };
    let caller = app.tickets.look_at(ticket, clock::now()).and_then(|key| Caller::by_id(app, key));
    let caller = caller.ok_or_else(bad_ticket)?;
    caller.require(Scope::EventsRead)?;
    Ok(caller)
}

pub(super) fn bad_ticket() -> Problem {
    Problem::unauthorized("this ticket is not known, used or expired")
}

fn format(text: &str) -> Option<StreamFormat> {
    match text {
        "envelope" => Some(StreamFormat::Envelope),
        "flat" => Some(StreamFormat::Flat),
        "cloudevents" => Some(StreamFormat::CloudEvents),
        _ => None,
    }
}

fn pace(text: &str) -> Option<Pace> {
    match text {
        "1x" => Some(Pace::Times(1)),
        "10x" => Some(Pace::Times(10)),
        "max" => Some(Pace::Max),
        _ => None,
    }
}

fn malformed() -> Problem {
    Problem::bad_request("Last-Event-ID must be a sequence or an event's id")
}

/// The header wins over the query; both name a place or an event. Else `since` or `until`, else live.
async fn begin(
    request: &HttpRequest,
    app: &App,
    params: &Params,
    tenant: TenantId,
    filter: &EventFilter,
) -> Result<Begin, Problem> {
    let mut headers = request.headers().get_all("last-event-id");
    let header = headers.next().map(|value| value.to_str().map_err(|_| malformed())).transpose()?;
    if headers.next().is_some() {
        return Err(malformed());
    }
    let queries = ["last_event_id", "lastEventId"].into_iter().filter_map(|name| params.text(name));
    let given = header.into_iter().chain(queries).find(|text| !text.is_empty());
    if let Some(given) = given {
        return place(app, tenant, given).await;
    }
    let cursor = params.parsed("cursor", "a cursor from an earlier answer", Sequence::parse)?;
    if let Some(cursor) = cursor {
        return Ok(Begin::After(cursor));
    }
    let replays = filter.since.is_some() || filter.until.is_some();
    Ok(if replays { Begin::Oldest } else { Begin::Live })
}

/// The place that a sequence or an event's id names.
async fn place(app: &App, tenant: TenantId, given: &str) -> Result<Begin, Problem> {
    if let Some(place) = Sequence::parse(given) {
        return Ok(Begin::After(place));
    }
    let id = EventId::parse(given).map_err(|_| malformed())?;
    match app.broker.log().find(tenant, id).await {
        Ok(Some(event)) => Ok(Begin::After(event.sequence())),
        // Publishers name events as they like: another well-formed text counts only if there is such an event.
        Ok(None) if given.starts_with("evt_") => Ok(Begin::Unknown),
        Ok(None) => Err(malformed()),
        Err(LogError::Corrupt { sequence, .. }) => Ok(Begin::After(sequence)),
        Err(error) => Err(error.into()),
    }
}
