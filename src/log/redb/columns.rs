//! The packed columns of a commit: what a filter needs to know of each event, 32 bytes an event, so that a
//! selective filter walks a million events in milliseconds without touching their rows.

use super::postings::{Kind, Label, Wanted};
use crate::model::{EventFilter, StoredEvent, TenantId};
use sha2::{Digest, Sha256};

const VERSION: u8 = 1;
const HEADER: usize = 1 + 4 + 8;
const ENTRY: usize = 32;

/// A filter that wants more types of a segment than this is not looked up in its index.
const MOST_TYPES: usize = 32;

/// What the columns keep of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) tenant: TenantId,
    /// The type's number in the segment's names.
    pub(super) name: u32,
    pub(super) pipeline: u32,
    pub(super) run: u32,
    pub(super) micros: i64,
    /// Hash of a given id, zero for a made one.
    pub(super) id: u64,
}

impl Entry {
    pub(super) fn of(event: &StoredEvent, name: u32, id_was_given: bool) -> Self {
        Self {
            tenant: event.tenant(),
            name,
            pipeline: label_hash(event.pipeline()),
            run: label_hash(event.run_id()),
            micros: event.timestamp().as_micros(),
            id: if id_was_given { id_hash(event.tenant(), event.id().as_str()) } else { 0 },
        }
    }
}

/// The hash of a pipeline or run in the columns; zero stands for none.
pub(super) fn label_hash(label: Option<&str>) -> u32 {
    label.map_or(0, |label| crc32fast::hash(label.as_bytes()).max(1))
}

/// The hash under which a given id is found; never zero. Cryptographic, so that nobody can aim at another
/// tenant's.
pub(super) fn id_hash(tenant: TenantId, id: &str) -> u64 {
    let digest = Sha256::new().chain_update(tenant.0.to_le_bytes()).chain_update(id).finalize();
    digest.first_chunk().map_or(1, |first| u64::from_le_bytes(*first).max(1))
}

/// The hash under which an idempotency key is found.
pub(super) fn key_hash(tenant: TenantId, name: &str) -> u64 {
    id_hash(tenant, &format!("\u{0}{name}"))
}

/// Packs the entries of a commit.
pub(super) fn encode(first: u64, stored_at: i64, entries: &[Entry]) -> Vec<u8> {
    let mut row = Vec::with_capacity(HEADER + entries.len() * ENTRY);
    row.push(VERSION);
    row.extend_from_slice(&[0; 4]);
    row.extend_from_slice(&stored_at.to_le_bytes());
    for entry in entries {
        row.extend_from_slice(&entry.tenant.0.to_le_bytes());
        row.extend_from_slice(&entry.name.to_le_bytes());
        row.extend_from_slice(&entry.pipeline.to_le_bytes());
        row.extend_from_slice(&entry.run.to_le_bytes());
        row.extend_from_slice(&entry.micros.to_le_bytes());
        row.extend_from_slice(&entry.id.to_le_bytes());
    }
    let checksum = checksum(first, &row[5..]);
    row[1..5].copy_from_slice(&checksum.to_le_bytes());
    row
}

/// Over the place too: a row that moved must not speak for other events.
fn checksum(first: u64, rest: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&first.to_le_bytes());
    hasher.update(rest);
    hasher.finalize()
}

/// The columns of one commit, read in place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Columns<'a> {
    pub(super) first: u64,
    pub(super) stored_at: i64,
    entries: &'a [u8],
}

impl<'a> Columns<'a> {
    /// `None` when the row is not what was written.
    pub(super) fn read(first: u64, row: &'a [u8]) -> Option<Self> {
        let whole = row.len() >= HEADER && row[0] == VERSION && (row.len() - HEADER).is_multiple_of(ENTRY);
        if !whole || checksum(first, &row[5..]).to_le_bytes() != row[1..5] {
            return None;
        }
        let stored_at = i64::from_le_bytes(row[5..HEADER].try_into().ok()?);
        Some(Self { first, stored_at, entries: &row[HEADER..] })
    }

    pub(super) fn len(&self) -> u64 {
        (self.entries.len() / ENTRY) as u64
    }

    pub(super) fn entry(&self, index: u64) -> Option<Entry> {
        let at = usize::try_from(index).ok()?.checked_mul(ENTRY)?;
        let bytes = self.entries.get(at..at + ENTRY)?;
        let word = |at: usize| bytes[at..at + 4].try_into().map(u32::from_le_bytes).ok();
        Some(Entry {
            tenant: TenantId(word(0)?),
            name: word(4)?,
            pipeline: word(8)?,
            run: word(12)?,
            micros: i64::from_le_bytes(bytes[16..24].try_into().ok()?),
            id: u64::from_le_bytes(bytes[24..32].try_into().ok()?),
        })
    }
}

