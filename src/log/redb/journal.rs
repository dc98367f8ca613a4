//! The journal of a commit: what it changed besides events, compact for what happens often.

use crate::log::Change;
use crate::model::{DestinationId, GateChange, Heard, ReplayId, Requeue, Sequence, UnixMillis, Verdict};

const VERSION: u8 = 1;
const OUTCOME: u8 = 1;
const MOVE_PLACE: u8 = 2;
const MANAGEMENT: u8 = 3;
const OLDEST: u8 = 4;
const REQUEUE: u8 = 5;
const GATE: u8 = 6;

/// One entry of the journal.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Entry {
    /// What is kept of [`Change::Outcome`]; the attempt itself is a row of its own.
    Outcome {
        destination: DestinationId,
        sequence: Sequence,
        attempts: u32,
        verdict: Verdict,
        place: Sequence,
        heard: Heard,
    },
    /// [`Change::Requeue`].
    Requeue(Box<Requeue>),
    /// [`Change::MovePlace`].
    MovePlace { destination: DestinationId, place: Sequence },
    /// [`Change::Gate`], without the records of a run that ended: they are rows of their own.
    Gate(Box<GateChange>),
    /// Any other change.
    Management(Box<Change>),
    /// Retention moved the oldest kept event here.
    Oldest(Sequence),
}

impl Entry {
    pub(super) fn of(change: Change) -> Self {
        match change {
            Change::Outcome { attempt, place, heard } => Self::Outcome {
                destination: attempt.destination,
                sequence: attempt.sequence,
                attempts: attempt.attempt,
                verdict: attempt.verdict,
                place,
                heard,
            },
            Change::Invoked { record, place, heard } => Self::Outcome {
                destination: record.consumer.unwrap_or(DestinationId(0)),
                sequence: record.sequence,
                attempts: record.attempt,
                verdict: record.verdict.unwrap_or(Verdict::Dead),
                place,
                heard,
            },
            Change::Gate(gate) => Self::Gate(gate),
            Change::Requeue(requeue) => Self::Requeue(requeue),
            Change::MovePlace { destination, place } => Self::MovePlace { destination, place },
            management => Self::Management(Box::new(management)),
        }
    }
}

/// Packs the entries of a commit.
pub(super) fn encode(commit: u64, entries: &[Entry]) -> Vec<u8> {
    let mut row = vec![VERSION, 0, 0, 0, 0];
    for entry in entries {
        push(&mut row, entry);
    }
    let checksum = checksum(commit, &row[5..]);
    row[1..5].copy_from_slice(&checksum.to_le_bytes());
    row
}

fn push(row: &mut Vec<u8>, entry: &Entry) {
    match entry {
        Entry::Outcome { destination, sequence, attempts, verdict, place, heard } => {
            row.push(OUTCOME);
            row.extend_from_slice(&destination.0.to_le_bytes());
            row.extend_from_slice(&sequence.0.to_le_bytes());
            row.extend_from_slice(&attempts.to_le_bytes());
            let (kind, due) = verdict_parts(*verdict);
            row.push(kind);
            row.extend_from_slice(&due.to_le_bytes());
            row.extend_from_slice(&place.0.to_le_bytes());
            let (kind, at) = heard_parts(*heard);
            row.push(kind);
            row.extend_from_slice(&at.to_le_bytes());
        }
        Entry::Requeue(requeue) => {
            row.push(REQUEUE);
            push_requeue(row, requeue);
        }
        Entry::MovePlace { destination, place } => {
            row.push(MOVE_PLACE);
            row.extend_from_slice(&destination.0.to_le_bytes());
            row.extend_from_slice(&place.0.to_le_bytes());
        }
        Entry::Management(change) => {
            row.push(MANAGEMENT);
            push_json(row, change);
        }
        Entry::Gate(change) => {
            row.push(GATE);
            push_json(row, change);
        }
        Entry::Oldest(oldest) => {
            row.push(OLDEST);
            row.extend_from_slice(&oldest.0.to_le_bytes());
        }
    }
}

fn push_json(row: &mut Vec<u8>, value: &impl serde::Serialize) {
    let json = serde_json::to_vec(value).expect("a change is plain data");
    row.extend_from_slice(&(json.len() as u32).to_le_bytes());
    row.extend_from_slice(&json);
}

fn pull_json<T: serde::de::DeserializeOwned>(rest: &mut &[u8]) -> Option<T> {
    let len = u32::from_le_bytes(array(rest)?) as usize;
    let (json, after) = rest.split_at_checked(len)?;
    *rest = after;
    serde_json::from_slice(json).ok()
}

fn push_requeue(row: &mut Vec<u8>, requeue: &Requeue) {
    row.extend_from_slice(&requeue.destination.0.to_le_bytes());
    row.extend_from_slice(&requeue.due.0.to_le_bytes());
    // No replay has the id zero: an id begins with the time it was made.
    row.extend_from_slice(&requeue.replay.map_or(0, |replay| replay.0).to_le_bytes());
    row.extend_from_slice(&(requeue.deliveries.len() as u32).to_le_bytes());
    for (sequence, attempts) in &requeue.deliveries {
        row.extend_from_slice(&sequence.0.to_le_bytes());
        row.extend_from_slice(&attempts.to_le_bytes());
    }
}

