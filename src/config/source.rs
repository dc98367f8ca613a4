//! The config file as a tree that knows where each value stands, and everything that is wrong with it.

use std::collections::BTreeMap;
use std::fmt;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One thing that is wrong with the config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file, or the environment variable.
    pub origin: String,
    /// Line and column, from 1; `None` for the environment.
    pub place: Option<(usize, usize)>,
    /// The setting.
    pub key: String,
    /// What is wrong; never a secret's text.
    pub detail: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.detail)
    }
}

/// A value with where it stands.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) value: Raw,
    pub(super) place: Option<(usize, usize)>,
    pub(super) origin: String,
}

/// A value before its setting has said what it should be.
#[derive(Debug, Clone)]
pub(super) enum Raw {
    Text(String),
    /// From the environment: also a number, a flag or a comma-separated list.
    Loose(String),
    Whole(i64),
    Flag(bool),
    List(Vec<Node>),
    Table(BTreeMap<String, Node>),
    Other(&'static str),
}

/// Reads a file's text; `lookup` gives environment variables for `${VAR}` and `${VAR:-default}`.
pub(super) fn parse(
    text: &str,
    file: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
    errors: &mut Vec<ConfigError>,
) -> BTreeMap<String, Node> {
    match DeTable::parse(text) {
        Ok(table) => {
            let mut reader = Reader { text, file, lookup, errors };
            reader.table(table.get_ref(), "")
        }
        Err(error) => {
            let place = error.span().map(|span| place(text, span.start));
            let (origin, detail) = (file.to_owned(), error.message().to_owned());
            errors.push(ConfigError { origin, place, key: String::new(), detail });
            BTreeMap::new()
        }
    }
}

fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..offset.min(text.len())];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()) + 1;
    (line, column)
}

struct Reader<'a> {
    text: &'a str,
    file: &'a str,
    lookup: &'a dyn Fn(&str) -> Option<String>,
    errors: &'a mut Vec<ConfigError>,
}

impl Reader<'_> {
    fn table(&mut self, table: &DeTable<'_>, prefix: &str) -> BTreeMap<String, Node> {
        let mut nodes = BTreeMap::new();
        for (name, value) in table {
            let key = if prefix.is_empty() {
                name.get_ref().to_string()
            } else {
                format!("{prefix}.{}", name.get_ref())
            };
            // A table's own span is its header; a value is pointed at by its name.
            let node = self.node(value, &key, name.span().start);
            nodes.insert(name.get_ref().to_string(), node);
        }
        nodes
    }

    fn node(&mut self, value: &Spanned<DeValue<'_>>, key: &str, start: usize) -> Node {
        let place = place(self.text, start);
        let value = match value.get_ref() {
            DeValue::String(text) => Raw::Text(self.interpolated(text, key, place)),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or(Raw::Other("a number that is too large"), Raw::Whole),
            DeValue::Boolean(flag) => Raw::Flag(*flag),
            DeValue::Float(_) => Raw::Other("a number with a fraction"),
            DeValue::Datetime(_) => Raw::Other("a date without quotes"),
            DeValue::Array(list) => {
                let nodes = list.iter().enumerate();
                Raw::List(
                    nodes
                        .map(|(at, one)| self.node(one, &format!("{key}[{at}]"), one.span().start))
                        .collect(),
                )
            }
            DeValue::Table(table) => Raw::Table(self.table(table, key)),
        };
        Node { value, place: Some(place), origin: self.file.to_owned() }
    }

    /// Replaces `${VAR}`; a variable that is not set and has no default is an error.
    fn interpolated(&mut self, text: &str, key: &str, place: (usize, usize)) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            out.push_str(&rest[..start]);
            let Some(len) = rest[start..].find('}') else { break };
            let inner = &rest[start + 2..start + len];
            let (name, default) =
                inner.split_once(":-").map_or((inner, None), |(name, text)| (name, Some(text)));
            match (self.lookup)(name).or_else(|| default.map(str::to_owned)) {
                Some(value) => out.push_str(&value),
                None => {
                    let (origin, key) = (self.file.to_owned(), key.to_owned());
                    let detail = format!("the environment variable {name} is not set");
                    self.errors.push(ConfigError { origin, place: Some(place), key, detail });
                }
            }
            rest = &rest[start + len + 1..];
        }
        out.push_str(rest);
        out
    }
}
