//! `campanile check`: what `serve` makes sure of in a config before it touches anything.

use super::serve::relax;
use super::{Failure, output};
use crate::broker;
use crate::config::Config;
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub(super) struct Check {
    /// The config file
    #[arg(default_value = "config.toml")]
    config: PathBuf,
    /// As `serve --dev` would take it
    #[arg(long)]
    dev: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(super) fn run(self) -> Result<(), Failure> {
        let read = Config::load(Some(&self.config)).map_err(Failure::Config);
        let checked = read.and_then(|mut config| {
            if self.dev {
                relax(&mut config)?;
            }
            broker::check(&config).map_err(|error| Failure::to_start(error, Some(&self.config)))
        });
        let errors: Vec<String> = match &checked {
            Ok(()) => Vec::new(),
            Err(Failure::Config(errors)) => errors.iter().map(ToString::to_string).collect(),
            Err(failure) => vec![format!("{}: {failure}", self.config.display())],
        };
        if self.json {
            output::line(serde_json::json!({"valid": errors.is_empty(), "errors": errors}))?;
        } else if checked.is_ok() {
            output::line(format_args!("{} is valid", self.config.display()))?;
        }
        checked
    }
}
