//! PRE and POST events inside a program: functions of its own, waiting for them, operations that are guarded, and the
//! same program killed at every moment between a PRE event and its POST event.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use campanile::broker::{
    Broker, Call, Event, Failure, GuardError, Guarded, Invocation, InvocationAsk, Patched, PreOptions,
    PublishError, SubscribeOptions,
};
use campanile::model::{FailureKind, InvocationStatus, OnError, StoredEvent};
use futures_util::FutureExt;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// How long anything may take that happens at all.
const PATIENCE: Duration = Duration::from_secs(120);

/// A time for an answer that is over soon.
const SHORT: Duration = Duration::from_millis(300);

const PRE: &str = "PRE_USER_CREATE";
const POST: &str = "POST_USER_CREATE";

fn open(folder: &Path) -> Broker {
    let mut config = campanile::Config::default();
    config.storage.path = folder.join("events");
    config.server.drain = Duration::from_millis(200);
    config.delivery.schedule = vec![Duration::from_secs(1); 5];
    Broker::open(config).unwrap()
}

fn started() -> (Broker, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (open(folder.path()), folder)
}

async fn run_on<F, H>(broker: &Broker, event: &str, slug: &str, options: SubscribeOptions, handler: H)
where
    H: Fn(Call) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Patched<Value>, Failure>> + Send + 'static,
{
    let function = broker.function(slug, handler).await.unwrap();
    broker.attach(event, &function, options).await.unwrap();
}

// All functions here give the same type.
#[allow(clippy::unnecessary_wraps)]
fn agreed() -> Result<Patched<Value>, Failure> {
    Ok(Patched(json!({})))
}

fn user() -> Event {
    Event::new(PRE).data(&json!({"username": "john_doe", "email": "john@example.com"}))
}

/// Every invocation, oldest first, by function and how far it is.
async fn invocations(broker: &Broker) -> Vec<(String, InvocationStatus)> {
    let ask = InvocationAsk { limit: 1000, ..InvocationAsk::default() };
    let page = broker.invocation_page(broker.default_tenant(), ask).await.unwrap();
    page.invocations.iter().rev().map(|one| (one.last.task.function_slug.clone(), one.status)).collect()
}

/// How far the only invocation on an event is.
async fn status_on(broker: &Broker, event: &StoredEvent) -> Option<InvocationStatus> {
    let ask = InvocationAsk { event: Some(event.id().clone()), limit: 10, ..InvocationAsk::default() };
    let page = broker.invocation_page(broker.default_tenant(), ask).await.unwrap();
    page.invocations.first().map(|one| one.status)
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "waited in vain for: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn functions_of_the_program_are_asked_and_change_the_params() {
    let (broker, _folder) = started();
    run_on(&broker, PRE, "first", SubscribeOptions::default(), async |call| {
        assert_eq!(call.parse::<Value>().unwrap()["username"], "john_doe");
        Ok(Patched(json!({"plan": "free"})))
    })
    .await;
    let later = SubscribeOptions { stage: 1, ..SubscribeOptions::default() };
    run_on(&broker, PRE, "second", later, async |call| {
        let plan = call.parse::<Value>().unwrap()["plan"].clone();
        Ok(Patched(json!({"seen": plan, "email": null})))
    })
    .await;
    let outcome = broker.ask_functions(user()).await.unwrap().wait().await.unwrap();
    assert!(outcome.passed());
    let params: Value = serde_json::from_slice(&outcome.params()).unwrap();
    assert_eq!(params, json!({"username": "john_doe", "plan": "free", "seen": "free"}));
    let listed =
        [("first".to_owned(), InvocationStatus::Success), ("second".to_owned(), InvocationStatus::Success)];
    assert_eq!(invocations(&broker).await, listed);
    broker.shutdown().await;
}

#[tokio::test]
async fn a_panic_is_an_error_of_that_run_and_of_nothing_else() {
    let (broker, _folder) = started();
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    run_on(&broker, PRE, "panics-once", SubscribeOptions::default(), move |_| {
        let run = counted.fetch_add(1, Ordering::SeqCst);
        // The first panics before it is a future, the second inside it.
        assert_ne!(run, 0, "before");
        async move {
            assert_ne!(run, 1, "inside");
            agreed()
        }
    })
    .await;
    for word in ["before", "inside"] {
        let outcome = broker.ask_functions(user()).await.unwrap().wait().await.unwrap();
        let failures: Vec<_> = outcome.failures().collect();
        assert_eq!((failures.len(), failures[0].kind), (1, Some(FailureKind::Error)));
        let reason = outcome.reason();
        assert!(reason.starts_with("panics-once (error): the function panicked"), "{reason}");
        assert!(reason.contains(word), "{reason}");
    }
    assert!(broker.ask_functions(user()).await.unwrap().wait().await.unwrap().passed());
    broker.shutdown().await;
}

