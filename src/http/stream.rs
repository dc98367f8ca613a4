//! `GET /events/stream`: who may open one, where it begins, what it wants.

use super::App;
use super::auth::Caller;
use super::params::Params;
use super::problem::Problem;
use super::stream_body::{Pace, StreamBody, StreamSetup};
use crate::clock;
use crate::delivery::stream::{Begin, Gap, StreamFormat, busy_block, start};
use crate::log::{Bounds, LogError};
use crate::model::{EventFilter, EventId, Scope, Sequence, TenantId};
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use std::sync::atomic::Ordering;

const KNOWN: &[&str] = &[
    "type",
    "pipeline",
    "run_id",
    "since",
    "until",
    "format",
    "last_event_id",
    "on_gap",
    "ticket",
    "speed",
    "limit",
];

/// Opens a stream.
pub(crate) async fn open(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let params = Params::read(request.query_string(), KNOWN)?;
    let caller = caller(&request, &app, &params)?;
    let mut filter = params.filter()?;
    let format = params.parsed("format", "envelope, flat or cloudevents", read_format)?.unwrap_or_default();
    let fails_on_gap = params.parsed("on_gap", "fail or continue", |text| match text {
        "fail" => Some(true),
        "continue" => Some(false),
        _ => None,
    })?;
    let pace = params.parsed("speed", "1x, 10x or max", read_pace)?.unwrap_or(Pace::Max);
    let begin = begin(&request, &app, &params, caller.tenant(), &filter).await?;
    let Some(open) = OpenStream::claim(&app) else { return busy(&request) };
    let bounds = *app.broker.log().bounds().borrow();
    let (place, gap) = start(begin, bounds.oldest, bounds.head);
    if let Some(gap) = gap.filter(|_| fails_on_gap == Some(true)) {
        return Err(gone(gap, bounds));
    }
    // A finite replay ends at the head of its opening; `until` by time is its filter.
    let ends_at = filter.until.map(|_| bounds.head);
    if matches!(begin, Begin::Live) && ends_at.is_some() && filter.since.is_none() {
        filter.since = None;
    }
    let setup = StreamSetup { caller, filter, format, place, gap, ends_at, pace };
    let body = StreamBody::new(app.clone(), open, setup);
    Ok(response().streaming(body.into_stream()))
}

fn response() -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response.content_type("text/event-stream");
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    response.insert_header(("x-accel-buffering", "no"));
    response
}

/// An open stream, counted for as long as it lives.
#[derive(Debug)]
pub(super) struct OpenStream(web::Data<App>);

impl OpenStream {
    fn claim(app: &web::Data<App>) -> Option<Self> {
        let this = Self(app.clone());
        let open = app.streams.fetch_add(1, Ordering::Relaxed);
        let fits = open < app.broker.config().stream.max_clients && !*app.broker.draining().borrow();
        fits.then_some(this)
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An `EventSource` never comes back after an error status: it is asked to come back instead.
fn busy(request: &HttpRequest) -> Result<HttpResponse, Problem> {
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("");
    if accept.contains("text/event-stream") {
        return Ok(response().body(busy_block(clock::random_unit())));
    }
    Err(Problem::unavailable(
        "overloaded",
        "no stream can be opened now: too many are open, or the broker stops",
        2,
    ))
}

fn gone(gap: Gap, bounds: Bounds) -> Problem {
    let missed = match gap {
        Gap::Trimmed { missed } => Some(missed),
        Gap::Unknown | Gap::Ahead => None,
    };
    let detail = match gap {
        Gap::Trimmed { .. } => "the place is older than what is kept",
        Gap::Unknown => "the place is not known",
        Gap::Ahead => "the place is ahead of the log",
    };
    let problem = Problem::new(actix_web::http::StatusCode::GONE, "trimmed", detail);
    problem.with_member("oldest_cursor", bounds.oldest.previous().to_string()).with_member("missed", missed)
}

fn caller(request: &HttpRequest, app: &App, params: &Params) -> Result<Caller, Problem> {
    let Some(ticket) = params.text("ticket") else { return Caller::of(request, app, Scope::EventsRead) };
    let key = app.tickets.redeem(ticket, clock::now());
    let caller = key.and_then(|key| Caller::by_id(app, key));
    let caller = caller.ok_or_else(|| Problem::unauthorized("this ticket is not known, used or expired"))?;
    caller.require(Scope::EventsRead)?;
    Ok(caller)
}

fn read_format(text: &str) -> Option<StreamFormat> {
    match text {
        "envelope" => Some(StreamFormat::Envelope),
        "flat" => Some(StreamFormat::Flat),
        "cloudevents" => Some(StreamFormat::CloudEvents),
        _ => None,
    }
}

fn read_pace(text: &str) -> Option<Pace> {
    match text {
        "1x" => Some(Pace::Times(1)),
        "10x" => Some(Pace::Times(10)),
        "max" => Some(Pace::Max),
        _ => None,
    }
}

/// The header wins over the query; both name a place or an event. Else `since`, else live.
async fn begin(
    request: &HttpRequest,
    app: &App,
    params: &Params,
    tenant: TenantId,
    filter: &EventFilter,
) -> Result<Begin, Problem> {
    let malformed = || Problem::bad_request("Last-Event-ID must be a sequence or an event's id");
    let mut headers = request.headers().get_all("last-event-id");
    let header = headers.next().map(|value| value.to_str().map_err(|_| malformed())).transpose()?;
    if headers.next().is_some() {
        return Err(malformed());
    }
    let given = header.or_else(|| params.text("last_event_id")).filter(|text| !text.is_empty());
    let Some(given) = given else {
        let oldest = app.broker.log().bounds().borrow().oldest;
        let replays = filter.since.is_some() || filter.until.is_some();
        return Ok(if replays { Begin::After(oldest.previous()) } else { Begin::Live });
    };
    if let Some(place) = Sequence::parse(given) {
        return Ok(Begin::After(place));
    }
    let id = EventId::parse(given).ok().filter(|_| given.starts_with("evt_"));
    // Publishers name events as they like: another well-formed id counts only if there is such an event.
    let parsed = EventId::parse(given).map_err(|_| malformed())?;
    match app.broker.log().find(tenant, parsed).await {
        Ok(Some(event)) => Ok(Begin::After(event.sequence())),
        Ok(None) if id.is_some() => Ok(Begin::Unknown),
        Ok(None) => Err(malformed()),
        Err(LogError::Corrupt { sequence }) => Ok(Begin::After(sequence)),
        Err(error) => Err(error.into()),
    }
}
