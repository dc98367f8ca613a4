//! `GET /events/stream`: opening a stream, or saying why it is not opened.

pub(super) mod api;
#[cfg(test)]
mod tests;

use super::App;
use super::auth::Caller;
use super::problem::Problem;
use super::stream_body::StreamBody;
use super::stream_params::{Asked, LIST, STREAM, bad_ticket};
use crate::actors::{Hub, Setup, Wanted};
use crate::clock;
use crate::delivery::stream::{Gap, blocks};
use crate::log::Bounds;
use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use std::sync::atomic::Ordering;

/// `GET /events/stream`
pub(crate) async fn open(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let asked = Asked::read(&request, &app, STREAM).await?;
    open_as(&request, &app, asked)
}

/// `GET /events` by a caller that accepts streams.
pub(crate) async fn open_list(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let asked = Asked::read(&request, &app, LIST).await?;
    open_as(&request, &app, asked)
}

/// Waits for nothing: the stream's place, its key and the head are those of one moment.
fn open_as(request: &HttpRequest, app: &web::Data<App>, asked: Asked) -> Result<HttpResponse, Problem> {
    let hub = request.app_data::<Hub>().ok_or_else(Problem::draining)?;
    let Some(claim) = OpenStream::claim(app) else { return busy(request, app) };
    let from = hub.start_at(asked.begin);
    if let Some(gap) = from.gap.filter(|_| asked.fails_on_gap) {
        return Err(gone(gap, from.bounds));
    }
    if request.method() == Method::HEAD {
        return Ok(response().finish());
    }
    let key = match asked.ticket {
        Some(ticket) => app.tickets.redeem(&ticket, clock::now()).ok_or_else(bad_ticket)?,
        None => asked.caller.key.id,
    };
    let caller = Caller::by_id(app, key).ok_or_else(|| Problem::unauthorized("this key has ended"))?;
    let wanted = Wanted { tenant: caller.tenant(), filter: asked.filter, format: asked.format };
    let subscription = hub.open(Setup {
        key: caller.key,
        // A finite replay ends at the head of its opening; `until` by time is its filter.
        is_finite: wanted.filter.until.is_some(),
        wanted,
        from,
        pace: asked.pace,
        fails_on_gap: asked.fails_on_gap,
        claim: Box::new(claim),
    });
    Ok(response().body(StreamBody(subscription)))
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
struct OpenStream(web::Data<App>);

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
fn busy(request: &HttpRequest, app: &App) -> Result<HttpResponse, Problem> {
    let mut accepted = request.headers().get_all(header::ACCEPT).filter_map(|value| value.to_str().ok());
    if accepted.any(|text| text.to_ascii_lowercase().contains("text/event-stream")) {
        return Ok(response().body(blocks::busy(clock::random_unit())));
    }
    if *app.broker.draining().borrow() {
        return Err(Problem::draining());
    }
    Err(Problem::unavailable("overloaded", "as many streams are open as stream.max_clients allows", 2))
}

fn gone(gap: Gap, bounds: Bounds) -> Problem {
    let (detail, missed) = match gap {
        Gap::Trimmed { missed } => ("the place is older than what is kept", Some(missed)),
        Gap::Unknown => ("the place is not known", None),
        Gap::Ahead => ("the place is ahead of the log", None),
    };
    let problem = Problem::new(StatusCode::GONE, "trimmed", detail);
    problem.with_member("oldest_cursor", bounds.oldest.previous().to_string()).with_member("missed", missed)
}
