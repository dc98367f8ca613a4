//! Looking after a data folder: copies, checks, giving space back.

use super::disk::{Folder, OpenError, make_folder, open_again};
use super::{RESTORED, segment};
use crate::log::LogError;
use crate::model::Sequence;
use futures_executor::block_on;
use std::io;
use std::path::Path;

/// Cache of a file that is compacted.
const CACHE: usize = 64 << 20;

/// Told now and then: how much is done, of how much.
pub type Progress<'a> = &'a dyn Fn(u64, u64);

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Events that were read.
    pub events: u64,
    /// Events that are not what was written.
    pub corrupt: Vec<Sequence>,
}

/// Copies the log of a broker that does not run into a new folder, durably. Gives the bytes copied. A broker on
/// the copy goes on 2^32 sequences later, so that a place of the original is never taken for a newer event.
pub fn backup(from: &Path, to: &Path, progress: Progress<'_>) -> Result<u64, OpenError> {
    let folder = Folder::open(from)?;
    let failed = |source: io::Error| OpenError::Folder { path: to.to_owned(), source };
    if to.exists() {
        return Err(failed(io::ErrorKind::AlreadyExists.into()));
    }
    make_folder(to).map_err(failed)?;
    let files = log_files(from).map_err(failed)?;
    let total: u64 = files.iter().map(|(_, bytes)| bytes).sum();
    let mut copied = 0;
    for (name, _) in files {
        copied += std::fs::copy(from.join(&name), to.join(&name)).map_err(failed)?;
        std::fs::File::open(to.join(&name)).and_then(|file| file.sync_all()).map_err(failed)?;
        progress(copied, total);
    }
    std::fs::File::create(to.join(RESTORED)).and_then(|file| file.sync_all()).map_err(failed)?;
    std::fs::File::open(to).and_then(|folder| folder.sync_all()).map_err(failed)?;
    drop(folder);
    Ok(copied)
}

/// The files that make a log, with their sizes; the master key too, without which secrets cannot be opened.
fn log_files(folder: &Path) -> io::Result<Vec<(String, u64)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_ours =
            segment::first_of(&name).is_some() || name == super::control::FILE || name == "secret.key";
        if is_ours {
            files.push((name, entry.metadata()?.len()));
        }
    }
    files.sort();
    Ok(files)
}

/// Reads every event of every tenant and names those that are not what was written.
pub fn verify(log: &super::RedbLog, progress: Progress<'_>) -> Verified {
    let stretches = log.shared.stretches();
    let total = stretches.iter().map(|stretch| stretch.end() + 1 - stretch.start()).sum();
    let mut verified = Verified::default();
    // Rows are checked whoever they belong to: one read a place tells which are bad.
    for (done, sequence) in (1..).zip(stretches.into_iter().flatten()) {
        match block_on(log.check(Sequence(sequence))) {
            Ok(()) => verified.events += 1,
            Err(LogError::Corrupt { sequence, .. }) => verified.corrupt.push(sequence),
            Err(_) => verified.corrupt.push(Sequence(sequence)),
        }
        if u64::is_multiple_of(done, 1024) {
            progress(done, total);
        }
    }
    verified
}

/// Compacts every file of a log that does not run. Gives the bytes before and after.
pub fn compact(path: &Path, progress: Progress<'_>) -> Result<(u64, u64), OpenError> {
    let folder = Folder::open(path)?;
    let failed = |source: io::Error| OpenError::Folder { path: path.to_owned(), source };
    let files = log_files(path).map_err(failed)?;
    let redb_files: Vec<_> = files.into_iter().filter(|(name, _)| name.ends_with(".redb")).collect();
    let before = redb_files.iter().map(|(_, bytes)| bytes).sum();
    let total = redb_files.len() as u64;
    for (done, (name, _)) in redb_files.into_iter().enumerate() {
        let damaged = |detail: String| OpenError::File { file: name.clone(), detail };
        let opened = open_again(&folder, &name, CACHE);
        let mut database = opened.map_err(|error| damaged(error.to_string()))?;
        database.compact().map_err(|error| damaged(error.to_string()))?;
        progress(done as u64 + 1, total);
    }
    let after = log_files(path).map_err(failed)?;
    let after = after.iter().filter(|(name, _)| name.ends_with(".redb")).map(|(_, bytes)| bytes).sum();
    Ok((before, after))
}
