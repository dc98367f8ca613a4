//! What the program says about itself: one line an event on standard error, never a payload, never a secret.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Names the environment variable with the filter, in the syntax of `tracing` (`info`, `campanile=debug`).
pub const FILTER_VARIABLE: &str = "CAMPANILE_LOG";

/// The shape of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// Begins to write. The default is text on a terminal and JSON elsewhere.
pub fn start(format: Option<LogFormat>) {
    let is_terminal = std::io::stderr().is_terminal();
    let format = format.unwrap_or(if is_terminal { LogFormat::Text } else { LogFormat::Json });
    let wanted = std::env::var(FILTER_VARIABLE).unwrap_or_default();
    let given = (!wanted.is_empty()).then(|| EnvFilter::try_new(&wanted));
    let is_malformed = matches!(given, Some(Err(_)));
    let filter = given.and_then(Result::ok).unwrap_or_else(|| EnvFilter::new("info,actix_server=warn"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Complaining on a standard error that nobody reads any more would be a panic.
    let lines = lines.log_internal_errors(false);
    let colours = is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    // Only the first of a process counts: an embedding program may have begun already.
    let begun = match format {
        LogFormat::Text => lines.with_ansi(colours).try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    drop(begun);
    if is_malformed {
        tracing::warn!(
            "{FILTER_VARIABLE} is no filter, such as info or campanile=debug: the default is used"
        );
    }
}
