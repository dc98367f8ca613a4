//! The program under test: the real binary, a folder and a config of its own.

use crate::http::{KEY, content_length};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running broker; killed on drop.
pub(crate) struct Broker {
    process: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// From starting the process to the first 200 of `/readyz`.
    pub(crate) ready_after: Duration,
    folder: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

impl Broker {
    /// A broker with nothing in it.
    pub(crate) fn empty() -> Self {
        let folder = tempfile::tempdir_in(crate::report::target_folder()).expect("a folder can be made");
        let mut broker = Self::start(folder.path());
        broker._temporary = Some(folder);
        broker
    }

    /// A broker on a folder that may hold a log.
    pub(crate) fn start(folder: &Path) -> Self {
        let address = free_address();
        let config = folder.join("config.toml");
        std::fs::write(&config, config_text(address, folder)).expect("the folder can be written");
        let errors = std::fs::File::create(folder.join("stderr.log")).expect("the folder can be written");
        let begin = campanile::clock::instant();
        let process = Command::new(env!("CARGO_BIN_EXE_campanile"))
            .args([Path::new("serve"), Path::new("--config"), &config])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .expect("the broker can be started");
        let ready_after = Duration::ZERO;
        let mut broker = Self { process, address, ready_after, folder: folder.to_owned(), _temporary: None };
        while broker.status("GET", "/readyz", "") != Some(200) {
            assert!(begin.elapsed() < Duration::from_secs(60), "not ready: {}", broker.complaints());
            let ended = broker.process.try_wait().ok().flatten();
            assert!(ended.is_none(), "the broker ended: {}", broker.complaints());
            std::thread::sleep(Duration::from_millis(1));
        }
        broker.ready_after = begin.elapsed();
        broker
    }

    fn complaints(&self) -> String {
        std::fs::read_to_string(self.folder.join("stderr.log")).unwrap_or_default()
    }

    fn status(&self, method: &str, path: &str, body: &str) -> Option<u16> {
        exchange(self.address, method, path, body).map(|(status, _)| status)
    }

    /// A call of the API that must succeed.
    pub(crate) fn call(&self, method: &str, path: &str, body: &str) -> Value {
        let (status, text) = exchange(self.address, method, path, body).expect("the broker answers");
        assert!((200..300).contains(&status), "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// Its resident memory in MiB.
    pub(crate) fn resident_mib(&self) -> f64 {
        resident_mib(self.process.id())
    }

    /// Seconds of CPU it has used.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        cpu_seconds(self.process.id())
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Ends it in order.
    pub(crate) fn stop(mut self) {
        if let Some(process) = rustix::process::Pid::from_raw(self.process.id() as i32) {
            let _ = rustix::process::kill_process(process, rustix::process::Signal::TERM);
        }
        let _ = self.process.wait();
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The resident memory of a process in MiB.
pub(crate) fn resident_mib(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or(0.0) / 1024.0
}

/// Seconds of CPU a process has used.
pub(crate) fn cpu_seconds(process: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let after_name = text.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

/// An address that nobody listens on.
pub(crate) fn free_address() -> SocketAddr {
    let probe = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    probe.local_addr().expect("a bound socket has an address")
}

fn config_text(address: SocketAddr, folder: &Path) -> String {
    let data = folder.join("data");
    format!(
        r#"[server]
listen = "{address}"
metrics_public = true
drain = "2s"
[storage]
path = "{}"
retention = {{ max_age = "3650d", max_bytes = "100GiB" }}
[delivery]
allow_http = true
allow_networks = ["127.0.0.0/8"]
[[keys]]
name = "bench"
token = "{KEY}"
tenant = "default"
scopes = ["admin", "events:publish"]
"#,
        data.display()
    )
}

/// One request on a connection of its own.
fn exchange(address: SocketAddr, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {KEY}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + body).as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.get(9..12)?.parse().ok()?;
    let length = content_length(head.as_bytes()).unwrap_or(body.len());
    Some((status, body.get(..length).unwrap_or(body).to_owned()))
}
