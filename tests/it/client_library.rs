//! The Rust client against the real program: kills, refusals, answers that never come.

use crate::endpoint::{Endpoint, status};
use crate::harness::{ADMIN, Broker, PUBLISHER, READER, until};
use campanile::client::{
    Attempts, Call, Client, DeliveryQuery, Draft, Error, Event, InvocationQuery, Query, webhooks,
};
use serde::Serialize;
use serde_json::{Value, json};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn client(broker: &Broker, key: &str) -> Client {
    Client::new(format!("http://{}", broker.address), key).unwrap()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn sequences(events: &[Event]) -> Vec<u64> {
    events.iter().map(|event| event.sequence.unwrap()).collect()
}

#[test]
fn what_is_published_is_listed_as_it_was_given() {
    let broker = Broker::start("");
    run(async {
        let publisher = client(&broker, PUBLISHER);
        let data = serde_json::value::RawValue::from_string(r#"{"n": 1.10, "a":2}"#.to_owned()).unwrap();
        let draft = Draft::new("a.b", &data).id("mine").pipeline("p").run_id("r");
        let stored = publisher.events().publish(&draft).await.unwrap();
        assert_eq!((stored.id.as_str(), stored.sequence), ("mine", Some(1)));
        let again = publisher.events().publish(&draft).await.unwrap();
        assert_eq!(again.sequence, Some(1), "an id of the publisher's own is published once");
        let drafts: Vec<_> = (0..1000).map(|n| Draft::new("many", &json!({"n": n}))).collect();
        let many = publisher.events().publish_many(&drafts).await.unwrap();
        assert_eq!((many.len(), many[0].sequence, many[999].sequence), (1000, 2, 1001));

        let reader = client(&broker, READER);
        let one = reader.events().get("mine").await.unwrap();
        assert_eq!((one.data.get(), one.pipeline.as_deref()), (r#"{"n": 1.10, "a":2}"#, Some("p")));
        let all = reader.events().iterate(&Query::new()).all().await.unwrap();
        assert_eq!(sequences(&all), (1..=1001).collect::<Vec<_>>());
        let page = reader.events().list(&Query::new().of_type("many"), 10).await.unwrap();
        assert_eq!((page.data.len(), page.has_more), (10, true));
        assert_eq!(page.data[9].data::<Value>().unwrap()["n"], 9);
        let place = page.next_cursor.unwrap();
        let rest = reader.events().iterate(&Query::new().of_type("many").after(place)).all().await.unwrap();
        assert_eq!(rest.len(), 990);
    });
}

#[test]
fn a_stream_hears_everything_acknowledged_once_and_in_order_through_kills() {
    let mut broker = Broker::start("");
    let is_over = Arc::new(AtomicBool::new(false));
    let url = format!("http://{}", broker.address);
    let publisher = {
        let (is_over, url) = (Arc::clone(&is_over), url.clone());
        std::thread::spawn(move || {
            run(async {
                let client = Client::builder(url, PUBLISHER).max_retries(u32::MAX).build().unwrap();
                let mut acknowledged = Vec::new();
                while !is_over.load(Ordering::SeqCst) {
                    acknowledged.push(client.events().publish(&Draft::new("a", &json!({}))).await.unwrap());
                }
                acknowledged
            })
        })
    };
    let heard = Arc::new(std::sync::Mutex::new(Vec::<Event>::new()));
    let listener = {
        let heard = Arc::clone(&heard);
        std::thread::spawn(move || {
            run(async {
                let client = Client::new(url, READER).unwrap();
                let mut stream = client.events().stream(&Query::new().after(0));
                while let Some(event) = stream.next().await {
                    let event = event.unwrap();
                    assert_eq!(stream.place(), Some(event.sequence.unwrap().to_string().as_str()));
                    let is_last = event.event_type == "last";
                    heard.lock().unwrap().push(event);
                    if is_last {
                        break;
                    }
                }
            });
        })
    };
    for _ in 0..3 {
        let before = heard.lock().unwrap().len();
        until("more is heard", || heard.lock().unwrap().len() > before + 20);
        broker.kill();
        broker.run();
    }
    is_over.store(true, Ordering::SeqCst);
    let acknowledged = publisher.join().unwrap();
    broker.publish(r#"{"type":"last","data":{}}"#).expect(201);
    listener.join().unwrap();
    let heard = heard.lock().unwrap();
    assert!(sequences(&heard).windows(2).all(|pair| pair[0] < pair[1]), "in order, each once");
    let known: std::collections::HashSet<_> = heard.iter().map(|event| event.id.as_str()).collect();
    assert!(acknowledged.iter().all(|event| known.contains(event.id.as_str())), "nothing is lost");
    assert_eq!(heard.len(), acknowledged.len() + 1, "nothing is published twice");
}

#[test]
fn a_finite_stream_ends_and_a_gap_is_told() {
    let broker = Broker::start("");
    run(async {
        let publisher = client(&broker, PUBLISHER);
        for _ in 0..3 {
            publisher.events().publish(&Draft::new("a", &json!({}))).await.unwrap();
        }
        let reader = client(&broker, READER);
        let mut stream =
            reader.events().stream(&Query::new().since("2020-01-01T00:00:00Z").until("2999-01-01T00:00:00Z"));
        let mut count = 0;
        while let Some(event) = stream.next().await {
            event.unwrap();
            count += 1;
        }
        assert_eq!(count, 3);
        assert!(stream.next().await.is_none());

        let mut ahead = reader.events().stream(&Query::new().after(1_000_000));
        let Some(Err(Error::Gap(gap))) = ahead.next().await else { panic!("no gap is told") };
        assert_eq!(gap.reason, "ahead");
        publisher.events().publish(&Draft::new("b", &json!({}))).await.unwrap();
        assert_eq!(ahead.next().await.unwrap().unwrap().event_type, "b", "the stream goes on");
    });
}

#[test]
fn a_stream_that_may_not_be_heard_ends_with_why() {
    let broker = Broker::start("");
    run(async {
        for (key, query, code) in [
            ("no-such-key", Query::new(), 401),
            (PUBLISHER, Query::new(), 403),
            (READER, Query::new().filter("data.("), 400),
            (READER, Query::new().after("no place"), 400),
        ] {
            let mut stream = client(&broker, key).events().stream(&query);
            let error = stream.next().await.unwrap().unwrap_err();
            assert_eq!(error.status(), Some(code), "{error}");
            assert!(stream.next().await.is_none());
        }
    });
}

#[test]
fn a_refusal_says_what_where_and_which_request() {
    let broker = Broker::start("");
    run(async {
        let publisher = client(&broker, PUBLISHER);
        let wrong = Draft::new("no type at all", &json!({})).id("a.b");
        let Err(Error::Refused(problem)) = publisher.events().publish(&wrong).await else { panic!("taken") };
        assert_eq!(problem.status, 422);
        let mut pointers: Vec<_> = problem.violations.iter().map(|rule| rule.pointer.as_str()).collect();
        pointers.sort_unstable();
        assert_eq!(pointers, ["/id", "/type"]);
        assert!(problem.request_id.as_deref().unwrap().len() > 8, "{problem:?}");
        for (key, call, code) in [
            ("no-such-key", Call::get("/api/v1/events"), 401),
            (READER, Call::get("/api/v1/keys"), 403),
            (READER, Call::get("/api/v1/events/none"), 404),
            (READER, Call::get("/api/v1/events").query("limt", 1), 400),
            (PUBLISHER, Call::post("/api/v1/events").body("text/plain", "x"), 415),
        ] {
            let error = client(&broker, key).call(call).await.unwrap_err();
            assert_eq!(error.status(), Some(code), "{error}");
        }
        let nobody = Client::builder("http://127.0.0.1:9", "k").max_retries(0).build().unwrap();
        let error = nobody.keys().iterate().all().await.unwrap_err();
        assert!(matches!(&error, Error::Unreachable { url, .. } if url == "http://127.0.0.1:9"), "{error}");
    });
}

fn answered(code: u16, headers: &str) -> Vec<u8> {
    format!("HTTP/1.1 {code} X\r\n{headers}Content-Length: 0\r\n\r\n").into_bytes()
}

#[test]
fn a_publish_is_made_again_under_one_name_until_it_is_answered() {
    let endpoint = Endpoint::start(|attempt| match attempt {
        0 => Vec::new(),
        1 => answered(503, "Retry-After: 1\r\n"),
        2 => answered(500, ""),
        _ => {
            let body = r#"{"id":"evt_1","type":"a","timestamp":"2026-01-01T00:00:00Z","data":{}}"#;
            let head = "HTTP/1.1 201 X\r\nContent-Type: application/json";
            format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
        }
    });
    run(async {
        let client =
            Client::builder(format!("http://{}", endpoint.address), "k").max_retries(3).build().unwrap();
        let began = Instant::now();
        let stored = client.events().publish(&Draft::new("a", &json!({}))).await.unwrap();
        assert_eq!(stored.id, "evt_1");
        assert!(began.elapsed() >= Duration::from_secs(1), "the broker's own wait is kept to");
    });
    let taken = endpoint.all();
    assert_eq!(taken.len(), 4);
    let names: std::collections::HashSet<_> = taken.iter().map(|one| one.header("idempotency-key")).collect();
    assert!(names.len() == 1 && !names.contains(""), "{names:?}");
    assert!(taken.iter().all(|one| one.body == br#"{"type":"a","data":{}}"#));
}

#[test]
fn what_may_have_been_done_is_not_done_again() {
    run(async {
        for (script, expected) in [
            (Vec::new(), 1),
            (status(500), 1),
            (answered(502, ""), 1),
            (answered(429, "Retry-After: 0\r\n"), 3),
            (answered(429, "Retry-After: 3600\r\n"), 1),
            (status(422), 1),
        ] {
            let endpoint = Endpoint::start(move |_| script.clone());
            let client = Client::new(format!("http://{}", endpoint.address), "k").unwrap();
            client.keys().create(&json!({"name": "n", "scopes": []})).await.unwrap_err();
            assert_eq!(endpoint.all().len(), expected);
        }
    });
}

#[test]
fn an_answer_that_never_comes_is_given_up() {
    // Nobody accepts: the system takes the connection, and that is all.
    let listener = crate::ports::listen();
    let url = format!("http://{}", listener.local_addr().unwrap());
    run(async {
        let client = Client::builder(url, "k").timeout(Duration::from_millis(200)).max_retries(1);
        let error = client.build().unwrap().events().get("evt_1").await.unwrap_err();
        assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    });
}

/// What is read says all that was answered: every member has a place of its own.
#[track_caller]
fn is_whole(read: &impl Serialize, answered: &Value) {
    let read = serde_json::to_value(read).unwrap();
    assert_eq!(strip(&read), strip(answered));
}

/// A value without members that are null.
fn strip(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let said = members.iter().filter(|(_, value)| !value.is_null());
            said.map(|(name, value)| (name.clone(), strip(value))).collect::<serde_json::Map<_, _>>().into()
        }
        Value::Array(values) => values.iter().map(strip).collect(),
        other => other.clone(),
    }
}

async fn raw(client: &Client, path: String) -> Value {
    client.call(Call::get(path)).await.unwrap().json().unwrap()
}

#[test]
fn destinations_and_what_became_of_events_there() {
    let broker = Broker::start("");
    let endpoint = Endpoint::start(|attempt| status(if attempt == 1 { 500 } else { 200 }));
    run(async {
        let admin = client(&broker, ADMIN);
        let draft = json!({"url": endpoint.url(), "verification": "none", "events": ["a.*"]});
        let made = admin.destinations().create(&draft).await.unwrap();
        let secret = made.secret.clone().unwrap();
        assert!(!format!("{made:?}").contains(secret.as_str()));
        assert!(made.rest.is_empty(), "{:?}", made.rest);
        assert_eq!(admin.destinations().test(&made.id, Some("a.test")).await.unwrap().success, Some(true));
        let event = admin.events().publish(&Draft::new("a.b", &json!({"n": 1}))).await.unwrap();
        // The test, an attempt that fails, and one that does not.
        let taken = endpoint.wait_for(3);
        let heard = webhooks::unwrap(&taken[2].body, &taken[2].headers, secret.as_str()).unwrap();
        assert_eq!((heard.id.as_str(), heard.sequence), (event.id.as_str(), event.sequence));

        let delivered = DeliveryQuery::new().status("delivered");
        let listed = loop {
            let listed = admin.destinations().deliveries(&made.id, &delivered).all().await.unwrap();
            if !listed.is_empty() {
                break listed;
            }
        };
        assert_eq!((listed.len(), listed[0].attempts.count()), (1, 2));
        assert!(listed[0].rest.is_empty(), "{:?}", listed[0].rest);
        let one = admin.deliveries().get(&listed[0].id).await.unwrap();
        let Attempts::Each(attempts) = &one.attempts else { panic!("attempts are not told: {one:?}") };
        assert_eq!((attempts[0].status, attempts[1].status), (Some(500), Some(200)));
        is_whole(&one, &raw(&admin, format!("/api/v1/deliveries/{}", one.id)).await);
        assert!(one.rest.is_empty() && attempts[0].rest.is_empty(), "{one:?}");
        assert_eq!(admin.deliveries().of_event(&event.id).all().await.unwrap().len(), 1);

        let stats = admin.destinations().stats(&made.id).await.unwrap();
        assert!(stats.rest.is_empty() && stats.lag.rest.is_empty(), "{stats:?}");
        assert_eq!(admin.destinations().count_replay(&made.id, &json!({"only": "all"})).await.unwrap(), 1);
        let replay = admin.destinations().replay(&made.id, &json!({"only": "all"})).await.unwrap();
        assert!(replay.rest.is_empty(), "{replay:?}");
        while admin.replays().get(&replay.id).await.unwrap().status != "done" {}
        assert_eq!(admin.replays().iterate(Some(&made.id)).all().await.unwrap().len(), 1);

        let changed = admin.destinations().update(&made.id, &json!({"max_in_flight": 3})).await.unwrap();
        assert_eq!((changed.max_in_flight, changed.secret), (3, None));
        is_whole(
            &admin.destinations().get(&made.id).await.unwrap(),
            &raw(&admin, format!("/api/v1/destinations/{}", made.id)).await,
        );
        let rotated = admin.destinations().rotate_secret(&made.id, 60).await.unwrap();
        assert!(rotated.rest.is_empty() && rotated.overlap_until.is_some(), "{rotated:?}");
        let off = admin.destinations().deactivate(&made.id).await.unwrap();
        assert_eq!(off.deactivation.unwrap().reason, "user");
        assert_eq!(admin.destinations().activate(&made.id, true).await.unwrap().status, "active");
        let asked = json!({"url": endpoint.url(), "verification": "ping"});
        let asked = admin.destinations().create(&asked).await.unwrap();
        let verified = admin.destinations().verify(&asked.id).await.unwrap();
        assert!(verified.rest.is_empty(), "{verified:?}");
        assert_eq!(verified.attempt.and_then(|attempt| attempt.passed), Some(true));
        admin.destinations().delete(&made.id).await.unwrap();
        assert_eq!(admin.destinations().get(&made.id).await.unwrap_err().status(), Some(404));
    });
}

#[test]
fn functions_keys_and_event_types() {
    let broker = Broker::start("[events]\ncatalogs = [\"taruvi\"]\n");
    let patch = r#"{"patch":{"username":"ADA"}}"#;
    let answer = format!(
        "HTTP/1.1 200 X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{patch}",
        patch.len()
    );
    let endpoint = Endpoint::start(move |_| answer.clone().into_bytes());
    run(async {
        let admin = client(&broker, ADMIN);
        let app = admin.apps().create(&json!({"name": "CRM"})).await.unwrap();
        is_whole(&app, &raw(&admin, "/api/v1/apps/crm".to_owned()).await);
        let draft = json!({"name": "Upper", "url": endpoint.url(), "app": "crm"});
        let function = admin.functions().create(&draft).await.unwrap();
        assert!(function.secret.is_some() && function.rest.is_empty(), "{function:?}");
        assert!(admin.functions().events().await.unwrap().contains(&"PRE_USER_CREATE".to_owned()));
        admin.functions().subscribe("PRE_USER_CREATE", &json!({"function_id": function.id})).await.unwrap();
        let user = json!({"user_id": 1, "username": "ada", "email": "ada@example.com"});
        let pre = Draft::new("PRE_USER_CREATE", &user);
        let outcome = admin.events().publish_and_wait(&pre, Some(20_000)).await.unwrap();
        assert_eq!(outcome.params::<Value>().unwrap()["username"], "ADA");
        let runs = admin.functions().invocations(&InvocationQuery::default()).all().await.unwrap();
        assert_eq!((runs.len(), runs[0].status.as_str()), (1, "success"));
        let run = admin.functions().invocation(runs[0].id).await.unwrap();
        assert!(run.rest.is_empty(), "{run:?}");
        admin.functions().unsubscribe("PRE_USER_CREATE", function.id).await.unwrap();
        admin.functions().delete(function.id).await.unwrap();

        let key = admin.keys().create(&json!({"name": "k", "scopes": ["events:read"]})).await.unwrap();
        let token = key.key.clone().unwrap();
        assert!(!format!("{key:?}").contains(token.as_str()) && key.rest.is_empty(), "{key:?}");
        let theirs = client(&broker, token.as_str());
        theirs.events().list(&Query::new(), 1).await.unwrap();
        assert!(admin.keys().iterate().all().await.unwrap().iter().any(|one| one.id == key.id));
        admin.keys().delete(&key.id).await.unwrap();
        assert_eq!(theirs.events().list(&Query::new(), 1).await.unwrap_err().status(), Some(401));

        let own = json!({"description": "mine", "mode": "notify"});
        let put = admin.event_types().put("my.type", &own).await.unwrap();
        assert!(put.rest.is_empty(), "{put:?}");
        is_whole(&put, &raw(&admin, "/api/v1/event-types/my.type".to_owned()).await);
        assert_eq!(admin.event_types().sample("my.type").await.unwrap().event_type, "my.type");
        admin.event_types().delete("my.type").await.unwrap();
        assert!(admin.event_types().iterate().all().await.unwrap().iter().all(|one| one.name != "my.type"));
    });
}
