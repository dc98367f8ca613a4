//! Asking the index: which places of a segment a filter may want.

use super::chunk::{Chunk, NONE_AFTER, NONE_BEFORE};
use super::{DIRECTORY, Directory, Label, POSTINGS};
use crate::log::Order;
use crate::log::redb::fault::ReadFault;
use crate::log::redb::schema::{ABOUT, from_checked_json};
use redb::{ReadOnlyTable, ReadTransaction};
use std::ops::RangeInclusive;

/// What is asked for: places that have one label of every group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::log::redb) struct Wanted {
    pub(in crate::log::redb) groups: Vec<Vec<Label>>,
    /// How many types are known by name; of others nobody knows whether they are wanted.
    pub(in crate::log::redb) names: usize,
}

/// The next places.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::log::redb) struct Listing {
    /// In the asked order.
    pub(in crate::log::redb) places: Vec<u64>,
    /// Every wanted place from where it was asked up to here is among them.
    pub(in crate::log::redb) reached: u64,
    /// How many places of lists were looked at.
    pub(in crate::log::redb) looked_at: u64,
}

/// At most `limit` places of a range that is not empty, nearest first, after looking at about `budget` places of lists.
/// `None` when there is no index that can tell.
pub(in crate::log::redb) fn list(
    transaction: &ReadTransaction,
    wanted: &Wanted,
    places: RangeInclusive<u64>,
    order: Order,
    limit: usize,
    budget: u64,
) -> Result<Option<Listing>, ReadFault> {
    let about = transaction.open_table(ABOUT)?;
    let row = about.get(DIRECTORY)?;
    let Some(directory) = row.and_then(|row| from_checked_json::<Directory>(DIRECTORY, row.value())) else {
        return Ok(None);
    };
    if directory.names as usize > wanted.names {
        return Ok(None);
    }
    let table = transaction.open_table(POSTINGS)?;
    let way = Way(order);
    let (begin, end) = match order {
        Order::Ascending => (*places.start(), *places.end()),
        Order::Descending => (*places.end(), *places.start()),
    };
    let mut groups = Vec::with_capacity(wanted.groups.len());
    for labels in &wanted.groups {
        let labels = labels.iter().filter(|label| directory.holds(label.list));
        groups.push(Group(labels.map(|label| Cursor::new(&table, *label, way, begin)).collect()));
    }
    let meet = Meet { groups, way, end: way.rank(end) };
    meet.list(limit, budget).map(Some)
}

/// Places by how late they come: whichever way the walk goes, the next place has the next higher rank.
#[derive(Debug, Clone, Copy)]
struct Way(Order);

impl Way {
    fn rank(self, place: u64) -> u64 {
        if self.0 == Order::Ascending { place } else { !place }
    }

    fn place(self, rank: u64) -> u64 {
        self.rank(rank)
    }
}

/// Walks several groups to where they all meet.
struct Meet<'a> {
    groups: Vec<Group<'a>>,
    way: Way,
    /// The last rank that is asked for.
    end: u64,
}

impl Meet<'_> {
    fn list(mut self, limit: usize, budget: u64) -> Result<Listing, ReadFault> {
        let mut places = Vec::new();
        let reached = loop {
            // The next place is not before the latest of where the groups are; a group that is through ends it.
            let latest = self.groups.iter().map(|group| group.peek().unwrap_or(u64::MAX)).max();
            let latest = latest.unwrap_or(u64::MAX);
            if latest > self.end {
                break self.end;
            }
            // At first nothing was looked at: whatever the budget, it comes past the place where it begins.
            if self.looked_at() > budget {
                break latest - 1;
            }
            for group in &mut self.groups {
                group.seek(latest)?;
            }
            if self.groups.iter().all(|group| group.peek() == Some(latest)) {
                places.push(self.way.place(latest));
                if places.len() >= limit {
                    break latest;
                }
                self.groups[0].seek(latest + 1)?;
            }
        };
        Ok(Listing { places, reached: self.way.place(reached), looked_at: self.looked_at() })
    }

    fn looked_at(&self) -> u64 {
        self.groups.iter().flat_map(|group| &group.0).map(|cursor| cursor.looked_at).sum()
    }
}

