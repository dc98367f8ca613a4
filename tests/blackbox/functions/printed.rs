//! The answers to a published PRE event, member by member as they are printed where the calls come from.

use super::*;
use crate::support::{READER, STRANGER};

#[test]
fn a_passed_event_answers_as_printed() {
    let server = Server::start();
    let receiver = Receiver::willing();
    let (first, secret) = make(&server, "Validate User Data", &receiver);
    subscribe_with(&server, PRE, first, json!({}));
    let second = add(&server, PRE, "Check Email Domain", &receiver);
    let answer = ask(&server, &draft());
    let document = answer.must(201);
    let data = &document["data"];
    let tasks = data["task_ids"].as_array().unwrap();
    let task = |at: usize, function: u64, name: &str| {
        let (task, invocation) = (&tasks[at]["task_id"], &tasks[at]["invocation_id"]);
        assert!(task.is_string() && invocation.is_u64(), "{}", tasks[at]);
        json!({"function_id": function, "function_name": name, "task_id": task, "invocation_id": invocation})
    };
    let printed = json!({
        "status": "success",
        "message": "Event published successfully",
        "data": {
            "event": PRE,
            "task_ids": [task(0, first, "Validate User Data"), task(1, second, "Check Email Domain")],
            "total_subscribers": 2,
            "event_id": data["event_id"],
            "conflicts": [],
            "params": {"username": "john_doe", "email": "john@example.com"},
        }
    });
    assert_eq!(document, printed);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let event = data["event_id"].as_str().unwrap();
    assert_eq!(answer.header("location"), Some(format!("/api/v1/events/{event}").as_str()));
    assert_eq!(server.get(&format!("/api/v1/events/{event}")).must(200)["data"], data["params"]);

    let calls = receiver.deliveries();
    assert_eq!(calls.len(), 2);
    let call = calls.iter().find(|call| call.header("webhook-id") == tasks[0]["task_id"]).unwrap();
    call.assert_signed_with(&secret);
    assert_eq!((call.header("X-Campanile-Event"), call.attempt()), (PRE, 1));
    assert_eq!((&call.json()["id"], &call.json()["data"]), (&data["event_id"], &data["params"]));
    let left: u64 = call.header("X-Campanile-Deadline").parse().unwrap();
    assert!((200_000..=300_000).contains(&left), "300 seconds are what a function has: {left}");
    assert!(!call.header("Campanile-Cause").is_empty());
}

#[test]
fn a_failed_event_answers_as_printed_and_names_the_function() {
    let server = Server::start();
    let (willing, dawdler) = (Receiver::willing(), dawdling());
    add(&server, PRE, "Willing Function", &willing);
    add(&server, PRE, "Slow Function", &dawdler.0);
    let reject = json!({"reject": {"code": "EMAIL_TAKEN", "message": "this address has an account"}});
    let failing = Receiver::start(move |_| {
        // The slow one is under way by then.
        next(&dawdler.1);
        says(&reject)
    });
    let failed = add(&server, PRE, "Failed Function", &failing);
    let document = ask(&server, &draft()).must(422);
    let data = &document["data"];
    assert_eq!(document["status"], "error");
    assert_eq!(document["code"], "EXECUTION_ERROR");
    assert_eq!(document["message"], "Function execution failed");
    for (member, value) in [
        ("function_id", json!(failed)),
        ("function_name", json!("Failed Function")),
        ("status", json!("error")),
        ("task_id", Value::Null),
        ("event", json!(PRE)),
        ("total_subscribers", json!(3)),
    ] {
        assert_eq!(data[member], value, "{member}");
    }
    let [failure] = data["failures"].as_array().unwrap().as_slice() else { panic!("{data}") };
    assert!(failure["duration_ms"].is_u64());
    let task = &data["task_ids"][2];
    assert_eq!(
        *failure,
        json!({
            "function_id": failed,
            "function_name": "Failed Function",
            "task_id": task["task_id"],
            "invocation_id": task["invocation_id"],
            "kind": "rejected",
            "code": "EMAIL_TAKEN",
            "duration_ms": failure["duration_ms"],
            "message": "this address has an account",
        })
    );
    let event = &data["event_id"];
    let statuses = statuses_of(&server, event);
    assert_eq!(statuses[1..], ["cancelled", "error"]);
    // It is asked at once with the others: whether it was heard before the failure is a race.
    assert!(["success", "cancelled"].contains(&statuses[0].as_str()), "{statuses:?}");
}

#[test]
fn an_invocation_is_shown_with_its_attempts_and_to_nobody_else() {
    let server = Server::start();
    let receiver = saying(&json!({"patch": {"plan": "pro"}}));
    let function = add(&server, PRE, "Enrich", &receiver);
    let data = ask(&server, &draft()).must(201)["data"].clone();
    let task = &data["task_ids"][0];
    let shown = invocation(&server, &task["invocation_id"]);
    let mut expected = json!({
        "id": task["invocation_id"],
        "task_id": task["task_id"],
        "event_id": data["event_id"],
        "event_type": PRE,
        "sequence": 1,
        "mode": "pre",
        "function_id": function,
        "function_name": "Enrich",
        "function_slug": "enrich",
        "subscription_id": 1,
        "stage": 0,
        "on_error": "fail",
        "status": "success",
        "attempts": [{"attempt": 1, "at": shown["started_at"], "duration_ms": shown["duration_ms"],
            "status": "success", "result": {"patch": {"plan": "pro"}}, "error": null}],
        "next_attempt_at": null,
        "created_at": shown["created_at"],
        "started_at": shown["started_at"],
        "duration_ms": shown["duration_ms"],
        "result": {"patch": {"plan": "pro"}},
        "error": null,
    });
    assert_eq!(shown, expected);
    expected["attempts"] = json!(1);
    assert_eq!(invocations_of(&server, &data["event_id"]), [expected]);

    let path = format!("/api/v1/invocations/{}", task["invocation_id"]);
    server.send(&Request::get(&path).key(STRANGER)).problem(404);
    server.send(&Request::get(&path).key(READER)).problem(403);
    server.send(&Request::post(&format!("{path}/retry")).key(STRANGER)).problem(404);
    let retried = server.send(&Request::post(&format!("{path}/retry")).key(ADMIN)).problem(409);
    assert!(retried["type"].as_str().unwrap().ends_with("not_retryable"), "{retried}");
    let of = |query: &str, key: &str| {
        let list = server.send(&Request::get(&format!("/api/v1/invocations{query}")).key(key)).must(200);
        list["data"].as_array().unwrap().len()
    };
    assert_eq!(of("", ADMIN), 1);
    assert_eq!(of("", STRANGER), 0);
    assert_eq!(of(&format!("?function_id={function}&status=success"), ADMIN), 1);
    assert_eq!(of(&format!("?function_id={}", function + 1), ADMIN), 0);
    assert_eq!(of("?status=error", ADMIN), 0);
    assert_eq!(of("?event_id=evt_unknown", ADMIN), 0);
    for bad in ["?status=lost", "?function_id=x", "?function=1", "?cursor=x", "?limit=0"] {
        server.send(&Request::get(&format!("/api/v1/invocations{bad}")).key(ADMIN)).problem(400);
    }
    for missing in ["0", "7", "x", "99999999999999999999"] {
        server.send(&Request::get(&format!("/api/v1/invocations/{missing}")).key(ADMIN)).problem(404);
    }
}

#[test]
fn without_functions_an_event_passes() {
    let server = Server::start();
    let document = ask(&server, &draft()).must(201);
    assert_eq!(document["data"]["task_ids"], json!([]));
    assert_eq!(document["data"]["total_subscribers"], 0);
}
