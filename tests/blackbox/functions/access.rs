//! Who may subscribe, publish and read what became of it; what another tenant sees: nothing.

use super::*;
use crate::support::{OPERATOR, PUBLISHER, READER, STRANGER, Settings};

const FUNCTIONS_READER: &str = "it-functions-reader-key";
const FUNCTIONS_WRITER: &str = "it-functions-writer-key";

fn start() -> Server {
    let keys = [(FUNCTIONS_READER, "functions:read"), (FUNCTIONS_WRITER, "functions:write")];
    let tables = keys.map(|(token, scope)| {
        format!(
            "\n[[keys]]\nname = {token:?}\ntoken = {token:?}\ntenant = \"default\"\nscopes = [{scope:?}]\n"
        )
    });
    Settings::new().and(&tables.concat()).start()
}

fn subscribing(path: &str, function: u64) -> Request {
    Request::post(path).json(&json!({"function_id": function}))
}

#[test]
fn each_call_has_its_scope() {
    let server = start();
    let receiver = Receiver::willing();
    let function = add(&server, PRE, "One", &receiver);
    let data = ask(&server, &draft()).must(201)["data"].clone();
    let one = format!("/api/v1/invocations/{}", data["task_ids"][0]["invocation_id"]);
    let again = format!("{one}/retry");
    let subscribe = "/api/cloud/events/POST_USER_CREATE/subscribe/";
    let unsubscribe = "/api/cloud/events/POST_USER_CREATE/unsubscribe/";
    let new = json!({"name": "Two", "url": receiver.url()});
    let calls: [(Request, &[(&str, u16)]); 9] = [
        (
            Request::get("/api/v1/invocations"),
            &[(FUNCTIONS_READER, 200), (FUNCTIONS_WRITER, 403), (READER, 403)],
        ),
        (Request::get(&one), &[(FUNCTIONS_READER, 200), (FUNCTIONS_WRITER, 403), (PUBLISHER, 403)]),
        (Request::post(&again), &[(FUNCTIONS_READER, 403), (PUBLISHER, 403), (FUNCTIONS_WRITER, 409)]),
        (
            Request::get("/api/v1/functions"),
            &[(FUNCTIONS_READER, 200), (FUNCTIONS_WRITER, 403), (PUBLISHER, 403)],
        ),
        (Request::post("/api/v1/functions").json(&new), &[(FUNCTIONS_READER, 403), (FUNCTIONS_WRITER, 201)]),
        (Request::get("/api/cloud/events/"), &[(FUNCTIONS_READER, 200), (FUNCTIONS_WRITER, 403)]),
        (
            subscribing(subscribe, function),
            &[(FUNCTIONS_READER, 403), (PUBLISHER, 403), (FUNCTIONS_WRITER, 200)],
        ),
        (subscribing(unsubscribe, function), &[(FUNCTIONS_READER, 403), (FUNCTIONS_WRITER, 200)]),
        (
            Request::post("/api/v1/events?wait=true").json(&draft()),
            &[(FUNCTIONS_READER, 403), (FUNCTIONS_WRITER, 403), (READER, 403), (PUBLISHER, 201)],
        ),
    ];
    for (call, allowed) in calls {
        for (key, status) in allowed {
            let answer = server.send(&call.clone().key(key));
            assert_eq!(answer.status, *status, "{call:?} with {key}: {}", answer.text());
        }
        assert_eq!(server.send(&call).status, 401, "{call:?}");
    }
    // In the envelope of the calls that have one.
    for (request, status) in
        [(subscribing(subscribe, function), 401), (subscribing(subscribe, function).key(READER), 403)]
    {
        let refused = server.send(&request).must(status);
        assert_eq!((&refused["success"], refused["message"].is_string()), (&json!(false), true), "{refused}");
    }
}

#[test]
fn another_tenant_s_functions_are_not_there() {
    let server = start();
    let receiver = Receiver::willing();
    let function = add(&server, PRE, "One", &receiver);
    let data = ask(&server, &draft()).must(201)["data"].clone();
    let invocation = data["task_ids"][0]["invocation_id"].clone();
    let of_stranger = |method: &str, path: &str| server.send(&Request::new(method, path).key(STRANGER));
    for (method, path) in [
        ("GET", format!("/api/v1/invocations/{invocation}")),
        ("POST", format!("/api/v1/invocations/{invocation}/retry")),
        ("GET", format!("/api/v1/functions/{function}")),
        ("DELETE", format!("/api/v1/functions/{function}")),
        ("GET", "/api/v1/apps/default".to_owned()),
        ("GET", format!("/api/apps/default/events/{PRE}/")),
    ] {
        assert_eq!(of_stranger(method, &path).status, 404, "{method} {path}");
    }
    let event = data["event_id"].as_str().unwrap();
    for path in ["/api/v1/invocations", "/api/v1/functions", &format!("/api/v1/invocations?event_id={event}")]
    {
        assert_eq!(of_stranger("GET", path).must(200)["data"], json!([]), "{path}");
    }
    let path = format!("/api/cloud/events/{PRE}/subscribe/");
    let refused = server.send(&subscribing(&path, function).key(STRANGER)).must(400);
    assert_eq!(refused["message"], format!("Function with id {function} does not exist"));
    // Its own events ask nobody, and its own functions have numbers of their own.
    let own = server.send(&Request::post("/api/v1/events?wait=true").key(STRANGER).json(&draft())).must(201);
    assert_eq!(own["data"]["total_subscribers"], 0);
    let body = json!({"name": "One", "url": receiver.url()});
    let made = server.send(&Request::post("/api/v1/functions").key(STRANGER).json(&body)).must(201);
    assert_eq!(made["id"], 1);
    assert_eq!(receiver.deliveries().len(), 1);
    // A cause belongs to whoever was given it, in any tenant: it only makes chains end.
    let cause = receiver.deliveries()[0].header("Campanile-Cause").to_owned();
    let caused = Request::post("/api/v1/events").key(STRANGER).header("Campanile-Cause", &cause);
    server.send(&caused.json(&json!({"type": "a", "data": {}}))).must(201);
    assert_eq!(
        server.send(&Request::get(&format!("/api/v1/invocations/{invocation}")).key(OPERATOR)).status,
        200
    );
}

#[test]
fn without_the_publish_api_nobody_outside_publishes() {
    let server = Settings::new().with("server.publish_api", "false").start();
    let refused = server.send(&Request::post("/api/v1/events?wait=true").key(ADMIN).json(&draft()));
    assert_eq!((refused.status, refused.header("Allow")), (405, Some("GET, HEAD")));
}

#[test]
fn more_than_the_bound_of_runs_at_once_is_told_to_come_again() {
    let server = Settings::new().with("functions.max_gates", "1").start();
    let (receiver, heard) = dawdling();
    add(&server, PRE, "slow", &receiver);
    let first = server.post("/api/v1/events", &draft()).must(201);
    next(&heard);
    let refused = ask(&server, &draft());
    let problem = refused.problem(503);
    assert!(problem["type"].as_str().unwrap().ends_with("overloaded"), "{problem}");
    assert!(refused.header("Retry-After").is_some());
    assert_eq!(statuses_of(&server, &first["data"]["event_id"]), ["running"]);
    assert_eq!(server.head(), 1);
}
