//! `campanile db`: the data folder of a broker that is not running.

use super::{Failure, output};
use crate::config::Config;
use crate::log::{EventLog, RedbLog, tools, transfer};
use crate::model::Sequence;
use clap::{Args, Subcommand};
use futures_executor::block_on;
use indicatif::{ProgressBar, ProgressDrawTarget};
use serde_json::json;
use std::fs::File;
use std::io::{BufReader, BufWriter, IsTerminal};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Args)]
pub(super) struct Db {
    #[command(subcommand)]
    action: Action,
    /// The config file that names the data folder
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    /// The data folder, over the config
    #[arg(long, global = true)]
    data: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Action {
    /// How much there is
    Stats,
    /// Read everything and name what does not match its checksum
    Verify,
    /// Write a consistent copy; a broker started on it goes on with other sequences
    Backup {
        /// A folder that does not exist yet
        to: PathBuf,
    },
    /// Write everything as text, one JSON object a line
    Export {
        /// Where to; standard output when not given
        #[arg(long, short)]
        output: Option<PathBuf>,
    },
    /// Make a log of an export, in a data folder that holds none
    Import {
        /// The export, or - for standard input
        from: PathBuf,
    },
    /// Give space of removed rows back to the volume
    Compact,
}

impl Db {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut config = Config::load(self.config.as_deref()).map_err(Failure::Config)?;
        if let Some(data) = self.data {
            config.storage.path = data;
        }
        let makes_it = matches!(self.action, Action::Import { .. });
        if !makes_it && !config.storage.path.is_dir() {
            let path = config.storage.path.display();
            return Err(Failure::Command(format!("there is no data folder {path}: name one with --data")));
        }
        if !makes_it {
            keep_everything(&mut config);
        }
        match self.action {
            Action::Stats => stats(&config, self.json),
            Action::Verify => verify(&config, self.json),
            Action::Backup { to } => {
                let bar = bar();
                let bytes = tools::backup(&config.storage.path, &to, &|done, of| progress(&bar, done, of))?;
                bar.finish_and_clear();
                let text = format!("{} bytes in {}", bytes, to.display());
                output::report(self.json, &json!({"backup": to, "bytes": bytes}), text)
            }
            Action::Export { output } => export(&config, output.as_deref(), self.json),
            Action::Import { from } => import(&config, &from, self.json),
            Action::Compact => {
                let bar = bar();
                let (before, after) =
                    tools::compact(&config.storage.path, &|done, of| progress(&bar, done, of))?;
                bar.finish_and_clear();
                let text = format!("{before} bytes before, {after} after");
                output::report(self.json, &json!({"bytes_before": before, "bytes_after": after}), text)
            }
        }
    }
}

/// Who looks at a log removes nothing of it: a copy may be older than what the config keeps.
fn keep_everything(config: &mut Config) {
    config.storage.max_age = Duration::MAX;
    config.storage.max_bytes = u64::MAX;
}

fn stats(config: &Config, json: bool) -> Result<(), Failure> {
    let log = crate::log::RedbLog::open(&config.storage, config.events.dedupe_window)?;
    let (stats, bounds) = (log.stats(), *log.bounds().borrow());
    let management = log.management();
    block_on(log.close());
    let shown = json!({
        "events": stats.events,
        "oldest_sequence": bounds.oldest,
        "head_sequence": bounds.head,
        "bytes": stats.bytes,
        "segments": stats.segments,
        "free_bytes": stats.free_bytes,
        "tenants": management.tenants.len(),
        "keys": management.keys.len(),
        "destinations": management.destinations.len(),
    });
    let lines: Vec<String> =
        shown.as_object().into_iter().flatten().map(|(name, value)| format!("{name}: {value}")).collect();
    output::report(json, &shown, lines.join("\n"))
}

fn verify(config: &Config, json: bool) -> Result<(), Failure> {
    let log = crate::log::RedbLog::open(&config.storage, config.events.dedupe_window)?;
    let bar = bar();
    let found = tools::verify(&log, &|done, of| progress(&bar, done, of));
    bar.finish_and_clear();
    block_on(log.close());
    let text = format!("{} events read, {} corrupt", found.events, found.corrupt.len());
    output::report(json, &json!({"events": found.events, "corrupt": found.corrupt}), text)?;
    complain_of(&found.corrupt)
}

