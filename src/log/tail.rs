//! The newest events in memory, shared by everybody who reads near the head.
//!
//! Bounded by bytes. Only durable events enter; a reader that falls behind it reads the log.

use crate::model::{Sequence, StoredEvent};
use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};

/// A window over the newest events.
#[derive(Debug)]
pub struct Tail {
    max_bytes: usize,
    window: RwLock<Window>,
}

#[derive(Debug)]
struct Window {
    events: VecDeque<Arc<StoredEvent>>,
    bytes: usize,
    /// Every event after this place is in `events`.
    complete_after: Sequence,
}

impl Tail {
    /// An empty window on a log whose newest event is `head`, holding at most `max_bytes`.
    pub fn new(max_bytes: usize, head: Sequence) -> Self {
        let window = Window { events: VecDeque::new(), bytes: 0, complete_after: head };
        Self { max_bytes, window: RwLock::new(window) }
    }

    /// Takes in a committed batch, in order.
    pub fn push(&self, batch: &[Arc<StoredEvent>]) {
        let mut guard = self.window.write().unwrap_or_else(PoisonError::into_inner);
        let window = &mut *guard;
        for event in batch {
            window.bytes += event.memory_bytes();
            window.events.push_back(Arc::clone(event));
        }
        while window.bytes > self.max_bytes {
            let Some(oldest) = window.events.pop_front() else {
                break;
            };
            window.bytes -= oldest.memory_bytes();
            window.complete_after = oldest.sequence();
        }
    }

    /// Forgets events before `oldest`, which retention has trimmed.
    pub fn trim(&self, oldest: Sequence) {
        let mut guard = self.window.write().unwrap_or_else(PoisonError::into_inner);
        let window = &mut *guard;
        while window.events.front().is_some_and(|event| event.sequence() < oldest) {
            if let Some(event) = window.events.pop_front() {
                window.bytes -= event.memory_bytes();
            }
        }
        window.complete_after = window.complete_after.max(oldest.previous());
    }

    /// Events after `after`, at most `limit`; `None` when some of them are no longer in memory.
    pub fn after(&self, after: Sequence, limit: usize) -> Option<Vec<Arc<StoredEvent>>> {
        let window = self.window.read().unwrap_or_else(PoisonError::into_inner);
        if after < window.complete_after {
            return None;
        }
        let start = window.events.partition_point(|event| event.sequence() <= after);
        Some(window.events.range(start..).take(limit).cloned().collect())
    }

    /// One event by its place; `None` when it is not in memory.
    pub fn get(&self, sequence: Sequence) -> Option<Arc<StoredEvent>> {
        let window = self.window.read().unwrap_or_else(PoisonError::into_inner);
        let at = window.events.binary_search_by_key(&sequence, |event| event.sequence()).ok()?;
        window.events.get(at).cloned()
    }
}
