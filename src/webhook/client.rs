//! The client that posts: one a thread, every address judged when it is dialled, one deadline over everything.

use super::dial::Dialer;
use super::heads::{ENDS_WITH_CONNECTION, Unanswered};
use super::proxy::Proxy;
use super::resolve::{SystemResolver, Together};
use super::wire::{Dial, KEEP_ALIVE};
use super::{Answer, Outgoing, Response, SendError};
use crate::clock;
use crate::config::DeliveryConfig;
use crate::webhook::address::Policy;
use awc::error::{ConnectError, SendRequestError};
use awc::http::header::HeaderValue;
use awc::http::{Method, header};
use awc::{Client, ClientResponse, Connector, FrozenClientRequest};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use rustls::ClientConfig;
use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// No more of an answer's body is read, and this much of it is kept.
const READ_BYTES: usize = 64 * 1024;
const KEPT_BYTES: usize = 4096;
const KEPT_HEADERS: usize = 64;

/// After this long the name is resolved again.
const LIFETIME: Duration = Duration::from_secs(60);

/// The dialler has its own time-out, and each delivery its deadline: the library's only has to be longer.
const NO_TIMEOUT: Duration = Duration::from_secs(24 * 3600);

/// The library never forgets an endpoint, nor a connection to it that was closed: after so many it is made anew.
const MOST_CLOSED: usize = 4096;

/// Posts deliveries. Not `Send`: each thread has its own, and clones are the same one.
#[derive(Clone)]
pub struct WebhookClient(Rc<Inner>);

struct Inner {
    libraries: RefCell<Libraries>,
    /// Connections that were closed while a library kept them.
    closed: Rc<Cell<usize>>,
    dialer: Dialer,
}

/// The library, each with its pool.
struct Libraries {
    plain: Client,
    tls: Client,
}

impl std::fmt::Debug for WebhookClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookClient").field("policy", &self.0.dialer.policy).finish_non_exhaustive()
    }
}

/// How much of an answer's body is wanted.
#[derive(Debug, Clone, Copy)]
struct Reading {
    /// No more is read.
    read: usize,
    /// This much of it is kept.
    keep: usize,
    /// A body that breaks off is no answer.
    whole: bool,
}

impl Reading {
    const A_LITTLE: Self = Self { read: READ_BYTES, keep: KEPT_BYTES, whole: false };
}

impl WebhookClient {
    /// A client for this thread. It knows no proxy but that of the config.
    pub fn new(config: &DeliveryConfig, tls: Arc<ClientConfig>) -> Self {
        let dialer = Dialer {
            policy: Policy::of(config),
            resolver: Rc::new(Together::new(SystemResolver)),
            tls,
            proxy: config.proxy.as_ref().map(Proxy::of),
            timeout: config.connect_timeout,
        };
        let closed = Rc::new(Cell::new(0));
        let libraries = RefCell::new(Libraries::new(&dialer, &closed));
        Self(Rc::new(Inner { libraries, closed, dialer }))
    }

    /// Makes a request. Ends within its time-out, whatever the endpoint does.
    pub async fn send(&self, outgoing: Outgoing) -> Answer {
        self.send_reading(outgoing, Reading::A_LITTLE).await
    }

    /// Makes a request whose answer counts: it is there as a whole, or there is none. One byte more than `most` is
    /// read of a larger one.
    pub async fn call(&self, outgoing: Outgoing, most: usize) -> Answer {
        self.send_reading(outgoing, Reading { read: most + 1, keep: most + 1, whole: true }).await
    }

    async fn send_reading(&self, outgoing: Outgoing, reading: Reading) -> Answer {
        let (at, begun) = (clock::now(), clock::instant());
        let result = self.exchange(outgoing, reading).await;
        Answer { at, latency_ms: begun.elapsed().as_millis() as u32, result }
    }

    async fn exchange(&self, outgoing: Outgoing, reading: Reading) -> Result<Response, SendError> {
        let timeout = outgoing.timeout;
        let (mut answered, mut kept) = (None, BytesMut::new());
        let late = |_| SendError::Timeout(timeout.as_millis() as u64);
        let end = {
            // Pinned where it is made: it is large, and would be moved.
            let whole = pin!(async {
                let mut answer = self.head(outgoing).await?;
                answered = Some((answer.status().as_u16(), headers_of(&answer)));
                read_body(&mut answer, reading, &mut kept).await
            });
            tokio::time::timeout(timeout, whole).await.map_err(late).flatten()
        };
        match (answered, end) {
            (None, Err(error)) => Err(error),
            (_, Err(error)) if reading.whole => Err(error),
            // The status decides; a body that breaks off changes nothing.
            (answered, _) => {
                let (status, headers) = answered.unwrap_or_default();
                Ok(Response { status, headers, body: kept.freeze() })
            }
        }
    }

