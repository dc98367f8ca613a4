//! Which answer belongs to a request: a pure machine between a connection's bytes and the HTTP library.
//!
//! What must hold: the library sees exactly one answer a request, the final one; announcements (`100`, `103`, RFC 9110
//! section 15.2) are counted and left out, because it would take one for the answer and the real answer for that of the
//! next request. A body without a length ends with the connection: it is handed on in chunks, because the library
//! would take it for none and use the connection again. A connection that breaks says whether it had answered before.

use bytes::{Buf, BytesMut};

/// No answer's head is longer.
const LONGEST_HEAD: usize = 64 * 1024;

/// No answer has more headers than the HTTP library takes.
const MOST_HEADERS: usize = 96;

/// Marks an answer whose body ended with the connection, and holds what its own `Connection` said: the headers that
/// hand it on in chunks are not the endpoint's.
pub(super) const ENDS_WITH_CONNECTION: &str = "campanile-ends-with-connection";

/// So many announcements may come before an answer.
const MOST_ANNOUNCEMENTS: usize = 16;

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unanswered {
    /// The connection was closed; it may have been so already when the request was made.
    #[error("the connection was closed without an answer")]
    Closed {
        /// It had answered an earlier request.
        was_kept: bool,
    },
    #[error("the answer broke off in its head")]
    BrokeOff,
    #[error("the head of the answer is longer than 65536 bytes or has more than 96 headers")]
    TooLong,
    #[error("what was answered is no HTTP/1")]
    NotHttp,
    #[error("another protocol was not asked for")]
    Switched,
    #[error("announcements without an answer")]
    Announcements,
    #[error("{0} is no status")]
    Status(u16),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No request is under way, or its answer's head was handed on: bytes pass as they are.
    Passing,
    /// The same, and they pass as chunks.
    Chunking,
    /// The end of what passed as chunks was handed on.
    Ended,
    /// A request was made: a head must come.
    Expecting { announced: usize },
}

/// The machine of one connection.
#[derive(Debug)]
pub(super) struct Heads {
    state: State,
    /// What came of a head that is not whole.
    head: BytesMut,
    /// What the library reads next.
    out: BytesMut,
    answered: usize,
}

impl Heads {
    pub(super) fn new() -> Self {
        Self { state: State::Passing, head: BytesMut::new(), out: BytesMut::new(), answered: 0 }
    }

    /// A request begins to be written.
    pub(super) fn requested(&mut self) {
        if !matches!(self.state, State::Expecting { .. }) {
            self.state = State::Expecting { announced: 0 };
        }
    }

    /// Whether the connection's bytes are the library's as they are, so that it may read them itself.
    pub(super) fn passes(&self) -> bool {
        self.state == State::Passing && self.out.is_empty()
    }

    /// Whether the head of an answer must come.
    pub(super) fn is_awaited(&self) -> bool {
        matches!(self.state, State::Expecting { .. })
    }

    /// Whether there is something to read, or will be nothing more.
    pub(super) fn is_ready(&self) -> bool {
        !self.out.is_empty() || self.state == State::Ended
    }

    /// Gives up to `most` bytes; none when everything has come.
    pub(super) fn take(&mut self, most: usize) -> BytesMut {
        let most = most.min(self.out.len());
        self.out.split_to(most)
    }

    /// The connection gave these bytes.
    pub(super) fn received(&mut self, bytes: &[u8]) -> Result<(), Unanswered> {
        match self.state {
            State::Passing | State::Ended => self.out.extend_from_slice(bytes),
            State::Chunking => self.chunk(bytes),
            State::Expecting { .. } => {
                self.head.extend_from_slice(bytes);
                self.read_heads()?;
            }
        }
        Ok(())
    }

