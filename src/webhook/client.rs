//! The client that posts: one a thread, every address judged when it is dialled, one deadline over everything.

use super::dial::{Dialer, Resolve, SystemResolver};
use super::pool::{Connection, Pool};
use super::proxy::Proxy;
use super::target::Target;
use super::{Answer, Outgoing, Response, SendError};
use crate::clock;
use crate::config::DeliveryConfig;
use crate::webhook::address::Policy;
use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use std::error::Error;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// No more of an answer's body is read, and this much of it is kept.
const READ_BYTES: usize = 64 * 1024;
const KEPT_BYTES: usize = 4096;
const KEPT_HEADERS: usize = 64;

/// No answer's head is longer.
const LONGEST_HEAD: usize = 64 * 1024;

/// So many announcements (`100`, `103`) may come before an answer.
const MOST_ANNOUNCEMENTS: usize = 16;

/// Posts deliveries. Not `Send`: each thread has its own.
#[derive(Clone)]
pub struct WebhookClient {
    dialer: Rc<Dialer>,
    pool: Pool,
}

impl std::fmt::Debug for WebhookClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookClient").field("policy", &self.dialer.policy).finish_non_exhaustive()
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

/// When an exchange must be over.
#[derive(Debug, Clone, Copy)]
struct Deadline {
    begun: Instant,
    timeout: Duration,
}

impl Deadline {
    /// What comes of a future in time.
    async fn bound<T>(&self, future: impl Future<Output = T>) -> Result<T, SendError> {
        let left = self.timeout.saturating_sub(self.begun.elapsed());
        let late = |_| SendError::Timeout(self.timeout.as_millis() as u64);
        tokio::time::timeout(left, future).await.map_err(late)
    }
}

impl WebhookClient {
    /// A client for this thread. It knows no proxy but that of the config.
    pub fn new(config: &DeliveryConfig, tls: Arc<ClientConfig>) -> Self {
        Self::with_resolver(config, tls, Rc::new(SystemResolver))
    }

    /// A client that asks somebody else for the addresses of names.
    pub fn with_resolver(config: &DeliveryConfig, tls: Arc<ClientConfig>, resolver: Rc<dyn Resolve>) -> Self {
        let dialer = Dialer {
            policy: Policy::of(config),
            resolver,
            tls,
            proxy: config.proxy.as_ref().map(Proxy::of),
            timeout: config.connect_timeout,
        };
        Self { dialer: Rc::new(dialer), pool: Pool::default() }
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
        let deadline = Deadline { begun, timeout: outgoing.timeout };
        let result = self.exchange(&outgoing, reading, deadline).await;
        Answer { at, latency_ms: begun.elapsed().as_millis() as u32, result }
    }

    async fn exchange(
        &self,
        outgoing: &Outgoing,
        reading: Reading,
        deadline: Deadline,
    ) -> Result<Response, SendError> {
        let target = Target::of(&outgoing.url)?;
        let (connection, head, body) = deadline.bound(self.head(&target, outgoing)).await??;
        let headers = head.headers.iter().take(KEPT_HEADERS);
        let headers = headers
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let mut kept = BytesMut::new();
        let end = match deadline.bound(read_body(body, reading, &mut kept)).await {
            Ok(end) => end,
            Err(late) => End::Broken(late),
        };
        match end {
            End::Proper => self.pool.put(target.origin, connection),
            End::Broken(error) if reading.whole => return Err(error),
            // The status decides; a body that breaks off changes nothing.
            End::Broken(_) | End::Enough => {}
        }
        Ok(Response { status: head.status.as_u16(), headers, body: kept.freeze() })
    }

    /// Makes the request up to the head of its answer, on a kept connection if there is one.
    async fn head(&self, target: &Target, outgoing: &Outgoing) -> Result<Begun, SendError> {
        while let Some(mut connection) = self.pool.take(&target.origin) {
            if connection.sender.ready().await.is_err() {
                continue;
            }
            match self.ask(connection, target, outgoing).await {
                // The endpoint closed it meanwhile and answered nothing: so once more, on a new one.
                Err(Failure { is_broken: true, .. }) => break,
                result => return result.map_err(|failure| failure.error),
            }
        }
        let stream = self.dialer.dial(target).await?;
        let handshake = http1::Builder::new().max_buf_size(LONGEST_HEAD).handshake(TokioIo::new(stream));
        let (sender, driver) = handshake.await.map_err(|error| Failure::of(&error).error)?;
        // What goes wrong on it is told to who waits for the answer.
        let driver = actix_rt::spawn(async move { drop(driver.await) });
        let connection = Connection::new(sender, driver);
        self.ask(connection, target, outgoing).await.map_err(|failure| failure.error)
    }