#[tokio::test]
async fn who_stops_waiting_ends_the_run_and_a_deadline_bounds_it() {
    let (broker, _folder) = started();
    let (tell, dropped) = mpsc::channel::<()>();
    run_on(&broker, PRE, "never", SubscribeOptions::default(), move |_| {
        let tell = tell.clone();
        async move {
            let _told_when_ended = tell;
            std::future::pending().await
        }
    })
    .await;
    let publication = broker.ask_functions(user()).await.unwrap();
    let waited = tokio::time::timeout(Duration::from_millis(100), publication.wait()).await;
    assert!(waited.is_err());
    until("the run is cancelled", async || {
        invocations(&broker).await == [("never".to_owned(), InvocationStatus::Cancelled)]
    })
    .await;
    let options = PreOptions { deadline: Some(Duration::from_secs(3)), ..PreOptions::default() };
    let outcome = broker.ask_functions_with(user(), options).await.unwrap().wait().await.unwrap();
    assert_eq!(outcome.failures().next().unwrap().kind, Some(FailureKind::Timeout));
    broker.shutdown().await;
    drop(broker);
    assert!(dropped.recv().is_err(), "nothing of the ended runs is left");
}

#[tokio::test]
async fn a_type_that_asks_nobody_is_refused_and_a_pre_event_stands_alone() {
    let (broker, _folder) = started();
    assert!(matches!(broker.ask_functions(Event::new("a")).await, Err(PublishError::Invalid(_))));
    assert!(matches!(broker.publish_all(vec![Event::new("a"), user()]).await, Err(PublishError::Invalid(_))));
    run_on(&broker, PRE, "agrees", SubscribeOptions::default(), async |_| agreed()).await;
    broker.publish(user()).await.unwrap();
    until("the function runs", async || {
        invocations(&broker).await == [("agrees".to_owned(), InvocationStatus::Success)]
    })
    .await;
    let ignored = SubscribeOptions { on_error: OnError::Ignore, ..SubscribeOptions::default() };
    run_on(&broker, PRE, "agrees", ignored, async |_| Err("not today".into())).await;
    assert!(broker.ask_functions(user()).await.unwrap().wait().await.unwrap().passed());
    assert_eq!(invocations(&broker).await[1].1, InvocationStatus::Error);
    broker.shutdown().await;
}

#[tokio::test]
async fn a_circle_of_functions_that_publish_for_each_other_ends() {
    let (broker, _folder) = started();
    let (tell, told) = mpsc::channel();
    let publisher = broker.clone();
    run_on(&broker, POST, "again", SubscribeOptions::default(), move |call| {
        let (publisher, tell) = (publisher.clone(), tell.clone());
        async move {
            let published = publisher.publish(Event::new(POST).caused_by(&call)).await;
            tell.send(published.is_ok()).ok();
            agreed()
        }
    })
    .await;
    broker.publish(Event::new(POST)).await.unwrap();
    // The first was caused by nothing, sixteen more by another; the one after those was refused.
    let published: Vec<bool> = (0..17).map(|_| told.recv_timeout(PATIENCE).unwrap()).collect();
    assert_eq!(published.iter().filter(|ok| **ok).count(), 16);
    until("every run is recorded", async || {
        let runs = invocations(&broker).await;
        runs.len() == 17 && runs.iter().all(|(_, status)| *status == InvocationStatus::Success)
    })
    .await;
    broker.shutdown().await;
    assert!(told.try_recv().is_err(), "none ran twice");
}

#[tokio::test]
async fn what_a_function_says_after_a_post_event_is_its_last_word() {
    let (broker, _folder) = started();
    let runs = Arc::new(AtomicUsize::new(0));
    for (slug, patch) in [("changes-nothing", json!({})), ("changes", json!({"plan": "free"}))] {
        let counted = Arc::clone(&runs);
        run_on(&broker, POST, slug, SubscribeOptions::default(), move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            std::future::ready(Ok(Patched(patch.clone())))
        })
        .await;
    }
    let event = broker.publish(Event::new(POST)).await.unwrap();
    let ask = InvocationAsk { event: Some(event.id().clone()), limit: 10, ..InvocationAsk::default() };
    let mut ended = Vec::new();
    until("both have an outcome", async || {
        ended = broker.invocation_page(broker.default_tenant(), ask.clone()).await.unwrap().invocations;
        ended.len() == 2
            && !ended
                .iter()
                .any(|one| matches!(one.status, InvocationStatus::Pending | InvocationStatus::Running))
    })
    .await;
    ended.sort_by_key(|one| one.last.slot);
    let told = |one: &Invocation| (one.status, one.last.kind, one.next_attempt_at);
    assert_eq!(told(&ended[0]), (InvocationStatus::Success, None, None));
    assert_eq!(told(&ended[1]), (InvocationStatus::Dead, Some(FailureKind::BadResponse), None));
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    broker.shutdown().await;
}

