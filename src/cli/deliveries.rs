//! `campanile deliveries`: what became of events at a destination, and sending one again.

use super::remote::Remote;
use super::{Failure, output};
use crate::client::{Call, segment};
use clap::{Args, Subcommand};

#[derive(Args)]
pub(super) struct Deliveries {
    #[command(subcommand)]
    action: Action,
    /// Print one JSON object a line
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Action {
    /// List a destination's deliveries, the newest event first
    List {
        /// The destination's id
        destination: String,
        /// Only with one of these: pending, retrying, delivered, dead, expired, cancelled
        #[arg(long, value_delimiter = ',')]
        status: Vec<String>,
        /// Only events of these types, such as pipeline.*
        #[arg(long = "type", value_delimiter = ',')]
        types: Vec<String>,
        /// Only events of this time or later
        #[arg(long)]
        since: Option<String>,
        /// Only events before this time
        #[arg(long)]
        until: Option<String>,
        /// At most so many
        #[arg(long, default_value = "100")]
        limit: u64,
        #[command(flatten)]
        remote: Remote,
    },
    /// List what became of an event everywhere
    Of {
        /// The event's id
        event: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// Show a delivery with every attempt
    Show {
        /// Its id
        id: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// Send it again, now
    Resend {
        /// Its id
        id: String,
        #[command(flatten)]
        remote: Remote,
    },
}

impl Deliveries {
    pub(super) fn run(self) -> Result<(), Failure> {
        let json = self.json;
        match self.action {
            Action::List { destination, status, types, since, until, limit, remote } => {
                let path = format!("/api/v1/destinations/{}/deliveries", segment(&destination));
                let joined = |all: &[String]| (!all.is_empty()).then(|| all.join(","));
                let (status, types) = (joined(&status), joined(&types));
                let call = Call::get(path).query_if("status", status).query_if("type", types);
                let call = call.query_if("since", since).query_if("until", until);
                let members = ["id", "status", "event_type", "event_id", "attempts"];
                remote.list(call, Some(limit), |one| output::row(json, one, &members, ""))
            }
            Action::Of { event, remote } => {
                let path = format!("/api/v1/events/{}/deliveries", segment(&event));
                remote.list(Call::get(path), None, |one| {
                    let attempts = one["attempts"].as_array().map_or(0, Vec::len).to_string();
                    output::row(json, one, &["id", "status", "destination_id"], &attempts)
                })
            }
            Action::Show { id, remote } => {
                let path = format!("/api/v1/deliveries/{}", segment(&id));
                output::thing(json, &remote.call(Call::get(path))?)
            }
            Action::Resend { id, remote } => {
                let path = format!("/api/v1/deliveries/{}/resend", segment(&id));
                let sent = remote.call(Call::post(path))?;
                output::row(json, &sent, &["id", "status"], "")
            }
        }
    }
}
