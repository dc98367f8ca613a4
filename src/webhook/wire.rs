//! A connection as the HTTP library sees it: plain or TLS below, one answer a request above (see `heads`).
//!
//! What must hold: a connection that nobody uses is closed. The library looks at a kept one only when it makes the next
//! request to the same endpoint, if ever it does.

use super::SendError;
use super::dial::Dialer;
use super::heads::{Heads, Unanswered};
use super::target::Target;
use crate::clock;
use actix_rt::net::{ActixStream, Ready};
use actix_rt::task::JoinHandle;
use actix_service::Service;
use actix_tls::connect::{ConnectError, ConnectInfo, Connection};
use awc::http::Uri;
use futures_util::future::LocalBoxFuture;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// Every request begins so.
const METHOD: &[u8] = b"POST ";

/// How much is read at once while a head is awaited or chunks are made.
const READ_AT_ONCE: usize = 8192;

/// Many servers close an idle connection after five seconds: ours goes first.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(4);

/// How long an end of TLS may take to be said.
const GOODBYE: Duration = Duration::from_secs(1);

/// Dials for the HTTP library, which takes every connection for one in the clear.
#[derive(Clone)]
pub(super) struct Dial {
    pub(super) dialer: Dialer,
    /// Whether its connections speak TLS to the endpoint.
    pub(super) is_tls: bool,
    /// Counts those that were closed while the library kept them.
    pub(super) closed: Rc<Cell<usize>>,
}

impl Service<ConnectInfo<Uri>> for Dial {
    type Response = Connection<Uri, Wire>;
    type Error = ConnectError;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Self::Error>>;

    actix_service::always_ready!();

    fn call(&self, info: ConnectInfo<Uri>) -> Self::Future {
        let (dialer, uri, is_tls) = (self.dialer.clone(), info.request().clone(), self.is_tls);
        let closed = Rc::clone(&self.closed);
        Box::pin(async move {
            let dialled = dial(&dialer, &uri, is_tls).await;
            // The one kind of its errors that carries another.
            let line = dialled.map_err(|error| ConnectError::Resolver(Box::new(error)))?;
            Ok(Connection::new(uri, Wire::new(line, closed)))
        })
    }
}

async fn dial(dialer: &Dialer, uri: &Uri, is_tls: bool) -> Result<Line, SendError> {
    let scheme = if is_tls { "https" } else { "http" };
    let authority = uri.authority().map_or("", awc::http::uri::Authority::as_str);
    let target = Target::of(&format!("{scheme}://{authority}/"))?;
    let stream = dialer.dial(&target).await?;
    // In the clear a proxy is asked like the endpoint itself, but for the whole URL.
    let whole_url = (dialer.proxy.is_some() && !is_tls).then(|| format!("POST http://{}", target.authority));
    let whole_url = whole_url.map(|url| url.into_bytes().into());
    let (used, is_awaited) = (clock::instant(), false);
    Ok(Line { stream: Some(stream), heads: Heads::new(), whole_url, written: None, used, is_awaited })
}

/// The bytes of a connection.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection with its machine.
struct Line {
    /// `None` once it was closed because nobody used it.
    stream: Option<Stream>,
    heads: Heads,
    /// What stands for [`METHOD`] in the first line of each request.
    whole_url: Option<Box<[u8]>>,
    /// How much of that is written, while it is.
    written: Option<usize>,
    /// When the library last wanted something of it.
    used: Instant,
    /// The library waits for what it wanted.
    is_awaited: bool,
}

/// A connection in the library's hands.
pub(super) struct Wire {
    line: Rc<RefCell<Line>>,
    closer: JoinHandle<()>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("heads", &self.line.borrow().heads).finish_non_exhaustive()
    }
}

impl Wire {
    fn new(line: Line, closed: Rc<Cell<usize>>) -> Self {
        let line = Rc::new(RefCell::new(line));
        let closer = actix_rt::spawn(close_when_idle(Rc::downgrade(&line), closed));
        Self { line, closer }
    }

    /// Has the line do something.
    fn with<T>(&self, act: impl FnOnce(&mut Line) -> Poll<T>) -> Poll<T> {
        let mut line = self.line.borrow_mut();
        let done = act(&mut line);
        (line.used, line.is_awaited) = (clock::instant(), done.is_pending());
        done
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.closer.abort();
    }
}

