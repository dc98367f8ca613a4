//! Where the files are: a folder, or for tests anything that can hold files.

use redb::{Database, DatabaseError, ReadOnlyDatabase, ReadTransaction, ReadableDatabase, TransactionError};
use std::fmt::Debug;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// What the name of a file ends in while it is being made.
pub(super) const UNFINISHED: &str = ".new";

/// A place for files. Opening a file that is not there makes it.
pub(super) trait Disk: Debug + Send + Sync + 'static {
    fn names(&self) -> io::Result<Vec<String>>;
    fn open(&self, name: &str, cache_bytes: usize) -> Result<Database, DatabaseError>;
    /// Gives a file that was made under another name its own, durably: a file with its own name is whole.
    fn publish(&self, unfinished: &str, name: &str) -> io::Result<()>;
    /// Writes the bytes of a file over themselves, durably.
    fn rewrite(&self, name: &str) -> io::Result<()>;
    /// Opens a file that was closed cleanly, without writing to it.
    fn open_sealed(&self, name: &str, cache_bytes: usize) -> Result<Handle, DatabaseError>;
    fn remove(&self, name: &str) -> io::Result<()>;
    fn size(&self, name: &str) -> u64;
    /// Bytes free on the volume, when that can be known.
    fn free(&self) -> Option<u64>;
    /// Reserves (or gives back, for zero) bytes that only an emergency may use.
    fn set_ballast(&self, bytes: u64) -> io::Result<()>;
    /// Lets another process have it; every file is closed by now.
    fn release(&self);
}

/// Opens a file that is there, to write on it.
///
/// After a sync that failed the system may take for written what never reached the disk: it is still read back, and every
/// later sync is told that all is well. What the store then repairs and builds on would be gone with the power. So of a
/// file that was not closed cleanly everything is written once more first.
pub(super) fn open_again(disk: &dyn Disk, name: &str, cache_bytes: usize) -> Result<Database, DatabaseError> {
    if disk.open_sealed(name, cache_bytes).is_err() {
        disk.rewrite(name)?;
    }
    disk.open(name, cache_bytes)
}

/// An open file of the log.
pub(super) enum Handle {
    Writable(Database),
    ReadOnly(ReadOnlyDatabase),
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Writable(_) => "Writable(..)",
            Self::ReadOnly(_) => "ReadOnly(..)",
        })
    }
}

impl Handle {
    pub(super) fn begin_read(&self) -> Result<ReadTransaction, TransactionError> {
        match self {
            Self::Writable(database) => database.begin_read(),
            Self::ReadOnly(database) => database.begin_read(),
        }
    }
}

/// A folder of the file system, owned by this process for as long as this lives.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Held locked until it is released.
    lock: Mutex<Option<File>>,
}

/// Why the data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("the data folder {0} is in use by another process")]
    InUse(PathBuf),
    /// The system refuses.
    #[error("the data folder {path} cannot be used: {source}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// An import into it did not end.
    #[error("an import into the data folder {0} did not end: empty the folder and import again")]
    Importing(PathBuf),
    /// A file is not what it should be.
    #[error("{file} in the data folder is not a file of this log, or is damaged beyond repair: {detail}")]
    File {
        /// Which.
        file: String,
        /// What is wrong.
        detail: String,
    },
    /// The system refuses to read a file, which may pass: nothing is known of what is in it.
    #[error("the system refuses to read {file} in the data folder: {detail}")]
    Refused {
        /// Which.
        file: String,
        /// What the system says.
        detail: String,
    },
    /// A file was written by another version.
    #[error("{file} in the data folder has format {found}, this version reads format {expected}")]
    Format {
        /// Which.
        file: String,
        /// Its format.
        found: u32,
        /// Ours.
        expected: u32,
    },
}

impl Folder {
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Folder { path: path.to_owned(), source };
        make_folder(path).map_err(failed)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join("LOCK"))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(OpenError::InUse(path.to_owned())),
            Err(std::fs::TryLockError::Error(source)) => return Err(failed(source)),
        }
        sync_folder(path).map_err(failed)?;
        Ok(Self { path: path.to_owned(), lock: Mutex::new(Some(lock)) })
    }
}

/// Makes a folder that is not there, durably: it is its owner's alone, because it holds everything that is published.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    let is_missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
    let made: Vec<&Path> = path.ancestors().take_while(is_missing).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    for parent in made.into_iter().filter_map(Path::parent) {
        let here = parent.as_os_str().is_empty();
        sync_folder(if here { Path::new(".") } else { parent })?;
    }
    Ok(())
}

