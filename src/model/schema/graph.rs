//! A schema as a graph: which subschema is applied where. Built before the library sees the schema, and bounded.

use super::keywords::{Applies, DIALECT, HOLDERS, Holds, REFUSED};
use crate::model::Violation;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// How deep subschemas may nest, the schema itself included.
const MAX_LEVELS: usize = 32;

/// The most subschemas, the schema itself included.
const MAX_SUBSCHEMAS: usize = 1000;

const NOT_HERE: &str = "this word is not taken: a schema stands by itself and refers only into itself";

/// A schema's subschemas. The first is the whole schema.
#[derive(Debug, Default)]
pub(super) struct Graph {
    pub(super) nodes: Vec<Node>,
}

/// One subschema: what it costs by itself, and which others it applies.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// What looking at one value costs, without other subschemas; about 30 ns each.
    pub(super) cost: u64,
    /// Patterns that a text is matched against.
    pub(super) patterns: u64,
    /// Its value is secret.
    pub(super) write_only: bool,
    /// It looks at what others have evaluated, so they are evaluated again.
    pub(super) looks_again: bool,
    /// Applied to the same value.
    pub(super) in_place: Vec<usize>,
    /// Applied to the same value, to be false.
    pub(super) negated: Vec<usize>,
    /// Applied to members by their name.
    pub(super) named: Vec<(String, usize)>,
    pub(super) matching: Vec<usize>,
    pub(super) additional: Option<usize>,
    pub(super) names: Vec<usize>,
    pub(super) placed: Vec<usize>,
    pub(super) items: Option<usize>,
    pub(super) beside: Vec<usize>,
}

impl Graph {
    /// Reads a schema. Broken rules are named with pointers from its root.
    pub(super) fn read(schema: &Value) -> Result<Self, Vec<Violation>> {
        let mut reading = Reading::default();
        reading.subschema(schema, String::new(), 1);
        reading.resolve();
        if reading.violations.is_empty() { Ok(reading.graph) } else { Err(reading.violations) }
    }

    /// Whether anything is marked as secret.
    pub(super) fn has_secrets(&self) -> bool {
        self.nodes.iter().any(|node| node.write_only)
    }

    /// Every subschema that one applies.
    pub(super) fn applied(&self, node: usize) -> impl Iterator<Item = usize> {
        let node = &self.nodes[node];
        let lists = [&node.in_place, &node.negated, &node.matching, &node.names, &node.placed, &node.beside];
        let listed = lists.into_iter().flatten().copied();
        listed.chain(node.named.iter().map(|(_, at)| *at)).chain(node.additional).chain(node.items)
    }
}

#[derive(Default)]
struct Reading {
    graph: Graph,
    /// Subschemas by their pointer.
    places: HashMap<String, usize>,
    /// References: from which subschema, and to where.
    references: Vec<(usize, String, String)>,
    violations: Vec<Violation>,
    is_too_large: bool,
}

impl Reading {
    fn refuse(&mut self, pointer: &str, detail: impl Into<String>) {
        if self.violations.len() < super::MAX_VIOLATIONS {
            self.violations.push(Violation::new(pointer, detail));
        }
    }

    /// Reads the subschema at a place; `None` when it is none, or one too many.
    fn subschema(&mut self, schema: &Value, pointer: String, level: usize) -> Option<usize> {
        if level > MAX_LEVELS {
            self.refuse(&pointer, format!("subschemas nest deeper than {MAX_LEVELS} levels"));
            return None;
        }
        if self.graph.nodes.len() == MAX_SUBSCHEMAS {
            if !std::mem::replace(&mut self.is_too_large, true) {
                self.refuse(&pointer, format!("more than {MAX_SUBSCHEMAS} subschemas"));
            }
            return None;
        }
        let at = self.graph.nodes.len();
        self.graph.nodes.push(Node { cost: 1, ..Node::default() });
        self.places.insert(pointer.clone(), at);
        match schema {
            Value::Object(members) => self.words(at, members, &pointer, level),
            Value::Bool(_) if level > 1 => {}
            _ => self.refuse(&pointer, "a schema is an object"),
        }
        Some(at)
    }

