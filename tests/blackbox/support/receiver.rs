//! A webhook endpoint that does what a test tells it to, good or bad, and remembers everything it was sent.

use super::http::{find, split_head};
use super::ports;
use super::wait::eventually;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

/// What the endpoint does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// Answers with a status, further headers and a body.
    Answer(u16, Vec<(String, String)>, String),
    /// Waits, then replies.
    After(Duration, Box<Reply>),
    /// Waits until it is let go, then replies.
    When(Arc<AtomicBool>, Box<Reply>),
    /// Closes the connection without an answer.
    HangUp,
}

impl Reply {
    pub(crate) fn status(status: u16) -> Self {
        Self::Answer(status, Vec::new(), String::new())
    }

    pub(crate) fn with_header(status: u16, name: &str, value: &str) -> Self {
        Self::Answer(status, vec![(name.to_owned(), value.to_owned())], String::new())
    }

    /// The challenge to who asks for it, 204 to everything else.
    pub(crate) fn consent(delivery: &Delivery) -> Self {
        if !delivery.is_verification() {
            return Self::status(204);
        }
        let challenge = delivery.json()["data"]["challenge"].as_str().unwrap().to_owned();
        Self::Answer(200, Vec::new(), challenge)
    }

    pub(crate) fn after(wait: Duration, reply: Self) -> Self {
        Self::After(wait, Box::new(reply))
    }
}

/// One request the endpoint got.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The status it was answered with, `None` for a hang-up.
    pub(crate) answered: Option<u16>,
    pub(crate) at: Instant,
}

impl Delivery {
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        self.find_header(name).unwrap_or_else(|| panic!("no header {name} in {:?}", self.headers))
    }

    pub(crate) fn find_header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn event_id(&self) -> &str {
        self.header("webhook-id")
    }

    pub(crate) fn attempt(&self) -> u32 {
        self.header("X-Campanile-Attempt").parse().expect("an attempt is a number")
    }

    pub(crate) fn sequence(&self) -> u64 {
        self.header("X-Campanile-Sequence").parse().expect("a sequence is a number")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a delivery is JSON")
    }

    pub(crate) fn is_verification(&self) -> bool {
        self.header("X-Campanile-Event") == "event_destination.verification"
    }

    pub(crate) fn succeeded(&self) -> bool {
        self.answered.is_some_and(|status| (200..300).contains(&status))
    }

    /// The Standard Webhooks signature that a secret gives.
    #[track_caller]
    pub(crate) fn standard_signature(&self, secret: &str) -> String {
        let timestamp = self.header("webhook-timestamp").parse().expect("seconds since the epoch");
        // Without the prefix the key is the text itself.
        let webhook = match secret.strip_prefix("whsec_") {
            Some(_) => standardwebhooks::Webhook::new(secret).expect("a usable secret"),
            None => standardwebhooks::Webhook::from_bytes(secret.as_bytes().to_vec()).expect("a key"),
        };
        webhook.sign(self.event_id(), timestamp, &self.body).unwrap()
    }

    /// Whether one of its Standard Webhooks signatures is of this secret.
    pub(crate) fn is_signed_with(&self, secret: &str) -> bool {
        let signature = self.standard_signature(secret);
        self.header("webhook-signature").split(' ').any(|one| one == signature)
    }

    /// Checks both signatures against the secret as it was shown.
    #[track_caller]
    pub(crate) fn assert_signed_with(&self, secret: &str) {
        let (sent, signature) = (self.header("webhook-signature"), self.standard_signature(secret));
        assert!(self.is_signed_with(secret), "{sent} lacks {signature}");
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(&self.body);
        let digest = mac.finalize().into_bytes();
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(self.header("X-Campanile-Signature"), format!("sha256={hex}"));
    }
}

type Script = dyn FnMut(&Delivery) -> Reply + Send;

struct Shared {
    deliveries: Mutex<Vec<Delivery>>,
    script: Mutex<Box<Script>>,
    closed: AtomicBool,
    /// Who has ever been let in.
    callers: Mutex<HashSet<SocketAddr>>,
    /// How many connections are being served.
    open: AtomicUsize,
}

