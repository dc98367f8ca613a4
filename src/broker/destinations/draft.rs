//! What a caller may say about a destination, and the rules of each member.
//!
//! The same rules hold on creation and on change; absent members keep their default or their value.

use crate::broker::fields::{Fields, whole_number};
use crate::config::DeliveryConfig;
use crate::model::{
    BodyFormat, Ordering, PayloadFilter, Sequence, Timestamp, TypePattern, Verification, Violation,
};
use crate::webhook::{address, headers, signature};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

const LONGEST_WAIT_S: u64 = 30 * 24 * 3600;
const MOST_RETRIES: usize = 100;
const MOST_TYPES: usize = 1000;

/// Members of a destination as a caller gave them, each valid by itself.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Draft {
    pub(super) url: Option<String>,
    pub(super) description: Option<String>,
    pub(super) events: Option<Vec<TypePattern>>,
    pub(super) filter: Option<Option<PayloadFilter>>,
    pub(super) format: Option<Option<BodyFormat>>,
    pub(super) headers: Option<BTreeMap<String, String>>,
    pub(super) retry_enabled: Option<bool>,
    pub(super) schedule_s: Option<Vec<u64>>,
    pub(super) timeout_ms: Option<u64>,
    pub(super) max_in_flight: Option<u32>,
    pub(super) rate_limit_per_s: Option<Option<u32>>,
    pub(super) ordering: Option<Ordering>,
    pub(super) signature_header: Option<String>,
    pub(super) verification: Option<Verification>,
    /// Given: a secret, or `None` for unsigned.
    pub(super) secret: Option<Option<String>>,
    pub(super) start: Option<Start>,
}

/// Where a new destination begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    Now,
    Oldest,
    After(Sequence),
    Since(Timestamp),
}

/// What only a creation may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Create,
    Change,
}

impl Draft {
    /// Reads a request body. Every violation is named.
    pub(super) fn read(
        body: Map<String, Value>,
        purpose: Purpose,
        config: &DeliveryConfig,
    ) -> Result<Self, Vec<Violation>> {
        let mut fields = Fields::of(body, "");
        let mut draft = Self {
            url: read_url(&mut fields, config),
            description: fields.text("description", 1000),
            events: fields.read("events", read_types),
            filter: read_filter(&mut fields),
            format: fields.read("format", read_format),
            headers: read_headers(&mut fields),
            timeout_ms: fields.whole("timeout_ms", 100..=600_000),
            max_in_flight: fields.whole("max_in_flight", 1..=10_000).map(|number| number as u32),
            rate_limit_per_s: fields.read("rate_limit_per_s", read_rate),
            ordering: fields.read("ordering", |value| one_of(value, "none, strict, pipeline or run_id")),
            signature_header: fields.read("signature_header", read_signature_header),
            verification: fields.read("verification", |value| one_of(value, "none, ping or challenge")),
            ..Self::default()
        };
        draft.read_retry(&mut fields);
        match purpose {
            Purpose::Create => draft.read_creation(&mut fields),
            Purpose::Change => refuse_read_only(&mut fields),
        }
        let violations = fields.finish();
        if violations.is_empty() { Ok(draft) } else { Err(violations) }
    }

    fn read_retry(&mut self, fields: &mut Fields) {
        let Some(retry) = fields.take("retry") else { return };
        let Value::Object(members) = retry else {
            return fields.refuse("retry", "an object with enabled and schedule_s");
        };
        let mut retry = Fields::of(members, "/retry");
        self.retry_enabled = retry.flag("enabled");
        self.schedule_s = retry.read("schedule_s", read_schedule);
        fields.violations.extend(retry.finish());
    }

    fn read_creation(&mut self, fields: &mut Fields) {
        if self.url.is_none() && fields.violations.iter().all(|violation| violation.pointer != "/url") {
            fields.refuse("url", "a destination needs a url");
        }
        self.secret = fields.read("secret", |value| match value {
            Value::Null => Ok(None),
            Value::String(secret) => signature::check_secret(secret).map(|()| Some(secret.clone())),
            _ => Err("a string, or null for unsigned deliveries".to_owned()),
        });
        self.start = fields.read("start", read_start);
    }
}

pub(in crate::broker) fn read_url(fields: &mut Fields, config: &DeliveryConfig) -> Option<String> {
    let value = fields.take("url")?;
    let Some(url) = value.as_str() else {
        fields.refuse("url", "a string");
        return None;
    };
    match address::check_url(url, &address::Policy::of(config)) {
        Ok(_) => Some(url.to_owned()),
        Err(problem) => {
            fields.push(Violation::new("/url", problem.detail).with_code(problem.code));
            None
        }
    }
}

