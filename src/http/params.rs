//! Query parameters: each known, each at most once (but `type`), each well formed; anything else is 400.

use super::openapi::Parameter;
use super::problem::Problem;
use crate::model::{EventFilter, PayloadFilter, Timestamp, TypePattern};
use std::collections::BTreeMap;

/// The most types of one filter.
const MOST_TYPES: usize = 100;

/// The parameters of a request that have not been read yet.
#[derive(Debug)]
pub(crate) struct Params {
    values: BTreeMap<String, Vec<String>>,
}

/// The same query with another cursor, for links: everything else stays as the caller wrote it.
pub(crate) fn with_cursor(query: &str, cursor: &str) -> String {
    let is_cursor =
        |pair: &str| url::form_urlencoded::parse(pair.as_bytes()).any(|(name, _)| name == "cursor");
    let others = query.split('&').filter(|pair| !pair.is_empty() && !is_cursor(pair));
    let mut link: String = others.flat_map(|pair| [pair, "&"]).collect();
    link.push_str("cursor=");
    link.push_str(cursor);
    link
}

/// Refuses a query that is not well formed, or has a parameter that nothing is said of.
pub(super) fn check(query: &str, known: &[Parameter]) -> Result<(), Problem> {
    if query.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = known.iter().map(|parameter| parameter.name).collect();
    Params::read(query, &names).map(|_| ())
}

impl Params {
    /// Reads a query string; refuses names that are not in `known`.
    pub(crate) fn read(query: &str, known: &[&str]) -> Result<Self, Problem> {
        check_escapes(query)?;
        let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            if !known.contains(&&*name) {
                let shown: String = name.chars().take(64).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                let detail = format!("there is no query parameter {shown:?} here; there are: {known}");
                return Err(Problem::malformed("unknown_parameter", detail));
            }
            values.entry(name.into_owned()).or_default().push(value.into_owned());
        }
        if let Some((name, _)) = values.iter().find(|(name, values)| *name != "type" && values.len() > 1) {
            return Err(Problem::bad_request(format!("the query parameter {name} stands twice")));
        }
        Ok(Self { values })
    }

    /// One parameter as text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).and_then(|values| values.first()).map(String::as_str)
    }

    /// One parameter read by `parse`, whose failure says what it should have been.
    pub(crate) fn parsed<T>(
        &self,
        name: &str,
        wanted: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let parsed = parse(text);
        parsed.map(Some).ok_or_else(|| Problem::bad_request(format!("{name} must be {wanted}")))
    }

    /// A whole number in a range.
    pub(crate) fn whole(
        &self,
        name: &str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Result<Option<u64>, Problem> {
        let wanted = format!("a whole number from {} to {}", range.start(), range.end());
        self.parsed(name, &wanted, |text| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|number| digits && range.contains(number))
        })
    }

    /// A time. The `+` of an offset may stand as it is, although it means a space in a query.
    pub(crate) fn time(&self, name: &str) -> Result<Option<Timestamp>, Problem> {
        let wanted = "an RFC 3339 time with a zone, such as 2026-02-15T06:00:00Z";
        self.parsed(name, wanted, |text| Timestamp::parse_bound(&text.replace(' ', "+")).ok())
    }

    /// The filter that `type`, `pipeline`, `run_id`, `filter`, `since` and `until` make.
    pub(crate) fn filter(&self) -> Result<EventFilter, Problem> {
        let mut types = Vec::new();
        for list in self.values.get("type").into_iter().flatten() {
            for text in list.split(',') {
                types.push(TypePattern::parse(text).map_err(Problem::bad_request)?);
            }
        }
        if types.len() > MOST_TYPES {
            return Err(Problem::bad_request(format!("at most {MOST_TYPES} types")));
        }
        if types.contains(&TypePattern::Any) {
            types.clear();
        }
        let label = |name| self.parsed(name, "1 to 256 characters", label_of);
        Ok(EventFilter {
            types,
            pipeline: label("pipeline")?,
            run_id: label("run_id")?,
            since: self.time("since")?,
            until: self.time("until")?,
            payload: self.text("filter").map(payload_of).transpose()?,
        })
    }
}

/// An expression over what an event holds.
fn payload_of(text: &str) -> Result<PayloadFilter, Problem> {
    PayloadFilter::parse(text).map_err(|why| {
        let problem = Problem::malformed("invalid_filter", format!("filter: {why}"));
        problem.with_member("line", why.line).with_member("column", why.column)
    })
}

/// A pipeline or a run that an event may have.
fn label_of(text: &str) -> Option<Box<str>> {
    (1..=256).contains(&text.chars().count()).then(|| text.into())
}

/// Every `%` is followed by two digits, and what they make is UTF-8.
fn check_escapes(query: &str) -> Result<(), Problem> {
    let bad = || Problem::bad_request("the query string is not percent-encoded UTF-8");
    let mut bytes = Vec::with_capacity(query.len());
    let mut rest = query.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next().ok_or_else(bad)?, rest.next().ok_or_else(bad)?];
        let digit = |digit: u8| char::from(digit).to_digit(16).ok_or_else(bad);
        bytes.push((digit(digits[0])? * 16 + digit(digits[1])?) as u8);
    }
    std::str::from_utf8(&bytes).map(|_| ()).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["type", "limit", "since", "pipeline"];

    #[test]
    fn unknown_repeated_and_malformed_parameters_are_refused() {
        for bad in ["x=1", "limit=1&limit=2", "limit=%zz", "limit=%", "pipeline=%ff"] {
            assert!(Params::read(bad, KNOWN).is_err(), "{bad}");
        }
        let whole = |query: &str| Params::read(query, KNOWN).unwrap().whole("limit", 1..=1000);
        for bad in ["limit=0", "limit=1001", "limit=", "limit=+1", "limit=1.0", "limit=-1"] {
            assert!(whole(bad).is_err(), "{bad}");
        }
        assert_eq!(whole("limit=7").unwrap(), Some(7));
        assert_eq!(whole("").unwrap(), None);
    }

    #[test]
    fn a_link_keeps_the_query_as_it_was_written() {
        let query = "type=a,b.*&pipeline=x%20y+z&cursor=5&limit=2";
        assert_eq!(with_cursor(query, "9"), "type=a,b.*&pipeline=x%20y+z&limit=2&cursor=9");
        assert_eq!(with_cursor("", "9"), "cursor=9");
        assert_eq!(with_cursor("%63ursor=5&limit=2", "9"), "limit=2&cursor=9");
    }

    #[test]
    fn an_offset_s_plus_sign_may_stand_bare() {
        let time = |query: &str| Params::read(query, KNOWN).unwrap().time("since").unwrap();
        assert_eq!(time("since=2026-02-15T08:00:00+02:00"), time("since=2026-02-15T06:00:00Z"));
    }

    #[test]
    fn types_come_by_comma_and_by_repetition() {
        let filter = |query: &str| Params::read(query, KNOWN).unwrap().filter();
        assert_eq!(filter("type=a,b.*&type=c").unwrap().types.len(), 3);
        assert!(filter("type=a,*").unwrap().types.is_empty());
        for bad in ["type=", "type=a,", "type=a*", "since=yesterday", "pipeline="] {
            assert!(filter(bad).is_err(), "{bad}");
        }
    }
}
