//! Talking to a running broker: its address, a key, and one request at a time.

use super::Failure;
use awc::Client;
use awc::http::Method;
use clap::Args;
use serde_json::Value;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Args, Clone)]
pub(super) struct Remote {
    /// The broker's address
    #[arg(long, env = "CAMPANILE_URL", default_value = "http://127.0.0.1:8080")]
    pub(super) url: String,
    /// An API key
    #[arg(long, env = "CAMPANILE_KEY", hide_env_values = true)]
    pub(super) key: String,
}

impl Remote {
    /// A request's address.
    pub(super) fn address(&self, path: &str) -> String {
        format!("{}{path}", self.url.trim_end_matches('/'))
    }

    /// Makes a request with a key, and gives what the answer holds; an error answer is an error.
    pub(super) fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        actix_rt::System::new().block_on(self.exchange(method, path, body))
    }

    pub(super) async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let client = Client::builder().timeout(TIMEOUT).disable_redirects().finish();
        let request = client.request(method, self.address(path)).bearer_auth(&self.key);
        let sent = match body {
            Some(body) => request.send_json(body).await,
            None => request.send().await,
        };
        let unreachable = |error: &dyn std::fmt::Display| {
            Failure::Command(format!("{} does not answer: {error}; is the broker running?", self.url))
        };
        let mut answer = sent.map_err(|error| unreachable(&error))?;
        let status = answer.status();
        let text = answer.body().limit(64 << 20).await.map_err(|error| unreachable(&error))?;
        let value = serde_json::from_slice(&text).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(value);
        }
        let detail = value["detail"].as_str().unwrap_or("no details were given");
        let request = value["request_id"].as_str().unwrap_or("unknown");
        Err(Failure::Command(format!("the broker answered {status}: {detail} (request {request})")))
    }
}
