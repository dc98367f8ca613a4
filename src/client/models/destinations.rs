//! Destinations, and what is known of them.

use super::{Secret, Time};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

model! {
    /// A webhook.
    Destination {
        /// Its id.
        id: String,
        /// Where events are sent.
        url: String,
        /// What it is for.
        description: Option<String>,
        /// Which types it hears.
        events: Vec<String>,
        /// Which of them: an expression.
        filter: Option<String>,
        /// How bodies are written.
        format: String,
        /// `pending`, `active` or `deactivated`.
        status: String,
        /// Why it is deactivated.
        deactivation: Option<Deactivation>,
        /// How its endpoint is asked for its consent: `challenge`, `ping` or `none`.
        verification: String,
        /// Headers of every delivery.
        headers: Map<String, Value>,
        /// When failed deliveries are tried again.
        retry: Retry,
        /// How long the endpoint may take.
        timeout_ms: u64,
        /// How many deliveries may be under way.
        max_in_flight: u32,
        /// At most so many attempts a second.
        rate_limit_per_s: Option<u32>,
        /// `none`, `strict`, `pipeline` or `run_id`.
        ordering: String,
        /// The name of the header with the body-only signature.
        signature_header: Option<String>,
        /// How far behind it is.
        lag: Lag,
        /// Since when nothing gets through.
        failing_since: Option<Time>,
        /// Whether it is declared in the broker's config.
        declared: bool,
        /// When it was made.
        created_at: Time,
        /// When it was last changed.
        updated_at: Time,
        /// Its secret: on creation and rotation only. Empty otherwise, and for unsigned deliveries.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        secret: Option<Secret>,
        /// Until when the earlier secrets sign too: on rotation only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        overlap_until: Option<Time>,
        /// What came of asking its endpoint: on verification only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attempt: Option<Trial>,
    }
}

model! {
    /// Why a destination is deactivated.
    Deactivation {
        /// `user`, `failures` or `gone`.
        reason: String,
        /// Since when.
        at: Time,
        /// In words.
        detail: Option<String>,
    }
}

model! {
    /// When what failed is tried again.
    Retry {
        /// Whether at all.
        enabled: bool,
        /// The waits between attempts, in seconds.
        schedule_s: Vec<u64>,
    }
}

model! {
    /// How far behind a destination is.
    Lag {
        /// Events that wait.
        events: u64,
        /// The age of the oldest of them.
        seconds: u64,
    }
}

model! {
    /// What came of asking an endpoint.
    Trial {
        /// When it began.
        at: Time,
        /// How long it took.
        latency_ms: u64,
        /// What the endpoint answered, if it did.
        status: Option<u16>,
        /// Why it counts as a failure.
        error: Option<String>,
        /// The headers that came and the first 4 KiB of the body.
        response: Option<Value>,
        /// Whether a test was taken.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        success: Option<bool>,
        /// Whether a verification was passed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        passed: Option<bool>,
    }
}

model! {
    /// Figures of a destination.
    Stats {
        /// How many deliveries there are of each status.
        counts: Map<String, Value>,
        /// How many attempts were made.
        attempts: u64,
        /// How many of them succeeded, from 0 to 1.
        success_rate: Option<f64>,
        /// `p50`, `p95` and `p99`.
        latency_ms: Option<Value>,
        /// How far behind it is.
        lag: Lag,
        /// How many deliveries were looked at.
        deliveries: u64,
        /// Since when.
        since: Option<Time>,
    }
}
