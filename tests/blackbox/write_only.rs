//! What a schema marks `writeOnly`: taken, checked, and nowhere to be found afterwards.

use crate::support::{ADMIN, PUBLISHER, Receiver, Reply, Request, Server, Settings};
use serde_json::json;
use std::fs;
use std::path::Path;

const PASSWORD: &str = "hunter2-and-hunter3";

/// The files of a folder that hold a text.
fn files_with(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else if fs::read(&path).unwrap().windows(text.len()).any(|window| window == text.as_bytes()) {
            found.push(path.display().to_string());
        }
    }
    found
}

fn publish(server: &Server, body: &str) -> (u16, String) {
    let request = Request::post("/api/v1/events").key(PUBLISHER).header("Idempotency-Key", "user-1");
    let answer = server.send(&request.body("application/json", body));
    (answer.status, answer.text())
}

#[test]
fn secrets_are_in_no_answer_no_webhook_no_poll_and_no_file() {
    let mut server = Settings::new().with("events.catalogs", r#"["taruvi"]"#).start();
    let receiver = Receiver::willing();
    server.post("/api/v1/destinations", &receiver.destination()).must(201);
    let body = format!(
        r#"{{"id":"evt_user","type":"POST_USER_CREATE","data":{{"user_id": 1,"username":"ada","email":"a@b.example","password":"{PASSWORD}"}}}}"#
    );
    let kept = r#""data":{"user_id": 1,"username":"ada","email":"a@b.example"}"#;
    let (status, answer) = publish(&server, &body);
    assert!(status == 201 && answer.contains(kept), "{answer}");
    // The same again, by its key and by its id.
    assert_eq!(publish(&server, &body), (201, answer));
    let by_id = Request::post("/api/v1/events").key(PUBLISHER).body("application/json", body.as_str());
    assert_eq!(server.send(&by_id).status, 200);

    let sent = receiver.wait_for(1).remove(0);
    assert!(String::from_utf8_lossy(&sent.body).contains(kept), "{sent:?}");
    for path in ["/api/v1/events", "/api/v1/events/evt_user", "/api/v1/events/evt_user/deliveries"] {
        let answer = server.send(&Request::get(path).key(ADMIN));
        assert!(answer.status == 200 && !answer.text().contains(PASSWORD), "{}", answer.text());
    }
    // A canary: what is kept is found.
    server.kill();
    assert_ne!(files_with(server.folder(), "a@b.example"), Vec::<String>::new());
    assert_eq!(files_with(server.folder(), PASSWORD), Vec::<String>::new());
}

#[test]
fn what_is_secret_is_checked_before_it_is_taken_out_and_not_told_when_it_is_wrong() {
    let server = Server::start();
    let secret = json!({"type": "string", "minLength": 30, "writeOnly": true});
    let schema = json!({"required": ["password"], "properties": {"password": secret}});
    let put = Request::new("PUT", "/api/v1/event-types/user.created").key(ADMIN);
    server.send(&put.json(&json!({"schema": schema}))).must(201);
    let answer =
        server.post("/api/v1/events", &json!({"type": "user.created", "data": {"password": PASSWORD}}));
    assert_eq!(answer.pointers(), ["/data/password"]);
    assert!(!answer.text().contains(PASSWORD), "{}", answer.text());
    let missing = server.post("/api/v1/events", &json!({"type": "user.created", "data": {}}));
    assert_eq!(missing.pointers(), ["/data/password"]);
    let long = format!("{PASSWORD}-and-some-more");
    let kept = server.publish(&json!({"type": "user.created", "data": {"a": 1, "password": long}}));
    assert_eq!(kept["data"], json!({"a": 1}));
}

/// A function at this endpoint that is asked before users are created.
fn subscribe(server: &Server, receiver: &Receiver) {
    let made = server.post("/api/v1/functions", &json!({"name": "Hash", "url": receiver.url()})).must(201);
    let body = json!({"function_id": made["id"]});
    server.post("/api/cloud/events/PRE_USER_CREATE/subscribe/", &body).must(200);
}

#[test]
fn functions_of_a_pre_event_are_given_the_secrets_and_the_log_is_not() {
    let mut server = Settings::new().with("events.catalogs", r#"["taruvi"]"#).start();
    let hash = "argon2-of-hunter2-and-hunter3";
    let answer = json!({"patch": {"password": hash, "username": "ada.l"}}).to_string();
    let function = Receiver::start(move |_| Reply::Answer(200, Vec::new(), answer.clone()));
    subscribe(&server, &function);
    let listener = Receiver::willing();
    server.post("/api/v1/destinations", &listener.destination()).must(201);
    let data = json!({"username": "ada", "email": "a@b.example", "password": PASSWORD});
    let event = json!({"id": "evt_pre", "type": "PRE_USER_CREATE", "data": data});
    let answered = server.post("/api/v1/events?wait=true", &event).must(201);
    assert_eq!(answered["data"]["params"], json!({"username": "ada.l", "email": "a@b.example"}));
    assert_eq!(function.wait_for(1)[0].json()["data"], data);
    assert_eq!(listener.wait_for(1)[0].json()["data"], json!({"username": "ada", "email": "a@b.example"}));
    let records = server.send(&Request::get("/api/v1/invocations").key(ADMIN)).text();
    assert!(records.contains("ada.l") && !records.contains(PASSWORD) && !records.contains(hash), "{records}");
    server.kill();
    assert_ne!(files_with(server.folder(), "ada.l"), Vec::<String>::new());
    assert_eq!(files_with(server.folder(), PASSWORD), Vec::<String>::new());
}

#[test]
fn a_pre_event_is_checked_before_functions_are_asked_and_after_they_have_changed_it() {
    let server = Settings::new().with("events.catalogs", r#"["taruvi"]"#).start();
    let function = Receiver::start(|_| {
        Reply::Answer(200, Vec::new(), json!({"patch": {"email": "nobody"}}).to_string())
    });
    subscribe(&server, &function);
    let wrong = json!({"type": "PRE_USER_CREATE", "data": {"username": "ada", "email": 5}});
    assert_eq!(server.post("/api/v1/events?wait=true", &wrong).pointers(), ["/data/email"]);
    assert_eq!((server.head(), function.deliveries().len()), (0, 0));
    let event = json!({"type": "PRE_USER_CREATE", "data": {"username": "ada", "email": "a@b.example"}});
    let refused = server.post("/api/v1/events?wait=true", &event).must(422);
    assert_eq!(refused["code"], "EXECUTION_ERROR");
    assert_eq!(refused["data"]["errors"][0]["pointer"], "/email", "{refused}");
}
