//! The real binary as a child process: with its own folder, config and keys, to be killed and started again.

use super::http::{Connection, Request, Response};
use super::ports::free_port;
use super::wait::{PATIENCE, eventually};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Everything in the default tenant, publishing included.
pub(crate) const ADMIN: &str = "it-admin-key";
/// Reads events of the default tenant.
pub(crate) const READER: &str = "it-reader-key";
/// Publishes into the default tenant and does nothing else.
pub(crate) const PUBLISHER: &str = "it-publisher-key";
/// Sees destinations of the default tenant.
pub(crate) const DESTINATIONS_READER: &str = "it-destinations-reader-key";
/// Everything in another tenant.
pub(crate) const STRANGER: &str = "it-stranger-key";
/// Sees every tenant.
pub(crate) const OPERATOR: &str = "it-operator-key";

const KEYS: [(&str, &str, &str); 6] = [
    (ADMIN, "default", r#""admin", "events:publish""#),
    (READER, "default", r#""events:read""#),
    (PUBLISHER, "default", r#""events:publish""#),
    (DESTINATIONS_READER, "default", r#""destinations:read""#),
    (STRANGER, "stranger", r#""admin", "events:publish""#),
    (OPERATOR, "default", r#""operator""#),
];

/// What a server is started with.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    values: BTreeMap<String, String>,
    more: String,
    wrapper: Vec<String>,
    data: Option<PathBuf>,
}

impl Settings {
    pub(crate) fn new() -> Self {
        let defaults = [
            ("delivery.allow_http", "true"),
            ("delivery.allow_networks", r#"["127.0.0.0/8"]"#),
            ("delivery.timeout", r#""60s""#),
            ("delivery.connect_timeout", r#""60s""#),
            ("delivery.schedule", r#"["1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s"]"#),
            ("server.workers", "2"),
        ];
        let values = defaults.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Self { values, more: String::new(), wrapper: Vec::new(), data: None }
    }

    /// Sets one value, written as TOML.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.values.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Adds tables at the end of the file.
    pub(crate) fn and(mut self, tables: &str) -> Self {
        self.more.push_str(tables);
        self
    }

    /// Runs the server under another program.
    pub(crate) fn under(mut self, wrapper: &[&str]) -> Self {
        self.wrapper = wrapper.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// Keeps the data in this folder.
    pub(crate) fn data_in(mut self, folder: &Path) -> Self {
        self.data = Some(folder.to_owned());
        self
    }

    #[track_caller]
    pub(crate) fn start(self) -> Server {
        Server::start_with(self)
    }

    /// Starts a server that is killed on the way; `None` when it came to be ready.
    pub(crate) fn start_to_be_killed(self) -> Option<Server> {
        let (server, is_ready) = self.start_in_danger();
        (!is_ready).then_some(server)
    }

    /// Starts a server that may be killed later; `None` when it was killed on the way.
    pub(crate) fn start_or_killed(self) -> Option<Server> {
        let (server, is_ready) = self.start_in_danger();
        is_ready.then_some(server)
    }

    fn start_in_danger(self) -> (Server, bool) {
        let mut server = Server::prepare(self);
        server.spawn();
        loop {
            if server.answers("/readyz") {
                return (server, true);
            }
            let ended = server.child.as_mut().is_none_or(|child| child.try_wait().unwrap().is_some());
            if ended {
                server.child = None;
                return (server, false);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn to_toml(&self, port: u16, data: &Path) -> String {
        let mut values = self.values.clone();
        values.entry("server.listen".to_owned()).or_insert(format!(r#""127.0.0.1:{port}""#));
        values.entry("storage.path".to_owned()).or_insert(format!("\"{}\"", data.display()));
        let mut toml = String::new();
        for (name, value) in values {
            toml.push_str(&format!("{name} = {value}\n"));
        }
        for (token, tenant, scopes) in KEYS {
            toml.push_str(&format!(
                "\n[[keys]]\nname = {token:?}\ntoken = {token:?}\ntenant = {tenant:?}\nscopes = [{scopes}]\n"
            ));
        }
        toml + &self.more
    }
}

/// A running server. Killed when dropped; its output is printed when the test fails.
pub(crate) struct Server {
    settings: Settings,
    folder: TempDir,
    port: u16,
    child: Option<Child>,
}

impl Server {
    #[track_caller]
    pub(crate) fn start() -> Self {
        Settings::new().start()
    }

    #[track_caller]
    fn start_with(settings: Settings) -> Self {
        let mut server = Self::prepare(settings);
        server.spawn();
        server.wait_until_ready();
        server
    }

    fn prepare(settings: Settings) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let server = Self { settings, folder, port: free_port(), child: None };
        server.write_config();
        server
    }

    /// Starts on the same folder, no longer under another program.
    #[track_caller]
    pub(crate) fn start_plainly(&mut self) {
        self.settings.wrapper.clear();
        self.spawn();
        self.wait_until_ready();
    }

    fn write_config(&self) {
        let toml = self.settings.to_toml(self.port, &self.data());
        fs::write(self.config(), toml).expect("the config is written");
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("config.toml")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.settings.data.clone().unwrap_or_else(|| self.folder.path().join("data"))
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("the server runs").id()
    }

    /// Starts the process without waiting for it.
    pub(crate) fn spawn(&mut self) {
        let output = OpenOptions::new().create(true).append(true).open(self.output_path()).unwrap();
        self.child = Some(spawn_binary(&self.settings.wrapper, &self.config(), &output));
    }

    fn output_path(&self) -> PathBuf {
        self.folder.path().join("output.log")
    }

    /// Everything the process has printed, over all its starts.
    pub(crate) fn output(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.output_path()).unwrap_or_default()).into_owned()
    }

    #[track_caller]
    pub(crate) fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.answers("/readyz") {
            let child = self.child.as_mut().expect("the server runs");
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the server did not start but {status}: {}", self.output());
            }
            assert!(Instant::now() < deadline, "the server is not ready: {}", self.output());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn answers(&self, path: &str) -> bool {
        self.try_send(&Request::get(path)).is_ok_and(|response| response.status == 200)
    }

    /// Ends the process as a power cut would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("the server is killed");
            child.wait().expect("the server is gone");
        }
    }

    /// Kills and starts on the same folder.
    #[track_caller]
    pub(crate) fn crash(&mut self) {
        self.kill();
        self.spawn();
        self.wait_until_ready();
    }

    /// Asks the process to end, as an operator would.
    pub(crate) fn terminate(&self) {
        signal("TERM", self.pid());
    }

    /// Waits for the process to end by itself.
    #[track_caller]
    pub(crate) fn exit(&mut self) -> ExitStatus {
        self.exit_within(PATIENCE)
    }

    /// The same with another patience.
    #[track_caller]
    pub(crate) fn exit_within(&mut self, patience: Duration) -> ExitStatus {
        let child = self.child.as_mut().expect("the server runs");
        let status = exit_of(child, patience);
        self.child = None;
        status.unwrap_or_else(|| panic!("the server did not end in {patience:?}: {}", self.output()))
    }

    /// Stops cleanly and starts on the same folder.
    #[track_caller]
    pub(crate) fn restart(&mut self) {
        self.terminate();
        assert!(self.exit().success());
        self.spawn();
        self.wait_until_ready();
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    pub(crate) fn try_send(&self, request: &Request) -> io::Result<Response> {
        Connection::open(self.address())?.exchange(request)
    }

    /// Sends a request on a connection of its own.
    #[track_caller]
    pub(crate) fn send(&self, request: &Request) -> Response {
        match self.try_send(request) {
            Ok(response) => response,
            Err(error) => panic!("no answer to {request:?}: {error}; {}", self.output()),
        }
    }

    /// Reads with the reader's key.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Response {
        self.send(&Request::get(path).key(READER))
    }

    /// Sends JSON with the admin's key.
    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &Value) -> Response {
        self.send(&Request::post(path).key(ADMIN).json(body))
    }

    /// Publishes one event and gives it as it was answered.
    #[track_caller]
    pub(crate) fn publish(&self, draft: &Value) -> Value {
        self.post("/api/v1/events", draft).must(201)
    }

    /// Publishes `count` events `{type, data: {"n": i}}` in one request and gives their sequences.
    #[track_caller]
    pub(crate) fn publish_many(&self, event_type: &str, count: usize) -> Vec<u64> {
        let events: Vec<Value> = (0..count).map(|n| json!({"type": event_type, "data": {"n": n}})).collect();
        let answer = self.post("/api/v1/events/batch", &json!({"events": events})).must(201);
        let events = answer["events"].as_array().expect("a batch is answered with its events");
        events.iter().map(|event| event["sequence"].as_u64().expect("a sequence")).collect()
    }

    /// The list of events a reader gets for a query.
    #[track_caller]
    pub(crate) fn list(&self, query: &str) -> Value {
        self.get(&format!("/api/v1/events{query}")).must(200)
    }

    /// The sequence of the newest event.
    #[track_caller]
    pub(crate) fn head(&self) -> u64 {
        number(&self.list("?limit=1")["head_cursor"])
    }

    /// Waits until the server answers requests with this status.
    #[track_caller]
    pub(crate) fn wait_for_status(&self, request: &Request, status: u16) -> Response {
        eventually(&format!("{status} to {request:?}"), || {
            self.try_send(request).ok().filter(|response| response.status == status)
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let output = self.output();
            let from = output.len().saturating_sub(4000);
            let from = (from..output.len()).find(|at| output.is_char_boundary(*at)).unwrap_or(0);
            eprintln!("--- output of the server\n{}", &output[from..]);
        }
        if let Some(mut child) = self.child.take() {
            child.kill().ok();
            child.wait().ok();
        }
        if !std::thread::panicking() {
            let output = self.output();
            assert!(!output.contains("panicked at"), "the server panicked: {output}");
        }
    }
}

/// Starts `campanile serve` with a config, without waiting for it.
pub(crate) fn spawn_binary(wrapper: &[String], config: &Path, output: &File) -> Child {
    let binary = env!("CARGO_BIN_EXE_campanile").to_owned();
    let mut words = wrapper.iter().cloned().chain([binary]);
    let mut command = Command::new(words.next().expect("a program"));
    command.args(words).args(["serve", "--config"]).arg(config).stdin(Stdio::null());
    command.stdout(output.try_clone().unwrap()).stderr(output.try_clone().unwrap());
    command.current_dir(config.parent().expect("a folder")).env_remove("RUST_LOG");
    command.spawn().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"))
}

/// The exit status of a child that ends within `patience`; otherwise it is killed.
pub(crate) fn exit_of(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().ok();
    child.wait().ok();
    None
}

/// Sends a signal by name.
pub(crate) fn signal(name: &str, pid: u32) {
    let status = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status().unwrap();
    assert!(status.success(), "kill -{name} {pid}");
}

/// A place as a number, whether it is written as one or as text.
#[track_caller]
pub(crate) fn number(value: &Value) -> u64 {
    let parsed = value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
    parsed.unwrap_or_else(|| panic!("no number: {value}"))
}

/// A value for a query: text as it is, everything else as JSON.
pub(crate) fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
