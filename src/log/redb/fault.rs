//! What can go wrong in a read of a segment, and what follows from it.
//!
//! What is damaged stays so: its readers are told which events are concerned and go on after them. What the system
//! refuses may pass: its readers try again.

use super::disk::OpenError;
use super::shared::Shared;
use crate::log::LogError;
use crate::model::Sequence;
use std::io::ErrorKind;

/// What can go wrong inside a read.
#[derive(Debug)]
pub(super) enum ReadFault {
    /// This event is not what was written.
    Corrupt(u64),
    /// Something of the file is not what was written.
    Damaged(String),
    /// The system refuses to read.
    Store(String),
    /// Retention has removed it since.
    Trimmed,
}

impl ReadFault {
    fn of_io(kind: ErrorKind, detail: String) -> Self {
        match kind {
            // A file that is cut off or is another one is seen as these.
            ErrorKind::NotFound | ErrorKind::InvalidData | ErrorKind::UnexpectedEof => Self::Damaged(detail),
            _ => Self::Store(detail),
        }
    }

    /// What it means for a file that is needed.
    pub(super) fn of_file(self, file: &str) -> OpenError {
        let file = file.to_owned();
        match self {
            Self::Store(detail) => OpenError::Refused { file, detail },
            Self::Damaged(detail) => OpenError::File { file, detail },
            fault => OpenError::File { file, detail: LogError::from(fault).to_string() },
        }
    }

    /// Says in which file.
    pub(super) fn within(self, file: &str) -> Self {
        match self {
            Self::Corrupt(_) | Self::Trimmed => self,
            Self::Damaged(detail) => Self::Damaged(format!("{file}: {detail}")),
            Self::Store(detail) => Self::Store(format!("{file}: {detail}")),
        }
    }
}

impl From<redb::StorageError> for ReadFault {
    fn from(error: redb::StorageError) -> Self {
        let detail = error.to_string();
        match error {
            redb::StorageError::Io(error) => Self::of_io(error.kind(), detail),
            redb::StorageError::Corrupted(_) => Self::Damaged(detail),
            _ => Self::Store(detail),
        }
    }
}

impl From<redb::Error> for ReadFault {
    fn from(error: redb::Error) -> Self {
        let detail = error.to_string();
        match error {
            redb::Error::Io(error) => Self::of_io(error.kind(), detail),
            _ => Self::Damaged(detail),
        }
    }
}

impl From<redb::TransactionError> for ReadFault {
    fn from(error: redb::TransactionError) -> Self {
        match error {
            redb::TransactionError::Storage(error) => error.into(),
            error => Self::Store(error.to_string()),
        }
    }
}

impl From<redb::TableError> for ReadFault {
    fn from(error: redb::TableError) -> Self {
        match error {
            redb::TableError::Storage(error) => error.into(),
            // Each segment has every table from its first commit on.
            error => Self::Damaged(error.to_string()),
        }
    }
}

impl From<redb::DatabaseError> for ReadFault {
    fn from(error: redb::DatabaseError) -> Self {
        match error {
            redb::DatabaseError::Storage(error) => error.into(),
            error => Self::Damaged(error.to_string()),
        }
    }
}

impl From<ReadFault> for LogError {
    fn from(fault: ReadFault) -> Self {
        match fault {
            ReadFault::Corrupt(sequence) => Self::corrupt(Sequence(sequence)),
            ReadFault::Damaged(detail) | ReadFault::Store(detail) => Self::Read(detail),
            ReadFault::Trimmed => Self::Read("its file was just removed by retention".to_owned()),
        }
    }
}

impl Shared {
    /// What a file has of something that other files have too: nothing when it is damaged or gone.
    pub(super) fn unless_damaged<T>(&self, read: Result<T, ReadFault>) -> Result<Option<T>, LogError> {
        match read {
            Ok(value) => Ok(Some(value)),
            Err(ReadFault::Trimmed) => Ok(None),
            Err(ReadFault::Damaged(detail)) => {
                self.count_corrupt();
                tracing::warn!(%detail, "a damaged file was left out");
                Ok(None)
            }
            Err(fault) => Err(fault.into()),
        }
    }
}
