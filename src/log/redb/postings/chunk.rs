//! A chunk of a list: places in order with what they are told apart by, and where its neighbours begin.

use crate::log::redb::schema::{checked, unchecked};
use serde::{Deserialize, Serialize};

/// Places of a chunk.
const MOST_PLACES: usize = 512;

/// Stands for "no chunk before": no event has this place.
pub(super) const NONE_BEFORE: u64 = 0;

/// Stands for "no chunk after".
pub(super) const NONE_AFTER: u64 = u64::MAX;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Chunk {
    /// Where the chunks before and after it begin.
    pub(super) before: u64,
    pub(super) after: u64,
    /// The marks that there are.
    marks: Vec<u32>,
    /// From each place to the next, which no file has more than 32 bits of; the first is that of the chunk.
    steps: Vec<u32>,
    /// Which mark each place has. Empty when there is only one.
    marked: Vec<u16>,
}

impl Chunk {
    pub(super) fn new(before: u64) -> Self {
        Self { before, after: NONE_AFTER, marks: Vec::new(), steps: Vec::new(), marked: Vec::new() }
    }

    pub(super) fn is_full(&self) -> bool {
        self.steps.len() >= MOST_PLACES
    }

    /// Adds a place that is so far behind the one before it.
    pub(super) fn push(&mut self, step: u32, mark: u32) {
        let known = self.marks.iter().position(|known| *known == mark);
        let at = known.unwrap_or_else(|| {
            self.marks.push(mark);
            self.marks.len() - 1
        });
        if at > 0 && self.marked.is_empty() {
            self.marked = vec![0; self.steps.len()];
        }
        if at > 0 || !self.marked.is_empty() {
            self.marked.push(at as u16);
        }
        self.steps.push(step);
    }

    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    /// The places with a mark, of a chunk that begins at `first`.
    pub(super) fn places(&self, first: u64, mark: u32) -> impl Iterator<Item = u64> {
        let wanted = self.marks.iter().position(|known| *known == mark);
        let mut place = first;
        self.steps.iter().enumerate().filter_map(move |(at, step)| {
            place = place.saturating_add(u64::from(*step));
            let marked = self.marked.get(at).map_or(0, |marked| usize::from(*marked));
            (wanted == Some(marked)).then_some(place)
        })
    }

    pub(super) fn encode(&self, list: u16, first: u64) -> Vec<u8> {
        checked(&key(list, first), &postcard::to_allocvec(self).expect("what is kept is plain data"))
    }

    /// `None` when the row is not what was written for this place of this list.
    pub(super) fn decode(list: u16, first: u64, row: &[u8]) -> Option<Self> {
        postcard::from_bytes(unchecked(&key(list, first), row)?).ok()
    }
}

fn key(list: u16, first: u64) -> [u8; 10] {
    let mut key = [0; 10];
    key[..2].copy_from_slice(&list.to_le_bytes());
    key[2..].copy_from_slice(&first.to_le_bytes());
    key
}
