//! An event stream: where it begins, what it says, and when.
//!
//! A stream is a cursor over the log: everything matching up to its place has been written, nothing after it.
//! `machine` decides when what is written, `blocks` and `format` how it is written.

pub mod blocks;
pub mod format;
pub mod machine;

pub use format::StreamFormat;

use crate::model::Sequence;

/// Where a client asks to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// With the next event.
    Live,
    /// With the oldest event that is kept.
    Oldest,
    /// After this place.
    After(Sequence),
    /// After an event that is not kept (any more).
    Unknown,
}

/// Why events are missing from a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// Retention removed this many events after the client's place.
    Trimmed {
        /// How many.
        missed: u64,
    },
    /// The client's place is not known, or the event there cannot be read.
    Unknown,
    /// The client's place is beyond the newest event.
    Ahead,
}

/// Where a stream begins to read, and the gap it must tell first. The log keeps `oldest..=head`.
pub fn start(begin: Begin, oldest: Sequence, head: Sequence) -> (Sequence, Option<Gap>) {
    match begin {
        Begin::Live => (head, None),
        Begin::Oldest => (oldest.previous(), None),
        Begin::After(place) if place > head => (head, Some(Gap::Ahead)),
        Begin::After(place) if place.next() < oldest => {
            (oldest.previous(), Some(Gap::Trimmed { missed: oldest.0 - place.0 - 1 }))
        }
        Begin::After(place) => (place, None),
        Begin::Unknown => (oldest.previous(), Some(Gap::Unknown)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_begins_where_the_client_left_or_says_what_is_missing() {
        let (oldest, head) = (Sequence(5), Sequence(9));
        let at = |place| Begin::After(Sequence(place));
        for (begin, place, gap) in [
            (Begin::Live, 9, None),
            (Begin::Oldest, 4, None),
            (at(7), 7, None),
            (at(4), 4, None),
            (at(3), 4, Some(Gap::Trimmed { missed: 1 })),
            (at(0), 4, Some(Gap::Trimmed { missed: 4 })),
            (at(9), 9, None),
            (at(10), 9, Some(Gap::Ahead)),
            (Begin::Unknown, 4, Some(Gap::Unknown)),
        ] {
            assert_eq!(start(begin, oldest, head), (Sequence(place), gap), "{begin:?}");
        }
    }
}
