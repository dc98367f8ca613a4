//! Whether one event matches, within a budget.
//!
//! A step costs what it reads, in units of about a nanosecond. Whoever spends more than an event is worth does not
//! match: the budget grows with the event, so only an expression that goes over the same large event again and again
//! can reach it.

use super::calls::nanos_of;
use super::document;
use super::program::{Function, Node, Operation, Program, Quantifier, Relation, Variable};
use super::value::{Value, compare_numbers, is_number};
use crate::model::StoredEvent;
use std::borrow::Cow;
use std::cmp::Ordering;

/// What any event may cost.
const BUDGET: u64 = 256 << 10;

/// What each byte of `data` adds to that.
const BUDGET_PER_BYTE: u64 = 32;

/// What a step costs besides what it reads.
const STEP: u64 = 8;

/// Why there is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// There is none: `||` and `&&` may do without it.
    NoValue,
    /// The budget is spent: nothing can be said.
    Exhausted,
}

pub(super) type Outcome<T> = Result<T, Failure>;

/// Whether an event matches; adds what it cost to `work`.
pub(super) fn matches(program: &Program, event: &StoredEvent, work: &mut u64) -> bool {
    let data = event.data();
    let limit = BUDGET + BUDGET_PER_BYTE * data.len() as u64;
    let mut evaluation = Evaluation { event, data: &data, locals: Vec::new(), spent: 0, limit, depth: 0 };
    let matches = evaluation.truth(&program.root) == Ok(true);
    *work += evaluation.spent;
    matches
}

pub(super) struct Evaluation<'a> {
    event: &'a StoredEvent,
    data: &'a [u8],
    /// What the quantifiers around the place are looking at.
    locals: Vec<Value<'a>>,
    spent: u64,
    limit: u64,
    /// Documents inside documents that are being compared.
    pub(super) depth: usize,
}

impl<'a> Evaluation<'a> {
    /// Pays for `units` of work.
    pub(super) fn pay(&mut self, units: usize) -> Outcome<()> {
        self.spent += STEP + units as u64;
        if self.spent > self.limit { Err(Failure::Exhausted) } else { Ok(()) }
    }

    fn truth(&mut self, node: &'a Node) -> Outcome<bool> {
        match self.value(node)? {
            Value::Bool(truth) => Ok(truth),
            _ => Err(Failure::NoValue),
        }
    }

