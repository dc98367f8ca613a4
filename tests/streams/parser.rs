//! A parser of event streams, written from the text of the standard (HTML, section 9.2.6 "Interpreting an event
//! stream") and nothing else; and what this server must never write although parsers would bear it.

use serde_json::Value;

/// What a client sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    /// A dispatched event.
    Message {
        /// Its type.
        event: String,
        /// Its data.
        data: String,
        /// The last event id at that time.
        id: String,
    },
    /// A blank line that dispatched nothing but set an id.
    Place(String),
    /// A reconnection time.
    Retry(u64),
    /// A comment.
    Comment(String),
}

impl Seen {
    pub(crate) fn json(&self) -> Value {
        match self {
            Self::Message { data, .. } => serde_json::from_str(data).unwrap(),
            other => panic!("no message: {other:?}"),
        }
    }

    pub(crate) fn event(&self) -> &str {
        match self {
            Self::Message { event, .. } => event,
            _ => "",
        }
    }

    /// The sequence of an event that is not the stream's own.
    pub(crate) fn sequence(&self) -> Option<u64> {
        match self {
            Self::Message { event, id, .. } if !event.starts_with("stream.") => Some(id.parse().unwrap()),
            _ => None,
        }
    }
}

/// The state that the standard gives an event source's stream.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    unfinished: Vec<u8>,
    last_was_cr: bool,
    is_past_start: bool,
    data: String,
    event_type: String,
    id_buffer: String,
    id_was_set: bool,
    /// The last event ID string: what a client sends when it comes back.
    pub(crate) last_event_id: String,
}

impl Parser {
    /// Takes bytes as they come, cut anywhere.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Vec<Seen> {
        let mut seen = Vec::new();
        for &byte in bytes {
            // "CRLF, a single LF, a single CR" end a line.
            if byte == b'\n' && std::mem::take(&mut self.last_was_cr) {
                continue;
            }
            self.last_was_cr = byte == b'\r';
            if byte != b'\r' && byte != b'\n' {
                self.unfinished.push(byte);
                continue;
            }
            let mut line = String::from_utf8(std::mem::take(&mut self.unfinished)).expect("UTF-8");
            if !std::mem::replace(&mut self.is_past_start, true) {
                line = line.strip_prefix('\u{feff}').map_or(line.clone(), str::to_owned);
            }
            self.line(&line, &mut seen);
        }
        seen
    }

    fn line(&mut self, line: &str, seen: &mut Vec<Seen>) {
        if line.is_empty() {
            return self.dispatch(seen);
        }
        if let Some(comment) = line.strip_prefix(':') {
            return seen.push(Seen::Comment(comment.to_owned()));
        }
        let (name, value) = match line.split_once(':') {
            Some((name, value)) => (name, value.strip_prefix(' ').unwrap_or(value)),
            None => (line, ""),
        };
        match name {
            "event" => value.clone_into(&mut self.event_type),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            "id" if !value.contains('\0') => {
                value.clone_into(&mut self.id_buffer);
                self.id_was_set = true;
            }
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                seen.push(Seen::Retry(value.parse().unwrap()));
            }
            _ => {}
        }
    }

    fn dispatch(&mut self, seen: &mut Vec<Seen>) {
        self.last_event_id.clone_from(&self.id_buffer);
        let named_place = std::mem::take(&mut self.id_was_set);
        if self.data.is_empty() {
            self.event_type.clear();
            if named_place {
                seen.push(Seen::Place(self.last_event_id.clone()));
            }
            return;
        }
        let mut data = std::mem::take(&mut self.data);
        data.pop();
        let event = match std::mem::take(&mut self.event_type) {
            empty if empty.is_empty() => "message".to_owned(),
            event => event,
        };
        seen.push(Seen::Message { event, data, id: self.last_event_id.clone() });
    }
}

/// Fails on what a client would bear, or read in its own way, and what this server therefore never writes.
#[track_caller]
pub(crate) fn assert_strict(stream: &[u8]) {
    let text = std::str::from_utf8(stream).expect("UTF-8");
    assert!(!text.contains(['\r', '\0', '\u{feff}']), "{text:?}");
    assert!(text.is_empty() || text.ends_with("\n\n"), "a block without its blank line at the end");
    for block in text.split_terminator("\n\n") {
        let mut fields: Vec<&str> = Vec::new();
        for line in block.split('\n').filter(|line| !line.starts_with(':')) {
            let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("a strange line: {line:?}"));
            assert!(["id", "event", "data", "retry"].contains(&name), "a strange field: {line:?}");
            match name {
                "id" => assert!(value == "0" || value.parse::<u64>().is_ok_and(|id| id > 0), "{line:?}"),
                "event" => assert!(!value.is_empty() && value.len() <= 128, "{line:?}"),
                "retry" => assert!(value.parse::<u64>().is_ok(), "{line:?}"),
                _ => {}
            }
            if name != "data" {
                assert!(!fields.contains(&name), "{name} stands twice in {block:?}");
            }
            fields.push(name);
        }
        assert!(!block.is_empty(), "two blank lines");
    }
}

#[test]
fn the_parser_follows_the_standard_s_own_examples() {
    let seen = Parser::default().feed(b"data: YHOO\ndata: +2\ndata: 10\n\n");
    let message = |event: &str, data: &str, id: &str| Seen::Message {
        event: event.to_owned(),
        data: data.to_owned(),
        id: id.to_owned(),
    };
    assert_eq!(seen, [message("message", "YHOO\n+2\n10", "")]);
    let text = b"\xef\xbb\xbf: test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n";
    let mut parser = Parser::default();
    let comment = Seen::Comment(" test stream".to_owned());
    assert_eq!(
        parser.feed(text),
        [comment, message("message", "first event", "1"), message("message", "second event", "")]
    );
    assert_eq!(
        Parser::default().feed(b"data\n\ndata\ndata\n\ndata:"),
        [message("message", "", ""), message("message", "\n", "")]
    );
    assert_eq!(Parser::default().feed(b"data:test\r\n\r\ndata: test\r\r").len(), 2);
    let mut cut = Parser::default();
    let whole = b"id: 7\nevent: a\ndata: x\n\nid: 8\ndata: y\n";
    let seen: Vec<Seen> = whole.iter().flat_map(|byte| cut.feed(&[*byte])).collect();
    assert_eq!((seen, cut.last_event_id.as_str()), (vec![message("a", "x", "7")], "7"));
}
