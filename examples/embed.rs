//! A broker inside a program: no server, no other process, the same durable log.
//!
//!     cargo run --example embed -- some-folder

use campanile::broker::{Broker, Event, From};
use campanile::model::{EventFilter, TypePattern};
use futures_util::StreamExt;
use std::sync::mpsc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut config = campanile::Config::default();
    config.storage.path = std::env::args().nth(1).unwrap_or_else(|| "campanile-embedded".to_owned()).into();
    let broker = Broker::open(config)?;

    // A function that runs on every matching event from now on.
    let (tell, told) = mpsc::channel();
    let failed = EventFilter::of_types(vec![TypePattern::parse("pipeline.failed")?]);
    broker.on(failed, move |event| {
        let tell = tell.clone();
        async move { drop(tell.send(event.data())) }
    });

    // When this answers, the event is fsynced.
    let first =
        broker.publish(Event::new("pipeline.started").pipeline("user-analytics").run_id("run_001")).await?;
    broker.publish(Event::new("pipeline.failed").data(&serde_json::json!({"error": "no space"}))).await?;
    println!("the handler heard {}", String::from_utf8_lossy(&told.recv()?));

    // An async stream from any place, through stored events to live ones.
    let mut events = broker.subscribe(EventFilter::default(), From::After(first.sequence().previous()));
    for _ in 0..2 {
        if let Some(event) = events.next().await {
            let event = event?;
            println!("event {} is {}", event.sequence(), event.event_type());
        }
    }
    broker.shutdown().await;
    Ok(())
}
