//! Catalogs as a publisher and a receiver meet them: what is refused, and what a webhook of each published API looks
//! like when it arrives.

use crate::support::{ADMIN, Delivery, READER, Receiver, Reply, Request, Server, Settings, text_of};
use serde_json::{Value, json};

const DESTINATIONS: &str = "/api/v1/destinations";
const ALL: &str = r#"["acme", "deck", "peliqan", "activepieces", "taruvi"]"#;

fn with_catalogs(names: &str) -> Server {
    Settings::new().with("events.catalogs", names).start()
}

/// Publishes a text as it is and gives what a destination without a format of its own is sent for it.
fn delivered(server: &Server, receiver: &Receiver, event: &str) -> Delivery {
    let before = receiver.deliveries().len();
    let request = Request::post("/api/v1/events").key(ADMIN).body("application/json", event);
    server.send(&request).must(201);
    receiver.wait_for(before + 1).remove(before)
}

/// The sample of a type with its id, to be published as it is.
fn sample(server: &Server, event_type: &str) -> String {
    let path = format!("/api/v1/event-types/{event_type}/sample");
    server.send(&Request::get(&path).key(READER)).text()
}

#[track_caller]
fn assert_body(delivery: &Delivery, expected: &str) {
    assert_eq!(String::from_utf8_lossy(&delivery.body), expected);
}

