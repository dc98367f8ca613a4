//! What an import asks of the writer: events at given places, and what is kept besides.

use crate::log::Change;
use crate::log::redb::control::Kept;
use crate::log::redb::group::Group;
use crate::log::redb::journal::Entry;
use crate::log::redb::writer::Writer;
use crate::model::{Sequence, StoredEvent};
use std::sync::{Arc, PoisonError};

impl Writer {
    /// The oldest event is at `sequence`: what was before it went by retention.
    pub(super) fn begin_at(&mut self, sequence: Sequence) -> Result<(), redb::Error> {
        self.skip_to(sequence)?;
        self.publish_bounds(None, Some(sequence));
        self.dirty.oldest = true;
        Ok(())
    }

    /// The next event is at `sequence`: what lies between was never an event here.
    pub(super) fn skip_to(&mut self, sequence: Sequence) -> Result<(), redb::Error> {
        if sequence > self.next {
            self.next = sequence;
            self.roll()?;
            self.publish_bounds(Some(sequence.previous()), None);
        }
        Ok(())
    }

    /// Writes events that have their places, the first one at the next place and no gap between them.
    pub(super) fn adopt(&mut self, events: Vec<Arc<StoredEvent>>) -> Result<(), redb::Error> {
        if events.is_empty() {
            return Ok(());
        }
        let shared = Arc::clone(&self.shared);
        let mut group = Group::new(&shared, self.next, self.limits.dedupe_window);
        for event in events {
            group.adopt(event);
        }
        self.write(&group)?;
        self.settle(group);
        self.roll_when_full();
        Ok(())
    }

    /// Takes in what is kept besides events. Everything is durable when this answers `Ok`.
    pub(super) fn adopt_kept(&mut self, changes: Vec<Change>, kept: Kept) -> Result<(), String> {
        let entries: Vec<Entry> = changes.into_iter().map(|one| Entry::Management(Box::new(one))).collect();
        self.shared.apply(&entries, &mut self.dirty);
        let retries = kept.consumers.iter();
        let retries = retries.flat_map(|(id, one)| one.retries.keys().map(|sequence| (*id, *sequence)));
        self.dirty.retries.extend(retries);
        self.dirty.consumers.extend(kept.consumers.keys());
        self.dirty.gates = true;
        *self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner) = kept;
        self.checkpoint();
        if self.dirty.is_clean() { Ok(()) } else { Err("the checkpoint failed".to_owned()) }
    }
}
