//! The leanest HTTP/1.1 client that measures honestly: prebuilt request bytes, one kept connection.

use memchr::memmem;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The key that every broker under test knows.
pub(crate) const KEY: &str = "bench-key-0123456789abcdef";

/// The bytes of a request with a body.
pub(crate) fn post(path: &str, media_type: &str, body: &[u8]) -> Vec<u8> {
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {KEY}\r\ncontent-type: {media_type}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    request
}

/// The bytes of a request without one.
pub(crate) fn get(path: &str, accept: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {KEY}\r\naccept: {accept}\r\n\r\n")
        .into_bytes()
}

/// A connection that is kept.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
}

impl Connection {
    /// Dials.
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; 16 * 1024], filled: 0 })
    }

    /// Sends a request and reads the whole answer: its status and where its body is.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> io::Result<(u16, Range<usize>)> {
        self.filled = 0;
        self.stream.write_all(request).await?;
        loop {
            let read = self.stream.read(&mut self.buffer[self.filled..]).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.filled += read;
            if let Some((status, body)) = whole_message(&self.buffer[..self.filled]) {
                if body.end <= self.filled {
                    return Ok((status, body));
                }
                if body.end > self.buffer.len() {
                    self.buffer.resize(body.end, 0);
                }
            } else if self.filled == self.buffer.len() {
                self.buffer.resize(self.filled * 2, 0);
            }
        }
    }

    /// Bytes of the last answer.
    pub(crate) fn bytes(&self, range: Range<usize>) -> &[u8] {
        &self.buffer[range]
    }
}

/// The status and the place of the body, once the head is there; the body may still be under way.
fn whole_message(bytes: &[u8]) -> Option<(u16, Range<usize>)> {
    let start = memmem::find(bytes, b"\r\n\r\n")? + 4;
    let status = std::str::from_utf8(bytes.get(9..12)?).ok()?.parse().ok()?;
    let length = content_length(&bytes[..start]).expect("answers under test tell their length");
    Some((status, start..start + length))
}

/// The `Content-Length` of a head.
pub(crate) fn content_length(head: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length:";
    head.split(|byte| *byte == b'\n').find_map(|line| {
        let (name, value) = line.split_at_checked(NAME.len())?;
        let value = name.eq_ignore_ascii_case(NAME).then(|| std::str::from_utf8(value).ok())??;
        value.trim().parse().ok()
    })
}
