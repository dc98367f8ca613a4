//! Apps, functions, and their runs.

use super::{Attempts, Retry, Secret, Time};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

model! {
    /// What functions belong to.
    App {
        /// Its number.
        id: u64,
        /// Its name in paths.
        slug: String,
        /// Its name.
        name: String,
        /// When it was made.
        created_at: Time,
        /// When it was last changed.
        updated_at: Time,
    }
}

model! {
    /// A function that runs on events.
    Function {
        /// Its number.
        id: u64,
        /// Its name.
        name: String,
        /// Its name in paths.
        slug: String,
        /// What it belongs to.
        app: Option<Value>,
        /// `http` or `in_process`.
        kind: String,
        /// Where it is called.
        url: Option<String>,
        /// How long a call may take.
        timeout_ms: u64,
        /// When failed calls on POST events are made again.
        retry: Retry,
        /// When it was made.
        created_at: Time,
        /// When it was last changed.
        updated_at: Time,
        /// Its secret: on creation only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        secret: Option<Secret>,
    }
}

model! {
    /// One run of a function.
    Invocation {
        /// Its number.
        id: u64,
        /// The id of its task: the `webhook-id` of its calls.
        task_id: String,
        /// What it runs on.
        event_id: String,
        /// The event's type.
        event_type: String,
        /// The event's place in the log.
        sequence: u64,
        /// `pre` or `post`.
        mode: String,
        /// The function.
        function_id: u64,
        /// Its name.
        function_name: String,
        /// Its name in paths.
        function_slug: String,
        /// The subscription that had it run.
        subscription_id: u64,
        /// 0 to 9.
        stage: u8,
        /// `fail` or `ignore`.
        on_error: String,
        /// `pending`, `running`, `success`, `error`, `timeout`, `cancelled` or `dead`.
        status: String,
        /// How often it was tried, or each attempt.
        attempts: Attempts<Value>,
        /// When it is tried again.
        next_attempt_at: Option<Time>,
        /// When it was asked for.
        created_at: Time,
        /// When it began.
        started_at: Option<Time>,
        /// How long it took.
        duration_ms: Option<u64>,
        /// What the function answered.
        result: Option<Value>,
        /// Why it failed.
        error: Option<Value>,
    }
}
