//! The blocks of an event stream that are no events.
//!
//! What must hold: every block ends with a blank line, holds no CR, and an `id` in it is a place up to which
//! everything that matches has been written before it.

use super::Gap;
use crate::model::Sequence;

/// The first bytes of every stream, so that headers and proxies are flushed at once.
pub const OPENING: &[u8] = b"retry: 2000\n: campanile\n\n";

/// A block that is no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block {
    /// Events are missing here.
    Gap {
        /// Why.
        gap: Gap,
        /// The oldest event kept.
        oldest: Sequence,
        /// The place the stream goes on from; `None` when it does not go on, so that the client keeps its own.
        place: Option<Sequence>,
    },
    /// A place without an event: nothing is dispatched, but a client resumes from there.
    Checkpoint(Sequence),
    /// A finite replay is through.
    End(Sequence),
    /// The broker stops: come back after a while.
    Closing,
}

impl Block {
    /// More bytes than any block has.
    pub const MOST_BYTES: usize = 160;

    /// The block as it is written. `unit` in 0..1 spreads the clients that come back.
    pub fn encode(self, unit: f64) -> Vec<u8> {
        let text = match self {
            Self::Gap { gap, oldest, place } => {
                let id = place.map_or(String::new(), |place| format!("id: {place}\n"));
                let (reason, missed) = reason(gap);
                let data = format!(r#"{{"reason":"{reason}","missed":{missed},"oldest":"{oldest}"}}"#);
                format!("{id}event: stream.gap\ndata: {data}\n\n")
            }
            Self::Checkpoint(place) => format!("id: {place}\n\n"),
            Self::End(place) => format!("id: {place}\nevent: stream.end\ndata: {{}}\n\n"),
            Self::Closing => format!("retry: {}\nevent: stream.closing\ndata: {{}}\n\n", retry_ms(unit)),
        };
        text.into_bytes()
    }
}

fn reason(gap: Gap) -> (&'static str, String) {
    match gap {
        Gap::Trimmed { missed } => ("trimmed", missed.to_string()),
        Gap::Unknown => ("unknown", "null".to_owned()),
        Gap::Ahead => ("ahead", "null".to_owned()),
    }
}

/// All that a client gets that cannot be served now but should come back.
pub fn busy(unit: f64) -> Vec<u8> {
    format!("retry: {}\n\n", retry_ms(unit)).into_bytes()
}

/// One to five seconds.
fn retry_ms(unit: f64) -> u64 {
    1000 + (unit.clamp(0.0, 1.0) * 4000.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_what_the_contract_shows() {
        let gap = |gap, place| Block::Gap { gap, oldest: Sequence(6), place };
        for (block, text) in [
            (
                gap(Gap::Trimmed { missed: 3 }, Some(Sequence(5))),
                "id: 5\nevent: stream.gap\ndata: {\"reason\":\"trimmed\",\"missed\":3,\"oldest\":\"6\"}\n\n",
            ),
            (
                gap(Gap::Ahead, None),
                "event: stream.gap\ndata: {\"reason\":\"ahead\",\"missed\":null,\"oldest\":\"6\"}\n\n",
            ),
            (Block::Checkpoint(Sequence(9)), "id: 9\n\n"),
            (Block::End(Sequence(9)), "id: 9\nevent: stream.end\ndata: {}\n\n"),
            (Block::Closing, "retry: 3000\nevent: stream.closing\ndata: {}\n\n"),
        ] {
            assert_eq!(String::from_utf8(block.encode(0.5)).unwrap(), text);
        }
        assert_eq!(busy(0.0), b"retry: 1000\n\n");
        assert_eq!(busy(7.0), b"retry: 5000\n\n");
    }

    #[test]
    fn no_block_is_longer_than_the_most() {
        let place = Some(Sequence(u64::MAX));
        let gap = Block::Gap { gap: Gap::Trimmed { missed: u64::MAX }, oldest: Sequence(u64::MAX), place };
        for block in [gap, Block::End(Sequence(u64::MAX)), Block::Closing] {
            assert!(block.encode(1.0).len() <= Block::MOST_BYTES);
        }
    }
}
