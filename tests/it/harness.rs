//! Starting the real program, and speaking HTTP to it with nothing but the standard library.

use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub const ADMIN: &str = "admin-key-of-the-tests";
pub const READER: &str = "reader-key-of-the-tests";
pub const PUBLISHER: &str = "publisher-key-of-the-tests";
pub const OPERATOR: &str = "operator-key-of-the-tests";
pub const OTHER: &str = "key-of-another-tenant";

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A broker's folder and address, and its process while it runs.
pub struct Broker {
    pub folder: tempfile::TempDir,
    pub address: SocketAddr,
    extra: String,
    child: Option<Child>,
}

impl Broker {
    /// Starts a broker; `extra` is appended to its config.
    pub fn start(extra: &str) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], crate::ports::free_port()));
        let folder = tempfile::tempdir().unwrap();
        let mut broker = Self { folder, address, extra: extra.to_owned(), child: None };
        broker.run();
        broker
    }

    pub fn config_path(&self) -> PathBuf {
        self.folder.path().join("config.toml")
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Runs the program again on the same folder.
    pub fn run(&mut self) {
        self.run_with(&self.config());
    }

    /// Runs it with another config.
    pub fn run_with(&mut self, config: &str) {
        std::fs::write(self.config_path(), config).unwrap();
        self.spawn(Command::new(env!("CARGO_BIN_EXE_campanile")));
    }

    /// Runs it under strace, which writes syncs, reads and writes to a file.
    pub fn run_traced(&mut self, trace: &std::path::Path) {
        let mut command = Command::new("strace");
        let calls = "trace=fsync,fdatasync,read,recvfrom,readv,write,sendto,writev,sendmsg";
        command.args(["-f", "-s", "48", "-e", calls, "-o"]).arg(trace).arg(env!("CARGO_BIN_EXE_campanile"));
        self.spawn(command);
    }

    /// SIGTERM for the program under strace.
    pub fn terminate_traced(&mut self) {
        let mut tracer = self.child.take().unwrap();
        let children = format!("/proc/{0}/task/{0}/children", tracer.id());
        let program = std::fs::read_to_string(children).unwrap();
        assert!(Command::new("kill").arg(program.trim()).status().unwrap().success());
        tracer.wait().unwrap();
    }

    fn spawn(&mut self, mut command: Command) {
        command
            .args(["serve", "--config"])
            .arg(self.config_path())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.child = Some(command.spawn().unwrap());
        self.wait_ready();
    }

    fn config(&self) -> String {
        let key = |name: &str, token: &str, tenant: &str, scopes: &str| {
            format!(
                "[[keys]]\nname = \"{name}\"\ntoken = \"{token}\"\ntenant = \"{tenant}\"\nscopes = [{scopes}]\n"
            )
        };
        let keys = [
            key("admin", ADMIN, "default", "\"admin\", \"events:publish\""),
            key("reader", READER, "default", "\"events:read\""),
            key("publisher", PUBLISHER, "default", "\"events:publish\""),
            key("operator", OPERATOR, "default", "\"operator\""),
            key("other", OTHER, "other", "\"admin\", \"events:publish\""),
        ];
        let mut sections: BTreeMap<&str, String> = BTreeMap::from([
            ("server", format!("listen = \"{}\"\n", self.address)),
            ("storage", format!("path = \"{}\"\nmin_free = \"1MiB\"\n", self.data().display())),
            ("delivery", "allow_http = true\ntimeout = \"60s\"\nconnect_timeout = \"60s\"\nallow_networks = [\"127.0.0.0/8\"]\nschedule = [\"1s\", \"1s\", \"1s\", \"2s\", \"2s\", \"5s\", \"5s\", \"5s\"]\n".to_owned()),
        ]);
        let mut current = "server";
        for line in self.extra.lines() {
            match line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                Some(name) if !name.starts_with('[') => current = name,
                _ => {
                    let name = line.split('=').next().unwrap_or_default().trim().to_owned();
                    let section = sections.entry(current).or_default();
                    let kept: String = section
                        .lines()
                        .filter(|known| known.split('=').next().unwrap_or_default().trim() != name)
                        .map(|known| format!("{known}\n"))
                        .collect();
                    *section = format!("{kept}{line}\n");
                }
            }
        }
        let sections: String = sections.iter().map(|(name, text)| format!("[{name}]\n{text}")).collect();
        sections + &keys.concat()
    }

    fn wait_ready(&mut self) {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.as_mut().and_then(|child| child.try_wait().unwrap()) {
                panic!("the broker ended: {status}");
            }
            if let Ok(answer) = try_request(self.address, "GET", "/readyz", &[], b"")
                && answer.status == 200
            {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "the broker is not ready");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// kill -9.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM, and its exit code.
    pub fn terminate(&mut self) -> Option<i32> {
        let mut child = self.child.take().unwrap();
        let status = Command::new("kill").arg(child.id().to_string()).status().unwrap();
        assert!(status.success());
        child.wait().unwrap().code()
    }

    pub fn get(&self, key: &str, path: &str) -> Answer {
        self.request("GET", path, &[("Authorization", &format!("Bearer {key}"))], b"")
    }

    pub fn post(&self, key: &str, path: &str, body: &str) -> Answer {
        self.send("POST", key, path, body)
    }

    pub fn send(&self, method: &str, key: &str, path: &str, body: &str) -> Answer {
        let bearer = format!("Bearer {key}");
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        self.request(method, path, &headers, body.as_bytes())
    }

    pub fn publish(&self, body: &str) -> Answer {
        self.post(PUBLISHER, "/api/v1/events", body)
    }

    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        try_request(self.address, method, path, headers, body).unwrap()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body, if the status is the one that was expected.
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// A problem document of this status.
    pub fn problem(self, status: u16) -> Value {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.text());
        let problem = self.clone().expect(status);
        assert_eq!(problem["status"], status);
        assert_eq!(problem["request_id"].as_str(), self.header("x-request-id"));
        problem
    }
}

