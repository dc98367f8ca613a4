//! `docs/destinations.md`.

use crate::support::*;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

#[test]
fn every_command_of_the_guide_to_destinations_works() {
    let said = said_by("docs/destinations.md", "destination", 0);
    assert!(
        said[0].contains(r#""secret":"whsec_"#) && said[0].contains(r#""ordering":"pipeline""#),
        "{}",
        said[0]
    );
    assert!(said[1].contains("https://example.com/hooks") && said[1].contains("0 deliveries"), "{}", said[1]);
}

/// The rows of the table of settings: name and default, when it has one.
fn settings() -> BTreeMap<String, Option<Value>> {
    let guide = std::fs::read_to_string("docs/destinations.md").unwrap();
    let table = guide.split("## Settings").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let mut cells = row.split('|');
        let name = cells.next().unwrap().trim().trim_end_matches('`');
        let default = cells.next().unwrap().trim().trim_matches('`');
        (name.to_owned(), (!default.is_empty()).then(|| serde_json::from_str(default).unwrap()))
    })
    .collect()
}

#[test]
fn the_guide_to_destinations_names_every_setting_with_its_default() {
    let broker = Started::new();
    let documented = settings();
    let document = r#"curl -s "$CAMPANILE_URL/openapi.json""#;
    let document: Value =
        serde_json::from_str(&text(&broker.run(Command::new("bash").args(["-ec", document])))).unwrap();
    let known = &document["components"]["schemas"]["DestinationDraft"]["properties"];
    let known: BTreeSet<&String> = known.as_object().unwrap().keys().collect();
    assert_eq!(documented.keys().collect::<BTreeSet<_>>(), known);

    let create = ["destinations", "create", "https://example.com/hooks", "--json"];
    let created = text(&broker.run(Command::new(PROGRAM).args(create)));
    let created: Value = serde_json::from_str(&created).unwrap();
    for (name, default) in documented.iter().filter(|(name, _)| *name != "start") {
        if let Some(default) = default {
            assert_eq!(&created[name], default, "{name}");
        }
    }
}
