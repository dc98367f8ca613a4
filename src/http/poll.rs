//! `GET /events` and `GET /events/{id}`: pages in log order, either way, and waiting for the next event.
//!
//! A cursor is the place of the last event seen (going back: of the first one seen), in decimal; callers are
//! told that it is opaque. What must hold: whoever follows `next_cursor` sees every matching event once. A page
//! looks at nothing beyond the head as it was when the request came, or, when it waited, when it woke.

pub(super) mod api;
mod lobby;

pub(super) use lobby::Lobby;

use super::App;
use super::accept::{Format, negotiate};
use super::auth::Caller;
use super::page::{self, Shown};
use super::params::{Params, with_cursor};
use super::problem::Problem;
use super::stream;
use crate::log::{Bounds, EventLog, LogError, MEMORY_WORK, Order, Page, Query, Work, recent_up_to};
use crate::model::{EventFilter, EventId, Scope, Sequence, StoredEvent, TenantId};
use actix_web::http::header::{ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use lobby::Asked;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// A page stops after about this many bytes of events.
const PAGE_BYTES: usize = 4 << 20;

/// How many events a waiting poll looks at in memory at once.
const LOOK_AHEAD: usize = 1000;

/// The longest wait, in milliseconds.
const MAX_WAIT_MS: u64 = 30_000;

const PARAMETERS: [&str; 10] =
    ["type", "pipeline", "run_id", "filter", "since", "until", "cursor", "limit", "order", "wait_ms"];

/// What a poll asks for.
struct Ask {
    filter: EventFilter,
    cursor: Option<Sequence>,
    limit: usize,
    order: Order,
    wait: Duration,
}

impl Ask {
    fn read(params: &Params, bounds: Bounds) -> Result<Self, Problem> {
        let cursor = params.parsed("cursor", "a cursor from an earlier answer", Sequence::parse)?;
        let order = params.parsed("order", "asc or desc", |text| match text {
            "asc" => Some(Order::Ascending),
            "desc" => Some(Order::Descending),
            _ => None,
        });
        let order = order?.unwrap_or_default();
        // Going forward, the place after the newest event is ahead too: the event that comes there would be passed over.
        let furthest = if order == Order::Descending { bounds.head.next() } else { bounds.head };
        if cursor.is_some_and(|cursor| cursor > furthest) {
            let detail = "the cursor is ahead of the newest event: it is not from this log";
            return Err(Problem::bad_request(detail));
        }
        let wait = Duration::from_millis(params.whole("wait_ms", 0..=MAX_WAIT_MS)?.unwrap_or(0));
        if order == Order::Descending && !wait.is_zero() {
            let detail = "wait_ms waits for the next event: it goes with order=asc only";
            return Err(Problem::bad_request(detail));
        }
        let limit = params.whole("limit", 1..=1000)?.unwrap_or(100) as usize;
        Ok(Self { filter: params.filter()?, cursor, limit, order, wait })
    }

    /// Where the first read begins.
    fn start(&self, bounds: Bounds) -> Sequence {
        match (self.order, self.cursor) {
            (Order::Ascending, Some(cursor)) => cursor,
            (Order::Ascending, None) => bounds.oldest.previous(),
            (Order::Descending, cursor) => cursor.unwrap_or(Sequence(u64::MAX)).min(bounds.head.next()),
        }
    }

    fn query(&self, caller: &Caller, from: Sequence, up_to: Sequence) -> Query {
        Query {
            tenant: caller.tenant(),
            filter: self.filter.clone(),
            from,
            up_to,
            order: self.order,
            limit: self.limit,
            max_bytes: PAGE_BYTES,
        }
    }
}

/// `GET /api/v1/events`
pub(crate) async fn list(request: HttpRequest, app: Data<App>) -> Result<HttpResponse, Problem> {
    let format = negotiate(&request, &Format::LISTS)?;
    if format == Format::EventStream {
        return stream::open_list(request, app).await;
    }
    let caller = Caller::of(&request, &app, Scope::EventsRead)?;
    let params = Params::read(request.query_string(), &PARAMETERS)?;
    let head = app.broker.log().bounds();
    let bounds = *head.borrow();
    let ask = Ask::read(&params, bounds)?;
    let tag = tag_of(&caller, bounds, format);
    if ask.wait.is_zero() && is_known(request.headers(), &tag) {
        return Ok(page::not_modified(tag));
    }
    let lobby = request.app_data::<Lobby>().ok_or_else(Problem::draining)?;
    let (page, bounds) = page_for(&app, &caller, &ask, lobby, &head).await?;
    if !ask.wait.is_zero() && Caller::by_id(&app, caller.key.id).is_none() {
        return Err(Problem::unauthorized("this key has ended"));
    }
    let tag = tag_of(&caller, bounds, format);
    if is_known(request.headers(), &tag) {
        return Ok(page::not_modified(tag));
    }
    let link = next_link(&request, &page.scanned_to.to_string());
    Ok(page::list(&Shown { page: &page, bounds, format, link, tag }))
}

/// The `Link` header to the page after this one.
pub(crate) fn next_link(request: &HttpRequest, cursor: &str) -> String {
    format!("<{}?{}>; rel=\"next\"", request.path(), with_cursor(request.query_string(), cursor))
}

/// Reads the page; when it is empty and the caller waits, the next one that is not.
async fn page_for(
    app: &App,
    caller: &Caller,
    ask: &Ask,
    lobby: &Lobby,
    head: &watch::Receiver<Bounds>,
) -> Result<(Page, Bounds), Problem> {
    let log = app.broker.log();
    let mut bounds = *head.borrow();
    let mut page = match log.read(ask.query(caller, ask.start(bounds), bounds.head)).await {
        // Retention moved between looking at what is kept and reading it.
        Err(LogError::Trimmed { oldest, .. }) if ask.cursor.is_none() => {
            log.read(ask.query(caller, oldest.previous(), bounds.head)).await?
        }
        other => other?,
    };
    if ask.wait.is_zero() || !page.events.is_empty() || page.has_more {
        return Ok((page, bounds));
    }
    let _seat = app.waiting.sit()?;
    let time_out = tokio::time::sleep(ask.wait);
    tokio::pin!(time_out);
    let mut draining = app.broker.draining();
    loop {
        let asked = Asked { tenant: caller.tenant(), filter: ask.filter.clone() };
        if let Some(mut waiting) = lobby.enter(asked, page.scanned_to) {
            let is_called = tokio::select! {
                // A drain is told of before the log closes.
                biased;
                _ = draining.wait_for(|draining| *draining) => false,
                quiet = waiting.call() => {
                    page.scanned_to = quiet.ok_or_else(Problem::draining)?.max(page.scanned_to);
                    true
                }
                () = &mut time_out => false,
            };
            if !is_called {
                page.scanned_to = waiting.quiet_up_to().max(page.scanned_to);
                return Ok((page, *head.borrow()));
            }
        }
        bounds = *head.borrow();
        if pass_over(&**log, caller, ask, &mut page, bounds.head) {
            continue;
        }
        page = log.read(ask.query(caller, page.scanned_to, bounds.head)).await?;
        if !page.events.is_empty() || page.has_more {
            return Ok((page, bounds));
        }
    }
}

/// Moves the page over new events in memory that do not match; false when something may match or is not there.
fn pass_over(log: &dyn EventLog, caller: &Caller, ask: &Ask, page: &mut Page, head: Sequence) -> bool {
    let mut work = Work::up_to(MEMORY_WORK);
    while page.scanned_to < head {
        let Some((events, to)) = recent_up_to(log, page.scanned_to, head, LOOK_AHEAD) else {
            return false;
        };
        for event in &events {
            let is_own = event.tenant() == caller.tenant();
            if work.is_spent() || (is_own && work.matches(&ask.filter, event)) {
                return false;
            }
            page.scanned_to = event.sequence();
        }
        page.scanned_to = to;
    }
    true
}

/// A page is decided by its URL, the caller's tenant, what the log keeps and how it is written.
fn tag_of(caller: &Caller, bounds: Bounds, format: Format) -> String {
    format!("\"{}-{}-{}-{}\"", caller.tenant().0, bounds.oldest, bounds.head, format as u8)
}

/// Whether `If-None-Match` names this tag.
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    headers
        .get_all(IF_NONE_MATCH)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .any(|known| {
            let known = known.trim();
            known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag
        })
}

