//! A plain HTTP/1.1 client over blocking sockets: shares nothing with the program under test, so that what
//! it understands is what any client would.

use super::wait::PATIENCE;
use serde_json::Value;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Request {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), headers: Vec::new(), body: None }
    }

    pub(crate) fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    pub(crate) fn post(path: &str) -> Self {
        Self::new("POST", path)
    }

    pub(crate) fn key(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn accept(self, media_type: &str) -> Self {
        self.header("Accept", media_type)
    }

    pub(crate) fn json(self, value: &Value) -> Self {
        self.body("application/json", value.to_string())
    }

    pub(crate) fn body(mut self, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self.header("Content-Type", media_type)
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = format!("{} {} HTTP/1.1\r\nHost: campanile.test\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            out.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = &self.body {
            out.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        out.push_str("\r\n");
        let mut out = out.into_bytes();
        out.extend_from_slice(self.body.as_deref().unwrap_or_default());
        out
    }
}

/// One whole answer.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("an answer is UTF-8")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: status {} body {:?}", self.status, self.text()))
    }

    /// The answer's JSON, when its status is `status`.
    #[track_caller]
    pub(crate) fn must(&self, status: u16) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{:?} {text}", self.headers);
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// The problem document of a refusal with this status.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> Value {
        let problem = self.must(status);
        assert_eq!(self.header("Content-Type"), Some("application/problem+json"), "{problem}");
        for member in ["type", "title", "detail", "request_id"] {
            assert!(problem[member].is_string(), "{member} is missing in {problem}");
        }
        assert_eq!(problem["status"], status);
        assert_eq!(problem["request_id"].as_str(), self.header("X-Request-Id"));
        problem
    }

    /// The pointers of a 422.
    #[track_caller]
    pub(crate) fn pointers(&self) -> Vec<String> {
        let problem = self.problem(422);
        let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("no errors in {problem}"));
        errors.iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect()
    }
}

/// A connection that is kept open between requests.
pub(crate) struct Connection {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, unread: Vec::new() })
    }

    /// Sends raw bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.set_write_timeout(Some(PATIENCE))?;
        self.stream.write_all(bytes)
    }

    /// Says that nothing more will be written.
    pub(crate) fn finish_writing(&self) {
        self.stream.shutdown(std::net::Shutdown::Write).ok();
    }

    /// Sends a request and leaves its answer alone.
    pub(crate) fn send_only(&mut self, request: &Request) -> io::Result<()> {
        self.write(&request.encode())
    }

    /// Sends a request and reads its whole answer.
    pub(crate) fn exchange(&mut self, request: &Request) -> io::Result<Response> {
        self.write(&request.encode())?;
        self.answer(request.method == "HEAD")
    }

    /// Reads a whole answer.
    pub(crate) fn answer(&mut self, without_body: bool) -> io::Result<Response> {
        let deadline = Instant::now() + PATIENCE;
        let mut response = self.head(deadline)?;
        if without_body || matches!(response.status, 204 | 304) {
            return Ok(response);
        }
        let mut framing = Framing::of(&response)?;
        while let Some(piece) = self.piece(&mut framing, deadline)? {
            response.body.extend_from_slice(&piece);
        }
        Ok(response)
    }

    /// Sends a request and reads only the answer's head; the body follows in pieces.
    pub(crate) fn begin(mut self, request: &Request) -> io::Result<(Response, Body)> {
        self.write(&request.encode())?;
        let head = self.head(Instant::now() + PATIENCE)?;
        let framing = Framing::of(&head)?;
        Ok((head, Body { connection: self, framing }))
    }

    fn head(&mut self, deadline: Instant) -> io::Result<Response> {
        loop {
            if let Some(end) = find(&self.unread, b"\r\n\r\n") {
                let head: Vec<u8> = self.unread.drain(..end + 4).collect();
                let response = parse_head(&head[..end])?;
                assert_ne!(response.status, 500, "no input whatsoever is an internal error");
                if response.status != 100 {
                    return Ok(response);
                }
                continue;
            }
            self.fill(deadline)?;
        }
    }

    fn fill(&mut self, deadline: Instant) -> io::Result<()> {
        let left = deadline.saturating_duration_since(Instant::now());
        self.stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                self.unread.extend_from_slice(&buffer[..count]);
                Ok(())
            }
        }
    }

    /// The next piece of a body, `None` after its last. A time-out loses nothing: ask again.
    fn piece(&mut self, framing: &mut Framing, deadline: Instant) -> io::Result<Option<Vec<u8>>> {
        loop {
            match framing {
                Framing::Length(0) | Framing::Ended => return Ok(None),
                Framing::Length(left) if !self.unread.is_empty() => {
                    let count = (*left).min(self.unread.len());
                    *left -= count;
                    return Ok(Some(self.unread.drain(..count).collect()));
                }
                Framing::Chunked => {
                    if let Some(piece) = self.whole_chunk()? {
                        if piece.is_empty() {
                            *framing = Framing::Ended;
                            return Ok(None);
                        }
                        return Ok(Some(piece));
                    }
                }
                Framing::UntilClose if !self.unread.is_empty() => {
                    return Ok(Some(std::mem::take(&mut self.unread)));
                }
                Framing::Length(_) | Framing::UntilClose => {}
            }
            match self.fill(deadline) {
                Err(error) if is_end(&error) && matches!(framing, Framing::UntilClose) => return Ok(None),
                other => other?,
            }
        }
    }

    fn whole_chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Some(line) = find(&self.unread, b"\r\n") else {
            return Ok(None);
        };
        let size = std::str::from_utf8(&self.unread[..line]).ok();
        let size = size.and_then(|digits| usize::from_str_radix(digits, 16).ok());
        let size = size.ok_or_else(|| io::Error::other("a chunk without a size"))?;
        let end = line + 2 + size + 2;
        if self.unread.len() < end {
            return Ok(None);
        }
        let chunk: Vec<u8> = self.unread.drain(..end).collect();
        Ok(Some(chunk[line + 2..end - 2].to_vec()))
    }
}

/// A body that is read while it is being written.
pub(crate) struct Body {
    connection: Connection,
    framing: Framing,
}

impl Body {
    /// The next piece; `None` at the proper end, an error when the connection was cut or nothing came in time.
    pub(crate) fn piece(&mut self, within: Duration) -> io::Result<Option<Vec<u8>>> {
        self.connection.piece(&mut self.framing, Instant::now() + within)
    }
}

enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
    Ended,
}

impl Framing {
    fn of(head: &Response) -> io::Result<Self> {
        if head.header("Transfer-Encoding") == Some("chunked") {
            return Ok(Self::Chunked);
        }
        match head.header("Content-Length") {
            Some(length) => length.parse().map(Self::Length).map_err(io::Error::other),
            None => Ok(Self::UntilClose),
        }
    }
}

fn is_end(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::UnexpectedEof
}

/// Whether nothing came in time.
pub(crate) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// Splits a head without its last blank line into its first line and its headers.
pub(crate) fn split_head(head: &[u8]) -> io::Result<(String, Vec<(String, String)>)> {
    let text = String::from_utf8(head.to_vec()).map_err(io::Error::other)?;
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default().to_owned();
    let headers = lines
        .map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_owned(), value.trim().to_owned()))
        })
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| io::Error::other("a header line without a colon"))?;
    Ok((first, headers))
}

fn parse_head(head: &[u8]) -> io::Result<Response> {
    let (first, headers) = split_head(head)?;
    let status = first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("no status line: {first:?}")))?;
    Ok(Response { status, headers, body: Vec::new() })
}
