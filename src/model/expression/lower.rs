//! From the parsed tree to a program: takes the part of CEL that a filter may use and refuses the rest by name and
//! place.
//!
//! Only what can be told from the text is refused here: a name that does not exist, a text compared with a number.
//! What `data` holds is not known before the event.

use super::program::{Node, Program, Quantifier, Relation, Variable};
use super::value::Value;
use super::{ExpressionError, calls, operators};
use cel::common::ast::{ComprehensionExpr, Expr, IdedExpr, LiteralValue, SelectExpr, SourceInfo};
use std::borrow::Cow;

/// Nodes around a node: bounds the stack of an evaluation, which runs on any thread.
const MAX_DEPTH: usize = 64;

/// What is known of a value before the event is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Number,
    Text,
    Timestamp,
    Duration,
    List,
    Null,
    /// Whatever the event holds.
    Any,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bool => "true or false",
            Self::Number => "a number",
            Self::Text => "a string",
            Self::Timestamp => "a timestamp",
            Self::Duration => "a duration",
            Self::List => "a list",
            Self::Null => "null",
            Self::Any => "a value",
        }
    }

    /// Whether a value of this kind can be one of the other.
    pub(super) fn may_be(self, other: Self) -> bool {
        self == other || self == Self::Any || other == Self::Any
    }
}

/// A part of the program and what it gives.
pub(super) struct Typed {
    pub(super) node: Node,
    pub(super) kind: Kind,
}

impl Typed {
    pub(super) fn new(node: Node, kind: Kind) -> Self {
        Self { node, kind }
    }

    pub(super) fn boxed(self) -> Box<Node> {
        Box::new(self.node)
    }
}

/// The state of one compilation.
pub(super) struct Lowering<'s> {
    text: &'s str,
    info: &'s SourceInfo,
    /// Names of the quantifiers around the place, outermost first.
    locals: Vec<String>,
    depth: usize,
}

impl<'s> Lowering<'s> {
    pub(super) fn new(text: &'s str, info: &'s SourceInfo) -> Self {
        Self { text, info, locals: Vec::new(), depth: 0 }
    }

    pub(super) fn program(mut self, root: &IdedExpr) -> Result<Program, ExpressionError> {
        let lowered = self.lower(root)?;
        if !lowered.kind.may_be(Kind::Bool) {
            let detail = format!("a filter is true or false, and this is {}", lowered.kind.name());
            return Err(self.error(root.id, detail));
        }
        Ok(Program { root: lowered.node })
    }

    /// An error at a part of the text.
    pub(super) fn error(&self, id: u64, message: impl Into<String>) -> ExpressionError {
        let offset = self.info.offset_for(id).map_or(0, |(start, _)| start as usize);
        ExpressionError::at(self.text, offset, message)
    }

    pub(super) fn lower(&mut self, expression: &IdedExpr) -> Result<Typed, ExpressionError> {
        if self.depth >= MAX_DEPTH {
            return Err(self.error(expression.id, format!("parts nest at most {MAX_DEPTH} deep")));
        }
        self.depth += 1;
        let lowered = self.lower_here(expression);
        self.depth -= 1;
        lowered
    }

    fn lower_here(&mut self, expression: &IdedExpr) -> Result<Typed, ExpressionError> {
        let id = expression.id;
        match &expression.expr {
            Expr::Literal(literal) => self.literal(id, literal),
            Expr::Ident(name) => self.name(id, name),
            Expr::Select(select) => self.select(id, select),
            Expr::List(list) if list.optional_indices.is_empty() => {
                let elements: Result<Vec<Typed>, _> =
                    list.elements.iter().map(|one| self.lower(one)).collect();
                let elements = elements?.into_iter().map(|element| element.node).collect();
                Ok(Typed::new(Node::List(elements), Kind::List))
            }
            Expr::Call(call) => {
                if let Some(lowered) = operators::lower(self, id, call)? {
                    return Ok(lowered);
                }
                calls::lower(self, id, call)
            }
            Expr::Comprehension(comprehension) => self.quantifier(id, comprehension),
            Expr::Map(_) | Expr::Struct(_) | Expr::List(_) | Expr::Unspecified => {
                Err(self.error(id, "a filter makes no maps and no messages"))
            }
        }
    }