/// A running endpoint; gone when dropped.
pub(crate) struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Receiver {
    pub(crate) fn start(script: impl FnMut(&Delivery) -> Reply + Send + 'static) -> Self {
        let listener = ports::listen();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            deliveries: Mutex::default(),
            script: Mutex::new(Box::new(script)),
            closed: AtomicBool::new(false),
            callers: Mutex::default(),
            open: AtomicUsize::new(0),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || accept(&listener, &accepting));
        Self { address, shared }
    }

    /// An endpoint that takes everything.
    pub(crate) fn willing() -> Self {
        Self::start(|_| Reply::status(204))
    }

    /// An endpoint that answers challenges and takes everything.
    pub(crate) fn consenting() -> Self {
        Self::start(Reply::consent)
    }

    /// An endpoint that holds every answer back until the flag is set; each request is told of when it has come.
    pub(crate) fn holding(status: u16) -> (Self, mpsc::Receiver<()>, Arc<AtomicBool>) {
        let (asked, is_asked) = mpsc::channel();
        let answers = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&answers);
        let receiver = Self::start(move |_| {
            asked.send(()).ok();
            Reply::When(Arc::clone(&flag), Box::new(Reply::status(status)))
        });
        (receiver, is_asked, answers)
    }

    /// What it was sent, without what asked for its consent.
    pub(crate) fn events(&self) -> Vec<Delivery> {
        self.deliveries().into_iter().filter(|one| !one.is_verification()).collect()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// What is sent with `POST /destinations` for this endpoint, verified by nothing.
    pub(crate) fn destination(&self) -> Value {
        json!({"url": self.url(), "verification": "none"})
    }

    pub(crate) fn deliveries(&self) -> Vec<Delivery> {
        self.shared.deliveries.lock().unwrap().clone()
    }

    /// Changes what the endpoint does from now on.
    pub(crate) fn behave(&self, script: impl FnMut(&Delivery) -> Reply + Send + 'static) {
        *self.shared.script.lock().unwrap() = Box::new(script);
    }

    /// Waits until it got so many requests, and gives the first `count`: there may be more already.
    #[track_caller]
    pub(crate) fn wait_for(&self, count: usize) -> Vec<Delivery> {
        eventually(&format!("{count} deliveries"), || {
            let deliveries = self.shared.deliveries.lock().unwrap();
            deliveries.get(..count).map(<[Delivery]>::to_vec)
        })
    }

    /// Waits until everything that a sender sent who is dead now has been read and remembered.
    #[track_caller]
    pub(crate) fn settle(&self) {
        // Connections are let in one after the other: with this one all before it are.
        let knock = TcpStream::connect(self.address).unwrap();
        let me = knock.local_addr().unwrap();
        eventually("a connection to be let in", || {
            self.shared.callers.lock().unwrap().contains(&me).then_some(())
        });
        drop(knock);
        eventually("all connections to end", || (self.shared.open.load(Ordering::SeqCst) == 0).then_some(()));
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Relaxed);
        // Wakes the listener so that it sees that it is closed.
        drop(TcpStream::connect(self.address));
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.closed.load(Ordering::Relaxed) {
            return;
        }
        if let Ok(stream) = stream {
            let shared = Arc::clone(shared);
            shared.open.fetch_add(1, Ordering::SeqCst);
            shared.callers.lock().unwrap().extend(stream.peer_addr());
            std::thread::spawn(move || {
                while_kept_alive(stream, &shared);
                shared.open.fetch_sub(1, Ordering::SeqCst);
            });
        }
    }
}

fn while_kept_alive(mut stream: TcpStream, shared: &Shared) {
    stream.set_read_timeout(Some(Duration::from_secs(600))).ok();
    stream.set_nodelay(true).ok();
    let mut unread = Vec::new();
    while !shared.closed.load(Ordering::Relaxed) {
        let Ok(mut delivery) = read_request(&mut stream, &mut unread) else {
            return;
        };
        let mut reply = (shared.script.lock().unwrap())(&delivery);
        loop {
            reply = match reply {
                Reply::After(wait, then) => {
                    std::thread::sleep(wait);
                    *then
                }
                Reply::When(goes, then) => {
                    while !goes.load(Ordering::Relaxed) && !shared.closed.load(Ordering::Relaxed) {
                        std::thread::sleep(Duration::from_millis(2));
                    }
                    *then
                }
                _ => break,
            };
        }
        let Reply::Answer(status, headers, body) = reply else {
            shared.deliveries.lock().unwrap().push(delivery);
            return;
        };
        delivery.answered = Some(status);
        // Remembered before it is answered: whoever knows of the answer finds the delivery here.
        shared.deliveries.lock().unwrap().push(delivery);
        if write_answer(&mut stream, status, &headers, &body).is_err() {
            return;
        }
    }
}

pub(super) fn read_request(stream: &mut impl Read, unread: &mut Vec<u8>) -> io::Result<Delivery> {
    let mut buffer = [0; 16 * 1024];
    loop {
        if let Some(delivery) = take_request(unread)? {
            return Ok(delivery);
        }
        match stream.read(&mut buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => unread.extend_from_slice(&buffer[..count]),
        }
    }
}

fn take_request(unread: &mut Vec<u8>) -> io::Result<Option<Delivery>> {
    let Some(end) = find(unread, b"\r\n\r\n") else {
        return Ok(None);
    };
    let (first, headers) = split_head(&unread[..end])?;
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("Content-Length"));
    let length: usize = length.map_or(Ok(0), |(_, value)| value.parse()).map_err(io::Error::other)?;
    let end = end + 4;
    if unread.len() < end + length {
        return Ok(None);
    }
    let body = unread[end..end + length].to_vec();
    unread.drain(..end + length);
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    Ok(Some(Delivery { path, headers, body, answered: None, at: Instant::now() }))
}

fn write_answer(
    stream: &mut TcpStream,
    status: u16,
    headers: &[(String, String)],
    body: &str,
) -> io::Result<()> {
    let mut out = format!("HTTP/1.1 {status} Scripted\r\n");
    for (name, value) in headers {
        out.push_str(&format!("{name}: {value}\r\n"));
    }
    if status != 204 {
        out.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    out.push_str("\r\n");
    out.push_str(body);
    stream.write_all(out.as_bytes())
}
