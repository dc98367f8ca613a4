//! Readers that keep their place and nothing else, and come back after every death of the broker.

use super::checks::Logged;
use crate::support::{
    Connection, EventStream, Item, Message, Next, READER, Request, eventually_within, text_of,
};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

type Seen = Arc<Mutex<Vec<(u64, String)>>>;

/// A client of the stream that resumes with `Last-Event-ID`.
pub(super) struct StreamReader {
    query: &'static str,
    seen: Seen,
    thread: JoinHandle<()>,
}

impl StreamReader {
    pub(super) fn start(address: SocketAddr, query: &'static str, stop: &Arc<AtomicBool>) -> Self {
        let seen = Seen::default();
        let (writing, stop) = (Arc::clone(&seen), Arc::clone(stop));
        let thread = std::thread::spawn(move || {
            let mut last_id = "0".to_owned();
            while !stop.load(Ordering::Relaxed) {
                follow(address, query, &mut last_id, &writing, &stop);
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        Self { query, seen, thread }
    }

    fn wanted<'a>(&self, log: &'a [Logged]) -> impl Iterator<Item = &'a Logged> {
        let narrow = !self.query.is_empty();
        log.iter().filter(move |event| !narrow || matches!(event.by.as_str(), "single" | "keyed"))
    }

    pub(super) fn wait_for(&self, head: u64, log: &[Logged], patience: Duration) {
        let last = self.wanted(log).map(|event| event.sequence).last().unwrap_or(head);
        eventually_within(patience, &format!("a stream {:?} to catch up to {last}", self.query), || {
            let seen = self.seen.lock().unwrap();
            seen.last().is_some_and(|(sequence, _)| *sequence >= last).then_some(())
        });
    }

    /// Exactly once and in order, as the log has it.
    pub(super) fn check(self, log: &[Logged]) {
        let wanted: Vec<(u64, String)> =
            self.wanted(log).map(|event| (event.sequence, event.id.clone())).collect();
        self.thread.join().expect("a stream said only what it may say");
        super::checks::same(&self.seen.lock().unwrap(), &wanted, "a stream");
    }
}

fn follow(address: SocketAddr, query: &str, last_id: &mut String, seen: &Seen, stop: &AtomicBool) {
    let request =
        Request::get(&format!("/api/v1/events/stream{query}")).key(READER).header("Last-Event-ID", last_id);
    let Ok(mut stream) = EventStream::open(address, &request) else {
        return;
    };
    if stream.head.status != 200 {
        assert_eq!(stream.head.status, 503);
        return;
    }
    while !stop.load(Ordering::Relaxed) {
        match stream.next(Duration::from_millis(100)) {
            Next::Item(Item::Message(message)) => {
                assert!(!message.event.starts_with("stream."), "{message:?}");
                seen.lock().unwrap().push(place_of(&message));
            }
            Next::Item(_) | Next::Quiet => {}
            Next::Ended | Next::Cut => break,
        }
        if let Some(id) = &stream.last_id {
            last_id.clone_from(id);
        }
    }
}

fn place_of(message: &Message) -> (u64, String) {
    (message.sequence(), text_of(&message.json()["id"]))
}

/// A client that polls with its cursor.
pub(super) struct Poller {
    seen: Seen,
    place: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Poller {
    pub(super) fn start(address: SocketAddr, stop: &Arc<AtomicBool>) -> Self {
        let (seen, place) = (Seen::default(), Arc::new(AtomicU64::new(0)));
        let (writing, moving, stop) = (Arc::clone(&seen), Arc::clone(&place), Arc::clone(stop));
        let thread = std::thread::spawn(move || {
            let mut cursor = "0".to_owned();
            while !stop.load(Ordering::Relaxed) {
                let Some(next) = poll(address, &cursor, &writing) else {
                    std::thread::sleep(Duration::from_millis(10));
                    continue;
                };
                cursor = next;
                moving.store(cursor.parse().expect("a cursor is a sequence"), Ordering::Relaxed);
            }
        });
        Self { seen, place, thread }
    }

    pub(super) fn wait_for(&self, head: u64, patience: Duration) {
        eventually_within(patience, &format!("the poller to catch up to {head}"), || {
            (self.place.load(Ordering::Relaxed) >= head).then_some(())
        });
    }

    pub(super) fn check(self, log: &[Logged]) {
        self.thread.join().expect("a poll is answered as it may be");
        let wanted: Vec<(u64, String)> = log.iter().map(|event| (event.sequence, event.id.clone())).collect();
        super::checks::same(&self.seen.lock().unwrap(), &wanted, "the poller");
    }
}

fn poll(address: SocketAddr, cursor: &str, seen: &Seen) -> Option<String> {
    let path = format!("/api/v1/events?limit=40&wait_ms=500&cursor={cursor}");
    let answer = Connection::open(address).ok()?.exchange(&Request::get(&path).key(READER)).ok()?;
    if answer.status == 503 {
        return None;
    }
    let page = answer.must(200);
    let mut seen = seen.lock().unwrap();
    for event in page["data"].as_array().expect("a page has data") {
        seen.push((event["sequence"].as_u64().expect("a sequence"), text_of(&event["id"])));
    }
    Some(text_of(&page["next_cursor"]))
}
