//! Writing a log as text.

use super::{EventLine, Header, Line, TransferError, Transferred, VERSION};
use crate::log::redb::tools::Progress;
use crate::log::redb::{RedbLog, control, lookup};
use crate::log::{EventLog, LogError};
use crate::model::Sequence;
use std::io::Write;
use std::sync::PoisonError;

/// Writes everything a log holds. Events that cannot be read are left out and named.
pub fn export(
    log: &RedbLog,
    out: &mut dyn Write,
    progress: Progress<'_>,
) -> Result<Transferred, TransferError> {
    let bounds = *log.bounds().borrow();
    let (oldest, head) = (bounds.oldest, bounds.head);
    write(out, &Line::Export(Header { version: VERSION, oldest_sequence: oldest, head_sequence: head }))?;
    for change in control::snapshot(&log.management()) {
        write(out, &Line::Change(Box::new(change)))?;
    }
    let transferred = events(log, out, progress)?;
    let kept = log.shared.kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for (id, consumer) in kept.consumers {
        write(out, &Line::Consumer(id, Box::new(consumer)))?;
    }
    for gate in kept.gates.into_values() {
        write(out, &Line::Gate(Box::new(gate)))?;
    }
    write(out, &Line::End(transferred.clone()))?;
    out.flush()?;
    Ok(transferred)
}

fn events(log: &RedbLog, out: &mut dyn Write, progress: Progress<'_>) -> Result<Transferred, TransferError> {
    let bounds = *log.bounds().borrow();
    let mut transferred = Transferred::default();
    // Places that no segment has were never events: a copy leaves many of them out.
    let segments = log.shared.segments.load_full();
    for segment in segments.iter() {
        let from = segment.about.first_sequence.max(bounds.oldest.0);
        for sequence in (from..=segment.last_sequence().min(bounds.head.0)).map(Sequence) {
            match lookup::get(&log.shared, sequence) {
                Ok(Some(event)) => {
                    let line = EventLine::of(&event).map_err(TransferError::Store)?;
                    write(out, &Line::Event(Box::new(line)))?;
                    transferred.events += 1;
                }
                Ok(None) => {}
                Err(LogError::Corrupt { .. }) => transferred.corrupt.push(sequence),
                Err(error) => return Err(TransferError::Store(error.to_string())),
            }
            if sequence.0.is_multiple_of(1024) {
                progress(sequence.0 - bounds.oldest.0, bounds.head.0 + 1 - bounds.oldest.0);
            }
        }
    }
    Ok(transferred)
}

fn write(out: &mut dyn Write, line: &Line) -> Result<(), TransferError> {
    serde_json::to_writer(&mut *out, line).map_err(std::io::Error::from)?;
    out.write_all(b"\n")?;
    Ok(())
}
