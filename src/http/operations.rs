//! Whether the broker lives, and whether it takes work.

use super::App;
use super::problem::Problem;
use actix_web::{HttpResponse, web};
use serde_json::json;

/// `GET /healthz` and `/livez`: the process answers. Tests nothing else.
pub(crate) async fn alive() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "alive"}))
}

/// `GET /readyz`: events can be published.
pub(crate) async fn ready(app: web::Data<App>) -> Result<HttpResponse, Problem> {
    if *app.broker.draining().borrow() {
        return Err(Problem::draining());
    }
    app.broker.log().health()?;
    Ok(HttpResponse::Ok().json(json!({"status": "ready"})))
}
