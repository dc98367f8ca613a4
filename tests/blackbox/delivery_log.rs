//! The delivery log: what was sent where, each attempt of it, sending again, and the figures of a destination.

use crate::lifecycle::path_of;
use crate::support::{
    ADMIN, DESTINATIONS_READER, Receiver, Reply, Request, STRANGER, Server, Settings, eventually, text_of,
};
use serde_json::{Value, json};

fn create(server: &Server, receiver: &Receiver, more: &Value) -> Value {
    let mut body = receiver.destination();
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    server.post("/api/v1/destinations", &body).must(201)
}

fn list(server: &Server, made: &Value, query: &str) -> Value {
    let path = format!("{}/deliveries{query}", path_of(made));
    server.send(&Request::get(&path).key(ADMIN)).must(200)
}

/// The statuses of a destination's deliveries by the number in their event, oldest first.
fn statuses(server: &Server, made: &Value) -> Vec<String> {
    let page = list(server, made, "?limit=1000");
    page["data"].as_array().unwrap().iter().rev().map(|one| text_of(&one["status"])).collect()
}

fn wait_for_statuses(server: &Server, made: &Value, wanted: &[&str]) {
    eventually(&format!("deliveries that are {wanted:?}"), || {
        (statuses(server, made) == wanted).then_some(())
    });
}

fn show(server: &Server, id: &Value) -> Value {
    server.send(&Request::get(&format!("/api/v1/deliveries/{}", text_of(id))).key(ADMIN)).must(200)
}

/// Takes even numbers, refuses odd ones.
fn takes_even() -> Receiver {
    Receiver::start(|delivery| {
        let number = delivery.json()["data"]["n"].as_u64().unwrap();
        Reply::Answer(
            if number.is_multiple_of(2) { 200 } else { 500 },
            Vec::new(),
            format!("number {number}"),
        )
    })
}

#[test]
fn deliveries_are_listed_newest_first_with_what_became_of_them() {
    let server = Server::start();
    let receiver = takes_even();
    let made = create(&server, &receiver, &json!({"retry": {"enabled": true, "schedule_s": [3600]}}));
    server.publish_many("a", 4);
    wait_for_statuses(&server, &made, &["delivered", "retrying", "delivered", "retrying"]);
    let page = list(&server, &made, "");
    assert_eq!((&page["has_more"], &page["next_cursor"]), (&json!(false), &Value::Null));
    let newest = &page["data"][0];
    let event = server.list("?order=desc&limit=1")["data"][0].clone();
    assert_eq!(
        (&newest["event_id"], &newest["event_type"], &newest["sequence"], &newest["destination_id"]),
        (&event["id"], &json!("a"), &event["sequence"], &made["id"])
    );
    assert_eq!((&newest["attempts"], &newest["last_attempt"]["status"]), (&json!(1), &json!(500)));
    assert!(newest["next_attempt_at"].is_string() && page["data"][1]["next_attempt_at"].is_null());
}

