//! An egress proxy: asked for a tunnel where the endpoint speaks TLS, given whole URLs where it does not.

use super::SendError;
use crate::config::ProxyUrl;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The head of a proxy's answer is no longer than this.
const LONGEST_HEAD: usize = 8192;

/// Which proxy, and what it wants to hear.
#[derive(Clone)]
pub(super) struct Proxy {
    host: String,
    port: u16,
    /// The value of `Proxy-Authorization`.
    credentials: Option<String>,
}

impl Proxy {
    pub(super) fn of(url: &ProxyUrl) -> Self {
        let credentials = url
            .user_info()
            .map(|(user, password)| format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))));
        Self { host: url.host().to_owned(), port: url.port(), credentials }
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// What goes with each request that it passes on in the clear.
    pub(super) fn credentials(&self) -> Option<&str> {
        self.credentials.as_deref()
    }

    /// Asks for a connection to a host; afterwards the stream is that connection.
    pub(super) async fn open_tunnel(
        &self,
        stream: &mut TcpStream,
        host: &str,
        port: u16,
    ) -> Result<(), SendError> {
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n");
        if let Some(credentials) = &self.credentials {
            request.extend(["Proxy-Authorization: ", credentials, "\r\n"]);
        }
        request.push_str("\r\n");
        let broken = |error: std::io::Error| SendError::Proxy(error.to_string());
        stream.write_all(request.as_bytes()).await.map_err(broken)?;
        match status_of(&read_head(stream).await?) {
            Some(200..=299) => Ok(()),
            Some(status) => Err(SendError::Proxy(format!("it answered {status}"))),
            None => Err(SendError::Proxy("what it answered is no HTTP".to_owned())),
        }
    }
}

/// Reads up to the blank line and nothing behind it: that belongs to the endpoint.
async fn read_head(stream: &mut TcpStream) -> Result<Vec<u8>, SendError> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= LONGEST_HEAD {
            return Err(SendError::Proxy("its answer is too long".to_owned()));
        }
        let byte = stream.read_u8().await;
        head.push(byte.map_err(|error| SendError::Proxy(format!("it broke off: {error}")))?);
    }
    Ok(head)
}

fn status_of(head: &[u8]) -> Option<u16> {
    let rest = head.strip_prefix(b"HTTP/1.")?.get(1..)?.strip_prefix(b" ")?;
    let digits = std::str::from_utf8(rest.get(..3)?).ok()?;
    digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_of_a_proxys_answer() {
        for (head, status) in [
            ("HTTP/1.1 200 Connection established\r\n\r\n", Some(200)),
            ("HTTP/1.0 407 Proxy Authentication Required\r\nX: y\r\n\r\n", Some(407)),
            ("HTTP/2 200\r\n\r\n", None),
            ("HTTP/1.1 2x0\r\n\r\n", None),
            ("HTTP/1.1 +20\r\n\r\n", None),
            ("\r\n\r\n", None),
        ] {
            assert_eq!(status_of(head.as_bytes()), status, "{head:?}");
        }
    }
}