fn complain_of(corrupt: &[Sequence]) -> Result<(), Failure> {
    if corrupt.is_empty() {
        return Ok(());
    }
    let first: Vec<String> = corrupt.iter().take(20).map(ToString::to_string).collect();
    Err(Failure::Command(format!("corrupt: {}", first.join(", "))))
}

/// The text is data, so what is said of it goes to standard error, unless the text goes to a file.
fn export(config: &Config, output: Option<&Path>, json: bool) -> Result<(), Failure> {
    let log = RedbLog::open(&config.storage, config.events.dedupe_window)?;
    let bar = bar();
    let told = |done, of| progress(&bar, done, of);
    let exported = match output {
        None => transfer::export(&log, &mut BufWriter::new(std::io::stdout().lock()), &told)?,
        Some(path) => {
            // It holds everything that was published: nobody else may read it.
            let file = File::options().write(true).create_new(true).mode(0o600).open(path);
            let file = file.map_err(transfer::TransferError::Text)?;
            let mut out = BufWriter::new(file);
            let exported = transfer::export(&log, &mut out, &told)?;
            out.get_ref().sync_all().map_err(transfer::TransferError::Text)?;
            exported
        }
    };
    bar.finish_and_clear();
    block_on(log.close());
    let text = format!("{} events exported, {} corrupt left out", exported.events, exported.corrupt.len());
    match output {
        None => output::note(text),
        Some(path) => output::report(
            json,
            &json!({"export": path, "events": exported.events, "corrupt": exported.corrupt}),
            text,
        )?,
    }
    complain_of(&exported.corrupt)
}

fn import(config: &Config, from: &Path, json: bool) -> Result<(), Failure> {
    let bar = bar();
    let told = |done, of| progress(&bar, done, of);
    let imported = if from == Path::new("-") {
        transfer::import(&mut std::io::stdin().lock(), &config.storage, &told)?
    } else {
        let file = File::open(from).map_err(transfer::TransferError::Text)?;
        transfer::import(&mut BufReader::new(file), &config.storage, &told)?
    };
    bar.finish_and_clear();
    let folder = &config.storage.path;
    let text = format!("{} events imported into {}", imported.events, folder.display());
    if !folder.join("secret.key").exists() {
        output::note(
            "copy the original's secret.key into the folder too: secrets cannot be opened without it",
        );
    }
    output::report(json, &json!({"events": imported.events, "data": folder}), text)
}

/// A bar on a terminal, nothing elsewhere.
fn bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    if !std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    bar
}

fn progress(bar: &ProgressBar, done: u64, of: u64) {
    bar.set_length(of);
    bar.set_position(done);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{Change, Commit};
    use crate::model::{EventDraft, EventType, Tenant, TenantId, Timestamp};

    #[test]
    fn who_looks_at_an_old_log_removes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.storage.path = folder.path().to_owned();
        config.storage.min_free = 0;
        let draft = EventDraft {
            id: None,
            event_type: EventType::parse("a").unwrap(),
            timestamp: None,
            pipeline: None,
            run_id: None,
            data: "{}".into(),
            extensions: None,
        };
        let log = RedbLog::open(&config.storage, config.events.dedupe_window).unwrap();
        let commit = Commit { tenant: Some(TenantId(1)), events: vec![draft], ..Commit::default() };
        block_on(log.commit(commit)).unwrap();
        block_on(log.close());
        config.storage.max_age = Duration::from_millis(1);
        config.storage.max_bytes = 1 << 20;
        keep_everything(&mut config);
        let log = RedbLog::open(&config.storage, config.events.dedupe_window).unwrap();
        let begin = crate::clock::instant();
        // Between commits the log looks after itself.
        while begin.elapsed() < Duration::from_millis(400) {
            let name = "t".to_owned();
            let created_at = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
            let changes = vec![Change::PutTenant(Tenant { number: TenantId(1), name, created_at })];
            block_on(log.commit(Commit { changes, ..Commit::default() })).unwrap();
        }
        assert_eq!(log.stats().events, 1);
        assert_eq!(tools::verify(&log, &|_, _| {}).events, 1);
        block_on(log.close());
    }
}
