//! Opening the log: which files there are, what of them counts, and what the last checkpoint lacks.

use super::control::{Checkpoint, Control, Dirty};
use super::disk::{Disk, Handle, OpenError, UNFINISHED, open_again};
use super::fault::ReadFault;
use super::journal;
use super::schema::{About, FORMAT, JOURNAL};
use super::segment::{self, Found, Segment};
use super::shared::Shared;
use crate::log::{Bounds, LogError, Tail};
use crate::model::Sequence;
use arc_swap::ArcSwap;
use std::panic::{AssertUnwindSafe, catch_unwind};
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
    refuse_rolled_back(&segments, &checkpoint)?;
    let full = segments[..segments.len() - 1].iter();
    let unsealed = full.filter(|segment| segment.summary().is_none() && !segment.is_lost());
    let unsealed: Vec<_> = unsealed.cloned().collect();
    let head = Sequence(segments.last().map_or(0, |segment| segment.last_sequence()));
    let Checkpoint { commit, oldest, management, kept } = checkpoint;
    let version = management.version;
    let shared = Shared {
        disk,
        segments: ArcSwap::from_pointee(segments),
        tail: Tail::new(tail_bytes, head),
        // Places between it and the first file were never acknowledged; what is lost is a segment of its own.
        bounds: watch::Sender::new(Bounds { oldest, head }),
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

/// What the checkpoint has is never newer than the newest file, unless that is gone: its places must not be given again.
fn refuse_rolled_back(segments: &[Arc<Segment>], checkpoint: &Checkpoint) -> Result<(), OpenError> {
    let newest = segments.last().filter(|newest| newest.last_commit() < checkpoint.commit);
    newest.map_or(Ok(()), |newest| {
        let detail =
            "it is older than control.redb says: a newer file is missing; restore it, or a backup".to_owned();
        Err(OpenError::File { file: newest.file.clone(), detail })
    })
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

/// A file as it was found. Of one that cannot be read there is only the reason.
struct File {
    first: u64,
    found: Result<(Found, Option<Handle>), String>,
}

/// The newest file must be whole: it is written on. Of the others what is damaged is left out and named. What the system
/// refuses to read may be whole: it is no reason to pass its events over.
fn open_segments(
    disk: &dyn Disk,
    checkpoint: &Checkpoint,
    cache_bytes: usize,
) -> Result<Vec<Arc<Segment>>, OpenError> {
    let mut firsts: Vec<u64> = list(disk)?;
    firsts.sort_unstable();
    let newest = firsts.last().copied();
    let mut files = Vec::with_capacity(firsts.len());
    for first in firsts {
        let opened = open_file(disk, first, cache_bytes, Some(first) == newest);
        let found = match opened {
            Ok(found) => Ok(found),
            Err(OpenError::File { file, detail }) if Some(first) != newest => {
                tracing::error!(%file, %detail, "a file of the log cannot be read: its events are lost");
                Err(format!("{file}: {detail}"))
            }
            Err(error) => return Err(error),
        };
        files.push(File { first, found });
    }
    if files.is_empty() && checkpoint.commit > 0 {
        let detail = "there is none, but control.redb knows of commits: restore them, or a backup".to_owned();
        return Err(OpenError::File { file: "log-*.redb".to_owned(), detail });
    }
    if files.is_empty() {
        let about = About {
            format: FORMAT,
            first_sequence: checkpoint.oldest.0.max(1),
            first_commit: checkpoint.commit + 1,
            previous_last_sequence: 0,
            previous_last_commit: 0,
        };
        return begin(disk, about, cache_bytes).map(|segment| vec![segment]);
    }
    chain(disk, files, checkpoint, cache_bytes)
}

fn list(disk: &dyn Disk) -> Result<Vec<u64>, OpenError> {
    let names = disk
        .names()
        .map_err(|error| OpenError::File { file: "the listing".to_owned(), detail: error.to_string() })?;
    Ok(names.iter().filter_map(|name| segment::first_of(name)).collect())
}

fn open_file(
    disk: &dyn Disk,
    first: u64,
    cache_bytes: usize,
    is_newest: bool,
) -> Result<(Found, Option<Handle>), OpenError> {
    let file = segment::file_name(first);
    let damaged = |detail: String| OpenError::File { file: file.clone(), detail };
    let open = || {
        if is_newest {
            return Ok(Handle::Writable(open_again(disk, &file, cache_bytes)?));
        }
        segment::open_full(disk, &file, cache_bytes)
    };
    let opened = catch_unwind(AssertUnwindSafe(open));
    let panicked = |_| Err(ReadFault::Damaged("the store panicked on opening it".to_owned()));
    let handle = opened.unwrap_or_else(panicked).map_err(|fault| fault.of_file(&file))?;
    match segment::read_about(&file, &handle)? {
        Some(found) if found.about.first_sequence == first => Ok((found, is_newest.then_some(handle))),
        Some(_) => Err(damaged("its name and its header disagree".to_owned())),
        None => Err(damaged("it is a database, but not a segment".to_owned())),
    }
}

fn begin(disk: &dyn Disk, about: About, cache_bytes: usize) -> Result<Arc<Segment>, OpenError> {
    let made = segment::create(disk, about, cache_bytes);
    made.map(Arc::new).map_err(|error| OpenError::File {
        file: segment::file_name(about.first_sequence),
        detail: error.to_string(),
    })
}

/// Each segment counts only up to where its successor says that it was acknowledged. What the successor knows of and
/// nobody has is lost.
fn chain(
    disk: &dyn Disk,
    files: Vec<File>,
    checkpoint: &Checkpoint,
    cache_bytes: usize,
) -> Result<Vec<Arc<Segment>>, OpenError> {
    let cuts: Vec<Option<(u64, u64)>> = (1..=files.len()).map(|next| cut_of(&files[next..])).collect();
    let mut segments: Vec<Arc<Segment>> = Vec::with_capacity(files.len());
    // Up to here every place is accounted for.
    let mut known = checkpoint.oldest.0.saturating_sub(1);
    for (file, cut) in files.into_iter().zip(cuts) {
        let before = match &file.found {
            Ok((found, _)) => Some((found.about.previous_last_sequence, found.about.previous_last_commit)),
            Err(_) => None,
        };
        if let Some((sequence, commit)) = before
            && sequence > known
        {
            let why = format!("the file with events {} to {sequence} is missing or cut off", known + 1);
            tracing::error!(%why, "events are lost");
            segments.push(Arc::new(lost(known + 1, (sequence, commit), why)));
        }
        let cut = cut.unwrap_or((u64::MAX, u64::MAX));
        let segment = match file.found {
            Ok((found, handle)) => counted(disk, found, handle, cut, cache_bytes)?,
            Err(why) => lost(file.first, cut, why),
        };
        known = known.max(segment.last_sequence());
        segments.push(Arc::new(segment));
    }
    Ok(segments)
}

/// Up to where a file counts, as the next one says; one that cannot be read says at least where it begins.
fn cut_of(later: &[File]) -> Option<(u64, u64)> {
    let commit = later.iter().find_map(|file| file.found.as_ref().ok());
    let commit = commit?.0.about.previous_last_commit;
    later.first().map(|next| match &next.found {
        Ok((next, _)) => (next.about.previous_last_sequence, commit),
        Err(_) => (next.first - 1, commit),
    })
}

fn lost(first: u64, last: (u64, u64), why: String) -> Segment {
    let about = About {
        format: FORMAT,
        first_sequence: first,
        first_commit: 0,
        previous_last_sequence: 0,
        previous_last_commit: 0,
    };
    Segment::lost(about, last, why)
}

fn counted(
    disk: &dyn Disk,
    found: Found,
    handle: Option<Handle>,
    (sequence, commit): (u64, u64),
    cache_bytes: usize,
) -> Result<Segment, OpenError> {
    let before = found.about.first_sequence - 1;
    let last = (found.last_sequence.min(sequence).max(before), found.last_commit.min(commit));
    Ok(match (handle, found.summary) {
        (None, Some(summary)) if summary.sealed.last_sequence == last.0 => {
            Segment::sealed(found.about, found.names, summary)
        }
        (Some(handle), _) => Segment::new(found.about, handle, found.names, last),
        (None, _) => {
            let file = segment::file_name(found.about.first_sequence);
            let opened = open_again(disk, &file, cache_bytes).map(Handle::Writable);
            let opened = opened.map_err(|error| OpenError::File { file, detail: error.to_string() })?;
            Segment::new(found.about, opened, found.names, last)
        }
    })
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
                let unreadable =
                    || ReadFault::Damaged(format!("the journal of commit {} is damaged", commit.value()));
                entries.extend(decoded.ok_or_else(unreadable)?);
            }
            Ok(entries)
        });
        let entries = entries
            .map_err(|fault| LogError::from(fault).to_string())
            .map_err(|detail| OpenError::File { file: segment.file.clone(), detail })?;
        if let Some(oldest) = shared.apply(&entries, dirty) {
            shared.bounds.send_modify(|bounds| bounds.oldest = bounds.oldest.max(oldest));
        }
    }
    Ok(())
}
