//! The document and its page over HTTP.

use super::document::document;
use super::page;
use crate::http::App;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::Value;

/// The page loads its style and nothing else, and nobody frames it.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

fn document_of(app: &App) -> Value {
    document(app.served.get().map(Vec::as_slice).unwrap_or_default())
}

/// `GET /openapi.json`
pub(in crate::http) async fn show(_: HttpRequest, app: Data<App>) -> HttpResponse {
    HttpResponse::Ok().insert_header(("cache-control", "no-cache")).json(document_of(&app))
}

/// `GET /docs`
pub(in crate::http) async fn docs(_: HttpRequest, app: Data<App>) -> HttpResponse {
    answer("text/html; charset=utf-8", page::page(&document_of(&app)))
}

/// `GET /docs/style.css`
pub(in crate::http) async fn style(_: HttpRequest) -> HttpResponse {
    answer("text/css; charset=utf-8", page::STYLE.to_owned())
}

fn answer(media: &'static str, body: String) -> HttpResponse {
    let mut answer = HttpResponse::Ok();
    answer.content_type(media).insert_header(("cache-control", "no-cache"));
    answer.insert_header(("content-security-policy", POLICY));
    answer.insert_header(("x-content-type-options", "nosniff"));
    answer.insert_header(("referrer-policy", "no-referrer"));
    answer.body(body)
}
