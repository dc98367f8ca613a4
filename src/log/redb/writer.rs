//! The one thread that writes: everything queued becomes one transaction with one fsync, then it is seen and
//! answered. No artificial delay: while one group is committed the next one gathers.

use super::columns;
use super::control::{Control, Dirty};
use super::group::{Group, Request};
use super::journal;
use super::schema::{About, FORMAT};
use super::segment::{self, Ended, Segment};
use super::shared::Shared;
use super::transaction::{is_storage_full, write_group};
use crate::clock;
use crate::log::{Bounds, LogError};
use crate::model::{Sequence, UnixMillis};
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// A group is closed at this many events or bytes; more gains little and makes everybody wait.
const GROUP_EVENTS: usize = 1024;
const GROUP_BYTES: usize = 1 << 20;
const GROUP_REQUESTS: usize = 1024;

/// How often upkeep runs when nothing is queued.
const TICK: Duration = Duration::from_millis(100);
const CHECKPOINT_EVERY: Duration = Duration::from_secs(5);

/// What the writer is told.
pub(super) enum Order {
    Commit(Request),
    /// Finish what is queued and close cleanly.
    Close(tokio::sync::oneshot::Sender<()>),
}

/// Settings of the writer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) segment_bytes: u64,
    pub(super) segment_events: u64,
    pub(super) cache_bytes: usize,
    pub(super) max_age: Duration,
    pub(super) max_bytes: u64,
    pub(super) min_free: u64,
    pub(super) dedupe_window: Duration,
}

pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) limits: Limits,
    pub(super) control: Control,
    pub(super) dirty: Dirty,
    /// The segment being written.
    pub(super) active: Arc<Segment>,
    pub(super) next: Sequence,
    /// The last journaled commit.
    pub(super) commit: u64,
    names: HashMap<Box<str>, u32>,
    pub(super) active_bytes: u64,
    pub(super) active_since: UnixMillis,
    checkpointed: Instant,
    pub(super) ticked: Instant,
    pub(super) sealing: Vec<std::thread::JoinHandle<()>>,
    /// The last write failed; nothing is written to that file any more.
    broken: bool,
    /// The emergency reserve is in place.
    pub(super) ballast_kept: bool,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, control: Control, dirty: Dirty, limits: Limits) -> Self {
        let segments = shared.segments.load();
        let active = Arc::clone(segments.last().expect("an open log has a segment"));
        let next = Sequence(active.last_sequence()).next().max(Sequence(active.about.first_sequence));
        let commit = active.last_commit().max(control.commit);
        let names = active.names().iter().enumerate().map(|(at, name)| (name.clone(), at as u32)).collect();
        let active_bytes = shared.disk.size(&active.file);
        Self {
            limits,
            control,
            dirty,
            next,
            commit,
            names,
            active_bytes,
            active_since: clock::now(),
            checkpointed: clock::instant(),
            ticked: clock::instant(),
            sealing: Vec::new(),
            broken: false,
            ballast_kept: false,
            active,
            shared,
        }
    }

    /// Runs until it is told to close or nobody can tell it anything any more.
    /// Gives who waits for the close; everything of this is closed by then.
    pub(super) fn run(mut self, orders: &Receiver<Order>) -> Option<tokio::sync::oneshot::Sender<()>> {
        loop {
            let first = match orders.recv_timeout(TICK) {
                Ok(order) => Some(order),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => {
                    self.close();
                    return None;
                }
            };
            let mut closing = None;
            let mut requests = Vec::new();
            let mut events = 0;
            let mut bytes = 0;
            for order in first.into_iter().chain(orders.try_iter()) {
                match order {
                    Order::Commit(request) => {
                        events += request.commit.events.len();
                        bytes += request.commit.events.iter().map(|draft| draft.data.len()).sum::<usize>();
                        requests.push(request);
                    }
                    Order::Close(done) => closing = Some(done),
                }
                let full = events >= GROUP_EVENTS || bytes >= GROUP_BYTES || requests.len() >= GROUP_REQUESTS;
                if full || closing.is_some() {
                    break;
                }
            }
            if !requests.is_empty() {
                self.commit(requests);
            }
            self.roll_when_full();
            if closing.is_some() {
                self.close();
                return closing;
            }
            self.upkeep();
        }
    }

    fn commit(&mut self, requests: Vec<Request>) {
        if self.broken {
            self.reopen();
        }
        // A fast disk can go from enough to nothing between two looks of the upkeep.
        self.watch_space();
        let trouble = self.shared.trouble();
        let shared = Arc::clone(&self.shared);
        let mut group = Group::new(&shared, self.next, self.limits.dedupe_window);
        for request in requests {
            match &trouble {
                // With little space left what frees or settles something still goes through.
                Some(LogError::StorageFull) if !self.broken && request.commit.events.is_empty() => {
                    group.add(request);
                }
                Some(trouble) => {
                    let _ = request.reply.send(Err(trouble.clone()));
                }
                None => group.add(request),
            }
        }
        let written = if group.is_empty() { Ok(()) } else { self.write(&group) };
        match written {
            Ok(()) => self.settle(group),
            Err(error) => self.fail(group, &error),
        }
    }

    /// Writes a group to the active segment; when this answers `Ok` it is fsynced.
    pub(super) fn write(&mut self, group: &Group<'_>) -> Result<(), redb::Error> {
        let known = self.names.len();
        let mut new_names: Vec<Box<str>> = Vec::new();
        let names = &mut self.names;
        let entries = group.columns(|name| match names.get(name) {
            Some(number) => *number,
            None => {
                let number = (known + new_names.len()) as u32;
                names.insert(name.into(), number);
                new_names.push(name.into());
                number
            }
        });
        let columns = columns::encode(self.next.0, group.stored_at().0, &entries);
        let commit = if group.journal.is_empty() { self.commit } else { self.commit + 1 };
        let journal = journal::encode(commit, &group.journal);
        let written = self.active.write(|database| {
            write_group(database, group, &columns, &entries, (known, &new_names), (commit, &journal))
        });
        if written.is_ok() {
            self.commit = commit;
            self.active_bytes += group.bytes() + journal.len() as u64;
            self.active.advance(group.next.previous().0, commit, &new_names);
        }
        written
    }

    /// The group is durable: now it is seen, then it is answered.
    pub(super) fn settle(&mut self, group: Group<'_>) {
        self.next = group.next;
        let oldest = self.shared.apply(&group.journal, &mut self.dirty);
        if !group.events.is_empty() {
            self.shared.tail.push(&group.events);
        }
        let head = group.events.last().map(|event| event.sequence());
        self.publish_bounds(head, oldest);
        self.shared.commits.fetch_add(1, Ordering::Relaxed);
        for (reply, answer) in group.answers {
            // Whoever asked may be gone.
            let _ = reply.send(answer);
        }
    }

    pub(super) fn publish_bounds(&self, head: Option<Sequence>, oldest: Option<Sequence>) {
        if head.is_none() && oldest.is_none() {
            return;
        }
        self.shared.bounds.send_modify(|bounds| {
            *bounds = Bounds {
                head: head.unwrap_or(bounds.head),
                oldest: oldest.unwrap_or(bounds.oldest).max(bounds.oldest),
            };
        });
    }

    /// The write failed: whether it is there nobody knows. The file is not written again; its successor will
    /// say that nothing of this group counts.
    fn fail(&mut self, group: Group<'_>, error: &redb::Error) {
        let detail = error.to_string();
        self.next = group.next;
        // A refusal may be due to another request of the group, which is as unknown.
        for (reply, _) in group.answers {
            let _ = reply.send(Err(LogError::CommitUnknown { detail: detail.clone() }));
        }
        self.leave_behind(error);
    }

    /// Nothing is written to the active file any more.
    pub(super) fn leave_behind(&mut self, error: &redb::Error) {
        let detail = error.to_string();
        tracing::error!(error = %detail, segment = %self.active.file, "a write failed; the file is left behind");
        self.broken = true;
        self.active.close();
        let full = is_storage_full(error);
        let trouble = if full { LogError::StorageFull } else { LogError::CommitUnknown { detail } };
        self.shared.set_trouble(Some(trouble));
        if full {
            self.release_ballast();
        }
        self.reopen();
    }

    /// Goes on in a new file after a failure.
    fn reopen(&mut self) {
        if !self.has_room() {
            return;
        }
        match self.roll() {
            Ok(()) => {
                tracing::info!(segment = %self.active.file, "the log goes on in a new file");
                self.broken = false;
                self.shared.set_trouble(None);
            }
            Err(error) => tracing::error!(%error, "no new file could be begun"),
        }
    }

    /// The first place of the next file. A file is named by it, so one that has no event keeps its name, and what else
    /// it holds.
    fn successor(&self) -> Sequence {
        if self.next.0 == self.active.about.first_sequence { self.next.next() } else { self.next }
    }

    /// Whether a next file that could not be begun is not there, nor will be after a loss of power. While it may be,
    /// nothing is written to the old one: it counts only up to where the next one says.
    fn has_no_successor(&self) -> bool {
        let file = segment::file_name(self.successor().0);
        match self.shared.disk.names() {
            Ok(names) => !names.contains(&file) || self.shared.disk.remove(&file).is_ok(),
            Err(_) => false,
        }
    }

    /// Begins a new segment. The old one is sealed aside.
    pub(super) fn roll(&mut self) -> Result<(), redb::Error> {
        let first = self.successor();
        let about = About {
            format: FORMAT,
            first_sequence: first.0,
            first_commit: self.commit + 1,
            previous_last_sequence: self.active.last_event(),
            previous_last_commit: self.active.last_commit(),
        };
        let made = Arc::new(segment::create(&*self.shared.disk, about, self.limits.cache_bytes)?);
        self.next = first;
        let old = std::mem::replace(&mut self.active, Arc::clone(&made));
        self.shared.push_segment(made);
        self.names.clear();
        self.active_bytes = 0;
        self.active_since = clock::now();
        self.seal_aside(old);
        Ok(())
    }

    /// Leaves so many places out that no place of the original of this copy is taken for a newer event.
    pub(super) fn jump(&mut self) -> Result<(), redb::Error> {
        self.next = Sequence(self.next.0 + (1 << 32));
        self.roll()?;
        self.publish_bounds(Some(self.next.previous()), None);
        Ok(())
    }

    pub(super) fn seal_aside(&mut self, segment: Arc<Segment>) {
        let disk = Arc::clone(&self.shared.disk);
        self.sealing.retain(|thread| !thread.is_finished());
        let seal = move || {
            if let Err(error) = segment.seal(&*disk) {
                tracing::warn!(%error, segment = %segment.file, "a full segment could not be summarised");
            }
        };
        match std::thread::Builder::new().name("log-sealer".to_owned()).spawn(seal) {
            Ok(thread) => self.sealing.push(thread),
            Err(error) => tracing::warn!(%error, "no thread to summarise a segment"),
        }
    }

    pub(super) fn roll_when_full(&mut self) {
        if !self.broken && self.is_full() {
            self.begin_next();
        }
    }

    /// Goes on in a new segment. What the old ones journaled is checkpointed first, so that a crash has only the
    /// newest to replay.
    pub(super) fn begin_next(&mut self) {
        self.checkpoint();
        match self.roll() {
            Ok(()) => {}
            Err(error) if self.has_no_successor() => {
                tracing::error!(%error, "no new segment could be begun; the old one grows on");
            }
            Err(error) => self.leave_behind(&error),
        }
    }

    fn is_full(&self) -> bool {
        self.active_bytes >= self.limits.segment_bytes
            || self.next.0 - self.active.about.first_sequence >= self.limits.segment_events
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    pub(super) fn retry_broken(&mut self) {
        self.reopen();
    }

    /// Writes the checkpoint when it is due.
    pub(super) fn checkpoint_when_due(&mut self) {
        if !self.dirty.is_clean() && self.checkpointed.elapsed() >= CHECKPOINT_EVERY {
            self.checkpoint();
        }
    }

    pub(super) fn checkpoint(&mut self) {
        self.checkpointed = clock::instant();
        let oldest = self.shared.bounds.borrow().oldest;
        let management = self.shared.management.load();
        let kept = self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let disk = &*self.shared.disk;
        match self.control.checkpoint(disk, self.commit, oldest, &self.dirty, &management, &kept) {
            Ok(()) => self.dirty = Dirty::default(),
            Err(error) => tracing::warn!(%error, "the checkpoint failed; the journals still have everything"),
        }
    }

    pub(super) fn close(&mut self) {
        self.shared.set_trouble(Some(LogError::Closed));
        self.checkpoint();
        for thread in self.sealing.drain(..) {
            // A sealer that panicked has said so; its segment is sealed on the next start.
            let _ = thread.join();
        }
        for segment in self.shared.segments.load().iter() {
            segment.end(Ended::Closed);
        }
    }
}
