//! This program started again in another role: its settings as JSON in an argument, its answers as lines.
//!
//! A child ends when its parent does: it is killed on drop.

use crate::{bare, crowd, fanout, latency, load, probe, query, receiver, retries, stream, webhook};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};

/// The hidden argument that makes a child.
pub(crate) const FLAG: &str = "--child";

type Role = fn(&str);

const ROLES: &[(&str, Role)] = &[
    ("bare-server", bare::serve),
    ("publish", load::publish),
    ("fill", load::fill),
    ("latency", latency::measure),
    ("receiver", receiver::serve),
    ("crowd", crowd::measure),
    ("fails-once", retries::serve),
    ("awc-load", webhook::bare_posts),
    ("subscribers", stream::subscribe),
    ("raw-fanout", fanout::serve),
    ("query", query::measure),
    ("fsync", probe::fsync),
];

/// What a child does.
pub(crate) fn run(role: &str, settings: &str) -> ExitCode {
    let Some((_, work)) = ROLES.iter().find(|(name, _)| *name == role) else {
        eprintln!("no role is called {role}");
        return ExitCode::from(2);
    };
    work(settings);
    ExitCode::SUCCESS
}

/// The settings of a child, in the child.
pub(crate) fn settings<T: DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).expect("the parent wrote the settings")
}

/// Runs a child's future on a thread of its own kind: one thread, one reactor.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    tokio::task::LocalSet::new().block_on(&runtime, future)
}

/// An answer of the child to its parent.
pub(crate) fn answer(value: &impl Serialize) {
    let line = serde_json::to_string(value).expect("answers are JSON");
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}

/// Waits until the parent says to go on; false when it is gone.
pub(crate) fn wait_for_go() -> bool {
    let mut line = String::new();
    matches!(std::io::stdin().lock().read_line(&mut line), Ok(1..))
}

/// A running child, seen from the parent.
pub(crate) struct Process {
    role: &'static str,
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Process {
    /// Starts a child in a role.
    pub(crate) fn start(role: &'static str, settings: &serde_json::Value) -> Self {
        let own = std::env::current_exe().expect("this program has a path");
        let mut process = Command::new(own)
            .args([FLAG, role, &settings.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program can be started again");
        let input = process.stdin.take().expect("piped");
        let output = BufReader::new(process.stdout.take().expect("piped"));
        Self { role, process, input, output }
    }

    /// Waits for the next answer.
    pub(crate) fn next<T: DeserializeOwned>(&mut self) -> T {
        let mut line = String::new();
        let read = self.output.read_line(&mut line);
        assert!(matches!(read, Ok(1..)), "the {} process ended without an answer", self.role);
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{}: {error}: {line}", self.role))
    }

    /// Tells the child to go on.
    pub(crate) fn go(&mut self) {
        let _ = self.input.write_all(b"go\n");
        let _ = self.input.flush();
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Ends it before it has answered.
    pub(crate) fn end(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Runs a child that gives one answer.
    pub(crate) fn ask<T: DeserializeOwned>(role: &'static str, settings: &serde_json::Value) -> T {
        Self::start(role, settings).next()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
