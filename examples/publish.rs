//! Publishes an event over HTTP and prints where it is in the log.
//!
//!     cargo run -- demo                       # in another terminal; it prints the two variables
//!     CAMPANILE_URL=... CAMPANILE_KEY=... cargo run --example publish

use serde_json::{Value, json};

#[actix_rt::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::var("CAMPANILE_URL").unwrap_or_else(|_| "http://127.0.0.1:8080".to_owned());
    let key = std::env::var("CAMPANILE_KEY")?;
    let event = json!({
        // With an id of our own, publishing again after a broken connection changes nothing.
        "id": "evt_example_publish",
        "type": "pipeline.completed",
        "pipeline": "user-analytics",
        "data": {"status": "success", "rows_loaded": 892},
    });
    let client = awc::Client::default();
    let request = client.post(format!("{url}/api/v1/events")).bearer_auth(key);
    let mut answer = request.send_json(&event).await.map_err(|error| error.to_string())?;
    let stored: Value = answer.json().await?;
    if !answer.status().is_success() {
        return Err(stored["detail"].to_string().into());
    }
    // From here on the event is on disk.
    println!("{} is event {} of the log", stored["id"], stored["sequence"]);
    Ok(())
}
