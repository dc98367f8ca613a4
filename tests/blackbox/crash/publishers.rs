//! Publishers that survive the broker's death: each repeats what was not answered and writes down what was.

use crate::support::{Connection, PUBLISHER, Request};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// What the broker has promised to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Promise {
    pub(super) id: String,
    pub(super) sequence: u64,
    /// Who published it and as which of theirs.
    pub(super) mark: (String, u64),
}

#[derive(Clone, Default)]
pub(super) struct Acknowledged(Arc<Mutex<Vec<Promise>>>);

impl Acknowledged {
    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    pub(super) fn all(&self) -> Vec<Promise> {
        self.0.lock().unwrap().clone()
    }
}

/// How a publisher makes repeating safe.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Manner {
    /// Every event has an id of the publisher's.
    OwnIds,
    /// Every request has an `Idempotency-Key`.
    Keys,
    /// Nothing: what was not answered is not repeated.
    Hope,
}

pub(super) struct Publishers {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Publishers {
    pub(super) fn start(address: SocketAddr, acknowledged: &Acknowledged) -> Self {
        // A flag of their own: readers go on after them.
        let stop = Arc::new(AtomicBool::new(false));
        let kinds = [
            ("single", Manner::OwnIds, 1),
            ("keyed", Manner::Keys, 1),
            ("batch", Manner::OwnIds, 12),
            ("keyed-batch", Manner::Keys, 7),
            ("hopeful", Manner::Hope, 1),
        ];
        let threads = kinds.map(|(name, manner, size)| {
            let publisher = Publisher { name, manner, size, address, connection: None };
            let (acknowledged, stop) = (acknowledged.clone(), Arc::clone(&stop));
            std::thread::spawn(move || publisher.run(&acknowledged, &stop))
        });
        Self { stop, threads: threads.into() }
    }

    /// Lets every publisher end with an answer to its last request.
    pub(super) fn finish(self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("a publisher got only answers it may get");
        }
    }
}

struct Publisher {
    name: &'static str,
    manner: Manner,
    size: u64,
    address: SocketAddr,
    connection: Option<Connection>,
}

impl Publisher {
    fn run(mut self, acknowledged: &Acknowledged, stop: &AtomicBool) {
        let mut next = 0;
        while !stop.load(Ordering::Relaxed) {
            let request = self.request(next);
            if let Some(answer) = self.publish(&request) {
                let promises = self.promises(&answer, next);
                acknowledged.0.lock().unwrap().extend(promises);
            }
            next += self.size;
            // Enough to be busy without outrunning an endpoint that fails a third of the time.
            std::thread::sleep(Duration::from_millis(8));
        }
    }

    fn request(&self, first: u64) -> Request {
        let draft = |n: u64| {
            let mut draft = json!({"type": format!("load.{}", self.name), "data": {"by": self.name, "n": n}});
            if self.manner == Manner::OwnIds {
                draft["id"] = json!(format!("{}-{n}", self.name));
            }
            draft
        };
        let (path, body) = if self.size == 1 {
            ("/api/v1/events", draft(first))
        } else {
            let events: Vec<Value> = (first..first + self.size).map(draft).collect();
            ("/api/v1/events/batch", json!({"events": events}))
        };
        let request = Request::post(path).key(PUBLISHER).json(&body);
        if self.manner == Manner::Keys {
            return request.header("Idempotency-Key", &format!("{}-{first}", self.name));
        }
        request
    }

    /// Publishes until there is an answer; `None` when there was none and repeating is not safe.
    fn publish(&mut self, request: &Request) -> Option<Value> {
        loop {
            match self.try_publish(request) {
                Some(answer) => return Some(answer),
                None if self.manner == Manner::Hope => return None,
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    }

    fn try_publish(&mut self, request: &Request) -> Option<Value> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(self.address).ok()?,
        };
        let answer = connection.exchange(request).ok()?;
        match answer.status {
            200 | 201 => {
                self.connection = Some(connection);
                Some(answer.json())
            }
            409 if self.manner == Manner::Keys => None,
            503 => None,
            _ => panic!("{} got {answer:?} to {request:?}", self.name),
        }
    }

    fn promises(&self, answer: &Value, first: u64) -> Vec<Promise> {
        let one = |event: &Value, n: u64| Promise {
            id: event["id"].as_str().expect("an id").to_owned(),
            sequence: event["sequence"].as_u64().expect("a sequence"),
            mark: (self.name.to_owned(), n),
        };
        if self.size == 1 {
            return vec![one(answer, first)];
        }
        let events = answer["events"].as_array().expect("a batch is answered with its events");
        assert_eq!(events.len() as u64, self.size);
        events.iter().zip(first..).map(|(event, n)| one(event, n)).collect()
    }
}
