//! The row of an event: its members and a checksum over them and its place.

use crate::model::{
    EncodeAs, EventDraft, EventId, EventType, Sequence, StoredEvent, TenantId, Timestamp, UnixMillis,
};
use bytes::Bytes;

const VERSION: u8 = 1;
const CHECKSUM: std::ops::Range<usize> = 1..5;
const HEADER: usize = 39;
const ABSENT_LABEL: u16 = u16::MAX;
const ABSENT_EXTENSIONS: u32 = u32::MAX;

/// Encodes an event as it is stored.
pub(super) fn encode(event: &StoredEvent) -> Vec<u8> {
    let data = event.data();
    let label_len = |label: Option<&str>| label.map_or(ABSENT_LABEL, |label| label.len() as u16);
    let mut row = Vec::with_capacity(HEADER + data.len() + 200);
    row.push(VERSION);
    row.extend_from_slice(&[0; 4]);
    row.extend_from_slice(&event.tenant().0.to_le_bytes());
    row.extend_from_slice(&event.stored_at().0.to_le_bytes());
    row.extend_from_slice(&event.timestamp().seconds().to_le_bytes());
    row.extend_from_slice(&event.timestamp().subsec_nanos().to_le_bytes());
    row.push(event.id().as_str().len() as u8);
    row.push(event.event_type().as_str().len() as u8);
    row.extend_from_slice(&label_len(event.pipeline()).to_le_bytes());
    row.extend_from_slice(&label_len(event.run_id()).to_le_bytes());
    let extensions = event.extensions().map_or(ABSENT_EXTENSIONS, |extensions| extensions.len() as u32);
    row.extend_from_slice(&extensions.to_le_bytes());
    row.extend_from_slice(event.id().as_str().as_bytes());
    row.extend_from_slice(event.event_type().as_str().as_bytes());
    row.extend_from_slice(event.pipeline().unwrap_or_default().as_bytes());
    row.extend_from_slice(event.run_id().unwrap_or_default().as_bytes());
    row.extend_from_slice(event.extensions().map_or(&[], |extensions| &extensions[..]));
    row.extend_from_slice(&data);
    let checksum = checksum(event.sequence(), &row);
    row[CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
    row
}

/// Decodes the row found at a place; `None` when it is not what was written there.
pub(super) fn decode(sequence: Sequence, row: &[u8]) -> Option<StoredEvent> {
    if row.len() < HEADER || row[0] != VERSION || checksum(sequence, row).to_le_bytes() != row[CHECKSUM] {
        return None;
    }
    let row = Bytes::copy_from_slice(row);
    let mut reader = Reader { row: &row, at: CHECKSUM.end };
    let tenant = TenantId(u32::from_le_bytes(reader.array()?));
    let stored_at = UnixMillis(i64::from_le_bytes(reader.array()?));
    let timestamp =
        Timestamp::from_parts(i64::from_le_bytes(reader.array()?), u32::from_le_bytes(reader.array()?))?;
    let [id_len, type_len] = reader.array()?;
    let pipeline_len = u16::from_le_bytes(reader.array()?);
    let run_len = u16::from_le_bytes(reader.array()?);
    let extensions_len = u32::from_le_bytes(reader.array()?);
    let id = EventId::parse(reader.text(id_len.into())?).ok()?;
    let event_type = EventType::parse(reader.text(type_len.into())?).ok()?;
    let pipeline = reader.label(pipeline_len)?;
    let run_id = reader.label(run_len)?;
    let extensions = match extensions_len {
        ABSENT_EXTENSIONS => None,
        len => Some(Bytes::copy_from_slice(reader.take(len as usize)?)),
    };
    let data = row.slice(reader.at..);
    let draft = EventDraft { id: None, event_type, timestamp: None, pipeline, run_id, data, extensions };
    Some(StoredEvent::encode(draft, EncodeAs { sequence, tenant, id, timestamp, stored_at }))
}

/// Over the place and everything but the checksum itself, so that a row that moved is caught too.
fn checksum(sequence: Sequence, row: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&sequence.0.to_le_bytes());
    hasher.update(&row[..CHECKSUM.start]);
    hasher.update(&row[CHECKSUM.end..]);
    hasher.finalize()
}

struct Reader<'a> {
    row: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let part = self.row.get(self.at..self.at.checked_add(len)?)?;
        self.at += len;
        Some(part)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn text(&mut self, len: usize) -> Option<&'a str> {
        std::str::from_utf8(self.take(len)?).ok()
    }

    fn label(&mut self, len: u16) -> Option<Option<Box<str>>> {
        if len == ABSENT_LABEL { Some(None) } else { self.text(len.into()).map(|text| Some(text.into())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(pipeline: Option<&str>, extensions: Option<&'static [u8]>) -> StoredEvent {
        let draft = EventDraft {
            id: None,
            event_type: EventType::parse("pipeline.completed").unwrap(),
            timestamp: None,
            pipeline: pipeline.map(Into::into),
            run_id: Some("".into()),
            data: Bytes::from_static(br#"{"rows": 1.10}"#),
            extensions: extensions.map(Bytes::from_static),
        };
        let place = EncodeAs {
            sequence: Sequence(77),
            tenant: TenantId(3),
            id: EventId::parse("evt_x").unwrap(),
            timestamp: Timestamp::parse("1969-12-31T23:59:59.5Z").unwrap(),
            stored_at: UnixMillis(1_771_135_204_700),
        };
        StoredEvent::encode(draft, place)
    }

    #[test]
    fn a_row_reads_back_as_the_event_it_was() {
        for event in [event(None, None), event(Some("päth\"x"), Some(b"{\"source\":\"/x\"}"))] {
            assert_eq!(decode(Sequence(77), &encode(&event)), Some(event));
        }
    }

    #[test]
    fn no_flipped_bit_and_no_other_place_is_accepted() {
        let row = encode(&event(Some("p"), None));
        assert_eq!(decode(Sequence(78), &row), None);
        for bit in 0..row.len() * 8 {
            let mut flipped = row.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(Sequence(77), &flipped), None, "bit {bit}");
        }
        for len in 0..row.len() {
            assert_eq!(decode(Sequence(77), &row[..len]), None);
        }
    }
}
