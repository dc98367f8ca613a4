//! Points in time: what events carry, and what machines count with.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A point in time as events and the API carry it: RFC 3339, always written in UTC (`Z`) with as many
/// fraction digits as needed, up to nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(jiff::Timestamp);

/// 0000-01-01T00:00:00Z: RFC 3339 has no year before it.
const FIRST_SECOND: i64 = -62_167_219_200;

/// The text is no RFC 3339 date-time that the log can keep.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an RFC 3339 date-time with a zone, such as 2026-02-15T06:00:04.7Z, from the year 0 to 9999-12-30T22:00:00Z: {0:?}"
)]
pub struct InvalidTimestamp(pub String);

impl Timestamp {
    /// Reads an RFC 3339 date-time. Lower-case `t` and `z` and any offset are accepted (RFC 3339, 5.6); a
    /// leap second becomes the second before it; more than nine fraction digits are refused.
    pub fn parse(text: &str) -> Result<Self, InvalidTimestamp> {
        let invalid = || InvalidTimestamp(text.chars().take(64).collect());
        if !has_rfc3339_shape(text.as_bytes()) {
            return Err(invalid());
        }
        let parsed = text.parse::<jiff::Timestamp>().map(Self).map_err(|_| invalid())?;
        if parsed.seconds() < FIRST_SECOND { Err(invalid()) } else { Ok(parsed) }
    }

    /// Reads a date-time that only bounds others: one that is later or earlier than any that can be kept is the last
    /// or the first of them.
    pub fn parse_bound(text: &str) -> Result<Self, InvalidTimestamp> {
        let given = match Self::parse(text) {
            Err(refused) if has_rfc3339_shape(text.as_bytes()) => refused,
            parsed => return parsed,
        };
        // Only what its offset moves out of the range gets here with a date and a time that there are.
        let local = text.get(..19).map(str::parse::<jiff::civil::DateTime>);
        match local {
            Some(Ok(local)) if local.year() > 0 => Ok(Self(jiff::Timestamp::MAX)),
            Some(Ok(_)) => Self::from_parts(FIRST_SECOND, 0).ok_or(given),
            _ => Err(given),
        }
    }

    /// From whole seconds since the epoch and nanoseconds; `None` outside years -9999 to 9999.
    pub fn from_parts(seconds: i64, nanos: u32) -> Option<Self> {
        jiff::Timestamp::new(seconds, nanos as i32).ok().map(Self)
    }

    /// Whole seconds since the epoch, rounded down.
    pub fn seconds(self) -> i64 {
        self.0.as_nanosecond().div_euclid(1_000_000_000) as i64
    }

    /// Nanoseconds after [`Timestamp::seconds`].
    pub fn subsec_nanos(self) -> u32 {
        self.0.as_nanosecond().rem_euclid(1_000_000_000) as u32
    }

    /// Microseconds since the epoch, rounded down: what the indexes of the log keep.
    pub fn as_micros(self) -> i64 {
        self.0.as_nanosecond().div_euclid(1000) as i64
    }
}

