//! What functions and `==` do.

use super::calls::timestamp;
use super::document;
use super::evaluate::{Evaluation, Failure, Outcome};
use super::program::{Field, Function};
use super::value::{Value, compare_numbers, is_number, parse_duration};
use std::borrow::Cow;
use std::cmp::Ordering;

/// How deep values are compared: as deep as a published one may be, and what an expression puts around it.
const MAX_DEPTH: usize = 64 + 16;

impl<'a> Evaluation<'a> {
    pub(super) fn apply(
        &mut self,
        function: Function,
        first: Value<'a>,
        second: Option<Value<'a>>,
    ) -> Outcome<Value<'a>> {
        if let Value::Text(text) = &first {
            self.pay(text.len())?;
        }
        match (function, first, second) {
            (Function::Size, value, _) => self.size(&value),
            (Function::Contains, Value::Text(text), Some(Value::Text(part))) => {
                self.pay(part.len())?;
                Ok(Value::Bool(text.contains(&*part)))
            }
            (Function::StartsWith, Value::Text(text), Some(Value::Text(part))) => {
                Ok(Value::Bool(text.starts_with(&*part)))
            }
            (Function::EndsWith, Value::Text(text), Some(Value::Text(part))) => {
                Ok(Value::Bool(text.ends_with(&*part)))
            }
            (Function::ToTimestamp, time @ Value::Timestamp(_), _) => Ok(time),
            (Function::ToTimestamp, Value::Text(text), _) => some(timestamp(&text).map(Value::Timestamp)),
            (Function::ToDuration, length @ Value::Duration(_), _) => Ok(length),
            (Function::ToDuration, Value::Text(text), _) => some(parse_duration(&text).map(Value::Duration)),
            (Function::ToText, value, _) => some(text_of(value)),
            (Function::ToInt, value, _) => some(int_of(&value).map(Value::Int)),
            (Function::ToUInt, value, _) => some(uint_of(&value).map(Value::UInt)),
            (Function::ToDouble, value, _) => some(double_of(&value).map(Value::Double)),
            (Function::Field(field), Value::Timestamp(nanos), _) => {
                some(field_of(field, nanos).map(Value::Int))
            }
            _ => Err(Failure::NoValue),
        }
    }

    /// Characters of a text, elements of a list, members of an object.
    fn size(&mut self, value: &Value<'a>) -> Outcome<Value<'a>> {
        let size = match value {
            Value::Text(text) => text.chars().count(),
            Value::List(list) => list.len(),
            Value::Json(json) => {
                self.pay(json.len())?;
                if document::is_object(json) {
                    document::members(json).count()
                } else {
                    document::elements(json).count()
                }
            }
            _ => return Err(Failure::NoValue),
        };
        some(i64::try_from(size).ok().map(Value::Int))
    }

    /// Whether two values are the same; values of different kinds never are.
    pub(super) fn equal(&mut self, left: &Value<'a>, right: &Value<'a>) -> Outcome<bool> {
        if self.depth > MAX_DEPTH {
            return Err(Failure::NoValue);
        }
        self.depth += 1;
        let same = self.equal_here(left, right);
        self.depth -= 1;
        same
    }

    fn equal_here(&mut self, left: &Value<'a>, right: &Value<'a>) -> Outcome<bool> {
        self.pay(0)?;
        Ok(match (left, right) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(left), Value::Bool(right)) => left == right,
            (Value::Text(left), Value::Text(right)) => {
                self.pay(left.len().min(right.len()))?;
                left == right
            }
            (Value::Timestamp(left), Value::Timestamp(right))
            | (Value::Duration(left), Value::Duration(right)) => left == right,
            (Value::Json(left), Value::Json(right)) => {
                match [left, right].map(|json| document::is_object(json)) {
                    [true, true] => self.same_members(left, right)?,
                    [false, false] => {
                        let right = document::elements(right).map(document::value);
                        self.same_elements(document::elements(left).map(document::value), right)?
                    }
                    _ => false,
                }
            }
            (Value::List(left), Value::List(right)) => {
                let right = right.iter().cloned().map(Some);
                self.same_elements(left.iter().cloned().map(Some), right)?
            }
            (Value::List(list), Value::Json(json)) | (Value::Json(json), Value::List(list)) => {
                let elements = document::elements(json).map(document::value);
                !document::is_object(json) && self.same_elements(list.iter().cloned().map(Some), elements)?
            }
            (left, right) if is_number(left) && is_number(right) => {
                compare_numbers(left, right) == Some(Ordering::Equal)
            }
            _ => false,
        })
    }

    fn same_elements(
        &mut self,
        mut left: impl Iterator<Item = Option<Value<'a>>>,
        mut right: impl Iterator<Item = Option<Value<'a>>>,
    ) -> Outcome<bool> {
        loop {
            match (left.next(), right.next()) {
                (None, None) => return Ok(true),
                (Some(Some(left)), Some(Some(right))) => {
                    for value in [&left, &right] {
                        self.pay(read_for(value))?;
                    }
                    if !self.equal(&left, &right)? {
                        return Ok(false);
                    }
                }
                _ => return Ok(false),
            }
        }
    }

    fn same_members(&mut self, left: &'a [u8], right: &'a [u8]) -> Outcome<bool> {
        self.pay(left.len() + right.len())?;
        if document::members(left).count() != document::members(right).count() {
            return Ok(false);
        }
        for (quoted, value) in document::members(left) {
            self.pay(quoted.len() + value.len())?;
            let name = document::string(quoted).ok_or(Failure::NoValue)?;
            let value = document::value(value).ok_or(Failure::NoValue)?;
            let Some(other) = self.find(right, &name)? else { return Ok(false) };
            if !self.equal(&value, &other)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// How many bytes were gone over to find a value's end.
fn read_for(value: &Value<'_>) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Json(json) => json.len(),
        _ => 0,
    }
}

fn some<T>(value: Option<T>) -> Outcome<T> {
    value.ok_or(Failure::NoValue)
}

fn text_of(value: Value<'_>) -> Option<Value<'_>> {
    let text = match value {
        Value::Text(_) => return Some(value),
        Value::Bool(truth) => truth.to_string(),
        Value::Int(number) => number.to_string(),
        Value::UInt(number) => number.to_string(),
        Value::Double(number) => number.to_string(),
        Value::Timestamp(nanos) => jiff::Timestamp::from_nanosecond(nanos).ok()?.to_string(),
        _ => return None,
    };
    Some(Value::Text(Cow::Owned(text)))
}

fn int_of(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        Value::UInt(number) => i64::try_from(*number).ok(),
        // The bounds themselves are not doubles: the next ones inside are.
        Value::Double(number) => (*number > -9_223_372_036_854_775_808.0
            && *number < 9_223_372_036_854_775_808.0)
            .then_some(*number as i64),
        Value::Text(text) => text.parse().ok(),
        Value::Timestamp(nanos) => i64::try_from(nanos.div_euclid(1_000_000_000)).ok(),
        _ => None,
    }
}

fn uint_of(value: &Value<'_>) -> Option<u64> {
    match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        Value::UInt(number) => Some(*number),
        Value::Double(number) => {
            (*number >= 0.0 && *number < 18_446_744_073_709_551_616.0).then_some(*number as u64)
        }
        Value::Text(text) => text.parse().ok(),
        _ => None,
    }
}

fn double_of(value: &Value<'_>) -> Option<f64> {
    match value {
        Value::Int(number) => Some(*number as f64),
        Value::UInt(number) => Some(*number as f64),
        Value::Double(number) => Some(*number),
        Value::Text(text) => text.parse().ok(),
        _ => None,
    }
}

/// A part of a time in UTC. Months, days of the year and `getDayOfMonth` count from 0, `getDate` from 1, the week
/// begins with Sunday at 0.
fn field_of(field: Field, nanos: i128) -> Option<i64> {
    let time = jiff::Timestamp::from_nanosecond(nanos).ok()?.to_zoned(jiff::tz::TimeZone::UTC);
    Some(match field {
        Field::Year => time.year().into(),
        Field::Month => i64::from(time.month()) - 1,
        Field::Date => time.day().into(),
        Field::DayOfMonth => i64::from(time.day()) - 1,
        Field::DayOfWeek => time.weekday().to_sunday_zero_offset().into(),
        Field::DayOfYear => i64::from(time.day_of_year()) - 1,
        Field::Hours => time.hour().into(),
        Field::Minutes => time.minute().into(),
        Field::Seconds => time.second().into(),
        Field::Milliseconds => time.millisecond().into(),
    })
}
