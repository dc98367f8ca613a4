//! The life of a destination: consent before the first event, switching off and on, and what is told of it.

use crate::support::{
    ADMIN, DESTINATIONS_READER, Delivery, Receiver, Reply, Request, STRANGER, Server, Settings, eventually,
    text_of,
};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

const DESTINATIONS: &str = "/api/v1/destinations";

pub(crate) fn path_of(made: &Value) -> String {
    format!("{DESTINATIONS}/{}", text_of(&made["id"]))
}

pub(crate) fn now(server: &Server, made: &Value) -> Value {
    server.send(&Request::get(&path_of(made)).key(ADMIN)).must(200)
}

#[track_caller]
pub(crate) fn wait_for_status(server: &Server, made: &Value, status: &str) -> Value {
    eventually(&format!("the status {status}"), || {
        let one = now(server, made);
        (one["status"] == status).then_some(one)
    })
}

/// A destination, and how many events of this kind there are, from a moment between whose two ends it did not change.
pub(crate) fn unchanged(server: &Server, made: &Value, what: &str) -> (Value, usize) {
    eventually("a moment without a change", || {
        let before = now(server, made);
        let count = told(server, what).len();
        let after = now(server, made);
        (before["status"] == after["status"]).then_some((after, count))
    })
}

/// Posts to one of the calls under a destination, without a body.
fn call(server: &Server, made: &Value, name: &str) -> crate::support::Response {
    server.send(&Request::post(&format!("{}/{name}", path_of(made))).key(ADMIN))
}

/// The events about destinations that are in the log.
pub(crate) fn told(server: &Server, what: &str) -> Vec<Value> {
    server.list(&format!("?type=event_destination.{what}"))["data"].as_array().unwrap().clone()
}

fn types(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries.iter().map(|one| one.header("X-Campanile-Event")).collect()
}

/// The event about a destination, whose data is the destination as it is shown, without its secret.
#[track_caller]
fn assert_tells(event: &Value, shown: &Value) {
    let mut data = event["data"].clone();
    assert!(data.get("secret").is_none() && !event.to_string().contains("whsec_"), "{event}");
    data["lag"] = shown["lag"].clone();
    assert_eq!(&data, shown);
}

