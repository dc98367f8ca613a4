//! The index of a full segment: for each type, pipeline and run the places of its events, so that a page of rare events
//! reads these and little else. It is made when the segment is sealed: publishing does not pay for it.
//!
//! What must hold:
//! - Every place that a filter wants is listed, or the listing says that it cannot tell; then the columns are walked. So
//!   the chunks of a list name their neighbours, and a directory says which lists there are: what is missing is noticed.
//! - It is small and bounded: labels share 4096 lists a kind, which cost a few bytes an event however many labels there are.

mod build;
mod chunk;
mod listing;
#[cfg(test)]
mod tests;

use crate::model::TenantId;
use redb::TableDefinition;
use serde::{Deserialize, Serialize};

pub(super) use build::Builder;
pub(super) use listing::{Listing, Wanted, list};

/// (list, first place of the chunk) to a chunk of the list.
const POSTINGS: TableDefinition<(u16, u64), &[u8]> = TableDefinition::new("postings");

/// Under what the segment's own table keeps the directory.
const DIRECTORY: &str = "postings";

/// Lists of a kind.
const LISTS: u16 = 4096;

/// What events are listed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// By the number of their type in the segment.
    Type,
    /// By the hash of their pipeline.
    Pipeline,
    /// By the hash of their run.
    Run,
}

/// A type, pipeline or run of a tenant: in which list its events are, and by what they are told from others there. One
/// may be taken for another, very rarely: the events themselves are compared in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label {
    list: u16,
    mark: u32,
}

impl Label {
    pub(super) fn of(kind: Kind, tenant: TenantId, value: u32) -> Self {
        let spread = spread(u64::from(tenant.0) << 32 | u64::from(value));
        Self { list: kind as u16 * LISTS + (spread >> 52) as u16, mark: spread as u32 }
    }
}

/// Spreads neighbouring numbers over all of them (the last step of `SplitMix64`).
fn spread(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

/// What there is to read.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Directory {
    /// How many types the segment had names for.
    names: u32,
    /// A bit for each list that is not empty.
    lists: Vec<u64>,
}

impl Directory {
    fn insert(&mut self, list: u16) {
        let word = usize::from(list / 64);
        if self.lists.len() <= word {
            self.lists.resize(word + 1, 0);
        }
        self.lists[word] |= 1 << (list % 64);
    }

    fn holds(&self, list: u16) -> bool {
        self.lists.get(usize::from(list / 64)).is_some_and(|word| word & 1 << (list % 64) != 0)
    }
}
