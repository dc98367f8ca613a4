//! Which broker a command talks to, and what its answers mean for the exit code.

use super::Failure;
use crate::client::{Call, Client, Error, Pages};
use clap::Args;
use serde_json::Value;
use std::future::Future;
use std::path::PathBuf;
use url::Url;

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
    pub(super) fn client(&self) -> Result<Client, Failure> {
        let builder = Client::builder(&self.url, &self.key);
        let builder = match &self.ca_file {
            Some(path) => builder.ca_file(path),
            None => builder,
        };
        Ok(builder.build()?)
    }

    /// Makes a call and gives what the answer holds; an error answer is an error.
    pub(super) fn call(&self, call: Call) -> Result<Value, Failure> {
        block_on(async { value(&self.client()?, call).await })
    }

    /// Gives every row of a list to `show`, page after page; at most `limit` when that is given.
    pub(super) fn list(
        &self,
        call: Call,
        limit: Option<u64>,
        show: impl Fn(&Value) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let most = limit.unwrap_or(u64::MAX);
        block_on(async {
            let mut rows: Pages<Value> = self.client()?.pages(call.query("limit", most.clamp(1, 1000)));
            for _ in 0..most {
                let Some(row) = rows.next().await else { break };
                show(&row?)?;
            }
            Ok(())
        })
    }
}

/// Runs a command to its end.
pub(super) fn block_on<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(command)
}

/// What the answer to a call holds; nothing when it has no body.
pub(super) async fn value(client: &Client, call: Call) -> Result<Value, Failure> {
    let answer = client.call(call).await?;
    if answer.body.is_empty() { Ok(Value::Null) } else { Ok(answer.json()?) }
}

/// The same as it came, which keeps numbers and the order of members as they are.
pub(super) async fn text(client: &Client, call: Call) -> Result<String, Failure> {
    Ok(String::from_utf8_lossy(&client.call(call).await?.body).into_owned())
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match &error {
            Error::Configuration(_) => Self::Usage(format!("{error}: see --url, --key and --ca-file")),
            Error::Unreachable { .. } | Error::TimedOut { .. } => {
                Self::Unreachable(format!("{error}; is the broker running?"))
            }
            Error::Refused(problem) => match problem.status {
                401 => Self::Forbidden(format!("{error}; give a key with --key or CAMPANILE_KEY")),
                403 => Self::Forbidden(format!("{error}; use a key with this scope")),
                _ => Self::Command(error.to_string()),
            },
            _ => Self::Command(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_http_or_https() {
        assert_eq!(address("https://events.example.com/").unwrap(), "https://events.example.com");
        assert!(address("events.example.com").is_err() && address("ftp://x").is_err());
    }
}
