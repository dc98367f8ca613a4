//! Making a connection: resolving, judging, dialling, through a proxy when there is one, and TLS.
//!
//! What must hold: an address that the guard refuses is never dialled, whatever a name resolves to this time; with a
//! proxy, names are its business, and addresses are judged all the same.

use super::SendError;
use super::address::Policy;
use super::proxy::Proxy;
use super::resolve::Resolve;
use super::target::Target;
use super::wire::Stream;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rustls::ClientConfig;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How long one address has to itself before the next one is tried beside it.
const STAGGER: Duration = Duration::from_millis(250);

/// No more addresses of a name are tried.
const MOST_ADDRESSES: usize = 8;

/// Makes connections.
#[derive(Clone)]
pub(super) struct Dialer {
    pub(super) policy: Policy,
    pub(super) resolver: Rc<dyn Resolve>,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) proxy: Option<Proxy>,
    /// From resolving to the end of the handshakes.
    pub(super) timeout: Duration,
}

impl Dialer {
    pub(super) async fn dial(&self, target: &Target) -> Result<Stream, SendError> {
        let connected = tokio::time::timeout(self.timeout, self.connect(target)).await;
        connected.unwrap_or(Err(SendError::ConnectTimeout(self.timeout.as_millis() as u64)))
    }

    async fn connect(&self, target: &Target) -> Result<Stream, SendError> {
        let mut stream = match &self.proxy {
            None => {
                let addresses = self.addresses(target).await?;
                dial_any(&addresses).await.map_err(|error| SendError::Connect(error.to_string()))?
            }
            Some(proxy) => {
                self.judge_literal(target)?;
                self.dial_proxy(proxy).await?
            }
        };
        let Some(name) = &target.tls_name else { return Ok(Stream::Plain(stream)) };
        if let Some(proxy) = &self.proxy {
            proxy.open_tunnel(&mut stream, &target.host, target.port).await?;
        }
        let handshake = TlsConnector::from(Arc::clone(&self.tls)).connect(name.clone(), stream).await;
        let stream = handshake.map_err(|error| SendError::Tls(error.to_string()))?;
        Ok(Stream::Tls(Box::new(stream)))
    }

    async fn dial_proxy(&self, proxy: &Proxy) -> Result<TcpStream, SendError> {
        let addresses = self.resolver.resolve(proxy.host(), proxy.port()).await.map_err(SendError::Proxy)?;
        dial_any(&addresses).await.map_err(|error| SendError::Proxy(error.to_string()))
    }

    /// The addresses of a target, all of which may be dialled.
    async fn addresses(&self, target: &Target) -> Result<Vec<SocketAddr>, SendError> {
        self.judge_literal(target)?;
        if let Some(address) = target.literal() {
            return Ok(vec![SocketAddr::new(address, target.port)]);
        }
        let addresses = self.resolver.resolve(&target.host, target.port).await;
        let addresses = addresses.map_err(SendError::Resolve)?;
        // One address outside is reason enough: the name may answer with that one next time.
        if let Some(refused) = addresses.iter().find(|address| !self.policy.permits(address.ip())) {
            return Err(SendError::AddressRefused(format!("{} is {}", target.host, refused.ip())));
        }
        if addresses.is_empty() {
            return Err(SendError::Resolve("no address".to_owned()));
        }
        Ok(addresses)
    }

    fn judge_literal(&self, target: &Target) -> Result<(), SendError> {
        match target.literal() {
            Some(address) if !self.policy.permits(address) => {
                Err(SendError::AddressRefused(address.to_string()))
            }
            _ => Ok(()),
        }
    }
}

/// The first connection that comes about. Each address has a moment to itself, so that a dead one costs no more.
async fn dial_any(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut untried = addresses.iter().take(MOST_ADDRESSES);
    let mut under_way = FuturesUnordered::new();
    let mut failure = io::Error::other("there is no address");
    loop {
        match untried.next() {
            Some(address) => under_way.push(TcpStream::connect(*address)),
            None if under_way.is_empty() => return Err(failure),
            None => {}
        }
        let more = untried.len() > 0;
        tokio::select! {
            Some(result) = under_way.next() => match result {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Err(error) => failure = error,
            },
            () = tokio::time::sleep(STAGGER), if more => {}
        }
    }
}
