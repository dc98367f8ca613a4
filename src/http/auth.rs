//! Who calls, and whether they may.

use super::App;
use super::problem::Problem;
use crate::clock;
use crate::model::{Key, KeyId, Scope, TenantId, Timestamp};
use actix_web::HttpRequest;
use actix_web::http::header;
use std::sync::Arc;

/// No key we make or a person writes into a config is longer.
const LONGEST_TOKEN: usize = 1024;

/// A caller with a valid key.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) key: Arc<Key>,
}

impl Caller {
    /// The caller of a request, if it may do what `scope` names.
    pub(crate) fn of(request: &HttpRequest, app: &App, scope: Scope) -> Result<Self, Problem> {
        let caller = Self::authenticate(request, app)?;
        caller.require(scope)?;
        Ok(caller)
    }

    pub(crate) fn require(&self, scope: Scope) -> Result<(), Problem> {
        if self.key.scopes.allow(scope) {
            return Ok(());
        }
        Err(Problem::forbidden(scope.name()))
    }

    pub(crate) fn tenant(&self) -> TenantId {
        self.key.tenant
    }

    pub(crate) fn authenticate(request: &HttpRequest, app: &App) -> Result<Self, Problem> {
        let mut given = request.headers().get_all(header::AUTHORIZATION).peekable();
        if given.peek().is_none()
            && let Some(caller) = super::session::caller(request, app)?
        {
            return Ok(caller);
        }
        let (Some(only), None) = (given.next(), given.next()) else {
            return Err(Problem::unauthorized("one Authorization header with a Bearer key is needed"));
        };
        let text = only.to_str().unwrap_or_default();
        let token = text.split_once(' ').filter(|(kind, _)| kind.eq_ignore_ascii_case("bearer"));
        let token = token.map(|(_, token)| token.trim()).filter(|token| !token.is_empty());
        let Some(token) = token.filter(|token| token.len() <= LONGEST_TOKEN) else {
            return Err(Problem::unauthorized("the Authorization header is not of the form: Bearer KEY"));
        };
        Self::by_token(app, token)
            .ok_or_else(|| Problem::unauthorized("this key is not known, or has expired"))
    }

    /// The caller who has a key.
    pub(crate) fn by_token(app: &App, token: &str) -> Option<Self> {
        let hash = app.broker.secrets().hash_key(token);
        let management = app.broker.log().management();
        let key = management.keys_by_hash.get(&hash)?;
        is_alive(key).then(|| Self { key: Arc::clone(key) })
    }

    /// The caller of a key that was seen before, if it is still good.
    pub(crate) fn by_id(app: &App, id: KeyId) -> Option<Self> {
        let management = app.broker.log().management();
        let key = management.keys.get(&id)?;
        is_alive(key).then(|| Self { key: Arc::clone(key) })
    }
}

fn is_alive(key: &Key) -> bool {
    key.expires_at.is_none_or(|expires_at| expires_at > Timestamp::from(clock::now()))
}
