//! Opening the log: which files there are, what of them counts, and what the last checkpoint lacks.

use super::control::{Checkpoint, Control, Dirty};
use super::disk::{Disk, Handle, OpenError, UNFINISHED};
use super::journal;
use super::schema::{About, FORMAT, JOURNAL};
use super::segment::{self, Found, Segment};
use super::shared::Shared;
use crate::log::{Bounds, Tail};
use crate::model::Sequence;
use arc_swap::ArcSwap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// An open log, before its threads run.
pub(super) struct Opened {
    pub(super) shared: Arc<Shared>,
    pub(super) control: Control,
    pub(super) dirty: Dirty,
    /// Full segments that have no summary yet.
    pub(super) unsealed: Vec<Arc<Segment>>,
}

/// Opens what is there, or begins a new log.
pub(super) fn open(disk: Arc<dyn Disk>, cache_bytes: usize, tail_bytes: usize) -> Result<Opened, OpenError> {
    remove_unfinished(&*disk)?;
    let (control, checkpoint) = Control::open(&*disk)?;
    let segments = open_segments(&*disk, &checkpoint, cache_bytes)?;
    let unsealed = segments[..segments.len() - 1].iter().filter(|segment| segment.summary().is_none());
    let unsealed: Vec<_> = unsealed.cloned().collect();
    let head = Sequence(segments.last().map_or(0, |segment| segment.last_sequence()));
    let first = Sequence(segments.first().map_or(1, |segment| segment.about.first_sequence));
    let Checkpoint { commit, oldest, management, kept } = checkpoint;
    let version = management.version;
    let shared = Shared {
        disk,
        segments: ArcSwap::from_pointee(segments),
        tail: Tail::new(tail_bytes, head),
        bounds: watch::Sender::new(Bounds { oldest: oldest.max(first), head }),
        management: ArcSwap::from_pointee(management),
        management_version: watch::Sender::new(version),
        kept: Mutex::new(kept),
        trouble: Mutex::new(None),
        commits: AtomicU64::new(0),
        corrupt: AtomicU64::new(0),
    };
    let mut dirty = Dirty::default();
    replay(&shared, commit, &mut dirty)?;
    Ok(Opened { shared: Arc::new(shared), control, dirty, unsealed })
}

/// Removes files that were being made when the process ended: nothing in them was ever acknowledged.
fn remove_unfinished(disk: &dyn Disk) -> Result<(), OpenError> {
    let failed = |file: &str, error: std::io::Error| OpenError::File {
        file: file.to_owned(),
        detail: error.to_string(),
    };
    let names = disk.names().map_err(|error| failed("the listing", error))?;
    for name in names.iter().filter(|name| name.ends_with(UNFINISHED) && name.contains(".redb")) {
        disk.remove(name).map_err(|error| failed(name, error))?;
    }
    Ok(())
}

fn open_segments(
    disk: &dyn Disk,
    checkpoint: &Checkpoint,
    cache_bytes: usize,
) -> Result<Vec<Arc<Segment>>, OpenError> {
    let mut firsts: Vec<u64> = list(disk)?;
    firsts.sort_unstable();
    let mut found = Vec::with_capacity(firsts.len());
    let newest = firsts.last().copied();
    for first in firsts {
        let file = segment::file_name(first);
        let (about, handle) = open_file(disk, &file, cache_bytes, Some(first) == newest)?;
        match about {
            Some(about) if about.about.first_sequence == first => found.push((about, handle)),
            Some(_) => {
                let detail = "its name and its header disagree".to_owned();
                return Err(OpenError::File { file, detail });
            }
            None => {
                let detail = "it is a database, but not a segment".to_owned();
                return Err(OpenError::File { file, detail });
            }
        }
    }
    if found.is_empty() {
        let about = About {
            format: FORMAT,
            first_sequence: checkpoint.oldest.0.max(1),
            first_commit: checkpoint.commit + 1,
            previous_last_sequence: 0,
            previous_last_commit: 0,
        };
        return begin(disk, about, cache_bytes).map(|segment| vec![segment]);
    }
    chain(disk, found, cache_bytes)
}

