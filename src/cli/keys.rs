//! `campanile keys`: who may do what.

use super::Failure;
use super::remote::Remote;
use awc::http::Method;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

#[derive(Args)]
pub(super) struct Keys {
    #[command(subcommand)]
    action: Action,
    /// Print JSON
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
            Action::List { remote } => {
                let keys = remote.call(Method::GET, "/api/v1/keys?limit=1000", None)?;
                if self.json {
                    println!("{keys}");
                    return Ok(());
                }
                for key in keys["data"].as_array().into_iter().flatten() {
                    let scopes: Vec<&str> =
                        key["scopes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                    let text = |name: &str| key[name].as_str().unwrap_or("-").to_owned();
                    println!("{}  {}  {}", text("id"), text("name"), scopes.join(","));
                }
            }
            Action::Create { name, scopes, expires_at, remote } => {
                let mut body = json!({"name": name, "scopes": scopes});
                if let Some(expires_at) = expires_at {
                    body["expires_at"] = json!(expires_at);
                }
                let made = remote.call(Method::POST, "/api/v1/keys", Some(&body))?;
                if self.json {
                    println!("{made}");
                } else {
                    println!("{}", made["key"].as_str().unwrap_or_default());
                }
            }
            Action::Delete { id, remote } => {
                remote.call(Method::DELETE, &format!("/api/v1/keys/{id}"), None)?;
                eprintln!("removed {id}");
            }
        }
        Ok(())
    }
}
