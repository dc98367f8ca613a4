//! `Retry-After` (RFC 9110 section 10.2.3): seconds or an HTTP date.

use crate::time::UnixMillis;

/// The wait in milliseconds that an answer asks for; `None` when it asks for none that makes sense.
pub fn millis(headers: &[(String, String)], now: UnixMillis) -> Option<u64> {
    let mut given = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("retry-after"));
    let (Some((_, value)), None) = (given.next(), given.next()) else { return None };
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More than fits is simply long; the caller has a cap.
        return Some(value.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(1000));
    }
    Some(UnixMillis(http_date(value)?.as_millisecond()).since(now))
}

/// Reads a date in each of the three forms that a recipient has to take (RFC 9110 section 5.6.7).
fn http_date(value: &str) -> Option<jiff::Timestamp> {
    if let Ok(date) = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value) {
        return Some(date);
    }
    let obsolete = ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
    let civil = obsolete.iter().find_map(|form| jiff::civil::DateTime::strptime(form, value).ok())?;
    civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &str) -> Option<u64> {
        millis(&[("Retry-After".to_owned(), value.to_owned())], UnixMillis(1_771_135_204_000))
    }

    #[test]
    fn seconds_dates_and_nonsense() {
        assert_eq!(of("0"), Some(0));
        assert_eq!(of("4"), Some(4000));
        assert_eq!(of("99999999999999999999"), Some(u64::MAX));
        assert_eq!(of("Sun, 15 Feb 2026 06:00:14 GMT"), Some(10_000));
        assert_eq!(of("Sun, 15 Feb 2015 06:00:14 GMT"), Some(0));
        assert_eq!(of("Sunday, 15-Feb-26 06:00:14 GMT"), Some(10_000));
        assert_eq!(of("Sun Feb 15 06:00:14 2026"), Some(10_000));
        assert_eq!(of("Sun Feb  1 06:00:14 2026"), Some(0));
        for nonsense in ["-1", "abc", "1e300", "inf", "NaN", "", "1.5", "Sunday, 15-Feb-26 06:00:14 CET"] {
            assert_eq!(of(nonsense), None, "{nonsense}");
        }
        let twice = [("retry-after".to_owned(), "1".to_owned()), ("Retry-After".to_owned(), "2".to_owned())];
        assert_eq!(millis(&twice, UnixMillis(0)), None);
    }
}
