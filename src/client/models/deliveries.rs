//! Deliveries, their attempts, and replays.

use super::{Attempts, Time};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

model! {
    /// One event at one destination.
    Delivery {
        /// Its id.
        id: String,
        /// The event; empty when retention has taken it.
        event_id: Option<String>,
        /// The event's type.
        event_type: Option<String>,
        /// When the event happened.
        timestamp: Option<Time>,
        /// The event's place in the log.
        sequence: u64,
        /// Where it goes.
        destination_id: String,
        /// `pending`, `retrying`, `delivered`, `dead`, `expired` or `cancelled`.
        status: String,
        /// When it is tried again.
        next_attempt_at: Option<Time>,
        /// How often it was tried, or each attempt: lists of a destination have the count.
        attempts: Attempts<Attempt>,
        /// What came of the last attempt: in lists of a destination only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_attempt: Option<Value>,
    }
}

model! {
    /// One attempt of a delivery.
    Attempt {
        /// Its number, from 1.
        attempt: u32,
        /// When it began.
        at: Time,
        /// How long it took.
        latency_ms: u64,
        /// What the endpoint answered, if it did.
        status: Option<u16>,
        /// Why it counts as a failure.
        error: Option<String>,
        /// When the next one is due.
        next_attempt_at: Option<Time>,
        /// The replay that asked for it.
        replay_id: Option<String>,
        /// The headers that were sent, without secrets.
        request: Value,
        /// The headers that came and the first 4 KiB of the body.
        response: Value,
    }
}

model! {
    /// Stored events that are sent to a destination again.
    Replay {
        /// Its id.
        id: String,
        /// Where they go.
        destination_id: String,
        /// `queued`, `running`, `done` or `stopped`.
        status: String,
        /// Events of this time or later.
        since: Option<Time>,
        /// Events before this time.
        until: Option<Time>,
        /// Events of these types.
        types: Vec<String>,
        /// Which deliveries: `failed`, `missing` or `all`.
        only: String,
        /// At most so many a second.
        rate_per_s: Option<u32>,
        /// How many there are, once that is known.
        total: Option<u64>,
        /// How many got through.
        done: u64,
        /// How many failed for good.
        failed: u64,
        /// How many are put back and under way.
        waiting: u64,
        /// When it was asked for.
        created_at: Time,
        /// When it ended.
        ended_at: Option<Time>,
    }
}
