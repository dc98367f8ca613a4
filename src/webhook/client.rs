//! The client that posts: one a thread, every address judged when it is dialled, one deadline over everything.

use super::address::Policy;
use super::{Answer, Outgoing, Response, SendError};
use crate::clock;
use actix_tls::connect::{Connector as TcpConnector, Resolve, Resolver};
use awc::error::{ConnectError, SendRequestError};
use awc::{Client, Connector};
use bytes::BytesMut;
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use rustls::{ClientConfig, RootCertStore};
use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// No more of an answer's body is read, and this much of it is kept.
const READ_BYTES: usize = 64 * 1024;
const KEPT_BYTES: usize = 4096;
const KEPT_HEADERS: usize = 64;

/// Many servers close an idle connection after five seconds: ours goes first.
const CONNECTION_KEEP_ALIVE: Duration = Duration::from_secs(4);

/// Posts deliveries. Not `Send`: each thread has its own.
#[derive(Clone)]
pub struct WebhookClient {
    client: Client,
    policy: Policy,
}

impl std::fmt::Debug for WebhookClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookClient").field("policy", &self.policy).finish_non_exhaustive()
    }
}

/// Why no TLS settings could be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file of further authorities cannot be used.
    #[error("delivery.ca_file cannot be used: {0}")]
    CaFile(String),
    /// The provider refuses its own defaults.
    #[error("tls is not available: {0}")]
    Provider(String),
}

/// TLS settings for every delivery: the system's authorities (or Mozilla's where there are none) and those of
/// `ca_file`.
pub fn tls_config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(native.certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    if let Some(path) = ca_file {
        use rustls::pki_types::CertificateDer;
        use rustls::pki_types::pem::PemObject;
        let broken = |error: &dyn std::fmt::Display| TlsError::CaFile(format!("{}: {error}", path.display()));
        for certificate in CertificateDer::pem_file_iter(path).map_err(|error| broken(&error))? {
            let certificate = certificate.map_err(|error| broken(&error))?;
            roots.add(certificate).map_err(|error| broken(&error))?;
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| TlsError::Provider(error.to_string()))?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

impl WebhookClient {
    /// A client for this thread.
    pub fn new(policy: Policy, tls: Arc<ClientConfig>) -> Self {
        let resolver = Resolver::custom(VettingResolver { policy: policy.clone() });
        let connector = Connector::new()
            .connector(TcpConnector::new(resolver).service())
            .rustls_0_23(tls)
            .timeout(Duration::from_secs(30))
            .handshake_timeout(Duration::from_secs(30))
            .conn_keep_alive(CONNECTION_KEEP_ALIVE)
            .limit(0);
        // The deadline of each delivery bounds everything; no proxy of the environment is used.
        let client = Client::builder()
            .connector(connector)
            .disable_redirects()
            .disable_timeout()
            .no_default_headers()
            .finish();
        Self { client, policy }
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
        let timeout = outgoing.timeout;
        let result = match tokio::time::timeout(timeout, self.exchange(outgoing, reading)).await {
            Ok(result) => result,
            Err(_) => Err(SendError::Timeout(timeout.as_millis() as u64)),
        };
        Answer { at, latency_ms: begun.elapsed().as_millis() as u32, result }
    }

    async fn exchange(&self, outgoing: Outgoing, reading: Reading) -> Result<Response, SendError> {
        self.check_literal(&outgoing.url)?;
        match self.once(&outgoing, reading).await {
            // A pooled connection that the endpoint had closed: nothing was answered, so once more on another.
            Err(Failure { stale: true, .. }) => {
                self.once(&outgoing, reading).await.map_err(|failure| failure.error)
            }
            result => result.map_err(|failure| failure.error),
        }
    }

    /// A resolver is not asked for addresses that stand in the URL.
    fn check_literal(&self, url: &str) -> Result<(), SendError> {
        let parsed = url::Url::parse(url).map_err(|error| SendError::Connect(error.to_string()))?;
        let address = match parsed.host() {
            Some(url::Host::Ipv4(address)) => IpAddr::V4(address),
            Some(url::Host::Ipv6(address)) => IpAddr::V6(address),
            _ => return Ok(()),
        };
        if self.policy.permits(address) {
            Ok(())
        } else {
            Err(SendError::AddressRefused(address.to_string()))
        }
    }

    async fn once(&self, outgoing: &Outgoing, reading: Reading) -> Result<Response, Failure> {
        let mut request = self.client.post(outgoing.url.as_str());
        for (name, value) in &outgoing.headers {
            request = request.append_header((name.as_str(), value.as_str()));
        }
        let mut answer = request.send_body(outgoing.body.clone()).await.map_err(Failure::of)?;
        let headers = answer.headers().iter().take(KEPT_HEADERS);
        let headers = headers
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let status = answer.status().as_u16();
        let mut body = BytesMut::new();
        let mut read = 0;
        while let Some(chunk) = answer.next().await {
            let chunk = match chunk {
                Ok(chunk) => chunk,
                Err(error) if reading.whole => return Err(Failure::broken_off(&error)),
                // The status decides; a body that breaks off changes nothing.
                Err(_) => break,
            };
            let room = reading.keep - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            read += chunk.len();
            if read >= reading.read {
                break;
            }
        }
        Ok(Response { status, headers, body: body.freeze() })
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

/// A failed exchange, and whether a connection that was already dead may be why.
struct Failure {
    error: SendError,
    stale: bool,
}

impl Failure {
    fn broken_off(error: &dyn Error) -> Self {
        let error = SendError::BadResponse(format!("the answer broke off: {error}"));
        Self { error, stale: false }
    }

    fn of(error: SendRequestError) -> Self {
        use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
        let stale = match &error {
            SendRequestError::Send(error) => {
                matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
            }
            SendRequestError::Connect(ConnectError::Disconnected) => true,
            _ => false,
        };
        let error = match error {
            SendRequestError::Connect(ConnectError::Resolver(why)) => match why.downcast::<SendError>() {
                Ok(refused) => *refused,
                Err(why) => SendError::Resolve(why.to_string()),
            },
            SendRequestError::Connect(ConnectError::NoRecords) => SendError::Resolve("no address".to_owned()),
            SendRequestError::Connect(ConnectError::Disconnected) => {
                SendError::BadResponse("the connection was closed without an answer".to_owned())
            }
            SendRequestError::Connect(ConnectError::Io(error)) => {
                let is_tls = error.get_ref().is_some_and(
                    <dyn std::error::Error + std::marker::Send + std::marker::Sync + 'static>::is::<
                        rustls::Error,
                    >,
                );
                if is_tls { SendError::Tls(error.to_string()) } else { SendError::Connect(error.to_string()) }
            }
            SendRequestError::Connect(error) => SendError::Connect(error.to_string()),
            error => SendError::BadResponse(error.to_string()),
        };
        Self { error, stale }
    }
}

/// Resolves names and gives only addresses that may be dialled: what is vetted is what is connected to.
struct VettingResolver {
    policy: Policy,
}

impl Resolve for VettingResolver {
    fn lookup<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> LocalBoxFuture<'a, Result<Vec<SocketAddr>, Box<dyn Error>>> {
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
            // One address outside is reason enough: the name may answer with that one next time.
            if let Some(refused) = addresses.iter().find(|address| !self.policy.permits(address.ip())) {
                let refused = SendError::AddressRefused(format!("{host} is {}", refused.ip()));
                return Err(Box::new(refused) as Box<dyn Error>);
            }
            Ok(addresses)
        })
    }
}
