//! Talking to a running broker: its address, a key, and one request at a time.

use super::Failure;
use crate::webhook::tls::tls_config;
use awc::http::{Method, StatusCode};
use awc::{Client, ClientRequest, Connector};
use clap::Args;
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

const TIMEOUT: Duration = Duration::from_secs(30);
const LARGEST_ANSWER: usize = 256 << 20;

#[derive(Args, Clone)]
pub(super) struct Remote {
    /// The broker's address
    #[arg(long, env = "CAMPANILE_URL", default_value = "http://127.0.0.1:8080", value_parser = address)]
    pub(super) url: String,
    /// An API key
    #[arg(long, env = "CAMPANILE_KEY", hide_env_values = true)]
    pub(super) key: String,
    /// A PEM file with further certificate authorities
    #[arg(long, env = "CAMPANILE_CA_FILE")]
    pub(super) ca_file: Option<PathBuf>,
}

fn address(text: &str) -> Result<String, String> {
    let parsed = Url::parse(text).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
    parsed
        .map(|_| text.trim_end_matches('/').to_owned())
        .ok_or_else(|| "must be http:// or https://".to_owned())
}

impl Remote {
    /// A client without a deadline of its own.
    pub(super) fn client(&self) -> Result<Client, Failure> {
        if self.key.is_empty() || !self.key.bytes().all(|byte| byte.is_ascii_graphic()) {
            let detail = "the key has characters that no key has: see --key or CAMPANILE_KEY";
            return Err(Failure::Usage(detail.to_owned()));
        }
        let client = Client::builder().disable_timeout().disable_redirects();
        if !self.url.starts_with("https:") {
            return Ok(client.finish());
        }
        let tls = tls_config(self.ca_file.as_deref()).map_err(|error| Failure::Usage(error.to_string()))?;
        Ok(client.connector(Connector::new().rustls_0_23(tls)).finish())
    }

    /// A request with the key.
    pub(super) fn request(&self, client: &Client, method: Method, path: &str) -> ClientRequest {
        client.request(method, format!("{}{path}", self.url)).bearer_auth(&self.key)
    }

    /// Makes a request and gives what the answer holds; an error answer is an error.
    pub(super) fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        actix_rt::System::new().block_on(self.exchange(method, path, body))
    }

    /// Gives every row of a list to `show`, page after page; at most `limit` when that is given.
    pub(super) fn list(
        &self,
        path: &str,
        query: &[(&str, Option<&str>)],
        limit: Option<u64>,
        show: impl Fn(&Value) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let (mut cursor, mut left) = (None, limit.unwrap_or(u64::MAX));
        while left > 0 {
            let mut text = url::form_urlencoded::Serializer::new(String::new());
            text.append_pair("limit", &left.min(1000).to_string());
            let cursor_now = [("cursor", cursor.as_deref())];
            for (name, value) in query.iter().chain(&cursor_now) {
                if let Some(value) = value {
                    text.append_pair(name, value);
                }
            }
            let page = self.call(Method::GET, &format!("{path}?{}", text.finish()), None)?;
            for row in page["data"].as_array().into_iter().flatten() {
                show(row)?;
                left -= 1;
            }
            cursor = page["next_cursor"].as_str().filter(|_| page["has_more"] == true).map(str::to_owned);
            if cursor.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// The same from within a runtime.
    pub(super) async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let body = body.map(|body| ("application/json", body.to_string()));
        let text = self.exchange_text(method, path, body).await?;
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// The same with texts, which keep numbers and the order of members as they are.
    pub(super) async fn exchange_text(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, String)>,
    ) -> Result<String, Failure> {
        let request = self.request(&self.client()?, method, path).timeout(TIMEOUT);
        let sent = match body {
            Some((media_type, body)) => request.content_type(media_type).send_body(body).await,
            None => request.send().await,
        };
        let mut answer = sent.map_err(|error| self.unreachable(&error))?;
        let status = answer.status();
        let body = answer.body().limit(LARGEST_ANSWER).await.map_err(|error| self.unreachable(&error))?;
        let text = String::from_utf8_lossy(&body).into_owned();
        if status.is_success() { Ok(text) } else { Err(refused(status, &text)) }
    }

    /// Nothing was answered.
    pub(super) fn unreachable(&self, error: &dyn std::fmt::Display) -> Failure {
        Failure::Unreachable(format!("{} does not answer: {error}; is the broker running?", self.url))
    }
}

/// What an error answer says, and what to do about it.
pub(super) fn refused(status: StatusCode, body: &str) -> Failure {
    let problem: Value = serde_json::from_str(body).unwrap_or(Value::Null);
    let detail =
        problem["detail"].as_str().or(problem["message"].as_str()).unwrap_or("no details were given");
    let request = problem["request_id"].as_str().unwrap_or("unknown");
    let hint = match status {
        StatusCode::UNAUTHORIZED => "; give a key with --key or CAMPANILE_KEY",
        StatusCode::FORBIDDEN => "; use a key with this scope",
        _ => "",
    };
    let text = format!("the broker answered {status}: {detail}{hint} (request {request})");
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Failure::Forbidden(text),
        _ => Failure::Command(text),
    }
}

/// A text as one segment of a path.
pub(super) fn segment(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    text.bytes()
        .map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_stays_one_segment_of_the_path() {
        assert_eq!(segment("key_01-a"), "key_01-a");
        assert_eq!(segment("../events?x=1"), "%2E%2E%2Fevents%3Fx%3D1");
    }

    #[test]
    fn an_address_is_http_or_https() {
        assert_eq!(address("https://events.example.com/").unwrap(), "https://events.example.com");
        assert!(address("events.example.com").is_err() && address("ftp://x").is_err());
    }
}