#[tokio::test]
async fn what_waits_for_a_function_waits_for_its_program() {
    let (broker, folder) = started();
    run_on(&broker, POST, "late", SubscribeOptions::default(), async |_| std::future::pending().await).await;
    let event = broker.publish(Event::new(POST)).await.unwrap();
    until("the function is called", async || {
        status_on(&broker, &event).await == Some(InvocationStatus::Running)
    })
    .await;
    let function = broker.function_book().functions_of(broker.default_tenant()).next().unwrap().id;
    let short = json!({"timeout_ms": SHORT.as_millis() as u64}).as_object().unwrap().clone();
    broker.change_function(broker.default_tenant(), function, short).await.unwrap();
    broker.shutdown().await;
    let broker = open(folder.path());
    until("it is to run again", async || status_on(&broker, &event).await == Some(InvocationStatus::Running))
        .await;
    // Its time begins when there is what to call.
    tokio::time::sleep(SHORT * 2).await;
    let (tell, told) = mpsc::channel();
    run_on(&broker, POST, "late", SubscribeOptions::default(), move |call| {
        tell.send(call.attempt()).ok();
        std::future::ready(agreed())
    })
    .await;
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), 1, "it has not failed meanwhile");
    broker.shutdown().await;
}

#[tokio::test]
async fn a_guard_asks_does_and_tells() {
    let (broker, _folder) = started();
    run_on(&broker, PRE, "check", SubscribeOptions::default(), async |call| {
        match call.parse::<Value>().unwrap()["email"].as_str() {
            Some(_) => Ok(Patched(json!({"plan": "free"}))),
            None => Err(Failure::rejected("EMAIL", "an address is needed")),
        }
    })
    .await;
    let (tell, told) = mpsc::channel();
    run_on(&broker, POST, "welcome", SubscribeOptions::default(), move |call| {
        let tell = tell.clone();
        async move {
            tell.send(call.parse::<Value>().unwrap()).ok();
            agreed()
        }
    })
    .await;
    let saved = broker
        .guard::<_, String, _>(PRE, POST, &json!({"email": "a@b"}), async |guarded: Guarded| {
            Ok(json!({"user_id": 7, "params": guarded.parse::<Value>().unwrap()}))
        })
        .await
        .unwrap();
    assert_eq!(saved, json!({"user_id": 7, "params": {"email": "a@b", "plan": "free"}}));
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), saved);
    let stopped = broker.guard::<Value, String, _>(PRE, POST, &json!({}), async |_| unreachable!()).await;
    let Err(GuardError::Stopped(outcome)) = stopped else { panic!("{stopped:?}") };
    assert_eq!(outcome.reason(), "check (rejected): an address is needed");
    let failing = async |_| Err::<Value, _>("the disk is full".to_owned());
    let failed = broker.guard(PRE, POST, &json!({"email": "a@b"}), failing).await;
    assert_eq!(failed.unwrap_err().to_string(), "the operation failed: the disk is full");
    let wrong = broker.guard::<Value, String, _>("a", POST, &json!({}), async |_| unreachable!()).await;
    assert!(matches!(wrong, Err(GuardError::NotBegun(PublishError::Invalid(_)))));
    // It happened, and what it gave is no event: somebody has to look.
    let untold = broker.guard::<_, String, _>(PRE, POST, &json!({"email": "a@b"}), async |_| Ok(1)).await;
    let Err(GuardError::Untold { id, .. }) = untold else { panic!("{untold:?}") };
    assert_eq!(broker.open_guards().iter().map(|guard| &guard.id).collect::<Vec<_>>(), [&id]);
    broker.confirm_guard(&id, &json!({"user_id": 8})).await.unwrap();
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), json!({"user_id": 8}));
    assert!(broker.open_guards().is_empty());
    broker.shutdown().await;
    assert!(told.try_recv().is_err(), "nobody is told twice");
}

