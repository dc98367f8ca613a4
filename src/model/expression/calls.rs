//! Functions: which there are, what they take, and regular expressions.

use super::ExpressionError;
use super::lower::{Kind, Lowering, Typed};
use super::program::{Field, Function, Node, Pattern};
use super::value::{Value, parse_duration};
use crate::model::Timestamp;
use cel::common::ast::{CallExpr, IdedExpr};
use regex::RegexBuilder;

/// Regular expressions by the memory they may take compiled: the smallest that suffices tells what a byte costs.
const PATTERN_SIZES: [(usize, u64); 3] = [(4 << 10, 4), (16 << 10, 16), (64 << 10, 64)];

const LONGEST_PATTERN: usize = 256;

const KNOWN: &str = "size, contains, startsWith, endsWith, matches, has, all, exists, exists_one, int, uint, double, \
                     string, timestamp, duration and getFullYear to getMilliseconds";

pub(super) fn lower(lowering: &mut Lowering<'_>, id: u64, call: &CallExpr) -> Result<Typed, ExpressionError> {
    let name = &call.func_name[..];
    let given: Vec<&IdedExpr> = call.target.as_deref().into_iter().chain(&call.args).collect();
    if name == "matches" {
        return pattern(lowering, id, &given);
    }
    let Some((function, takes, gives)) = find(name, call.target.is_some()) else {
        let detail = format!("there is no function {name} here; there are {KNOWN}");
        return Err(lowering.error(id, detail));
    };
    if given.len() != takes.len() {
        let detail = format!("{name} takes {} values, with what it is called on", takes.len());
        return Err(lowering.error(id, detail));
    }
    let mut arguments = Vec::with_capacity(given.len());
    for (one, kind) in given.iter().zip(takes) {
        let lowered = lowering.lower(one)?;
        arguments.push(lowering.expect(one.id, lowered, *kind)?.node);
    }
    if let Some(value) = constant(lowering, given.first().map_or(id, |one| one.id), function, &arguments)? {
        return Ok(Typed::new(Node::Literal(value), gives));
    }
    Ok(Typed::new(Node::Call(function, arguments), gives))
}

/// A function, what it takes and what it gives.
fn find(name: &str, is_method: bool) -> Option<(Function, &'static [Kind], Kind)> {
    const ANY: &[Kind] = &[Kind::Any];
    const TWO_TEXTS: &[Kind] = &[Kind::Text, Kind::Text];
    let field = |field| Some((Function::Field(field), &[Kind::Timestamp][..], Kind::Number));
    match (name, is_method) {
        ("size", _) => Some((Function::Size, ANY, Kind::Number)),
        ("contains", true) => Some((Function::Contains, TWO_TEXTS, Kind::Bool)),
        ("startsWith", true) => Some((Function::StartsWith, TWO_TEXTS, Kind::Bool)),
        ("endsWith", true) => Some((Function::EndsWith, TWO_TEXTS, Kind::Bool)),
        ("int", false) => Some((Function::ToInt, ANY, Kind::Number)),
        ("uint", false) => Some((Function::ToUInt, ANY, Kind::Number)),
        ("double", false) => Some((Function::ToDouble, ANY, Kind::Number)),
        ("string", false) => Some((Function::ToText, ANY, Kind::Text)),
        ("timestamp", false) => Some((Function::ToTimestamp, ANY, Kind::Timestamp)),
        ("duration", false) => Some((Function::ToDuration, ANY, Kind::Duration)),
        ("getFullYear", true) => field(Field::Year),
        ("getMonth", true) => field(Field::Month),
        ("getDate", true) => field(Field::Date),
        ("getDayOfMonth", true) => field(Field::DayOfMonth),
        ("getDayOfWeek", true) => field(Field::DayOfWeek),
        ("getDayOfYear", true) => field(Field::DayOfYear),
        ("getHours", true) => field(Field::Hours),
        ("getMinutes", true) => field(Field::Minutes),
        ("getSeconds", true) => field(Field::Seconds),
        ("getMilliseconds", true) => field(Field::Milliseconds),
        _ => None,
    }
}

/// A time or a duration that is written out: read once, and refused now when it is none.
fn constant(
    lowering: &Lowering<'_>,
    id: u64,
    function: Function,
    arguments: &[Node],
) -> Result<Option<Value<'static>>, ExpressionError> {
    let [Node::Literal(Value::Text(text))] = arguments else { return Ok(None) };
    let (value, wanted) = match function {
        Function::ToTimestamp => (timestamp(text).map(Value::Timestamp), "an RFC 3339 time with a zone"),
        Function::ToDuration => {
            (parse_duration(text).map(Value::Duration), "a duration such as 1h30m or 90s")
        }
        _ => return Ok(None),
    };
    value.map(Some).ok_or_else(|| lowering.error(id, format!("{wanted} is needed")))
}

/// A time as nanoseconds since the epoch.
pub(super) fn timestamp(text: &str) -> Option<i128> {
    Timestamp::parse(text).ok().map(nanos_of)
}

pub(super) fn nanos_of(time: Timestamp) -> i128 {
    i128::from(time.seconds()) * 1_000_000_000 + i128::from(time.subsec_nanos())
}

/// `text.matches("pattern")`: compiled here, so it must be written out.
fn pattern(lowering: &mut Lowering<'_>, id: u64, given: &[&IdedExpr]) -> Result<Typed, ExpressionError> {
    let [text, pattern] = given else {
        return Err(lowering.error(id, r#"matches is called on a string: text.matches("pattern")"#));
    };
    let subject = lowering.lower(text)?;
    let subject = lowering.expect(text.id, subject, Kind::Text)?;
    let Node::Literal(Value::Text(source)) = lowering.lower(pattern)?.node else {
        return Err(lowering.error(pattern.id, "the pattern of matches must be written out"));
    };
    if source.len() > LONGEST_PATTERN {
        let detail = format!("a pattern has at most {LONGEST_PATTERN} bytes");
        return Err(lowering.error(pattern.id, detail));
    }
    let mut refused = String::new();
    for (size, weight) in PATTERN_SIZES {
        let built =
            RegexBuilder::new(&source).size_limit(size).dfa_size_limit(1 << 20).nest_limit(32).build();
        match built {
            Ok(regex) => {
                let pattern = Pattern { regex, weight };
                return Ok(Typed::new(Node::Matches(subject.boxed(), pattern), Kind::Bool));
            }
            Err(regex::Error::CompiledTooBig(_)) => {
                "the pattern is too large: fewer repetitions and classes".clone_into(&mut refused);
            }
            Err(_) => {
                "this is no regular expression (without look-around and back-references)"
                    .clone_into(&mut refused);
                break;
            }
        }
    }
    Err(lowering.error(pattern.id, refused))
}
