//! What one destination is owed, was sent and took, event by event.

use campanile::model::{ConsumerState, Replay, ReplayId, ReplayStatus, ReplayTally, Sequence, Verdict};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
struct Entry {
    /// How often the endpoint took it, and how often it may.
    taken: u32,
    may_take: u32,
    /// Failed attempts that are recorded since the first, or since it was last put back.
    failed: u32,
    put_back: u32,
    /// It was put back, and no actor has been told.
    is_untold: bool,
    /// It had its end, or was given up, and was not put back since.
    is_over: bool,
    replay: Option<ReplayId>,
    /// An outcome came when it had been put back, or of an actor that had died: which run it counts for is open.
    is_blurred: bool,
}

#[derive(Default)]
pub(crate) struct Ledger {
    entries: BTreeMap<Sequence, Entry>,
    /// Published while it wanted them, wanted ever since, and without an end.
    owed: BTreeSet<Sequence>,
    replays: BTreeMap<ReplayId, BTreeSet<Sequence>>,
    stopped: BTreeSet<ReplayId>,
}

impl Ledger {
    fn entry(&mut self, sequence: Sequence) -> &mut Entry {
        self.entries.entry(sequence).or_insert(Entry { may_take: 1, ..Entry::default() })
    }

    pub(crate) fn owe(&mut self, sequence: Sequence) {
        self.owed.insert(sequence);
    }

    pub(crate) fn owe_only(&mut self, wanted: impl Fn(Sequence) -> bool) {
        self.owed.retain(|sequence| wanted(*sequence));
    }

    /// What is owed and comes before an event, also when somebody sent it again before its time.
    pub(crate) fn owed_before(&self, sequence: Sequence) -> impl Iterator<Item = Sequence> {
        self.owed.range(..sequence).copied()
    }

    pub(crate) fn may_take_again(&mut self, sequence: Sequence) {
        self.entry(sequence).may_take += 1;
    }

    /// The endpoint took it. Gives whether it had before.
    pub(crate) fn took(&mut self, sequence: Sequence) -> bool {
        let entry = self.entry(sequence);
        entry.taken += 1;
        let Entry { taken, may_take, .. } = *entry;
        assert!(taken <= may_take, "{sequence} was taken {taken} times");
        taken > 1
    }

    /// Failed attempts of its run of the schedule, and how often it was put back.
    pub(crate) fn run_of(&self, sequence: Sequence) -> (u32, u32) {
        self.entries.get(&sequence).map_or((0, 0), |entry| (entry.failed, entry.put_back))
    }

    /// An outcome is durable. `is_known`: the actor that runs counts its failure, or the next one will.
    pub(crate) fn recorded(&mut self, sequence: Sequence, verdict: Verdict, is_known: bool) {
        let entry = self.entry(sequence);
        match verdict {
            Verdict::Retry { .. } => entry.failed += u32::from(is_known),
            verdict => {
                assert!(verdict != Verdict::Delivered || entry.taken > 0, "{sequence} was not delivered");
                entry.is_over = true;
                self.owed.remove(&sequence);
            }
        }
    }

    pub(crate) fn put_back(&mut self, sequence: Sequence, replay: Option<ReplayId>) {
        let entry = self.entry(sequence);
        entry.may_take += 1;
        (entry.failed, entry.put_back, entry.is_untold) = (0, entry.put_back + 1, true);
        (entry.is_blurred, entry.is_over, entry.replay) = (false, false, replay);
        if let Some(replay) = replay {
            assert!(!self.stopped.contains(&replay), "a stopped replay puts {sequence} back");
            let is_new = self.replays.entry(replay).or_default().insert(sequence);
            assert!(is_new, "{sequence} is put back twice");
        }
    }

    pub(crate) fn blur(&mut self, sequence: Sequence) {
        self.entry(sequence).is_blurred = true;
    }

    pub(crate) fn is_blurred(&self, sequence: Sequence) -> bool {
        self.entries.get(&sequence).is_some_and(|entry| entry.is_blurred)
    }

    pub(crate) fn stop(&mut self, replay: ReplayId) {
        self.stopped.insert(replay);
        let of_replay = self.entries.values_mut().filter(|entry| entry.replay == Some(replay));
        of_replay.for_each(|entry| entry.is_over = true);
    }

    /// Everything up to a place is given up.
    pub(crate) fn skip(&mut self, place: Sequence) {
        self.owed.retain(|sequence| *sequence > place);
        self.entries.range_mut(..=place).for_each(|(_, entry)| entry.is_over = true);
    }

    /// An actor is told of what was put back.
    pub(crate) fn told(&mut self, sequence: Sequence) {
        self.entry(sequence).is_untold = false;
    }

    /// An actor that finds what was put back in the log may be told of it again afterwards, and sends it again.
    pub(crate) fn found(&mut self, sequence: Sequence) {
        let entry = self.entry(sequence);
        entry.may_take += u32::from(entry.is_untold);
    }

    /// Nothing is lost: what the place has passed is settled or waits.
    pub(crate) fn is_kept_by(&self, kept: &ConsumerState, oldest: Sequence) {
        for sequence in self.owed.range(oldest..=kept.place.max(oldest)).filter(|one| **one <= kept.place) {
            assert!(kept.retries.contains_key(sequence), "{sequence} is lost: the place is {}", kept.place);
        }
        for sequence in kept.settled.iter().filter(|sequence| self.owed.contains(sequence)) {
            assert!(kept.retries.contains_key(sequence), "{sequence} is lost: it counts as settled");
        }
        for (sequence, retry) in &kept.retries {
            let replay = retry.requeued.and_then(|requeued| requeued.replay);
            let is_stopped = replay.is_some_and(|replay| self.stopped.contains(&replay));
            assert!(!is_stopped, "{sequence} waits for a stopped replay");
            let is_over = self.entries.get(sequence).is_some_and(|entry| entry.is_over);
            assert!(!is_over, "{sequence} came back after its end");
        }
    }

    /// The figures of a replay are those of what it put back.
    pub(crate) fn adds_up(&self, replay: &Replay, tally: ReplayTally) {
        let put_back = self.replays.get(&replay.id).map_or(0, |all| all.len() as u64);
        if replay.status == ReplayStatus::Stopped {
            assert!(tally.waiting == 0 && tally.put_back() <= put_back, "{tally:?} of {put_back}");
            return;
        }
        assert_eq!(tally.put_back(), put_back, "{tally:?}");
        if replay.status == ReplayStatus::Done {
            assert_eq!((tally.waiting, replay.total), (0, Some(put_back)));
        }
    }

    /// What was owed and had no end.
    pub(crate) fn unsettled(&self) -> Vec<Sequence> {
        self.owed.iter().copied().collect()
    }
}
