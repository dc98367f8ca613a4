//! `/session`: a browser trades a key for a cookie, so that no script ever holds the key.
//!
//! A session is a sealed text in an `HttpOnly`, `SameSite=Strict` cookie: whose key it stands for, and until when. It
//! survives a restart, and ends with its key, after [`LIFE_MS`], or when it is signed out. What must hold: the cookie alone
//! is worth nothing. A request has to carry the header [`HEADER`] too, which no form, link or image can send and
//! which no page of another origin is let send, and its browser must not say that another site made it.

pub(in crate::http) mod api;

use super::App;
use super::auth::Caller;
use super::body;
use super::params::Params;
use super::problem::Problem;
use crate::clock;
use crate::model::{KeyId, Scope, Timestamp, UnixMillis, Violation};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};
use actix_web::{HttpRequest, HttpResponse, web};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The header without which a cookie counts for nothing.
const HEADER: &str = "x-campanile-session";

const COOKIE: &str = "campanile_session";

/// For what a session is sealed: it opens as nothing else.
const PURPOSE: &str = "console session";

/// Twelve hours: a shift.
const LIFE_MS: u64 = 12 * 3_600_000;

/// How many sessions that were signed out are remembered until they would have ended anyway.
const MOST_ENDED: usize = 100_000;

/// The sessions that were signed out before their time.
#[derive(Debug, Default)]
pub(crate) struct EndedSessions(Mutex<HashMap<Box<str>, UnixMillis>>);

impl EndedSessions {
    fn end(&self, session: &Session, now: UnixMillis) {
        let mut ended = self.lock();
        if ended.len() >= MOST_ENDED {
            ended.retain(|_, expires_at| *expires_at > now);
        }
        if ended.len() < MOST_ENDED {
            ended.insert(session.id.clone(), session.expires_at);
        }
    }

    fn contain(&self, session: &Session) -> bool {
        self.lock().contains_key(&session.id)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, UnixMillis>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a cookie holds.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Session {
    id: Box<str>,
    key: KeyId,
    expires_at: UnixMillis,
}

impl Session {
    fn new(key: KeyId, now: UnixMillis) -> Self {
        let id = BASE64_URL_SAFE_NO_PAD.encode(clock::random::<16>());
        Self { id: id.into(), key, expires_at: now.plus(LIFE_MS) }
    }

    fn write(&self) -> String {
        format!("{} {} {}", self.id, self.key, self.expires_at.0)
    }

    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let (id, key, expires_at) = (parts.next()?, parts.next()?, parts.next()?);
        let (key, expires_at) = (KeyId::parse(key).ok()?, UnixMillis(expires_at.parse().ok()?));
        Some(Self { id: id.into(), key, expires_at })
    }
}

/// The caller whose session a request's cookie is. Not asked when there is an `Authorization` header.
pub(super) fn caller(request: &HttpRequest, app: &App) -> Result<Option<Caller>, Problem> {
    if !request.headers().contains_key(HEADER) {
        return Ok(None);
    }
    refuse_other_sites(request)?;
    let over = || Problem::unauthorized("there is no session, or it has ended: sign in");
    let session = session_of(request, app).ok_or_else(over)?;
    Caller::by_id(app, session.key).map(Some).ok_or_else(over)
}

fn session_of(request: &HttpRequest, app: &App) -> Option<Session> {
    let sealed = cookie(request.headers())?;
    let session = Session::read(&app.broker.secrets().open(sealed, PURPOSE).ok()?)?;
    let is_alive = session.expires_at > clock::now() && !app.ended_sessions.contain(&session);
    is_alive.then_some(session)
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let pairs = headers.get_all(header::COOKIE).filter_map(|value| value.to_str().ok());
    let mut pairs = pairs.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

/// Refuses what a page of another origin asks for. Browsers say it themselves; older ones name the page's origin.
fn refuse_other_sites(request: &HttpRequest) -> Result<(), Problem> {
    let text = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap_or_default());
    let is_own = match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => {
            let host = text("host").unwrap_or_default();
            origin.split_once("://").is_some_and(|(_, named)| named.eq_ignore_ascii_case(host))
        }
        (None, None) => true,
    };
    if is_own {
        return Ok(());
    }
    Err(Problem::new(StatusCode::FORBIDDEN, "cross_site", "a session is for this broker's own pages only"))
}

