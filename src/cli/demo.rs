//! `campanile demo`: a broker, a webhook receiver, a stream and a poll, and one pipeline run through all three.

use super::receiver::{self, Taken};
use super::serve::{Signals, bind, relax};
use super::{Failure, output};
use crate::broker::Broker;
use crate::client::{Client, Draft, EventStream, Query};
use crate::config::Config;
use crate::http;
use crate::telemetry;
use clap::Args;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long any part of the demo may take.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Args)]
pub(super) struct Demo {
    /// Where to listen; port 0 takes any that is free
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The data folder
    #[arg(long, default_value = "campanile-demo")]
    data: PathBuf,
    /// End after the run instead of leaving the broker running
    #[arg(long)]
    exit: bool,
}

impl Demo {
    pub(super) fn run(self) -> Result<(), Failure> {
        telemetry::start(None);
        let mut config = Config::default();
        config.server.listen = self.listen;
        config.storage.path = self.data;
        relax(&mut config)?;
        let listener = bind(self.listen)?;
        let broker = Broker::open(config)?;
        actix_rt::System::new().block_on(async move {
            let mut signals = Signals::listen()?;
            let address = listener.local_addr()?;
            let (server, handle) = http::serve(broker.clone(), listener)?;
            actix_rt::spawn(server);
            let played = tokio::select! {
                played = play(&broker, address) => played.map(Some),
                () = signals.next() => Ok(None),
            };
            if let Ok(Some(key)) = &played
                && !self.exit
            {
                invite(address, key)?;
                signals.next().await;
            }
            broker.begin_drain();
            handle.stop(true).await;
            broker.shutdown().await;
            played.map(|_| ())
        })
    }
}

/// The run of the published Acme events API.
fn pipeline_run() -> Vec<(&'static str, Value)> {
    vec![
        ("pipeline.started", json!({})),
        ("pipeline.stage.extract", json!({"rows": 1247, "duration_ms": 1200})),
        ("pipeline.stage.transform", json!({"rows": 892, "duration_ms": 1800})),
        ("pipeline.stage.load", json!({"rows": 892, "duration_ms": 1400})),
        (
            "pipeline.completed",
            json!({
                "status": "success", "duration_ms": 4700, "rows_extracted": 1247, "rows_loaded": 892,
                "stages": [
                    {"name": "extract", "duration_ms": 1200, "rows": 1247},
                    {"name": "filter", "duration_ms": 300, "rows": 892},
                    {"name": "transform", "duration_ms": 1800, "rows": 892},
                    {"name": "load", "duration_ms": 1400, "rows": 892}
                ]
            }),
        ),
    ]
}

async fn play(broker: &Broker, address: SocketAddr) -> Result<String, Failure> {
    let key = key_for(broker).await?;
    let client = Client::new(format!("http://{address}"), &key)?;
    output::line(format_args!("broker      http://{address}"))?;
    let secret = "whsec_Q2FtcGFuaWxlJ3MgZGVtbyBzZWNyZXQhISE=";
    let endpoint = bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let endpoint_url = format!("http://{}/hooks", endpoint.local_addr()?);
    let (taken, mut deliveries) = mpsc::channel(16);
    let receiver = receiver::start(endpoint, secret, taken)?;
    let destination = json!({"url": endpoint_url, "verification": "none", "secret": secret});
    let created = client.destinations().create(&destination).await?;
    output::line(format_args!("webhook     {} -> {endpoint_url}", created.id))?;
    let (heard, mut frames) = mpsc::channel(16);
    let before = client.events().list(&Query::new(), 1).await?;
    let from_now = Query::new().after(before.head_cursor.unwrap_or_default());
    actix_rt::spawn(follow(client.events().stream(&from_now), heard));
    let run = pipeline_run();
    output::line(format_args!("\na run of the pipeline user-analytics:"))?;
    for (event_type, data) in &run {
        let draft = Draft::new(*event_type, data).pipeline("user-analytics").run_id("run_001");
        let stored = client.events().publish(&draft).await?;
        output::line(format_args!("  published {:>4}  {event_type}", stored.sequence.unwrap_or_default()))?;
    }
    output::line(format_args!("\nheard by webhook, both signatures checked:"))?;
    let delivered = collect(&mut deliveries, run.len()).await?;
    for Taken { event_type, sequence, verified } in &delivered {
        if !verified {
            return Err(Failure::Command(format!(
                "the delivery of {sequence} is not signed as it should be"
            )));
        }
        output::line(format_args!("  verified  {sequence:>4}  {event_type}"))?;
    }
    output::line(format_args!("\nheard by Server-Sent Events, in order:"))?;
    for (sequence, event_type) in collect(&mut frames, run.len()).await? {
        output::line(format_args!("  streamed  {sequence:>4}  {event_type}"))?;
    }
    output::line(format_args!("\nheard by polling from the same place:"))?;
    for event in client.events().list(&from_now, 100).await?.data {
        let sequence = event.sequence.unwrap_or_default();
        output::line(format_args!("  polled    {sequence:>4}  {}", event.event_type))?;
    }
    client.destinations().delete(&created.id).await?;
    receiver.stop(false).await;
    Ok(key)
}

/// A key of this demo's own: the data folder may have others already.
async fn key_for(broker: &Broker) -> Result<String, Failure> {
    use crate::model::{Scope, Scopes};
    let scopes = Scopes(vec![Scope::Admin, Scope::Operator, Scope::EventsPublish]);
    let made = broker.create_key(broker.default_tenant(), "demo".to_owned(), scopes, None).await;
    made.map(|(_, token)| token).map_err(|error| Failure::Command(error.to_string()))
}

async fn collect<T>(from: &mut mpsc::Receiver<T>, count: usize) -> Result<Vec<T>, Failure> {
    let gather = async {
        let mut all = Vec::new();
        while all.len() < count {
            match from.recv().await {
                Some(one) => all.push(one),
                None => break,
            }
        }
        all
    };
    let gathered = tokio::time::timeout(PATIENCE, gather).await;
    gathered.map_err(|_| Failure::Command("not everything arrived in time".to_owned()))
}

async fn follow(mut stream: EventStream, heard: mpsc::Sender<(String, String)>) {
    while let Some(Ok(event)) = stream.next().await {
        let sequence = event.sequence.unwrap_or_default().to_string();
        if heard.send((sequence, event.event_type)).await.is_err() {
            return;
        }
    }
}

fn invite(address: SocketAddr, key: &str) -> Result<(), Failure> {
    output::line(format_args!(
        "
The broker runs on until Ctrl-C. In another terminal:

  export CAMPANILE_URL=http://{address} CAMPANILE_KEY={key}
  curl -N -H \"Authorization: Bearer $CAMPANILE_KEY\" $CAMPANILE_URL/api/v1/events/stream
  curl -H \"Authorization: Bearer $CAMPANILE_KEY\" -H 'Content-Type: application/json' \\
       -d '{{\"type\":\"pipeline.failed\",\"data\":{{\"error\":\"no space\"}}}}' $CAMPANILE_URL/api/v1/events
"
    ))
}
