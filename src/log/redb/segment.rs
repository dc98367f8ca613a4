//! One file of the log: events with their columns and names, the journal of its commits, attempts, given ids.
//!
//! A segment is written while it is the newest, then sealed: it gets its summary, is closed cleanly and from
//! then on only read, so that a crash never has to repair it. Its sequences are dense.

use super::disk::{Disk, Handle, OpenError, UNFINISHED, open_again};
use super::fault::ReadFault;
use super::schema::{
    ABOUT, ATTEMPTS, About, COLUMNS, EVENTS, FORMAT, IDS, INVOCATIONS, JOURNAL, KEYS, NAMES,
    from_checked_json, to_checked_json, unchecked,
};
use super::summary::{self, Summary};
use crate::log::LogError;
use redb::{Database, Durability, ReadTransaction, ReadableTable, TableError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, RwLock};

/// Cache of a segment that is only read now and then.
const SEALED_CACHE: usize = 4 << 20;

/// So often a read opens a file that somebody closes.
const REOPENED: u32 = 3;

/// Numbers of types beyond this are damage.
const MOST_NAMES: usize = 1 << 21;

/// The name of the file of a segment.
pub(super) fn file_name(first_sequence: u64) -> String {
    format!("log-{first_sequence:020}.redb")
}

/// Reads a file name back.
pub(super) fn first_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("log-")?.strip_suffix(".redb")?;
    (digits.len() == 20).then(|| digits.parse().ok()).flatten()
}

/// A segment that can be read.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) about: About,
    pub(super) file: String,
    state: RwLock<State>,
    /// Apart from the state, which readers hold for as long as they read.
    counted: RwLock<Counted>,
}

#[derive(Debug, Default)]
struct State {
    handle: Option<Handle>,
    summary: Option<Arc<Summary>>,
    /// Why nothing of it can be read.
    lost: Option<String>,
    /// Why it is not opened any more.
    ended: Option<Ended>,
}

/// What of the file counts.
#[derive(Debug)]
struct Counted {
    /// Types by number.
    names: Arc<Vec<Box<str>>>,
    /// The last event and commit that count; what the file holds beyond was never acknowledged.
    last_sequence: u64,
    last_commit: u64,
}

/// Why a segment is never opened again.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ended {
    /// Retention removes it.
    Trimmed,
    /// The log is closed: somebody else may have the file.
    Closed,
}

impl Segment {
    fn of(about: About, state: State, names: Vec<Box<str>>, last: (u64, u64)) -> Self {
        let counted = Counted { names: Arc::new(names), last_sequence: last.0, last_commit: last.1 };
        let file = file_name(about.first_sequence);
        Self { about, file, state: RwLock::new(state), counted: RwLock::new(counted) }
    }

    pub(super) fn new(about: About, handle: Handle, names: Vec<Box<str>>, last: (u64, u64)) -> Self {
        Self::of(about, State { handle: Some(handle), ..State::default() }, names, last)
    }

    pub(super) fn sealed(about: About, names: Vec<Box<str>>, summary: Summary) -> Self {
        let last = (summary.sealed.last_sequence, summary.sealed.last_commit);
        Self::of(about, State { summary: Some(Arc::new(summary)), ..State::default() }, names, last)
    }

    /// A segment that is known by its neighbours alone: up to `last` there were events and commits.
    pub(super) fn lost(about: About, last: (u64, u64), why: String) -> Self {
        Self::of(about, State { lost: Some(why), ..State::default() }, Vec::new(), last)
    }

    pub(super) fn is_lost(&self) -> bool {
        self.read_state(|state| state.lost.is_some())
    }

    fn read_state<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write_state<T>(&self, write: impl FnOnce(&mut State) -> T) -> T {
        write(&mut self.state.write().unwrap_or_else(PoisonError::into_inner))
    }