async fn close_when_idle(line: Weak<RefCell<Line>>, closed: Rc<Cell<usize>>) {
    let mut wait = KEEP_ALIVE;
    while !wait.is_zero() {
        tokio::time::sleep(wait).await;
        let Some(line) = line.upgrade() else { return };
        wait = line.borrow().stays_for();
    }
    let stream = line.upgrade().and_then(|line| line.borrow_mut().stream.take());
    closed.set(closed.get() + 1);
    if let Some(mut stream) = stream {
        let goodbye = async { stream.bytes().shutdown().await };
        // Whoever has closed it already, or does not listen any more, misses nothing.
        drop(tokio::time::timeout(GOODBYE, goodbye).await);
    }
}

/// What the machine says, as the library carries it to who asked.
fn told(why: Unanswered) -> io::Error {
    io::Error::other(why)
}

/// An end of the connection is the machine's to judge, however it shows.
fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof)
}

impl Stream {
    fn bytes(&mut self) -> Pin<&mut dyn Bytestream> {
        match self {
            Self::Plain(stream) => Pin::new(stream),
            Self::Tls(stream) => Pin::new(&mut **stream),
        }
    }
}

impl Line {
    /// How long it stays open if nobody uses it.
    fn stays_for(&self) -> Duration {
        let is_busy = self.is_awaited || self.heads.is_awaited();
        if is_busy { KEEP_ALIVE } else { KEEP_ALIVE.saturating_sub(self.used.elapsed()) }
    }

    fn stream(&mut self) -> io::Result<Pin<&mut dyn Bytestream>> {
        self.stream.as_mut().map(Stream::bytes).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Reads once into the machine.
    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut space = [MaybeUninit::uninit(); READ_AT_ONCE];
        let mut buffer = ReadBuf::uninit(&mut space);
        let done = match ready!(self.stream()?.poll_read(context, &mut buffer)) {
            Ok(()) if buffer.filled().is_empty() => self.heads.closed(),
            Ok(()) => self.heads.received(buffer.filled()),
            Err(error) if is_end(&error) => self.heads.closed(),
            Err(error) => return Poll::Ready(Err(error)),
        };
        Poll::Ready(done.map_err(told))
    }

    /// Writes what stands for the method; `Ok` when all of it is out.
    fn poll_write_whole_url(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let (Some(done), Some(whole)) = (self.written, self.whole_url.clone()) {
            if done == whole.len() {
                self.written = None;
                break;
            }
            let more = ready!(self.stream()?.poll_write(context, &whole[done..]))?;
            self.written = Some(done + more);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.heads.passes() {
            return self.stream()?.poll_read(context, buffer);
        }
        while !self.heads.is_ready() {
            ready!(self.poll_receive(context))?;
        }
        buffer.put_slice(&self.heads.take(buffer.remaining()));
        Poll::Ready(Ok(()))
    }

    fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let begins = self.written.is_none() && bytes.starts_with(METHOD);
        if begins {
            self.heads.requested();
        }
        let result = if self.whole_url.is_some() && (begins || self.written.is_some()) {
            self.written.get_or_insert(0);
            ready!(self.poll_write_whole_url(context)).map(|()| METHOD.len())
        } else {
            match self.stream() {
                Ok(stream) => ready!(stream.poll_write(context, bytes)),
                Err(error) => Err(error),
            }
        };
        Poll::Ready(match result {
            // An endpoint may answer before it has read everything: then that is read, and what is left is dropped.
            Err(error) if is_end(&error) => match self.heads.closed() {
                Err(why) => Err(told(why)),
                Ok(()) => Err(error),
            },
            result => result,
        })
    }
}

trait Bytestream: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Bytestream for T {}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.with(|line| line.poll_read(context, buffer))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.with(|line| line.poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|line| line.stream()?.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|line| match line.stream() {
            Ok(stream) => stream.poll_shutdown(context),
            Err(_) => Poll::Ready(Ok(())),
        })
    }
}

impl ActixStream for Wire {
    fn poll_read_ready(&self, _: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        // Only servers ask; to try is always right.
        Poll::Ready(Ok(Ready::READABLE))
    }

    fn poll_write_ready(&self, _: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        Poll::Ready(Ok(Ready::WRITABLE))
    }
}