/// So much of a file is written over itself at a time.
const REWRITTEN: usize = 1 << 18;

/// Whether nothing was ever written to a part of a file, so that it takes no room. `bytes` are what is read there.
fn is_hole(file: &File, at: u64, bytes: &[u8]) -> bool {
    use rustix::fs::{SeekFrom, seek};
    let end = at + bytes.len() as u64;
    bytes.iter().all(|byte| *byte == 0)
        && match seek(file, SeekFrom::Data(at)) {
            Ok(next) => next >= end,
            Err(error) => error == rustix::io::Errno::NXIO,
        }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

impl Disk for Folder {
    fn names(&self) -> io::Result<Vec<String>> {
        let entries = std::fs::read_dir(&self.path)?;
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn open(&self, name: &str, cache_bytes: usize) -> Result<Database, DatabaseError> {
        Database::builder().set_cache_size(cache_bytes).create(self.path.join(name))
    }

    fn publish(&self, unfinished: &str, name: &str) -> io::Result<()> {
        std::fs::rename(self.path.join(unfinished), self.path.join(name))?;
        sync_folder(&self.path)
    }

    fn rewrite(&self, name: &str) -> io::Result<()> {
        use std::os::unix::fs::FileExt;
        let file = OpenOptions::new().read(true).write(true).open(self.path.join(name))?;
        let len = file.metadata()?.len();
        let mut buffer = vec![0; REWRITTEN];
        for at in (0..len).step_by(REWRITTEN) {
            let bytes = &mut buffer[..REWRITTEN.min((len - at) as usize)];
            file.read_exact_at(bytes, at)?;
            if !is_hole(&file, at, bytes) {
                file.write_all_at(bytes, at)?;
            }
        }
        file.sync_all()
    }

    fn open_sealed(&self, name: &str, cache_bytes: usize) -> Result<Handle, DatabaseError> {
        let path = self.path.join(name);
        Database::builder().set_cache_size(cache_bytes).open_read_only(path).map(Handle::ReadOnly)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.path.join(name))?;
        sync_folder(&self.path)
    }

    fn size(&self, name: &str) -> u64 {
        use std::os::unix::fs::MetadataExt;
        // Allocated blocks: a redb file is sparse.
        std::fs::metadata(self.path.join(name)).map_or(0, |metadata| metadata.blocks() * 512)
    }

    fn free(&self) -> Option<u64> {
        rustix::fs::statvfs(&self.path).ok().map(|volume| volume.f_bavail * volume.f_frsize)
    }

    fn set_ballast(&self, bytes: u64) -> io::Result<()> {
        let path = self.path.join("ballast");
        if bytes == 0 {
            return match std::fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        if file.metadata()?.len() != bytes {
            rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes)?;
            file.sync_all()?;
        }
        Ok(())
    }

    fn release(&self) {
        if let Some(lock) = self.lock.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Said aloud, since closing alone frees nothing while a child that this program is just starting has the file.
            if let Err(error) = lock.unlock() {
                tracing::warn!(%error, "the folder could not be unlocked");
            }
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_written_over_itself_keeps_its_bytes_and_its_holes() {
        use std::os::unix::fs::FileExt;
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        let file = File::create(place.path().join("one")).unwrap();
        file.write_all_at(b"begin", 10).unwrap();
        file.write_all_at(&[0; 5000], 3 << 20).unwrap();
        file.write_all_at(b"end", (8 << 20) + 4321).unwrap();
        let before = std::fs::read(place.path().join("one")).unwrap();
        let taken = folder.size("one");
        folder.rewrite("one").unwrap();
        assert!(std::fs::read(place.path().join("one")).unwrap() == before);
        assert!(folder.size("one") <= taken + 3 * REWRITTEN as u64, "{taken} is {} now", folder.size("one"));
        assert!(folder.rewrite("two").is_err());
    }

    #[test]
    fn a_folder_that_is_let_go_of_is_free_though_a_child_has_its_files_for_a_moment() {
        let place = tempfile::tempdir().unwrap();
        for is_released in [true, false] {
            let folder = Folder::open(place.path()).unwrap();
            assert!(matches!(Folder::open(place.path()), Err(OpenError::InUse(_))));
            // What a child is between its birth and its own program.
            let child = folder.lock.lock().unwrap().as_ref().unwrap().try_clone().unwrap();
            if is_released {
                folder.release();
            }
            drop(folder);
            Folder::open(place.path()).unwrap();
            drop(child);
        }
    }
}
