//! The document over HTTP.

use super::document::document;
use crate::http::App;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

/// `GET /openapi.json`
pub(in crate::http) async fn show(_: HttpRequest, app: Data<App>) -> HttpResponse {
    let served = app.served.get().map(Vec::as_slice).unwrap_or_default();
    HttpResponse::Ok().insert_header(("cache-control", "no-cache")).json(document(served))
}