#[test]
fn the_webhook_of_a_completed_run_is_as_acme_prints_it() {
    let server = with_catalogs(r#"["acme"]"#);
    let receiver = Receiver::willing();
    let mut body = receiver.destination();
    body["secret"] = json!("the-shared-secret");
    server.post(DESTINATIONS, &body).must(201);
    let printed = concat!(
        r#"{"id":"evt_abc123","type":"pipeline.completed","timestamp":"2026-02-15T06:00:04.7Z","#,
        r#""pipeline":"user-analytics","run_id":"run_001","data":{"status":"success","duration_ms":4700,"#,
        r#""rows_extracted":1247,"rows_loaded":892,"stages":[{"name":"extract","duration_ms":1200,"rows":1247},"#,
        r#"{"name":"filter","duration_ms":300,"rows":892},{"name":"transform","duration_ms":1800,"rows":892},"#,
        r#"{"name":"load","duration_ms":1400,"rows":892}]}}"#
    );
    let sent = delivered(&server, &receiver, printed);
    assert_body(&sent, printed);
    sent.assert_signed_with("the-shared-secret");
}

#[test]
fn a_webhook_of_deck_is_the_event_as_a_resource() {
    let server = with_catalogs(r#"["deck"]"#);
    let receiver = Receiver::willing();
    server.post(DESTINATIONS, &receiver.destination()).must(201);
    let data = concat!(
        r#"{"id":"trun_a1","object":"task_run","status":"completed","result":"success","task_id":"task_b2","#,
        r#""agent_id":"agt_c3","source_id":"src_d4","runtime_ms":12453,"created_at":"2025-01-15T09:31:02Z","#,
        r#""updated_at":"2025-01-15T09:31:15Z"}"#
    );
    let published = format!(
        r#"{{"id":"evt_a1b2c3d4","type":"task_run.completed","timestamp":"2025-01-15T09:31:15Z","data":{data}}}"#
    );
    let expected = format!(
        r#"{{"id":"evt_a1b2c3d4","object":"event","type":"task_run.completed","data":{data},"created_at":"2025-01-15T09:31:15Z","request_id":null}}"#
    );
    assert_body(&delivered(&server, &receiver, &published), &expected);
}

#[test]
fn a_run_of_peliqan_says_its_status_and_a_connection_none() {
    let server = with_catalogs(r#"["peliqan"]"#);
    let receiver = Receiver::willing();
    // Signing is optional there.
    let mut body = receiver.destination();
    body["secret"] = Value::Null;
    server.post(DESTINATIONS, &body).must(201);
    for (at, (event_type, status)) in [
        ("pipeline_run_started", "RUNNING"),
        ("pipeline_run_completed", "COMPLETED"),
        ("pipeline_run_completed_with_errors", "COMPLETED_WITH_ERRORS"),
        ("pipeline_run_internal_error", "INTERNAL_ERROR"),
        ("pipeline_run_error", "ERROR"),
        ("pipeline_run_remote_error", "REMOTE_ERROR"),
        ("pipeline_run_killed", "KILLED"),
        ("pipeline_run_killed_for_system_upgrade", "KILLED_FOR_SYSTEM_UPGRADE"),
        ("pipeline_run_timeout", "TIMEOUT"),
        ("pipeline_run_rate_limited", "RATE_LIMITED"),
        ("pipeline_run_no_streams", "NO_STREAMS"),
        ("pipeline_run_failed", "EXPLODED"),
    ]
    .into_iter()
    .enumerate()
    {
        let data = if status == "EXPLODED" { r#"{"status":"EXPLODED"}"# } else { r#"{"rows": 1.10}"# };
        let rest = r#""timestamp":"2026-02-15T06:00:00Z","pipeline":"orders","run_id":"4711""#;
        let published = format!(r#"{{"id":"evt_{at}","type":"{event_type}",{rest},"data":{data}}}"#);
        let expected =
            format!(r#"{{"id":"evt_{at}","event":"{event_type}","status":"{status}",{rest},"data":{data}}}"#);
        let sent = delivered(&server, &receiver, &published);
        assert_body(&sent, &expected);
        assert_eq!(sent.find_header("webhook-signature"), None);
    }
    let published = r#"{"id":"evt_c","type":"connection_added","timestamp":"2026-02-15T06:00:00Z","data":{"name":"Orders"}}"#;
    let expected = r#"{"id":"evt_c","event":"connection_added","timestamp":"2026-02-15T06:00:00Z","connection":{"name":"Orders"}}"#;
    assert_body(&delivered(&server, &receiver, published), expected);
}

#[test]
fn a_webhook_of_activepieces_is_an_audit_record() {
    let server = with_catalogs(r#"["activepieces"]"#);
    let receiver = Receiver::willing();
    server.post(DESTINATIONS, &receiver.destination()).must(201);
    let folder = r#""folder":{"id":"f1","displayName":"Sales","created":"2026-02-15T05:00:00Z","updated":"2026-02-15T06:00:00Z"}"#;
    let who = r#""platformId":"pl1","projectId":"pr1","userId":"u1","userEmail":"ada@example.com","ip":"192.0.2.1""#;
    let published = format!(
        r#"{{"id":"evt_1","type":"folder.created","timestamp":"2026-02-15T06:00:00Z","data":{{{who},{folder}}}}}"#
    );
    let expected = format!(
        r#"{{"id":"evt_1","created":"2026-02-15T06:00:00Z","updated":"2026-02-15T06:00:00Z",{who},"action":"folder.created","data":{{{who},{folder}}}}}"#
    );
    assert_body(&delivered(&server, &receiver, &published), &expected);
    // What a worker tells of has nobody who did it.
    let sent = delivered(&server, &receiver, &sample(&server, "flow.run.finished")).json();
    assert_eq!((&sent["action"], sent.get("userId")), (&json!("flow.run.finished"), None));
    assert!(sent["data"]["flowRun"].is_object(), "{sent}");
}

#[test]
fn every_type_can_be_published_as_its_sample_and_arrives_in_the_format_of_its_catalog() {
    let server = with_catalogs(ALL);
    let receiver = Receiver::willing();
    let made = server.post(DESTINATIONS, &receiver.destination()).must(201);
    assert_eq!(made["format"], Value::Null, "it depends on the type");
    let listed = server.send(&Request::get("/api/v1/event-types?limit=1000").key(READER)).must(200);
    let mut published = 0;
    for one in listed["data"].as_array().unwrap() {
        let name = text_of(&one["name"]);
        if name.starts_with("event_destination.") || one["mode"] == "pre" {
            continue;
        }
        let sent = delivered(&server, &receiver, &sample(&server, &name)).json();
        let named = match one["format"].as_str().unwrap() {
            "run" => &sent["event"],
            "audit" => &sent["action"],
            _ => &sent["type"],
        };
        assert_eq!(*named, name.as_str(), "{sent}");
        published += 1;
    }
    assert_eq!(published, 78 - 2 - 1);
}

#[test]
fn the_format_of_a_destination_wins_over_that_of_the_type() {
    let server = with_catalogs(r#"["deck", "acme"]"#);
    let event = r#"{"id":"evt_1","type":"agent.created","timestamp":"2025-01-15T09:31:15Z","data":{"id":"agt_1","object":"agent"}}"#;
    let formats = ["envelope", "resource", "run", "audit", "cloudevents"];
    let receivers: Vec<Receiver> = formats.iter().map(|_| Receiver::willing()).collect();
    for (format, receiver) in formats.iter().zip(&receivers) {
        let mut body = receiver.destination();
        body["format"] = json!(format);
        assert_eq!(server.post(DESTINATIONS, &body).must(201)["format"], *format);
    }
    server.send(&Request::post("/api/v1/events").key(ADMIN).body("application/json", event)).must(201);
    let sent: Vec<Delivery> = receivers.iter().map(|receiver| receiver.wait_for(1).remove(0)).collect();
    assert_body(&sent[0], event);
    assert_eq!(sent[1].json()["object"], "event");
    assert_eq!(sent[2].json()["event"], "agent.created");
    assert_eq!(sent[3].json()["action"], "agent.created");
    assert_eq!(
        (&sent[4].json()["specversion"], &sent[4].json()["type"]),
        (&json!("1.0"), &json!("agent.created"))
    );
    for (at, delivery) in sent.iter().enumerate() {
        let wanted = if at == 4 { "application/cloudevents+json" } else { "application/json" };
        assert_eq!(delivery.header("Content-Type"), wanted);
    }
    let wrong = json!({"url": "http://127.0.0.1:9/", "verification": "none", "format": "xml"});
    assert_eq!(server.post(DESTINATIONS, &wrong).pointers(), ["/format"]);
}

#[test]
fn a_test_of_an_endpoint_sends_the_sample_of_the_type_in_its_format() {
    let server = with_catalogs(r#"["peliqan"]"#);
    let receiver = Receiver::start(|_| Reply::status(204));
    let body = json!({"url": receiver.url(), "type": "pipeline_run_killed"});
    server.post("/api/v1/destinations/test", &body).must(200);
    let sent = receiver.wait_for(1).remove(0).json();
    assert_eq!(
        (&sent["event"], &sent["status"], &sent["pipeline"], &sent["run_id"]),
        (&json!("pipeline_run_killed"), &json!("KILLED"), &json!("orders"), &json!("4711"))
    );
}

#[test]
fn what_a_catalog_does_not_know_or_allow_is_refused_with_pointers_and_not_stored() {
    let server = with_catalogs(r#"["acme"]"#);
    let answer = server.post("/api/v1/events", &json!({"type": "never.heard", "data": {}}));
    assert_eq!(answer.pointers(), ["/type"]);
    let wrong = json!({"type": "pipeline.completed", "data": {"status": "failed"}});
    assert_eq!(server.post("/api/v1/events", &wrong).pointers(), ["/data/status"]);
    let good = json!({"type": "pipeline.failed", "data": {"error": "no space"}});
    let missing = json!({"type": "pipeline.failed", "data": {}});
    let batch = json!({"events": [good, missing, wrong]});
    assert_eq!(
        server.post("/api/v1/events/batch", &batch).pointers(),
        ["/events/1/data/error", "/events/2/data/status"]
    );
    assert_eq!(server.head(), 0);
    server.post("/api/v1/events", &good).must(201);
    let accepting = Settings::new().with("events.catalogs", r#"["acme"]"#);
    let accepting = accepting.with("events.unknown_types", r#""accept""#).start();
    accepting.post("/api/v1/events", &json!({"type": "never.heard", "data": {}})).must(201);
    assert_eq!(accepting.post("/api/v1/events", &wrong).pointers(), ["/data/status"]);
}

#[test]
fn a_type_of_a_tenants_own_survives_a_kill_with_its_schema() {
    let mut server = Server::start();
    let definition = json!({"schema": {"required": ["total"]}, "format": "audit"});
    let put = Request::new("PUT", "/api/v1/event-types/order.paid").key(ADMIN).json(&definition);
    server.send(&put).must(201);
    server.crash();
    let wrong = json!({"type": "order.paid", "data": {}});
    assert_eq!(server.post("/api/v1/events", &wrong).pointers(), ["/data/total"]);
    let receiver = Receiver::willing();
    server.post(DESTINATIONS, &receiver.destination()).must(201);
    let sent = delivered(&server, &receiver, r#"{"type":"order.paid","data":{"total":1.50}}"#);
    assert!(sent.body.ends_with(br#""action":"order.paid","data":{"total":1.50}}"#), "{sent:?}");
}
