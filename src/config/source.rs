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

impl ConfigError {
    /// Something wrong with the file, or the variable, as a whole.
    pub(super) fn of(origin: String, detail: String) -> Self {
        Self { origin, place: None, key: String::new(), detail }
    }

    /// Something that was found wrong after reading: where a JSON pointer leads to in the text of the file.
    pub fn at(text: &str, file: &str, pointer: &str, detail: String) -> Self {
        let tree = parse(text, file, &|_| None, &mut Vec::new());
        let mut found = Node { value: Raw::Table(tree), place: None, origin: file.to_owned() };
        let mut key = String::new();
        for segment in pointer.split('/').skip(1) {
            let inner = match (found.value, segment.parse::<usize>()) {
                (Raw::Table(mut members), _) => {
                    let dot = if key.is_empty() { "" } else { "." };
                    key = format!("{key}{dot}{segment}");
                    members.remove(segment)
                }
                (Raw::List(mut nodes), Ok(index)) => {
                    key = format!("{key}[{index}]");
                    (index < nodes.len()).then(|| nodes.swap_remove(index))
                }
                _ => None,
            };
            let place = found.place;
            found = inner.unwrap_or(Node { value: Raw::Broken, place, origin: String::new() });
        }
        Self { origin: file.to_owned(), place: found.place, key, detail }
    }
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
    /// A text whose variables could not be filled in; the error is said already.
    Broken,
}

impl Raw {
    /// Whether this, or a member of a list, could not be made out.
    pub(super) fn is_broken(&self) -> bool {
        match self {
            Self::Broken => true,
            Self::List(nodes) => nodes.iter().any(|node| node.value.is_broken()),
            _ => false,
        }
    }
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
            DeValue::String(text) => self.interpolated(text, key, place),
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

    /// Fills in variables; what cannot be filled in is an error that shows no more than a variable's name.
    fn interpolated(&mut self, text: &str, key: &str, place: (usize, usize)) -> Raw {
        match interpolate(text, self.lookup) {
            Ok(text) => Raw::Text(text),
            Err(details) => {
                let (origin, place) = (self.file.to_owned(), Some(place));
                let error =
                    |detail| ConfigError { origin: origin.clone(), place, key: key.to_owned(), detail };
                self.errors.extend(details.into_iter().map(error));
                Raw::Broken
            }
        }
    }
}

/// Replaces `${VAR}` and `${VAR:-default}`; as in a shell, the default also stands in for an empty variable.
fn interpolate(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, Vec<String>> {
    let (mut out, mut rest, mut errors) = (String::new(), text, Vec::new());
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let Some((inner, behind)) = after.split_once('}') else {
            errors.push("a ${ has no }".to_owned());
            rest = "";
            break;
        };
        rest = behind;
        let (name, default) = inner.split_once(":-").map_or((inner, None), |(name, text)| (name, Some(text)));
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.is_empty() || !name.bytes().all(is_name) {
            errors.push("between ${ and } must be the name of a variable".to_owned());
            continue;
        }
        let value = lookup(name).filter(|value| default.is_none() || !value.is_empty());
        match value.or_else(|| default.map(str::to_owned)) {
            Some(value) => out.push_str(&value),
            None => errors.push(format!("the environment variable {name} is not set")),
        }
    }
    out.push_str(rest);
    if errors.is_empty() { Ok(out) } else { Err(errors) }
}
