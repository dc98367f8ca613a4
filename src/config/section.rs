//! A table of the config whose settings are read one by one; what nobody has read in the end is a mistake.

use super::source::{ConfigError, Node, Raw};
use std::collections::BTreeMap;

/// Settings by name.
pub(super) type Table = BTreeMap<String, Node>;

/// A table that is being read.
pub(super) struct Section<'a> {
    key: String,
    table: Table,
    errors: &'a mut Vec<ConfigError>,
}

impl<'a> Section<'a> {
    /// The whole config.
    pub(super) fn root(table: Table, errors: &'a mut Vec<ConfigError>) -> Self {
        Self { key: String::new(), table, errors }
    }

    fn path(&self, name: &str) -> String {
        let name = if name.is_empty() { "\"\"" } else { name };
        if self.key.is_empty() { name.to_owned() } else { format!("{}.{name}", self.key) }
    }

    fn fail(&mut self, node: &Node, name: &str, detail: impl Into<String>) {
        let (origin, place, key) = (node.origin.clone(), node.place, self.path(name));
        self.errors.push(ConfigError { origin, place, key, detail: detail.into() });
    }

    /// Reads a setting if it is there. A value that could not be made out has been complained about already.
    pub(super) fn set<T>(
        &mut self,
        name: &str,
        target: &mut T,
        read: impl FnOnce(&Raw) -> Result<T, String>,
    ) {
        let Some(node) = self.table.remove(name).filter(|node| !node.value.is_broken()) else { return };
        match read(&node.value) {
            Ok(value) => *target = value,
            Err(wanted) => self.fail(&node, name, format!("must be {wanted}")),
        }
    }

    /// Reads a table inside this one.
    pub(super) fn section(&mut self, name: &str, read: impl FnOnce(&mut Section<'_>)) {
        let Some(node) = self.table.remove(name) else { return };
        match node.value {
            Raw::Table(table) => self.inner(self.path(name), table, read),
            _ => self.fail(&node, name, "must be a section"),
        }
    }

    /// Reads each table of a list of tables, which must have the settings that are `needed`.
    pub(super) fn each(&mut self, name: &str, needed: &[&str], mut read: impl FnMut(&mut Section<'_>)) {
        let Some(node) = self.table.remove(name) else { return };
        let Raw::List(list) = node.value else {
            return self.fail(&node, name, format!("must be [[{}]] sections", self.path(name)));
        };
        for (index, one) in list.into_iter().enumerate() {
            let key = format!("{name}[{index}]");
            let Raw::Table(table) = &one.value else {
                self.fail(&one, &key, "must be a section");
                continue;
            };
            for missing in needed.iter().filter(|needed| !table.contains_key(**needed)) {
                self.fail(&one, &format!("{key}.{missing}"), "is needed");
            }
            self.inner(self.path(&key), table.clone(), &mut read);
        }
    }

    fn inner(&mut self, key: String, table: Table, read: impl FnOnce(&mut Section<'_>)) {
        let mut section = Section { key, table, errors: self.errors };
        read(&mut section);
        section.finish();
    }

    /// Every setting that nobody read is a mistake.
    pub(super) fn finish(mut self) {
        for (name, node) in std::mem::take(&mut self.table) {
            self.fail(&node, &name, "there is no such setting");
        }
    }
}
