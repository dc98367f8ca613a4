//! The files of the console: all there, small, and in the form that the house wants.

use super::*;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const FOLDER: &str = "src/console/assets";

fn files_under(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_under(&path) } else { vec![path] }).collect()
}

#[test]
fn every_file_of_the_folder_is_embedded() {
    let found = files_under(Path::new(FOLDER));
    let found: BTreeSet<String> =
        found.iter().map(|path| path.strip_prefix(FOLDER).unwrap().to_str().unwrap().to_owned()).collect();
    let mut embedded: BTreeSet<String> = FILES.iter().map(|(path, _)| (*path).to_owned()).collect();
    embedded.insert("index.html".to_owned());
    assert_eq!(found, embedded);
}

#[test]
fn all_files_together_stay_within_the_budget() {
    let console = Console::get();
    let plain: usize = console.assets.iter().map(|asset| asset.plain.len()).sum();
    let gzip: usize = console.assets.iter().map(|asset| asset.gzip.len()).sum();
    assert!(plain + console.page.plain.len() < BUDGET, "{plain} bytes");
    assert!(gzip < BUDGET / 2, "{gzip} bytes compressed");
}

#[test]
fn every_import_leads_to_a_file() {
    for (path, bytes) in FILES.iter().filter(|(path, _)| path.ends_with(".js") && !path.starts_with("vendor"))
    {
        let text = std::str::from_utf8(bytes).unwrap();
        for rest in text.split("from \"").skip(1) {
            let target = rest.split('"').next().unwrap();
            let whole = Path::new(path).parent().unwrap().join(target);
            let mut parts: Vec<&str> = Vec::new();
            for part in whole.to_str().unwrap().split('/').filter(|part| *part != ".") {
                if part == ".." {
                    parts.pop();
                } else {
                    parts.push(part);
                }
            }
            assert!(Console::get().asset(&parts.join("/")).is_some(), "{path} imports {target}");
        }
    }
}

#[test]
fn modules_say_what_they_own_are_short_and_put_no_markup_together() {
    for (path, bytes) in FILES.iter().filter(|(path, _)| path.ends_with(".js") && !path.starts_with("vendor"))
    {
        let text = std::str::from_utf8(bytes).unwrap();
        assert!(text.starts_with("/**"), "{path} does not open with what it owns");
        assert!(text.lines().count() <= 300, "{path} is long");
        for forbidden in
            ["innerHTML", "eval(", "new Function", "document.write", "localStorage.setItem(\"key"]
        {
            assert!(!text.contains(forbidden), "{path} has {forbidden}");
        }
    }
}

#[test]
fn the_libraries_are_those_that_the_notice_names() {
    let notice = include_str!("NOTICE");
    for (path, bytes) in FILES.iter().filter(|(path, _)| path.starts_with("vendor/")) {
        let hash: Vec<String> = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let line = format!("{}  {}", hash.concat(), path.trim_start_matches("vendor/"));
        assert!(notice.contains(&line), "{line}");
    }
}

#[test]
fn another_file_is_another_version() {
    let one = version_of(&[("a", b"1"), ("b", b"2")]);
    assert_ne!(one, version_of(&[("a", b"1"), ("b", b"3")]));
    assert_ne!(one, version_of(&[("a", b"1b2"), ("b", b"")]));
    assert_eq!(one, version_of(&[("a", b"1"), ("b", b"2")]));
}
