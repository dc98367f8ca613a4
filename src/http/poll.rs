//! `GET /events` and `GET /events/{id}`: pages by cursor, long polls, other formats.

use super::auth::Caller;
use super::params::Params;
use super::problem::Problem;
use super::{App, stream};
use crate::log::{Bounds, Order, Page, Query};
use crate::model::cloudevent::push_cloudevent;
use crate::model::{EventFilter, EventId, Scope, Sequence, TenantId};
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use sha2::{Digest, Sha256};
use std::sync::atomic::Ordering;
use std::time::Duration;

const KNOWN: &[&str] =
    &["type", "pipeline", "run_id", "since", "until", "cursor", "limit", "order", "wait_ms"];

/// A page holds about this many bytes of events at most.
const PAGE_BYTES: usize = 4 << 20;

/// The shape of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Lines,
    CloudEvents,
}

/// What a poll asks for.
struct Poll {
    tenant: TenantId,
    filter: EventFilter,
    order: Order,
    cursor: Option<Sequence>,
    limit: usize,
    wait: Duration,
}

/// `GET /events`.
pub(crate) async fn list(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let Some(format) = accepted(&request) else { return stream::open(request, app).await };
    let caller = Caller::of(&request, &app, Scope::EventsRead)?;
    let poll = Poll::read(&request, caller.tenant())?;
    let (page, bounds) = poll.run(&app).await?;
    Ok(respond(&request, &poll, &page, bounds, format))
}

/// `GET /events/{id}`.
pub(crate) async fn one(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::EventsRead)?;
    Params::read(request.query_string(), &[])?;
    let event = find(&app, caller.tenant(), request.match_info().query("id")).await?;
    let mut out = Vec::with_capacity(event.envelope().len() + 32);
    event.push_with_sequence(&mut out);
    Ok(HttpResponse::Ok().content_type("application/json").body(out))
}

/// An event of a tenant by the id in a path.
pub(crate) async fn find(
    app: &App,
    tenant: TenantId,
    id: &str,
) -> Result<std::sync::Arc<crate::model::StoredEvent>, Problem> {
    let missing = || Problem::not_found("there is no such event");
    let id = EventId::parse(id).map_err(|_| missing())?;
    app.broker.log().find(tenant, id).await?.ok_or_else(missing)
}

/// The wanted format; `None` for an event stream.
fn accepted(request: &HttpRequest) -> Option<Format> {
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("");
    for kind in accept.split(',') {
        match kind.split(';').next().unwrap_or_default().trim() {
            "text/event-stream" => return None,
            "application/x-ndjson" => return Some(Format::Lines),
            "application/cloudevents-batch+json" => return Some(Format::CloudEvents),
            _ => {}
        }
    }
    Some(Format::Json)
}

impl Poll {
    fn read(request: &HttpRequest, tenant: TenantId) -> Result<Self, Problem> {
        let params = Params::read(request.query_string(), KNOWN)?;
        let order = params.parsed("order", "asc or desc", |text| match text {
            "asc" => Some(Order::Ascending),
            "desc" => Some(Order::Descending),
            _ => None,
        })?;
        let cursor = params.parsed("cursor", "a cursor from an earlier answer", Sequence::parse)?;
        let limit = params.whole("limit", 1..=1000)?.unwrap_or(100);
        let wait = Duration::from_millis(params.whole("wait_ms", 0..=30_000)?.unwrap_or(0));
        let (order, limit) = (order.unwrap_or_default(), limit as usize);
        Ok(Self { tenant, filter: params.filter()?, order, cursor, limit, wait })
    }

    async fn run(&self, app: &App) -> Result<(Page, Bounds), Problem> {
        let mut bounds = app.broker.log().bounds();
        let now = *bounds.borrow_and_update();
        if self.cursor.is_some_and(|cursor| cursor > now.head && self.order == Order::Ascending) {
            return Err(Problem::bad_request("the cursor is ahead of the log"));
        }
        let page = self.page(app, self.start(now), now).await?;
        let waits = page.events.is_empty() && !page.has_more && self.order == Order::Ascending;
        if !waits || self.wait.is_zero() {
            return Ok((page, now));
        }
        let _waiting = Waiting::begin(app)?;
        let mut draining = app.broker.draining();
        let mut page = page;
        let waited = async {
            loop {
                tokio::select! {
                    moved = bounds.changed() => if moved.is_err() { return Ok(page) },
                    _ = draining.wait_for(|draining| *draining) => return Ok(page),
                }
                let now = *bounds.borrow_and_update();
                // A page that stopped at its scan limit goes on at once.
                loop {
                    page = self.page(app, page.scanned_to, now).await?;
                    if !page.events.is_empty() {
                        return Ok(page);
                    }
                    if !page.has_more {
                        break;
                    }
                }
            }
        };
        let from = self.start(now);
        match tokio::time::timeout(self.wait, waited).await {
            Ok(page) => page.map(|page| (page, *app.broker.log().bounds().borrow())),
            Err(_) => {
                let now = *app.broker.log().bounds().borrow();
                let page = self.page(app, from, now).await?;
                Ok((page, now))
            }
        }
    }

