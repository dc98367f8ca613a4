//! Apps, functions, and the published event calls of the cloud, each request and answer as it is printed there.

use crate::support::*;
use serde_json::{Value, json};

const JSON: &str = "application/json";

fn post(server: &Running, path: &str, body: &Value) -> Answer {
    server.post(path, ADMIN, JSON, body.to_string())
}

fn start_allowing() -> Running {
    start_with(|config| {
        config.delivery.allow_http = true;
        config.delivery.allow_networks = vec!["127.0.0.0/8".parse().unwrap()];
    })
}

/// The app and the functions of the printed examples; gives the numbers of the functions.
fn with_functions(server: &Running) -> (u64, u64) {
    let app = post(server, "/api/v1/apps", &json!({"name": "User Management"}));
    assert_eq!((app.status, app.header("location")), (201, Some("/api/v1/apps/user-management")));
    let make = |name: &str| {
        let body = json!({"name": name, "app": "user-management", "url": "http://127.0.0.1:9000/f"});
        let made = post(server, "/api/v1/functions", &body);
        assert_eq!(made.status, 201, "{}", made.text());
        made.json()["id"].as_u64().unwrap()
    };
    (make("Validate User Data"), make("Check Email Domain"))
}

fn subscribe(server: &Running, event: &str, function: u64) -> Answer {
    post(server, &format!("/api/cloud/events/{event}/subscribe/"), &json!({"function_id": function}))
}

/// The document without its times, which are checked to be there.
fn without_times(mut document: Value, names: &[&str]) -> Value {
    for name in names {
        let time = document.as_object_mut().unwrap().remove(*name).unwrap();
        assert!(time.as_str().unwrap().ends_with('Z'), "{name}: {time}");
    }
    document
}

#[test]
fn the_list_of_events_is_as_printed() {
    let server = start();
    let answer = server.get("/api/cloud/events/", ADMIN);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some(JSON)));
    let printed = json!({
        "success": true,
        "message": "Events retrieved successfully",
        "data": {"events": ["PRE_USER_CREATE", "POST_USER_CREATE"]}
    });
    assert_eq!(answer.json(), printed);
}

#[test]
fn subscribing_answers_as_printed() {
    let server = start_allowing();
    let (function, _) = with_functions(&server);
    let answer = subscribe(&server, "PRE_USER_CREATE", function);
    assert_eq!(answer.status, 200);
    let mut document = answer.json();
    let data = without_times(document["data"].take(), &["created_at", "updated_at"]);
    assert_eq!(
        document,
        json!({
            "success": true,
            "message": format!("Function {function} subscribed to event 'PRE_USER_CREATE' successfully"),
            "data": null
        })
    );
    assert_eq!(
        data,
        json!({
            "id": 1,
            "event": "PRE_USER_CREATE",
            "function": function,
            "function_name": "Validate User Data",
            "function_slug": "validate-user-data",
            "app_name": "User Management",
            "app_slug": "user-management",
        })
    );
}

#[test]
fn what_cannot_be_subscribed_is_refused_as_printed() {
    let server = start_allowing();
    let (function, _) = with_functions(&server);
    let refused = |answer: Answer, message: &str| {
        assert_eq!((answer.status, answer.header("content-type")), (400, Some(JSON)));
        assert_eq!(answer.json(), json!({"success": false, "message": message}));
    };
    refused(
        subscribe(&server, "INVALID_EVENT", function),
        "Invalid event type 'INVALID_EVENT'. Must be one of: PRE_USER_CREATE, POST_USER_CREATE",
    );
    assert_eq!(subscribe(&server, "PRE_USER_CREATE", function).status, 200);
    refused(
        subscribe(&server, "PRE_USER_CREATE", function),
        &format!("Function {function} is already subscribed to event 'PRE_USER_CREATE'"),
    );
    refused(subscribe(&server, "PRE_USER_CREATE", 123), "Function with id 123 does not exist");
    let path = "/api/cloud/events/PRE_USER_CREATE/subscribe/";
    for (body, message) in [
        (json!({}), "function_id is required"),
        (json!({"function_id": "1"}), "function_id must be a whole number"),
        (json!({"function_id": 1, "stages": 1}), "there is no such member: stages"),
        (json!({"function_id": 1, "stage": 10}), "stage must be a whole number from 0 to 9"),
        (json!({"function_id": 1, "on_error": "shrug"}), "on_error must be fail or ignore"),
    ] {
        refused(post(&server, path, &body), message);
    }
    let filtered = post(&server, path, &json!({"function_id": function, "filter": "data.age >"}));
    assert_eq!((filtered.status, &filtered.json()["success"]), (400, &json!(false)));
    let malformed = server.post(path, ADMIN, JSON, "{");
    assert_eq!((malformed.status, &malformed.json()["success"]), (400, &json!(false)));
}