fn read_headers(fields: &mut Fields) -> Option<BTreeMap<String, String>> {
    let value = fields.take("headers")?;
    let Value::Object(members) = value else {
        fields.refuse("headers", "an object of header names and values");
        return None;
    };
    let mut given = BTreeMap::new();
    for (name, value) in members {
        let Some(value) = value.as_str() else {
            fields.push(Violation::new(format!("/headers/{}", Violation::escape(&name)), "a string"));
            continue;
        };
        given.insert(name, value.to_owned());
    }
    for (name, detail) in headers::check_custom(&given) {
        fields.push(Violation::new(format!("/headers/{}", Violation::escape(&name)), detail));
    }
    Some(given)
}

pub(in crate::broker) fn read_types(value: &Value) -> Result<Vec<TypePattern>, String> {
    let list = value.as_array().filter(|list| list.len() <= MOST_TYPES);
    let list = list.ok_or_else(|| format!("a list of at most {MOST_TYPES} type filters"))?;
    let mut types = Vec::with_capacity(list.len());
    for entry in list {
        let text = entry.as_str().ok_or("each type filter is a string")?;
        types.push(TypePattern::parse(text)?);
    }
    if types.contains(&TypePattern::Any) && types.len() > 1 {
        return Err("* stands alone".to_owned());
    }
    Ok(types)
}

fn read_format(value: &Value) -> Result<Option<BodyFormat>, String> {
    if value.is_null() {
        return Ok(None);
    }
    one_of(value, "envelope, resource, run, audit or cloudevents").map(Some)
}

fn read_rate(value: &Value) -> Result<Option<u32>, String> {
    if value.is_null() {
        return Ok(None);
    }
    let rate = whole_number(value).filter(|rate| (1..=100_000).contains(rate));
    rate.map(|rate| Some(rate as u32)).ok_or_else(|| "a whole number from 1 to 100000, or null".to_owned())
}

fn read_signature_header(value: &Value) -> Result<String, String> {
    let name = value.as_str().ok_or("a header name")?;
    headers::check_signature_header(name).map(|()| name.to_owned())
}

pub(in crate::broker) fn read_schedule(value: &Value) -> Result<Vec<u64>, String> {
    let wanted =
        || format!("a list of 1 to {MOST_RETRIES} whole numbers of seconds, each 1 to {LONGEST_WAIT_S}");
    let list = value.as_array().filter(|list| (1..=MOST_RETRIES).contains(&list.len())).ok_or_else(wanted)?;
    let read = |wait: &Value| whole_number(wait).filter(|wait| (1..=LONGEST_WAIT_S).contains(wait));
    list.iter().map(|wait| read(wait).ok_or_else(wanted)).collect()
}

fn read_start(value: &Value) -> Result<Start, String> {
    const WANTED: &str = "now, oldest, a sequence or an RFC 3339 time";
    if let Some(sequence) = whole_number(value) {
        return Ok(Start::After(Sequence(sequence).previous()));
    }
    match value.as_str().ok_or(WANTED)? {
        "now" => Ok(Start::Now),
        "oldest" => Ok(Start::Oldest),
        text => match Sequence::parse(text) {
            Some(sequence) => Ok(Start::After(sequence.previous())),
            None => Timestamp::parse(text).map(Start::Since).map_err(|_| WANTED.to_owned()),
        },
    }
}

fn one_of<T: serde::de::DeserializeOwned>(value: &Value, wanted: &str) -> Result<T, String> {
    serde_json::from_value(value.clone()).map_err(|_| wanted.to_owned())
}

/// An expression, or `None` for no filter.
pub(in crate::broker) fn read_filter(fields: &mut Fields) -> Option<Option<PayloadFilter>> {
    match fields.take("filter")? {
        Value::Null => Some(None),
        Value::String(text) => match PayloadFilter::parse(&text) {
            Ok(filter) => Some(Some(filter)),
            Err(why) => {
                fields.push(Violation::new("/filter", why.to_string()).with_code("invalid_filter"));
                None
            }
        },
        _ => {
            fields.refuse("filter", "an expression as a string, or null for none");
            None
        }
    }
}

fn refuse_read_only(fields: &mut Fields) {
    for name in
        ["id", "status", "deactivation", "lag", "failing_since", "created_at", "updated_at", "declared"]
    {
        if fields.take(name).is_some() {
            fields.refuse(name, "read-only");
        }
    }
    for name in ["secret", "start"] {
        if fields.take(name).is_some() {
            fields.refuse(name, "can only be given on creation");
        }
    }
}
