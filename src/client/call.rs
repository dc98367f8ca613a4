//! One request of the API as a value. Whatever has no method of its own can be asked for with it.

use super::error::Error;
use crate::clock;
use bytes::Bytes;
use serde::Serialize;
use std::fmt::Display;
use url::form_urlencoded::Serializer;

/// A request: its method, path, query, headers and body.
///
/// ```
/// use campanile::client::Call;
///
/// let call = Call::get("/api/v1/events").query("type", "pipeline.*").query("limit", 10);
/// assert_eq!(call.target(), "/api/v1/events?type=pipeline.*&limit=10");
/// ```
#[derive(Clone)]
#[must_use]
pub struct Call {
    pub(super) method: &'static str,
    path: String,
    query: Vec<(String, String)>,
    pub(super) headers: Vec<(String, String)>,
    /// An error is told when the call is made.
    body: Result<Bytes, String>,
    pub(super) is_repeatable: bool,
    /// What the broker is asked to take its time for.
    pub(super) patience_ms: u64,
}

impl std::fmt::Debug for Call {
    /// Without the body: some hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call")
            .field("method", &self.method)
            .field("target", &self.target())
            .finish_non_exhaustive()
    }
}

impl Call {
    fn new(method: &'static str, path: impl Into<String>, is_repeatable: bool) -> Self {
        let path = path.into();
        let (query, headers, body) = (Vec::new(), Vec::new(), Ok(Bytes::new()));
        Self { method, path, query, headers, body, is_repeatable, patience_ms: 0 }
    }

    /// Reads.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new("GET", path, true)
    }

    /// Makes something, or has something done. Not made again when nobody knows whether it was done.
    pub fn post(path: impl Into<String>) -> Self {
        Self::new("POST", path, false)
    }

    /// Puts something in its place.
    pub fn put(path: impl Into<String>) -> Self {
        Self::new("PUT", path, true)
    }

    /// Changes the members that are given.
    pub fn patch(path: impl Into<String>) -> Self {
        Self::new("PATCH", path, true)
    }

    /// Removes something. Made again only when nothing was done, for the second time it would not be found.
    pub fn delete(path: impl Into<String>) -> Self {
        Self::new("DELETE", path, false)
    }

    /// Adds a query parameter.
    pub fn query(mut self, name: &str, value: impl Display) -> Self {
        self.query.push((name.to_owned(), value.to_string()));
        self
    }

    /// Adds a query parameter when there is a value.
    pub fn query_if(self, name: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Sends a value as JSON.
    pub fn json(self, body: &(impl Serialize + ?Sized)) -> Self {
        match serde_json::to_vec(body) {
            Ok(bytes) => self.body("application/json", bytes),
            Err(error) => Self { body: Err(format!("the body cannot be said in JSON: {error}")), ..self },
        }
    }

    /// Sends bytes as they are.
    pub fn body(mut self, media_type: &str, bytes: impl Into<Bytes>) -> Self {
        self.body = Ok(bytes.into());
        self.header("content-type", media_type)
    }

    /// Names the request, so that it is done once however often it is made: the API takes such names on publishing.
    pub fn idempotency_key(self, key: impl Into<String>) -> Self {
        let named = self.header("idempotency-key", key);
        Self { is_repeatable: true, ..named }
    }

    /// The same with a name made up now.
    pub fn named(self) -> Self {
        self.idempotency_key(format!("{:032x}", u128::from_le_bytes(clock::random())))
    }

    /// Lets the answer take so many milliseconds more than the client's time-out: for calls that wait at the broker.
    pub fn waiting_ms(mut self, millis: u64) -> Self {
        self.patience_ms = millis;
        self
    }

    /// The path and the query as they are sent.
    pub fn target(&self) -> String {
        if self.query.is_empty() {
            return self.path.clone();
        }
        let query = Serializer::new(String::new()).extend_pairs(&self.query).finish();
        format!("{}?{query}", self.path)
    }

    pub(super) fn content(&self) -> Result<Bytes, Error> {
        self.body.clone().map_err(Error::Configuration)
    }

    /// The same call with another value of a query parameter.
    pub(super) fn with(&self, name: &str, value: &str) -> Self {
        let mut other = self.clone();
        other.query.retain(|(known, _)| known != name);
        other.query(name, value)
    }
}

/// A text as one segment of a path, whatever is in it.
pub fn segment(text: impl Display) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let of = |byte: u8| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.to_string().bytes().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn an_id_stays_one_segment_of_the_path() {
        assert_eq!(segment("key_01-a"), "key_01-a");
        assert_eq!(segment("../events?x=1"), "%2E%2E%2Fevents%3Fx%3D1");
    }

    #[test]
    fn a_query_is_encoded_and_a_page_s_cursor_replaced() {
        let call = Call::get("/x").query("filter", "data.a > 1 & b").query_if("cursor", Some(1));
        assert_eq!(call.target(), "/x?filter=data.a+%3E+1+%26+b&cursor=1");
        assert_eq!(call.with("cursor", "2").target(), "/x?filter=data.a+%3E+1+%26+b&cursor=2");
    }

    #[test]
    fn what_json_cannot_say_is_an_error_of_the_call() {
        let call = Call::post("/x").json(&HashMap::from([(vec![1], 1)]));
        assert!(matches!(call.content(), Err(Error::Configuration(_))));
    }
}
