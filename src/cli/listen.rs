//! `campanile listen --forward URL`: hears the stream and sends each event on as a signed webhook, so that an endpoint can
//! be built on a machine that nobody reaches from outside.
//!
//! What must hold: the requests look and verify like deliveries; an event is sent on before the next one is heard.

use super::follow::{Hear, Selection, follow};
use super::remote::{Remote, block_on};
use super::{Failure, output};
use crate::client::exchange::{Ask, Exchange};
use crate::client::sse::Message;
use crate::clock;
use crate::webhook::headers::{SIGNATURE, USER_AGENT};
use crate::webhook::signature::{Signer, check_secret};
use crate::webhook::tls::tls_config;
use base64::prelude::{BASE64_STANDARD, Engine};
use clap::Args;
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;
use url::Url;

#[derive(Args)]
pub(super) struct Listen {
    /// Where to send events on to, such as an endpoint of localhost
    #[arg(long, value_name = "URL", value_parser = endpoint)]
    forward: String,
    /// Sign with this secret; one is made and shown when there is none
    #[arg(long, env = "WEBHOOK_SECRET", hide_env_values = true)]
    secret: Option<String>,
    /// How long the endpoint may take, in milliseconds
    #[arg(long, default_value = "15000")]
    timeout_ms: u64,
    #[command(flatten)]
    selection: Selection,
    /// Print what came of each event as one line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

fn endpoint(text: &str) -> Result<String, String> {
    let url = Url::parse(text).ok().filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
    url.map(|_| text.to_owned()).ok_or_else(|| "must be http:// or https://".to_owned())
}

/// What an event says of itself.
#[derive(Deserialize)]
struct Named {
    id: String,
}

/// Sends on what is heard.
struct Forwarder {
    url: String,
    exchange: Exchange,
    timeout: Duration,
    signer: Signer,
    json: bool,
}

impl Listen {
    pub(super) fn run(self) -> Result<(), Failure> {
        let secret = match &self.secret {
            Some(secret) => secret.clone(),
            None => {
                let made = format!("whsec_{}", BASE64_STANDARD.encode(clock::random::<32>()));
                output::note(format_args!("signing with {made}"));
                made
            }
        };
        check_secret(&secret).map_err(Failure::Usage)?;
        block_on(async {
            let exchange = self.exchange()?;
            output::note(format_args!("sending events on to {}", self.forward));
            let signer = Signer::new(&secret);
            let (url, timeout) = (self.forward.clone(), Duration::from_millis(self.timeout_ms));
            let mut forwarder = Forwarder { url, exchange, timeout, signer, json: self.json };
            follow(&self.remote, &self.selection, &mut forwarder).await
        })
    }

    fn exchange(&self) -> Result<Exchange, Failure> {
        if !self.forward.starts_with("https:") {
            return Ok(Exchange::new(None));
        }
        let tls = tls_config(self.remote.ca_file.as_deref());
        Ok(Exchange::new(Some(tls.map_err(|error| Failure::Usage(error.to_string()))?)))
    }
}

impl Hear for Forwarder {
    async fn hear(&mut self, message: &Message) -> Result<(), Failure> {
        let named: Named = serde_json::from_str(&message.data).map_err(std::io::Error::from)?;
        let (began, at) = (clock::instant(), clock::now().0.div_euclid(1000));
        let body = message.data.as_bytes();
        let headers = [
            ("user-agent", USER_AGENT.to_owned()),
            ("content-type", "application/json".to_owned()),
            ("webhook-id", named.id.clone()),
            ("webhook-timestamp", at.to_string()),
            ("webhook-signature", self.signer.standard(&named.id, at, body)),
            (SIGNATURE, self.signer.body_only(body)),
            ("X-Campanile-Event", message.event.clone()),
            ("X-Campanile-Delivery", format!("dlv_local_{}", message.id)),
            ("X-Campanile-Attempt", "1".to_owned()),
            ("X-Campanile-Sequence", message.id.clone()),
        ];
        let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let body = message.data.clone().into();
        let ask = Ask { method: "POST", url: self.url.clone(), headers, body };
        let posted = async { Ok(self.exchange.send(ask).await?.status) };
        let answer = tokio::time::timeout(self.timeout, posted).await;
        let latency_ms = began.elapsed().as_millis() as u64;
        let late = || format!("no answer within {} ms", self.timeout.as_millis());
        self.show(message, &named.id, latency_ms, answer.unwrap_or_else(|_| Err(late())))
    }
}

impl Forwarder {
    fn show(
        &self,
        message: &Message,
        id: &str,
        latency_ms: u64,
        result: Result<u16, String>,
    ) -> Result<(), Failure> {
        let (status, error) = match result {
            Ok(status) => (Some(status), None),
            Err(error) => (None, Some(error)),
        };
        let row = json!({
            "sequence": message.id.parse::<u64>().ok(), "id": id, "type": message.event, "status": status, "latency_ms": latency_ms,
            "error": error,
        });
        let said = status.map_or_else(|| error.unwrap_or_default(), |status| status.to_string());
        output::row(self.json, &row, &["sequence", "type", "id"], &format!("{said}  {latency_ms} ms"))
    }
}
