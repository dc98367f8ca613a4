//! Reading a JSON object member by member, so that everything wrong with it is said at once.

use crate::model::Violation;
use serde_json::{Map, Value};

/// The members of an object that have not been read yet, and what was wrong with those that have.
pub(in crate::broker) struct Fields {
    members: Map<String, Value>,
    prefix: String,
    pub(in crate::broker) violations: Vec<Violation>,
}

impl Fields {
    pub(in crate::broker) fn of(members: Map<String, Value>, prefix: &str) -> Self {
        Self { members, prefix: prefix.to_owned(), violations: Vec::new() }
    }

    /// Takes a member out; `None` when it is absent.
    pub(in crate::broker) fn take(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name)
    }

    pub(in crate::broker) fn refuse(&mut self, name: &str, detail: impl Into<String>) {
        self.violations.push(Violation::new(format!("{}/{name}", self.prefix), detail));
    }

    pub(in crate::broker) fn push(&mut self, violation: Violation) {
        self.violations.push(violation.under(&self.prefix));
    }

    /// A member read by `read`, whose error says what it should have been.
    pub(in crate::broker) fn read<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.take(name)?;
        match read(&value) {
            Ok(value) => Some(value),
            Err(detail) => {
                self.refuse(name, detail);
                None
            }
        }
    }

    pub(in crate::broker) fn text(&mut self, name: &str, max_chars: usize) -> Option<String> {
        self.read(name, |value| match value.as_str() {
            Some(text) if text.chars().count() <= max_chars && !text.chars().any(char::is_control) => {
                Ok(text.to_owned())
            }
            _ => Err(format!("a string of at most {max_chars} characters without control characters")),
        })
    }

    pub(in crate::broker) fn flag(&mut self, name: &str) -> Option<bool> {
        self.read(name, |value| value.as_bool().ok_or_else(|| "true or false".to_owned()))
    }

    pub(in crate::broker) fn whole(
        &mut self,
        name: &str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Option<u64> {
        self.read(name, |value| {
            let wanted = || format!("a whole number from {} to {}", range.start(), range.end());
            whole_number(value).filter(|number| range.contains(number)).ok_or_else(wanted)
        })
    }

    /// Refuses the members nobody asked for, and gives everything that was wrong.
    pub(in crate::broker) fn finish(mut self) -> Vec<Violation> {
        for name in self.members.keys() {
            let pointer = format!("{}/{}", self.prefix, Violation::escape(name));
            self.violations.push(Violation::new(pointer, "there is no such member"));
        }
        self.violations
    }
}

/// A whole number that is not negative, however it is written: 5 and 5.0 are the same number in JSON.
pub(in crate::broker) fn whole_number(value: &Value) -> Option<u64> {
    let exact = |number: &f64| number.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(number);
    value.as_u64().or_else(|| value.as_f64().filter(exact).map(|number| number as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_whole_number_may_be_written_with_a_point() {
        for (value, number) in [(json!(5), Some(5)), (json!(5.0), Some(5)), (json!(5e2), Some(500))] {
            assert_eq!(whole_number(&value), number, "{value}");
        }
        for value in [json!(5.5), json!(-1), json!(-1.0), json!("5"), json!(1e300), json!(null)] {
            assert_eq!(whole_number(&value), None, "{value}");
        }
    }
}
