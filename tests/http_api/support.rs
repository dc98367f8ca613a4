//! A server to test against and a client that sends exactly what it is told.

use crate::conformance::Seen;
use campanile::Broker;
use campanile::config::{Config, KeyConfig, Token};
use campanile::http::serve;
use campanile::log::MemoryLog;
use campanile::model::{Scope, Scopes, Timestamp};
use futures_executor::block_on;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

pub(crate) const PUBLISHER: &str = "publisher-key";
pub(crate) const READER: &str = "reader-key";
pub(crate) const ADMIN: &str = "admin-key";
pub(crate) const OPERATOR: &str = "operator-key";
pub(crate) const OTHER: &str = "other-tenant-key";
pub(crate) const EXPIRED: &str = "expired-key";

/// How long a server may be silent.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A running server with the keys above.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) broker: Broker,
    pub(crate) log: Arc<MemoryLog>,
    server: Option<JoinHandle<()>>,
    _folder: tempfile::TempDir,
}

pub(crate) fn start() -> Running {
    start_with(|_| {})
}

pub(crate) fn start_with(change: impl FnOnce(&mut Config)) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    folder.path().clone_into(&mut config.storage.path);
    config.server.workers = 1;
    config.server.drain = Duration::from_secs(5);
    let past = Timestamp::parse("2020-01-01T00:00:00Z").unwrap();
    config.keys = vec![
        key(PUBLISHER, "default", &[Scope::EventsPublish], None),
        key(READER, "default", &[Scope::EventsRead], None),
        key(ADMIN, "default", &[Scope::Admin], None),
        key(OPERATOR, "default", &[Scope::Operator], None),
        key(OTHER, "other", &[Scope::Admin, Scope::EventsPublish], None),
        key(EXPIRED, "default", &[Scope::EventsRead], Some(past)),
    ];
    change(&mut config);
    let log = Arc::new(MemoryLog::default());
    let broker = Broker::with_log(config, log.clone()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let served = broker.clone();
    let server = std::thread::spawn(move || actix_rt::System::new().block_on(run(served, listener)));
    Running { address, broker, log, server: Some(server), _folder: folder }
}

/// Serves until the broker drains, as the program does.
async fn run(broker: Broker, listener: TcpListener) {
    let mut draining = broker.draining();
    let (server, handle) = serve(broker, listener).unwrap();
    let served = actix_rt::spawn(server);
    draining.wait_for(|draining| *draining).await.unwrap();
    handle.stop(true).await;
    served.await.unwrap().unwrap();
}

fn key(token: &str, tenant: &str, scopes: &[Scope], expires_at: Option<Timestamp>) -> KeyConfig {
    let (name, scopes) = (token.to_owned(), Scopes(scopes.to_vec()));
    KeyConfig { name, token: Token(token.to_owned()), tenant: tenant.to_owned(), scopes, expires_at }
}

impl Drop for Running {
    fn drop(&mut self) {
        block_on(self.broker.shutdown());
        if let Some(server) = self.server.take() {
            server.join().unwrap();
        }
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Checks that this is a problem document with a status and a type, and gives it.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, kind: &str) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        let document = self.json();
        assert_eq!(document["type"], kind, "{document}");
        assert_eq!(document["status"], status);
        assert!(document["title"].is_string() && document["detail"].is_string());
        assert_eq!(document["request_id"].as_str(), self.header("x-request-id"));
        document
    }

    /// The pointers of a 422.
    #[track_caller]
    pub(crate) fn pointers(&self) -> Vec<String> {
        assert_eq!(self.status, 422, "{}", String::from_utf8_lossy(&self.body));
        let errors = self.json()["errors"].clone();
        errors.as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect()
    }
}