/// A filter in terms of the columns of one segment: may let through an event that the filter refuses (hashes
/// collide, microseconds round), never refuses one that it wants.
#[derive(Debug, Clone)]
pub(super) struct ColumnFilter {
    tenant: TenantId,
    /// Wanted types by number; `None` wants every type.
    names: Option<Vec<bool>>,
    pipeline: Option<u32>,
    run: Option<u32>,
    since: i64,
    until: i64,
}

impl ColumnFilter {
    pub(super) fn new(tenant: TenantId, filter: &EventFilter, names: &[Box<str>]) -> Self {
        // A name that could not be read is let through: the event itself is compared in the end.
        let wanted = |name: &str| name.is_empty() || filter.matches_type(name);
        Self {
            tenant,
            names: (!filter.types.is_empty()).then(|| names.iter().map(|name| wanted(name)).collect()),
            pipeline: filter.pipeline.as_deref().map(|label| label_hash(Some(label))),
            run: filter.run_id.as_deref().map(|label| label_hash(Some(label))),
            since: filter.since.map_or(i64::MIN, crate::model::Timestamp::as_micros),
            until: filter.until.map_or(i64::MAX, crate::model::Timestamp::as_micros),
        }
    }

    /// Whether no event can pass of a segment that has so many types. Of a type without a name nobody knows.
    pub(super) fn wants_no_type_of(&self, types: u32) -> bool {
        let is_known = |names: &[bool]| !names.is_empty() && names.len() >= types as usize;
        self.names.as_deref().is_some_and(|names| is_known(names) && !names.contains(&true))
    }

    pub(super) fn labels(&self) -> impl Iterator<Item = u64> {
        let pipeline = self.pipeline.map(pipeline_key);
        pipeline.into_iter().chain(self.run.map(run_key))
    }

    pub(super) fn overlaps(&self, earliest: i64, latest: i64) -> bool {
        self.since <= latest && self.until >= earliest
    }

    /// What the index of a full segment is asked for; `None` when the filter is about something else, or about very much.
    /// All events of the segment are between two times.
    pub(super) fn indexed(&self, earliest: i64, latest: i64) -> Option<Wanted> {
        let label = |kind, value| Label::of(kind, self.tenant, value);
        let names = self.names.as_deref().unwrap_or_default();
        let types = names.iter().zip(0_u32..).filter(|(wanted, _)| **wanted);
        let types: Vec<Label> =
            types.map(|(_, number)| label(Kind::Type, number)).take(MOST_TYPES + 1).collect();
        let types = self.names.is_some().then_some(types);
        let pipeline = self.pipeline.map(|hash| vec![label(Kind::Pipeline, hash)]);
        let run = self.run.map(|hash| vec![label(Kind::Run, hash)]);
        let is_always = self.since <= earliest && self.until >= latest;
        let is_little = types.as_ref().is_none_or(|types| types.len() <= MOST_TYPES);
        let groups: Vec<_> = [types, pipeline, run].into_iter().flatten().collect();
        let names = if self.names.is_some() { names.len() } else { usize::MAX };
        (is_always && is_little && !groups.is_empty()).then_some(Wanted { groups, names })
    }

    pub(super) fn passes(&self, entry: &Entry) -> bool {
        entry.tenant == self.tenant
            && self.names.as_ref().is_none_or(|names| names.get(entry.name as usize).copied().unwrap_or(true))
            && self.pipeline.is_none_or(|pipeline| pipeline == entry.pipeline)
            && self.run.is_none_or(|run| run == entry.run)
            && entry.micros >= self.since
            && entry.micros <= self.until
    }
}

/// A pipeline's key in a segment's Bloom filter of labels.
pub(super) fn pipeline_key(hash: u32) -> u64 {
    u64::from(hash)
}

/// A run's key in a segment's Bloom filter of labels.
pub(super) fn run_key(hash: u32) -> u64 {
    u64::from(hash) | 1 << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_read_back_and_a_flipped_bit_is_caught() {
        let entry = Entry {
            tenant: TenantId(1),
            name: 2,
            pipeline: 3,
            run: 4,
            micros: -5,
            id: id_hash(TenantId(1), "x"),
        };
        let row = encode(10, 99, &[entry, Entry { id: 0, ..entry }]);
        let columns = Columns::read(10, &row).unwrap();
        assert_eq!((columns.len(), columns.stored_at), (2, 99));
        assert_eq!(columns.entry(0), Some(entry));
        assert_eq!(columns.entry(2), None);
        assert!(Columns::read(11, &row).is_none(), "a row that moved");
        for bit in 0..row.len() * 8 {
            let mut flipped = row.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Columns::read(10, &flipped).is_none());
        }
    }

    #[test]
    fn hashes_are_part_of_the_format_and_never_change() {
        assert_eq!(id_hash(TenantId(1), "evt_abc123"), 5_605_847_172_463_459_644);
        assert_eq!(label_hash(Some("user-analytics")), 413_023_945);
        assert_ne!(id_hash(TenantId(1), "x"), id_hash(TenantId(2), "x"));
        assert_eq!(label_hash(None), 0);
    }
}
