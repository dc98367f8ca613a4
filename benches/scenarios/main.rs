//! What the broker reaches, each figure next to the bare limit measured in the same run.
//!
//! `cargo bench --bench scenarios -- [--quick] [publish] [batch] [latency] [webhook] [crowd] [retries] [stream] [log] [functions]`: without
//! names all of them run. The broker is the real program in a folder of its own; load generators, receivers
//! and the bare limits are this program started again (`--child`), so that nobody shares a runtime with it.
//! Host noise is larger than many effects: compared things alternate, and medians of rounds are shown.

#![allow(
    clippy::used_underscore_binding,
    clippy::await_holding_refcell_ref,
    clippy::ptr_arg,
    clippy::type_complexity,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub
)]

mod bare;
mod batch;
mod broker;
mod child;
mod crowd;
mod events;
mod fanout;
mod functions;
mod http;
mod latency;
mod load;
mod log;
mod probe;
mod publish;
mod query;
mod receiver;
mod report;
mod retries;
mod stream;
mod webhook;

use report::Report;
use std::process::ExitCode;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// Rounds of each comparison; the median counts.
    pub(crate) rounds: usize,
    /// Seconds of load in one round.
    pub(crate) seconds: f64,
    /// Whether this is only a look.
    pub(crate) quick: bool,
}

const SCENARIOS: &[(&str, fn(Effort, &mut Report))] = &[
    ("publish", publish::run),
    ("batch", batch::run),
    ("latency", latency::run),
    ("webhook", webhook::run),
    ("crowd", crowd::run),
    ("retries", retries::run),
    ("stream", stream::run),
    ("log", log::run),
    ("functions", functions::run),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, role, settings, ..] = arguments.as_slice()
        && flag == child::FLAG
    {
        return child::run(role, settings);
    }
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let names: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with("--")).collect();
    if let Some(unknown) = names.iter().find(|name| !SCENARIOS.iter().any(|(known, _)| known == *name)) {
        let known: Vec<_> = SCENARIOS.iter().map(|(name, _)| *name).collect();
        eprintln!("no scenario is called {unknown}; there are: {}", known.join(", "));
        return ExitCode::from(2);
    }
    let effort = if quick {
        Effort { rounds: 2, seconds: 1.5, quick }
    } else {
        Effort { rounds: 5, seconds: 4.0, quick }
    };
    let mut report = Report::default();
    for (name, scenario) in SCENARIOS {
        if names.is_empty() || names.iter().any(|wanted| wanted == name) {
            report.begin(name);
            scenario(effort, &mut report);
        }
    }
    report.write();
    ExitCode::SUCCESS
}