    fn read_counted<T>(&self, read: impl FnOnce(&Counted) -> T) -> T {
        read(&self.counted.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Its last event, or when it has none the place before its first one.
    pub(super) fn last_sequence(&self) -> u64 {
        self.read_counted(|counted| counted.last_sequence)
    }

    pub(super) fn has_events(&self) -> bool {
        self.last_sequence() >= self.about.first_sequence
    }

    /// Its last event, or when it has none the last one before it.
    pub(super) fn last_event(&self) -> u64 {
        if self.has_events() { self.last_sequence() } else { self.about.previous_last_sequence }
    }

    pub(super) fn last_commit(&self) -> u64 {
        self.read_counted(|counted| counted.last_commit)
    }

    pub(super) fn names(&self) -> Arc<Vec<Box<str>>> {
        self.read_counted(|counted| Arc::clone(&counted.names))
    }

    pub(super) fn summary(&self) -> Option<Arc<Summary>> {
        self.read_state(|state| state.summary.clone())
    }

    /// A commit became durable.
    pub(super) fn advance(&self, last_sequence: u64, last_commit: u64, new_names: &[Box<str>]) {
        let mut counted = self.counted.write().unwrap_or_else(PoisonError::into_inner);
        counted.last_sequence = last_sequence;
        counted.last_commit = last_commit;
        if !new_names.is_empty() {
            Arc::make_mut(&mut counted.names).extend_from_slice(new_names);
        }
    }

    /// Closes the file; the next read opens it again, read-only.
    pub(super) fn close(&self) {
        self.write_state(|state| state.handle = None);
    }

    /// Closes the file for good.
    pub(super) fn end(&self, ended: Ended) {
        self.write_state(|state| (state.handle, state.ended) = (None, Some(ended)));
    }

    pub(super) fn is_open(&self) -> bool {
        self.read_state(|state| state.handle.is_some())
    }

    /// The writer's work on the open file.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, redb::Error> {
        let guard = self.state.read().unwrap_or_else(PoisonError::into_inner);
        match &guard.handle {
            Some(Handle::Writable(database)) => {
                // A panic of the store must not take the writer with it: after one nobody trusts the handle.
                let worked = catch_unwind(AssertUnwindSafe(|| work(database)));
                worked.unwrap_or_else(|_| Err(redb::Error::Corrupted("the store panicked".to_owned())))
            }
            _ => Err(redb::Error::DatabaseClosed),
        }
    }

    /// Reads in one short transaction. Panics of the store on damaged pages become an error.
    pub(super) fn read<T>(
        &self,
        disk: &dyn Disk,
        work: impl FnOnce(&ReadTransaction) -> Result<T, ReadFault>,
    ) -> Result<T, ReadFault> {
        // It may be closed again in between.
        for _ in 0..REOPENED {
            if !self.is_open() {
                self.reopen(disk).map_err(|fault| fault.within(&self.file))?;
            }
            let guard = self.state.read().unwrap_or_else(PoisonError::into_inner);
            let Some(handle) = &guard.handle else { continue };
            let worked = catch_unwind(AssertUnwindSafe(|| work(&handle.begin_read()?)));
            let worked = worked.unwrap_or_else(|_| Err(ReadFault::Damaged("the store panicked".to_owned())));
            drop(guard);
            if matches!(worked, Err(ReadFault::Store(_))) && self.summary().is_some() {
                // The store answers nothing more on a handle that failed.
                self.close();
            }
            return worked.map_err(|fault| fault.within(&self.file));
        }
        Err(ReadFault::Store(format!("{} was closed", self.file)))
    }

    fn reopen(&self, disk: &dyn Disk) -> Result<(), ReadFault> {
        self.open_by(|| open_full(disk, &self.file, SEALED_CACHE), Option::is_some)
    }

    /// For the summary. A reader may have opened it read-only.
    fn reopen_writable(&self, disk: &dyn Disk) -> Result<(), ReadFault> {
        let is_writable = |handle: &Option<Handle>| matches!(handle, Some(Handle::Writable(_)));
        self.open_by(|| open_writable(disk, &self.file, SEALED_CACHE), is_writable)
    }

    fn open_by(
        &self,
        open: impl FnOnce() -> Result<Handle, ReadFault>,
        is_open: impl FnOnce(&Option<Handle>) -> bool,
    ) -> Result<(), ReadFault> {
        self.write_state(|state| {
            match (state.ended, &state.lost) {
                (Some(Ended::Trimmed), _) => return Err(ReadFault::Trimmed),
                (Some(Ended::Closed), _) => return Err(ReadFault::Store("the log is closed".to_owned())),
                (None, Some(why)) => return Err(ReadFault::Damaged(why.clone())),
                (None, None) => {}
            }
            if !is_open(&state.handle) {
                state.handle = None;
                let opened = catch_unwind(AssertUnwindSafe(open));
                let panicked = |_| Err(ReadFault::Damaged("the store panicked on opening it".to_owned()));
                state.handle = Some(opened.unwrap_or_else(panicked)?);
            }
            Ok(())
        })
    }

    /// Makes the summary of a segment that will not be written again, stores it in the file and closes it. A handle that
    /// failed would fail its readers for ever: it is closed too.
    pub(super) fn seal(&self, disk: &dyn Disk) -> Result<(), redb::Error> {
        let last = (self.last_sequence(), self.last_commit());
        self.reopen_writable(disk)
            .map_err(|error| redb::Error::Corrupted(LogError::from(error).to_string()))?;
        let summary = self.write(|database| summary::store(database, self.about.first_sequence, last));
        self.close();
        let summary = Arc::new(summary?);
        self.write_state(|state| state.summary = Some(summary));
        Ok(())
    }
}

/// Opens a file that is not written any more. One that was not closed cleanly has to be repaired first.
pub(super) fn open_full(disk: &dyn Disk, file: &str, cache_bytes: usize) -> Result<Handle, ReadFault> {
    disk.open_sealed(file, cache_bytes).or_else(|error| {
        if is_there(disk, file) { open_writable(disk, file, cache_bytes) } else { Err(error.into()) }
    })
}

fn open_writable(disk: &dyn Disk, file: &str, cache_bytes: usize) -> Result<Handle, ReadFault> {
    // Opening a file that is not there would make it.
    if !is_there(disk, file) {
        return Err(ReadFault::Damaged("it is not there".to_owned()));
    }
    Ok(Handle::Writable(open_again(disk, file, cache_bytes)?))
}

fn is_there(disk: &dyn Disk, file: &str) -> bool {
    disk.names().is_ok_and(|names| names.iter().any(|name| name == file))
}

/// Makes every table and the header of a new segment, durably.
pub(super) fn create(disk: &dyn Disk, about: About, cache_bytes: usize) -> Result<Segment, redb::Error> {
    let file = file_name(about.first_sequence);
    let unfinished = format!("{file}{UNFINISHED}");
    // An attempt that failed before may have left anything there.
    if disk.names()?.contains(&unfinished) {
        disk.remove(&unfinished)?;
    }
    let database = disk.open(&unfinished, cache_bytes)?;
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    {
        transaction.open_table(EVENTS)?;
        transaction.open_table(COLUMNS)?;
        transaction.open_table(NAMES)?;
        transaction.open_table(JOURNAL)?;
        transaction.open_table(IDS)?;
        transaction.open_table(KEYS)?;
        transaction.open_table(ATTEMPTS)?;
        transaction.open_table(INVOCATIONS)?;
        transaction.open_table(ABOUT)?.insert("about", to_checked_json("about", &about).as_slice())?;
    }
    transaction.commit()?;
    disk.publish(&unfinished, &file)?;
    let last = (about.first_sequence - 1, about.first_commit - 1);
    Ok(Segment::new(about, Handle::Writable(database), Vec::new(), last))
}

/// What a file says about itself when the log is opened.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) about: About,
    pub(super) names: Vec<Box<str>>,
    /// The last event and commit in the file, whether they count or not.
    pub(super) last_sequence: u64,
    pub(super) last_commit: u64,
    pub(super) summary: Option<Summary>,
}

