//! Checking data: what it costs is known before the library sees it, what it breaks is told with pointers.

use super::compile::{Compiled, shortened};
use super::cost::LEVELS;
use super::{MAX_VIOLATIONS, numbers};
use crate::model::Violation;
use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind;
use serde_json::Value;

/// Looks at values that one request may cost; about 30 ns each.
const MOST_LOOKS: u64 = 1_500_000;

/// Bytes that one request may have matched against patterns.
const MOST_MATCHED: u64 = 64 << 20;

/// Data of at most so many bytes, times how often a value is looked at, is told everything that is wrong with it.
const TELLS_ALL: u64 = 512 << 10;

/// Pointers are cut to this many bytes.
const LONGEST_POINTER: usize = 1024;

/// What the checks of one request may still cost together.
#[derive(Debug)]
pub struct CheckBudget {
    looks: u64,
    matched: u64,
}

impl Default for CheckBudget {
    fn default() -> Self {
        Self { looks: MOST_LOOKS, matched: MOST_MATCHED }
    }
}

impl CheckBudget {
    /// Takes what a check costs; false when there is not enough left.
    fn take(&mut self, looks: u64, matched: u64) -> bool {
        let fits = looks <= self.looks && matched <= self.matched;
        self.looks = self.looks.saturating_sub(looks);
        self.matched = self.matched.saturating_sub(matched);
        fits
    }
}

/// The rules that data breaks; pointers start at its root.
pub(super) fn check(compiled: &Compiled, data: &[u8], budget: &mut CheckBudget) -> Vec<Violation> {
    if let Some(rounded) = numbers::rounded(data) {
        return vec![rounded];
    }
    let value: Value = match serde_json::from_slice(data) {
        Ok(value) => value,
        Err(_) => return vec![Violation::new("", "this cannot be read as JSON")],
    };
    let mut counts = [0_u64; LEVELS + 1];
    count(&value, 0, &mut counts);
    let looks = counts.iter().zip(&compiled.cost.looks).map(|(count, looks)| count * looks).sum();
    if !budget.take(looks, data.len() as u64 * compiled.cost.patterns) {
        let detail = "the schema of this type takes too long to check so much data; publish less at once";
        return vec![Violation::new("", detail).with_code("too_much_to_check")];
    }
    if compiled.validator.is_valid(&value) {
        return Vec::new();
    }
    let most_looks = compiled.cost.looks.iter().max().copied().unwrap_or(1);
    let errors: Vec<Violation> = if most_looks.saturating_mul(data.len() as u64) <= TELLS_ALL {
        compiled.validator.iter_errors(&value).flat_map(|error| told(&error)).take(MAX_VIOLATIONS).collect()
    } else if compiled.copies_data {
        Vec::new()
    } else {
        compiled.validator.validate(&value).err().iter().flat_map(told).take(MAX_VIOLATIONS).collect()
    };
    if errors.is_empty() {
        return vec![Violation::new("", "the data does not match the schema of its type")];
    }
    errors
}

/// How many values there are at each depth.
fn count(value: &Value, depth: usize, counts: &mut [u64; LEVELS + 1]) {
    counts[depth.min(LEVELS)] += 1;
    match value {
        Value::Array(elements) => elements.iter().for_each(|element| count(element, depth + 1, counts)),
        Value::Object(members) => members.values().for_each(|member| count(member, depth + 1, counts)),
        _ => {}
    }
}

/// One error of the library as broken rules of ours: what is missing and what should not be there is pointed at.
fn told(error: &ValidationError<'_>) -> Vec<Violation> {
    let at = error.instance_path().to_string();
    let under = |name: &str| cut(format!("{at}/{}", Violation::escape(name)));
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            vec![Violation::new(under(property.as_str().unwrap_or_default()), "is required")]
        }
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => unexpected
            .iter()
            .take(MAX_VIOLATIONS)
            .map(|name| Violation::new(under(name), "there is no such member"))
            .collect(),
        ValidationErrorKind::FalseSchema => vec![Violation::new(cut(at), "nothing is allowed here")],
        _ => vec![Violation::new(cut(at), shortened(error))],
    }
}

fn cut(mut pointer: String) -> String {
    if pointer.len() > LONGEST_POINTER {
        pointer.truncate(pointer.floor_char_boundary(LONGEST_POINTER));
        pointer.push('…');
    }
    pointer
}
