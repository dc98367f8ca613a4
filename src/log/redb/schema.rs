//! Tables and rows of a segment and of the control file. Every value starts with a version byte of ours or is
//! JSON with unknown members refused; every row that matters carries a checksum.

use redb::TableDefinition;
use serde::{Deserialize, Serialize};

/// Sequence to event row (see `row`).
pub(super) const EVENTS: TableDefinition<u64, &[u8]> = TableDefinition::new("events");
/// First sequence of a commit to the packed columns of its events (see `columns`).
pub(super) const COLUMNS: TableDefinition<u64, &[u8]> = TableDefinition::new("columns");
/// Number to event type, interned per segment; checksummed with the number.
pub(super) const NAMES: TableDefinition<u32, &[u8]> = TableDefinition::new("names");
/// Commit number to the changes it made besides events (see `journal`).
pub(super) const JOURNAL: TableDefinition<u64, &[u8]> = TableDefinition::new("journal");
/// (hash of tenant and given id, sequence): finds events by ids that publishers gave.
pub(super) const IDS: TableDefinition<(u64, u64), ()> = TableDefinition::new("ids");
/// Hash of tenant and idempotency key to what it was used for.
pub(super) const KEYS: TableDefinition<u64, &[u8]> = TableDefinition::new("keys");
/// (destination, sequence, attempt) to what the attempt meant and its record (see `attempt_row`).
pub(super) const ATTEMPTS: TableDefinition<(u128, u64, u32), &[u8]> = TableDefinition::new("attempts");
/// (tenant, sequence, slot, attempt) to what happened, as checked JSON; slot 65535 has how a PRE event's run ended.
pub(super) const INVOCATIONS: TableDefinition<(u32, u64, u16, u32), &[u8]> =
    TableDefinition::new("invocations");
/// What the segment is: `about`, and once it is full `sealed` and its Bloom filters.
pub(super) const ABOUT: TableDefinition<&str, &[u8]> = TableDefinition::new("about");

/// Name to JSON, for tenants, keys, destinations and the header of the control file.
pub(super) const CONTROL: TableDefinition<&str, &[u8]> = TableDefinition::new("control");
/// A waiting retry: attempts, due time, and when it was put back the attempts before that and the replay or zero.
pub(super) type RetryRow = (u32, i64, Option<(u32, u128)>);
/// (destination, sequence) to a waiting retry.
pub(super) const RETRIES: TableDefinition<(u128, u64), RetryRow> = TableDefinition::new("retries");

/// The version of the format; another one is not opened.
pub(super) const FORMAT: u32 = 3;

/// The header of a segment, written with its first commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct About {
    pub(super) format: u32,
    /// Its first event's place.
    pub(super) first_sequence: u64,
    /// Its first commit.
    pub(super) first_commit: u64,
    /// The last event and commit before it that were acknowledged. What older segments hold beyond them does not count.
    pub(super) previous_last_sequence: u64,
    pub(super) previous_last_commit: u64,
}

/// What a full segment knows about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sealed {
    pub(super) last_sequence: u64,
    pub(super) last_commit: u64,
    /// Bytes of its event rows.
    pub(super) row_bytes: u64,
    /// Extremes of the events' own timestamps, in microseconds.
    pub(super) earliest: i64,
    pub(super) latest: i64,
    /// When its newest event was stored, in milliseconds.
    pub(super) newest_stored_at: i64,
    /// How many types its events are of; zero when that is not known.
    #[serde(default)]
    pub(super) names: u32,
}

/// The header of the control file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ControlHeader {
    pub(super) format: u32,
    /// The changes of every commit up to this one are in the control file.
    pub(super) commit: u64,
    /// The oldest event kept.
    pub(super) oldest: u64,
}

/// A value as JSON behind a checksum over its name and itself.
pub(super) fn to_checked_json(name: &str, value: &impl Serialize) -> Vec<u8> {
    checked(name.as_bytes(), &serde_json::to_vec(value).expect("what is kept is plain data"))
}

/// Reads [`to_checked_json`]; `None` when it is not what was written.
pub(super) fn from_checked_json<T: serde::de::DeserializeOwned>(name: &str, row: &[u8]) -> Option<T> {
    serde_json::from_slice(unchecked(name.as_bytes(), row)?).ok()
}

/// A value behind a checksum over its key and itself.
pub(super) fn checked(key: &[u8], value: &[u8]) -> Vec<u8> {
    [&checksum(key, value).to_le_bytes()[..], value].concat()
}

/// The value of [`checked`]; `None` when it is not what was written.
pub(super) fn unchecked<'a>(key: &[u8], row: &'a [u8]) -> Option<&'a [u8]> {
    let (sum, value) = row.split_first_chunk::<4>()?;
    (checksum(key, value).to_le_bytes() == *sum).then_some(value)
}

fn checksum(key: &[u8], value: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(&[0xff]);
    hasher.update(value);
    hasher.finalize()
}
