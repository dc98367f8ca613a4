//! Whether the broker lives, and whether it takes work.

pub(super) mod api;

use super::App;
use super::params::Params;
use super::problem::Problem;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

/// `GET /healthz` and `/livez`: nothing is wrong that a restart would mend; 503 says that delivery has ended.
pub(crate) async fn alive(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    if !app.broker.is_delivering() {
        let detail = "delivery has ended: restart the broker, what waits is in the log";
        return Err(Problem::unavailable("stopped", detail, 5));
    }
    answer(&request, "alive", &["http", "delivery"])
}

/// `GET /readyz`: events can be published; 503 says why not.
pub(crate) async fn ready(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    if *app.broker.draining().borrow() {
        return Err(Problem::draining());
    }
    app.broker.log().health()?;
    answer(&request, "ready", &["not_draining", "log_takes_commits"])
}

/// With `?verbose`, which checks there are; all of them passed.
fn answer(request: &HttpRequest, status: &str, checks: &[&str]) -> Result<HttpResponse, Problem> {
    let params = Params::read(request.query_string(), &["verbose"])?;
    let mut body = json!({"status": status});
    if params.text("verbose").is_some() {
        body["checks"] = checks.iter().map(|name| json!({"name": name, "ok": true})).collect::<Value>();
    }
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(body))
}
