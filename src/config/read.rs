//! What each kind of setting must be.

use super::Token;
use super::source::{Node, Raw};
use super::values::{byte_size, duration};
use crate::model::{Scope, Scopes};
use std::path::PathBuf;
use std::time::Duration;

/// Longer than anything here may sensibly wait, and short enough for every sum of times.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);

pub(super) fn text(raw: &Raw) -> Result<String, String> {
    match raw {
        Raw::Text(text) | Raw::Loose(text) => Ok(text.clone()),
        Raw::Other(what) => Err(format!("a text in quotes, not {what}")),
        _ => Err("a text in quotes".to_owned()),
    }
}

pub(super) fn list(raw: &Raw) -> Result<Vec<Node>, String> {
    match raw {
        Raw::List(nodes) => Ok(nodes.clone()),
        Raw::Loose(text) => {
            let node = |part: &str| Node {
                value: Raw::Text(part.trim().to_owned()),
                place: None,
                origin: String::new(),
            };
            Ok(text.split(',').filter(|part| !part.trim().is_empty()).map(node).collect())
        }
        _ => Err("a list".to_owned()),
    }
}

pub(super) fn texts(raw: &Raw) -> Result<Vec<String>, String> {
    list(raw)?.iter().map(|node| text(&node.value)).collect()
}

pub(super) fn path(raw: &Raw) -> Result<PathBuf, String> {
    let text = text(raw)?;
    if text.is_empty() { Err("a path".to_owned()) } else { Ok(PathBuf::from(text)) }
}

/// Origins as browsers send them, or `*`: anything else would never match.
pub(super) fn origins(raw: &Raw) -> Result<Vec<String>, String> {
    let is_scheme = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
    let is_host =
        |byte: u8| byte.is_ascii_graphic() && !byte.is_ascii_uppercase() && !b"/?#@\\*".contains(&byte);
    let is_origin = |text: &str| {
        text == "*"
            || text.split_once("://").is_some_and(|(scheme, host)| {
                let fits = !scheme.is_empty() && !host.is_empty();
                fits && scheme.bytes().all(is_scheme) && host.bytes().all(is_host)
            })
    };
    let texts = texts(raw)?;
    if texts.iter().all(|text| is_origin(text)) {
        Ok(texts)
    } else {
        Err("origins such as \"https://app.example.com\" (lower case, no path), or \"*\"".to_owned())
    }
}

pub(super) fn flag(raw: &Raw) -> Result<bool, String> {
    match raw {
        Raw::Flag(flag) => Ok(*flag),
        Raw::Loose(text) => text.parse().map_err(|_| "true or false".to_owned()),
        _ => Err("true or false".to_owned()),
    }
}

pub(super) fn whole<T: TryFrom<i64>>(raw: &Raw, range: std::ops::RangeInclusive<i64>) -> Result<T, String> {
    let number = match raw {
        Raw::Whole(number) => Some(*number),
        Raw::Loose(text) => text.parse().ok(),
        _ => None,
    };
    let fits = number.filter(|number| range.contains(number)).and_then(|number| T::try_from(number).ok());
    fits.ok_or_else(|| format!("a whole number from {} to {}", range.start(), range.end()))
}

pub(super) fn wait(raw: &Raw) -> Result<Duration, String> {
    let wanted = || "a duration such as \"30s\", \"5m\", \"24h\" or \"30d\", of at most 100 years".to_owned();
    duration(&text(raw)?).filter(|wait| *wait <= LONGEST).ok_or_else(wanted)
}

/// A retry schedule.
pub(super) fn waits(raw: &Raw) -> Result<Vec<Duration>, String> {
    let waits: Vec<Duration> = list(raw)?.iter().map(|node| wait(&node.value)).collect::<Result<_, _>>()?;
    let fits = (1..=100).contains(&waits.len()) && waits.iter().all(|wait| wait.as_secs() >= 1);
    if fits { Ok(waits) } else { Err("1 to 100 waits of a second or more".to_owned()) }
}

pub(super) fn at_least_a_millisecond(wait: Duration) -> Result<Duration, String> {
    if wait.as_millis() > 0 { Ok(wait) } else { Err("longer than nothing".to_owned()) }
}

pub(super) fn size(raw: &Raw, range: std::ops::RangeInclusive<u64>) -> Result<u64, String> {
    let bytes = byte_size(&text(raw)?).ok_or("a size such as \"512KiB\", \"1MiB\" or \"10GiB\"")?;
    if range.contains(&bytes) {
        Ok(bytes)
    } else {
        Err(format!("{} to {} bytes", range.start(), range.end()))
    }
}

pub(super) fn token(raw: &Raw) -> Result<Token, String> {
    let text = text(raw)?;
    let fits = (1..=1024).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(Token(text)) } else { Err("1 to 1024 visible ASCII characters".to_owned()) }
}

pub(super) fn tenant(raw: &Raw) -> Result<String, String> {
    let text = text(raw)?;
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fits = (1..=64).contains(&text.len()) && text.bytes().all(is_name);
    if fits { Ok(text) } else { Err("1 to 64 of a-z, 0-9 and -".to_owned()) }
}

pub(super) fn scopes(raw: &Raw) -> Result<Scopes, String> {
    let known = || format!("scopes: {}", Scope::ALL.map(|(_, name)| name).join(", "));
    let names = texts(raw)?;
    let scopes: Option<Vec<Scope>> = names.iter().map(|name| Scope::parse(name)).collect();
    scopes.filter(|scopes| !scopes.is_empty()).map(Scopes).ok_or_else(known)
}
