//! Reading an event stream (WHATWG HTML, "Server-sent events"): bytes in, messages out, no I/O.

use std::time::Duration;

/// More of a line, or of a message, is not kept: twice what a broker can be set to take.
const LONGEST: usize = 128 << 20;

/// One dispatched event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The last id at the time of the event.
    pub id: String,
    /// Its type.
    pub event: String,
    /// Its data, lines joined by LF.
    pub data: String,
}

/// The state of a stream across chunks and reconnections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parser {
    line: Vec<u8>,
    skip_line_feed: bool,
    is_past_start: bool,
    event: String,
    data: String,
    /// The id of the block being read; it counts when the block ends.
    pending_id: Option<String>,
    last_id: Option<String>,
    retry: Option<Duration>,
}

impl Parser {
    /// Takes bytes in, in pieces of any size.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Message> {
        let mut messages = Vec::new();
        for &byte in bytes {
            let after_return = std::mem::replace(&mut self.skip_line_feed, byte == b'\r');
            match byte {
                b'\n' if after_return => {}
                b'\n' | b'\r' => {
                    let line = std::mem::take(&mut self.line);
                    messages.extend(self.line(&line));
                }
                byte if self.line.len() < LONGEST => self.line.push(byte),
                _ => {}
            }
        }
        messages
    }

    /// The id to resume after: that of the last whole block.
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// What the server asked to wait before a reconnection.
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// Forgets the unfinished block; the server sends it again.
    pub fn reconnect(&mut self) {
        let (last_id, retry) = (self.last_id.take(), self.retry);
        *self = Self { last_id, retry, ..Self::default() };
    }

    fn line(&mut self, line: &[u8]) -> Option<Message> {
        let text = String::from_utf8_lossy(line);
        let mut text = &*text;
        if !std::mem::replace(&mut self.is_past_start, true) {
            text = text.strip_prefix('\u{feff}').unwrap_or(text);
        }
        if text.is_empty() {
            return self.dispatch();
        }
        let (name, value) = text.split_once(':').unwrap_or((text, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "event" => value.clone_into(&mut self.event),
            "data" if self.data.len() + value.len() <= LONGEST => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            "id" if !value.contains('\0') => self.pending_id = Some(value.to_owned()),
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.retry = value.parse().ok().map(Duration::from_millis);
            }
            _ => {}
        }
        None
    }

    fn dispatch(&mut self) -> Option<Message> {
        if let Some(id) = self.pending_id.take() {
            self.last_id = Some(id);
        }
        let event = std::mem::take(&mut self.event);
        let mut data = std::mem::take(&mut self.data);
        if data.is_empty() {
            return None;
        }
        data.pop();
        let id = self.last_id.clone().unwrap_or_default();
        Some(Message { id, event: if event.is_empty() { "message".to_owned() } else { event }, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] = b"\xef\xbb\xbfretry: 2000\n: hello\n\nid: 1\nevent: a\ndata: x\r\ndata:  y\r\rid: 2\n\ndata\n\nid: 3\ndata: cut";

    fn all(pieces: &[&[u8]]) -> (Vec<Message>, Parser) {
        let mut parser = Parser::default();
        let messages = pieces.iter().flat_map(|piece| parser.feed(piece)).collect();
        (messages, parser)
    }

    #[test]
    fn messages_ids_and_retry_are_read_as_the_standard_says() {
        let (messages, parser) = all(&[STREAM]);
        let shown: Vec<(&str, &str, &str)> =
            messages.iter().map(|one| (&*one.id, &*one.event, &*one.data)).collect();
        assert_eq!(shown, [("1", "a", "x\n y"), ("2", "message", "")]);
        assert_eq!(parser.last_id(), Some("2"), "an unfinished block does not count");
        assert_eq!(parser.retry(), Some(Duration::from_secs(2)));
    }

    #[test]
    fn the_pieces_a_stream_comes_in_do_not_matter() {
        let whole = all(&[STREAM]);
        for cut in 0..STREAM.len() {
            assert_eq!(all(&[&STREAM[..cut], &STREAM[cut..]]), whole, "cut at {cut}");
        }
    }
}
