//! The row of an attempt in the delivery log: what it meant as the first byte, then a checksum over its key and
//! everything else, then the record, packed. What the key says is not said again.
//!
//! Rows are many and small, so how long they are is what a delivery costs the log. Rows of older files are JSON behind
//! their first byte; those are still read.

use super::journal::{verdict_of, verdict_parts};
use crate::model::{
    AttemptRecord, DestinationId, EventId, EventNote, EventType, ReplayId, RequestNote, Sequence, Timestamp,
    UnixMillis,
};
use serde::{Deserialize, Serialize};

/// Destination, sequence, attempt.
pub(super) type Key = (u128, u64, u32);

/// The room most attempts take.
const ROW_BYTES: usize = 192;

/// The second byte of a row. Older ones have a `{` there.
const PACKED: u8 = 1;

/// What is packed. The order of the members is the format.
#[derive(Serialize, Deserialize)]
struct Packed<'a> {
    due: i64,
    #[serde(borrow)]
    event: Option<Note<'a>>,
    at: i64,
    latency_ms: u32,
    is_cloudevent: bool,
    signatures: u8,
    signature_header: Option<&'a str>,
    #[serde(borrow)]
    headers: Vec<(&'a str, &'a str)>,
    replay: Option<u128>,
    status: Option<u16>,
    error: Option<&'a str>,
    #[serde(borrow)]
    response_headers: Vec<(&'a str, &'a str)>,
    response_body: &'a str,
}

#[derive(Serialize, Deserialize)]
struct Note<'a> {
    id: &'a str,
    event_type: &'a str,
    seconds: i64,
    nanos: u32,
}

/// An attempt as it is stored, with its key.
pub(super) fn encode(attempt: &AttemptRecord) -> (Key, Vec<u8>) {
    let key = (attempt.destination.0, attempt.sequence.0, attempt.attempt);
    let (kind, due) = verdict_parts(attempt.verdict);
    let note = &attempt.request;
    let packed = Packed {
        due,
        event: attempt.event.as_ref().map(Note::of),
        at: attempt.at.0,
        latency_ms: attempt.latency_ms,
        is_cloudevent: note.is_cloudevent,
        signatures: note.signatures,
        signature_header: note.signature_header.as_deref(),
        headers: borrowed(&note.headers),
        replay: note.replay.map(|replay| replay.0),
        status: attempt.status,
        error: attempt.error.as_deref(),
        response_headers: borrowed(&attempt.response_headers),
        response_body: &attempt.response_body,
    };
    let mut row = Vec::with_capacity(ROW_BYTES);
    row.extend_from_slice(&[kind, PACKED, 0, 0, 0, 0]);
    let mut row = postcard::to_extend(&packed, row).expect("an attempt is plain data");
    let checksum = checksum(key, kind, &row[6..]);
    row[2..6].copy_from_slice(&checksum.to_le_bytes());
    (key, row)
}

/// Reads a row; `None` when it is not what was written.
pub(super) fn decode(key: Key, row: &[u8]) -> Option<AttemptRecord> {
    match row {
        [kind, PACKED, rest @ ..] => {
            let (sum, rest) = rest.split_first_chunk::<4>()?;
            let is_whole = checksum(key, *kind, rest).to_le_bytes() == *sum;
            is_whole.then(|| postcard::from_bytes::<Packed<'_>>(rest).ok()?.unpack(key, *kind)).flatten()
        }
        [_, json @ ..] => serde_json::from_slice(json).ok(),
        [] => None,
    }
}

fn checksum((destination, sequence, attempt): Key, kind: u8, packed: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&destination.to_le_bytes());
    hasher.update(&sequence.to_le_bytes());
    hasher.update(&attempt.to_le_bytes());
    hasher.update(&[kind]);
    hasher.update(packed);
    hasher.finalize()
}

