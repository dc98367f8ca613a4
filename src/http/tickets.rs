//! Tickets for browsers, whose `EventSource` cannot send a header: single use, 60 seconds, for the key that
//! asked. Kept in memory: a restart ends them, and a client asks for another.

use super::App;
use super::auth::Caller;
use super::problem::Problem;
use crate::clock;
use crate::model::{KeyId, Scope, Timestamp, UnixMillis};
use actix_web::{HttpRequest, HttpResponse, web};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use serde_json::json;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

const LIFE_MS: u64 = 60_000;

/// How many tickets may be waiting for their use.
const MOST_TICKETS: usize = 100_000;

/// The tickets that have been given and not used.
#[derive(Debug, Default)]
pub(crate) struct Tickets(Mutex<HashMap<String, (KeyId, UnixMillis)>>);

impl Tickets {
    fn give(&self, key: KeyId, now: UnixMillis) -> Option<(String, UnixMillis)> {
        let ticket = BASE64_URL_SAFE_NO_PAD.encode(clock::random::<24>());
        let mut tickets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tickets.len() >= MOST_TICKETS {
            tickets.retain(|_, (_, expires_at)| *expires_at > now);
        }
        if tickets.len() >= MOST_TICKETS {
            return None;
        }
        let expires_at = now.plus(LIFE_MS);
        tickets.insert(ticket.clone(), (key, expires_at));
        Some((ticket, expires_at))
    }

    /// Uses a ticket up; the key it was given to.
    pub(crate) fn redeem(&self, ticket: &str, now: UnixMillis) -> Option<KeyId> {
        let mut tickets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (key, expires_at) = tickets.remove(ticket)?;
        (expires_at > now).then_some(key)
    }
}

/// `POST /stream-tickets`.
pub(crate) async fn create(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::EventsRead)?;
    let Some((ticket, expires_at)) = app.tickets.give(caller.key.id, clock::now()) else {
        return Err(Problem::unavailable("overloaded", "too many tickets are waiting for their use", 5));
    };
    let body = json!({"ticket": ticket, "expires_at": Timestamp::from(expires_at)});
    Ok(HttpResponse::Created().insert_header(("cache-control", "no-store")).json(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_good_once_and_for_a_minute() {
        let tickets = Tickets::default();
        let key = KeyId(1);
        let (ticket, _) = tickets.give(key, UnixMillis(0)).unwrap();
        assert_eq!(tickets.redeem(&ticket, UnixMillis(59_999)), Some(key));
        assert_eq!(tickets.redeem(&ticket, UnixMillis(59_999)), None);
        let (late, _) = tickets.give(key, UnixMillis(0)).unwrap();
        assert_eq!(tickets.redeem(&late, UnixMillis(60_000)), None);
    }
}