    fn literal(&self, id: u64, literal: &LiteralValue) -> Result<Typed, ExpressionError> {
        let (value, kind) = match literal {
            LiteralValue::Boolean(value) => (Value::Bool(**value), Kind::Bool),
            LiteralValue::Int(value) => (Value::Int(**value), Kind::Number),
            LiteralValue::UInt(value) => (Value::UInt(**value), Kind::Number),
            LiteralValue::Double(value) => (Value::Double(**value), Kind::Number),
            LiteralValue::String(value) => (Value::Text(Cow::Owned(value.inner().to_owned())), Kind::Text),
            LiteralValue::Null => (Value::Null, Kind::Null),
            LiteralValue::Bytes(_) => return Err(self.error(id, "events hold no bytes: use a string")),
        };
        Ok(Typed::new(Node::Literal(value), kind))
    }

    fn name(&self, id: u64, name: &str) -> Result<Typed, ExpressionError> {
        if let Some(slot) = self.locals.iter().rposition(|local| local == name) {
            return Ok(Typed::new(Node::Local(slot), Kind::Any));
        }
        let (variable, kind) = match name {
            "id" => (Variable::Id, Kind::Text),
            "type" => (Variable::Type, Kind::Text),
            "timestamp" => (Variable::Timestamp, Kind::Timestamp),
            "pipeline" => (Variable::Pipeline, Kind::Text),
            "run_id" => (Variable::RunId, Kind::Text),
            "sequence" => (Variable::Sequence, Kind::Number),
            "data" => (Variable::Data, Kind::Any),
            _ => {
                let detail = format!(
                    "there is no {name}: an expression knows id, type, timestamp, pipeline, run_id, sequence \
                     and data"
                );
                return Err(self.error(id, detail));
            }
        };
        Ok(Typed::new(Node::Variable(variable), kind))
    }

    fn select(&mut self, id: u64, select: &SelectExpr) -> Result<Typed, ExpressionError> {
        let operand = self.lower(&select.operand)?;
        if operand.kind != Kind::Any {
            let detail = format!("{} has no members, so no {}", operand.kind.name(), select.field);
            return Err(self.error(id, detail));
        }
        let name = select.field.as_str().into();
        Ok(if select.test {
            Typed::new(Node::Has(operand.boxed(), name), Kind::Bool)
        } else {
            Typed::new(Node::Member(operand.boxed(), name), Kind::Any)
        })
    }

    /// `all`, `exists` and `exists_one`, told apart by what the parser made of them.
    fn quantifier(&mut self, id: u64, made: &ComprehensionExpr) -> Result<Typed, ExpressionError> {
        let Expr::Call(step) = &made.loop_step.expr else { return Err(self.unknown_quantifier(id)) };
        let (quantifier, condition) = match (&made.accu_init.expr, &step.func_name[..], &step.args[..]) {
            (Expr::Literal(LiteralValue::Boolean(_)), "_&&_", [_, condition]) => (Quantifier::All, condition),
            (Expr::Literal(LiteralValue::Boolean(_)), "_||_", [_, condition]) => {
                (Quantifier::Exists, condition)
            }
            (Expr::Literal(LiteralValue::Int(_)), "_?_:_", [condition, _, _]) => {
                (Quantifier::ExistsOne, condition)
            }
            _ => return Err(self.unknown_quantifier(id)),
        };
        let over = self.lower(&made.iter_range)?;
        if !over.kind.may_be(Kind::List) {
            return Err(self.error(id, format!("{} has no elements", over.kind.name())));
        }
        self.locals.push(made.iter_var.clone());
        let lowered = self.lower(condition);
        self.locals.pop();
        let condition = self.expect(condition.id, lowered?, Kind::Bool)?;
        Ok(Typed::new(Node::Quantify(quantifier, over.boxed(), condition.boxed()), Kind::Bool))
    }

    fn unknown_quantifier(&self, id: u64) -> ExpressionError {
        self.error(id, "a filter has all, exists and exists_one, and makes no lists with map and filter")
    }

    /// Refuses what can never be of a kind.
    pub(super) fn expect(&self, id: u64, typed: Typed, wanted: Kind) -> Result<Typed, ExpressionError> {
        if typed.kind.may_be(wanted) {
            return Ok(typed);
        }
        Err(self.error(id, format!("{} is needed, and this is {}", wanted.name(), typed.kind.name())))
    }

    pub(super) fn relation(name: &str) -> Option<Relation> {
        match name {
            "_<_" => Some(Relation::Less),
            "_<=_" => Some(Relation::AtMost),
            "_>_" => Some(Relation::Greater),
            "_>=_" => Some(Relation::AtLeast),
            _ => None,
        }
    }
}
