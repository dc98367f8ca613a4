//! Keys and tenants.

use crate::support::*;
use serde_json::{Value, json};

fn create(server: &Running, by: &str, body: &Value) -> Answer {
    server.post("/api/v1/keys", by, "application/json", body.to_string())
}

#[test]
fn a_new_key_is_shown_once_and_works_until_it_is_deleted() {
    let server = start();
    let made = create(&server, ADMIN, &json!({"name":"ci","scopes":["events:read","events:publish"]}));
    assert_eq!((made.status, made.header("cache-control")), (201, Some("no-store")));
    let made = made.json();
    let (id, token) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    assert!(campanile::secrets::is_api_key(token), "{token}");
    assert!(token.starts_with(made["hint"].as_str().unwrap()));
    assert_eq!(server.get("/api/v1/events", token).status, 200);

    let listed = server.get("/api/v1/keys?limit=1000", ADMIN);
    assert!(listed.text().contains(id) && !listed.text().contains(token) && !listed.text().contains("hash"));
    assert_eq!(
        listed.json()["data"].as_array().unwrap().len(),
        6,
        "five of the config in this tenant, and this one"
    );

    assert_eq!(server.send("DELETE", &format!("/api/v1/keys/{id}"), ADMIN, &[], b"").status, 204);
    server.get("/api/v1/events", token).problem(401, "unauthorized");
    server.send("DELETE", &format!("/api/v1/keys/{id}"), ADMIN, &[], b"").problem(404, "not_found");
}

#[test]
fn keys_are_paged() {
    let server = start();
    let first = server.get("/api/v1/keys?limit=3", ADMIN);
    let page = first.json();
    assert_eq!((page["data"].as_array().unwrap().len(), &page["has_more"]), (3, &true.into()));
    let next = format!("/api/v1/keys?limit=3&cursor={}", page["next_cursor"].as_str().unwrap());
    assert_eq!(first.header("link"), Some(format!("<{next}>; rel=\"next\"").as_str()));
    let rest = server.get(&next, ADMIN).json();
    assert_eq!(
        (rest["data"].as_array().unwrap().len(), &rest["has_more"], &rest["next_cursor"]),
        (2, &false.into(), &Value::Null)
    );
}

#[test]
fn a_key_that_cannot_be_is_422() {
    let server = start();
    for (body, pointer) in [
        (json!({"scopes":["admin"]}), "/name"),
        (json!({"name":"","scopes":["admin"]}), "/name"),
        (json!({"name":"x"}), "/scopes"),
        (json!({"name":"x","scopes":[]}), "/scopes"),
        (json!({"name":"x","scopes":"admin"}), "/scopes"),
        (json!({"name":"x","scopes":["all"]}), "/scopes/0"),
        (json!({"name":"x","scopes":["operator"]}), "/scopes"),
        (json!({"name":"x","scopes":["admin"],"expires_at":"soon"}), "/expires_at"),
        (json!({"name":"x","scopes":["admin"],"key":"mine"}), "/key"),
    ] {
        assert!(create(&server, ADMIN, &body).pointers().contains(&pointer.to_owned()), "{body}");
    }
    server
        .post("/api/v1/keys", ADMIN, "application/json", r#"{"name":"a","name":"b"}"#)
        .problem(422, "duplicate_key");
    server.post("/api/v1/keys", ADMIN, "application/json", "{").problem(400, "malformed_json");
    server.post("/api/v1/keys", ADMIN, "text/plain", "{}").problem(415, "unsupported_media_type");
}

#[test]
fn keys_of_the_config_and_of_other_tenants_stay() {
    let server = start();
    let keys = server.get("/api/v1/keys", ADMIN).json();
    let declared = keys["data"][0]["id"].as_str().unwrap();
    server.send("DELETE", &format!("/api/v1/keys/{declared}"), ADMIN, &[], b"").problem(409, "declared");
    server.send("DELETE", &format!("/api/v1/keys/{declared}"), OTHER, &[], b"").problem(404, "not_found");
    server.send("DELETE", "/api/v1/keys/nonsense", ADMIN, &[], b"").problem(404, "not_found");
}

#[test]
fn an_operator_makes_tenants_and_their_first_keys() {
    let server = start();
    let make = |body: &str| server.post("/api/v1/tenants", OPERATOR, "application/json", body);
    assert_eq!(make(r#"{"name":"acme"}"#).status, 201);
    make(r#"{"name":"acme"}"#).problem(422, "taken");
    for bad in [r#"{"name":"A"}"#, r#"{"name":""}"#, r#"{}"#, r#"{"name":"x","y":1}"#, r#"{"name":7}"#] {
        assert_eq!(make(bad).status, 422, "{bad}");
    }
    let tenants = server.get("/api/v1/tenants", OPERATOR).json();
    let names: Vec<&str> =
        tenants["data"].as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["acme", "default", "other"]);
    let made = make(r#"{"name":"beta"}"#).json();
    let admin = made["admin_key"].as_str().unwrap();
    let key = create(&server, admin, &json!({"name":"first","scopes":["events:publish"]})).json();
    let token = key["key"].as_str().unwrap();
    assert_eq!(
        server.post("/api/v1/events", token, "application/json", r#"{"type":"a","data":{}}"#).status,
        201
    );
    assert_eq!(server.get("/api/v1/events", READER).json()["data"].as_array().unwrap().len(), 0);
}
