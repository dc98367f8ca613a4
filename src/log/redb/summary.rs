//! What a full segment says of itself, so that most questions need not open it.

use super::bloom::Bloom;
use super::columns::{Columns, pipeline_key, run_key};
use super::postings;
use super::schema::{ABOUT, COLUMNS, EVENTS, KEYS, Sealed, from_checked_json, to_checked_json};
use crate::clock;
use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata};

/// What is known of a sealed segment without opening it.
#[derive(Debug)]
pub(super) struct Summary {
    pub(super) sealed: Sealed,
    /// Hashes of given ids and idempotency keys.
    pub(super) ids: Bloom,
    /// Hashes of pipelines and runs.
    pub(super) labels: Bloom,
}

impl Summary {
    /// Of events whose columns cannot be read nobody knows what they are.
    fn rule_nothing_out(&mut self) {
        (self.sealed.earliest, self.sealed.latest) = (i64::MIN, i64::MAX);
        (self.sealed.newest_stored_at, self.sealed.names) = (clock::now().0, u32::MAX);
        (self.ids, self.labels) = (Bloom::of_everything(), Bloom::of_everything());
    }
}

/// Makes the summary and the index of a file whose events begin at `first`, and stores them there.
pub(super) fn store(database: &Database, first: u64, last: (u64, u64)) -> Result<Summary, redb::Error> {
    let transaction = database.begin_write()?;
    let mut index = postings::Builder::new(&transaction, first)?;
    let summary = summarise(database, last.0, last.1, &mut index)?;
    index.finish(last.0)?;
    {
        let mut about = transaction.open_table(ABOUT)?;
        about.insert("sealed", to_checked_json("sealed", &summary.sealed).as_slice())?;
        about.insert("ids", summary.ids.to_bytes().as_slice())?;
        about.insert("labels", summary.labels.to_bytes().as_slice())?;
    }
    transaction.commit()?;
    Ok(summary)
}

fn summarise(
    database: &Database,
    last_sequence: u64,
    last_commit: u64,
    index: &mut postings::Builder<'_>,
) -> Result<Summary, redb::Error> {
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
        names: 0,
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
        index.add(&columns)?;
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
    sealed.names = index.names();
    let mut summary = Summary { sealed, ids, labels: bloom };
    if !index.tells_of_all(last_sequence) {
        summary.rule_nothing_out();
    }
    Ok(summary)
}

/// `None` when the segment was never sealed, or its summary cannot be read: then it is sealed again.
pub(super) fn read(transaction: &ReadTransaction) -> Result<Option<Summary>, redb::Error> {
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
