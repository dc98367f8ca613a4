//! What a program does with a broker that runs elsewhere: manages a webhook, publishes, reads, follows, and hears why not.
//!
//!     cargo run -- demo                       # in another terminal; it prints the two variables
//!     CAMPANILE_URL=... CAMPANILE_KEY=... cargo run --example client
//!
//! Such a program needs nothing of the server: it takes this crate without its default features and with `client`.

use campanile::client::{Client, DeliveryQuery, Draft, Error, Query};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Serialize, Deserialize)]
struct Loaded {
    table: String,
    rows: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::from_env()?;

    // A webhook; its secret is shown this once. Nobody listens at this one.
    let draft = json!({"url": "http://127.0.0.1:9/", "events": ["table.*"], "verification": "none"});
    let destination = client.destinations().create(&draft).await?;
    println!("{} is {}", destination.url, destination.status);

    // A stream that begins before anything is published, so that nothing is missed.
    let page = client.events().list(&Query::new(), 1).await?;
    let place = page.head_cursor.unwrap_or_default();
    let mut stream = client.events().stream(&Query::new().of_type("table.loaded").after(place));

    let drafts = ["users", "orders"].map(|table| {
        Draft::new("table.loaded", &Loaded { table: table.to_owned(), rows: 892 }).run_id("run_001")
    });
    let stored = client.events().publish_many(&drafts).await?;
    println!("{} events are on disk", stored.len());

    for _ in 0..drafts.len() {
        let event = stream.next().await.ok_or("the stream has ended")??;
        let loaded: Loaded = event.data()?;
        println!("heard {} rows of {}", loaded.rows, loaded.table);
    }

    let query = Query::new().of_type("table.*").run_id("run_001");
    let mut events = client.events().iterate(&query);
    while let Some(event) = events.next().await {
        let event = event?;
        println!("read {} at {}", event.event_type, event.timestamp);
    }

    // The broker says what is wrong, and where.
    match client.events().publish(&Draft::new("not a type", &json!({}))).await {
        Err(Error::Refused(problem)) => {
            for rule in &problem.violations {
                println!("refused with {}: {} {}", problem.status, rule.pointer, rule.detail);
            }
        }
        other => println!("unexpected: {other:?}"),
    }

    let waiting = DeliveryQuery::new().status("pending").status("retrying");
    let waiting = client.destinations().deliveries(&destination.id, &waiting).all().await?;
    println!("{} deliveries wait", waiting.len());
    client.destinations().delete(&destination.id).await?;
    Ok(())
}
