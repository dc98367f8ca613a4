//! Follows the event stream and resumes it, so that no restart of either side loses an event.
//!
//!     CAMPANILE_URL=... CAMPANILE_KEY=... cargo run --example follow -- place.txt 5
//!
//! The place is kept in a file: stop it, publish, start it again. It ends after so many events, if told.

use campanile::client::sse::Parser;
use futures_util::StreamExt;
use std::time::Duration;

#[actix_rt::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::var("CAMPANILE_URL").unwrap_or_else(|_| "http://127.0.0.1:8080".to_owned());
    let key = std::env::var("CAMPANILE_KEY")?;
    let file = std::env::args().nth(1).unwrap_or_else(|| "campanile.place".to_owned());
    let mut left: u64 = std::env::args().nth(2).map_or(Ok(u64::MAX), |count| count.parse())?;
    let mut parser = Parser::default();
    loop {
        let client = awc::Client::builder().disable_timeout().finish();
        let mut request = client.get(format!("{url}/api/v1/events/stream")).bearer_auth(&key);
        if let Ok(place) = std::fs::read_to_string(&file) {
            request = request.insert_header(("last-event-id", place));
        }
        if let Ok(mut answer) = request.send().await {
            while let Some(Ok(chunk)) = answer.next().await {
                for message in parser.feed(&chunk) {
                    println!("{} {} {}", message.id, message.event, message.data);
                    // After the event was handled, never before: at least once.
                    std::fs::write(&file, &message.id)?;
                    left -= 1;
                    if left == 0 {
                        return Ok(());
                    }
                }
            }
        }
        parser.reconnect();
        tokio::time::sleep(parser.retry().unwrap_or(Duration::from_secs(2))).await;
    }
}