    fn words(&mut self, at: usize, members: &Map<String, Value>, pointer: &str, level: usize) {
        for word in REFUSED.iter().filter(|word| members.contains_key(**word)) {
            self.refuse(&format!("{pointer}/{word}"), NOT_HERE);
        }
        if let Some(dialect) = members.get("$schema")
            && dialect.as_str().is_none_or(|dialect| dialect.trim_end_matches('#') != DIALECT)
        {
            self.refuse(&format!("{pointer}/$schema"), format!("schemas are of the dialect {DIALECT}"));
        }
        if let Some(target) = members.get("$ref") {
            let place = format!("{pointer}/$ref");
            match target.as_str() {
                Some(target) => self.references.push((at, place, target.to_owned())),
                None => self.refuse(&place, "a reference is a string"),
            }
        }
        let node = &mut self.graph.nodes[at];
        node.write_only = members.get("writeOnly") == Some(&Value::Bool(true));
        node.looks_again = members.keys().any(|word| word.starts_with("unevaluated"));
        node.cost += own_cost(members);
        let of_names = members.get("patternProperties").and_then(Value::as_object).map_or(0, Map::len);
        node.patterns = u64::from(members.contains_key("pattern")) + of_names as u64;
        for (word, holds, applies) in HOLDERS {
            if let Some(held) = members.get(*word) {
                self.held(at, held, *holds, *applies, &format!("{pointer}/{word}"), level);
            }
        }
    }

    fn held(&mut self, at: usize, held: &Value, holds: Holds, applies: Applies, place: &str, level: usize) {
        match (holds, held) {
            (Holds::One, schema) => {
                let child = self.subschema(schema, place.to_owned(), level + 1);
                self.apply(at, child, applies, "");
            }
            (Holds::List, Value::Array(list)) => {
                for (index, schema) in list.iter().enumerate() {
                    let child = self.subschema(schema, format!("{place}/{index}"), level + 1);
                    self.apply(at, child, applies, "");
                }
            }
            (Holds::Map, Value::Object(map)) => {
                for (name, schema) in map {
                    let place = format!("{place}/{}", Violation::escape(name));
                    let child = self.subschema(schema, place, level + 1);
                    self.apply(at, child, applies, name);
                }
            }
            (Holds::List, _) => self.refuse(place, "a list of schemas"),
            (Holds::Map, _) => self.refuse(place, "an object of schemas"),
        }
    }

    fn apply(&mut self, at: usize, child: Option<usize>, applies: Applies, name: &str) {
        let Some(child) = child else { return };
        let node = &mut self.graph.nodes[at];
        match applies {
            Applies::Never => {}
            Applies::InPlace => node.in_place.push(child),
            Applies::Negated => node.negated.push(child),
            Applies::Named => node.named.push((name.to_owned(), child)),
            Applies::Matching => node.matching.push(child),
            Applies::Additional => node.additional = Some(child),
            Applies::Names => node.names.push(child),
            Applies::Placed => node.placed.push(child),
            Applies::Items => node.items = Some(child),
            Applies::Beside => node.beside.push(child),
        }
    }

    /// Ties references to what they lead to.
    fn resolve(&mut self) {
        for (from, place, target) in std::mem::take(&mut self.references) {
            let Some(fragment) = target.strip_prefix('#').and_then(percent_decoded) else {
                self.refuse(&place, "a reference stays inside the schema: it begins with #");
                continue;
            };
            match self.places.get(&fragment) {
                Some(to) => self.graph.nodes[from].in_place.push(*to),
                None if self.is_too_large => {}
                None => {
                    self.refuse(&place, "there is no subschema at this place; give a JSON Pointer to one");
                }
            }
        }
    }
}

/// What a subschema's own words cost.
fn own_cost(members: &Map<String, Value>) -> u64 {
    let of = |value: &Value| match value {
        Value::Array(list) => list.len() as u64,
        Value::Object(map) => map.len() as u64,
        _ => 1,
    };
    let words = ["enum", "const", "required", "properties", "dependentRequired"];
    let long = words.iter().filter_map(|word| members.get(*word)).map(of).sum::<u64>() / 8;
    long + members.len() as u64 / 4
}

/// A fragment without its escapes, as a JSON Pointer; `None` when it is no UTF-8.
fn percent_decoded(fragment: &str) -> Option<String> {
    let mut out = Vec::with_capacity(fragment.len());
    let mut rest = fragment.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            out.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}