/// One request on a connection of its own.
pub fn try_request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> std::io::Result<Answer> {
    let mut socket = TcpStream::connect_timeout(&address, PATIENCE)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() || method == "POST" || method == "PATCH" {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    socket.write_all(head.as_bytes())?;
    // An early refusal may close the connection before everything was sent.
    let _ = socket.write_all(body);
    read_answer(&mut BufReader::new(socket))
}

/// Reads one answer: by length, in chunks, or to the end.
pub fn read_answer(reader: &mut impl BufRead) -> std::io::Result<Answer> {
    let (status, headers) = read_head(reader)?;
    let mut answer = Answer { status, headers, body: Vec::new() };
    if let Some(length) = answer.header("content-length") {
        answer.body = vec![0; length.parse().unwrap()];
        reader.read_exact(&mut answer.body)?;
    } else if answer.header("transfer-encoding") == Some("chunked") {
        while let Some(chunk) = read_chunk(reader)? {
            answer.body.extend(chunk);
        }
    } else if status != 204 && status != 304 {
        reader.read_to_end(&mut answer.body)?;
    }
    Ok(answer)
}

pub fn read_head(reader: &mut impl BufRead) -> std::io::Result<(u16, Vec<(String, String)>)> {
    let line = read_line(reader)?;
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| std::io::Error::other(format!("no status line: {line:?}")))?;
    let mut headers = Vec::new();
    loop {
        let line = read_line(reader)?;
        if line.is_empty() {
            return Ok((status, headers));
        }
        let (name, value) = line.split_once(':').unwrap();
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
}

fn read_line(reader: &mut impl BufRead) -> std::io::Result<String> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

pub fn read_chunk(reader: &mut impl BufRead) -> std::io::Result<Option<Vec<u8>>> {
    let size = usize::from_str_radix(&read_line(reader)?, 16).map_err(std::io::Error::other)?;
    let mut chunk = vec![0; size];
    reader.read_exact(&mut chunk)?;
    read_line(reader)?;
    Ok((size > 0).then_some(chunk))
}

/// Waits until something holds.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
