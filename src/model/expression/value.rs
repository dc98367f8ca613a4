//! What an expression computes with.

use super::program::Operation;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

/// A value. Objects and arrays of `data` stay the bytes they are; everything else is decoded when it is reached.
#[derive(Debug, Clone)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Double(f64),
    Text(Cow<'a, str>),
    /// Nanoseconds since the epoch.
    Timestamp(i128),
    /// Nanoseconds.
    Duration(i128),
    /// An object or an array, as published.
    Json(&'a [u8]),
    List(Arc<[Value<'a>]>),
}

impl Value<'static> {
    /// The same, its text borrowed.
    pub(super) fn borrowed(&self) -> Value<'_> {
        match self {
            Self::Text(text) => Value::Text(Cow::Borrowed(text)),
            other => other.clone(),
        }
    }
}

/// Which of two numbers is greater, whatever their kinds, exactly; `None` when one is no number or not a number.
pub(super) fn compare_numbers(left: &Value<'_>, right: &Value<'_>) -> Option<Ordering> {
    match (left, right) {
        (Value::Double(left), Value::Double(right)) => left.partial_cmp(right),
        (Value::Double(left), right) => compare_whole(whole(right)?, *left).map(Ordering::reverse),
        (left, Value::Double(right)) => compare_whole(whole(left)?, *right),
        (left, right) => Some(whole(left)?.cmp(&whole(right)?)),
    }
}

pub(super) fn is_number(value: &Value<'_>) -> bool {
    matches!(value, Value::Int(_) | Value::UInt(_) | Value::Double(_))
}

fn whole(value: &Value<'_>) -> Option<i128> {
    match value {
        Value::Int(number) => Some((*number).into()),
        Value::UInt(number) => Some((*number).into()),
        _ => None,
    }
}

fn compare_whole(left: i128, right: f64) -> Option<Ordering> {
    if right.is_nan() {
        return None;
    }
    // Saturates far beyond any whole number here; the rest is exact.
    let floor = right.floor();
    let order = left.cmp(&(floor as i128));
    Some(if order == Ordering::Equal && right > floor { Ordering::Less } else { order })
}

/// A length of time: numbers with `h`, `m`, `s`, `ms`, `us` or `ns`, such as `1h30m` or `-1.5s`.
pub(super) fn parse_duration(text: &str) -> Option<i128> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut nanos: i128 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(tail.len());
        let unit: i128 = match &tail[..letters] {
            "h" => 3_600_000_000_000,
            "m" => 60_000_000_000,
            "s" => 1_000_000_000,
            "ms" => 1_000_000,
            "us" => 1_000,
            "ns" => 1,
            _ => return None,
        };
        nanos = nanos.checked_add(scaled(number, unit)?)?;
        rest = &tail[letters..];
    }
    (!text.is_empty() && nanos <= MAX_DURATION).then_some(sign * nanos)
}

/// About ten thousand years.
const MAX_DURATION: i128 = 315_576_000_000 * 1_000_000_000;

fn scaled(number: &str, unit: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_number = whole.len() + fraction.len() > 0 && !fraction.contains('.') && number.len() <= 32;
    if !is_number {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction = &fraction[..fraction.len().min(9)];
    let parts: i128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let parts = parts.checked_mul(unit)? / 10_i128.pow(fraction.len() as u32);
    whole.checked_mul(unit)?.checked_add(parts)
}

/// Calculates; `None` when there is no such calculation or no result that fits.
pub(super) fn calculate(operation: Operation, left: &Value<'_>, right: &Value<'_>) -> Option<Value<'static>> {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => calculate_int(operation, *left, *right).map(Value::Int),
        (Value::UInt(left), Value::UInt(right)) => calculate_uint(operation, *left, *right).map(Value::UInt),
        (Value::Double(left), Value::Double(right)) => match operation {
            Operation::Add => Some(Value::Double(left + right)),
            Operation::Subtract => Some(Value::Double(left - right)),
            Operation::Multiply => Some(Value::Double(left * right)),
            Operation::Divide => Some(Value::Double(left / right)),
            Operation::Remainder => None,
        },
        (Value::Timestamp(time), Value::Duration(length)) => match operation {
            Operation::Add => Some(Value::Timestamp(time + length)),
            Operation::Subtract => Some(Value::Timestamp(time - length)),
            _ => None,
        },
        (Value::Duration(length), Value::Timestamp(time)) => {
            (operation == Operation::Add).then(|| Value::Timestamp(time + length))
        }
        (Value::Timestamp(left), Value::Timestamp(right)) => {
            (operation == Operation::Subtract).then(|| Value::Duration(left - right))
        }
        (Value::Duration(left), Value::Duration(right)) => match operation {
            Operation::Add => Some(Value::Duration(left + right)),
            Operation::Subtract => Some(Value::Duration(left - right)),
            _ => None,
        },
        _ => None,
    }
}

fn calculate_int(operation: Operation, left: i64, right: i64) -> Option<i64> {
    match operation {
        Operation::Add => left.checked_add(right),
        Operation::Subtract => left.checked_sub(right),
        Operation::Multiply => left.checked_mul(right),
        Operation::Divide => left.checked_div(right),
        Operation::Remainder => left.checked_rem(right),
    }
}

fn calculate_uint(operation: Operation, left: u64, right: u64) -> Option<u64> {
    match operation {
        Operation::Add => left.checked_add(right),
        Operation::Subtract => left.checked_sub(right),
        Operation::Multiply => left.checked_mul(right),
        Operation::Divide => left.checked_div(right),
        Operation::Remainder => left.checked_rem(right),
    }
}