#[test]
fn unsubscribing_answers_as_printed() {
    let server = start_allowing();
    let (function, _) = with_functions(&server);
    subscribe(&server, "PRE_USER_CREATE", function);
    let path = "/api/cloud/events/PRE_USER_CREATE/unsubscribe/";
    let answer = post(&server, path, &json!({"function_id": function}));
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json(),
        json!({
            "success": true,
            "message": format!("Function {function} unsubscribed from event 'PRE_USER_CREATE' successfully"),
            "data": {}
        })
    );
    for gone in [function, 999] {
        let answer = post(&server, path, &json!({"function_id": gone}));
        assert_eq!(answer.status, 404);
        let message = format!("Function {gone} was not subscribed to event 'PRE_USER_CREATE'");
        assert_eq!(answer.json(), json!({"success": false, "message": message}));
    }
}

#[test]
fn an_app_s_event_is_told_as_printed() {
    let server = start_allowing();
    let (first, second) = with_functions(&server);
    let elsewhere = json!({"name": "Elsewhere", "url": "http://127.0.0.1:9000/f"});
    let other = post(&server, "/api/v1/functions", &elsewhere).json()["id"].as_u64().unwrap();
    for function in [first, second, other] {
        assert_eq!(subscribe(&server, "PRE_USER_CREATE", function).status, 200);
    }
    let answer = server.get("/api/apps/user-management/events/PRE_USER_CREATE/", ADMIN);
    assert_eq!(answer.status, 200);
    let mut document = answer.json();
    let subscribers = document["data"]["subscribers"].take();
    let app = json!({"id": 1, "name": "User Management", "slug": "user-management"});
    assert_eq!(
        document,
        json!({
            "success": true,
            "message": "Event 'PRE_USER_CREATE' details retrieved successfully",
            "data": {"event": "PRE_USER_CREATE", "app": app, "total_subscribers": 2, "subscribers": null}
        })
    );
    let subscriber = |id: u64, function: u64, name: &str, slug: &str| {
        json!({
            "subscriber_id": id,
            "event": "PRE_USER_CREATE",
            "function_id": function,
            "function_name": name,
            "function_slug": slug,
            "app_id": 1,
            "app_name": "User Management",
            "app_slug": "user-management",
        })
    };
    let shown: Vec<Value> = subscribers.as_array().unwrap().clone();
    let shown: Vec<Value> = shown.into_iter().map(|one| without_times(one, &["created_at"])).collect();
    assert_eq!(
        shown,
        [
            subscriber(1, first, "Validate User Data", "validate-user-data"),
            subscriber(2, second, "Check Email Domain", "check-email-domain"),
        ]
    );
    let unknown = server.get("/api/apps/nobody/events/PRE_USER_CREATE/", ADMIN);
    assert_eq!((unknown.status, &unknown.json()["success"]), (404, &json!(false)));
}

#[test]
fn the_published_calls_refuse_strangers_in_their_own_envelope() {
    let server = start_allowing();
    let (function, _) = with_functions(&server);
    subscribe(&server, "PRE_USER_CREATE", function);
    for (key, status) in [("", 401), ("nonsense", 401), (READER, 403)] {
        let answer = server.get("/api/cloud/events/", key);
        assert_eq!((answer.status, answer.header("content-type")), (status, Some(JSON)));
        assert_eq!(answer.json()["success"], false);
        assert!(answer.json()["message"].is_string() && answer.header("www-authenticate").is_some());
        assert!(answer.header("x-request-id").is_some());
    }
    let path = "/api/cloud/events/PRE_USER_CREATE/subscribe/";
    let foreign = server.post(path, OTHER, JSON, json!({"function_id": function}).to_string());
    assert_eq!(foreign.json()["message"], format!("Function with id {function} does not exist"));
    assert_eq!(server.get("/api/apps/user-management/events/PRE_USER_CREATE/", OTHER).status, 404);
    server.get(&format!("/api/v1/functions/{function}"), OTHER).problem(404, "not_found");
    server.get("/api/v1/apps/user-management", OTHER).problem(404, "not_found");
    server.get("/api/v1/functions", READER).problem(403, "forbidden");
}