/// Unpacks a row; `None` when it is not what was written.
pub(super) fn decode(commit: u64, row: &[u8]) -> Option<Vec<Entry>> {
    let (header, mut rest) = row.split_first_chunk::<5>()?;
    if header[0] != VERSION || checksum(commit, rest).to_le_bytes() != header[1..] {
        return None;
    }
    let mut entries = Vec::new();
    while let Some((kind, after)) = rest.split_first() {
        rest = after;
        entries.push(pull(*kind, &mut rest)?);
    }
    Some(entries)
}

fn pull(kind: u8, rest: &mut &[u8]) -> Option<Entry> {
    match kind {
        OUTCOME => {
            let destination = DestinationId(u128::from_le_bytes(array(rest)?));
            let sequence = Sequence(u64::from_le_bytes(array(rest)?));
            let attempts = u32::from_le_bytes(array(rest)?);
            let [kind] = array(rest)?;
            let verdict = verdict_of(kind, i64::from_le_bytes(array(rest)?))?;
            let place = Sequence(u64::from_le_bytes(array(rest)?));
            let [kind] = array(rest)?;
            let heard = heard_of(kind, i64::from_le_bytes(array(rest)?))?;
            Some(Entry::Outcome { destination, sequence, attempts, verdict, place, heard })
        }
        REQUEUE => pull_requeue(rest).map(|requeue| Entry::Requeue(Box::new(requeue))),
        MOVE_PLACE => {
            let destination = DestinationId(u128::from_le_bytes(array(rest)?));
            Some(Entry::MovePlace { destination, place: Sequence(u64::from_le_bytes(array(rest)?)) })
        }
        MANAGEMENT => pull_json(rest).map(Entry::Management),
        GATE => pull_json(rest).map(Entry::Gate),
        OLDEST => Some(Entry::Oldest(Sequence(u64::from_le_bytes(array(rest)?)))),
        _ => None,
    }
}

fn pull_requeue(rest: &mut &[u8]) -> Option<Requeue> {
    let destination = DestinationId(u128::from_le_bytes(array(rest)?));
    let due = UnixMillis(i64::from_le_bytes(array(rest)?));
    let replay = u128::from_le_bytes(array(rest)?);
    let replay = (replay != 0).then_some(ReplayId(replay));
    let count = u32::from_le_bytes(array(rest)?);
    let mut deliveries = Vec::new();
    for _ in 0..count {
        let sequence = Sequence(u64::from_le_bytes(array(rest)?));
        deliveries.push((sequence, u32::from_le_bytes(array(rest)?)));
    }
    Some(Requeue { destination, deliveries, due, replay })
}

fn array<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (array, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*array)
}

pub(super) fn verdict_parts(verdict: Verdict) -> (u8, i64) {
    match verdict {
        Verdict::Delivered => (0, 0),
        Verdict::Retry { at } => (1, at.0),
        Verdict::Dead => (2, 0),
        Verdict::Expired => (3, 0),
        Verdict::Cancelled => (4, 0),
    }
}

pub(super) fn verdict_of(kind: u8, due: i64) -> Option<Verdict> {
    match kind {
        0 => Some(Verdict::Delivered),
        1 => Some(Verdict::Retry { at: UnixMillis(due) }),
        2 => Some(Verdict::Dead),
        3 => Some(Verdict::Expired),
        4 => Some(Verdict::Cancelled),
        _ => None,
    }
}

fn heard_parts(heard: Heard) -> (u8, i64) {
    match heard {
        Heard::Nothing => (0, 0),
        Heard::Success => (1, 0),
        Heard::Failure(at) => (2, at.0),
    }
}

fn heard_of(kind: u8, at: i64) -> Option<Heard> {
    match kind {
        0 => Some(Heard::Nothing),
        1 => Some(Heard::Success),
        2 => Some(Heard::Failure(UnixMillis(at))),
        _ => None,
    }
}

fn checksum(commit: u64, entries: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&commit.to_le_bytes());
    hasher.update(entries);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_entry_reads_back() {
        let destination = DestinationId(7);
        let retry = Verdict::Retry { at: UnixMillis(123) };
        let outcome = |verdict, heard| Entry::Outcome {
            destination,
            sequence: Sequence(5),
            attempts: 2,
            verdict,
            place: Sequence(4),
            heard,
        };
        let entries = vec![
            outcome(Verdict::Delivered, Heard::Success),
            outcome(retry, Heard::Failure(UnixMillis(9))),
            outcome(Verdict::Dead, Heard::Nothing),
            outcome(Verdict::Expired, Heard::Nothing),
            outcome(Verdict::Cancelled, Heard::Nothing),
            Entry::MovePlace { destination, place: Sequence(9) },
            Entry::Management(Box::new(Change::RemoveDestination(destination))),
            Entry::Oldest(Sequence(3)),
            Entry::Requeue(Box::new(Requeue {
                destination,
                deliveries: vec![(Sequence(2), 8), (Sequence(3), 0)],
                due: UnixMillis(77),
                replay: Some(ReplayId(5)),
            })),
        ];
        let row = encode(11, &entries);
        assert_eq!(decode(11, &row), Some(entries));
        assert_eq!(decode(12, &row), None);
    }
}
