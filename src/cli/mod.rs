//! The command line: one file a command. Data goes to standard output, everything else to standard error.

mod check;
mod db;
mod deliveries;
mod demo;
mod destinations;
mod follow;
mod functions;
mod keys;
mod listen;
mod man;
mod output;
mod publish;
mod receiver;
mod remote;
mod replay;
mod serve;
mod tail;
mod trigger;
mod verify;

use crate::actors::ActorsError;
use crate::broker::StartError;
use crate::config::ConfigError;
use crate::log::OpenError;
use crate::log::transfer::TransferError;
use clap::{Parser, Subcommand};
use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "campanile", version, about = "An event broker in one process", propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the broker
    Serve(serve::Serve),
    /// Publish an event
    Publish(publish::Publish),
    /// Publish the sample of an event type
    Trigger(trigger::Trigger),
    /// Follow events as they happen, across restarts of the broker
    Tail(tail::Tail),
    /// Send events on to a local endpoint as signed webhooks, to build one behind a firewall
    Listen(listen::Listen),
    /// List, make, change, test and remove webhooks
    Destinations(destinations::Destinations),
    /// See what became of events at a destination, and send one again
    Deliveries(deliveries::Deliveries),
    /// Send stored events to a destination again
    Replay(replay::Replay),
    /// List, make, subscribe and remove functions, and see their runs
    Functions(functions::Functions),
    /// List, make and remove API keys
    Keys(keys::Keys),
    /// Check a config file
    Check(check::Check),
    /// Check the signature of a webhook
    Verify(verify::Verify),
    /// Look after the data folder of a broker that is not running
    Db(db::Db),
    /// See it work: a broker, a receiver, a stream and a pipeline run
    Demo(demo::Demo),
    /// Print the manual, or write a page for each command
    Man(man::Man),
    /// Print completions for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// What a command failed with, and the exit code that scripts see.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// 65: what was given as data is none.
    #[error("{0}")]
    Data(String),
    /// 69: the broker was not reached.
    #[error("{0}")]
    Unreachable(String),
    /// 77: the key is not known or may not do this.
    #[error("{0}")]
    Forbidden(String),
    /// 69, 75 or 77: the address cannot be listened on.
    #[error("cannot listen on {address}: {error}; choose another with --listen")]
    Listen {
        /// Where.
        address: std::net::SocketAddr,
        /// What the system says.
        error: std::io::Error,
    },
    /// 74, or 0 when the reader of the output has had enough.
    #[error("the output cannot be written: {0}")]
    Output(std::io::Error),
    /// 1: the command could not do what it was asked.
    #[error("{0}")]
    Command(String),
    /// 78: the config is wrong.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Config(Vec<ConfigError>),
    /// 78: the arguments do not go together.
    #[error("{0}")]
    Usage(String),
    /// 69 to 77, by kind: the broker did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The same for the log alone.
    #[error(transparent)]
    Log(#[from] OpenError),
    /// 65, 73 to 75: a log was not exported or imported.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// 74: reading or writing failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl Failure {
    /// Why a broker could not start with what a config file says, where it says it.
    fn to_start(error: StartError, file: Option<&Path>) -> Self {
        let (StartError::Invalid(violation), Some(file)) = (&error, file) else { return error.into() };
        let Ok(text) = std::fs::read_to_string(file) else { return error.into() };
        let (name, detail) = (file.display().to_string(), violation.detail.clone());
        Self::Config(vec![ConfigError::at(&text, &name, &violation.pointer, detail)])
    }

    /// The codes of sysexits.
    fn code(&self) -> u8 {
        let of_log = |error: &OpenError| match error {
            OpenError::InUse(_) => 75,
            OpenError::Importing(_) | OpenError::Folder { .. } => 73,
            OpenError::File { .. } | OpenError::Refused { .. } | OpenError::Format { .. } => 74,
        };
        match self {
            Self::Command(_) => 1,
            Self::Data(_) => 65,
            Self::Unreachable(_) => 69,
            Self::Forbidden(_) => 77,
            Self::Listen { error, .. } => match error.kind() {
                ErrorKind::AddrInUse => 75,
                ErrorKind::PermissionDenied => 77,
                _ => 69,
            },
            Self::Config(_)
            | Self::Usage(_)
            | Self::Start(
                StartError::Invalid(_) | StartError::Secrets(_) | StartError::Actors(ActorsError::Tls(_)),
            ) => 78,
            Self::Start(StartError::Log(error)) | Self::Log(error) => of_log(error),
            Self::Transfer(TransferError::Open(error)) => of_log(error),
            Self::Transfer(TransferError::Line { .. } | TransferError::CutOff(_)) => 65,
            Self::Transfer(TransferError::NotEmpty(_)) => 73,
            Self::Start(_) => 69,
            Self::Transfer(_) | Self::Io(_) | Self::Output(_) => 74,
        }
    }
}

/// Runs the program.
pub fn run() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Serve(serve) => serve.run(),
        Command::Publish(publish) => publish.run(),
        Command::Trigger(trigger) => trigger.run(),
        Command::Tail(tail) => tail.run(),
        Command::Listen(listen) => listen.run(),
        Command::Destinations(destinations) => destinations.run(),
        Command::Deliveries(deliveries) => deliveries.run(),
        Command::Replay(replay) => replay.run(),
        Command::Functions(functions) => functions.run(),
        Command::Keys(keys) => keys.run(),
        Command::Check(check) => check.run(),
        Command::Verify(verify) => verify.run(),
        Command::Db(db) => db.run(),
        Command::Demo(demo) => demo.run(),
        Command::Man(man) => man.run(<Arguments as clap::CommandFactory>::command()),
        Command::Completions { shell } => {
            let mut command = <Arguments as clap::CommandFactory>::command();
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, "campanile", &mut script);
            output::line(String::from_utf8_lossy(&script).trim_end())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // As in `campanile tail | head`: nothing went wrong.
        Err(Failure::Output(error)) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            output::note(format_args!("campanile: {failure}"));
            ExitCode::from(failure.code())
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_arguments_of_every_command_go_together() {
        <super::Arguments as clap::CommandFactory>::command().debug_assert();
    }
}
