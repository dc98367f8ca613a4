//! From text to program: the one place where the library runs.
//!
//! Its parser recurses on what it reads, so it gets a thread with stack for the deepest text that the limits let
//! through, many times over; the same thread catches it should it panic.

use super::lower::Lowering;
use super::program::Program;
use super::{ExpressionError, limits};
use cel::parser::Parser;
use std::thread::Builder;

const STACK_BYTES: usize = 16 << 20;

/// How many errors the parser looks for behind the first: only that is told.
const MOST_RECOVERIES: u32 = 1;

/// How deep the parser follows a text before it gives up.
const MAX_RECURSION: u16 = 64;

const LONGEST_MESSAGE: usize = 200;

/// Compiles an expression.
pub(super) fn program(text: &str) -> Result<Program, ExpressionError> {
    limits::check(text)?;
    let owned = text.to_owned();
    let compiler = Builder::new().name("filter-compiler".to_owned()).stack_size(STACK_BYTES);
    let compiled = compiler.spawn(move || parse(&owned)).map(std::thread::JoinHandle::join);
    match compiled {
        Ok(Ok(result)) => result,
        _ => Err(ExpressionError::at(text, 0, "this expression cannot be compiled")),
    }
}

fn parse(text: &str) -> Result<Program, ExpressionError> {
    let parser = Parser::new().max_recursion_depth(MAX_RECURSION).error_recovery_limit(MOST_RECOVERIES);
    match parser.parse_with_source_info(text) {
        Ok((expression, info)) => Lowering::new(text, &info).program(&expression),
        Err(errors) => {
            let first = errors.errors.into_iter().find(|error| error.pos.0 > 0);
            let (position, message) = first.map_or(((1, 1), String::new()), |first| (first.pos, first.msg));
            Err(ExpressionError {
                line: usize::try_from(position.0).unwrap_or(1),
                column: usize::try_from(position.1).unwrap_or(1),
                message: readable(&message),
            })
        }
    }
}

/// The parser's message, without what only its authors understand.
fn readable(message: &str) -> String {
    if message.contains("Recursion limit") {
        return "parts nest too deep".to_owned();
    }
    let message = message.strip_prefix("Syntax error: ").unwrap_or(message);
    let message = message.split(" expecting {").next().unwrap_or(message);
    let mut shown: String = message.chars().filter(|c| !c.is_control()).take(LONGEST_MESSAGE).collect();
    if shown.is_empty() {
        shown.push_str("this is no expression");
    }
    shown
}