/// Reads the header of a segment file; `None` when it was being made when the process ended.
pub(super) fn read_about(file: &str, handle: &Handle) -> Result<Option<Found>, OpenError> {
    let damaged = |detail: String| OpenError::File { file: file.to_owned(), detail };
    let read = catch_unwind(AssertUnwindSafe(|| read_found(handle)));
    let found = read.map_err(|_| damaged("the store panicked on reading it".to_owned()))?;
    let Some(found) = found.map_err(|error| ReadFault::from(error).of_file(file))? else {
        return Ok(None);
    };
    if found.about.format != FORMAT {
        let format = found.about.format;
        return Err(OpenError::Format { file: file.to_owned(), found: format, expected: FORMAT });
    }
    Ok(Some(found))
}

fn read_found(handle: &Handle) -> Result<Option<Found>, redb::Error> {
    let transaction = handle.begin_read()?;
    let about = match transaction.open_table(ABOUT) {
        Ok(about) => about,
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let Some(header) = about.get("about")? else {
        return Ok(None);
    };
    let unreadable = || redb::Error::Corrupted("its header cannot be read".to_owned());
    let header: About = from_checked_json("about", header.value()).ok_or_else(unreadable)?;
    let names = read_names(&transaction)?;
    let last_sequence = transaction.open_table(EVENTS)?.last()?.map(|(sequence, _)| sequence.value());
    let last_commit = transaction.open_table(JOURNAL)?.last()?.map(|(commit, _)| commit.value());
    Ok(Some(Found {
        about: header,
        names,
        last_sequence: last_sequence.unwrap_or(header.first_sequence - 1),
        last_commit: last_commit.unwrap_or(header.first_commit - 1),
        summary: summary::read(&transaction)?,
    }))
}

/// Types by number; one that cannot be read is left empty, which every filter lets through.
fn read_names(transaction: &ReadTransaction) -> Result<Vec<Box<str>>, redb::Error> {
    let mut names: Vec<Box<str>> = Vec::new();
    for row in transaction.open_table(NAMES)?.iter()? {
        let (number, row) = row?;
        let number = number.value();
        let at = number as usize;
        // No file has more types than events.
        if names.len() <= at && at <= MOST_NAMES {
            names.resize(at + 1, "".into());
        }
        let name =
            unchecked(&number.to_le_bytes(), row.value()).and_then(|name| std::str::from_utf8(name).ok());
        if let (Some(name), Some(kept)) = (name, names.get_mut(at)) {
            *kept = name.into();
        }
    }
    Ok(names)
}
