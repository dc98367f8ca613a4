//! Operators: which there are, and what they take.

use super::ExpressionError;
use super::lower::{Kind, Lowering, Typed};
use super::program::{Node, Operation};
use cel::common::ast::CallExpr;

/// An operator; `None` when the call is none.
pub(super) fn lower(
    lowering: &mut Lowering<'_>,
    id: u64,
    call: &CallExpr,
) -> Result<Option<Typed>, ExpressionError> {
    if call.target.is_some() {
        return Ok(None);
    }
    match &call.args[..] {
        [operand] => {
            let kind = match &call.func_name[..] {
                "!_" => Kind::Bool,
                "-_" => Kind::Any,
                _ => return Ok(None),
            };
            let lowered = lowering.lower(operand)?;
            let lowered = lowering.expect(operand.id, lowered, kind)?;
            Ok(Some(if kind == Kind::Bool {
                Typed::new(Node::Not(lowered.boxed()), Kind::Bool)
            } else {
                let kind = lowered.kind;
                Typed::new(Node::Negate(lowered.boxed()), kind)
            }))
        }
        [left, right] => {
            if !is_binary(&call.func_name) {
                return Ok(None);
            }
            let (first, second) = (lowering.lower(left)?, lowering.lower(right)?);
            if matches!(&call.func_name[..], "_&&_" | "_||_") {
                let first = lowering.expect(left.id, first, Kind::Bool)?;
                let second = lowering.expect(right.id, second, Kind::Bool)?;
                let make = if call.func_name == "_&&_" { Node::And } else { Node::Or };
                return Ok(Some(Typed::new(make(first.boxed(), second.boxed()), Kind::Bool)));
            }
            binary(lowering, id, &call.func_name, first, second).map(Some)
        }
        [condition, then, otherwise] if call.func_name == "_?_:_" => {
            let decides = lowering.lower(condition)?;
            let decides = lowering.expect(condition.id, decides, Kind::Bool)?;
            let (then, otherwise) = (lowering.lower(then)?, lowering.lower(otherwise)?);
            let kind = if then.kind == otherwise.kind { then.kind } else { Kind::Any };
            Ok(Some(Typed::new(Node::Choose(Box::new([decides.node, then.node, otherwise.node])), kind)))
        }
        _ => Ok(None),
    }
}

fn is_binary(name: &str) -> bool {
    matches!(name, "_&&_" | "_||_" | "_==_" | "_!=_" | "@in" | "_[_]")
        || Lowering::relation(name).is_some()
        || operation(name).is_some()
}

fn operation(name: &str) -> Option<Operation> {
    match name {
        "_+_" => Some(Operation::Add),
        "_-_" => Some(Operation::Subtract),
        "_*_" => Some(Operation::Multiply),
        "_/_" => Some(Operation::Divide),
        "_%_" => Some(Operation::Remainder),
        _ => None,
    }
}

fn binary(
    lowering: &Lowering<'_>,
    id: u64,
    name: &str,
    left: Typed,
    right: Typed,
) -> Result<Typed, ExpressionError> {
    let (first, second) = (left.kind, right.kind);
    let refuse = |what: &str| {
        let hint = if [first, second] == [Kind::Timestamp, Kind::Text] {
            r#"; a time is written timestamp("2026-02-15T06:00:00Z")"#
        } else {
            ""
        };
        Err(lowering.error(id, format!("{} {what} {}{hint}", first.name(), second.name())))
    };
    if let Some(relation) = Lowering::relation(name) {
        if !first.may_be(second) || [first, second].iter().any(|kind| matches!(kind, Kind::List | Kind::Null))
        {
            return refuse("cannot be compared with");
        }
        return Ok(Typed::new(Node::Order(relation, left.boxed(), right.boxed()), Kind::Bool));
    }
    if let Some(operation) = operation(name) {
        let kind = result(operation, first, second);
        let Some(kind) = kind else { return refuse("cannot be calculated with") };
        return Ok(Typed::new(Node::Calculate(operation, left.boxed(), right.boxed()), kind));
    }
    match name {
        "_==_" | "_!=_" => {
            if !first.may_be(second) && first != Kind::Null && second != Kind::Null {
                return refuse("never equals");
            }
            let make = if name == "_==_" { Node::Equal } else { Node::Unequal };
            Ok(Typed::new(make(left.boxed(), right.boxed()), Kind::Bool))
        }
        "@in" => {
            if !second.may_be(Kind::List) {
                return refuse("cannot be in");
            }
            Ok(Typed::new(Node::In(left.boxed(), right.boxed()), Kind::Bool))
        }
        _ => {
            if !first.may_be(Kind::List) {
                return refuse("has no place");
            }
            Ok(Typed::new(Node::Index(left.boxed(), right.boxed()), Kind::Any))
        }
    }
}

/// What a calculation gives; `None` when there is none for these kinds.
fn result(operation: Operation, left: Kind, right: Kind) -> Option<Kind> {
    use Kind::{Any, Duration, Number, Text, Timestamp};
    match (operation, left, right) {
        (_, Number, Number) => Some(Number),
        (Operation::Add, Text, Text) => Some(Text),
        (Operation::Add, Timestamp, Duration) | (Operation::Add, Duration, Timestamp) => Some(Timestamp),
        (Operation::Subtract, Timestamp, Duration) => Some(Timestamp),
        (Operation::Subtract, Timestamp, Timestamp) => Some(Duration),
        (Operation::Add | Operation::Subtract, Duration, Duration) => Some(Duration),
        (Operation::Add | Operation::Subtract, Any, _) | (Operation::Add | Operation::Subtract, _, Any) => {
            Some(Any)
        }
        (_, Any | Number, Any | Number) => Some(Any),
        _ => None,
    }
}
