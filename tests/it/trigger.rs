//! `campanile trigger`: samples of event types, published with changes.

use crate::harness::{Broker, PUBLISHER, READER};
use serde_json::{Value, json};
use std::process::{Command, Output};

fn trigger(broker: &Broker, key: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_campanile"));
    command.arg("trigger").args(arguments);
    command.env("CAMPANILE_URL", format!("http://{}", broker.address)).env("CAMPANILE_KEY", key);
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_sample_is_published_with_what_was_changed_in_it() {
    let broker = Broker::start("[events]\ncatalogs = [\"acme\", \"taruvi\"]\n");
    let changes = ["pipeline.completed", "--set", "data.rows_loaded=5", "--set", "pipeline=orders"];
    let first = said(&trigger(&broker, PUBLISHER, &changes));
    let second = said(&trigger(&broker, PUBLISHER, &changes));
    assert!(first.starts_with("1 evt_") && second.starts_with("2 evt_"), "{first}{second}");
    let listed: Value = serde_json::from_str(&broker.get(READER, "/api/v1/events").text()).unwrap();
    let event = &listed["data"][0];
    assert_eq!((&event["pipeline"], &event["run_id"]), (&json!("orders"), &json!("run_001")));
    assert_eq!((&event["data"]["rows_loaded"], &event["data"]["rows_extracted"]), (&json!(5), &json!(1247)));
    assert_ne!(event["timestamp"], "2026-02-15T06:00:04.7Z", "it happened now");

    let shown = said(&trigger(&broker, READER, &["scheduler.triggered", "--dry-run"]));
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((&shown["type"], shown.get("id")), (&json!("scheduler.triggered"), None));
    let asked = said(&trigger(&broker, PUBLISHER, &["PRE_USER_CREATE", "--wait"]));
    assert!(asked.contains("0 functions: Event published successfully"), "{asked}");
    let stored = said(&trigger(&broker, PUBLISHER, &["POST_USER_CREATE", "--json"]));
    assert_eq!(serde_json::from_str::<Value>(&stored).unwrap()["data"]["username"], "john_doe");
}

#[test]
fn what_cannot_be_triggered_is_said_with_an_exit_code() {
    let broker = Broker::start("[events]\ncatalogs = [\"acme\"]\n");
    for (arguments, code, wanted) in [
        (&["never.heard"][..], 1, "there is no such event type"),
        (&["pipeline.completed", "--set", "data.status=failed"], 1, "/data/status"),
        (&["pipeline.completed", "--set", "data.status.code=1"], 65, "data.status.code"),
        (&["pipeline.completed", "--set", "data"], 2, "data.rows=5"),
    ] {
        let output = trigger(&broker, PUBLISHER, arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        assert!(text.contains(wanted), "{arguments:?}: {text}");
    }
    let refused = trigger(&broker, READER, &["pipeline.completed"]);
    assert_eq!(refused.status.code(), Some(77));
}
