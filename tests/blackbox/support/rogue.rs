//! An endpoint below HTTP: it gets a connection and does with its bytes whatever a test wants.

use super::ports;
use super::receiver::{Delivery, read_request};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What it does with one connection.
type Manners = dyn Fn(&mut Peer) -> io::Result<()> + Send + Sync;

/// A running endpoint; it accepts nothing more when dropped.
pub(crate) struct Rogue {
    address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    requests: Mutex<Vec<Delivery>>,
    connections: AtomicUsize,
    closed: AtomicBool,
}

impl Rogue {
    /// Treats each connection in this way.
    pub(crate) fn start(manners: impl Fn(&mut Peer) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self::run(ports::listen(), None, manners)
    }

    /// The same on an address of the caller's.
    pub(crate) fn on(
        address: SocketAddr,
        manners: impl Fn(&mut Peer) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::run(TcpListener::bind(address).unwrap(), None, manners)
    }

    /// The same behind TLS.
    pub(crate) fn with_tls(
        tls: Arc<ServerConfig>,
        manners: impl Fn(&mut Peer) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::run(ports::listen(), Some(tls), manners)
    }

    /// Answers the first request of each connection with these bytes, then closes.
    pub(crate) fn saying(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |peer| {
            peer.request()?;
            peer.say(&answer)
        })
    }

    fn run(
        listener: TcpListener,
        tls: Option<Arc<ServerConfig>>,
        manners: impl Fn(&mut Peer) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let scheme = if tls.is_some() { "https" } else { "http" };
        let (accepting, manners): (_, Arc<Manners>) = (Arc::clone(&shared), Arc::new(manners));
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                if accepting.closed.load(Ordering::Relaxed) {
                    return;
                }
                accepting.connections.fetch_add(1, Ordering::SeqCst);
                let (shared, manners, tls) = (Arc::clone(&accepting), Arc::clone(&manners), tls.clone());
                std::thread::spawn(move || {
                    let mut peer = Peer::new(socket, tls, shared);
                    // What a rogue cannot do any more is nobody's concern.
                    manners(&mut peer).ok();
                });
            }
        });
        Self { address, scheme, shared }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}/hook", self.scheme, self.address)
    }

    /// The same under a name.
    pub(crate) fn url_as(&self, host: &str) -> String {
        format!("{}://{host}:{}/hook", self.scheme, self.address.port())
    }

    /// The whole requests that it read.
    pub(crate) fn requests(&self) -> Vec<Delivery> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// How many connections it got.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Rogue {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(self.address));
    }
}

/// One connection of a rogue.
pub(crate) struct Peer {
    stream: Stream,
    socket: TcpStream,
    unread: Vec<u8>,
    shared: Arc<Shared>,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Peer {
    fn new(socket: TcpStream, tls: Option<Arc<ServerConfig>>, shared: Arc<Shared>) -> Self {
        socket.set_nodelay(true).ok();
        socket.set_read_timeout(Some(Duration::from_secs(600))).ok();
        socket.set_write_timeout(Some(Duration::from_secs(600))).ok();
        let raw = socket.try_clone().unwrap();
        let stream = match tls {
            None => Stream::Plain(socket),
            Some(tls) => {
                let connection = ServerConnection::new(tls).unwrap();
                Stream::Tls(Box::new(StreamOwned::new(connection, socket)))
            }
        };
        Self { stream, socket: raw, unread: Vec::new(), shared }
    }

    /// Reads one whole request.
    pub(crate) fn request(&mut self) -> io::Result<Delivery> {
        let request = read_request(&mut self.stream, &mut self.unread)?;
        self.shared.requests.lock().unwrap().push(request.clone());
        Ok(request)
    }

    /// Reads and gives the first bytes, whatever they are.
    pub(crate) fn hear(&mut self) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; 4096];
        let count = self.stream.read(&mut buffer)?;
        buffer.truncate(count);
        Ok(buffer)
    }

    pub(crate) fn say(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(bytes.as_ref()),
            Stream::Tls(stream) => stream.write_all(bytes.as_ref()).and_then(|()| stream.flush()),
        }
    }

    /// Says the same over and over until the other side has had enough.
    pub(crate) fn say_for_ever(&mut self, bytes: impl AsRef<[u8]>, pause: Duration) -> io::Result<()> {
        while !self.shared.closed.load(Ordering::Relaxed) {
            self.say(bytes.as_ref())?;
            std::thread::sleep(pause);
        }
        Ok(())
    }

    /// Says nothing more until the other side goes away.
    pub(crate) fn fall_silent(&mut self) -> io::Result<()> {
        while !self.hear()?.is_empty() {}
        Ok(())
    }

    /// Ends the connection with a reset.
    pub(crate) fn reset(&mut self) -> io::Result<()> {
        socket2::SockRef::from(&self.socket).set_linger(Some(Duration::ZERO))?;
        self.socket.shutdown(std::net::Shutdown::Read)
    }

    /// Says properly that nothing more comes.
    pub(crate) fn close(&mut self) -> io::Result<()> {
        if let Stream::Tls(stream) = &mut self.stream {
            stream.conn.send_close_notify();
            stream.flush()?;
        }
        self.socket.shutdown(std::net::Shutdown::Write)
    }
}
