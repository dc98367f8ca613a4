//! Connections that are kept between requests, for one thread.
//!
//! What must hold: a connection is kept only when its last answer was read to the end; none is kept for long, so that
//! ours goes before the endpoint's does, and a change of its addresses is noticed; the number is bounded.

use crate::clock;
use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::SendRequest;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// Many servers close an idle connection after five seconds: ours goes first.
const KEEP_ALIVE: Duration = Duration::from_secs(4);

/// After this long the name is resolved again.
const LIFETIME: Duration = Duration::from_secs(60);

/// How many connections are kept in all, and of one endpoint.
const MOST: usize = 1024;
const MOST_OF_ONE: usize = 64;

/// How often old ones are looked for.
const SWEEP: Duration = Duration::from_secs(1);

/// A connection; closed when it is dropped.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) sender: SendRequest<Full<Bytes>>,
    /// Moves its bytes.
    driver: JoinHandle<()>,
    born: Instant,
}

impl Connection {
    pub(super) fn new(sender: SendRequest<Full<Bytes>>, driver: JoinHandle<()>) -> Self {
        Self { sender, driver, born: clock::instant() }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
}

impl Idle {
    fn is_usable(&self) -> bool {
        !self.connection.sender.is_closed()
            && self.since.elapsed() < KEEP_ALIVE
            && self.connection.born.elapsed() < LIFETIME
    }
}

/// The idle connections by origin.
#[derive(Debug, Default, Clone)]
pub(super) struct Pool(Rc<RefCell<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    idle: HashMap<String, Vec<Idle>>,
    count: usize,
    is_swept: bool,
}

impl Pool {
    /// A usable connection, the one used last.
    pub(super) fn take(&self, origin: &str) -> Option<Connection> {
        let mut kept = self.0.borrow_mut();
        let kept = &mut *kept;
        let of_origin = kept.idle.get_mut(origin)?;
        while let Some(one) = of_origin.pop() {
            kept.count -= 1;
            if one.is_usable() {
                return Some(one.connection);
            }
        }
        kept.idle.remove(origin);
        None
    }

    /// Keeps a connection whose last answer was read to its end.
    pub(super) fn put(&self, origin: String, connection: Connection) {
        let mut kept = self.0.borrow_mut();
        if connection.sender.is_closed() || kept.count >= MOST {
            return;
        }
        let of_origin = kept.idle.entry(origin).or_default();
        if of_origin.len() >= MOST_OF_ONE {
            return;
        }
        of_origin.push(Idle { connection, since: clock::instant() });
        kept.count += 1;
        if !std::mem::replace(&mut kept.is_swept, true) {
            actix_rt::spawn(sweep(Rc::downgrade(&self.0)));
        }
    }
}

/// Closes what was idle for too long, until nothing is left.
async fn sweep(pool: Weak<RefCell<Kept>>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut kept = pool.borrow_mut();
        kept.idle.retain(|_, of_origin| {
            of_origin.retain(Idle::is_usable);
            !of_origin.is_empty()
        });
        kept.count = kept.idle.values().map(Vec::len).sum();
        if kept.count == 0 {
            kept.is_swept = false;
            return;
        }
    }
}
