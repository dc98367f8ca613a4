//! Publishes an event over HTTP and prints where it is in the log.
//!
//!     cargo run -- demo                       # in another terminal; it prints the two variables
//!     CAMPANILE_URL=... CAMPANILE_KEY=... cargo run --example publish

use campanile::client::{Client, Draft};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::from_env()?;
    let data = json!({"status": "success", "rows_loaded": 892});
    // With an id of our own, publishing again after a broken connection changes nothing.
    let draft = Draft::new("pipeline.completed", &data).pipeline("user-analytics").id("evt_example_publish");
    let stored = client.events().publish(&draft).await?;
    // From here on the event is on disk.
    println!("{} is event {} of the log", stored.id, stored.sequence.unwrap_or_default());
    Ok(())
}