    async fn ask(
        &self,
        mut connection: Connection,
        target: &Target,
        outgoing: &Outgoing,
    ) -> Result<Begun, Failure> {
        let mut request = self.request(target, outgoing).map_err(|error| Failure {
            error: SendError::Connect(format!("no request can be made: {error}")),
            is_broken: false,
        })?;
        let (count, too_many) = (AtomicUsize::new(0), Arc::new(Notify::new()));
        let announced = Arc::clone(&too_many);
        hyper::ext::on_informational(&mut request, move |_| {
            if count.fetch_add(1, Ordering::Relaxed) >= MOST_ANNOUNCEMENTS {
                announced.notify_one();
            }
        });
        let answer = tokio::select! {
            answer = connection.sender.send_request(request) => answer.map_err(|error| Failure::of(&error))?,
            () = too_many.notified() => return Err(Failure::bad("announcements without an answer")),
        };
        let (head, body) = answer.into_parts();
        match head.status.as_u16() {
            200..=599 => Ok((connection, head, body)),
            _ if head.status == StatusCode::SWITCHING_PROTOCOLS => {
                Err(Failure::bad("another protocol was not asked for"))
            }
            status => Err(Failure::bad(&format!("{status} is no status"))),
        }
    }

    fn request(&self, target: &Target, outgoing: &Outgoing) -> Result<Request<Full<Bytes>>, http::Error> {
        let mut request = Request::new(Full::new(outgoing.body.clone()));
        *request.method_mut() = Method::POST;
        let headers = request.headers_mut();
        headers.reserve(outgoing.headers.len() + 2);
        headers.insert(header::HOST, HeaderValue::from_str(&target.authority)?);
        for (name, value) in &outgoing.headers {
            headers.append(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_str(value)?);
        }
        // In the clear a proxy is asked like the endpoint itself, but for the whole URL.
        let through = self.dialer.proxy.as_ref().filter(|_| target.tls_name.is_none());
        if let Some(credentials) = through.and_then(Proxy::credentials) {
            headers.insert(header::PROXY_AUTHORIZATION, HeaderValue::from_str(credentials)?);
        }
        *request.uri_mut() = if through.is_some() { target.absolute()? } else { target.path.clone() };
        Ok(request)
    }
}

/// A connection whose answer has begun.
type Begun = (Connection, http::response::Parts, Incoming);

/// How a body ended.
enum End {
    /// At its end: the connection can be used again.
    Proper,
    /// More is not wanted.
    Enough,
    /// Before its end.
    Broken(SendError),
}

async fn read_body(mut body: Incoming, reading: Reading, kept: &mut BytesMut) -> End {
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => {
                return End::Broken(SendError::BadResponse(format!("the answer broke off: {error}")));
            }
        };
        let Ok(chunk) = frame.into_data() else { continue };
        let room = reading.keep - kept.len();
        kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
        read += chunk.len();
        if read >= reading.read {
            return End::Enough;
        }
    }
    End::Proper
}

/// A failed exchange, and whether a connection that was dead already may be why.
struct Failure {
    error: SendError,
    is_broken: bool,
}

impl Failure {
    fn bad(why: &str) -> Self {
        Self { error: SendError::BadResponse(why.to_owned()), is_broken: false }
    }

    fn of(error: &hyper::Error) -> Self {
        let io = cause::<std::io::Error>(error);
        let error_of_tls = cause::<rustls::Error>(error)
            .or_else(|| io.and_then(|io| io.get_ref()).and_then(|inner| inner.downcast_ref()));
        if let Some(tls) = error_of_tls {
            return Self { error: SendError::Tls(tls.to_string()), is_broken: false };
        }
        let is_broken = error.is_canceled() || error.is_incomplete_message() || io.is_some();
        let why = match io {
            Some(io) => io.to_string(),
            None if is_broken => "the connection was closed without an answer".to_owned(),
            None => error.to_string(),
        };
        Self { error: SendError::BadResponse(why), is_broken }
    }
}

/// The first of an error's causes that is of this type.
fn cause<T: Error + 'static>(error: &hyper::Error) -> Option<&T> {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(one) = cause {
        if let Some(found) = one.downcast_ref() {
            return Some(found);
        }
        cause = one.source();
    }
    None
}