/// The places of any of some labels.
struct Group<'a>(Vec<Cursor<'a>>);

impl Group<'_> {
    fn peek(&self) -> Option<u64> {
        self.0.iter().filter_map(Cursor::peek).min()
    }

    fn seek(&mut self, rank: u64) -> Result<(), ReadFault> {
        self.0.iter_mut().try_for_each(|cursor| cursor.seek(rank))
    }
}

/// The places of one label, from somewhere on. A chunk is read only when the walk gets there: in a list that is shared with
/// something common the next place of this label may be very far away.
struct Cursor<'a> {
    table: &'a ReadOnlyTable<(u16, u64), &'static [u8]>,
    label: Label,
    way: Way,
    /// Ranks of the places of the chunk that is being read, and how many of them are passed.
    ranks: Vec<u64>,
    passed: usize,
    /// The rank from which on nothing is read yet; `None` when the list is through.
    unread: Option<u64>,
    looked_at: u64,
}

fn missing() -> ReadFault {
    ReadFault::Damaged("a part of the index is missing".to_owned())
}

impl<'a> Cursor<'a> {
    /// Of a list that is not empty, from a place on.
    fn new(table: &'a ReadOnlyTable<(u16, u64), &'static [u8]>, label: Label, way: Way, place: u64) -> Self {
        let (ranks, unread) = (Vec::new(), Some(way.rank(place)));
        Self { table, label, way, ranks, passed: 0, unread, looked_at: 0 }
    }

    /// The label's next place is not before this.
    fn peek(&self) -> Option<u64> {
        self.ranks.get(self.passed).copied().or(self.unread)
    }

    /// Moves to this rank or a later one. Where it says this rank, the label has that place.
    fn seek(&mut self, rank: u64) -> Result<(), ReadFault> {
        self.pass(rank);
        if self.passed >= self.ranks.len() && self.unread.is_some_and(|unread| unread <= rank) {
            self.load_around(self.way.place(rank))?;
            self.pass(rank);
        }
        Ok(())
    }

    fn pass(&mut self, rank: u64) {
        self.passed += self.ranks[self.passed..].partition_point(|at| *at < rank);
    }

    /// Loads the chunk that holds a place if it is listed; where none does, the next on the way.
    fn load_around(&mut self, place: u64) -> Result<(), ReadFault> {
        let list = self.label.list;
        if let Some((key, row)) = self.table.range((list, 0)..=(list, place))?.next_back().transpose()? {
            let first = key.value().1;
            let chunk = Chunk::decode(list, first, row.value()).ok_or_else(missing)?;
            if chunk.after <= place {
                return Err(missing());
            }
            self.take(first, &chunk);
            return Ok(());
        }
        let above = self.table.range((list, place)..=(list, u64::MAX))?.next().transpose()?;
        let (key, row) = above.ok_or_else(missing)?;
        let first = key.value().1;
        let chunk = Chunk::decode(list, first, row.value()).ok_or_else(missing)?;
        if chunk.before != NONE_BEFORE {
            return Err(missing());
        }
        if self.way.0 == Order::Ascending {
            self.take(first, &chunk);
        } else {
            (self.ranks, self.passed, self.unread) = (Vec::new(), 0, None);
        }
        Ok(())
    }

    /// A chunk tells of every place from its first one up to the chunk after it.
    fn take(&mut self, first: u64, chunk: &Chunk) {
        self.looked_at += chunk.len() as u64;
        let places = chunk.places(first, self.label.mark);
        self.ranks = places.map(|place| self.way.rank(place)).collect();
        self.passed = 0;
        self.unread = match self.way.0 {
            Order::Ascending => (chunk.after != NONE_AFTER).then_some(chunk.after),
            Order::Descending => {
                self.ranks.reverse();
                (chunk.before != NONE_BEFORE).then(|| self.way.rank(first - 1))
            }
        };
    }
}