fn borrowed(headers: &[(String, String)]) -> Vec<(&str, &str)> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn owned(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

impl<'a> Note<'a> {
    fn of(note: &'a EventNote) -> Self {
        let at = note.timestamp;
        Self {
            id: note.id.as_str(),
            event_type: note.event_type.as_str(),
            seconds: at.seconds(),
            nanos: at.subsec_nanos(),
        }
    }

    fn unpack(&self) -> Option<EventNote> {
        Some(EventNote {
            id: EventId::parse(self.id).ok()?,
            event_type: EventType::parse(self.event_type).ok()?,
            timestamp: Timestamp::from_parts(self.seconds, self.nanos)?,
        })
    }
}

impl Packed<'_> {
    fn unpack(&self, (destination, sequence, attempt): Key, kind: u8) -> Option<AttemptRecord> {
        let event = match &self.event {
            Some(note) => Some(note.unpack()?),
            None => None,
        };
        Some(AttemptRecord {
            destination: DestinationId(destination),
            sequence: Sequence(sequence),
            event,
            attempt,
            at: UnixMillis(self.at),
            latency_ms: self.latency_ms,
            request: RequestNote {
                is_cloudevent: self.is_cloudevent,
                signatures: self.signatures,
                signature_header: self.signature_header.map(str::to_owned),
                headers: owned(&self.headers),
                replay: self.replay.map(ReplayId),
            },
            status: self.status,
            error: self.error.map(str::to_owned),
            verdict: verdict_of(kind, self.due)?,
            response_headers: owned(&self.response_headers),
            response_body: self.response_body.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Verdict;
    use proptest::prelude::*;

    fn texts() -> impl Strategy<Value = Vec<(String, String)>> {
        prop::collection::vec(("[a-z-]{1,12}", ".{0,20}"), 0..4)
    }

    fn verdicts() -> impl Strategy<Value = Verdict> {
        prop_oneof![
            Just(Verdict::Delivered),
            any::<i64>().prop_map(|at| Verdict::Retry { at: UnixMillis(at) }),
            Just(Verdict::Dead),
            Just(Verdict::Expired),
            Just(Verdict::Cancelled),
        ]
    }

    fn notes() -> impl Strategy<Value = RequestNote> {
        let header = prop::option::of("[a-z-]{1,12}");
        let replay = prop::option::of(any::<u128>());
        (any::<bool>(), any::<u8>(), header, texts(), replay).prop_map(
            |(is_cloudevent, signatures, signature_header, headers, replay)| RequestNote {
                is_cloudevent,
                signatures,
                signature_header,
                headers,
                replay: replay.map(ReplayId),
            },
        )
    }

    fn events() -> impl Strategy<Value = EventNote> {
        let at = (-60_000_000_000_i64..200_000_000_000, 0..1_000_000_000_u32);
        ("[A-Za-z0-9_-]{1,64}", "[a-z]{1,9}\\.[a-z]{1,9}", at).prop_map(
            |(id, event_type, (seconds, nanos))| EventNote {
                id: EventId::parse(&id).unwrap(),
                event_type: EventType::parse(&event_type).unwrap(),
                timestamp: Timestamp::from_parts(seconds, nanos).unwrap(),
            },
        )
    }

    prop_compose! {
        fn attempts()(
            (destination, sequence, attempt) in any::<Key>(),
            event in prop::option::of(events()),
            (at, latency_ms) in any::<(i64, u32)>(),
            request in notes(),
            status in prop::option::of(any::<u16>()),
            error in prop::option::of(".{0,40}"),
            verdict in verdicts(),
            response_headers in texts(),
            response_body in ".{0,300}",
        ) -> AttemptRecord {
            let (destination, sequence) = (DestinationId(destination), Sequence(sequence));
            let at = UnixMillis(at);
            AttemptRecord {
                destination, sequence, event, attempt, at, latency_ms, request, status, error, verdict,
                response_headers, response_body,
            }
        }
    }

    proptest! {
        #[test]
        fn an_attempt_reads_back(attempt in attempts()) {
            let (key, row) = encode(&attempt);
            prop_assert_eq!(verdict_of(row[0], 0).is_some(), true);
            prop_assert_eq!(decode(key, &row), Some(attempt));
        }

        #[test]
        fn a_row_of_an_older_file_reads_back(attempt in attempts()) {
            let (key, row) = encode(&attempt);
            let older = [&row[..1], &serde_json::to_vec(&attempt).unwrap()].concat();
            prop_assert_eq!(decode(key, &older), Some(attempt));
        }

        #[test]
        fn a_row_with_a_flipped_bit_is_not_served(attempt in attempts(), at in any::<prop::sample::Index>()) {
            let (key, mut row) = encode(&attempt);
            let bit = at.index(row.len() * 8);
            row[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(decode(key, &row), None);
        }

        #[test]
        fn a_row_of_another_key_is_not_served(attempt in attempts()) {
            let ((destination, sequence, number), row) = encode(&attempt);
            prop_assert_eq!(decode((destination, sequence, number ^ 1), &row), None);
            prop_assert_eq!(decode((destination, sequence ^ 1, number), &row), None);
            prop_assert_eq!(decode((destination ^ 1, sequence, number), &row), None);
        }
    }

    #[test]
    fn a_usual_attempt_takes_little() {
        let attempt = AttemptRecord {
            destination: DestinationId(1 << 120),
            sequence: Sequence(1_000_000),
            event: Some(EventNote {
                id: EventId::generated(1_770_000_000_000, Sequence(1_000_000), 7),
                event_type: EventType::parse("pipeline.completed").unwrap(),
                timestamp: Timestamp::parse("2026-02-15T06:00:04.7Z").unwrap(),
            }),
            attempt: 1,
            at: UnixMillis(1_770_000_000_000),
            latency_ms: 12,
            request: RequestNote { signatures: 1, ..RequestNote::default() },
            status: Some(200),
            error: None,
            verdict: Verdict::Delivered,
            response_headers: vec![("content-length".to_owned(), "2".to_owned())],
            response_body: "{}".to_owned(),
        };
        let json = serde_json::to_vec(&attempt).unwrap();
        let (_, row) = encode(&attempt);
        assert!(row.len() * 3 < json.len(), "{} of {}", row.len(), json.len());
    }
}