#[test]
fn nothing_is_sent_before_the_endpoint_answers_the_challenge_and_everything_after() {
    let server =
        Settings::new().with("delivery.verify_schedule", &format!("[{}]", r#""1s", "#.repeat(100))).start();
    let receiver = Receiver::start(|_| Reply::status(503));
    let made = server.post(DESTINATIONS, &json!({"url": receiver.url()})).must(201);
    assert_eq!((&made["status"], &made["verification"]), (&json!("pending"), &json!("challenge")));
    let sequences = server.publish_many("a", 3);
    let asked = receiver.wait_for(2);
    assert_eq!(types(&asked), ["event_destination.verification"; 2]);
    asked[0].assert_signed_with(made["secret"].as_str().unwrap());
    assert_eq!([asked[0].attempt(), asked[1].attempt()], [1, 2]);
    assert_eq!(asked[0].event_id(), asked[1].event_id());
    assert_eq!(asked[0].json()["type"], "event_destination.verification");
    assert!(asked[0].json()["data"]["challenge"].as_str().unwrap().len() >= 16);
    assert_eq!(now(&server, &made)["status"], "pending");
    assert_eq!(now(&server, &made)["lag"]["events"], 3);
    receiver.behave(Reply::consent);
    let active = wait_for_status(&server, &made, "active");
    let events =
        eventually("what waited, and the news", || Some(receiver.events()).filter(|all| all.len() == 4));
    let mut got: Vec<u64> = events.iter().map(Delivery::sequence).collect();
    got.sort_unstable();
    assert_eq!(got[..3], sequences);
    let told = told(&server, "activated");
    assert_eq!(told.len(), 1);
    assert_tells(&told[0], &active);
}

#[test]
fn each_way_to_consent() {
    let server = Settings::new().with("delivery.verify_schedule", r#"["100s"]"#).start();
    let challenge_of = |delivery: &Delivery| delivery.json()["data"]["challenge"].clone();
    let json_member = Receiver::start(move |delivery| {
        Reply::Answer(200, Vec::new(), json!({"ok": true, "challenge": challenge_of(delivery)}).to_string())
    });
    let json_string =
        Receiver::start(move |delivery| Reply::Answer(201, Vec::new(), challenge_of(delivery).to_string()));
    let text = Receiver::consenting();
    for receiver in [&json_member, &json_string, &text] {
        let made = server.post(DESTINATIONS, &json!({"url": receiver.url()})).must(201);
        wait_for_status(&server, &made, "active");
    }
    let pinged = Receiver::willing();
    let ping = json!({"url": pinged.url(), "verification": "ping"});
    wait_for_status(&server, &server.post(DESTINATIONS, &ping).must(201), "active");
    assert!(pinged.deliveries()[0].is_verification());
    // Whoever takes everything, or says everything back, has not consented.
    let echo = Receiver::start(|delivery| {
        Reply::Answer(200, Vec::new(), String::from_utf8_lossy(&delivery.body).into_owned())
    });
    for receiver in [&pinged, &echo] {
        let made = server.post(DESTINATIONS, &json!({"url": receiver.url()})).must(201);
        let answer = call(&server, &made, "verify").must(200);
        assert_eq!((&answer["status"], &answer["attempt"]["passed"]), (&json!("pending"), &json!(false)));
    }
    let free = server.post(DESTINATIONS, &json!({"url": text.url(), "verification": "none"})).must(201);
    assert_eq!(free["status"], "active");
    assert_eq!(told(&server, "activated").len(), 4, "who need not consent is not told of");
}

#[test]
fn verifying_again_asks_once_and_says_what_came_of_it() {
    let server = Settings::new().with("delivery.verify_schedule", r#"["100s"]"#).start();
    let receiver = Receiver::start(|_| {
        Reply::Answer(200, vec![("X-Back".to_owned(), "at two".to_owned())], "out to lunch".to_owned())
    });
    let made = server.post(DESTINATIONS, &json!({"url": receiver.url()})).must(201);
    receiver.wait_for(1);
    call(&server, &made, "activate").problem(409);
    let refused = call(&server, &made, "verify").must(200);
    assert_eq!((&refused["status"], &refused["attempt"]["passed"]), (&json!("pending"), &json!(false)));
    assert_eq!((&refused["attempt"]["status"], &refused["attempt"]["error"]), (&json!(200), &Value::Null));
    assert_eq!(refused["attempt"]["response"]["body"], "out to lunch");
    assert_eq!(refused["attempt"]["response"]["headers"]["x-back"], "at two", "{refused}");
    receiver.behave(Reply::consent);
    let passed = call(&server, &made, "verify").must(200);
    assert_eq!((&passed["status"], &passed["attempt"]["passed"]), (&json!("active"), &json!(true)));
    receiver.behave(|_| Reply::HangUp);
    let unreached = call(&server, &made, "verify").must(200);
    assert_eq!((&unreached["status"], &unreached["attempt"]["passed"]), (&json!("active"), &json!(false)));
    assert!(unreached["attempt"]["error"].is_string() && unreached["attempt"]["response"].is_null());
    call(&server, &made, "deactivate").must(200);
    call(&server, &made, "verify").problem(409);
    let free = server.post(DESTINATIONS, &receiver.destination()).must(201);
    call(&server, &free, "verify").problem(409);
    assert_eq!(told(&server, "activated").len(), 1);
}

#[test]
fn another_url_is_verified_before_it_is_sent_anything() {
    let server = Settings::new().with("delivery.verify_schedule", r#"["100s"]"#).start();
    let (old, new) = (Receiver::consenting(), Receiver::start(|_| Reply::status(500)));
    let made = server.post(DESTINATIONS, &json!({"url": old.url(), "events": ["a"]})).must(201);
    wait_for_status(&server, &made, "active");
    server.publish_many("a", 1);
    old.wait_for(2);
    let patch =
        |body: Value| server.send(&Request::new("PATCH", &path_of(&made)).key(ADMIN).json(&body)).must(200);
    assert_eq!(patch(json!({"description": "the same place"}))["status"], "active");
    assert_eq!(patch(json!({"url": old.url()}))["status"], "active");
    assert_eq!(patch(json!({"url": new.url()}))["status"], "pending");
    server.publish_many("a", 2);
    assert!(new.wait_for(1)[0].is_verification());
    new.behave(Reply::consent);
    assert_eq!(call(&server, &made, "verify").must(200)["status"], "active");
    eventually("what waited", || (new.events().len() == 2).then_some(()));
    assert_eq!(old.events().len(), 1);
    assert_eq!(patch(json!({"verification": "ping"}))["status"], "pending");
    wait_for_status(&server, &made, "active");
    new.behave(|_| Reply::status(500));
    assert_eq!(patch(json!({"verification": "challenge"}))["status"], "pending");
    assert_eq!(patch(json!({"verification": "none"}))["status"], "active");
    assert_eq!(told(&server, "activated").len(), 4);
    assert!(told(&server, "deactivated").is_empty());
}

#[test]
fn switched_off_it_keeps_its_place_and_sends_what_waited_when_it_is_on_again() {
    let server = Server::start();
    let receiver = Receiver::willing();
    let made = server.post(DESTINATIONS, &with(&receiver, json!({"events": ["a"]}))).must(201);
    server.publish_many("a", 1);
    receiver.wait_for(1);
    eventually("its outcome", || (now(&server, &made)["lag"]["events"] == 0).then_some(()));
    let off = call(&server, &made, "deactivate").must(200);
    assert_eq!((&off["status"], &off["deactivation"]["reason"]), (&json!("deactivated"), &json!("user")));
    assert_eq!(call(&server, &made, "deactivate").must(200), off, "once is enough");
    let waiting = server.publish_many("a", 3);
    assert_eq!(now(&server, &made)["lag"]["events"], 3);
    let on = call(&server, &made, "activate").must(200);
    assert_eq!((&on["status"], &on["deactivation"]), (&json!("active"), &Value::Null));
    assert_eq!(call(&server, &made, "activate").must(200)["updated_at"], on["updated_at"]);
    let mut got: Vec<u64> = receiver.wait_for(4)[1..].iter().map(Delivery::sequence).collect();
    got.sort_unstable();
    assert_eq!(got, waiting);
    let (offs, ons) = (told(&server, "deactivated"), told(&server, "activated"));
    assert_eq!((offs.len(), ons.len()), (1, 1));
    assert_tells(&offs[0], &off);
    assert_tells(&ons[0], &on);
}

fn with(receiver: &Receiver, more: Value) -> Value {
    let mut body = receiver.destination();
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[test]
fn a_backlog_that_is_skipped_is_given_up_with_the_retries_that_wait() {
    let mut server = Server::start();
    let receiver = Receiver::start(|_| Reply::status(500));
    let body = with(&receiver, json!({"events": ["a"], "retry": {"schedule_s": [3600]}}));
    let made = server.post(DESTINATIONS, &body).must(201);
    let failed = server.publish(&json!({"type": "a", "data": {}}));
    let deliveries = format!("/api/v1/events/{}/deliveries", text_of(&failed["id"]));
    let delivery =
        |server: &Server| server.send(&Request::get(&deliveries).key(ADMIN)).must(200)["data"][0].clone();
    eventually("the failed attempt", || (delivery(&server)["status"] == "retrying").then_some(()));
    call(&server, &made, "deactivate").must(200);
    server.publish_many("a", 3);
    let path = format!("{}/activate", path_of(&made));
    for body in [json!({"backlog": "drop"}), json!({"backlock": "skip"}), json!([])] {
        server.post(&path, &body).problem(422);
    }
    receiver.behave(|_| Reply::status(200));
    let on = server.post(&path, &json!({"backlog": "skip"})).must(200);
    assert_eq!(
        (&on["status"], &on["lag"]["events"], &on["failing_since"]),
        (&json!("active"), &json!(0), &Value::Null)
    );
    assert_eq!(delivery(&server)["status"], "cancelled");
    server.crash();
    let next = server.publish_many("a", 1);
    let got = receiver.wait_for(2);
    assert_eq!(got[1].sequence(), next[0]);
    assert_eq!(delivery(&server)["status"], "cancelled");
    eventually("nothing that waits", || (now(&server, &made)["lag"]["events"] == 0).then_some(()));
    assert_eq!(receiver.deliveries().len(), 2);
}

#[test]
fn what_is_under_way_when_it_is_switched_off_keeps_its_outcome_and_is_not_sent_twice() {
    let server = Server::start();
    let (receiver, is_asked, answers) = Receiver::holding(200);
    let made =
        server.post(DESTINATIONS, &with(&receiver, json!({"events": ["a"], "max_in_flight": 4}))).must(201);
    let sequences = server.publish_many("a", 8);
    (0..4).for_each(|_| is_asked.recv().unwrap());
    for call_name in ["deactivate", "activate", "deactivate"] {
        call(&server, &made, call_name).must(200);
    }
    answers.store(true, Ordering::SeqCst);
    eventually("the outcomes", || (now(&server, &made)["lag"]["events"] == 4).then_some(()));
    assert_eq!(receiver.deliveries().len(), 4);
    call(&server, &made, "activate").must(200);
    let mut got: Vec<u64> = receiver.wait_for(8).iter().map(Delivery::sequence).collect();
    got.sort_unstable();
    assert_eq!(got, sequences);
}

#[test]
fn one_that_waits_for_its_consent_can_be_switched_off_and_asks_again_when_it_is_on() {
    let server = Settings::new().with("delivery.verify_schedule", r#"["100s"]"#).start();
    let receiver = Receiver::start(|_| Reply::status(500));
    let made = server.post(DESTINATIONS, &json!({"url": receiver.url()})).must(201);
    receiver.wait_for(1);
    assert_eq!(call(&server, &made, "deactivate").must(200)["status"], "deactivated");
    assert_eq!(call(&server, &made, "activate").must(200)["status"], "pending");
    receiver.wait_for(2);
    receiver.behave(Reply::consent);
    assert_eq!(call(&server, &made, "verify").must(200)["status"], "active");
}

#[test]
fn a_gone_endpoint_is_told_of_once_and_can_come_back() {
    let server = Server::start();
    let (receiver, listener) = (Receiver::start(|_| Reply::status(410)), Receiver::willing());
    let made = server.post(DESTINATIONS, &with(&receiver, json!({"events": ["a"]}))).must(201);
    let news = json!({"events": ["event_destination.*"]});
    server.post(DESTINATIONS, &with(&listener, news)).must(201);
    server.publish_many("a", 1);
    let off = wait_for_status(&server, &made, "deactivated");
    assert_eq!(off["deactivation"]["reason"], "gone");
    let heard = listener.wait_for(1);
    assert_eq!(types(&heard), ["event_destination.deactivated"]);
    assert_tells(&heard[0].json(), &off);
    receiver.behave(|_| Reply::status(200));
    server.publish_many("a", 2);
    assert_eq!(call(&server, &made, "activate").must(200)["status"], "active");
    receiver.wait_for(3);
    assert_eq!(types(&listener.wait_for(2))[1], "event_destination.activated");
    assert_eq!((told(&server, "deactivated").len(), told(&server, "activated").len()), (1, 1));
}

#[test]
fn an_answer_of_the_old_url_says_nothing_against_the_new_one() {
    for status in [410, 500] {
        let server = Server::start();
        let (slow, is_asked, answers) = Receiver::holding(status);
        let (new, _, takes) = Receiver::holding(200);
        let made = server.post(DESTINATIONS, &with(&slow, json!({"events": ["a"]}))).must(201);
        server.publish_many("a", 1);
        is_asked.recv().unwrap();
        let patch = Request::new("PATCH", &path_of(&made)).key(ADMIN).json(&json!({"url": new.url()}));
        server.send(&patch).must(200);
        answers.store(true, Ordering::SeqCst);
        let deliveries = format!("{}/deliveries", path_of(&made));
        eventually("the old one's answer is recorded", || {
            let list = server.send(&Request::get(&deliveries).key(ADMIN)).must(200);
            (list["data"][0]["attempts"] == 1).then_some(())
        });
        let changed = now(&server, &made);
        assert_eq!((&changed["status"], &changed["failing_since"]), (&json!("active"), &Value::Null));
        takes.store(true, Ordering::SeqCst);
        assert_eq!(new.wait_for(1)[0].attempt(), 2, "what the old one refused is for the new one");
        assert_eq!(now(&server, &made)["status"], "active");
    }
}

#[test]
fn only_who_may_write_in_the_tenant_may_switch() {
    let server = Server::start();
    let receiver = Receiver::willing();
    let made = server.post(DESTINATIONS, &receiver.destination()).must(201);
    for name in ["verify", "activate", "deactivate"] {
        let path = format!("{}/{name}", path_of(&made));
        server.send(&Request::post(&path)).problem(401);
        server.send(&Request::post(&path).key(DESTINATIONS_READER)).problem(403);
        server.send(&Request::post(&path).key(STRANGER)).problem(404);
        server.send(&Request::get(&path).key(ADMIN)).problem(405);
        server.post(&path, &json!({"why": 1})).problem(422);
        server
            .post(&format!("{DESTINATIONS}/dst_00000000000000000000000001/{name}"), &json!({}))
            .problem(404);
    }
    assert_eq!(now(&server, &made)["status"], "active");
}

#[test]
fn what_the_operator_declares_need_not_consent_unless_it_is_said() {
    let (free, asked) = (Receiver::willing(), Receiver::consenting());
    let declared = format!(
        "\n[[events.webhooks]]\nurl = \"{}\"\n\n[[events.webhooks]]\nurl = \"{}\"\nverification = \"challenge\"\n",
        free.url(),
        asked.url()
    );
    let mut server = Settings::new().and(&declared).start();
    let list =
        |server: &Server| server.send(&Request::get(DESTINATIONS).key(ADMIN)).must(200)["data"].clone();
    let statuses = |server: &Server| {
        let list = list(server);
        list.as_array().unwrap().iter().all(|one| one["status"] == "active").then_some(list)
    };
    let listed = eventually("both are active", || statuses(&server));
    let at = |url: String| listed.as_array().unwrap().iter().find(|one| one["url"] == url).unwrap();
    let (id, consented) = (at(free.url()), at(asked.url()));
    assert_eq!([&id["verification"], &consented["verification"]], ["none", "challenge"]);
    assert!(asked.deliveries()[0].is_verification());
    assert!(free.deliveries().iter().all(|one| !one.is_verification()));
    assert_eq!(call(&server, id, "deactivate").must(200)["status"], "deactivated");
    server.restart();
    assert_eq!(now(&server, id)["status"], "deactivated", "a start does not switch it on");
    assert_eq!(now(&server, consented)["status"], "active", "it has consented already");
    assert_eq!(call(&server, id, "activate").must(200)["status"], "active");
}
