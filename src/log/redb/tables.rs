//! The tables of a segment that events are read from.

use super::columns::{ColumnFilter, Columns};
use super::fault::ReadFault;
use super::row;
use super::schema::{COLUMNS, EVENTS};
use crate::model::{Sequence, StoredEvent};
use redb::{ReadOnlyTable, ReadTransaction};
use std::ops::RangeInclusive;

type Rows = ReadOnlyTable<u64, &'static [u8]>;

/// The packed columns, a row a commit, and the events, a row each.
pub(super) struct Tables {
    pub(super) columns: Rows,
    events: Rows,
}

impl Tables {
    pub(super) fn open(transaction: &ReadTransaction) -> Result<Self, ReadFault> {
        Ok(Self { columns: transaction.open_table(COLUMNS)?, events: transaction.open_table(EVENTS)? })
    }

    /// The event at a place.
    pub(super) fn event(&self, sequence: u64) -> Result<StoredEvent, ReadFault> {
        let row = self.events.get(sequence)?.ok_or(ReadFault::Corrupt(sequence))?;
        row::decode(Sequence(sequence), row.value()).ok_or(ReadFault::Corrupt(sequence))
    }

    /// The key of the columns row that holds `sequence`, or of the first one after it.
    pub(super) fn row_start(&self, sequence: u64) -> Result<u64, ReadFault> {
        let row = self.columns.range(..=sequence)?.next_back().transpose()?;
        Ok(row.map_or(sequence, |(first, _)| first.value()))
    }

    /// The places in a range whose columns pass, in order. Those without readable columns are passed over.
    pub(super) fn each_passing(
        &self,
        places: RangeInclusive<u64>,
        filter: &ColumnFilter,
        mut passes: impl FnMut(u64),
    ) -> Result<(), ReadFault> {
        let (from, to) = (*places.start(), *places.end());
        for row in self.columns.range(self.row_start(from)?..=to)? {
            let (first, row) = row?;
            let Some(columns) = Columns::read(first.value(), row.value()) else {
                continue;
            };
            let begin = from.saturating_sub(columns.first);
            let end = columns.len().min(to + 1 - columns.first);
            let wanted = |index: &u64| columns.entry(*index).is_some_and(|entry| filter.passes(&entry));
            (begin..end).filter(wanted).for_each(|index| passes(columns.first + index));
        }
        Ok(())
    }
}
