//! Functions over HTTP, called by the real binary: what a function is sent, what its answer means, what is kept.

mod access;
mod answers;
mod causes;
mod crashes;
mod listed;
mod post;
mod printed;
mod stages;
mod waiting;

use crate::support::{ADMIN, Delivery, PATIENCE, Receiver, Reply, Request, Response, Server, eventually};
use serde_json::{Value, json};
use std::sync::mpsc::{Receiver as Heard, channel};
use std::time::Duration;

const PRE: &str = "PRE_USER_CREATE";

/// Longer than any test waits.
const LONG: Duration = Duration::from_secs(600);

/// Makes a function that is called at the endpoint; gives its number and its secret.
#[track_caller]
fn make(server: &Server, name: &str, at: &Receiver) -> (u64, String) {
    let made = server.post("/api/v1/functions", &json!({"name": name, "url": at.url()})).must(201);
    (made["id"].as_u64().unwrap(), made["secret"].as_str().unwrap().to_owned())
}

#[track_caller]
fn subscribe_with(server: &Server, event: &str, function: u64, mut options: Value) {
    options["function_id"] = json!(function);
    server.post(&format!("/api/cloud/events/{event}/subscribe/"), &options).must(200);
}

/// Makes a function and subscribes it.
#[track_caller]
fn add(server: &Server, event: &str, name: &str, at: &Receiver) -> u64 {
    let (function, _) = make(server, name, at);
    subscribe_with(server, event, function, json!({}));
    function
}

fn draft() -> Value {
    json!({"type": PRE, "data": {"username": "john_doe", "email": "john@example.com"}})
}

/// Publishes and waits for the outcome.
#[track_caller]
fn ask(server: &Server, draft: &Value) -> Response {
    server.post("/api/v1/events?wait=true", draft)
}

/// An answer with a JSON body.
fn says(body: &Value) -> Reply {
    Reply::Answer(200, vec![("Content-Type".to_owned(), "application/json".to_owned())], body.to_string())
}

/// A function that answers what it is told to, at once.
fn saying(body: &Value) -> Receiver {
    let body = body.clone();
    Receiver::start(move |_| says(&body))
}

/// A function that takes long, and tells at once what it was sent.
fn dawdling() -> (Receiver, Heard<Delivery>) {
    let (tell, heard) = channel();
    let receiver = Receiver::start(move |call| {
        tell.send(call.clone()).ok();
        Reply::after(LONG, Reply::status(204))
    });
    (receiver, heard)
}

/// The next call of a dawdling function.
#[track_caller]
fn next(heard: &Heard<Delivery>) -> Delivery {
    heard.recv_timeout(PATIENCE).expect("the function is called")
}

#[track_caller]
fn invocation(server: &Server, id: &Value) -> Value {
    server.send(&Request::get(&format!("/api/v1/invocations/{id}")).key(ADMIN)).must(200)
}

/// An event's invocations, in the order of their subscriptions.
#[track_caller]
fn invocations_of(server: &Server, event: &Value) -> Vec<Value> {
    let path = format!("/api/v1/invocations?event_id={}", event.as_str().unwrap());
    let list = server.send(&Request::get(&path).key(ADMIN)).must(200);
    let mut rows = list["data"].as_array().unwrap().clone();
    rows.sort_by_key(|row| row["id"].as_u64());
    rows
}

#[track_caller]
fn statuses_of(server: &Server, event: &Value) -> Vec<String> {
    let rows = invocations_of(server, event);
    rows.iter().map(|row| row["status"].as_str().unwrap().to_owned()).collect()
}

/// Waits until an event's invocations are this far.
#[track_caller]
fn until_statuses(server: &Server, event: &Value, wanted: &[&str]) {
    eventually(&format!("{wanted:?} for {event}"), || (statuses_of(server, event) == wanted).then_some(()));
}
