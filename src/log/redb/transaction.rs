//! The one transaction of a commit.

use super::columns;
use super::group::Group;
use super::schema::{ATTEMPTS, COLUMNS, EVENTS, IDS, INVOCATIONS, JOURNAL, KEYS, NAMES, checked};
use redb::{Database, Durability};

/// Writes a group in one transaction; when this answers `Ok` it is fsynced.
pub(super) fn write_group(
    database: &Database,
    group: &Group<'_>,
    columns: &[u8],
    entries: &[columns::Entry],
    names: (usize, &[Box<str>]),
    (commit, journal): (u64, &[u8]),
) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    if let Some(first) = group.events.first() {
        let mut events = transaction.open_table(EVENTS)?;
        for (event, row) in group.events.iter().zip(&group.rows) {
            events.insert(event.sequence().0, row.as_slice())?;
        }
        transaction.open_table(COLUMNS)?.insert(first.sequence().0, columns)?;
        if entries.iter().any(|entry| entry.id != 0) {
            let mut ids = transaction.open_table(IDS)?;
            for (event, entry) in group.events.iter().zip(entries).filter(|(_, entry)| entry.id != 0) {
                ids.insert((entry.id, event.sequence().0), ())?;
            }
        }
    }
    if !names.1.is_empty() {
        let mut table = transaction.open_table(NAMES)?;
        for (number, name) in (names.0 as u32..).zip(names.1) {
            table.insert(number, checked(&number.to_le_bytes(), name.as_bytes()).as_slice())?;
        }
    }
    if !group.keys.is_empty() {
        let mut keys = transaction.open_table(KEYS)?;
        for (hash, row) in &group.keys {
            keys.insert(*hash, row.as_slice())?;
        }
    }
    if !group.attempts.is_empty() {
        let mut attempts = transaction.open_table(ATTEMPTS)?;
        for (key, row) in &group.attempts {
            attempts.insert(*key, row.as_slice())?;
        }
    }
    if !group.invocations.is_empty() {
        let mut invocations = transaction.open_table(INVOCATIONS)?;
        for (key, row) in &group.invocations {
            invocations.insert(*key, row.as_slice())?;
        }
    }
    if !group.journal.is_empty() {
        transaction.open_table(JOURNAL)?.insert(commit, journal)?;
    }
    transaction.commit()?;
    Ok(())
}

/// Whether the volume is full, or a quota is.
pub(super) fn is_storage_full(error: &redb::Error) -> bool {
    match error {
        redb::Error::Io(error) => {
            matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
        }
        _ => false,
    }
}