    /// Makes the request up to the head of its answer, on a kept connection if there is one.
    async fn head(&self, outgoing: Outgoing) -> Result<ClientResponse, SendError> {
        let (request, body) = self.request(outgoing)?;
        loop {
            match request.send_body(body.clone()).await {
                Ok(answer) => return Ok(answer),
                // The endpoint had closed a kept one and answered nothing: so once more. The kept ones run out.
                Err(error) if unanswered(&error) == Some(Unanswered::Closed { was_kept: true }) => {}
                Err(error) => return Err(failure(error)),
            }
        }
    }

    /// TLS is spoken below it.
    fn library(&self, is_tls: bool) -> Client {
        let mut libraries = self.0.libraries.borrow_mut();
        if self.0.closed.get() >= MOST_CLOSED {
            self.0.closed.set(0);
            // What is under way keeps the one before alive to its end.
            *libraries = Libraries::new(&self.0.dialer, &self.0.closed);
        }
        if is_tls { libraries.tls.clone() } else { libraries.plain.clone() }
    }

    /// The request, ready to be made more than once.
    fn request(&self, outgoing: Outgoing) -> Result<(FrozenClientRequest, Bytes), SendError> {
        let to = outgoing.to.ready()?;
        let mut request = self.library(to.is_tls).request(Method::POST, to.uri.clone());
        let through = self.0.dialer.proxy.as_ref().filter(|_| !to.is_tls);
        if let Some(credentials) = through.and_then(Proxy::credentials) {
            request = request.insert_header((header::PROXY_AUTHORIZATION, credentials));
        }
        let headers = request.headers_mut();
        headers.reserve(outgoing.headers.len() + 2);
        headers.insert(header::HOST, to.host.clone());
        for (name, value) in outgoing.headers {
            headers.append(name.into_name(), value);
        }
        let frozen = request.freeze().map_err(|error| SendError::Connect(error.to_string()))?;
        Ok((frozen, outgoing.body))
    }
}

/// The headers as the endpoint sent them, without those that its body was handed on with.
fn headers_of(answer: &ClientResponse) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = answer.headers();
    let is_marked = headers.contains_key(ENDS_WITH_CONNECTION);
    let sent = headers.iter().filter_map(|(name, value)| match name.as_str() {
        "connection" | "transfer-encoding" if is_marked => None,
        ENDS_WITH_CONNECTION if value.is_empty() => None,
        ENDS_WITH_CONNECTION => Some(("connection".to_owned(), text(value))),
        name => Some((name.to_owned(), text(value))),
    });
    sent.take(KEPT_HEADERS).collect()
}

impl Libraries {
    fn new(dialer: &Dialer, closed: &Rc<Cell<usize>>) -> Self {
        let dial = |is_tls| Dial { dialer: dialer.clone(), is_tls, closed: Rc::clone(closed) };
        Self { plain: library(dial(false)), tls: library(dial(true)) }
    }
}

fn library(dial: Dial) -> Client {
    let connector = Connector::new()
        .connector(dial)
        .timeout(NO_TIMEOUT)
        .conn_keep_alive(KEEP_ALIVE)
        .conn_lifetime(LIFETIME)
        .limit(0);
    Client::builder().connector(connector).disable_redirects().disable_timeout().no_default_headers().finish()
}

/// Reads a body to its end, or as much as is wanted.
async fn read_body(
    body: &mut ClientResponse,
    reading: Reading,
    kept: &mut BytesMut,
) -> Result<(), SendError> {
    let mut read = 0;
    while let Some(chunk) = body.next().await {
        let chunk =
            chunk.map_err(|error| SendError::BadResponse(format!("the answer broke off: {error}")))?;
        let room = reading.keep - kept.len();
        kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
        read += chunk.len();
        if read >= reading.read {
            break;
        }
    }
    Ok(())
}

/// The system's error inside the library's.
fn io_of(error: &SendRequestError) -> Option<&std::io::Error> {
    use actix_http::error::ParseError;
    match error {
        SendRequestError::Send(error)
        | SendRequestError::Connect(ConnectError::Io(error))
        | SendRequestError::Response(ParseError::Io(error)) => Some(error),
        _ => None,
    }
}

fn unanswered(error: &SendRequestError) -> Option<Unanswered> {
    io_of(error)?.get_ref()?.downcast_ref::<Unanswered>().copied()
}

fn failure(error: SendRequestError) -> SendError {
    if let Some(io) = io_of(&error) {
        let of_tls = io.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        return match of_tls {
            Some(error) => SendError::Tls(error.to_string()),
            None => SendError::BadResponse(io.to_string()),
        };
    }
    match error {
        SendRequestError::Connect(ConnectError::Resolver(why)) => match why.downcast::<SendError>() {
            Ok(error) => *error,
            Err(why) => SendError::Connect(why.to_string()),
        },
        SendRequestError::Connect(ConnectError::Disconnected) => {
            SendError::BadResponse("the connection was closed without an answer".to_owned())
        }
        SendRequestError::Connect(error) => SendError::Connect(error.to_string()),
        error => SendError::BadResponse(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
