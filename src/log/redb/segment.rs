//! One file of the log: events with their columns and names, the journal of its commits, attempts, given ids.
//!
//! A segment is written while it is the newest, then sealed: it gets its summary, is closed cleanly and from
//! then on only read, so that a crash never has to repair it. Its sequences are dense.

use super::bloom::Bloom;
use super::columns::{Columns, pipeline_key, run_key};
use super::disk::{Disk, Handle, OpenError, UNFINISHED};
use super::fault::ReadFault;
use super::schema::{
    ABOUT, ATTEMPTS, About, COLUMNS, EVENTS, FORMAT, IDS, INVOCATIONS, JOURNAL, KEYS, NAMES, Sealed,
    from_checked_json, to_checked_json, unchecked,
};
use crate::log::LogError;
use redb::{Database, Durability, ReadTransaction, ReadableTable, ReadableTableMetadata, TableError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, RwLock};

/// Cache of a segment that is only read now and then.
const SEALED_CACHE: usize = 4 << 20;

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
}

#[derive(Debug)]
struct State {
    handle: Option<Handle>,
    /// Types by number.
    names: Arc<Vec<Box<str>>>,
    /// The last event and commit that count; what the file holds beyond was never acknowledged.
    last_sequence: u64,
    last_commit: u64,
    summary: Option<Arc<Summary>>,
    /// Why nothing of it can be read.
    lost: Option<String>,
}

/// What is known of a sealed segment without opening it.
#[derive(Debug)]
pub(super) struct Summary {
    pub(super) sealed: Sealed,
    /// Hashes of given ids and idempotency keys.
    pub(super) ids: Bloom,
    /// Hashes of pipelines and runs.
    pub(super) labels: Bloom,
}

impl Segment {
    pub(super) fn new(about: About, handle: Handle, names: Vec<Box<str>>, last: (u64, u64)) -> Self {
        let state = State {
            handle: Some(handle),
            names: Arc::new(names),
            last_sequence: last.0,
            last_commit: last.1,
            summary: None,
            lost: None,
        };
        Self { about, file: file_name(about.first_sequence), state: RwLock::new(state) }
    }

    pub(super) fn sealed(about: About, names: Vec<Box<str>>, summary: Summary) -> Self {
        let state = State {
            handle: None,
            names: Arc::new(names),
            last_sequence: summary.sealed.last_sequence,
            last_commit: summary.sealed.last_commit,
            summary: Some(Arc::new(summary)),
            lost: None,
        };
        Self { about, file: file_name(about.first_sequence), state: RwLock::new(state) }
    }

