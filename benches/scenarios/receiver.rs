//! The fastest webhook endpoint that is one: reads each request whole, counts it, answers 200 with an empty object, which
//! is what a function says that agrees.

use crate::{child, http};
use memchr::memmem;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

/// What has arrived.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Count {
    pub(crate) posts: u64,
    /// Seconds from the first to the last of them.
    pub(crate) seconds: f64,
    /// Bytes of the last body.
    pub(crate) body_bytes: usize,
}

#[derive(Debug, Default)]
struct Seen {
    count: Count,
    first: Option<Instant>,
}

/// A running receiver, seen from the parent.
pub(crate) struct Receiver {
    process: child::Process,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Receiver {
    /// Starts one.
    pub(crate) fn start() -> Self {
        let mut process = child::Process::start("receiver", &serde_json::json!(null));
        Self { address: process.next(), process }
    }

    /// What has arrived so far.
    pub(crate) fn count(&mut self) -> Count {
        self.process.go();
        self.process.next()
    }
}

/// The `receiver` role: every line of its input is answered by what has arrived so far.
pub(crate) fn serve(_settings: &str) {
    child::block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        child::answer(&listener.local_addr().expect("a bound socket has an address"));
        let seen = Rc::new(RefCell::new(Seen::default()));
        let (questions, mut asked) = tokio::sync::mpsc::channel(1);
        std::thread::spawn(move || {
            while child::wait_for_go() && questions.blocking_send(()).is_ok() {}
            std::process::exit(0);
        });
        let counted = seen.clone();
        tokio::task::spawn_local(async move {
            while asked.recv().await.is_some() {
                child::answer(&counted.borrow().count);
            }
        });
        loop {
            if let Ok((stream, _)) = listener.accept().await {
                tokio::task::spawn_local(receive(stream, seen.clone()));
            }
        }
    });
}

async fn receive(mut stream: TcpStream, seen: Rc<RefCell<Seen>>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(16 * 1024);
    loop {
        while let Some((head, end)) = whole_request(&buffer) {
            seen.borrow_mut().note(end - head);
            buffer.drain(..end);
            stream.write_all(OK).await?;
        }
        if stream.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    }
}

impl Seen {
    fn note(&mut self, body_bytes: usize) {
        let now = campanile::clock::instant();
        let first = *self.first.get_or_insert(now);
        self.count.posts += 1;
        self.count.seconds = (now - first).as_secs_f64();
        self.count.body_bytes = body_bytes;
    }
}

/// Where the first request's head and body end, once both are there.
pub(crate) fn whole_request(bytes: &[u8]) -> Option<(usize, usize)> {
    let head = memmem::find(bytes, b"\r\n\r\n")? + 4;
    let end = head + http::content_length(&bytes[..head]).unwrap_or(0);
    (end <= bytes.len()).then_some((head, end))
}