/// `GET /api/v1/events/{id}`
pub(crate) async fn one(request: HttpRequest, app: Data<App>) -> Result<HttpResponse, Problem> {
    read_one(&request, &app, request.match_info().query("id")).await
}

/// `GET /api/v1/events/batch`: an event may have the id `batch`.
pub(crate) async fn one_named_batch(request: HttpRequest, app: Data<App>) -> Result<HttpResponse, Problem> {
    read_one(&request, &app, "batch").await
}

/// An event of a tenant by the id in a path.
pub(crate) async fn find(app: &App, tenant: TenantId, id: &str) -> Result<Arc<StoredEvent>, Problem> {
    let missing = || Problem::not_found("there is no such event");
    let id = EventId::parse(id).map_err(|_| missing())?;
    app.broker.log().find(tenant, id).await?.ok_or_else(missing)
}

async fn read_one(request: &HttpRequest, app: &App, id: &str) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(request, app, Scope::EventsRead)?;
    Params::read(request.query_string(), &[])?;
    let format = negotiate(request, &Format::SINGLE)?;
    let event = find(app, caller.tenant(), id).await?;
    let tag = format!("\"{}-{}\"", event.sequence(), format as u8);
    if is_known(request.headers(), &tag) {
        return Ok(page::not_modified(tag));
    }
    let mut answer = page::one(&event, format);
    if let Ok(tag) = HeaderValue::try_from(tag) {
        answer.headers_mut().insert(ETAG, tag);
    }
    Ok(answer)
}
