//! Who has to wait for whom: what is sent or waits to be tried again, by key.
//!
//! What must hold: an event goes when nothing of its key that comes before it is unsettled. What is of unknown key may be of
//! any. Events that were put back after their outcome have had their turn: they keep an order among themselves, and hold no
//! other back.

use crate::model::{Ordering, Requeued, Sequence};
use std::collections::HashMap;

/// Made once for all that is decided in one step: then a decision costs the same however many retries wait.
#[derive(Debug)]
pub(super) struct Turns {
    ordering: Ordering,
    /// Whether anything is sent and not recorded.
    pub(super) is_under_way: bool,
    of_first_time: Lane,
    of_put_back: Lane,
}

/// The first that is unsettled: of all, of unknown key, of each key.
#[derive(Debug, Default)]
struct Lane {
    of_all: Option<Sequence>,
    of_unknown: Option<Sequence>,
    of_key: HashMap<u64, Sequence>,
}

impl Turns {
    pub(super) fn of(ordering: Ordering, is_under_way: bool) -> Self {
        Self { ordering, is_under_way, of_first_time: Lane::default(), of_put_back: Lane::default() }
    }

    /// This one is unsettled.
    pub(super) fn put(&mut self, sequence: Sequence, key: Option<u64>, requeued: Option<Requeued>) {
        let lane = if has_had_turn(requeued) { &mut self.of_put_back } else { &mut self.of_first_time };
        let first = |known: Option<Sequence>| Some(known.map_or(sequence, |known| known.min(sequence)));
        lane.of_all = first(lane.of_all);
        match key {
            None => lane.of_unknown = first(lane.of_unknown),
            Some(key) => {
                let known = lane.of_key.entry(key).or_insert(sequence);
                *known = sequence.min(*known);
            }
        }
    }

    /// Whether this one may go.
    pub(super) fn permit(&self, sequence: Sequence, key: Option<u64>, requeued: Option<Requeued>) -> bool {
        let lane = if has_had_turn(requeued) { &self.of_put_back } else { &self.of_first_time };
        let first = match (self.ordering, key) {
            (Ordering::None, _) => None,
            (Ordering::Strict, _) | (_, None) => lane.of_all,
            (_, Some(key)) => lane.of_unknown.into_iter().chain(lane.of_key.get(&key).copied()).min(),
        };
        let is_alone = self.ordering != Ordering::Strict || !self.is_under_way;
        is_alone && first.is_none_or(|first| first >= sequence)
    }
}

fn has_had_turn(requeued: Option<Requeued>) -> bool {
    requeued.is_some_and(|requeued| !requeued.keeps_turn)
}