    fn value(&mut self, node: &'a Node) -> Outcome<Value<'a>> {
        self.pay(0)?;
        match node {
            Node::Literal(value) => Ok(value.borrowed()),
            Node::Variable(variable) => Ok(self.variable(*variable)),
            Node::Local(slot) => self.locals.get(*slot).cloned().ok_or(Failure::NoValue),
            Node::Member(of, name) => self.member(of, name)?.ok_or(Failure::NoValue),
            Node::Has(of, name) => Ok(Value::Bool(self.member(of, name)?.is_some())),
            Node::Index(of, at) => self.index(of, at),
            Node::Not(operand) => Ok(Value::Bool(!self.truth(operand)?)),
            Node::Negate(operand) => negated(&self.value(operand)?),
            Node::And(left, right) => self.either(left, right, false),
            Node::Or(left, right) => self.either(left, right, true),
            Node::Choose(parts) => {
                let [condition, then, otherwise] = &**parts;
                if self.truth(condition)? { self.value(then) } else { self.value(otherwise) }
            }
            Node::Equal(left, right) => Ok(Value::Bool(self.are_equal(left, right)?)),
            Node::Unequal(left, right) => Ok(Value::Bool(!self.are_equal(left, right)?)),
            Node::Order(relation, left, right) => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                self.order(*relation, &left, &right)
            }
            Node::Calculate(operation, left, right) => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                self.calculate(*operation, &left, &right)
            }
            Node::In(wanted, list) => self.contains(wanted, list),
            Node::List(elements) => {
                let values: Outcome<Vec<Value<'a>>> = elements.iter().map(|one| self.value(one)).collect();
                Ok(Value::List(values?.into()))
            }
            Node::Call(function, arguments) => self.call(*function, arguments),
            Node::Matches(text, pattern) => {
                let Value::Text(text) = self.value(text)? else { return Err(Failure::NoValue) };
                self.pay(text.len().saturating_mul(pattern.weight as usize))?;
                Ok(Value::Bool(pattern.regex.is_match(&text)))
            }
            Node::Quantify(quantifier, over, condition) => self.quantify(*quantifier, over, condition),
        }
    }

    fn variable(&self, variable: Variable) -> Value<'a> {
        let text = |text: &'a str| Value::Text(Cow::Borrowed(text));
        match variable {
            Variable::Id => text(self.event.id().as_str()),
            Variable::Type => text(self.event.event_type().as_str()),
            Variable::Pipeline => text(self.event.pipeline().unwrap_or_default()),
            Variable::RunId => text(self.event.run_id().unwrap_or_default()),
            Variable::Timestamp => Value::Timestamp(nanos_of(self.event.timestamp())),
            Variable::Sequence => {
                let sequence = self.event.sequence().0;
                i64::try_from(sequence).map_or(Value::UInt(sequence), Value::Int)
            }
            Variable::Data => Value::Json(self.data),
        }
    }

    /// `&&` and `||`: one side that decides is enough, whatever the other is.
    fn either(&mut self, left: &'a Node, right: &'a Node, decides: bool) -> Outcome<Value<'a>> {
        let first = self.truth(left);
        if matches!(first, Err(Failure::Exhausted)) || first == Ok(decides) {
            return first.map(Value::Bool);
        }
        let second = self.truth(right);
        if second == Ok(decides) {
            return Ok(Value::Bool(decides));
        }
        second.and(first).map(Value::Bool)
    }

    /// A member of an object; `None` when there is none of this name.
    fn member(&mut self, of: &'a Node, name: &str) -> Outcome<Option<Value<'a>>> {
        match self.value(of)? {
            Value::Json(object) if document::is_object(object) => self.find(object, name),
            _ => Err(Failure::NoValue),
        }
    }

    pub(super) fn find(&mut self, object: &'a [u8], name: &str) -> Outcome<Option<Value<'a>>> {
        for (quoted, value) in document::members(object) {
            self.pay(quoted.len() + value.len())?;
            if document::is_named(quoted, name) {
                return document::value(value).map(Some).ok_or(Failure::NoValue);
            }
        }
        Ok(None)
    }

    fn index(&mut self, of: &'a Node, at: &'a Node) -> Outcome<Value<'a>> {
        let (of, at) = (self.value(of)?, self.value(at)?);
        let place = match at {
            Value::Int(place) => usize::try_from(place).ok(),
            Value::UInt(place) => usize::try_from(place).ok(),
            // A whole number is a place however it was written; saturating, it is then beyond every list.
            Value::Double(place) if place >= 0.0 && place.fract() == 0.0 => Some(place as usize),
            _ => None,
        };
        match (of, at) {
            (Value::Json(object), Value::Text(name)) if document::is_object(object) => {
                self.find(object, &name)?.ok_or(Failure::NoValue)
            }
            (Value::Json(array), _) if !document::is_object(array) => {
                let place = place.ok_or(Failure::NoValue)?;
                for (number, element) in document::elements(array).enumerate() {
                    self.pay(element.len())?;
                    if number == place {
                        return document::value(element).ok_or(Failure::NoValue);
                    }
                }
                Err(Failure::NoValue)
            }
            (Value::List(list), _) => place.and_then(|at| list.get(at).cloned()).ok_or(Failure::NoValue),
            _ => Err(Failure::NoValue),
        }
    }

    /// `in`: an element of a list, or a member's name.
    fn contains(&mut self, wanted: &'a Node, list: &'a Node) -> Outcome<Value<'a>> {
        let (wanted, list) = (self.value(wanted)?, self.value(list)?);
        if let Value::Json(object) = &list
            && document::is_object(object)
        {
            return match &wanted {
                Value::Text(name) => Ok(Value::Bool(self.find(object, name)?.is_some())),
                Value::Bool(_) => Ok(Value::Bool(false)),
                number if is_number(number) => Ok(Value::Bool(false)),
                _ => Err(Failure::NoValue),
            };
        }
        let mut found = false;
        self.each(&list, |evaluation, element| {
            found = evaluation.equal(&wanted, &element)?;
            Ok(!found)
        })?;
        Ok(Value::Bool(found))
    }

    /// Goes over the elements of a list, or the names of an object, until `look` says no.
    fn each(
        &mut self,
        list: &Value<'a>,
        mut look: impl FnMut(&mut Self, Value<'a>) -> Outcome<bool>,
    ) -> Outcome<()> {
        match list {
            Value::List(list) => {
                for element in list.iter() {
                    self.pay(0)?;
                    if !look(self, element.clone())? {
                        break;
                    }
                }
            }
            Value::Json(json) if document::is_object(json) => {
                for (quoted, value) in document::members(json) {
                    self.pay(quoted.len() + value.len())?;
                    let name = document::string(quoted).ok_or(Failure::NoValue)?;
                    if !look(self, Value::Text(name))? {
                        break;
                    }
                }
            }
            Value::Json(json) => {
                for element in document::elements(json) {
                    self.pay(element.len())?;
                    let element = document::value(element).ok_or(Failure::NoValue)?;
                    if !look(self, element)? {
                        break;
                    }
                }
            }
            _ => return Err(Failure::NoValue),
        }
        Ok(())
    }

    fn quantify(&mut self, how: Quantifier, over: &'a Node, condition: &'a Node) -> Outcome<Value<'a>> {
        let over = self.value(over)?;
        let (mut hits, mut failed, mut decided) = (0_u64, false, None);
        let slot = self.locals.len();
        let walked = self.each(&over, |evaluation, element| {
            evaluation.locals.push(element);
            let truth = evaluation.truth(condition);
            evaluation.locals.truncate(slot);
            match truth {
                Err(Failure::Exhausted) => return Err(Failure::Exhausted),
                Err(Failure::NoValue) => failed = true,
                Ok(true) if how == Quantifier::Exists => decided = Some(true),
                Ok(false) if how == Quantifier::All => decided = Some(false),
                Ok(truth) => hits += u64::from(truth),
            }
            Ok(decided.is_none())
        });
        walked?;
        match (decided, failed) {
            (Some(truth), _) => Ok(Value::Bool(truth)),
            (None, true) => Err(Failure::NoValue),
            (None, false) => Ok(Value::Bool(match how {
                Quantifier::All => true,
                Quantifier::Exists => false,
                Quantifier::ExistsOne => hits == 1,
            })),
        }
    }

    fn order(&mut self, relation: Relation, left: &Value<'a>, right: &Value<'a>) -> Outcome<Value<'a>> {
        let order = match (left, right) {
            (Value::Text(left), Value::Text(right)) => {
                self.pay(left.len().min(right.len()))?;
                Some(left.cmp(right))
            }
            (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
            (Value::Timestamp(left), Value::Timestamp(right))
            | (Value::Duration(left), Value::Duration(right)) => Some(left.cmp(right)),
            (left, right) if is_number(left) && is_number(right) => compare_numbers(left, right),
            _ => return Err(Failure::NoValue),
        };
        let Some(order) = order else { return Ok(Value::Bool(false)) };
        Ok(Value::Bool(match relation {
            Relation::Less => order == Ordering::Less,
            Relation::AtMost => order != Ordering::Greater,
            Relation::Greater => order == Ordering::Greater,
            Relation::AtLeast => order != Ordering::Less,
        }))
    }

    fn are_equal(&mut self, left: &'a Node, right: &'a Node) -> Outcome<bool> {
        let (left, right) = (self.value(left)?, self.value(right)?);
        self.equal(&left, &right)
    }

    fn call(&mut self, function: Function, arguments: &'a [Node]) -> Outcome<Value<'a>> {
        let mut arguments = arguments.iter();
        let first = arguments.next().ok_or(Failure::NoValue)?;
        let first = self.value(first)?;
        let second = arguments.next().map(|node| self.value(node)).transpose()?;
        self.apply(function, first, second)
    }

    fn calculate(&mut self, operation: Operation, left: &Value<'a>, right: &Value<'a>) -> Outcome<Value<'a>> {
        if let (Operation::Add, Value::Text(left), Value::Text(right)) = (operation, left, right) {
            self.pay(left.len() + right.len())?;
            return Ok(Value::Text(Cow::Owned(format!("{left}{right}"))));
        }
        super::value::calculate(operation, left, right).ok_or(Failure::NoValue)
    }
}

fn negated<'a>(value: &Value<'a>) -> Outcome<Value<'a>> {
    match value {
        Value::Int(number) => number.checked_neg().map(Value::Int).ok_or(Failure::NoValue),
        Value::Double(number) => Ok(Value::Double(-number)),
        Value::Duration(nanos) => Ok(Value::Duration(-nanos)),
        _ => Err(Failure::NoValue),
    }
}
