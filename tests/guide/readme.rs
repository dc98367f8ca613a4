//! The guide of the README.

use crate::support::*;
use std::process::Command;

#[test]
fn every_command_of_the_guide_works() {
    let mut broker = Started::new();
    let run = |broker: &Started, block: &String| {
        text(&broker.run(Command::new("timeout").args(["300", "bash", "-ec", block]).env("PATH", path())))
    };
    let guide = blocks("guide");
    assert_eq!(guide.len(), 6, "the guide's commands were not found");
    let said: Vec<String> = guide.iter().map(|block| run(&broker, block)).collect();
    assert!(said[0].contains(r#""sequence":1"#), "{}", said[0]);
    assert!(said[1].contains("evt_first") && said[1].contains("next_cursor"));
    assert!(said[2].contains("event: pipeline.completed") && said[2].contains("event: stream.end"));
    assert!(said[3].contains("whsec_"));
    assert!(said[4].contains("\"data\""));
    assert!(said[5].contains("pipeline.failed") && said[5].contains("cmp_"));
    broker.crash();
    let resumed: Vec<String> = blocks("again").iter().map(|block| run(&broker, block)).collect();
    assert_eq!(resumed.len(), 1);
    assert!(resumed[0].starts_with("2 pipeline.failed {"), "{}", resumed[0]);
}

#[test]
fn no_other_command_stands_in_the_readme() {
    let readme = std::fs::read_to_string("README.md").unwrap();
    let unmarked: Vec<&str> =
        readme.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap().trim()).collect();
    // The demo is run by its own test, the tests by whoever reads this, and the key is another each time.
    let known = [
        "cargo run --release -- demo",
        "cargo test",
        "export CAMPANILE_URL=http://127.0.0.1:8080 CAMPANILE_KEY=cmp_...",
    ];
    assert_eq!(unmarked, known);
}