    /// The connection has ended.
    pub(super) fn closed(&mut self) -> Result<(), Unanswered> {
        match self.state {
            State::Expecting { announced: 0 } if self.head.is_empty() => {
                Err(Unanswered::Closed { was_kept: self.answered > 0 })
            }
            State::Expecting { .. } => Err(Unanswered::BrokeOff),
            State::Chunking => {
                self.out.extend_from_slice(b"0\r\n\r\n");
                self.state = State::Ended;
                Ok(())
            }
            State::Passing | State::Ended => {
                self.state = State::Ended;
                Ok(())
            }
        }
    }

    fn chunk(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.out.extend_from_slice(format!("{:x}\r\n", bytes.len()).as_bytes());
            self.out.extend_from_slice(bytes);
            self.out.extend_from_slice(b"\r\n");
        }
    }

    fn read_heads(&mut self) -> Result<(), Unanswered> {
        while let State::Expecting { announced } = self.state {
            let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
            let mut answer = httparse::Response::new(&mut headers);
            let length = match answer.parse(&self.head) {
                Ok(httparse::Status::Complete(length)) => length,
                Ok(httparse::Status::Partial) if self.head.len() < LONGEST_HEAD => return Ok(()),
                Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
                    return Err(Unanswered::TooLong);
                }
                Err(_) => return Err(Unanswered::NotHttp),
            };
            match answer.code.unwrap_or_default() {
                101 => return Err(Unanswered::Switched),
                100..=199 if announced == MOST_ANNOUNCEMENTS => return Err(Unanswered::Announcements),
                100..=199 => {
                    self.head.advance(length);
                    self.state = State::Expecting { announced: announced + 1 };
                }
                200..=599 if ends_with_the_connection(&answer) => {
                    self.out.extend_from_slice(&as_chunked(&answer));
                    self.state = State::Chunking;
                    let body = self.head.split_off(length);
                    self.chunk(&body);
                }
                200..=599 => {
                    self.out.extend_from_slice(&self.head);
                    self.state = State::Passing;
                }
                status => return Err(Unanswered::Status(status)),
            }
        }
        self.head.clear();
        self.answered += 1;
        Ok(())
    }
}

/// Whether nothing else says where the body ends (RFC 9112 section 6.3).
fn ends_with_the_connection(answer: &httparse::Response<'_, '_>) -> bool {
    let has = |name: &str| answer.headers.iter().any(|header| header.name.eq_ignore_ascii_case(name));
    let may_have_one = !matches!(answer.code, Some(204 | 304));
    may_have_one && !has("content-length") && !has("transfer-encoding")
}