fn list(disk: &dyn Disk) -> Result<Vec<u64>, OpenError> {
    let names = disk
        .names()
        .map_err(|error| OpenError::File { file: "the listing".to_owned(), detail: error.to_string() })?;
    Ok(names.iter().filter_map(|name| segment::first_of(name)).collect())
}

fn open_file(
    disk: &dyn Disk,
    file: &str,
    cache_bytes: usize,
    is_newest: bool,
) -> Result<(Option<Found>, Option<Handle>), OpenError> {
    let damaged =
        |error: redb::DatabaseError| OpenError::File { file: file.to_owned(), detail: error.to_string() };
    let handle = if is_newest {
        disk.open(file, cache_bytes).map(Handle::Writable)
    } else {
        disk.open_sealed(file, cache_bytes).or_else(|_| disk.open(file, cache_bytes).map(Handle::Writable))
    };
    let handle = handle.map_err(damaged)?;
    let found = segment::read_about(file, &handle)?;
    Ok((found, is_newest.then_some(handle)))
}

fn begin(disk: &dyn Disk, about: About, cache_bytes: usize) -> Result<Arc<Segment>, OpenError> {
    let made = segment::create(disk, about, cache_bytes);
    made.map(Arc::new).map_err(|error| OpenError::File {
        file: segment::file_name(about.first_sequence),
        detail: error.to_string(),
    })
}

/// Each segment counts only up to where its successor says that it was acknowledged.
fn chain(
    disk: &dyn Disk,
    found: Vec<(Found, Option<Handle>)>,
    cache_bytes: usize,
) -> Result<Vec<Arc<Segment>>, OpenError> {
    let cuts: Vec<(u64, u64)> = found
        .iter()
        .skip(1)
        .map(|(next, _)| (next.about.previous_last_sequence, next.about.previous_last_commit))
        .collect();
    let mut segments = Vec::with_capacity(found.len());
    for (index, (one, handle)) in found.into_iter().enumerate() {
        let (sequence, commit) = cuts.get(index).copied().unwrap_or((u64::MAX, u64::MAX));
        let last = (one.last_sequence.min(sequence), one.last_commit.min(commit));
        let is_newest = index == cuts.len();
        let segment = match (handle, one.summary) {
            (None, Some(summary)) if summary.sealed.last_sequence == last.0 => {
                Segment::sealed(one.about, one.names, summary)
            }
            (Some(handle), _) => Segment::new(one.about, handle, one.names, last),
            (None, _) => {
                let file = segment::file_name(one.about.first_sequence);
                let opened = disk.open(&file, cache_bytes).map(Handle::Writable);
                let opened = opened.map_err(|error| OpenError::File { file, detail: error.to_string() })?;
                Segment::new(one.about, opened, one.names, last)
            }
        };
        debug_assert!(!is_newest || segment.is_open(), "the newest segment is open for writing");
        segments.push(Arc::new(segment));
    }
    Ok(segments)
}

/// Applies the journals of every commit after the checkpoint.
fn replay(shared: &Shared, checkpoint: u64, dirty: &mut Dirty) -> Result<(), OpenError> {
    for segment in shared.segments.load().iter().filter(|segment| segment.last_commit() > checkpoint) {
        let range = checkpoint + 1..=segment.last_commit();
        let entries = segment.read(&*shared.disk, |transaction| {
            let mut entries = Vec::new();
            for row in transaction.open_table(JOURNAL)?.range(range)? {
                let (commit, row) = row?;
                let decoded = journal::decode(commit.value(), row.value());
                let unreadable = || {
                    segment::ReadFault::Store(format!("the journal of commit {} is damaged", commit.value()))
                };
                entries.extend(decoded.ok_or_else(unreadable)?);
            }
            Ok(entries)
        });
        let entries = entries
            .map_err(|error| OpenError::File { file: segment.file.clone(), detail: error.to_string() })?;
        if let Some(oldest) = shared.apply(&entries, dirty) {
            shared.bounds.send_modify(|bounds| bounds.oldest = bounds.oldest.max(oldest));
        }
    }
    Ok(())
}