#[test]
fn a_list_is_filtered_by_status_type_and_time_and_read_in_pages() {
    let server = Server::start();
    let receiver = takes_even();
    let made = create(&server, &receiver, &json!({"retry": {"enabled": false}}));
    let draft = |name: &str, n: u32| {
        let timestamp = format!("2026-01-01T00:00:{:02}Z", n % 60);
        json!({"type": name, "timestamp": timestamp, "data": {"n": n}})
    };
    for n in 0..30 {
        server.publish(&draft(if n < 20 { "a.one" } else { "b" }, n));
    }
    eventually("thirty outcomes", || {
        let done = statuses(&server, &made);
        (done.len() == 30 && done.iter().all(|one| one != "pending")).then_some(())
    });
    let count = |query: &str| list(&server, &made, query)["data"].as_array().unwrap().len();
    assert_eq!(count("?status=dead"), 15);
    assert_eq!(count("?status=delivered&type=a.*"), 10);
    assert_eq!(count("?status=delivered,dead&type=b"), 10);
    assert_eq!(count("?since=2026-01-01T00:00:05Z&until=2026-01-01T00:00:08Z"), 3);
    assert_eq!(count("?status=expired,cancelled,retrying,pending"), 0);
    let (mut seen, mut query) = (Vec::new(), "?limit=4&status=dead".to_owned());
    loop {
        let page = list(&server, &made, &query);
        seen.extend(page["data"].as_array().unwrap().iter().map(|one| one["sequence"].clone()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        query = format!("?limit=4&status=dead&cursor={next}");
    }
    let sequences: Vec<u64> = seen
        .iter()
        .map(|one| one.as_u64().unwrap_or_else(|| one.as_str().unwrap().parse().unwrap()))
        .collect();
    assert_eq!(sequences.len(), 15);
    assert!(sequences.is_sorted_by(|left, right| left > right), "{sequences:?}");
}

#[test]
fn a_bad_question_is_answered_by_what_it_should_have_been() {
    let server = Server::start();
    let made = create(&server, &Receiver::willing(), &json!({}));
    for query in
        ["?status=done", "?status=", "?cursor=x", "?limit=0", "?since=soon", "?colour=red", "?type=a*"]
    {
        let path = format!("{}/deliveries{query}", path_of(&made));
        server.send(&Request::get(&path).key(ADMIN)).problem(400);
    }
    let path = format!("{}/stats?window=1", path_of(&made));
    server.send(&Request::get(&path).key(ADMIN)).problem(400);
    for id in ["dlv_x", "dst_1", "dlv_01J00000000000000000000000_1", "%2e%2e"] {
        server.send(&Request::get(&format!("/api/v1/deliveries/{id}")).key(ADMIN)).problem(404);
        server.send(&Request::post(&format!("/api/v1/deliveries/{id}/resend")).key(ADMIN)).problem(404);
    }
}

#[test]
fn one_delivery_shows_every_attempt_with_request_and_response_and_no_secret() {
    let server = Server::start();
    let long = "x".repeat(10_000);
    let receiver = Receiver::start(move |delivery| {
        let status = if delivery.attempt() == 1 { 500 } else { 200 };
        Reply::Answer(status, vec![("X-Answer".to_owned(), "42".to_owned())], long.clone())
    });
    let more = json!({
        "retry": {"enabled": true, "schedule_s": [1]},
        "headers": {"X-Team": "data", "Authorization": "Bearer hush-hush", "X-Api-Key": "hush-hush"},
    });
    let made = create(&server, &receiver, &more);
    server.publish(&json!({"type": "a", "data": {}}));
    wait_for_statuses(&server, &made, &["delivered"]);
    let id = list(&server, &made, "")["data"][0]["id"].clone();
    let delivery = show(&server, &id);
    let attempts = delivery["attempts"].as_array().unwrap();
    assert_eq!(attempts.iter().map(|one| &one["status"]).collect::<Vec<_>>(), [&json!(500), &json!(200)]);
    assert!(attempts[0]["error"].is_string() && attempts[0]["next_attempt_at"].is_string());
    assert!(
        attempts[1]["error"].is_null() && attempts[1]["latency_ms"].is_u64() && attempts[1]["at"].is_string()
    );
    assert_eq!(attempts[1]["response"]["body"].as_str().unwrap().len(), 4096);
    assert_eq!(
        attempts[1]["response"]["headers"]["X-Answer"]
            .as_str()
            .or(attempts[1]["response"]["headers"]["x-answer"].as_str()),
        Some("42")
    );
    // What is shown is what was sent, but for what is secret.
    for (sent, shown) in receiver.deliveries().iter().zip(attempts) {
        let shown = shown["request"]["headers"].as_object().unwrap();
        for (name, value) in shown {
            let sent = sent.header(name);
            if value.as_str().unwrap().contains("[redacted]") {
                assert_ne!(sent, value, "{name}");
            } else {
                assert_eq!(sent, value, "{name}");
            }
        }
        let redacted = shown.values().filter(|value| value.as_str().unwrap().contains("[redacted]")).count();
        assert_eq!((shown.len(), redacted), (13, 4), "{shown:?}");
    }
    let text = delivery.to_string();
    assert!(!text.contains("hush") && !text.contains(made["secret"].as_str().unwrap()), "{text}");
}

#[test]
fn a_dead_and_a_delivered_one_are_sent_again_with_a_fresh_run_of_the_schedule() {
    let server = Server::start();
    let receiver = takes_even();
    let made = create(&server, &receiver, &json!({"retry": {"enabled": true, "schedule_s": [1]}}));
    server.publish_many("a", 2);
    wait_for_statuses(&server, &made, &["delivered", "dead"]);
    let ids: Vec<Value> =
        list(&server, &made, "")["data"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect();
    let resend = |id: &Value| {
        server
            .send(&Request::post(&format!("/api/v1/deliveries/{}/resend", text_of(id))).key(ADMIN))
            .must(202)
    };
    // Refused once more on its new schedule, then taken.
    receiver.behave(|delivery| Reply::status(if delivery.attempt() == 3 { 500 } else { 200 }));
    assert_eq!(resend(&ids[0])["status"], "retrying");
    resend(&ids[1]);
    wait_for_statuses(&server, &made, &["delivered", "delivered"]);
    let attempts_of = |id: &Value| {
        let numbers = show(&server, id)["attempts"].as_array().unwrap().clone();
        numbers.iter().map(|one| one["attempt"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(
        eventually("four attempts", || Some(attempts_of(&ids[0])).filter(|all| all.len() == 4)),
        [1, 2, 3, 4]
    );
    assert_eq!(
        eventually("two attempts", || Some(attempts_of(&ids[1])).filter(|all| all.len() == 2)),
        [1, 2]
    );
    let same: Vec<_> = receiver.deliveries().iter().map(|one| one.event_id().to_owned()).collect();
    assert_eq!(
        same.iter().collect::<std::collections::BTreeSet<_>>().len(),
        2,
        "the same webhook-id every time"
    );
}

#[test]
fn what_was_asked_to_be_sent_again_is_sent_also_when_the_broker_is_killed_at_once() {
    let mut server = Server::start();
    let receiver = Receiver::willing();
    let made = create(&server, &receiver, &json!({"events": ["a"]}));
    let count = 20;
    server.publish_many("a", count);
    wait_for_statuses(&server, &made, &vec!["delivered"; count]);
    server.post(&format!("{}/deactivate", path_of(&made)), &json!({})).must(200);
    let page = list(&server, &made, "");
    for one in page["data"].as_array().unwrap() {
        let path = format!("/api/v1/deliveries/{}/resend", text_of(&one["id"]));
        server.send(&Request::post(&path).key(ADMIN)).must(202);
    }
    server.crash();
    assert_eq!(statuses(&server, &made), vec!["retrying"; count], "it is off, and nothing is forgotten");
    assert_eq!(receiver.deliveries().len(), count);
    server.post(&format!("{}/activate", path_of(&made)), &json!({})).must(200);
    wait_for_statuses(&server, &made, &vec!["delivered"; count]);
    let sent = receiver.wait_for(2 * count);
    let mut again: Vec<u64> = sent[count..].iter().map(crate::support::Delivery::sequence).collect();
    again.sort_unstable();
    again.dedup();
    assert_eq!(again.len(), count);
}

#[test]
fn the_delivery_log_is_there_after_a_kill() {
    let mut server = Server::start();
    let receiver = takes_even();
    let made = create(&server, &receiver, &json!({"retry": {"enabled": false}}));
    server.publish_many("a", 50);
    let wanted: Vec<&str> = ["delivered", "dead"].into_iter().cycle().take(50).collect();
    wait_for_statuses(&server, &made, &wanted);
    let before = list(&server, &made, "?limit=1000");
    server.crash();
    assert_eq!(list(&server, &made, "?limit=1000"), before);
}

#[test]
fn what_waits_is_pending_and_what_was_skipped_is_not_listed_as_sent() {
    let server = Server::start();
    let receiver = Receiver::willing();
    let made = create(&server, &receiver, &json!({"events": ["a"]}));
    server.post(&format!("{}/deactivate", path_of(&made)), &json!({})).must(200);
    for _ in 0..3 {
        server.publish(&json!({"type": "noise", "data": {}}));
        server.publish(&json!({"type": "a", "data": {}}));
    }
    assert_eq!(statuses(&server, &made), ["pending"; 3]);
    let page = list(&server, &made, "?limit=2&status=pending");
    assert_eq!((page["data"].as_array().unwrap().len(), &page["has_more"]), (2, &json!(true)));
    assert_eq!(page["data"][0]["attempts"], 0);
    let delivery = show(&server, &page["data"][0]["id"]);
    assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("pending"), &json!([])));
    server.post(&format!("{}/activate", path_of(&made)), &json!({"backlog": "skip"})).must(200);
    assert_eq!(statuses(&server, &made), Vec::<String>::new());
    assert_eq!(receiver.deliveries().len(), 0);
}

#[test]
fn figures_tell_how_a_destination_does() {
    let server = Server::start();
    let receiver = takes_even();
    let made = create(&server, &receiver, &json!({"events": ["a"], "retry": {"enabled": false}}));
    let stats = |server: &Server| {
        server.send(&Request::get(&format!("{}/stats", path_of(&made))).key(DESTINATIONS_READER)).must(200)
    };
    assert_eq!(
        (&stats(&server)["success_rate"], &stats(&server)["latency_ms"]),
        (&Value::Null, &Value::Null)
    );
    server.publish_many("a", 8);
    let figures = eventually("eight outcomes", || {
        let counted = |one: &Value| one["counts"]["dead"] == 4 && one["counts"]["delivered"] == 4;
        Some(stats(&server)).filter(|one| counted(one) && one["lag"]["events"] == 0)
    });
    assert_eq!((&figures["success_rate"], &figures["attempts"]), (&json!(0.5), &json!(8)));
    let latency = &figures["latency_ms"];
    assert!(latency["p50"].as_u64() <= latency["p99"].as_u64() && latency["p95"].is_u64(), "{figures}");
    server.post(&format!("{}/deactivate", path_of(&made)), &json!({})).must(200);
    server.publish_many("a", 3);
    let figures = stats(&server);
    assert_eq!((&figures["counts"]["pending"], &figures["lag"]["events"]), (&json!(3), &json!(3)));
}

#[test]
fn another_tenant_and_a_key_without_the_scope_see_nothing() {
    let server = Server::start();
    let receiver = Receiver::willing();
    let made = create(&server, &receiver, &json!({}));
    server.publish_many("a", 1);
    wait_for_statuses(&server, &made, &["delivered"]);
    let id = text_of(&list(&server, &made, "")["data"][0]["id"]);
    let paths = [
        format!("{}/deliveries", path_of(&made)),
        format!("{}/stats", path_of(&made)),
        format!("/api/v1/deliveries/{id}"),
    ];
    for path in paths {
        server.send(&Request::get(&path).key(STRANGER)).problem(404);
        server.send(&Request::get(&path)).problem(401);
    }
    let resend = format!("/api/v1/deliveries/{id}/resend");
    server.send(&Request::post(&resend).key(STRANGER)).problem(404);
    server.send(&Request::post(&resend).key(DESTINATIONS_READER)).problem(403);
    assert_eq!(receiver.deliveries().len(), 1);
}

#[test]
fn a_delivery_whose_event_went_by_retention_stays_listed_while_its_attempts_are_kept_and_cannot_be_sent_again()
 {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Settings::new().data_in(folder.path()).start();
    let receiver = Receiver::willing();
    let made = create(&server, &receiver, &json!({}));
    server.publish_many("a", 1);
    wait_for_statuses(&server, &made, &["delivered"]);
    let id = text_of(&list(&server, &made, "")["data"][0]["id"]);
    let resend = Request::post(&format!("/api/v1/deliveries/{id}/resend")).key(ADMIN);
    server.kill();
    let forgetful = Settings::new().with("storage.retention", r#"{ max_age = "1s", max_bytes = "10GiB" }"#);
    let server = forgetful.data_in(folder.path()).start();
    eventually("the event is gone", || {
        (server.list("")["data"].as_array().unwrap().is_empty()).then_some(())
    });
    let problem = server.send(&resend);
    assert!(matches!(problem.status, 404 | 409), "{}", problem.text());
}
