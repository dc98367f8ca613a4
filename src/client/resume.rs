//! Where a stream stands and when it is dialled again: pure, without I/O, clock or dice.

use super::error::{Error, Problem};
use super::sse::{Message, Parser};
use std::collections::VecDeque;
use std::time::Duration;

/// Before anything is known of the broker's wishes.
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// No wait between two dials is longer.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What is known of a stream across its connections.
#[derive(Debug, Clone, Default)]
pub(super) struct Reading {
    parser: Parser,
    /// Read and not handed out yet.
    ready: VecDeque<Message>,
    /// After what was handed out last.
    place: Option<String>,
    failures: u32,
    /// The broker has said goodbye, and spread its clients already.
    is_closing: bool,
}

impl Reading {
    pub(super) fn at(place: Option<String>) -> Self {
        Self { place, ..Self::default() }
    }

    /// Where to resume.
    pub(super) fn place(&self) -> Option<&str> {
        self.place.as_deref()
    }

    /// The stream begins here.
    pub(super) fn begin_at(&mut self, place: String) {
        self.place = Some(place);
    }

    /// Takes bytes in.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.failures = 0;
        self.ready.extend(self.parser.feed(bytes));
        self.pass_checkpoint();
    }

    /// The next message; the place is after it from then on.
    pub(super) fn take(&mut self) -> Option<Message> {
        let message = self.ready.pop_front()?;
        self.is_closing |= message.event == "stream.closing";
        if !message.id.is_empty() {
            self.place = Some(message.id.clone());
        }
        self.pass_checkpoint();
        Some(message)
    }

    /// A place without an event counts once every event before it has been handed out.
    fn pass_checkpoint(&mut self) {
        if let Some(id) = self.parser.last_id().filter(|id| !id.is_empty() && self.ready.is_empty()) {
            self.place = Some(id.to_owned());
        }
    }

    /// The connection is gone: how long to wait before the next one. `unit` is random, in 0 to 1.
    pub(super) fn wait(&mut self, asked: Option<Duration>, unit: f64) -> Duration {
        self.parser.reconnect();
        self.failures += 1;
        let base = self.parser.retry().unwrap_or(FIRST_WAIT);
        if std::mem::take(&mut self.is_closing) {
            return base.min(LONGEST_WAIT);
        }
        let span = base.saturating_mul(1 << (self.failures - 1).min(8)).min(LONGEST_WAIT);
        span.mul_f64(unit).max(asked.unwrap_or_default().min(LONGEST_WAIT))
    }
}

/// Whether an error of a stream will not get better by dialling again.
pub(super) fn is_final(error: &Error) -> bool {
    match error {
        Error::Refused(problem) => {
            let Problem { status, .. } = **problem;
            (400..500).contains(&status) && ![408, 425, 429].contains(&status)
        }
        Error::Unreachable { .. } | Error::TimedOut { .. } => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_after_what_was_handed_out_and_never_ahead() {
        let mut reading = Reading::at(Some("3".to_owned()));
        reading
            .feed(b"id: 4\nevent: a\ndata: {}\n\nid: 5\nevent: a\ndata: {}\n\nid: 9\n\nid: 10\nevent: a\nda");
        assert_eq!(reading.place(), Some("3"), "nothing has been handed out");
        assert_eq!(reading.take().unwrap().id, "4");
        assert_eq!(reading.place(), Some("4"));
        assert_eq!(reading.take().unwrap().id, "5");
        assert_eq!(reading.place(), Some("9"), "a checkpoint counts when nothing waits before it");
        assert_eq!(reading.take(), None);
        assert_eq!(reading.wait(None, 1.0), Duration::from_secs(2));
        reading.feed(b"id: 11\n\n");
        assert_eq!(reading.place(), Some("11"), "half a message of the old connection is forgotten");
    }

    #[test]
    fn waits_grow_until_something_is_heard() {
        let mut reading = Reading::default();
        let waits: Vec<_> = (0..6).map(|_| reading.wait(None, 1.0).as_secs()).collect();
        assert_eq!(waits, [2, 4, 8, 16, 30, 30]);
        assert_eq!(reading.wait(Some(Duration::from_secs(7)), 0.0).as_secs(), 7);
        reading.feed(b"retry: 500\n\n");
        assert_eq!(reading.wait(None, 0.5).as_millis(), 250);
    }

    #[test]
    fn a_broker_that_says_goodbye_says_when_to_come_back() {
        let mut reading = Reading::default();
        reading.feed(b"id: 7\n\nretry: 1234\nevent: stream.closing\ndata: {}\n\n");
        assert_eq!(reading.take().unwrap().event, "stream.closing");
        assert_eq!((reading.wait(None, 0.0).as_millis(), reading.place()), (1234, Some("7")));
        assert_eq!(reading.wait(None, 0.0).as_millis(), 0, "it is said once");
    }
}