impl Running {
    /// Sends one request on a connection of its own. `key` is empty for none.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        key: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
        if !key.is_empty() {
            head.push_str(&format!("Authorization: Bearer {key}\r\n"));
        }
        if !body.is_empty() || method == "POST" {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let answers = answers_in(&self.raw(&[head.as_bytes(), body].concat()));
        assert_eq!(answers.len(), 1, "one answer to {method} {path}");
        let answer = answers.into_iter().next().unwrap();
        let headers = |name: &str| answer.header(name).map(str::to_owned);
        let (status, body) = (answer.status, &answer.body[..]);
        crate::conformance().check(&Seen { method, path, status, headers: &headers, body });
        answer
    }

    pub(crate) fn get(&self, path: &str, key: &str) -> Answer {
        self.send("GET", path, key, &[], b"")
    }

    pub(crate) fn post(&self, path: &str, key: &str, media_type: &str, body: impl AsRef<[u8]>) -> Answer {
        self.send("POST", path, key, &[("Content-Type", media_type)], body.as_ref())
    }

    /// Publishes a body to `/events`.
    pub(crate) fn publish(&self, body: impl AsRef<[u8]>) -> Answer {
        self.post("/api/v1/events", PUBLISHER, "application/json", body)
    }

    /// Publishes an event whose data is this.
    pub(crate) fn publish_data(&self, data: &str) -> Answer {
        self.publish(format!(r#"{{"type":"a.b","data":{data}}}"#))
    }

    /// Publishes `count` events of type `a.b`.
    pub(crate) fn publish_many(&self, count: usize) {
        for _ in 0..count {
            assert_eq!(self.publish_data("{}").status, 201);
        }
    }

    /// Sends bytes as they are and gives all that comes back until the server closes.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        let mut connection = self.connect();
        // The server may answer and close before it has read everything.
        let _ = connection.write_all(bytes);
        read_all(&mut connection)
    }

    /// Sends bytes as they are and gives the first answer, whatever becomes of the connection.
    pub(crate) fn first_answer(&self, bytes: &[u8]) -> Answer {
        let mut connection = self.connect();
        let _ = connection.write_all(bytes);
        let (mut all, mut part) = (Vec::new(), vec![0; 65_536]);
        loop {
            let count = connection.read(&mut part).expect("an answer");
            all.extend_from_slice(&part[..count]);
            let is_whole = |answer: &Answer| {
                let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
                answer.body.len() == length
            };
            let has_head = all.windows(4).any(|four| four == b"\r\n\r\n");
            let first = has_head.then(|| answers_in(&all)).and_then(|all| all.into_iter().next());
            if let Some(first) = first.filter(is_whole) {
                return first;
            }
            assert!(count > 0, "half an answer: {all:?}");
        }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let connection = TcpStream::connect(self.address).unwrap();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        connection
    }

    /// How many events the log has.
    pub(crate) fn stored(&self) -> u64 {
        use campanile::log::EventLog;
        self.log.stats().events
    }
}

/// Everything until the end of the connection.
pub(crate) fn read_all(connection: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let mut part = vec![0; 65_536];
    loop {
        match connection.read(&mut part) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                panic!("neither an answer nor an end within {PATIENCE:?}")
            }
            Ok(0) | Err(_) => break,
            Ok(count) => all.extend_from_slice(&part[..count]),
        }
    }
    let _ = connection.shutdown(Shutdown::Both);
    all
}

/// Splits what came back into answers; panics when it is not well framed.
pub(crate) fn answers_in(mut bytes: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::new();
    while !bytes.is_empty() {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole head");
        let head = std::str::from_utf8(&bytes[..end]).expect("a head of text");
        let mut lines = head.split("\r\n");
        let first = lines.next().unwrap();
        let status = first.split(' ').nth(1).and_then(|text| text.parse().ok()).expect("a status");
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(": ").expect("a header"))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        bytes = &bytes[end + 4..];
        if status == 100 {
            continue;
        }
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length = length.map_or(0, |(_, value)| value.parse::<usize>().unwrap());
        // An answer to HEAD has a length and no body; it is the last thing on its connection in these tests.
        let length = length.min(bytes.len());
        answers.push(Answer { status, headers, body: bytes[..length].to_vec() });
        bytes = &bytes[length..];
    }
    answers
}
