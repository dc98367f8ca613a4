//! A server to test against, and a client that reads exactly as much as it is told.

use crate::parser::{Parser, Seen, assert_strict};
use bytes::Bytes;
use campanile::Broker;
use campanile::config::{Config, KeyConfig, Token};
use campanile::http::serve;
use campanile::log::{EventLog, MemoryLog};
use campanile::model::{EventDraft, EventType, Scope, Scopes, Sequence, TenantId, Timestamp};
use futures_executor::block_on;
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub(crate) const READER: &str = "reader-key";
pub(crate) const ADMIN: &str = "admin-key";
pub(crate) const OTHER: &str = "other-tenant-key";

/// Every wait in these tests ends after this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A running server.
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
    allow_many_sockets();
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    folder.path().clone_into(&mut config.storage.path);
    config.server.workers = 2;
    config.server.drain = Duration::from_secs(5);
    config.keys = vec![
        key(READER, "default", &[Scope::EventsRead], None),
        key(ADMIN, "default", &[Scope::Admin, Scope::Operator], None),
        key(OTHER, "other", &[Scope::Admin], None),
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

/// A thousand streams are two thousand sockets here.
fn allow_many_sockets() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
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

pub(crate) fn key(token: &str, tenant: &str, scopes: &[Scope], expires_at: Option<Timestamp>) -> KeyConfig {
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

pub(crate) fn draft(event_type: &str, data: impl Into<String>) -> EventDraft {
    EventDraft {
        id: None,
        event_type: EventType::parse(event_type).unwrap(),
        timestamp: None,
        pipeline: None,
        run_id: None,
        data: Bytes::from(data.into()),
        extensions: None,
    }
}

pub(crate) fn at(time: &str, draft: EventDraft) -> EventDraft {
    EventDraft { timestamp: Some(Timestamp::parse(time).unwrap()), ..draft }
}

impl Running {
    /// Makes events durable together; the sequence of the last.
    pub(crate) fn publish(&self, drafts: Vec<EventDraft>) -> u64 {
        self.publish_as(self.broker.default_tenant(), drafts)
    }

    pub(crate) fn publish_as(&self, tenant: TenantId, drafts: Vec<EventDraft>) -> u64 {
        let committed = block_on(self.broker.commit_events(tenant, drafts, None)).unwrap();
        committed.events.last().map_or(0, |event| event.sequence().0)
    }

    /// Events of type `a`, each with its number.
    pub(crate) fn publish_many(&self, count: u64) -> u64 {
        self.publish((0..count).map(|n| draft("a", format!(r#"{{"n":{n}}}"#))).collect())
    }

    pub(crate) fn tenant(&self, name: &str) -> TenantId {
        self.log.management().tenant_named(name).unwrap().number
    }

    pub(crate) fn trim(&self, oldest: u64) {
        self.log.trim(Sequence(oldest));
    }

    /// A stream of the reader's that has to open.
    pub(crate) fn stream(&self, query: &str) -> Stream {
        self.stream_from(query, None)
    }

    pub(crate) fn stream_from(&self, query: &str, last_id: Option<&str>) -> Stream {
        let mut headers = vec![("Accept", "text/event-stream")];
        headers.extend(last_id.map(|id| ("Last-Event-ID", id)));
        self.ask(READER, &format!("/api/v1/events/stream?{query}"), &headers).opened()
    }

    /// Sends a request and reads the head of its answer.
    pub(crate) fn ask(&self, key: &str, path: &str, headers: &[(&str, &str)]) -> Stream {
        Stream::ask(self.connect(), "GET", key, path, headers)
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    }

    /// How many streams are open, as the metrics say.
    pub(crate) fn open_streams(&self) -> u64 {
        let metrics = self.ask(ADMIN, "/metrics", &[]).body();
        let line = metrics.lines().find(|line| line.starts_with("campanile_streams ")).unwrap();
        line.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

/// Polls until it holds.
#[track_caller]
pub(crate) fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "it never came to this: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// An answer whose body is read as it comes.
#[derive(Debug)]
pub(crate) struct Stream {
    socket: TcpStream,
    unread: VecDeque<u8>,
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) parser: Parser,
    seen: VecDeque<Seen>,
    /// Every byte of the body.
    pub(crate) bytes: Vec<u8>,
    is_chunked: bool,
    left: usize,
    pub(crate) ended: bool,
}

impl Stream {
    /// Sends a request on a connection and reads the head of its answer.
    pub(crate) fn ask(
        mut socket: TcpStream,
        method: &str,
        key: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Self {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n");
        if !key.is_empty() {
            head.push_str(&format!("Authorization: Bearer {key}\r\n"));
        }
        if method == "POST" {
            head.push_str("Content-Length: 0\r\n");
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        socket.write_all(head.as_bytes()).unwrap();
        Self::read_head(socket)
    }

    fn read_head(socket: TcpStream) -> Self {
        let mut stream = Self {
            socket,
            unread: VecDeque::new(),
            status: 0,
            headers: Vec::new(),
            parser: Parser::default(),
            seen: VecDeque::new(),
            bytes: Vec::new(),
            is_chunked: false,
            left: 0,
            ended: false,
        };
        let status = stream.line().expect("a status line");
        stream.status = status.split(' ').nth(1).unwrap().parse().unwrap();
        while let Some(line) = stream.line().filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(": ").unwrap();
            stream.headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        stream.is_chunked = stream.header("transfer-encoding") == Some("chunked");
        stream.left = stream.header("content-length").map_or(0, |length| length.parse().unwrap());
        stream
    }

    #[track_caller]
    pub(crate) fn opened(self) -> Self {
        match self.status {
            200 => self,
            status => panic!("{status}: {}", self.body()),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Everything to the end, as text.
    pub(crate) fn body(mut self) -> String {
        while self.more().is_some() {}
        String::from_utf8(self.bytes).unwrap()
    }

    fn byte(&mut self) -> Option<u8> {
        if self.unread.is_empty() {
            let mut part = [0; 16 * 1024];
            let count = match self.socket.read(&mut part) {
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    panic!("nothing came within {PATIENCE:?}")
                }
                Err(_) => return None,
            };
            self.unread.extend(&part[..count]);
        }
        self.unread.pop_front()
    }

    fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        loop {
            match self.byte()? {
                b'\n' => break,
                byte => line.push(byte),
            }
        }
        assert_eq!(line.pop(), Some(b'\r'));
        Some(String::from_utf8(line).unwrap())
    }

    /// Reads one more byte of the body; `None` at its end, or where the connection breaks.
    pub(crate) fn more(&mut self) -> Option<u8> {
        if self.ended {
            return None;
        }
        if self.left == 0 {
            let size = if self.is_chunked {
                self.line().and_then(|line| usize::from_str_radix(&line, 16).ok())
            } else {
                None
            };
            match size {
                Some(size) if size > 0 => self.left = size,
                _ => {
                    self.ended = true;
                    return None;
                }
            }
        }
        let Some(byte) = self.byte() else {
            self.ended = true;
            return None;
        };
        self.left -= 1;
        if self.left == 0 && self.is_chunked {
            assert_eq!(self.line().as_deref(), Some(""));
        }
        self.bytes.push(byte);
        Some(byte)
    }

    /// What is seen next; `None` at the end.
    pub(crate) fn next(&mut self) -> Option<Seen> {
        loop {
            if let Some(seen) = self.seen.pop_front() {
                return Some(seen);
            }
            let byte = self.more()?;
            self.seen.extend(self.parser.feed(&[byte]));
        }
    }

    /// The next message, over comments, places and retry times.
    #[track_caller]
    pub(crate) fn message(&mut self) -> Seen {
        loop {
            match self.next() {
                Some(message @ Seen::Message { .. }) => return message,
                Some(_) => {}
                None => panic!("the stream ended after {:?}", self.parser.last_event_id),
            }
        }
    }

    /// Checks that the next events are these.
    #[track_caller]
    pub(crate) fn expect(&mut self, sequences: impl IntoIterator<Item = u64>) {
        for sequence in sequences {
            assert_eq!(self.message().sequence(), Some(sequence));
        }
    }

    /// Reads to the end and checks every byte of it.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> Vec<Seen> {
        let mut rest = Vec::new();
        while let Some(seen) = self.next() {
            rest.push(seen);
        }
        assert_strict(&self.bytes);
        rest
    }
}