/// `POST /session` `{"key": "..."}`: signs in; the cookie, and who that is.
pub(crate) async fn create(
    request: HttpRequest,
    app: web::Data<App>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    Params::read(request.query_string(), &[])?;
    refuse_other_sites(&request)?;
    if !request.headers().contains_key(HEADER) {
        return Err(Problem::bad_request("a session is asked for with the header X-Campanile-Session: 1"));
    }
    let mut body = body::object(&request, &app, payload).await?;
    let key = body.remove("key").and_then(|key| key.as_str().map(str::to_owned));
    super::destinations::refuse_members(body, &[])?;
    let key = key.ok_or_else(|| Problem::from(Violation::new("/key", "a key, as a text")))?;
    let caller = Caller::by_token(&app, key.trim());
    let caller = caller.ok_or_else(|| Problem::unauthorized("this key is not known, or has expired"))?;
    let session = Session::new(caller.key.id, clock::now());
    let sealed = app.broker.secrets().seal(&session.write(), PURPOSE);
    let cookie = set_cookie(&request, &sealed, LIFE_MS / 1000);
    let mut answer = HttpResponse::Created();
    answer.insert_header(("cache-control", "no-store")).insert_header((header::SET_COOKIE, cookie));
    Ok(answer.json(shown(&app, &caller, Some(session.expires_at))))
}

/// `GET /session`: whose key this is and what it may do, for sessions and keys alike.
pub(crate) async fn show(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    Params::read(request.query_string(), &[])?;
    let caller = Caller::authenticate(&request, &app)?;
    let by_key = request.headers().contains_key(header::AUTHORIZATION);
    let session = if by_key { None } else { session_of(&request, &app) };
    let answer = shown(&app, &caller, session.map(|session| session.expires_at));
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(answer))
}

/// `DELETE /session`: signs out. Without a session there is nothing to do.
pub(crate) async fn remove(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    Params::read(request.query_string(), &[])?;
    refuse_other_sites(&request)?;
    if let Some(session) = session_of(&request, &app).filter(|_| request.headers().contains_key(HEADER)) {
        app.ended_sessions.end(&session, clock::now());
    }
    let cookie = set_cookie(&request, "", 0);
    Ok(HttpResponse::NoContent().insert_header((header::SET_COOKIE, cookie)).finish())
}

/// Kept from scripts and from requests of other sites; on TLS, also from wires without it.
fn set_cookie(request: &HttpRequest, value: &str, seconds: u64) -> String {
    let origin = request.headers().get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    let secure = if origin.is_some_and(|origin| origin.starts_with("https://")) { "; Secure" } else { "" };
    format!("{COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
}

fn shown(app: &App, caller: &Caller, expires_at: Option<UnixMillis>) -> Value {
    let key = &caller.key;
    let config = app.broker.config();
    let management = app.broker.log().management();
    let tenant = management.tenants.values().find(|tenant| tenant.number == key.tenant);
    let is_offered = |scope: Scope| scope != Scope::EventsPublish || config.server.publish_api;
    let may = Scope::ALL.iter().filter(|(scope, _)| key.scopes.allow(*scope) && is_offered(*scope));
    json!({
        "key": {
            "id": key.id,
            "name": key.name,
            "hint": key.hint,
            "scopes": key.scopes,
            "expires_at": key.expires_at,
        },
        "may": may.map(|(_, name)| name).collect::<Vec<_>>(),
        "tenant": tenant.map(|tenant| &tenant.name),
        "expires_at": expires_at.map(Timestamp::from),
        "version": env!("CARGO_PKG_VERSION"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_read_as_it_was_written_and_nothing_else_is_one() {
        let session = Session::new(KeyId(7), UnixMillis(1000));
        assert_eq!(Session::read(&session.write()), Some(session));
        for bad in ["", "a", "a b c", "a key_00000000000000000000000007 soon", "a key_0 5"] {
            assert_eq!(Session::read(bad), None, "{bad}");
        }
    }

    #[test]
    fn sessions_that_were_signed_out_are_remembered_as_long_as_it_matters() {
        let ended = EndedSessions::default();
        let first = Session::new(KeyId(1), UnixMillis(0));
        ended.end(&first, UnixMillis(0));
        assert!(ended.contain(&first));
        for _ in 0..MOST_ENDED {
            ended.end(&Session::new(KeyId(1), UnixMillis(5)), UnixMillis(5));
        }
        assert_eq!(ended.lock().len(), MOST_ENDED);
        let later = UnixMillis(6).plus(LIFE_MS);
        let late = Session::new(KeyId(1), later);
        ended.end(&late, later);
        assert!(ended.contain(&late) && !ended.contain(&first));
    }
}
