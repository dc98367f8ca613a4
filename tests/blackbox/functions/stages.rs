//! Stages, patches and what they overwrite, filters, and functions whose failure is ignored.

use super::*;

#[test]
fn patches_are_merged_in_order_and_later_stages_see_them() {
    let server = Server::start();
    let slow = Receiver::start(|_| {
        let patch = json!({"patch": {"plan": "free", "email": null, "address": {"city": "Paris"}}});
        Reply::after(Duration::from_millis(200), says(&patch))
    });
    let quick = saying(&json!({"patch": {"plan": "pro", "address": {"country": "FR"}}}));
    let last = saying(&json!({"patch": {"checked": 1.10}}));
    let first = add(&server, PRE, "slow", &slow);
    let second = add(&server, PRE, "quick", &quick);
    let (third, _) = make(&server, "last", &last);
    subscribe_with(&server, PRE, third, json!({"stage": 3}));
    let answer = ask(&server, &draft());
    let data = answer.must(201)["data"].clone();
    let merged =
        json!({"username": "john_doe", "plan": "pro", "address": {"city": "Paris", "country": "FR"}});
    assert_eq!(last.deliveries()[0].json()["data"], merged);
    assert_eq!(slow.deliveries()[0].json()["data"], draft()["data"]);
    assert_eq!(quick.deliveries()[0].json()["data"], draft()["data"]);
    let mut params = merged;
    params["checked"] = json!(1.1);
    assert_eq!(data["params"], params);
    assert!(answer.text().contains(r#""checked":1.1"#));
    let conflict = json!({"pointer": "/plan", "function_id": first, "overwritten_by": second});
    assert_eq!(data["conflicts"], json!([conflict]));
    // What was published stands as it was.
    let event = data["event_id"].as_str().unwrap();
    assert_eq!(server.get(&format!("/api/v1/events/{event}")).must(200)["data"], draft()["data"]);
}

#[test]
fn a_later_stage_is_not_asked_when_an_earlier_one_fails() {
    let server = Server::start();
    let later = Receiver::willing();
    let (second, _) = make(&server, "later", &later);
    subscribe_with(&server, PRE, second, json!({"stage": 1}));
    let refusing = saying(&json!({"reject": {"code": "NO", "message": "no"}}));
    add(&server, PRE, "first", &refusing);
    let data = ask(&server, &draft()).must(422)["data"].clone();
    assert_eq!(statuses_of(&server, &data["event_id"]), ["cancelled", "error"]);
    assert_eq!(later.deliveries().len(), 0);
}

#[test]
fn an_ignored_failure_is_recorded_and_the_others_decide() {
    let server = Server::start();
    let failing = Receiver::start(|_| Reply::status(500));
    let (ignored, _) = make(&server, "ignored", &failing);
    subscribe_with(&server, PRE, ignored, json!({"on_error": "ignore"}));
    let willing = Receiver::willing();
    add(&server, PRE, "willing", &willing);
    let data = ask(&server, &draft()).must(201)["data"].clone();
    assert_eq!(data["ignored"][0]["function_id"], ignored);
    assert_eq!(data["ignored"][0]["kind"], "error");
    assert_eq!(statuses_of(&server, &data["event_id"]), ["error", "success"]);
}

#[test]
fn a_filter_decides_whether_a_function_is_asked() {
    let server = Server::start();
    let receiver = saying(&json!({"reject": {"code": "NO", "message": "no"}}));
    let (function, _) = make(&server, "filtered", &receiver);
    subscribe_with(&server, PRE, function, json!({"filter": r#"data.email.endsWith("@example.org")"#}));
    let passed = ask(&server, &draft()).must(201);
    assert_eq!(passed["data"]["total_subscribers"], 0);
    let other = json!({"type": PRE, "data": {"email": "a@example.org"}});
    let failed = ask(&server, &other).must(422);
    assert_eq!(failed["data"]["total_subscribers"], 1);
    assert_eq!(receiver.deliveries().len(), 1);
}

#[test]
fn a_subscription_that_ends_meanwhile_counts_as_it_stood_at_the_publish() {
    let server = Server::start();
    let (release, wait) = channel::<()>();
    let (tell, heard) = channel();
    let first = Receiver::start(move |call| {
        tell.send(call.clone()).ok();
        wait.recv_timeout(PATIENCE).ok();
        says(&json!({"patch": {"plan": "free"}}))
    });
    let later = saying(&json!({"reject": {"code": "NO", "message": "no"}}));
    let ended = [add(&server, PRE, "first", &first), make(&server, "later", &later).0];
    subscribe_with(&server, PRE, ended[1], json!({"stage": 1}));
    let address = server.address();
    let publisher = std::thread::spawn(move || {
        let request = Request::post("/api/v1/events?wait=true").key(ADMIN).json(&draft());
        crate::support::Connection::open(address).unwrap().exchange(&request).unwrap()
    });
    next(&heard);
    for function in ended {
        let path = format!("/api/v1/functions/{function}");
        server.send(&Request::new("DELETE", &path).key(ADMIN)).must(204);
    }
    release.send(()).unwrap();
    let data = publisher.join().unwrap().must(422)["data"].clone();
    assert_eq!((&data["function_name"], &data["failures"][0]["code"]), (&json!("later"), &json!("NO")));
    assert_eq!(statuses_of(&server, &data["event_id"]), ["success", "error"]);
    assert_eq!(ask(&server, &draft()).must(201)["data"]["total_subscribers"], 0);
}

#[test]
fn a_subscription_that_ended_is_not_asked_and_what_changed_counts_at_once() {
    let server = Server::start();
    let (no, yes) = (saying(&json!({"reject": {"code": "NO", "message": "no"}})), Receiver::willing());
    let function = add(&server, PRE, "one", &no);
    ask(&server, &draft()).must(422);
    let path = format!("/api/v1/functions/{function}");
    let change = Request::new("PATCH", &path).key(ADMIN).json(&json!({"url": yes.url()}));
    server.send(&change).must(200);
    ask(&server, &draft()).must(201);
    assert_eq!(yes.deliveries().len(), 1);
    server
        .post(&format!("/api/cloud/events/{PRE}/unsubscribe/"), &json!({"function_id": function}))
        .must(200);
    assert_eq!(ask(&server, &draft()).must(201)["data"]["total_subscribers"], 0);
    assert_eq!(yes.deliveries().len(), 1);
}
