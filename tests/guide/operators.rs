//! `docs/operator.md`.

use crate::support::*;
use std::process::Command;

#[test]
fn every_command_of_the_guide_for_operators_works() {
    let said = said_by("docs/operator.md", "operator", 0);
    assert_eq!(said.len(), 4);
    assert_eq!(said[0], "campanile.toml is valid\n");
    assert!(
        said[1].contains(r#""admin_key":"cmp_"#) && said[1].contains("shop  events:publish"),
        "{}",
        said[1]
    );
    assert!(said[2].contains(r#"{"status":"ready"}"#) && said[2].contains("campanile_log_writable 1"));
    for told in [
        "1 kept-1",
        "events: 1",
        "1 events read, 0 corrupt",
        "bytes in backup",
        "1 events exported",
        "1 events imported",
    ] {
        assert!(said[3].contains(told), "{told}: {}", said[3]);
    }
}

/// A name that the program does not have would alert nobody.
#[test]
fn every_metric_that_the_guide_for_operators_names_is_there() {
    let broker = Started::new();
    let fetch = "curl -sf -H \"Authorization: Bearer $CAMPANILE_KEY\" $CAMPANILE_URL/metrics";
    let shown = text(&broker.run(Command::new("bash").args(["-ec", fetch])));
    let guide = std::fs::read_to_string("docs/operator.md").unwrap();
    let is_name = |one: char| one.is_ascii_lowercase() || one == '_';
    let words = guide.split(|one| !is_name(one)).filter(|word| word.starts_with("campanile_"));
    let named: Vec<&str> = words.filter(|word| *word != "campanile_log").collect();
    assert!(named.len() >= 10, "{named:?}");
    for name in named {
        assert!(shown.contains(&format!("# TYPE {name} ")), "{name}");
    }
}
