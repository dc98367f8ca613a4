//! The shipped catalogs, type by type.

use super::*;
use crate::model::CheckBudget;
use serde_json::{Value, json};

const ACME: &str = "pipeline.started pipeline.stage.extract pipeline.stage.transform pipeline.stage.load \
    pipeline.completed pipeline.failed pipeline.retrying connector.health.changed scheduler.triggered";

const DECK: &str = "agent.created agent.updated agent.deleted source.created source.updated source.deleted \
    connection.connecting connection.connected connection.invalid connection.disconnected connection.terminated \
    connection.interaction_required task.created task.updated task.deleted task_run.queued task_run.running \
    task_run.pending task_run.completed task_run.failed task_run.canceled task_run.interaction_required \
    storage.created storage.deleted workflow_run.queued workflow_run.running workflow_run.sleeping \
    workflow_run.completed workflow_run.failed workflow_run.canceled workflow_run.interaction_required \
    event_destination.activated event_destination.deactivated";

const PELIQAN: &str = "connection_added connection_removed pipeline_run_started pipeline_run_completed \
    pipeline_run_completed_with_errors pipeline_run_internal_error pipeline_run_error pipeline_run_remote_error \
    pipeline_run_killed pipeline_run_killed_for_system_upgrade pipeline_run_timeout pipeline_run_rate_limited \
    pipeline_run_no_streams pipeline_run_failed";

const ACTIVEPIECES: &str = "flow.created flow.updated flow.deleted flow.run.started flow.run.finished \
    flow.run.resumed folder.created folder.updated folder.deleted connection.upserted connection.deleted \
    user.signed.up user.signed.in user.password.reset user.email.verified signing.key.created \
    project.role.created project.role.updated project.role.deleted project.release.created";

const TARUVI: &str = "PRE_USER_CREATE POST_USER_CREATE";

fn check(name: &str, event_type: &str, data: &Value) -> Vec<String> {
    let types = load([name]);
    let schema = types[&EventType::parse(event_type).unwrap()].schema.clone().unwrap();
    let found = schema.check(data.to_string().as_bytes(), &mut CheckBudget::default());
    found.into_iter().map(|violation| violation.pointer).collect()
}

#[test]
fn every_catalog_has_its_types_and_no_other() {
    let expected = [("acme", ACME), ("deck", DECK), ("peliqan", PELIQAN), ("activepieces", ACTIVEPIECES)];
    for (name, types) in expected.into_iter().chain([("taruvi", TARUVI)]) {
        let mut wanted: Vec<&str> = types.split_whitespace().collect();
        wanted.sort_unstable();
        let loaded = load([name]);
        let found: Vec<&str> = loaded.keys().map(EventType::as_str).collect();
        assert_eq!(found, wanted, "{name}");
        assert!(
            loaded.values().all(|one| one.catalog.as_deref() == Some(name) && one.description.len() > 10)
        );
    }
    // No name stands in two catalogs.
    assert_eq!(load(NAMES).len(), 9 + 33 + 14 + 20 + 2);
    assert!(load(["nope"]).is_empty());
}

#[test]
fn every_schema_compiles_and_takes_its_sample_and_no_other_kind_of_data() {
    for definition in load(NAMES).values() {
        let schema = definition.schema.as_ref().unwrap();
        assert!(schema.broken().is_none(), "{}: {:?}", definition.name, schema.broken());
        let sample = definition.sample.as_ref().unwrap();
        let broken = schema.check(sample.data.as_bytes(), &mut CheckBudget::default());
        assert!(broken.is_empty(), "{}: {broken:?}", definition.name);
        assert!(schema.without_secrets(sample.data.as_bytes()).is_none());
        let event = definition.sample_event(Timestamp::parse("2026-01-01T00:00:00Z").unwrap()).unwrap();
        let event: Value = serde_json::from_slice(&event).unwrap();
        assert_eq!(event["type"], definition.name.as_str());
        assert!(sample.id.is_some() && sample.timestamp.is_some());
    }
}

#[test]
fn modes_and_formats_are_those_of_the_catalogs() {
    for definition in load(NAMES).values() {
        let mode = match definition.name.as_str() {
            "PRE_USER_CREATE" => EventMode::Pre,
            "POST_USER_CREATE" => EventMode::Post,
            _ => EventMode::Notify,
        };
        assert_eq!(definition.mode, mode);
        let format = match definition.catalog.as_deref().unwrap() {
            "deck" => BodyFormat::Resource,
            "peliqan" => BodyFormat::Run,
            "activepieces" => BodyFormat::Audit,
            _ => BodyFormat::Envelope,
        };
        assert_eq!(definition.format, Some(format), "{}", definition.name);
    }
}

