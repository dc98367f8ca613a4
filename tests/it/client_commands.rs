//! The commands that manage a broker: what they print, and what scripts can rely on.

use crate::endpoint::{Endpoint, status};
use crate::harness::{ADMIN, Broker, READER, until};
use serde_json::Value;
use standardwebhooks::Webhook;
use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=";

/// The schedule is short, so that a delivery that fails is dead soon.
const QUICK: &str =
    "[delivery]\nallow_http = true\nallow_networks = [\"127.0.0.0/8\"]\nschedule = [\"1s\"]\n";

fn command(broker: &Broker, key: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_campanile"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env("CAMPANILE_URL", format!("http://{}", broker.address)).env("CAMPANILE_KEY", key);
    command
}

fn run(broker: &Broker, arguments: &[&str]) -> Output {
    command(broker, ADMIN, arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What it prints as JSON, a line each.
#[track_caller]
fn rows(broker: &Broker, arguments: &[&str]) -> Vec<Value> {
    let said = run(broker, &[arguments, &["--json"]].concat());
    assert!(said.status.success(), "{arguments:?}: {}", text(&said.stderr));
    text(&said.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[track_caller]
fn id(row: &Value) -> String {
    row["id"].as_str().unwrap().to_owned()
}

#[track_caller]
fn fails(broker: &Broker, arguments: &[&str], code: i32, why: &str) {
    let said = run(broker, arguments);
    assert_eq!(said.status.code(), Some(code), "{arguments:?}: {}", text(&said.stderr));
    assert!(text(&said.stderr).contains(why), "{arguments:?}: {}", text(&said.stderr));
}

#[test]
fn a_destination_is_made_tried_changed_and_removed() {
    let (broker, endpoint) = (Broker::start(QUICK), Endpoint::start(|_| status(200)));
    let url = endpoint.url();
    let create = [
        "destinations",
        "create",
        &url,
        "--verification",
        "none",
        "--event",
        "a.*,b",
        "--header",
        "X-Team: data",
    ];
    let made = rows(&broker, &create);
    assert!(made[0]["secret"].as_str().unwrap().starts_with("whsec_"));
    let id = id(&made[0]);
    let shown = &rows(&broker, &["destinations", "show", &id])[0];
    assert_eq!((&shown["events"][0], &shown["headers"]["X-Team"]), (&"a.*".into(), &"data".into()));
    let listed = text(&run(&broker, &["destinations", "list"]).stdout);
    assert_eq!(listed, format!("{id}  active  {url}\n"));
    let tried = &rows(&broker, &["destinations", "test", &id])[0];
    assert_eq!(tried["status"], 200);
    let changed = &rows(&broker, &["destinations", "update", &id, "--max-in-flight", "3"])[0];
    assert_eq!(changed["max_in_flight"], 3);
    assert_eq!(rows(&broker, &["destinations", "deactivate", &id])[0]["status"], "deactivated");
    assert_eq!(rows(&broker, &["destinations", "activate", &id, "--skip-backlog"])[0]["status"], "active");
    let rotated = &rows(&broker, &["destinations", "rotate-secret", &id])[0];
    assert_ne!(rotated["secret"], made[0]["secret"]);
    assert!(rows(&broker, &["destinations", "stats", &id])[0]["counts"].is_object());
    assert_eq!(rows(&broker, &["destinations", "delete", &id])[0]["removed"], true);
    fails(&broker, &["destinations", "show", &id], 1, "404");
    fails(&broker, &["destinations", "create", "ftp://x"], 1, "/url");
    fails(&broker, &["destinations", "create", &url, "--header", "nothing"], 78, "--header");
    let refused = command(&broker, READER, &["destinations", "list"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(77));
}

#[test]
fn a_dead_delivery_is_found_sent_again_and_replayed() {
    let broker = Broker::start(QUICK);
    // The first two attempts fail, and so the first run of the schedule.
    let endpoint = Endpoint::start(|attempt| status(if attempt < 2 { 500 } else { 200 }));
    let create = ["destinations", "create", &endpoint.url(), "--verification", "none"];
    let destination = id(&rows(&broker, &create)[0]);
    broker.publish(r#"{"type":"a","id":"evt-a","data":{}}"#).expect(201);
    let list = ["deliveries", "list", &destination, "--status", "dead"];
    until("the delivery is dead", || rows(&broker, &list).len() == 1);
    let dead = id(&rows(&broker, &list)[0]);
    let shown = &rows(&broker, &["deliveries", "show", &dead])[0];
    assert_eq!(shown["attempts"].as_array().unwrap().len(), 2);
    let replayed = run(&broker, &["replay", "start", &destination]);
    let said = text(&replayed.stdout);
    assert!(
        replayed.status.success() && said.contains("  done  failed  1  1  0"),
        "{said}{}",
        text(&replayed.stderr)
    );
    assert!(replayed.stderr.is_empty(), "a bar is for terminals: {}", text(&replayed.stderr));
    assert!(rows(&broker, &list).is_empty());
    assert_eq!(rows(&broker, &["deliveries", "of", "evt-a"])[0]["status"], "delivered");
    run(&broker, &["deliveries", "resend", &dead]);
    until("it is sent once more", || endpoint.all().len() == 4);
    let counted = ["replay", "start", &destination, "--only", "all", "--dry-run"];
    // What is under way is not counted: its outcome is recorded a moment after the endpoint has it.
    until("its outcome is recorded", || rows(&broker, &counted)[0]["total"] == 1);
    assert_eq!(rows(&broker, &["replay", "list", "--destination", &destination]).len(), 1);
    fails(&broker, &["replay", "start", &destination, "--since", "yesterday"], 1, "/since");
}

#[test]
fn functions_are_made_subscribed_and_removed() {
    let broker = Broker::start(&format!("{QUICK}[events]\ncatalogs = [\"taruvi\"]\n"));
    let endpoint = Endpoint::start(|_| status(204));
    rows(&broker, &["functions", "create-app", "CRM"]);
    let url = endpoint.url();
    let made = &rows(&broker, &["functions", "create", "Welcome", &url, "--app", "crm"])[0];
    let number = made["id"].to_string();
    assert!(
        rows(&broker, &["functions", "events"]).contains(&serde_json::json!({"event": "POST_USER_CREATE"}))
    );
    let said = run(&broker, &["functions", "subscribe", &number, "POST_USER_CREATE"]);
    assert!(text(&said.stdout).contains("subscribed to event 'POST_USER_CREATE' successfully"));
    fails(&broker, &["functions", "subscribe", &number, "POST_USER_CREATE"], 1, "already");
    let user = r#"{"user_id":1,"username":"ada","email":"ada@example.com"}"#;
    broker.publish(&format!(r#"{{"type":"POST_USER_CREATE","data":{user}}}"#)).expect(201);
    let runs = ["functions", "invocations", "--function", &number, "--status", "success"];
    until("it has run", || rows(&broker, &runs).len() == 1);
    assert_eq!(rows(&broker, &["functions", "list", "--app", "crm"]).len(), 1);
    rows(&broker, &["functions", "unsubscribe", &number, "POST_USER_CREATE"]);
    rows(&broker, &["functions", "delete", &number]);
    assert!(rows(&broker, &["functions", "list"]).is_empty());
}

#[test]
fn what_is_heard_is_sent_on_as_a_signed_webhook_across_a_restart() {
    let mut broker = Broker::start("");
    let endpoint = Endpoint::start(|request| status(if request == 0 { 500 } else { 202 }));
    broker.publish(r#"{"type":"a","data":{"n":1.10}}"#).expect(201);
    let url = endpoint.url();
    let arguments =
        ["listen", "--forward", &url, "--secret", SECRET, "--after", "0", "--count", "2", "--json"];
    let mut child = command(&broker, READER, &arguments).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let first: Value = serde_json::from_str(&lines.next().unwrap()).unwrap();
    assert_eq!((&first["sequence"], &first["status"], &first["type"]), (&1.into(), &500.into(), &"a".into()));
    assert!(first["latency_ms"].is_u64());
    broker.kill();
    broker.run();
    broker.publish(r#"{"type":"b","data":{}}"#).expect(201);
    let second: Value = serde_json::from_str(&lines.next().unwrap()).unwrap();
    assert_eq!((&second["status"], &second["type"]), (&202.into(), &"b".into()));
    assert!(child.wait().unwrap().success());
    let taken = endpoint.all();
    assert_eq!(taken.len(), 2);
    for delivery in &taken {
        let mut headers = http::HeaderMap::new();
        for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
            headers.insert(name, delivery.header(name).parse().unwrap());
        }
        Webhook::new(SECRET).unwrap().verify(&delivery.body, &headers).unwrap();
    }
    assert!(text(&taken[0].body).ends_with(r#""data":{"n":1.10}}"#), "{}", text(&taken[0].body));
    assert_eq!(taken[1].header("x-campanile-sequence"), "2");
}

#[test]
fn an_endpoint_that_is_not_there_is_said_and_the_next_event_is_sent_on() {
    let broker = Broker::start("");
    broker.publish(r#"{"type":"a","data":{}}"#).expect(201);
    let arguments = ["listen", "--forward", "http://127.0.0.1:9/x", "--after", "0", "--count", "1"];
    let said = command(&broker, READER, &arguments).output().unwrap();
    assert!(said.status.success());
    assert!(text(&said.stdout).starts_with("1  a  evt_"), "{}", text(&said.stdout));
    assert!(text(&said.stderr).contains("signing with whsec_"));
    fails(&broker, &["listen", "--forward", "localhost:3000"], 2, "http://");
    fails(&broker, &["listen", "--forward", "http://x", "--secret", "short"], 78, "16 to 256");
}

#[test]
fn there_is_a_page_of_the_manual_for_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start("");
    assert!(run(&broker, &["man", folder.path().to_str().unwrap()]).status.success());
    for page in ["campanile", "campanile-listen", "campanile-destinations-create", "campanile-replay-start"] {
        let text = std::fs::read_to_string(folder.path().join(format!("{page}.1"))).unwrap();
        assert!(text.contains(".SH SYNOPSIS"), "{page}");
    }
    assert!(text(&run(&broker, &["man"]).stdout).contains(".TH campanile 1"));
}
