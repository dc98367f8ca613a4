//! Event types: those of catalogs, those of a tenant's own, their schemas and samples.

use crate::support::*;
use serde_json::{Value, json};

const JSON: &str = "application/json";

fn put(server: &Running, name: &str, key: &str, body: &Value) -> Answer {
    let path = format!("/api/v1/event-types/{name}");
    server.send("PUT", &path, key, &[("Content-Type", JSON)], body.to_string().as_bytes())
}

fn get(server: &Running, name: &str, key: &str) -> Answer {
    server.get(&format!("/api/v1/event-types/{name}"), key)
}

fn remove(server: &Running, name: &str, key: &str) -> Answer {
    server.send("DELETE", &format!("/api/v1/event-types/{name}"), key, &[], b"")
}

fn names(server: &Running, key: &str) -> Vec<String> {
    let listed = server.get("/api/v1/event-types?limit=1000", key).json();
    let listed = listed["data"].as_array().unwrap().iter();
    listed.map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

fn with_catalogs(catalogs: &[&str]) -> Running {
    start_with(|config| config.events.catalogs = catalogs.iter().map(|name| (*name).to_owned()).collect())
}

#[test]
fn a_catalog_is_there_when_the_config_loads_it_and_not_otherwise() {
    assert_eq!(names(&start(), READER), Vec::<String>::new());
    let server = with_catalogs(&["acme", "taruvi"]);
    assert_eq!(names(&server, READER).len(), 9 + 2);
    let completed = get(&server, "pipeline.completed", READER).json();
    let shown = |member: &str| completed[member].clone();
    assert_eq!(
        (shown("name"), shown("mode"), shown("catalog"), shown("deprecated"), shown("format")),
        (json!("pipeline.completed"), json!("notify"), json!("acme"), json!(false), json!("envelope"))
    );
    assert_eq!(completed["schema"]["properties"]["status"]["const"], "success");
    assert_eq!(get(&server, "PRE_USER_CREATE", READER).json()["mode"], "pre");
    get(&server, "task_run.failed", READER).problem(404, "not_found");
}

#[test]
fn all_catalogs_are_listed_page_by_page_each_type_with_a_sample() {
    let server = with_catalogs(&["acme", "deck", "peliqan", "activepieces", "taruvi"]);
    let (mut path, mut seen) = ("/api/v1/event-types?limit=20".to_owned(), 0);
    loop {
        let page = server.get(&path, READER).json();
        for one in page["data"].as_array().unwrap() {
            let name = one["name"].as_str().unwrap();
            let sample = server.get(&format!("/api/v1/event-types/{name}/sample"), READER);
            assert_eq!(sample.json()["type"], *name);
            assert_eq!(sample.json()["data"], one["sample"]);
            seen += 1;
        }
        let Some(next) = page["next_cursor"].as_str() else { break };
        path = format!("/api/v1/event-types?limit=20&cursor={next}");
    }
    assert_eq!(seen, 78);
}

#[test]
fn a_type_is_made_changed_shown_and_removed_by_its_tenant_alone() {
    let server = start();
    let body = json!({
        "description": "An order is paid.",
        "schema": {"type": "object", "required": ["total"], "properties": {"total": {"type": "number", "minimum": 0}}},
    });
    let made = put(&server, "order.paid", ADMIN, &body);
    assert_eq!((made.status, &made.json()["schema"]), (201, &body["schema"]));
    assert_eq!(made.json()["catalog"], Value::Null);
    assert_eq!(put(&server, "order.paid", ADMIN, &body).status, 200, "the same again");

    let shown = get(&server, "order.paid", READER);
    assert_eq!(shown.json(), made.json());
    assert_eq!(put(&server, "order.paid", ADMIN, &shown.json()).status, 200, "what is shown can be put back");
    let sample = server.get("/api/v1/event-types/order.paid/sample", PUBLISHER).json();
    assert!(sample["data"]["total"].as_f64().unwrap() >= 0.0, "{sample}");

    get(&server, "order.paid", OTHER).problem(404, "not_found");
    remove(&server, "order.paid", OTHER).problem(404, "not_found");
    assert_eq!(names(&server, OTHER), Vec::<String>::new());
    assert_eq!(put(&server, "order.paid", OTHER, &json!({"mode": "post"})).status, 201);
    assert_eq!(get(&server, "order.paid", READER).json()["mode"], "notify");

    assert_eq!(put(&server, "order.paid", ADMIN, &json!({"deprecated": true})).status, 200);
    let changed = get(&server, "order.paid", READER).json();
    assert_eq!((&changed["deprecated"], &changed["schema"]), (&json!(true), &Value::Null));
    assert_eq!(remove(&server, "order.paid", ADMIN).status, 204);
    remove(&server, "order.paid", ADMIN).problem(404, "not_found");
    assert_eq!(get(&server, "order.paid", OTHER).status, 200);
}

#[test]
fn reading_types_takes_the_scope_of_events_changing_them_that_of_an_admin() {
    let server = start();
    put(&server, "a.b", READER, &json!({})).problem(403, "forbidden");
    put(&server, "a.b", PUBLISHER, &json!({})).problem(403, "forbidden");
    remove(&server, "a.b", READER).problem(403, "forbidden");
    put(&server, "a.b", "", &json!({})).problem(401, "unauthorized");
    for key in [READER, PUBLISHER, ADMIN] {
        assert_eq!(server.get("/api/v1/event-types", key).status, 200, "{key}");
    }
    let limited = json!({"name": "functions", "scopes": ["functions:read"]}).to_string();
    let limited = server.post("/api/v1/keys", ADMIN, JSON, limited).json();
    server.get("/api/v1/event-types", limited["key"].as_str().unwrap()).problem(403, "forbidden");
    server.get("/api/v1/event-types?tpye=a", READER).problem(400, "unknown_parameter");
    get(&server, "a.b?x=1", READER).problem(400, "unknown_parameter");
    let method = server.post("/api/v1/event-types/a.b", ADMIN, JSON, "{}");
    method.problem(405, "method_not_allowed");
    assert_eq!(method.header("allow"), Some("GET, HEAD, PUT, DELETE"));
}

#[test]
fn a_schema_that_is_none_or_leads_out_or_explodes_is_422_at_its_place() {
    let server = start();
    let refused = |schema: Value| put(&server, "a.b", ADMIN, &json!({"schema": schema})).pointers();
    assert_eq!(refused(json!({"properties": {"n": {"type": "nope"}}})), ["/schema/properties/n/type"]);
    assert_eq!(refused(json!({"$ref": "http://127.0.0.1/x"})), ["/schema/$ref"]);
    assert_eq!(refused(json!([])), ["/schema"]);
    let deep = (0..33).fold(json!({}), |inner, _| json!({"items": inner}));
    assert!(refused(deep)[0].starts_with("/schema/items"));
    let doubled = |at: usize| {
        let next = format!("#/$defs/{}", at + 1);
        (at.to_string(), json!({"allOf": [{"$ref": next}, {"$ref": next}]}))
    };
    let mut defs: serde_json::Map<String, Value> = (0..24).map(doubled).collect();
    defs.insert("24".to_owned(), json!({}));
    let exploding = json!({"schema": {"$ref": "#/$defs/0", "$defs": defs}});
    put(&server, "a.b", ADMIN, &exploding).problem(422, "schema_explodes");
    assert_eq!(refused(json!({"description": "x".repeat(65 << 10)})), ["/schema"]);
    let unfit = json!({"schema": {"required": ["n"]}, "sample": {"m": 1}});
    assert_eq!(put(&server, "a.b", ADMIN, &unfit).pointers(), ["/sample/n"]);
    assert_eq!(put(&server, "a.b", ADMIN, &json!({"shema": {}})).pointers(), ["/shema"]);
    for reserved in ["stream.gap", "error", "event_destination.activated", "function.failed", "-x", "a%20b"] {
        assert_eq!(put(&server, reserved, ADMIN, &json!({})).status, 422, "{reserved}");
    }
    server
        .send("PUT", "/api/v1/event-types/a.b", ADMIN, &[("Content-Type", JSON)], b"{")
        .problem(400, "malformed_json");
    server.send("PUT", "/api/v1/event-types/a.b", ADMIN, &[], b"{}").problem(415, "unsupported_media_type");
    assert_eq!(names(&server, READER), Vec::<String>::new());
}

#[test]
fn a_type_of_a_catalog_can_be_made_a_tenants_own_and_comes_back() {
    let server = with_catalogs(&["acme"]);
    remove(&server, "pipeline.failed", ADMIN).problem(409, "shipped");
    assert_eq!(put(&server, "pipeline.failed", ADMIN, &json!({"description": "ours"})).status, 201);
    let own = get(&server, "pipeline.failed", READER).json();
    assert_eq!((&own["catalog"], &own["description"]), (&Value::Null, &json!("ours")));
    assert_eq!(get(&server, "pipeline.failed", OTHER).json()["catalog"], "acme");
    assert_eq!(remove(&server, "pipeline.failed", ADMIN).status, 204);
    assert_eq!(get(&server, "pipeline.failed", READER).json()["catalog"], "acme");
}

#[test]
fn a_tenant_has_so_many_types_and_no_more() {
    let server = start_with(|config| config.events.max_types = 2);
    for name in ["a", "b"] {
        assert_eq!(put(&server, name, ADMIN, &json!({})).status, 201);
    }
    put(&server, "c", ADMIN, &json!({})).problem(422, "too_many");
    assert_eq!(put(&server, "b", ADMIN, &json!({"deprecated": true})).status, 200);
    assert_eq!(put(&server, "c", OTHER, &json!({})).status, 201);
}

#[test]
fn functions_subscribe_to_a_tenants_own_types_and_keep_their_mode() {
    let server = start();
    assert_eq!(put(&server, "order.check", ADMIN, &json!({"mode": "pre"})).status, 201);
    assert_eq!(put(&server, "order.paid", ADMIN, &json!({"mode": "post"})).status, 201);
    assert_eq!(put(&server, "order.seen", ADMIN, &json!({})).status, 201);
    let listed = server.get("/api/cloud/events/", ADMIN).json();
    assert_eq!(
        listed["data"]["events"],
        json!(["PRE_USER_CREATE", "POST_USER_CREATE", "order.check", "order.paid"])
    );
    let function = json!({"name": "Check", "url": "https://functions.example.com/check"}).to_string();
    let function = server.post("/api/v1/functions", ADMIN, JSON, function);
    let body = json!({"function_id": function.json()["id"]}).to_string();
    let subscribe = |event: &str| {
        server.post(&format!("/api/cloud/events/{event}/subscribe/"), ADMIN, JSON, &body).status
    };
    assert_eq!((subscribe("order.check"), subscribe("order.seen")), (200, 400));
    put(&server, "order.check", ADMIN, &json!({"mode": "post"})).problem(409, "in_use");
    remove(&server, "order.check", ADMIN).problem(409, "in_use");
    let same = put(&server, "order.check", ADMIN, &json!({"mode": "pre", "description": "checked"}));
    assert_eq!(same.status, 200);
    assert_eq!(remove(&server, "order.paid", ADMIN).status, 204);
}
