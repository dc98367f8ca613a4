//! An event's place in the log.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The place of an event in the log: strictly increasing in commit order, never reused, starting at 1.
///
/// `Sequence::ZERO` is no event's place; as a *position* it means "before everything".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sequence(pub u64);

impl Sequence {
    /// Before the first event.
    pub const ZERO: Self = Self(0);

    /// The place right after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The place right before this one; zero stays zero.
    #[must_use]
    pub fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// Reads the decimal form used in cursors, SSE ids and headers: digits only, no sign, no padding.
    pub fn parse(text: &str) -> Option<Self> {
        let canonical = text == "0" || !text.starts_with('0');
        if canonical && !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            text.parse().ok().map(Self)
        } else {
            None
        }
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_decimal_form_is_a_sequence() {
        assert_eq!(Sequence::parse("4711"), Some(Sequence(4711)));
        assert_eq!(Sequence::parse("0"), Some(Sequence(0)));
        assert_eq!(Sequence::parse("18446744073709551615"), Some(Sequence(u64::MAX)));
        for bad in ["", "-1", "+1", "007", " 1", "1 ", "1e3", "18446744073709551616", "evt_1", "１"] {
            assert_eq!(Sequence::parse(bad), None, "{bad:?}");
        }
    }
}