    /// A segment that is known by its neighbours alone: up to `last` there were events and commits.
    pub(super) fn lost(about: About, last: (u64, u64), why: String) -> Self {
        let state = State {
            handle: None,
            names: Arc::default(),
            last_sequence: last.0,
            last_commit: last.1,
            summary: None,
            lost: Some(why),
        };
        Self { about, file: file_name(about.first_sequence), state: RwLock::new(state) }
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

    pub(super) fn last_sequence(&self) -> u64 {
        self.read_state(|state| state.last_sequence)
    }

    pub(super) fn last_commit(&self) -> u64 {
        self.read_state(|state| state.last_commit)
    }

    pub(super) fn names(&self) -> Arc<Vec<Box<str>>> {
        self.read_state(|state| Arc::clone(&state.names))
    }

    pub(super) fn summary(&self) -> Option<Arc<Summary>> {
        self.read_state(|state| state.summary.clone())
    }

    /// A commit became durable.
    pub(super) fn advance(&self, last_sequence: u64, last_commit: u64, new_names: &[Box<str>]) {
        self.write_state(|state| {
            state.last_sequence = last_sequence;
            state.last_commit = last_commit;
            if !new_names.is_empty() {
                Arc::make_mut(&mut state.names).extend_from_slice(new_names);
            }
        });
    }

    /// Closes the file; the next read opens it again, read-only.
    pub(super) fn close(&self) {
        self.write_state(|state| state.handle = None);
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
        if !self.is_open() {
            self.reopen(disk).map_err(|fault| fault.within(&self.file))?;
        }
        let guard = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let Some(handle) = &guard.handle else {
            return Err(ReadFault::Store(format!("{} was closed", self.file)));
        };
        let worked = catch_unwind(AssertUnwindSafe(|| work(&handle.begin_read()?)));
        let worked = worked.unwrap_or_else(|_| Err(ReadFault::Damaged("the store panicked".to_owned())));
        worked.map_err(|fault| fault.within(&self.file))
    }

    fn reopen(&self, disk: &dyn Disk) -> Result<(), ReadFault> {
        self.write_state(|state| {
            if let Some(why) = &state.lost {
                return Err(ReadFault::Damaged(why.clone()));
            }
            if state.handle.is_none() {
                let opened = catch_unwind(AssertUnwindSafe(|| open_full(disk, &self.file, SEALED_CACHE)));
                let panicked = |_| Err(ReadFault::Damaged("the store panicked on opening it".to_owned()));
                state.handle = Some(opened.unwrap_or_else(panicked)?);
            }
            Ok(())
        })
    }

    /// Makes the summary of a segment that will not be written again, stores it in the file and closes it.
    pub(super) fn seal(&self, disk: &dyn Disk) -> Result<(), redb::Error> {
        let (last_sequence, last_commit) = self.read_state(|state| (state.last_sequence, state.last_commit));
        if !self.is_open() {
            self.reopen(disk).map_err(|error| redb::Error::Corrupted(LogError::from(error).to_string()))?;
        }
        let summary = self.write(|database| {
            let summary = summarise(database, last_sequence, last_commit)?;
            let transaction = database.begin_write()?;
            {
                let mut about = transaction.open_table(ABOUT)?;
                about.insert("sealed", to_checked_json("sealed", &summary.sealed).as_slice())?;
                about.insert("ids", summary.ids.to_bytes().as_slice())?;
                about.insert("labels", summary.labels.to_bytes().as_slice())?;
            }
            transaction.commit()?;
            Ok(summary)
        })?;
        self.write_state(|state| {
            state.summary = Some(Arc::new(summary));
            state.handle = None;
        });
        Ok(())
    }
}

fn summarise(database: &Database, last_sequence: u64, last_commit: u64) -> Result<Summary, redb::Error> {
    use redb::ReadableDatabase;
    let transaction = database.begin_read()?;
    let columns = transaction.open_table(COLUMNS)?;
    let items = transaction.open_table(EVENTS)?.len()? as usize;
    let mut sealed = Sealed {
        last_sequence,
        last_commit,
        row_bytes: transaction.open_table(EVENTS)?.stats()?.stored_bytes(),
        earliest: i64::MAX,
        latest: i64::MIN,
        newest_stored_at: 0,
    };
    let keys = transaction.open_table(KEYS)?;
    let mut ids = Bloom::for_items(items + keys.len()? as usize);
    let mut labels = std::collections::HashSet::new();
    for row in columns.iter()? {
        let (first, row) = row?;
        if first.value() > last_sequence {
            break;
        }
        let Some(columns) = Columns::read(first.value(), row.value()) else {
            continue;
        };
        sealed.newest_stored_at = sealed.newest_stored_at.max(columns.stored_at);
        for entry in (0..columns.len()).filter_map(|index| columns.entry(index)) {
            sealed.earliest = sealed.earliest.min(entry.micros);
            sealed.latest = sealed.latest.max(entry.micros);
            if entry.id != 0 {
                ids.insert(entry.id);
            }
            labels.insert(pipeline_key(entry.pipeline));
            labels.insert(run_key(entry.run));
        }
    }
    for key in keys.iter()? {
        ids.insert(key?.0.value());
    }
    let mut bloom = Bloom::for_items(labels.len());
    labels.into_iter().for_each(|label| bloom.insert(label));
    Ok(Summary { sealed, ids, labels: bloom })
}

/// Opens a file that is not written any more. One that was not closed cleanly has to be repaired first.
pub(super) fn open_full(disk: &dyn Disk, file: &str, cache_bytes: usize) -> Result<Handle, ReadFault> {
    disk.open_sealed(file, cache_bytes).or_else(|error| {
        // Opening a file that is not there would make it.
        if !disk.names().is_ok_and(|names| names.iter().any(|name| name == file)) {
            return Err(error.into());
        }
        Ok(Handle::Writable(disk.open(file, cache_bytes)?))
    })
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
    let Some(found) = found.map_err(|error| damaged(error.to_string()))? else {
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
        summary: read_summary(&transaction)?,
    }))
}

/// Types by number; one that cannot be read is left empty, which every filter lets through.
fn read_names(transaction: &ReadTransaction) -> Result<Vec<Box<str>>, redb::Error> {
    let mut names: Vec<Box<str>> = Vec::new();
    for row in transaction.open_table(NAMES)?.iter()? {
        let (number, row) = row?;
        let number = number.value();
        let name =
            unchecked(&number.to_le_bytes(), row.value()).and_then(|name| std::str::from_utf8(name).ok());
        if let Some(name) = name {
            let at = number as usize;
            if names.len() <= at {
                names.resize(at + 1, "".into());
            }
            names[at] = name.into();
        }
    }
    Ok(names)
}

/// `None` when the segment was never sealed, or its summary cannot be read: then it is sealed again.
fn read_summary(transaction: &ReadTransaction) -> Result<Option<Summary>, redb::Error> {
    let about = transaction.open_table(ABOUT)?;
    let (Some(sealed), Some(ids), Some(labels)) =
        (about.get("sealed")?, about.get("ids")?, about.get("labels")?)
    else {
        return Ok(None);
    };
    let sealed = from_checked_json("sealed", sealed.value());
    let blooms = Bloom::from_bytes(ids.value()).zip(Bloom::from_bytes(labels.value()));
    Ok(sealed.zip(blooms).map(|(sealed, (ids, labels))| Summary { sealed, ids, labels }))
}
