//! `campanile verify`: whether a webhook is signed with a secret. The body comes on standard input.

use super::{Failure, output};
use crate::clock;
use crate::webhook::signature::{Signer, check_secret};
use clap::Args;
use std::io::Read;

#[derive(Args)]
pub(super) struct Verify {
    /// The destination's secret
    #[arg(long, env = "WEBHOOK_SECRET", hide_env_values = true)]
    secret: String,
    /// The header webhook-id
    #[arg(long, requires = "timestamp")]
    id: Option<String>,
    /// The header webhook-timestamp
    #[arg(long)]
    timestamp: Option<String>,
    /// The header webhook-signature, or the body-only one (sha256=...)
    #[arg(long)]
    signature: String,
    /// Take this as the present, in seconds since the epoch
    #[arg(long)]
    at: Option<i64>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(super) fn run(self) -> Result<(), Failure> {
        check_secret(&self.secret).map_err(Failure::Usage)?;
        let mut body = Vec::new();
        std::io::stdin().read_to_end(&mut body)?;
        let signer = Signer::new(&self.secret);
        let now = self.at.unwrap_or_else(|| clock::now().0 / 1000);
        let valid = match (&self.id, &self.timestamp) {
            (Some(id), Some(time)) => signer.verify_standard(id, time, &self.signature, &body, now),
            _ => signer.verify_body_only(&self.signature, &body),
        };
        if self.json {
            output::line(serde_json::json!({"valid": valid}))?;
        } else if valid {
            output::line("the signature is valid")?;
        }
        if valid { Ok(()) } else { Err(Failure::Command("the signature is not valid".to_owned())) }
    }
}