/// `YYYY-MM-DDTHH:MM:SS[.f{1,9}](Z|±HH:MM)`: the calendar is checked by the parser behind it.
fn has_rfc3339_shape(text: &[u8]) -> bool {
    let digits = |range: std::ops::Range<usize>| {
        text.get(range).is_some_and(|part| part.iter().all(u8::is_ascii_digit))
    };
    let is = |at: usize, any: &[u8]| text.get(at).is_some_and(|byte| any.contains(byte));
    let head = digits(0..4) && is(4, b"-") && digits(5..7) && is(7, b"-") && digits(8..10) && is(10, b"Tt");
    let clock = digits(11..13) && is(13, b":") && digits(14..16) && is(16, b":") && digits(17..19);
    if !head || !clock || &text[11..13] > b"23".as_slice() {
        return false;
    }
    let mut at = 19;
    if is(at, b".") {
        let fraction = text[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if fraction == 0 || fraction > 9 {
            return false;
        }
        at += 1 + fraction;
    }
    let rest = &text[at..];
    match rest {
        b"Z" | b"z" => true,
        [b'+' | b'-', ..] => {
            rest.len() == 6
                && rest[3] == b':'
                && digits(at + 1..at + 3)
                && digits(at + 4..at + 6)
                && &rest[1..3] <= b"23".as_slice()
                && &rest[4..6] <= b"59".as_slice()
        }
        _ => false,
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Timestamp> for UnixMillis {
    fn from(time: Timestamp) -> Self {
        Self(time.as_micros().div_euclid(1000))
    }
}

impl From<UnixMillis> for Timestamp {
    fn from(time: UnixMillis) -> Self {
        Self(jiff::Timestamp::from_millisecond(time.0).unwrap_or(jiff::Timestamp::MAX))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Milliseconds since the epoch: the `now` that pure machines are given, and what due times are kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMillis(pub i64);

impl UnixMillis {
    /// This time plus `millis`.
    #[must_use]
    pub fn plus(self, millis: u64) -> Self {
        Self(self.0.saturating_add(i64::try_from(millis).unwrap_or(i64::MAX)))
    }

    /// Milliseconds from `earlier` to this time, zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_normalised_to_utc_and_keeps_its_precision() {
        for (given, kept) in [
            ("2026-02-15T06:00:04.7Z", "2026-02-15T06:00:04.7Z"),
            ("2026-02-15t06:00:04z", "2026-02-15T06:00:04Z"),
            ("2026-02-15T08:00:04+02:00", "2026-02-15T06:00:04Z"),
            ("1969-12-31T23:59:59.999999999Z", "1969-12-31T23:59:59.999999999Z"),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"),
        ] {
            let parsed = Timestamp::parse(given).unwrap();
            assert_eq!(parsed.to_string(), kept);
            assert_eq!(Timestamp::from_parts(parsed.seconds(), parsed.subsec_nanos()), Some(parsed));
        }
    }

    #[test]
    fn whatever_is_not_rfc_3339_with_a_zone_is_refused() {
        for bad in [
            "yesterday",
            "2026-13-01",
            "2026-13-01T00:00:00Z",
            "2026-02-30T00:00:00Z",
            "2026-02-15T06:00:04",
            "2026-02-15T24:00:00Z",
            "2026-02-15 06:00:04Z",
            "10000-01-01T00:00:00Z",
            "2026-02-15T06:00:04+25:00",
            "2026-02-15T06:00:04.Z",
            "2026-02-15T06:00:04.0000000000000000000000000000000000000001Z",
            "2026-02-15T06:00:04Z[Europe/Rome]",
            "9999-13-01T00:00:00Z",
            "",
        ] {
            assert!(Timestamp::parse(bad).is_err(), "{bad}");
            assert!(Timestamp::parse_bound(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_time_that_cannot_be_kept_is_refused_but_bounds_others() {
        for (given, bound) in [
            ("9999-12-31T23:59:59Z", "9999-12-30T22:00:00.999999999Z"),
            ("9999-12-31T23:59:59.999999999-23:59", "9999-12-30T22:00:00.999999999Z"),
            ("0000-01-01T00:00:00+01:00", "0000-01-01T00:00:00Z"),
        ] {
            assert!(Timestamp::parse(given).is_err(), "{given}");
            assert_eq!(Timestamp::parse_bound(given).unwrap().to_string(), bound, "{given}");
        }
        let kept = "0000-01-01T00:00:00Z";
        assert_eq!(Timestamp::parse(kept).unwrap().to_string(), kept);
        assert_eq!(
            Timestamp::parse_bound("2026-02-15T08:00:04+02:00").unwrap().to_string(),
            "2026-02-15T06:00:04Z"
        );
    }
}
