//! `campanile keys`: who may do what.

use super::remote::Remote;
use super::{Failure, output};
use crate::client::{Call, segment};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

#[derive(Args)]
pub(super) struct Keys {
    #[command(subcommand)]
    action: Action,
    /// Print one JSON object a line
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Action {
    /// List the tenant's keys
    List {
        #[command(flatten)]
        remote: Remote,
    },
    /// Make a key; it is shown this once
    Create {
        /// What it is for
        name: String,
        /// What it may do, such as events:read
        #[arg(long = "scope", required = true)]
        scopes: Vec<String>,
        /// From when on it is refused
        #[arg(long)]
        expires_at: Option<String>,
        #[command(flatten)]
        remote: Remote,
    },
    /// Remove a key
    Delete {
        /// Its id
        id: String,
        #[command(flatten)]
        remote: Remote,
    },
}

impl Keys {
    pub(super) fn run(self) -> Result<(), Failure> {
        match &self.action {
            Action::List { remote } => self.list(remote),
            Action::Create { name, scopes, expires_at, remote } => {
                let mut body = json!({"name": name, "scopes": scopes});
                if let Some(expires_at) = expires_at {
                    body["expires_at"] = json!(expires_at);
                }
                let made = remote.call(Call::post("/api/v1/keys").json(&body))?;
                output::report(self.json, &made, made["key"].as_str().unwrap_or_default())
            }
            Action::Delete { id, remote } => {
                remote.call(Call::delete(format!("/api/v1/keys/{}", segment(id))))?;
                output::removed(self.json, id)
            }
        }
    }

    /// Each key is a line.
    fn list(&self, remote: &Remote) -> Result<(), Failure> {
        remote.list(Call::get("/api/v1/keys"), None, |key| {
            let scopes = key["scopes"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let scopes = scopes.collect::<Vec<_>>().join(",");
            output::row(self.json, key, &["id", "name"], &scopes)
        })
    }
}
