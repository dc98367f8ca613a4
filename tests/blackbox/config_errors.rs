//! A config that is wrong: exit code 78 and a message that names the file, the line and the key.

use crate::support::{PATIENCE, exit_of, spawn_binary};
use std::fs::{self, OpenOptions};

pub(crate) fn start_with(config: &str) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("campanile-test.toml");
    fs::write(&path, config).unwrap();
    let log = folder.path().join("output.log");
    let output = OpenOptions::new().create(true).append(true).open(&log).unwrap();
    let mut child = spawn_binary(&[], &path, &output);
    let status = exit_of(&mut child, PATIENCE);
    let said = fs::read_to_string(&log).unwrap();
    let data = folder.path().join("campanile-data");
    assert!(!data.exists(), "nothing is made with a bad config");
    (status.unwrap_or_else(|| panic!("it started: {said}")).code(), said)
}

#[track_caller]
fn assert_refused(config: &str, line: usize, key: &str) {
    let (code, said) = start_with(config);
    assert_eq!(code, Some(78), "{config}: {said}");
    assert!(said.contains("campanile-test.toml"), "it names the file: {said}");
    assert!(said.contains(key), "it names the key {key}: {said}");
    assert!(
        said.contains(&format!("line {line}")) || said.contains(&format!(":{line}:")),
        "it names line {line}: {said}"
    );
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn an_unknown_key_is_refused() {
    assert_refused("[server]\nlisten = \"127.0.0.1:0\"\nlisten_on = 1\n", 3, "listen_on");
    assert_refused("[server]\nlisten = \"127.0.0.1:0\"\n\n[sorver]\n", 4, "sorver");
    assert_refused("[[keys]]\nname = \"x\"\ntoken = \"y\"\nscopes = []\nscope = 1\n", 5, "scope");
}

#[test]
fn a_wrong_type_or_value_is_refused() {
    assert_refused("[server]\nlisten = 8080\n", 2, "listen");
    assert_refused("[server]\nlisten = \"nowhere\"\n", 2, "listen");
    assert_refused("[server]\ndrain = \"30 parsecs\"\n", 2, "drain");
    assert_refused("[server]\ndrain = 30\n", 2, "drain");
    assert_refused("[server]\nmax_body = \"-1MiB\"\n", 2, "max_body");
    assert_refused("[events]\nunknown_types = \"maybe\"\n", 2, "unknown_types");
    assert_refused("[delivery]\nallow_networks = [\"127.0.0.0/33\"]\n", 2, "allow_networks");
    assert_refused("[[keys]]\nname = \"x\"\ntoken = \"y\"\nscopes = [\"everything\"]\n", 4, "scopes");
}

#[test]
fn a_missing_variable_is_refused_and_one_with_a_default_is_not_missing() {
    assert_refused(
        "[server]\n\n[[keys]]\nname = \"x\"\ntoken = \"${CAMPANILE_TEST_NOT_SET}\"\nscopes = []\n",
        5,
        "CAMPANILE_TEST_NOT_SET",
    );
    assert_refused("[server]\nlisten = \"${CAMPANILE_TEST_NOT_SET:-127.0.0.1:0}\"\ndrain = 7\n", 3, "drain");
}

#[test]
fn what_is_no_toml_is_refused() {
    let (code, said) = start_with("[server]\nlisten = \n");
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("campanile-test.toml") && said.contains('2'), "{said}");
}

#[test]
fn a_secret_in_a_bad_line_is_not_printed() {
    let (code, said) = start_with("[[keys]]\nname = \"x\"\ntoken = [\"super-secret-value\"]\nscopes = []\n");
    assert_eq!(code, Some(78), "{said}");
    assert!(!said.contains("super-secret-value"), "{said}");
}

#[test]
fn a_config_that_is_not_there_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("output.log");
    let output = OpenOptions::new().create(true).append(true).open(&log).unwrap();
    let mut child = spawn_binary(&[], &folder.path().join("missing.toml"), &output);
    let status = exit_of(&mut child, PATIENCE).expect("it ends");
    assert_eq!(status.code(), Some(78));
    assert!(fs::read_to_string(&log).unwrap().contains("missing.toml"));
}
