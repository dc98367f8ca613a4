//! `GET /` and `GET /console/{version}/...`: the console's files, to anybody, with what keeps a page safe.
//!
//! What must hold: nothing runs in the page but what this program ships. No inline script, no other origin, no
//! text that becomes script, no frame around it.

pub(in crate::http) mod api;

use super::params::Params;
use super::problem::Problem;
use crate::console::{Asset, Console};
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};

/// What the page may load and do.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types campanile";

/// `GET /`: the page. Asked for anew each time, so that a new version is seen at once.
pub(crate) async fn page(request: HttpRequest) -> Result<HttpResponse, Problem> {
    Params::read(request.query_string(), &[])?;
    let console = Console::get();
    let tag = format!("\"{}\"", console.version);
    let known = request.headers().get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let mut answer = match known {
        // On its way a proxy that compresses may have made the tag a weak one.
        Some(known) if known.trim_start_matches("W/") == tag => HttpResponse::NotModified(),
        _ => HttpResponse::Ok(),
    };
    answer.insert_header((header::ETAG, tag)).insert_header((header::CACHE_CONTROL, "no-cache"));
    Ok(send(answer, &request, &console.page))
}

/// `GET /console/{version}/{file}`: a file that never changes.
pub(crate) async fn file(request: HttpRequest) -> Result<HttpResponse, Problem> {
    Params::read(request.query_string(), &[])?;
    let console = Console::get();
    let segment = |name: &str| request.match_info().get(name).unwrap_or_default();
    let (version, path) = (segment("version"), [segment("folder"), segment("file")]);
    let path = if path[0].is_empty() { path[1].to_owned() } else { path.join("/") };
    let found = console.asset(&path).filter(|_| version == console.version);
    let asset = found.ok_or_else(|| Problem::not_found("the console of this broker has no such file"))?;
    let mut answer = HttpResponse::Ok();
    answer.insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable"));
    Ok(send(answer, &request, asset))
}

fn send(mut answer: HttpResponseBuilder, request: &HttpRequest, asset: &'static Asset) -> HttpResponse {
    for (name, value) in [
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("vary", "Accept-Encoding"),
    ] {
        answer.insert_header((name, value));
    }
    answer.insert_header((header::CONTENT_TYPE, asset.media_type));
    if takes_gzip(request) {
        answer.insert_header((header::CONTENT_ENCODING, "gzip"));
        return answer.body(asset.gzip.as_slice());
    }
    answer.body(asset.plain.as_slice())
}

/// Whether `Accept-Encoding` names gzip and does not refuse it (RFC 9110, 12.5.3).
fn takes_gzip(request: &HttpRequest) -> bool {
    let given = request.headers().get_all(header::ACCEPT_ENCODING).filter_map(|value| value.to_str().ok());
    given.flat_map(|text| text.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let is_refused = parts
            .filter_map(|part| part.strip_prefix("q="))
            .any(|weight| weight.parse::<f32>().is_ok_and(|weight| weight <= 0.0));
        is_gzip && !is_refused
    })
}
