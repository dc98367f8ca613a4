//! The rules of the house, executed: who may import whom, how long files are, what the map names.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Top-level modules from the ground up; a module imports only from lower rows.
const LAYERS: &[&[&str]] = &[
    &["time"],
    &["model"],
    &["clock", "catalog", "console"],
    &["protocol"],
    &["config", "secrets", "client"],
    &["log", "webhook", "delivery"],
    &["actors"],
    &["broker"],
    &["http", "telemetry"],
    &["cli"],
];

/// Libraries that only some files may name.
const FENCED: &[(&str, &[&str])] = &[
    // `log` has a module of the same name.
    ("redb::", &["src/log/redb/", "src/log/mod.rs"]),
    ("actix::", &["src/actors/"]),
    ("actix_web::", &["src/http/", "src/cli/"]),
    ("cel::", &["src/model/expression/"]),
    ("jsonschema::", &["src/model/schema/"]),
    ("regex::", &["src/model/expression/"]),
    ("awc::", &["src/webhook/"]),
    ("hyper::", &["src/client/"]),
    ("hyper_util::", &["src/client/"]),
    ("std::time::SystemTime", &["src/clock.rs"]),
];

const LONGEST_FILE: usize = 400;

fn sources() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::from("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                files.push((path, text));
            }
        }
    }
    assert!(files.len() > 50, "the sources were not found");
    files
}

/// The top-level module that a file belongs to; `None` for `lib.rs` and `main.rs`.
fn module_of(path: &Path) -> Option<String> {
    let first = path.components().nth(1)?.as_os_str().to_string_lossy().into_owned();
    let name = first.strip_suffix(".rs").unwrap_or(&first).to_owned();
    (name != "lib" && name != "main").then_some(name)
}

fn layer_of(module: &str) -> usize {
    LAYERS.iter().position(|layer| layer.contains(&module)).unwrap_or_else(|| panic!("{module} has no layer"))
}

/// The module that a path in a line begins with.
fn target_of(path: &str) -> &str {
    &path[..path.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(path.len())]
}

/// Whether `super` in this file is the crate.
fn is_top(path: &Path) -> bool {
    path.components().count() == 2 || (path.components().count() == 3 && path.ends_with("mod.rs"))
}

#[test]
fn imports_only_run_down() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let Some(module) = module_of(&path) else { continue };
        let own_layer = layer_of(&module);
        for (number, line) in
            text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"))
        {
            let place = format!("{}:{}", path.display(), number + 1);
            if line.contains("crate::{") || line.contains("crate as ") {
                wrong.push(format!("{place}: one import a line, or this test does not see it"));
            }
            let of_super = line.split("super::").skip(1).filter(|_| is_top(&path));
            for target in line.split("crate::").skip(1).chain(of_super).map(target_of) {
                let is_module = LAYERS.iter().any(|layer| layer.contains(&target));
                if is_module && target != module && layer_of(target) >= own_layer {
                    wrong.push(format!("{place}: {module} imports {target}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn libraries_stay_behind_their_fences() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        for (number, line) in
            text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"))
        {
            for (library, allowed) in FENCED {
                let named = line.match_indices(library).any(|(at, _)| {
                    let before = line[..at].chars().next_back();
                    before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':')
                });
                if named && !allowed.iter().any(|allowed| path.starts_with(allowed)) {
                    wrong.push(format!("{}:{}: {library}", path.display(), number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_owns_and_is_short() {
    for (path, text) in sources() {
        assert!(text.starts_with("//!"), "{} does not open with what it owns", path.display());
        let lines = text.lines().count();
        assert!(lines <= LONGEST_FILE, "{} has {lines} lines", path.display());
    }
}

#[test]
fn the_map_names_every_module() {
    let lib = std::fs::read_to_string("src/lib.rs").unwrap();
    let architecture = std::fs::read_to_string("ARCHITECTURE.md").unwrap();
    let mut modules = BTreeMap::new();
    for module in sources().iter().filter_map(|(path, _)| module_of(path)) {
        *modules.entry(module).or_insert(0) += 1;
    }
    for module in modules.keys() {
        assert!(lib.contains(&format!("`{module}`")), "src/lib.rs does not name {module}");
        assert!(architecture.contains(&format!("`{module}")), "ARCHITECTURE.md does not name {module}");
    }
}

#[test]
fn every_link_in_the_documents_leads_somewhere() {
    for document in ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"] {
        let text = std::fs::read_to_string(document).unwrap();
        for rest in text.split("](").skip(1) {
            let link = rest.split(')').next().unwrap().split('#').next().unwrap();
            let leads = link.is_empty() || link.starts_with("https://") || Path::new(link).exists();
            assert!(leads, "{document} links to {link}");
        }
    }
}
