//! `campanile check`: the same reading of a config as `serve`, and nothing else.

use super::Failure;
use crate::config::Config;
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub(super) struct Check {
    /// The config file
    #[arg(default_value = "config.toml")]
    config: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(super) fn run(self) -> Result<(), Failure> {
        let read = Config::load(Some(&self.config));
        if self.json {
            let errors: Vec<String> =
                read.as_ref().err().into_iter().flatten().map(ToString::to_string).collect();
            println!("{}", serde_json::json!({"valid": errors.is_empty(), "errors": errors}));
        } else if read.is_ok() {
            println!("{} is valid", self.config.display());
        }
        read.map(|_| ()).map_err(Failure::Config)
    }
}
