//! Points in time: what events carry, and what machines count with.

use jiff::civil::DateTime;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A point in time as events and the API carry it: RFC 3339, always written in UTC (`Z`) with as many
/// fraction digits as needed, up to nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    seconds: i64,
    nanos: u32,
}

/// 0000-01-01T00:00:00Z: RFC 3339 has no year before it.
const FIRST_SECOND: i64 = -62_167_219_200;

/// 9999-12-31T23:59:59Z: RFC 3339 has no year after it.
const LAST_SECOND: i64 = 253_402_300_799;

/// What seconds are counted from.
const EPOCH: DateTime = jiff::civil::datetime(1970, 1, 1, 0, 0, 0, 0);

/// The text is no RFC 3339 date-time that the log can keep.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an RFC 3339 date-time with a zone, such as 2026-02-15T06:00:04.7Z, of the years 0 to 9999 in UTC: {0:?}"
)]
pub struct InvalidTimestamp(pub String);

impl Timestamp {
    /// Reads an RFC 3339 date-time. Lower-case `t` and `z` and any offset are accepted (RFC 3339, 5.6); a
    /// leap second becomes the second before it; more than nine fraction digits are refused.
    pub fn parse(text: &str) -> Result<Self, InvalidTimestamp> {
        let (seconds, nanos) = read(text).ok_or_else(|| InvalidTimestamp(text.chars().take(64).collect()))?;
        Self::from_parts(seconds, nanos).ok_or_else(|| InvalidTimestamp(text.to_owned()))
    }

    /// Reads a date-time that only bounds others: one that is later or earlier than any that can be kept is the last
    /// or the first of them.
    pub fn parse_bound(text: &str) -> Result<Self, InvalidTimestamp> {
        match read(text) {
            Some((seconds, _)) if seconds < FIRST_SECOND => Ok(Self { seconds: FIRST_SECOND, nanos: 0 }),
            Some((seconds, _)) if seconds > LAST_SECOND => {
                Ok(Self { seconds: LAST_SECOND, nanos: 999_999_999 })
            }
            _ => Self::parse(text),
        }
    }

    /// From whole seconds since the epoch and nanoseconds; `None` outside the years 0 to 9999.
    pub fn from_parts(seconds: i64, nanos: u32) -> Option<Self> {
        let is_kept = (FIRST_SECOND..=LAST_SECOND).contains(&seconds) && nanos < 1_000_000_000;
        is_kept.then_some(Self { seconds, nanos })
    }

    /// Whole seconds since the epoch, rounded down.
    pub fn seconds(self) -> i64 {
        self.seconds
    }

    /// Nanoseconds after [`Timestamp::seconds`].
    pub fn subsec_nanos(self) -> u32 {
        self.nanos
    }

    /// Microseconds since the epoch, rounded down: what the indexes of the log keep.
    pub fn as_micros(self) -> i64 {
        self.seconds * 1_000_000 + i64::from(self.nanos / 1000)
    }
}

/// Seconds since the epoch and nanoseconds of an RFC 3339 date-time, whatever year its offset moves it to.
fn read(text: &str) -> Option<(i64, u32)> {
    if !has_rfc3339_shape(text.as_bytes()) {
        return None;
    }
    let zone = text.rfind(['Z', 'z', '+', '-'])?;
    let (local, zone) = text.split_at(zone);
    let local = local.parse::<DateTime>().ok()?;
    let number = |range: std::ops::Range<usize>| zone.get(range)?.parse::<i64>().ok();
    let offset = match zone.as_bytes()[0] {
        b'+' => number(1..3)? * 3600 + number(4..6)? * 60,
        b'-' => -(number(1..3)? * 3600 + number(4..6)? * 60),
        _ => 0,
    };
    let since_epoch = local.duration_since(EPOCH).as_nanos() - i128::from(offset) * 1_000_000_000;
    Some((since_epoch.div_euclid(1_000_000_000) as i64, since_epoch.rem_euclid(1_000_000_000) as u32))
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
        if let Ok(time) = jiff::Timestamp::new(self.seconds, self.nanos as i32) {
            return time.fmt(f);
        }
        // The last day of all, which the library keeps free for offsets.
        let since_epoch = jiff::SignedDuration::new(self.seconds, self.nanos as i32);
        let civil = EPOCH.checked_add(since_epoch).map_err(|_| fmt::Error)?;
        write!(f, "{civil}Z")
    }
}

impl From<Timestamp> for UnixMillis {
    fn from(time: Timestamp) -> Self {
        Self(time.as_micros().div_euclid(1000))
    }
}

impl From<UnixMillis> for Timestamp {
    fn from(time: UnixMillis) -> Self {
        let nanos = time.0.rem_euclid(1000) as u32 * 1_000_000;
        let last = Self { seconds: LAST_SECOND, nanos: 999_999_999 };
        Self::from_parts(time.0.div_euclid(1000), nanos).unwrap_or(last)
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
            ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z"),
            ("9999-12-30T22:00:01Z", "9999-12-30T22:00:01Z"),
            ("9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999999999Z"),
            ("9999-12-31t22:59:59.5-01:00", "9999-12-31T23:59:59.5Z"),
            ("9999-12-31T23:59:60Z", "9999-12-31T23:59:59Z"),
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
            ("9999-12-31T23:59:59-00:01", "9999-12-31T23:59:59.999999999Z"),
            ("9999-12-31T23:59:59.999999999-23:59", "9999-12-31T23:59:59.999999999Z"),
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
