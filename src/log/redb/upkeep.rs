//! What the writer does between commits: retention, rolling, checkpoints, watching the space that is left.

use super::columns::Columns;
use super::fault::ReadFault;
use super::journal;
use super::segment::{Ended, Segment};
use super::tables::Tables;
use super::writer::Writer;
use crate::clock;
use crate::log::LogError;
use crate::model::{Sequence, UnixMillis};
use redb::Durability;
use std::sync::Arc;
use std::time::Duration;

const UPKEEP_EVERY: Duration = Duration::from_millis(100);

/// How many commits one bite of retention looks at.
const RETENTION_BITE: usize = 10_000;

/// No ballast is larger than this.
const BALLAST_MAX: u64 = 16 << 20;

impl Writer {
    pub(super) fn upkeep(&mut self) {
        if self.ticked.elapsed() < UPKEEP_EVERY {
            return;
        }
        self.ticked = clock::instant();
        self.watch_space();
        if self.is_broken() {
            return self.retry_broken();
        }
        self.retain();
        if self.is_old() {
            self.begin_next();
        }
        self.checkpoint_when_due();
    }

    /// Segments also end by age, so that retention by age can remove them whole.
    fn is_old(&self) -> bool {
        let has_events = self.next.0 > self.active.about.first_sequence;
        let age = u128::from(clock::now().since(self.active_since));
        has_events && age >= (self.limits.max_age.as_millis() / 8).max(1000)
    }

    pub(super) fn watch_space(&mut self) {
        let is_full = matches!(self.shared.trouble(), Some(LogError::StorageFull));
        let has_room = self.has_room();
        match (has_room, is_full) {
            (false, false) if !self.is_broken() => {
                tracing::error!(
                    min_free = self.limits.min_free,
                    "the volume is almost full: publishing stops"
                );
                self.shared.set_trouble(Some(LogError::StorageFull));
            }
            (true, true) if !self.is_broken() => {
                tracing::info!("there is space again: publishing goes on");
                self.shared.set_trouble(None);
            }
            _ => {}
        }
        if has_room && !self.is_broken() {
            self.keep_ballast();
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.shared.disk.free().is_none_or(|free| free >= self.limits.min_free)
    }

    fn keep_ballast(&mut self) {
        if self.ballast_kept {
            return;
        }
        let bytes = (self.limits.min_free / 4).min(BALLAST_MAX);
        match self.shared.disk.set_ballast(bytes) {
            Ok(()) => self.ballast_kept = true,
            Err(error) => tracing::debug!(%error, "no ballast"),
        }
    }

    pub(super) fn release_ballast(&mut self) {
        self.ballast_kept = false;
        if let Err(error) = self.shared.disk.set_ballast(0) {
            tracing::warn!(%error, "the ballast could not be given back");
        }
    }

    /// Moves the oldest kept event on, durably, then removes the segments before it.
    fn retain(&mut self) {
        let oldest = self.shared.bounds.borrow().oldest;
        let wanted = self.oldest_by_age(oldest).max(self.oldest_by_size(oldest));
        if wanted > oldest {
            let entries = [journal::Entry::Oldest(wanted)];
            let commit = self.commit + 1;
            let written = self.active.write(|database| {
                let mut transaction = database.begin_write()?;
                transaction.set_durability(Durability::Immediate)?;
                let row = journal::encode(commit, &entries);
                transaction.open_table(super::schema::JOURNAL)?.insert(commit, row.as_slice())?;
                transaction.commit()?;
                Ok(())
            });
            if let Err(error) = written {
                return self.leave_behind(&error);
            }
            self.commit = commit;
            self.active.advance(self.active.last_sequence(), commit, &[]);
            let moved = self.shared.apply(&entries, &mut self.dirty);
            self.publish_bounds(None, moved);
            self.shared.tail.trim(wanted);
        }
        self.remove_trimmed();
    }

    /// The first event that is young enough, as far as one bite reaches.
    fn oldest_by_age(&self, oldest: Sequence) -> Sequence {
        let max_age = u64::try_from(self.limits.max_age.as_millis()).unwrap_or(u64::MAX);
        let now = clock::now();
        let is_too_old = |stored_at: i64| now.since(UnixMillis(stored_at)) > max_age;
        let mut position = oldest;
        for segment in self.shared.segments.load().iter() {
            // What is lost has no age: it goes when what comes after it begins to.
            let is_passed = Sequence(segment.last_sequence()) < position;
            if is_passed || segment.is_lost() || !segment.has_events() {
                continue;
            }
            if segment.summary().is_some_and(|summary| is_too_old(summary.sealed.newest_stored_at)) {
                position = Sequence(segment.last_sequence()).next();
                continue;
            }
            let begin = position.max(Sequence(segment.about.first_sequence));
            let young = self.first_young(segment, begin, &is_too_old).unwrap_or(begin);
            return if young > begin { young } else { position };
        }
        position
    }

    fn first_young(
        &self,
        segment: &Segment,
        from: Sequence,
        is_too_old: &dyn Fn(i64) -> bool,
    ) -> Result<Sequence, ReadFault> {
        let last = segment.last_sequence();
        segment.read(&*self.shared.disk, |transaction| {
            let tables = Tables::open(transaction)?;
            let mut position = from.0;
            for row in tables.columns.range(tables.row_start(from.0)?..=last)?.take(RETENTION_BITE) {
                let (first, row) = row?;
                let Some(columns) = Columns::read(first.value(), row.value()) else {
                    break;
                };
                if !is_too_old(columns.stored_at) {
                    break;
                }
                position = position.max((first.value() + columns.len()).min(last + 1));
            }
            Ok(Sequence(position))
        })
    }

    /// The first event of a log that fits: the surplus is taken from the oldest segments, whole.
    fn oldest_by_size(&self, oldest: Sequence) -> Sequence {
        let segments = self.shared.segments.load();
        let sizes: Vec<u64> = segments.iter().map(|segment| self.shared.disk.size(&segment.file)).collect();
        let mut surplus = sizes.iter().sum::<u64>().saturating_sub(self.limits.max_bytes);
        let mut position = oldest;
        for (segment, size) in segments.iter().zip(sizes) {
            if surplus == 0 || Arc::ptr_eq(segment, &self.active) {
                break;
            }
            if segment.has_events() {
                position = position.max(Sequence(segment.last_sequence()).next());
            }
            surplus = surplus.saturating_sub(size);
        }
        position
    }

    /// Removes segments of which nothing is kept, once the checkpoint has what their journals say. What a file without
    /// events has is about those before it.
    fn remove_trimmed(&mut self) {
        let oldest = self.shared.bounds.borrow().oldest;
        let gone = |segment: &Arc<Segment>| {
            let keeps_nothing = !segment.has_events() || Sequence(segment.last_sequence()) < oldest;
            keeps_nothing && !Arc::ptr_eq(segment, &self.active)
        };
        let segments = self.shared.segments.load_full();
        let removed: Vec<_> = segments.iter().take_while(|segment| gone(segment)).cloned().collect();
        let Some(last) = removed.last() else { return };
        if self.control.commit < last.last_commit() || self.dirty.oldest {
            self.checkpoint();
            if self.control.commit < last.last_commit() {
                return;
            }
        }
        self.shared.segments.store(Arc::new(segments[removed.len()..].to_vec()));
        for segment in removed {
            segment.end(Ended::Trimmed);
            if let Err(error) = self.shared.disk.remove(&segment.file) {
                tracing::warn!(%error, segment = %segment.file, "a trimmed segment could not be removed");
            }
        }
    }
}
