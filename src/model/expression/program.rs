//! What an expression is compiled to.

use super::value::Value;
use regex::Regex;

/// A compiled expression: its truth is whether an event matches.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) root: Node,
}

#[derive(Debug)]
pub(super) enum Node {
    Literal(Value<'static>),
    Variable(Variable),
    /// The element that the quantifier around it is looking at, the outermost being 0.
    Local(usize),
    Member(Box<Node>, Box<str>),
    Has(Box<Node>, Box<str>),
    Index(Box<Node>, Box<Node>),
    Not(Box<Node>),
    Negate(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    /// Condition, then, else.
    Choose(Box<[Node; 3]>),
    Equal(Box<Node>, Box<Node>),
    Unequal(Box<Node>, Box<Node>),
    Order(Relation, Box<Node>, Box<Node>),
    Calculate(Operation, Box<Node>, Box<Node>),
    In(Box<Node>, Box<Node>),
    List(Vec<Node>),
    Call(Function, Vec<Node>),
    Matches(Box<Node>, Pattern),
    Quantify(Quantifier, Box<Node>, Box<Node>),
}

/// What an expression may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variable {
    Id,
    Type,
    Timestamp,
    Pipeline,
    RunId,
    Sequence,
    Data,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    Less,
    AtMost,
    Greater,
    AtLeast,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantifier {
    All,
    Exists,
    ExistsOne,
}

/// A function; of a method the first argument is what it is called on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Size,
    Contains,
    StartsWith,
    EndsWith,
    ToInt,
    ToUInt,
    ToDouble,
    ToText,
    ToTimestamp,
    ToDuration,
    Field(Field),
}

/// A part of a time, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Year,
    Month,
    Date,
    DayOfMonth,
    DayOfWeek,
    DayOfYear,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

/// A regular expression that takes time linear in the text, at most `weight` units a byte.
#[derive(Debug)]
pub(super) struct Pattern {
    pub(super) regex: Regex,
    pub(super) weight: u64,
}