#[tokio::test]
async fn a_guard_whose_caller_goes_away_while_it_asks_holds_no_place() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = campanile::Config::default();
    config.storage.path = folder.path().join("events");
    config.functions.max_gates = 2;
    let broker = Broker::open(config).unwrap();
    run_on(&broker, PRE, "check", SubscribeOptions::default(), async |call| {
        match call.parse::<Value>().unwrap()["waits"].as_bool() {
            Some(true) => std::future::pending().await,
            _ => agreed(),
        }
    })
    .await;
    for hears_of_it in [true, false, true] {
        let params = json!({"waits": true});
        let mut asking =
            Box::pin(broker.guard::<Value, String, _>(PRE, POST, &params, async |_| unreachable!()));
        let called = async || {
            invocations(&broker).await.iter().any(|(_, status)| *status == InvocationStatus::Running)
        };
        assert!(asking.as_mut().now_or_never().is_none());
        if hears_of_it {
            tokio::select! {
                ended = &mut asking => panic!("it went on without an answer: {ended:?}"),
                () = until("the function is called", called) => {}
            }
        } else {
            until("the function is called", called).await;
        }
        drop(asking);
        until("its run ends", async || !called().await).await;
    }
    let passed = broker.guard::<_, String, _>(PRE, POST, &json!({}), async |_| Ok(json!({}))).await;
    assert_eq!(passed.unwrap(), json!({}));
    assert!(broker.function_book().guards.is_empty(), "none is left");
    broker.shutdown().await;
}

/// Where the program is killed.
const POINTS: [&str; 4] = ["asked", "before", "after", "told"];

/// Set in the program that is to be killed: the folder and where it stops.
const STOP: &str = "EMBEDDED_STOP";

/// Says where it is and stays there when that is where it is to be killed.
fn reach(point: &str) {
    if std::env::var(STOP).is_ok_and(|stop| stop == point) {
        println!("\nreached {point}");
        std::thread::sleep(Duration::from_secs(600));
    }
}

/// The program that is killed: it does one guarded operation, a file named after its guard.
#[test]
fn the_program_that_is_killed() {
    let Some(folder) = std::env::var_os("EMBEDDED_FOLDER") else { return };
    let folder = std::path::PathBuf::from(folder);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async move {
        let broker = open(&folder);
        functions_of(&broker, &folder).await;
        let operation = async |guarded: Guarded| {
            reach("before");
            std::fs::write(folder.join(guarded.id()), "")?;
            reach("after");
            Ok::<_, std::io::Error>(json!({"user_id": 1}))
        };
        broker.guard(PRE, POST, &json!({"username": "ada"}), operation).await.unwrap();
        std::thread::sleep(Duration::from_secs(600));
    });
}

async fn functions_of(broker: &Broker, folder: &Path) {
    run_on(broker, PRE, "check", SubscribeOptions::default(), async |_| {
        reach("asked");
        agreed()
    })
    .await;
    let welcomed = folder.join("welcomed");
    run_on(broker, POST, "welcome", SubscribeOptions::default(), move |_| {
        let welcomed = welcomed.clone();
        async move {
            reach("told");
            std::fs::write(welcomed, "").unwrap();
            agreed()
        }
    })
    .await;
}

/// Runs the program up to a point and kills it there.
fn killed_at(point: &str, folder: &Path) {
    let mut child: Child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_program_that_is_killed", "--nocapture"])
        .env(STOP, point)
        .env("EMBEDDED_FOLDER", folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mark = format!("reached {point}");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains(&mark)), "{point} was not reached");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test]
async fn killed_anywhere_between_pre_and_post_nothing_is_guessed() {
    for point in POINTS {
        let folder = tempfile::tempdir().unwrap();
        killed_at(point, folder.path());
        let broker = open(folder.path());
        functions_of(&broker, folder.path()).await;
        let open: Vec<String> = broker.open_guards().iter().map(|guard| guard.id.clone()).collect();
        let happened = |id: &String| folder.path().join(id).exists();
        let checked = invocations(&broker).await[0].clone();
        match point {
            // The run ended with its program, and the operation had not begun.
            "asked" => {
                assert_eq!(checked, ("check".to_owned(), InvocationStatus::Cancelled));
                assert_eq!(open, Vec::<String>::new());
            }
            "before" | "after" => {
                assert_eq!(checked, ("check".to_owned(), InvocationStatus::Success));
                assert_eq!(open.len(), 1, "{point}: the program is told that it must look");
                assert_eq!(happened(&open[0]), point == "after");
            }
            // The POST event is in the log: its function runs now.
            _ => assert_eq!(open, Vec::<String>::new()),
        }
        for id in open {
            if happened(&id) {
                broker.confirm_guard(&id, &json!({"user_id": 1})).await.unwrap();
            } else {
                broker.discard_guard(&id).await.unwrap();
            }
        }
        let welcomed = folder.path().join("welcomed");
        if ["after", "told"].contains(&point) {
            until("the POST event's function runs", async || welcomed.exists()).await;
        }
        broker.shutdown().await;
        assert_eq!(welcomed.exists(), ["after", "told"].contains(&point), "{point}");
    }
}
