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
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const LIFE_MS: u64 = 60_000;

/// How many tickets may be waiting for their use, in all and of one key.
const MOST_TICKETS: usize = 100_000;
const MOST_OF_A_KEY: usize = 10_000;

/// The tickets that have been given and not used.
#[derive(Debug, Default)]
pub(crate) struct Tickets(Mutex<Given>);

#[derive(Debug, Default)]
struct Given {
    waiting: HashMap<Arc<str>, (KeyId, UnixMillis)>,
    /// The same and those used since, in the order in which they expire.
    in_order: VecDeque<(Arc<str>, UnixMillis)>,
    by_key: HashMap<KeyId, usize>,
}

impl Tickets {
    fn give(&self, key: KeyId, now: UnixMillis) -> Option<(Arc<str>, UnixMillis)> {
        let ticket: Arc<str> = BASE64_URL_SAFE_NO_PAD.encode(clock::random::<24>()).into();
        let mut given = self.lock();
        given.forget_expired(now);
        let of_key = given.by_key.get(&key).copied().unwrap_or(0);
        if given.in_order.len() >= MOST_TICKETS || of_key >= MOST_OF_A_KEY {
            return None;
        }
        let expires_at = now.plus(LIFE_MS);
        given.waiting.insert(Arc::clone(&ticket), (key, expires_at));
        given.in_order.push_back((Arc::clone(&ticket), expires_at));
        given.by_key.insert(key, of_key + 1);
        Some((ticket, expires_at))
    }

    /// The key that a ticket was given to, if it is still good. It stays so.
    pub(crate) fn look_at(&self, ticket: &str, now: UnixMillis) -> Option<KeyId> {
        let given = self.lock();
        given.waiting.get(ticket).filter(|(_, expires_at)| *expires_at > now).map(|(key, _)| *key)
    }

    /// Uses a ticket up; the key it was given to.
    pub(crate) fn redeem(&self, ticket: &str, now: UnixMillis) -> Option<KeyId> {
        let (key, expires_at) = self.lock().remove(ticket)?;
        (expires_at > now).then_some(key)
    }

    fn lock(&self) -> MutexGuard<'_, Given> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Given {
    fn remove(&mut self, ticket: &str) -> Option<(KeyId, UnixMillis)> {
        let (key, expires_at) = self.waiting.remove(ticket)?;
        if let Some(of_key) = self.by_key.get_mut(&key) {
            *of_key -= 1;
            if *of_key == 0 {
                self.by_key.remove(&key);
            }
        }
        Some((key, expires_at))
    }

    fn forget_expired(&mut self, now: UnixMillis) {
        while let Some((ticket, _)) = self.in_order.pop_front_if(|(_, expires_at)| *expires_at <= now) {
            self.remove(&ticket);
        }
    }
}

/// `POST /stream-tickets`.
pub(crate) async fn create(
    request: HttpRequest,
    app: web::Data<App>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, &app, Scope::EventsRead)?;
    super::destinations::refuse_members(super::body::optional_object(&request, &app, payload).await?, &[])?;
    let Some((ticket, expires_at)) = app.tickets.give(caller.key.id, clock::now()) else {
        return Err(Problem::unavailable("overloaded", "too many tickets are waiting for their use", 5));
    };
    let body = json!({"ticket": &*ticket, "expires_at": Timestamp::from(expires_at)});
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
        assert_eq!(tickets.look_at(&ticket, UnixMillis(59_999)), Some(key));
        assert_eq!(tickets.redeem(&ticket, UnixMillis(59_999)), Some(key));
        assert_eq!(tickets.look_at(&ticket, UnixMillis(59_999)), None);
        assert_eq!(tickets.redeem(&ticket, UnixMillis(59_999)), None);
        let (late, _) = tickets.give(key, UnixMillis(0)).unwrap();
        assert_eq!(tickets.look_at(&late, UnixMillis(60_000)), None);
        assert_eq!(tickets.redeem(&late, UnixMillis(60_000)), None);
    }

    #[test]
    fn one_key_cannot_take_every_ticket_and_expired_ones_are_forgotten() {
        let tickets = Tickets::default();
        for _ in 0..MOST_OF_A_KEY {
            assert!(tickets.give(KeyId(1), UnixMillis(0)).is_some());
        }
        assert!(tickets.give(KeyId(1), UnixMillis(1)).is_none());
        let (other, _) = tickets.give(KeyId(2), UnixMillis(1)).unwrap();
        assert!(tickets.give(KeyId(1), UnixMillis(60_000)).is_some());
        let given = tickets.lock();
        assert_eq!((given.waiting.len(), given.in_order.len(), given.by_key.len()), (2, 2, 2));
        assert!(given.waiting.contains_key(&*other));
    }
}
