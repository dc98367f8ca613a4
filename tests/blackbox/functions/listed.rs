//! The list of runs: what waits for its first attempt, what is under way and what has ended, in pages of any size.

use super::*;
use crate::support::Settings;

const POST: &str = "POST_USER_CREATE";

#[track_caller]
fn page(server: &Server, query: &str) -> Value {
    server.send(&Request::get(&format!("/api/v1/invocations?{query}")).key(ADMIN)).must(200)
}

/// Every run that a query finds in pages of this size, by its number, event and how far it is.
#[track_caller]
fn listed(server: &Server, query: &str, limit: usize) -> Vec<(u64, u64, String)> {
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = page(server, &format!("limit={limit}{query}{cursor}"));
        let rows = page["data"].as_array().unwrap();
        assert!(rows.len() <= limit);
        found.extend(rows.iter().map(|row| {
            let status = row["status"].as_str().unwrap().to_owned();
            (row["id"].as_u64().unwrap(), row["sequence"].as_u64().unwrap(), status)
        }));
        if page["has_more"] == false {
            return found;
        }
        cursor = format!("&cursor={}", page["next_cursor"].as_str().unwrap());
    }
}

fn sequences(rows: &[(u64, u64, String)]) -> Vec<u64> {
    rows.iter().map(|(_, sequence, _)| *sequence).collect()
}

/// The functions: one that dawdles over its first call, one that fails once on every event and waits, one that answers.
fn three_functions(server: &Server) -> (Heard<Delivery>, [u64; 3], [Receiver; 3]) {
    let (dawdler, heard) = dawdling();
    let failing = Receiver::start(|_| Reply::status(500));
    let willing = Receiver::willing();
    let ids = [("Slow", &dawdler), ("Failing", &failing), ("Willing", &willing)].map(|(name, at)| {
        let body = json!({"name": name, "url": at.url(), "retry": {"schedule_s": [600]}});
        let function = server.post("/api/v1/functions", &body).must(201)["id"].as_u64().unwrap();
        let even = json!({"filter": "data.n % 2 == 0"});
        subscribe_with(server, POST, function, if name == "Failing" { even } else { json!({}) });
        function
    });
    (heard, ids, [dawdler, failing, willing])
}

#[test]
fn a_run_is_listed_before_its_first_attempt_in_pages_of_any_size() {
    let mut server = Settings::new().with("functions.max_in_flight", "1").start();
    let (heard, [slow, failing, willing], _receivers) = three_functions(&server);
    for n in 1..=8 {
        server.publish(&json!({"type": POST, "data": {"n": n}}));
        server.publish(&json!({"type": "other", "data": {"n": n}}));
    }
    next(&heard);
    // Places of the POST events: 1, 3, ... 15. Every second of them concerns the one that fails, whose schedule has a long
    // first wait.
    for crashed in [false, true] {
        if crashed {
            server.crash();
            next(&heard);
        }
        let of = |function: u64, status: &str, limit| {
            listed(&server, &format!("&function_id={function}&status={status}"), limit)
        };
        eventually("the others have had their turn", || {
            (of(willing, "success", 100).len() == 8 && of(failing, "error", 100).len() == 4).then_some(())
        });
        assert_eq!(sequences(&of(slow, "running", 100)), [1]);
        let whole = listed(&server, "", 100);
        assert_eq!(whole.len(), 20);
        assert!(whole.is_sorted_by(|a, b| a.0 > b.0), "newest first: {whole:?}");
        for limit in 1..=9 {
            assert_eq!(listed(&server, "", limit), whole, "pages of {limit}");
            assert_eq!(sequences(&of(slow, "pending", limit)), [15, 13, 11, 9, 7, 5, 3], "pages of {limit}");
            assert_eq!(listed(&server, "&status=pending", limit), of(slow, "pending", 100));
        }
        assert_eq!(of(willing, "pending", 3), []);
    }
}

#[test]
fn a_run_that_is_made_again_is_listed_as_what_it_is() {
    let server = Server::start();
    let (tell, heard) = channel();
    let receiver = Receiver::start(move |call| {
        tell.send(call.attempt()).ok();
        if call.attempt() == 1 { Reply::status(500) } else { Reply::after(LONG, Reply::status(204)) }
    });
    let body = json!({"name": "Flaky", "url": receiver.url(), "retry": {"enabled": false}});
    let function = server.post("/api/v1/functions", &body).must(201)["id"].as_u64().unwrap();
    subscribe_with(&server, POST, function, json!({}));
    let event = server.publish(&json!({"type": POST, "data": {}}));
    until_statuses(&server, &event["id"], &["dead"]);
    let id = invocations_of(&server, &event["id"])[0]["id"].as_u64().unwrap();
    server.send(&Request::post(&format!("/api/v1/invocations/{id}/retry")).key(ADMIN)).must(202);
    assert_eq!([heard.recv_timeout(PATIENCE), heard.recv_timeout(PATIENCE)], [Ok(1), Ok(2)]);
    let running = vec![(id, 1, "running".to_owned())];
    assert_eq!(listed(&server, "&status=running", 10), running);
    assert_eq!(listed(&server, "", 10), running);
    for status in ["pending", "dead", "error"] {
        assert_eq!(listed(&server, &format!("&status={status}"), 10), [], "{status}");
    }
}
