//! The edges of the contract that a client meets seldom, and then at a bad time.

use crate::support::sse::stream_request;
use crate::support::{
    ADMIN, Connection, EventStream, Item, OPERATOR, READER, Request, Server, Settings, eventually, number,
};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const EVENTS: &str = "/api/v1/events";

/// Sends a text and reads until the server hangs up.
fn to_the_end(server: &Server, text: &str) -> String {
    let mut socket = TcpStream::connect(server.address()).unwrap();
    socket.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
    socket.write_all(text.as_bytes()).unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

#[test]
fn a_cursor_ahead_of_the_log_is_400_also_by_one_since_the_next_event_would_be_missed() {
    let server = Server::start();
    server.publish_many("a", 3);
    let ask = |query: &str| server.get(&format!("{EVENTS}?{query}"));
    for order in ["asc", "desc"] {
        ask(&format!("order={order}&cursor=3")).must(200);
        for ahead in ["5", "4294967300", "18446744073709551615"] {
            ask(&format!("order={order}&cursor={ahead}")).problem(400);
        }
    }
    ask("cursor=4").problem(400);
    ask("cursor=4&wait_ms=30000").problem(400);
    let newest_first = ask("order=desc&cursor=4").must(200);
    assert_eq!(newest_first["data"].as_array().unwrap().len(), 3, "going back, it is the end of everything");
    // The place of an event is a cursor as soon as its publisher knows of it.
    for _ in 0..50 {
        let place = server.publish(&json!({"type": "a", "data": {}}))["sequence"].clone();
        ask(&format!("cursor={place}")).must(200);
    }
}

#[test]
fn a_stream_over_http_1_0_has_no_chunks_and_ends_with_its_connection() {
    let server = Server::start();
    server.publish_many("a", 3);
    for connection in ["close", "keep-alive"] {
        let head = format!(
            "GET {EVENTS}/stream?until=2999-01-01T00:00:00Z HTTP/1.0\r\nAuthorization: Bearer {READER}\r\nConnection: {connection}\r\n\r\n"
        );
        let answer = to_the_end(&server, &head);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.0 200 "), "{head}");
        let head = head.to_ascii_lowercase();
        assert!(!head.contains("transfer-encoding") && !head.contains("content-length"), "{head}");
        assert!(body.starts_with("retry: 2000\n: campanile\n\nid: 1\nevent: a\n"), "{body}");
        assert!(body.ends_with("id: 3\nevent: stream.end\ndata: {}\n\n"), "{body}");
    }
    let poll =
        to_the_end(&server, &format!("GET {EVENTS} HTTP/1.0\r\nAuthorization: Bearer {READER}\r\n\r\n"));
    assert!(poll.to_ascii_lowercase().contains("\r\ncontent-length: "), "{poll}");
}

#[test]
fn a_ticket_needs_no_body_and_takes_no_member() {
    let server = Server::start();
    let ask = || Request::post("/api/v1/stream-tickets").key(READER);
    server.send(&ask()).must(201);
    server.send(&ask().json(&json!({}))).must(201);
    assert_eq!(server.send(&ask().json(&json!({"type": "a"}))).pointers(), ["/type"]);
    server.send(&ask().body("text/plain", "x")).problem(415);
}

#[test]
fn times_are_rfc_3339_however_far_away_and_bounds_may_be_further() {
    let server = Server::start();
    let publish = |time: &str| server.post(EVENTS, &json!({"type": "a", "timestamp": time, "data": {}}));
    assert_eq!(publish("0000-01-01T00:00:00Z").must(201)["timestamp"], "0000-01-01T00:00:00Z");
    assert_eq!(publish("9999-12-31T23:59:58.5Z").must(201)["timestamp"], "9999-12-31T23:59:58.5Z");
    for beyond in ["0000-01-01T00:00:00+01:00", "9999-12-31T23:59:59-00:01"] {
        assert_eq!(publish(beyond).pointers(), ["/timestamp"]);
    }
    let count = |query: &str| server.list(query)["data"].as_array().unwrap().len();
    assert_eq!(count("?until=9999-12-31T23:59:59Z"), 2);
    assert_eq!(count("?since=0000-01-01T00:00:00%2B01:00"), 2);
    assert_eq!(count("?since=9999-12-31T23:59:59Z"), 0);
    server.get(&format!("{EVENTS}?until=9999-13-31T23:59:59Z")).problem(400);
    let mut replay = server.stream("?until=9999-12-31T23:59:59Z");
    let heard: Vec<String> = (0..3).map(|_| replay.message().event).collect();
    assert_eq!(heard, ["a", "a", "stream.end"]);
}

#[test]
fn a_page_of_another_site_may_read_every_place_that_it_is_told() {
    let server = Settings::new().with("server.cors_origins", r#"["https://app.example"]"#).start();
    server.publish_many("a", 1);
    for media_type in ["application/json", "application/x-ndjson", "application/cloudevents-batch+json"] {
        let ask = Request::get(EVENTS).key(READER).accept(media_type).header("Origin", "https://app.example");
        let answer = server.send(&ask);
        assert_eq!(answer.status, 200);
        let exposed = answer.header("Access-Control-Expose-Headers").unwrap().to_ascii_lowercase();
        let exposed: Vec<&str> = exposed.split(", ").collect();
        for (name, _) in &answer.headers {
            let name = name.to_ascii_lowercase();
            if name.starts_with("x-") || ["etag", "link"].contains(&name.as_str()) {
                assert!(exposed.contains(&name.as_str()), "{name} of {media_type} is not among {exposed:?}");
            }
        }
    }
}

#[test]
fn the_same_event_twice_in_one_batch_is_stored_once_and_answered_twice() {
    let server = Server::start();
    let event = json!({"id": "twice", "type": "a", "data": {"n": 1}});
    let other = json!({"type": "a", "data": {}});
    let answer = server.post("/api/v1/events/batch", &json!({"events": [event, other, event]})).must(201);
    let places: Vec<u64> =
        answer["events"].as_array().unwrap().iter().map(|one| number(&one["sequence"])).collect();
    assert_eq!(places, [1, 2, 1]);
    assert_eq!(server.head(), 2);
}

#[test]
fn a_body_that_stalls_is_408_and_what_follows_it_is_no_request() {
    let server = Settings::new().with("server.body_timeout", r#""300ms""#).start();
    let head = format!(
        "POST {EVENTS} HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {ADMIN}\r\nContent-Type: application/json\r\n"
    );
    let inner = format!("{head}Content-Length: 22\r\n\r\n{}", r#"{"type":"a","data":{}}"#);
    for begun in ["Transfer-Encoding: chunked\r\n\r\n5\r\n{\"typ\r\n", "Content-Length: 900\r\n\r\n{\"typ"] {
        let mut connection = Connection::open(server.address()).unwrap();
        connection.write(format!("{head}{begun}").as_bytes()).unwrap();
        connection.answer(false).unwrap().problem(408);
        connection.write(inner.as_bytes()).ok();
        connection.finish_writing();
        while let Ok(more) = connection.answer(false) {
            assert!(more.status >= 400, "what is left of a body was taken for a request: {more:?}");
        }
    }
    assert_eq!(server.head(), 0);
}

fn gauge(server: &Server, name: &str) -> u64 {
    let page = server.send(&Request::get("/metrics").key(OPERATOR)).text();
    let line = page.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
    line.unwrap().rsplit(' ').next().unwrap().parse().unwrap()
}

fn open_streams(server: &Server) -> u64 {
    gauge(server, "campanile_streams")
}

/// A key for reading, and the path that it is deleted at.
fn reading_key(server: &Server) -> (String, String) {
    let made = server.post("/api/v1/keys", &json!({"name": "a", "scopes": ["events:read"]})).must(201);
    (made["key"].as_str().unwrap().to_owned(), format!("/api/v1/keys/{}", made["id"].as_str().unwrap()))
}

#[test]
fn a_key_that_ends_while_its_poll_waits_reads_nothing_more() {
    let server = Server::start();
    let (key, path) = reading_key(&server);
    std::thread::scope(|scope| {
        let poll = scope.spawn(|| {
            let request = Request::get("/api/v1/events?wait_ms=30000&cursor=0").key(&key);
            Connection::open(server.address()).unwrap().exchange(&request).unwrap()
        });
        eventually("the poll waits", || (gauge(&server, "campanile_waiting_polls") == 1).then_some(()));
        server.send(&Request::new("DELETE", &path).key(ADMIN)).must(204);
        server.publish(&json!({"type": "secret", "data": {}}));
        poll.join().unwrap().problem(401);
    });
}

#[test]
fn a_ticket_of_a_key_that_has_ended_opens_nothing() {
    let server = Server::start();
    let (key, path) = reading_key(&server);
    let ticket = server.send(&Request::post("/api/v1/stream-tickets").key(&key)).must(201);
    server.send(&Request::new("DELETE", &path).key(ADMIN)).must(204);
    let query = format!("{EVENTS}/stream?ticket={}", ticket["ticket"].as_str().unwrap());
    server.send(&Request::get(&query)).problem(401);
}

#[test]
fn a_reader_that_hangs_up_or_resets_is_noticed_while_nothing_happens() {
    let server = Server::start();
    let open = || {
        let mut socket = TcpStream::connect(server.address()).unwrap();
        let head =
            format!("GET {EVENTS}/stream HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {READER}\r\n\r\n");
        socket.write_all(head.as_bytes()).unwrap();
        socket
    };
    let resets: Vec<TcpStream> = (0..20).map(|_| open()).collect();
    let ends: Vec<TcpStream> = (0..20).map(|_| open()).collect();
    eventually("all are open", || (open_streams(&server) == 40).then_some(()));
    for socket in &resets {
        socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO)).unwrap();
    }
    drop(resets);
    eventually("those that were reset are gone", || (open_streams(&server) == 20).then_some(()));
    drop(ends);
    eventually("those that ended are gone", || (open_streams(&server) == 0).then_some(()));
}

#[test]
fn readers_that_a_stop_sends_away_are_spread_over_the_seconds_after_it() {
    let mut server = Server::start();
    let mut streams: Vec<EventStream> = (0..200).map(|_| server.stream("")).collect();
    server.terminate();
    let mut counts = [0; 4];
    for stream in &mut streams {
        let items = stream.rest();
        let mut retries =
            items.iter().filter_map(|item| if let Item::Retry(ms) = item { Some(*ms) } else { None });
        let retry = retries.next_back().unwrap();
        assert!((1000..=5000).contains(&retry), "{retry}");
        counts[((retry - 1000) / 1000).min(3) as usize] += 1;
    }
    // Of 200 that fall evenly, fewer than 10 in a quarter are one run in a billion.
    assert!(counts.iter().all(|count| *count >= 10), "{counts:?}");
    assert_eq!(server.exit().code(), Some(0));
}

/// An event and what a filter may ask of it.
fn drafts() -> Vec<Value> {
    let kinds = ["a", "a.b", "a.b.c", "b"];
    let draft = |n: usize| {
        let mut draft = json!({
            "type": kinds[n % 4],
            "timestamp": format!("2026-01-01T00:00:{:02}Z", (n * 7) % 60),
            "data": {"n": n},
        });
        for (name, value) in [("pipeline", ["", "p", "q"][n % 3]), ("run_id", ["", "r"][n / 2 % 2])] {
            if !value.is_empty() {
                draft[name] = json!(value);
            }
        }
        draft
    };
    (0..120).map(draft).collect()
}

const TYPES: [&str; 4] = ["", "a", "a.*", "b,a.b.*"];
const TIMES: [&str; 2] = ["", "2026-01-01T00:00:21Z"];

fn matches(draft: &Value, [kind, pipeline, run, since, until]: [&str; 5]) -> bool {
    let name = draft["type"].as_str().unwrap();
    let time = draft["timestamp"].as_str().unwrap();
    let of_kind = match kind {
        "a.*" => name.starts_with("a."),
        "b,a.b.*" => name == "b" || name.starts_with("a.b."),
        exact => exact.is_empty() || name == exact,
    };
    let is = |member: &str, wanted: &str| wanted.is_empty() || draft[member] == wanted;
    of_kind
        && is("pipeline", pipeline)
        && is("run_id", run)
        && time >= since
        && (until.is_empty() || time < until)
}

/// Every event of all pages.
fn paged(server: &Server, query: &str) -> Vec<u64> {
    let (mut places, mut next) = (Vec::new(), String::new());
    loop {
        let page = server.list(&format!("?{query}&limit=7{next}"));
        places.extend(page["data"].as_array().unwrap().iter().map(|event| number(&event["sequence"])));
        next = format!("&cursor={}", page["next_cursor"].as_str().unwrap());
        if page["has_more"] == false {
            return places;
        }
    }
}

#[test]
fn every_combination_of_filters_finds_what_it_says_in_both_orders_and_in_a_replay() {
    let server = Server::start();
    let drafts = drafts();
    server.post("/api/v1/events/batch", &json!({"events": drafts})).must(201);
    for combination in 0..64 {
        let bit = |at: usize| combination >> at & 1;
        let asked = [
            TYPES[combination & 3],
            ["", "p"][bit(2)],
            ["", "r"][bit(3)],
            TIMES[bit(4)],
            ["", "2026-01-01T00:00:42Z"][bit(5)],
        ];
        let names = ["type", "pipeline", "run_id", "since", "until"];
        let given = names.iter().zip(asked).filter(|(_, value)| !value.is_empty());
        let query: String = given.map(|(name, value)| format!("{name}={value}&")).collect();
        let wanted: Vec<u64> =
            (1..).zip(&drafts).filter(|(_, draft)| matches(draft, asked)).map(|(place, _)| place).collect();
        assert_eq!(paged(&server, &format!("{query}order=asc")), wanted, "{query}");
        let mut backwards = paged(&server, &format!("{query}order=desc"));
        backwards.reverse();
        assert_eq!(backwards, wanted, "{query} backwards");
        let end = if bit(5) == 1 { "" } else { "until=2999-01-01T00:00:00Z" };
        let request = stream_request(&format!("?{query}{end}"), None);
        let mut replay = EventStream::open(server.address(), &request).unwrap().opened();
        let heard: Vec<u64> =
            replay.messages(wanted.len()).iter().map(crate::support::Message::sequence).collect();
        assert_eq!(heard, wanted, "{query} as a stream");
        assert_eq!(replay.message().event, "stream.end", "{query}");
    }
}

#[test]
fn what_is_no_cursor_of_a_list_is_400_and_not_an_empty_page() {
    let server = Server::start();
    server.publish(&json!({"type": "a", "id": "one", "data": {}}));
    for path in [
        "destinations",
        "event-types",
        "apps",
        "functions",
        "keys",
        "tenants",
        "invocations",
        "replays",
        "events/one/deliveries",
    ] {
        let ask = |cursor: &str| {
            server.send(&Request::get(&format!("/api/v1/{path}?cursor={cursor}")).key(OPERATOR))
        };
        for bad in ["", "%00", "~", "-1", "one two", &"x".repeat(200)].map(|bad| bad.replace(' ', "%20")) {
            // A tenant may have any name of those letters.
            if path != "tenants" || bad != "-1" {
                ask(&bad).problem(400);
            }
        }
    }
}

#[test]
fn keys_may_end_in_the_last_year_there_is_and_those_of_the_config_are_changed_there() {
    let server = Server::start();
    let forever = json!({"name": "a", "scopes": ["events:read"], "expires_at": "9999-12-31T23:59:59Z"});
    let made = server.post("/api/v1/keys", &forever).must(201);
    let token = made["key"].as_str().unwrap();
    server.send(&Request::get(EVENTS).key(token)).must(200);
    let listed = server.send(&Request::get("/api/v1/keys?limit=1000").key(ADMIN)).must(200);
    let declared = listed["data"].as_array().unwrap().iter().find(|key| key["declared"] == true).unwrap();
    let path = format!("/api/v1/keys/{}", declared["id"].as_str().unwrap());
    let refused = server.send(&Request::new("DELETE", &path).key(ADMIN)).problem(409);
    assert_eq!(refused["detail"], "it is declared in the config file: change it there");
}

#[test]
fn an_offer_of_another_protocol_is_declined_and_the_connection_s_end_is_announced() {
    let server = Server::start();
    // As clients say it that would rather speak HTTP/2, and keep connections unless they are told.
    let offer =
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABk\r\n";
    let send = |method: &str, more: &str| {
        let mut connection = Connection::open(server.address()).unwrap();
        let head =
            format!("{method} {EVENTS} HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {ADMIN}\r\n{offer}");
        connection.write((head + more).as_bytes()).unwrap();
        let answer = connection.answer(false).unwrap();
        assert_eq!(answer.header("Connection"), Some("close"), "{answer:?}");
        assert_eq!(answer.header("Upgrade"), None);
        assert!(connection.answer(false).is_err(), "nothing more comes");
        answer
    };
    let body = r#"{"type":"a","data":{}}"#;
    let length = body.len();
    for place in 1..=3 {
        let rest = format!("Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}");
        assert_eq!(send("POST", &rest).must(201)["sequence"], place);
    }
    assert_eq!(send("GET", "\r\n").must(200)["data"].as_array().unwrap().len(), 3);
}