/// The event that the pipeline API prints, in the order it prints it.
#[test]
fn the_sample_of_a_completed_run_is_the_published_example() {
    let types = load(["acme"]);
    let completed = &types[&EventType::parse("pipeline.completed").unwrap()];
    let event = completed.sample_event(Timestamp::parse("2000-01-01T00:00:00Z").unwrap()).unwrap();
    assert_eq!(
        String::from_utf8(event).unwrap(),
        concat!(
            r#"{"id":"evt_abc123","type":"pipeline.completed","timestamp":"2026-02-15T06:00:04.7Z","#,
            r#""pipeline":"user-analytics","run_id":"run_001","data":{"status":"success","duration_ms":4700,"#,
            r#""rows_extracted":1247,"rows_loaded":892,"stages":[{"name":"extract","duration_ms":1200,"rows":1247},"#,
            r#"{"name":"filter","duration_ms":300,"rows":892},{"name":"transform","duration_ms":1800,"rows":892},"#,
            r#"{"name":"load","duration_ms":1400,"rows":892}]}}"#
        )
    );
}

#[test]
fn schemas_are_as_strict_as_what_is_known() {
    let takes = |name: &str, event_type: &str, data: Value| {
        assert_eq!(check(name, event_type, &data), Vec::<String>::new(), "{event_type} {data}");
    };
    let points = |name: &str, event_type: &str, data: Value, at: &str| {
        assert_eq!(check(name, event_type, &data), [at], "{event_type} {data}");
    };
    takes("acme", "pipeline.completed", json!({"status": "success"}));
    takes("acme", "pipeline.completed", json!({"rows_loaded": 950, "duration_ms": 4200}));
    points("acme", "pipeline.completed", json!({"status": "failed"}), "/status");
    points(
        "acme",
        "pipeline.completed",
        json!({"stages": [{"name": "load", "rows": 1}]}),
        "/stages/0/duration_ms",
    );
    points("acme", "pipeline.stage.extract", json!({"rows": -1}), "/rows");
    points("acme", "pipeline.failed", json!({}), "/error");
    takes(
        "deck",
        "task_run.failed",
        json!({"id": "trun_1", "object": "task_run", "status": "failed", "x": 1}),
    );
    points(
        "deck",
        "task_run.failed",
        json!({"id": "trun_1", "object": "task_run", "status": "done"}),
        "/status",
    );
    points("deck", "agent.created", json!({"id": "src_1", "object": "agent"}), "/id");
    takes("peliqan", "pipeline_run_timeout", json!({"status": "TIMEOUT"}));
    points("peliqan", "pipeline_run_timeout", json!({"status": "KILLED"}), "/status");
    takes("peliqan", "pipeline_run_failed", json!({"status": "EXPLODED"}));
    points("peliqan", "pipeline_run_failed", json!({"status": "KILLED"}), "/status");
    points("activepieces", "user.signed.up", json!({"source": "post"}), "/source");
    points("activepieces", "user.signed.in", json!({"name": "ada"}), "/name");
    points(
        "activepieces",
        "folder.created",
        json!({"folder": {"id": "f", "displayName": "F", "created": "now", "updated": "2026-02-15T06:00:00Z"}}),
        "/folder/created",
    );
    points("taruvi", "PRE_USER_CREATE", json!({"username": "ada", "email": "nobody"}), "/email");
    points("taruvi", "POST_USER_CREATE", json!({"username": "ada", "email": "a@b.c"}), "/user_id");
}

#[test]
fn passwords_of_users_are_secret() {
    for (event_type, id) in [("PRE_USER_CREATE", ""), ("POST_USER_CREATE", r#""user_id":1,"#)] {
        let types = load(["taruvi"]);
        let schema = types[&EventType::parse(event_type).unwrap()].schema.clone().unwrap();
        let data = format!(r#"{{{id}"username":"ada","email":"a@b.c","password":"hunter2","token":"t"}}"#);
        let kept = schema.without_secrets(data.as_bytes()).unwrap();
        let kept = std::str::from_utf8(&kept).unwrap();
        assert_eq!(kept, format!(r#"{{{id}"username":"ada","email":"a@b.c"}}"#));
    }
}
