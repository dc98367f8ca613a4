//! `campanile functions`: what runs on PRE and POST events, and what became of it.

use super::remote::Remote;
use super::{Failure, output};
use crate::client::{Call, segment};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

#[derive(Args)]
pub(super) struct Functions {
    #[command(subcommand)]
    action: Action,
    /// Print one JSON object a line
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Action {
    /// List functions
    List {
        /// Only of the app with this slug
        #[arg(long)]
        app: Option<String>,
        #[command(flatten)]
        remote: Remote,
    },
    /// List apps
    Apps {
        #[command(flatten)]
        remote: Remote,
    },
    /// Create an app
    CreateApp {
        /// Its name
        name: String,
        /// Its slug; made of the name when there is none
        #[arg(long)]
        slug: Option<String>,
        #[command(flatten)]
        remote: Remote,
    },
    /// Show a function
    Show {
        /// Its number
        id: u64,
        #[command(flatten)]
        remote: Remote,
    },
    /// Create a function; its secret is shown this once
    Create {
        /// Its name
        name: String,
        /// Where to call it
        #[arg(value_name = "URL")]
        endpoint: String,
        /// The slug of its app
        #[arg(long)]
        app: Option<String>,
        /// Its slug; made of the name when there is none
        #[arg(long)]
        slug: Option<String>,
        /// How long a call may take, in milliseconds
        #[arg(long)]
        timeout_ms: Option<u64>,
        /// Sign with this secret; one is made when there is none
        #[arg(long, env = "WEBHOOK_SECRET", hide_env_values = true)]
        secret: Option<String>,
        #[command(flatten)]
        remote: Remote,
    },
    /// Remove a function and its subscriptions
    Delete {
        /// Its number
        id: u64,
        #[command(flatten)]
        remote: Remote,
    },
    /// List the events that functions can subscribe to
    Events {
        #[command(flatten)]
        remote: Remote,
    },
    /// Subscribe a function to an event
    Subscribe {
        /// The function's number
        id: u64,
        /// The event, such as `PRE_USER_CREATE`
        event: String,
        /// Only events that this expression holds for
        #[arg(long)]
        filter: Option<String>,
        /// 0 to 9: functions of a later stage see what earlier ones changed
        #[arg(long)]
        stage: Option<u8>,
        /// fail or ignore
        #[arg(long)]
        on_error: Option<String>,
        #[command(flatten)]
        remote: Remote,
    },
    /// End a function's subscription to an event
    Unsubscribe {
        /// The function's number
        id: u64,
        /// The event
        event: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// List runs of functions, the newest first
    Invocations {
        /// Only of this function
        #[arg(long)]
        function: Option<u64>,
        /// Only on this event
        #[arg(long)]
        event: Option<String>,
        /// Only with this status, such as error or dead
        #[arg(long)]
        status: Option<String>,
        /// At most so many
        #[arg(long, default_value = "100")]
        limit: u64,
        #[command(flatten)]
        remote: Remote,
    },
    /// Run a POST event's function once more
    Retry {
        /// The number of its run
        invocation: u64,
        #[command(flatten)]
        remote: Remote,
    },
}

const MEMBERS: [&str; 4] = ["id", "slug", "name", "url"];
const RUN: [&str; 5] = ["id", "status", "function_name", "event_type", "event_id"];

impl Functions {
    pub(super) fn run(self) -> Result<(), Failure> {
        let json = self.json;
        match self.action {
            Action::List { app, remote } => {
                let call = Call::get("/api/v1/functions").query_if("app", app);
                remote.list(call, None, |one| output::row(json, one, &MEMBERS, ""))
            }
            Action::Apps { remote } => remote.list(Call::get("/api/v1/apps"), None, |one| {
                output::row(json, one, &["id", "slug", "name"], "")
            }),
            Action::CreateApp { name, slug, remote } => {
                let body = body(&[("name", json!(name)), ("slug", json!(slug))]);
                let made = remote.call(Call::post("/api/v1/apps").json(&body))?;
                output::row(json, &made, &["id", "slug", "name"], "")
            }
            Action::Show { id, remote } => {
                output::thing(json, &remote.call(Call::get(format!("/api/v1/functions/{id}")))?)
            }
            Action::Create { name, endpoint, app, slug, timeout_ms, secret, remote } => {
                let members = [
                    ("name", json!(name)),
                    ("url", json!(endpoint)),
                    ("app", json!(app)),
                    ("slug", json!(slug)),
                    ("timeout_ms", json!(timeout_ms)),
                    ("secret", json!(secret)),
                ];
                let made = remote.call(Call::post("/api/v1/functions").json(&body(&members)))?;
                output::row(json, &made, &["id", "slug", "url", "secret"], "")
            }
            Action::Delete { id, remote } => {
                remote.call(Call::delete(format!("/api/v1/functions/{id}")))?;
                output::removed(json, &id.to_string())
            }
            action => action.run(json),
        }
    }
}

impl Action {
    /// What has to do with events.
    fn run(self, json: bool) -> Result<(), Failure> {
        match self {
            Self::Events { remote } => {
                let answer = remote.call(Call::get("/api/cloud/events/"))?;
                let names = answer["data"]["events"].as_array().into_iter().flatten();
                names.into_iter().try_for_each(|name| {
                    output::report(json, &json!({"event": name}), name.as_str().unwrap_or_default())
                })
            }
            Self::Subscribe { id, event, filter, stage, on_error, remote } => {
                let members = [
                    ("function_id", json!(id)),
                    ("filter", json!(filter)),
                    ("stage", json!(stage)),
                    ("on_error", json!(on_error)),
                ];
                let path = format!("/api/cloud/events/{}/subscribe/", segment(&event));
                said(json, &remote.call(Call::post(path).json(&body(&members)))?)
            }
            Self::Unsubscribe { id, event, remote } => {
                let path = format!("/api/cloud/events/{}/unsubscribe/", segment(&event));
                said(json, &remote.call(Call::post(path).json(&json!({"function_id": id})))?)
            }
            Self::Invocations { function, event, status, limit, remote } => {
                let call = Call::get("/api/v1/invocations").query_if("function_id", function);
                let call = call.query_if("event_id", event).query_if("status", status);
                remote.list(call, Some(limit), |one| output::row(json, one, &RUN, ""))
            }
            Self::Retry { invocation, remote } => {
                let path = format!("/api/v1/invocations/{invocation}/retry");
                output::row(json, &remote.call(Call::post(path))?, &RUN, "")
            }
            _ => Ok(()),
        }
    }
}

/// Members that were given.
fn body(members: &[(&str, Value)]) -> Value {
    let given = members.iter().filter(|(_, value)| !value.is_null());
    given.map(|(name, value)| ((*name).to_owned(), value.clone())).collect::<Map<String, Value>>().into()
}

/// An answer in the envelope of the cloud's event calls.
fn said(json: bool, answer: &Value) -> Result<(), Failure> {
    output::report(json, &answer["data"], output::printable(answer["message"].as_str().unwrap_or_default()))
}
