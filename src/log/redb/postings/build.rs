//! Making the index, from the columns of a segment that is being sealed.

use super::chunk::{Chunk, NONE_BEFORE};
use super::{DIRECTORY, Directory, Kind, Label, POSTINGS};
use crate::log::redb::columns::{Columns, Entry};
use crate::log::redb::schema::{ABOUT, to_checked_json};
use redb::{StorageError, Table, WriteTransaction};
use std::collections::HashMap;

/// An index that is being made.
pub(in crate::log::redb) struct Builder<'t> {
    transaction: &'t WriteTransaction,
    table: Table<'t, (u16, u64), &'static [u8]>,
    lists: HashMap<u16, Open>,
    directory: Directory,
    /// The place that must come next; without it there is no index.
    next: u64,
}

/// The chunk of a list that is being filled.
struct Open {
    first: u64,
    last: u64,
    chunk: Chunk,
}

impl<'t> Builder<'t> {
    /// Begins at the segment's first place. What an earlier try left is removed.
    pub(in crate::log::redb) fn new(
        transaction: &'t WriteTransaction,
        first_sequence: u64,
    ) -> Result<Self, redb::Error> {
        transaction.open_table(ABOUT)?.remove(DIRECTORY)?;
        transaction.delete_table(POSTINGS)?;
        let table = transaction.open_table(POSTINGS)?;
        let (lists, directory) = (HashMap::new(), Directory::default());
        Ok(Self { transaction, table, lists, directory, next: first_sequence })
    }

    /// Lists the events of a commit.
    pub(in crate::log::redb) fn add(&mut self, columns: &Columns<'_>) -> Result<(), StorageError> {
        if columns.first != self.next {
            return Ok(());
        }
        for (entry, place) in (0..columns.len()).filter_map(|index| columns.entry(index)).zip(self.next..) {
            self.add_event(&entry, place)?;
            self.next = place + 1;
        }
        Ok(())
    }

    fn add_event(&mut self, entry: &Entry, place: u64) -> Result<(), StorageError> {
        self.directory.names = self.directory.names.max(entry.name.saturating_add(1));
        self.add_to(Label::of(Kind::Type, entry.tenant, entry.name), place)?;
        for (kind, hash) in [(Kind::Pipeline, entry.pipeline), (Kind::Run, entry.run)] {
            // Zero stands for none.
            if hash != 0 {
                self.add_to(Label::of(kind, entry.tenant, hash), place)?;
            }
        }
        Ok(())
    }

    fn add_to(&mut self, label: Label, place: u64) -> Result<(), StorageError> {
        let begin = |before| Open { first: place, last: place, chunk: Chunk::new(before) };
        let open = self.lists.entry(label.list).or_insert_with(|| begin(NONE_BEFORE));
        if open.chunk.is_full() {
            open.chunk.after = place;
            self.table.insert((label.list, open.first), &*open.chunk.encode(label.list, open.first))?;
            *open = begin(open.first);
        }
        open.chunk.push((place - open.last) as u32, label.mark);
        open.last = place;
        Ok(())
    }

    /// Whether every event up to here was listed.
    pub(in crate::log::redb) fn tells_of_all(&self, last_sequence: u64) -> bool {
        self.next > last_sequence
    }

    /// How many types the listed events are of.
    pub(in crate::log::redb) fn names(&self) -> u32 {
        self.directory.names
    }

    /// Stores what is left. The directory, without which nothing is read, comes only when every place is listed.
    pub(in crate::log::redb) fn finish(mut self, last_sequence: u64) -> Result<(), redb::Error> {
        for (list, open) in &self.lists {
            self.table.insert((*list, open.first), &*open.chunk.encode(*list, open.first))?;
            self.directory.insert(*list);
        }
        let is_whole = self.tells_of_all(last_sequence);
        drop(self.table);
        if is_whole {
            let directory = to_checked_json(DIRECTORY, &self.directory);
            self.transaction.open_table(ABOUT)?.insert(DIRECTORY, &*directory)?;
        }
        Ok(())
    }
}