    fn start(&self, bounds: Bounds) -> Sequence {
        match (self.cursor, self.order) {
            (Some(cursor), _) => cursor,
            (None, Order::Ascending) => bounds.oldest.previous(),
            (None, Order::Descending) => Sequence(u64::MAX),
        }
    }

    async fn page(&self, app: &App, from: Sequence, bounds: Bounds) -> Result<Page, Problem> {
        let query = Query {
            tenant: self.tenant,
            filter: self.filter.clone(),
            from,
            up_to: bounds.head,
            order: self.order,
            limit: self.limit,
            max_bytes: PAGE_BYTES,
        };
        Ok(app.broker.log().read(query).await?)
    }
}

/// A long poll that counts against the bound for as long as it lives.
struct Waiting<'a>(&'a App);

impl<'a> Waiting<'a> {
    fn begin(app: &'a App) -> Result<Self, Problem> {
        let waiting = app.waiting_polls.fetch_add(1, Ordering::Relaxed);
        let this = Self(app);
        if waiting >= app.broker.config().server.max_waiting_polls {
            return Err(Problem::unavailable("overloaded", "too many long polls are waiting", 1));
        }
        Ok(this)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting_polls.fetch_sub(1, Ordering::Relaxed);
    }
}

fn respond(request: &HttpRequest, poll: &Poll, page: &Page, bounds: Bounds, format: Format) -> HttpResponse {
    let tag = entity_tag(request, page, bounds, format);
    let known = request.headers().get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let mut response = HttpResponse::Ok();
    response.insert_header((header::ETAG, tag.as_str()));
    response.insert_header((header::VARY, "authorization, accept"));
    response.insert_header((header::CACHE_CONTROL, "private, no-cache"));
    response.insert_header((header::LINK, next_link(request, page)));
    if known.is_some_and(|known| known.split(',').any(|one| one.trim() == tag || one.trim() == "*")) {
        return response.status(actix_web::http::StatusCode::NOT_MODIFIED).finish();
    }
    let size: usize = page.events.iter().map(|event| event.envelope().len() + 40).sum();
    let mut out = Vec::with_capacity(size + 160);
    let content_type = match format {
        Format::Json => {
            push_json(&mut out, page, bounds);
            "application/json"
        }
        Format::Lines => {
            for event in &page.events {
                event.push_with_sequence(&mut out);
                out.push(b'\n');
            }
            "application/x-ndjson"
        }
        Format::CloudEvents => {
            out.push(b'[');
            for (index, event) in page.events.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                push_cloudevent(event, &mut out);
            }
            out.push(b']');
            "application/cloudevents-batch+json"
        }
    };
    if format != Format::Json {
        response.insert_header(("x-next-cursor", page.scanned_to.to_string()));
        response.insert_header(("x-has-more", page.has_more.to_string()));
    }
    let _ = poll;
    response.content_type(content_type).body(out)
}

fn push_json(out: &mut Vec<u8>, page: &Page, bounds: Bounds) {
    out.extend_from_slice(br#"{"data":["#);
    for (index, event) in page.events.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        event.push_with_sequence(out);
    }
    let tail = format!(
        r#"],"has_more":{},"next_cursor":"{}","oldest_cursor":"{}","head_cursor":"{}"}}"#,
        page.has_more,
        page.scanned_to,
        bounds.oldest.previous(),
        bounds.head
    );
    out.extend_from_slice(tail.as_bytes());
}

/// The same page of the same question has the same tag.
fn entity_tag(request: &HttpRequest, page: &Page, bounds: Bounds, format: Format) -> String {
    let ends = format!(
        "{} {} {} {} {} {format:?}",
        page.scanned_to,
        page.has_more,
        page.events.len(),
        bounds.oldest,
        bounds.head
    );
    let digest =
        Sha256::new().chain_update(request.query_string()).chain_update([0]).chain_update(ends).finalize();
    let short = digest.first_chunk().map_or(0, |first| u64::from_le_bytes(*first));
    format!("\"{short:016x}\"")
}

fn next_link(request: &HttpRequest, page: &Page) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in url::form_urlencoded::parse(request.query_string().as_bytes()) {
        if name != "cursor" {
            query.append_pair(&name, &value);
        }
    }
    query.append_pair("cursor", &page.scanned_to.to_string());
    format!("<{}?{}>; rel=\"next\"", request.path(), query.finish())
}
