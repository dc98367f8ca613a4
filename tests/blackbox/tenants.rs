//! Tenants: each sees its own and cannot even tell that another's exists.

use crate::support::{Receiver, Request, Response, STRANGER, Server};
use serde_json::{Value, json};

/// A destination of the default tenant with one delivery, and its id.
fn with_a_delivery(server: &Server, receiver: &Receiver) -> String {
    let destination = server.post("/api/v1/destinations", &receiver.destination()).must(201);
    server.publish(&json!({"type": "a", "data": {}}));
    receiver.wait_for(1);
    destination["id"].as_str().unwrap().to_owned()
}

/// A 404 without what differs between any two of them.
fn not_found(answer: &Response, id: &str) -> String {
    let mut problem = answer.problem(404);
    problem["request_id"] = Value::Null;
    problem.to_string().replace(id, "X")
}

#[test]
fn what_belongs_to_another_tenant_looks_like_what_does_not_exist() {
    let server = Server::start();
    server.publish(&json!({"type": "a", "id": "theirs", "data": {}}));
    let receiver = Receiver::willing();
    let destination = with_a_delivery(&server, &receiver);
    let none = "dst_00000000000000000000000001";
    let table = [
        ("GET", "/api/v1/events/{}", "theirs", "nothing"),
        ("GET", "/api/v1/events/{}/deliveries", "theirs", "nothing"),
        ("GET", "/api/v1/destinations/{}", &destination, none),
        ("PATCH", "/api/v1/destinations/{}", &destination, none),
        ("DELETE", "/api/v1/destinations/{}", &destination, none),
    ];
    for (method, path, theirs, none) in table {
        let ask = |id: &str| {
            let request = Request::new(method, &path.replace("{}", id)).key(STRANGER);
            let request = if method == "PATCH" { request.json(&json!({})) } else { request };
            not_found(&server.send(&request), id)
        };
        assert_eq!(ask(theirs), ask(none), "{method} {path}");
    }
    assert_eq!(receiver.deliveries().len(), 1);
}

#[test]
fn lists_streams_and_deliveries_hold_the_tenants_own_events_only() {
    let server = Server::start();
    let receiver = Receiver::willing();
    with_a_delivery(&server, &receiver);
    let mut stream = server.stream("");
    let draft = json!({"type": "a", "id": "shared", "data": {"whose": "stranger"}});
    let own = server.send(&Request::post("/api/v1/events").key(STRANGER).json(&draft)).must(201);
    let list = |key: &str, path: &str| server.send(&Request::get(path).key(key)).must(200)["data"].clone();
    assert_eq!(list(STRANGER, "/api/v1/events"), json!([own]));
    assert_eq!(list(STRANGER, "/api/v1/destinations"), json!([]));
    let mine = server.publish(&json!({"type": "a", "id": "shared", "data": {"whose": "default"}}));
    assert_ne!(mine["sequence"], own["sequence"]);
    assert_eq!(server.get("/api/v1/events/shared").must(200), mine);
    assert_eq!(stream.message().json()["data"]["whose"], "default");
    let delivered = receiver.wait_for(2).remove(1);
    assert_eq!(delivered.json()["data"]["whose"], "default");
    assert_eq!(receiver.deliveries().len(), 2);
}
