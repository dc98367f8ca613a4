//! Making a log of its text.

use super::{EventLine, Header, IMPORTING, Line, TransferError, Transferred, VERSION};
use crate::config::StorageConfig;
use crate::log::Change;
use crate::log::redb::control::{self, Kept};
use crate::log::redb::disk::{Folder, OpenError};
use crate::log::redb::tools::Progress;
use crate::log::redb::writer::Writer;
use crate::log::redb::{RESTORED, SEGMENT_EVENTS, limits_of, open, segment};
use crate::model::{EncodeAs, EventDraft, Sequence, StoredEvent};
use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;

/// A transaction is closed at so many events or bytes.
const GROUP_EVENTS: usize = 1024;
const GROUP_BYTES: usize = 1 << 20;

/// Makes a log of an export in the config's folder, which must not hold one. Like a backup, the log goes on 2^32
/// sequences later, so that a place of the original is never taken for a newer event. `progress` is told the bytes read.
pub fn import(
    text: &mut dyn BufRead,
    config: &StorageConfig,
    progress: Progress<'_>,
) -> Result<Transferred, TransferError> {
    let path = &config.path;
    let folder = Folder::open(path)?;
    let failed = |source| OpenError::Folder { path: path.clone(), source };
    if holds_a_log(path).map_err(failed)? {
        return Err(TransferError::NotEmpty(path.clone()));
    }
    // Until the end nobody takes the folder for a log.
    std::fs::File::create(path.join(IMPORTING)).and_then(|file| file.sync_all()).map_err(failed)?;
    std::fs::File::create(path.join(RESTORED)).and_then(|file| file.sync_all()).map_err(failed)?;
    let opened = open::open(Arc::new(folder), config.cache_bytes, config.tail_bytes)?;
    let limits = limits_of(config, std::time::Duration::ZERO, SEGMENT_EVENTS);
    let writer = Writer::new(opened.shared, opened.control, opened.dirty, limits);
    let mut import =
        Import { writer, group: Vec::new(), bytes: 0, kept: Kept::default(), changes: Vec::new() };
    let read = import.read(text, progress);
    // Closed also after a failure, so that no thread of this has the folder any more.
    let transferred = import.finish(read)?;
    std::fs::remove_file(path.join(IMPORTING)).map_err(failed)?;
    std::fs::File::open(path).and_then(|folder| folder.sync_all()).map_err(failed)?;
    Ok(transferred)
}

fn holds_a_log(folder: &Path) -> std::io::Result<bool> {
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if segment::first_of(&name).is_some() || name == control::FILE || name == IMPORTING {
            return Ok(true);
        }
    }
    Ok(false)
}

/// An import under way.
struct Import {
    writer: Writer,
    /// Events for the next transaction, at places without a gap.
    group: Vec<Arc<StoredEvent>>,
    bytes: usize,
    kept: Kept,
    changes: Vec<Change>,
}

impl Import {
    fn read(&mut self, text: &mut dyn BufRead, progress: Progress<'_>) -> Result<Transferred, TransferError> {
        let (mut buffer, mut number, mut bytes) = (String::new(), 0, 0);
        let mut transferred = None;
        loop {
            buffer.clear();
            let length = text.read_line(&mut buffer)?;
            if length == 0 {
                return transferred.ok_or(TransferError::CutOff(number));
            }
            number += 1;
            bytes += length as u64;
            let wrong = |detail: String| TransferError::Line { line: number, detail };
            let line: Line = serde_json::from_str(&buffer).map_err(|error| wrong(error.to_string()))?;
            if transferred.is_some() || (number == 1) != matches!(line, Line::Export(_)) {
                return Err(wrong("it stands at the wrong place".to_owned()));
            }
            match line {
                Line::Export(header) => self.begin(&header).map_err(wrong)?,
                Line::Change(change) => self.changes.push(*change),
                Line::Event(event) => self.event(*event).map_err(wrong)?,
                Line::Consumer(id, consumer) => drop(self.kept.consumers.insert(id, *consumer)),
                Line::Gate(gate) => drop(self.kept.gates.insert(gate.sequence, *gate)),
                Line::End(end) => transferred = Some(end),
            }
            if number.is_multiple_of(1024) {
                progress(bytes, bytes);
            }
        }
    }

    fn begin(&mut self, header: &Header) -> Result<(), String> {
        if header.version != VERSION {
            return Err(format!("it has version {}, this program reads {VERSION}", header.version));
        }
        self.writer.begin_at(header.oldest_sequence).map_err(|error| error.to_string())
    }

    fn event(&mut self, line: EventLine) -> Result<(), String> {
        let expected = Sequence(self.writer.next.0 + self.group.len() as u64);
        if line.sequence < expected {
            return Err(format!("sequence {} comes after {}", line.sequence, expected.previous()));
        }
        if line.sequence > expected {
            self.flush()?;
            self.writer.skip_to(line.sequence).map_err(|error| error.to_string())?;
        }
        let event = stored(line).map_err(|error| error.to_string())?;
        self.bytes += event.envelope().len();
        self.group.push(Arc::new(event));
        if self.group.len() >= GROUP_EVENTS || self.bytes >= GROUP_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), String> {
        self.bytes = 0;
        let events = std::mem::take(&mut self.group);
        self.writer.adopt(events).map_err(|error| error.to_string())
    }

    /// What there is besides events becomes the checkpoint.
    fn finish(mut self, read: Result<Transferred, TransferError>) -> Result<Transferred, TransferError> {
        let flushed = read.and_then(|read| self.flush().map(|()| read).map_err(TransferError::Store));
        let kept = flushed.and_then(|read| {
            let kept = self.writer.adopt_kept(self.changes, self.kept);
            kept.map(|()| read).map_err(TransferError::Store)
        });
        self.writer.close();
        kept
    }
}

fn stored(line: EventLine) -> Result<StoredEvent, serde_json::Error> {
    let draft = EventDraft {
        id: None,
        event_type: line.event_type,
        timestamp: None,
        pipeline: line.pipeline,
        run_id: line.run_id,
        data: line.data.into_bytes()?,
        extensions: line.extensions.map(super::Verbatim::into_bytes).transpose()?,
    };
    let place = EncodeAs {
        sequence: line.sequence,
        tenant: line.tenant,
        id: line.id,
        timestamp: line.timestamp,
        stored_at: line.stored_at,
    };
    Ok(StoredEvent::encode(draft, place))
}
