//! Follows the event stream and resumes it, so that no restart of either side loses an event.
//!
//!     CAMPANILE_URL=... CAMPANILE_KEY=... cargo run --example follow -- place.txt 5
//!
//! The place is kept in a file: stop it, publish, start it again. It ends after so many events, if told.

use campanile::client::{Client, Error, Query};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args().nth(1).unwrap_or_else(|| "campanile.place".to_owned());
    let mut left: u64 = std::env::args().nth(2).map_or(Ok(u64::MAX), |count| count.parse())?;
    let query = match std::fs::read_to_string(&file) {
        Ok(place) => Query::new().after(place.trim()),
        Err(_) => Query::new(),
    };
    let mut stream = Client::from_env()?.events().stream(&query);
    while left > 0 {
        match stream.next().await {
            Some(Ok(event)) => {
                let sequence = event.sequence.unwrap_or_default();
                println!("{sequence} {} {}", event.event_type, event.data);
                // After the event was handled, never before: at least once.
                std::fs::write(&file, stream.place().unwrap_or_default())?;
                left -= 1;
            }
            // Retention was faster than we were: the stream goes on behind it.
            Some(Err(Error::Gap(gap))) => eprintln!("{gap}"),
            Some(Err(error)) => return Err(error.into()),
            None => break,
        }
    }
    Ok(())
}