#[test]
fn functions_are_made_changed_and_removed() {
    let server = start_allowing();
    let (function, _) = with_functions(&server);
    let path = format!("/api/v1/functions/{function}");
    let shown = server.get(&path, ADMIN).json();
    let shown = without_times(shown, &["created_at", "updated_at"]);
    let schedule = json!([5, 300, 1800, 7200, 18000, 36000, 36000]);
    assert_eq!(
        shown,
        json!({
            "id": function, "name": "Validate User Data", "slug": "validate-user-data",
            "app": {"id": 1, "name": "User Management", "slug": "user-management"},
            "kind": "http", "url": "http://127.0.0.1:9000/f", "timeout_ms": 300_000,
            "retry": {"enabled": true, "schedule_s": schedule},
        })
    );
    let change = json!({"name": "Validate", "timeout_ms": 500, "retry": {"enabled": false}}).to_string();
    let changed = patch(&server, &path, &change);
    assert_eq!((changed.status, &changed.json()["name"]), (200, &json!("Validate")));
    assert_eq!(changed.json()["retry"]["enabled"], false);
    assert_eq!(patch(&server, &path, r#"{"secret":"x"}"#).pointers(), ["/secret"]);

    subscribe(&server, "PRE_USER_CREATE", function);
    assert_eq!(server.send("DELETE", "/api/v1/apps/user-management", ADMIN, &[], b"").status, 409);
    assert_eq!(server.send("DELETE", &path, ADMIN, &[], b"").status, 204);
    server.get(&path, ADMIN).problem(404, "not_found");
    let detail = server.get("/api/apps/user-management/events/PRE_USER_CREATE/", ADMIN).json();
    assert_eq!(detail["data"]["total_subscribers"], 0, "its subscriptions go with it");
    let again = post(&server, "/api/v1/functions", &json!({"name": "x", "url": "http://127.0.0.1:9000/f"}));
    assert!(again.json()["id"].as_u64().unwrap() > function, "no number is given twice");
}

fn patch(server: &Running, path: &str, body: &str) -> Answer {
    server.send("PATCH", path, ADMIN, &[("Content-Type", JSON)], body.as_bytes())
}

#[test]
fn a_function_that_cannot_be_is_422_with_pointers() {
    let server = start_allowing();
    with_functions(&server);
    for (body, pointer) in [
        (json!({"url": "http://127.0.0.1:9000/f"}), "/name"),
        (json!({"name": "x"}), "/url"),
        (json!({"name": "x", "url": "http://10.0.0.1/"}), "/url"),
        (json!({"name": "x", "url": "http://127.0.0.1:9000/f", "slug": "A b"}), "/slug"),
        (json!({"name": "Validate user data", "url": "http://127.0.0.1:9000/f"}), "/slug"),
        (json!({"name": "x", "url": "http://127.0.0.1:9000/f", "app": "nobody"}), "/app"),
        (json!({"name": "x", "url": "http://127.0.0.1:9000/f", "timeout_ms": 0}), "/timeout_ms"),
        (json!({"name": "x", "url": "http://127.0.0.1:9000/f", "secret": "short"}), "/secret"),
        (json!({"name": "x", "url": "http://127.0.0.1:9000/f", "retry": {"twice": 1}}), "/retry/twice"),
        (json!({"name": "x", "url": "http://127.0.0.1:9000/f", "colour": "red"}), "/colour"),
    ] {
        let answer = post(&server, "/api/v1/functions", &body);
        assert!(answer.pointers().contains(&pointer.to_owned()), "{body}: {}", answer.text());
    }
    assert_eq!(post(&server, "/api/v1/apps", &json!({"name": "User management"})).pointers(), ["/slug"]);
    assert_eq!(post(&server, "/api/v1/apps", &json!({"slug": "a"})).pointers(), ["/name"]);
}

#[test]
fn a_function_s_secret_is_shown_once() {
    let server = start_allowing();
    let body = json!({"name": "signed", "url": "http://127.0.0.1:9000/f"});
    let made = post(&server, "/api/v1/functions", &body);
    assert_eq!(made.header("cache-control"), Some("no-store"));
    let made = made.json();
    let secret = made["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_"));
    let id = &made["id"];
    let shown = server.get(&format!("/api/v1/functions/{id}"), ADMIN);
    assert!(!shown.text().contains("secret") && !shown.text().contains("sealed"), "{}", shown.text());
}

#[test]
fn apps_and_functions_are_paged() {
    let server = start_allowing();
    for n in 1..=12 {
        let body = json!({"name": format!("f {n}"), "url": "http://127.0.0.1:9000/f"});
        assert_eq!(post(&server, "/api/v1/functions", &body).status, 201);
    }
    let mut path = "/api/v1/functions?limit=5".to_owned();
    let mut ids = Vec::new();
    loop {
        let page = server.get(&path, ADMIN).json();
        ids.extend(page["data"].as_array().unwrap().iter().map(|one| one["id"].as_u64().unwrap()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        path = format!("/api/v1/functions?limit=5&cursor={next}");
    }
    assert_eq!(ids, (1..=12).collect::<Vec<u64>>());
    let of_none = server.get("/api/v1/functions?app=nobody", ADMIN).json();
    assert_eq!(of_none["data"], json!([]));
}
