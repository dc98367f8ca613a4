//! A strict reader of event streams after the WHATWG processing model. What the model lets a client ignore,
//! this one refuses: a server has no business writing it.

use super::http::{Body, Connection, Request, Response, is_timeout};
use super::server::Server;
use super::wait::PATIENCE;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Something a stream said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    Comment(String),
    Retry(u64),
    /// An id without an event: the place moved on.
    Checkpoint(String),
    Message(Message),
}

/// A dispatched event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// The id of its own block; an event without one leaves the client's place alone.
    pub(crate) id: Option<String>,
    pub(crate) event: String,
    pub(crate) data: String,
}

impl Message {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error} in {:?}", self.data))
    }

    /// Its place in the log.
    pub(crate) fn sequence(&self) -> u64 {
        self.id.as_ref().expect("an event has an id").parse().expect("an id is a sequence")
    }
}

/// Turns bytes, however they are cut, into items.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    unread: Vec<u8>,
    begun: bool,
    id: Option<String>,
    event: Option<String>,
    data: Vec<String>,
}

impl Parser {
    pub(crate) fn feed(&mut self, bytes: &[u8], items: &mut VecDeque<Item>) {
        self.unread.extend_from_slice(bytes);
        if !self.begun && self.unread.len() >= 3 {
            assert!(!self.unread.starts_with(b"\xef\xbb\xbf"), "a stream starts with no byte order mark");
            self.begun = true;
        }
        while let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
            let mut line: Vec<u8> = self.unread.drain(..=end).collect();
            line.pop();
            let line = String::from_utf8(line).expect("a stream is UTF-8");
            assert!(!line.contains('\r'), "a carriage return ends a line for a client: {line:?}");
            self.line(&line, items);
        }
    }

    fn line(&mut self, line: &str, items: &mut VecDeque<Item>) {
        if line.is_empty() {
            return self.dispatch(items);
        }
        if let Some(comment) = line.strip_prefix(':') {
            return items.push_back(Item::Comment(comment.to_owned()));
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
        match field {
            "data" => self.data.push(value),
            "event" => {
                assert!(!value.is_empty() && self.event.is_none(), "one name an event: {line:?}");
                self.event = Some(value);
            }
            "id" => {
                assert!(self.id.is_none(), "one id a block: {line:?}");
                assert!((1..=64).contains(&value.len()) && !value.contains('\0'), "{line:?}");
                self.id = Some(value);
            }
            "retry" => {
                assert!(value.bytes().all(|byte| byte.is_ascii_digit()), "digits only: {line:?}");
                items.push_back(Item::Retry(value.parse().expect("a number of milliseconds")));
            }
            _ => panic!("no client knows this field: {line:?}"),
        }
    }

    fn dispatch(&mut self, items: &mut VecDeque<Item>) {
        let data = std::mem::take(&mut self.data);
        match (self.id.take(), self.event.take()) {
            (id, event) if !data.is_empty() => items.push_back(Item::Message(Message {
                id,
                event: event.unwrap_or_else(|| "message".to_owned()),
                data: data.join("\n"),
            })),
            (_, Some(event)) => panic!("without data it is never dispatched: {event}"),
            (Some(id), None) => items.push_back(Item::Checkpoint(id)),
            (None, None) => {}
        }
    }
}

/// What waiting for the next item brought.
#[derive(Debug)]
pub(crate) enum Next {
    Item(Item),
    /// The server ended the stream properly.
    Ended,
    /// The connection was cut.
    Cut,
    /// Nothing came in time.
    Quiet,
}

/// An open stream.
pub(crate) struct EventStream {
    pub(crate) head: Response,
    body: Body,
    parser: Parser,
    items: VecDeque<Item>,
    /// Where a client would resume.
    pub(crate) last_id: Option<String>,
}

impl EventStream {
    pub(crate) fn open(address: SocketAddr, request: &Request) -> io::Result<Self> {
        let (head, body) = Connection::open(address)?.begin(request)?;
        Ok(Self { head, body, parser: Parser::default(), items: VecDeque::new(), last_id: None })
    }

    pub(crate) fn next(&mut self, within: Duration) -> Next {
        let deadline = Instant::now() + within;
        loop {
            if let Some(item) = self.items.pop_front() {
                match &item {
                    Item::Checkpoint(id) | Item::Message(Message { id: Some(id), .. }) => {
                        self.last_id = Some(id.clone());
                    }
                    _ => {}
                }
                return Next::Item(item);
            }
            match self.body.piece(deadline.saturating_duration_since(Instant::now())) {
                Ok(Some(piece)) => self.parser.feed(&piece, &mut self.items),
                Ok(None) => return Next::Ended,
                Err(error) if is_timeout(&error) => return Next::Quiet,
                Err(_) => return Next::Cut,
            }
        }
    }

    /// The next item, whatever it is.
    #[track_caller]
    pub(crate) fn item(&mut self) -> Item {
        match self.next(PATIENCE) {
            Next::Item(item) => item,
            other => panic!("the stream brought no item but {other:?}"),
        }
    }

    /// The next event, past comments, checkpoints and retry times.
    #[track_caller]
    pub(crate) fn message(&mut self) -> Message {
        loop {
            if let Item::Message(message) = self.item() {
                return message;
            }
        }
    }

    /// The next `count` events.
    #[track_caller]
    pub(crate) fn messages(&mut self, count: usize) -> Vec<Message> {
        (0..count).map(|_| self.message()).collect()
    }

    /// Everything up to the proper end of the stream.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> Vec<Item> {
        let mut items = Vec::new();
        loop {
            match self.next(PATIENCE) {
                Next::Item(item) => items.push(item),
                Next::Ended => return items,
                other => panic!("the stream did not end but {other:?} after {items:?}"),
            }
        }
    }

    /// The opening of a stream: a retry time and a comment, at once.
    #[track_caller]
    pub(crate) fn opened(mut self) -> Self {
        assert_eq!(self.head.status, 200, "{:?}", self.head);
        assert_eq!(self.item(), Item::Retry(2000));
        assert!(matches!(self.item(), Item::Comment(_)));
        self
    }
}

impl Server {
    /// Opens a stream with the reader's key, past its opening.
    #[track_caller]
    pub(crate) fn stream(&self, query: &str) -> EventStream {
        self.stream_from(query, None)
    }

    /// The same with a `Last-Event-ID`.
    #[track_caller]
    pub(crate) fn stream_from(&self, query: &str, last_id: Option<&str>) -> EventStream {
        let request = stream_request(query, last_id);
        EventStream::open(self.address(), &request).expect("a stream opens").opened()
    }
}

/// The request that opens a stream with the reader's key.
pub(crate) fn stream_request(query: &str, last_id: Option<&str>) -> Request {
    let request = Request::get(&format!("/api/v1/events/stream{query}")).key(super::server::READER);
    match last_id {
        Some(id) => request.header("Last-Event-ID", id),
        None => request,
    }
}
