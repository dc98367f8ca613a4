//! A connection as the HTTP library sees it: plain or TLS below, one answer a request above (see `heads`).

use super::SendError;
use super::dial::Dialer;
use super::heads::{Heads, Unanswered};
use super::target::Target;
use actix_rt::net::{ActixStream, Ready};
use actix_service::Service;
use actix_tls::connect::{ConnectError, ConnectInfo, Connection};
use awc::http::Uri;
use futures_util::future::LocalBoxFuture;
use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// Every request begins so.
const METHOD: &[u8] = b"POST ";

/// How much is read at once while a head is awaited or chunks are made.
const READ_AT_ONCE: usize = 8192;

/// Dials for the HTTP library, which takes every connection for one in the clear.
#[derive(Clone)]
pub(super) struct Dial {
    pub(super) dialer: Dialer,
    /// Whether its connections speak TLS to the endpoint.
    pub(super) is_tls: bool,
}

impl Service<ConnectInfo<Uri>> for Dial {
    type Response = Connection<Uri, Wire>;
    type Error = ConnectError;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Self::Error>>;

    actix_service::always_ready!();

    fn call(&self, info: ConnectInfo<Uri>) -> Self::Future {
        let (dialer, uri, is_tls) = (self.dialer.clone(), info.request().clone(), self.is_tls);
        Box::pin(async move {
            let dialled = dial(&dialer, &uri, is_tls).await;
            // The one kind of its errors that carries another.
            let wire = dialled.map_err(|error| ConnectError::Resolver(Box::new(error)))?;
            Ok(Connection::new(uri, wire))
        })
    }
}

async fn dial(dialer: &Dialer, uri: &Uri, is_tls: bool) -> Result<Wire, SendError> {
    let scheme = if is_tls { "https" } else { "http" };
    let authority = uri.authority().map_or("", awc::http::uri::Authority::as_str);
    let target = Target::of(&format!("{scheme}://{authority}/"))?;
    let stream = dialer.dial(&target).await?;
    // In the clear a proxy is asked like the endpoint itself, but for the whole URL.
    let whole_url = (dialer.proxy.is_some() && !is_tls).then(|| format!("POST http://{}", target.authority));
    let whole_url = whole_url.map(|url| url.into_bytes().into());
    Ok(Wire { stream, heads: Heads::new(), whole_url, written: None })
}

/// The bytes of a connection.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection with its machine.
pub(super) struct Wire {
    stream: Stream,
    heads: Heads,
    /// What stands for [`METHOD`] in the first line of each request.
    whole_url: Option<Box<[u8]>>,
    /// How much of that is written, while it is.
    written: Option<usize>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("heads", &self.heads).finish_non_exhaustive()
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

impl Wire {
    fn stream(&mut self) -> Pin<&mut dyn Bytestream> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream),
            Stream::Tls(stream) => Pin::new(&mut **stream),
        }
    }

    /// Reads once into the machine.
    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut space = [MaybeUninit::uninit(); READ_AT_ONCE];
        let mut buffer = ReadBuf::uninit(&mut space);
        let done = match ready!(self.stream().poll_read(context, &mut buffer)) {
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
            let more = ready!(self.stream().poll_write(context, &whole[done..]))?;
            self.written = Some(done + more);
        }
        Poll::Ready(Ok(()))
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
        let wire = self.get_mut();
        if wire.heads.passes() {
            return wire.stream().poll_read(context, buffer);
        }
        while !wire.heads.is_ready() {
            ready!(wire.poll_receive(context))?;
        }
        buffer.put_slice(&wire.heads.take(buffer.remaining()));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        let begins = wire.written.is_none() && bytes.starts_with(METHOD);
        if begins {
            wire.heads.requested();
        }
        let result = if wire.whole_url.is_some() && (begins || wire.written.is_some()) {
            wire.written.get_or_insert(0);
            ready!(wire.poll_write_whole_url(context)).map(|()| METHOD.len())
        } else {
            ready!(wire.stream().poll_write(context, bytes))
        };
        Poll::Ready(match result {
            // An endpoint may answer before it has read everything: then that is read, and what is left is dropped.
            Err(error) if is_end(&error) => match wire.heads.closed() {
                Err(why) => Err(told(why)),
                Ok(()) => Err(error),
            },
            result => result,
        })
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream().poll_shutdown(context)
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