/// The head of an answer whose body comes in chunks, and after which the connection is not used again.
fn as_chunked(answer: &httparse::Response<'_, '_>) -> Vec<u8> {
    let mut head =
        format!("HTTP/1.1 {} \r\n{ENDS_WITH_CONNECTION}:\r\n", answer.code.unwrap_or_default()).into_bytes();
    // With these three there must not be more than the library takes.
    for header in answer.headers.iter().take(MOST_HEADERS - 3) {
        let is_connection = header.name.eq_ignore_ascii_case("connection");
        let name = if is_connection { ENDS_WITH_CONNECTION } else { header.name };
        head.extend_from_slice(name.as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(header.value);
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n");
    head
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the library reads of a connection that gives these pieces and ends.
    fn read(pieces: &[&[u8]]) -> Result<Vec<u8>, Unanswered> {
        let (mut heads, mut read) = (Heads::new(), Vec::new());
        heads.requested();
        for piece in pieces {
            heads.received(piece)?;
            read.extend_from_slice(&heads.take(usize::MAX));
        }
        heads.closed()?;
        read.extend_from_slice(&heads.take(usize::MAX));
        assert!(heads.is_ready() && heads.take(1).is_empty(), "it ends");
        Ok(read)
    }

    const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

    #[test]
    fn announcements_are_left_out_and_the_answer_passes_as_it_is() {
        assert_eq!(read(&[OK]).unwrap(), OK);
        assert_eq!(read(&[CONTINUE, OK]).unwrap(), OK);
        assert_eq!(read(&[&[CONTINUE, b"HTTP/1.1 103 X\r\nLink: </a>\r\n\r\n", OK].concat()]).unwrap(), OK);
        assert_eq!(read(&[&CONTINUE.repeat(16), OK]).unwrap(), OK);
        assert_eq!(read(&[&CONTINUE.repeat(17), OK]), Err(Unanswered::Announcements));
    }

    #[test]
    fn a_body_without_a_length_is_handed_on_in_chunks() {
        let expected = b"HTTP/1.1 200 \r\ncampanile-ends-with-connection:\r\nX-A: b\r\n\
                         campanile-ends-with-connection: keep-alive\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n\
                         3\r\nold\r\n2\r\ner\r\n0\r\n\r\n";
        let head = b"HTTP/1.0 200 OK\r\nX-A: b\r\nConnection: keep-alive\r\n\r\nold";
        assert_eq!(read(&[head, b"er"]).unwrap(), expected);
        let many = [b"HTTP/1.1 200 OK\r\n", &b"X: y\r\n".repeat(MOST_HEADERS)[..], b"\r\n"].concat();
        assert_eq!(
            read(&[&many]).unwrap().split(|byte| *byte == b'\n').count(),
            1 + MOST_HEADERS + 1 + 2 + 1
        );
        let none: &[u8] = b"HTTP/1.1 204 No\r\n\r\n";
        assert_eq!(read(&[none]).unwrap(), none);
    }

    #[test]
    fn what_is_no_answer_says_why() {
        for (bytes, why) in [
            (&b"hello\r\n\r\n"[..], Unanswered::NotHttp),
            (b"HTTP/2 200\r\n\r\n", Unanswered::NotHttp),
            (b"HTTP/1.1 101 Switching\r\n\r\n", Unanswered::Switched),
            (b"HTTP/1.1 600 No\r\n\r\n", Unanswered::Status(600)),
            (b"HTTP/1.1 099 No\r\n\r\n", Unanswered::Status(99)),
            (b"HTTP/1.1 200 OK\r\nContent-", Unanswered::BrokeOff),
            (b"HTTP/1.1 100 Continue\r\n\r\n", Unanswered::BrokeOff),
            (b"", Unanswered::Closed { was_kept: false }),
        ] {
            assert_eq!(read(&[bytes]), Err(why), "{:?}", String::from_utf8_lossy(bytes));
        }
        let long = [b"HTTP/1.1 200 OK\r\nX: ", &b"x".repeat(LONGEST_HEAD)[..]].concat();
        assert_eq!(read(&[&long]), Err(Unanswered::TooLong));
        let many = [b"HTTP/1.1 200 OK\r\n", &b"X: y\r\n".repeat(97)[..], b"\r\n"].concat();
        assert_eq!(read(&[&many]), Err(Unanswered::TooLong));
    }

    #[test]
    fn a_kept_connection_that_was_closed_says_that_it_was_kept() {
        let mut heads = Heads::new();
        heads.requested();
        heads.received(OK).unwrap();
        assert_eq!(heads.take(usize::MAX), OK);
        assert!(heads.passes());
        heads.requested();
        assert_eq!(heads.closed(), Err(Unanswered::Closed { was_kept: true }));
    }

    proptest! {
        #[test]
        fn how_bytes_are_cut_changes_nothing(cuts in prop::collection::vec(1_usize..9, 1..60), announced in 0_usize..3) {
            let whole = [CONTINUE.repeat(announced), OK.to_vec()].concat();
            let (mut pieces, mut rest) = (Vec::new(), &whole[..]);
            for cut in cuts {
                let (piece, behind) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                rest = behind;
            }
            pieces.push(rest);
            prop_assert_eq!(read(&pieces).unwrap(), OK);
        }

        #[test]
        fn no_bytes_make_it_panic(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6)) {
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            drop(read(&pieces));
        }
    }
}
