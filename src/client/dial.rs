//! Connections: TCP, and TLS over it when the address says so.

use hyper::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tower_service::Service;

/// How long one address may take to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Dead peers are noticed, also on a connection that waits.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// What bytes go over.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

impl Connection for Box<dyn Wire> {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

/// Opens connections.
#[derive(Clone)]
pub(super) struct Dialler {
    tcp: HttpConnector,
    /// Nothing is opened to `https` without it.
    tls: Option<Arc<ClientConfig>>,
}

impl Dialler {
    pub(super) fn new(tls: Option<Arc<ClientConfig>>) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        tcp.set_keepalive(Some(KEEPALIVE));
        Self { tcp, tls }
    }
}

impl Service<Uri> for Dialler {
    type Response = TokioIo<Box<dyn Wire>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, io::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        self.tcp.poll_ready(context).map_err(io::Error::other)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let dialled = self.tcp.call(to.clone());
        let tls = (to.scheme_str() == Some("https")).then(|| self.tls.clone());
        Box::pin(async move {
            let socket = dialled.await.map_err(io::Error::other)?.into_inner();
            let Some(tls) = tls else { return Ok(TokioIo::new(Box::new(socket) as Box<dyn Wire>)) };
            let tls = tls.ok_or_else(|| io::Error::other("there are no TLS settings"))?;
            let host = to.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
            let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
            let wrapped = TlsConnector::from(tls).connect(name, socket).await?;
            Ok(TokioIo::new(Box::new(wrapped) as Box<dyn Wire>))
        })
    }
}
