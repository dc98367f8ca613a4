//! The console as a browser meets it: files with what keeps a page safe, and sessions that no other site can use.

use crate::support::{ADMIN, Connection, PUBLISHER, READER, Request, Response, STRANGER, Server, Settings};
use serde_json::{Value, json};

/// What the page loads from this broker.
fn loaded_by(page: &str) -> Vec<String> {
    let parts = page.split(['"']).filter(|part| part.starts_with("console/"));
    parts.map(|path| format!("/{path}")).collect()
}

fn sign_in(key: &str) -> Request {
    Request::post("/api/v1/session").header("X-Campanile-Session", "1").json(&json!({"key": key}))
}

/// The cookie of a session, as a browser sends it back.
#[track_caller]
fn cookie_of(answer: &Response) -> String {
    answer.must(201);
    let cookie = answer.header("Set-Cookie").unwrap();
    for attribute in ["Path=/", "HttpOnly", "SameSite=Strict", "Max-Age=43200"] {
        assert!(cookie.split("; ").any(|part| part == attribute), "{attribute} is missing in {cookie}");
    }
    cookie.split(';').next().unwrap().to_owned()
}

fn with(cookie: &str, request: Request) -> Request {
    request.header("Cookie", cookie).header("X-Campanile-Session", "1")
}

#[test]
fn the_page_and_its_files_need_no_key_and_are_kept_by_hash() {
    let server = Server::start();
    let page = server.send(&Request::get("/"));
    assert_eq!((page.status, page.header("Content-Type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!(page.header("Cache-Control"), Some("no-cache"));
    let files = loaded_by(&page.text());
    assert!(files.len() > 10 && files.iter().any(|path| path.ends_with("/app.js")), "{files:?}");
    for path in &files {
        let file = server.send(&Request::get(path));
        assert_eq!(file.status, 200, "{path}");
        assert_eq!(file.header("Cache-Control"), Some("public, max-age=31536000, immutable"), "{path}");
        assert!(!file.body.is_empty());
    }
    let known = server.send(&Request::get("/").header("If-None-Match", page.header("ETag").unwrap()));
    assert_eq!((known.status, known.body.len()), (304, 0));
    assert_eq!(server.send(&Request::get("/").header("If-None-Match", "\"other\"")).status, 200);
    server.send(&Request::get("/?x=1")).problem(400);
}

#[test]
fn files_are_compressed_for_who_takes_it_and_small_altogether() {
    let server = Server::start();
    let page = server.send(&Request::get("/"));
    let mut sent = 0;
    for path in loaded_by(&page.text()) {
        let plain = server.send(&Request::get(&path));
        assert_eq!(plain.header("Content-Encoding"), None);
        let gzip = server.send(&Request::get(&path).header("Accept-Encoding", "br, gzip;q=0.5"));
        assert_eq!(gzip.header("Content-Encoding"), Some("gzip"), "{path}");
        assert_eq!(gzip.header("Vary"), Some("Accept-Encoding"));
        assert_eq!(gzip.body[..2], [0x1f, 0x8b], "{path}");
        assert!(plain.body.len() < 1000 || gzip.body.len() < plain.body.len() * 2 / 3, "{path}");
        let refused = server.send(&Request::get(&path).header("Accept-Encoding", "gzip;q=0"));
        assert_eq!(refused.body, plain.body);
        sent += plain.body.len();
    }
    assert!(sent < 300 * 1024, "{sent} bytes");
}

#[test]
fn nothing_runs_in_the_page_but_its_own_files() {
    let server = Server::start();
    let page = server.send(&Request::get("/"));
    let files = loaded_by(&page.text());
    let script = files.iter().find(|path| path.ends_with("/app.js")).unwrap();
    for path in ["/", script] {
        let answer = server.send(&Request::get(path));
        let policy = answer.header("Content-Security-Policy").unwrap();
        let directives: Vec<&str> = policy.split(';').map(str::trim).collect();
        for wanted in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(directives.contains(&wanted), "{wanted} is missing in {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("http") && !policy.contains('*'), "{policy}");
        assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"));
        assert_eq!(answer.header("X-Frame-Options"), Some("DENY"));
        assert_eq!(answer.header("Referrer-Policy"), Some("no-referrer"));
        assert_eq!(answer.header("Cross-Origin-Opener-Policy"), Some("same-origin"));
    }
    let text = page.text();
    assert!(!text.contains("<style") && !text.contains(" style=") && !text.contains("<script>"), "{text}");
}

#[test]
fn other_files_and_other_versions_are_not_there() {
    let server = Server::start();
    let page = server.send(&Request::get("/"));
    let files = loaded_by(&page.text());
    let folder = files[0].split('/').nth(2).unwrap();
    for path in [
        "/console".to_owned(),
        "/console/".to_owned(),
        "/console/0123456789abcdef/app.js".to_owned(),
        format!("/console/{folder}/"),
        format!("/console/{folder}/index.html"),
        format!("/console/{folder}/../mod.rs"),
        format!("/console/{folder}/%2e%2e/%2e%2e/Cargo.toml"),
        format!("/console/{folder}/lib//api.js"),
        format!("/console/{folder}/NOTICE"),
    ] {
        server.send(&Request::get(&path)).problem(404);
    }
    server.send(&Request::post(&files[0])).problem(405);
}

#[test]
fn a_key_becomes_a_cookie_that_does_what_the_key_may() {
    let server = Server::start();
    let answer = server.send(&sign_in(READER));
    let cookie = cookie_of(&answer);
    assert!(!cookie.contains(READER));
    let shown = answer.json();
    assert_eq!(shown["may"], json!(["events:read"]));
    assert_eq!((&shown["tenant"], &shown["key"]["name"]), (&json!("default"), &json!(READER)));
    assert!(shown["expires_at"].is_string());
    assert_eq!(server.send(&with(&cookie, Request::get("/api/v1/session"))).must(200), shown);
    server.send(&with(&cookie, Request::get("/api/v1/events"))).must(200);
    server.send(&with(&cookie, Request::get("/api/v1/destinations"))).problem(403);
    server.send(&with(&cookie, Request::post("/api/v1/stream-tickets"))).must(201);
    let by_key = server.send(&Request::get("/api/v1/session").key(ADMIN)).must(200);
    assert!(by_key["may"].as_array().unwrap().contains(&json!("events:publish")), "{by_key}");
    assert_eq!(by_key["expires_at"], Value::Null);
}

#[test]
fn a_session_sees_its_own_tenant_and_an_authorization_header_goes_first() {
    let server = Server::start();
    let id = server.publish(&json!({"type": "a", "data": {}}))["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/events/{id}");
    let stranger = cookie_of(&server.send(&sign_in(STRANGER)));
    server.send(&with(&stranger, Request::get(&path))).problem(404);
    server.send(&with(&stranger, Request::get(&path)).key(READER)).must(200);
    server.send(&with(&stranger, Request::get(&path)).key("wrong")).problem(401);
}

#[test]
fn the_cookie_alone_is_worth_nothing() {
    let server = Server::start();
    let cookie = cookie_of(&server.send(&sign_in(ADMIN)));
    let draft = json!({"type": "a", "data": {}});
    let publish = || Request::post("/api/v1/events").json(&draft);
    server.send(&publish().header("Cookie", &cookie)).problem(401);
    server.send(&Request::get("/api/v1/events").header("Cookie", &cookie)).problem(401);
    for (name, value) in [
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("Sec-Fetch-Site", "none"),
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
        ("Origin", "http://campanile.test:8081"),
    ] {
        let refused = server.send(&with(&cookie, publish()).header(name, value)).problem(403);
        assert_eq!(refused["type"], "cross_site", "{name}: {value}");
        server.send(&sign_in(ADMIN).header(name, value)).problem(403);
    }
    assert_eq!(server.head(), 0, "nothing was published");
    server.send(&with(&cookie, publish()).header("Origin", "http://campanile.test")).must(201);
    server.send(&with(&cookie, publish()).header("Sec-Fetch-Site", "same-origin")).must(201);
}

#[test]
fn other_origins_are_not_let_send_what_a_session_needs() {
    let server = Settings::new().with("server.cors_origins", r#"["https://app.example"]"#).start();
    let preflight = Request::new("OPTIONS", "/api/v1/events")
        .header("Origin", "https://app.example")
        .header("Access-Control-Request-Method", "GET")
        .header("Access-Control-Request-Headers", "x-campanile-session");
    let answer = server.send(&preflight);
    let allowed = answer.header("Access-Control-Allow-Headers").unwrap().to_ascii_lowercase();
    assert!(!allowed.contains("session"), "{allowed}");
    assert_eq!(answer.header("Access-Control-Allow-Credentials"), None);
}

#[test]
fn what_is_no_sign_in_makes_no_session() {
    let server = Server::start();
    let plain = |body: Value| Request::post("/api/v1/session").header("X-Campanile-Session", "1").json(&body);
    server.send(&plain(json!({"key": "wrong"}))).problem(401);
    server.send(&plain(json!({"key": ""}))).problem(401);
    server.send(&plain(json!({"key": 5}))).problem(422);
    server.send(&plain(json!({}))).problem(422);
    server.send(&plain(json!({"key": READER, "more": 1}))).problem(422);
    server.send(&Request::post("/api/v1/session").json(&json!({"key": READER}))).problem(400);
    let form = Request::post("/api/v1/session").header("X-Campanile-Session", "1");
    server.send(&form.body("application/x-www-form-urlencoded", format!("key={READER}"))).problem(415);
    for cookie in ["campanile_session=", "campanile_session=AAAA", "other=1", "campanile_session", ";;=;"] {
        server.send(&with(cookie, Request::get("/api/v1/events"))).problem(401);
    }
}

#[test]
fn a_session_survives_a_restart_and_ends_by_signing_out_or_with_its_key() {
    let mut server = Server::start();
    let first = cookie_of(&server.send(&sign_in(PUBLISHER)));
    let second = cookie_of(&server.send(&sign_in(PUBLISHER)));
    assert_ne!(first, second);
    let ask = |cookie: &str| with(cookie, Request::get("/api/v1/session"));
    server.restart();
    server.send(&ask(&first)).must(200);
    let out = server.send(&with(&first, Request::new("DELETE", "/api/v1/session")));
    assert_eq!(out.status, 204);
    assert!(out.header("Set-Cookie").unwrap().contains("Max-Age=0"), "{out:?}");
    server.send(&ask(&first)).problem(401);
    server.send(&ask(&second)).must(200);
    let made = server.post("/api/v1/keys", &json!({"name": "k", "scopes": ["events:read"]})).must(201);
    let third = cookie_of(&server.send(&sign_in(made["key"].as_str().unwrap())));
    server.send(&ask(&third)).must(200);
    let gone = format!("/api/v1/keys/{}", made["id"].as_str().unwrap());
    assert_eq!(server.send(&Request::new("DELETE", &gone).key(ADMIN)).status, 204);
    server.send(&ask(&third)).problem(401);
}

#[test]
fn a_cookie_is_for_tls_only_when_the_page_came_by_it() {
    let server = Server::start();
    let secure = server.send(&sign_in(READER).header("Origin", "https://campanile.test"));
    assert!(secure.header("Set-Cookie").unwrap().ends_with("; Secure"));
    assert!(!server.send(&sign_in(READER)).header("Set-Cookie").unwrap().contains("Secure"));
    // Two cookies of one name: a browser sends the more specific one first.
    let cookie = cookie_of(&secure);
    let mut connection = Connection::open(server.address()).unwrap();
    let both = with(&format!("{cookie}; campanile_session=old"), Request::get("/api/v1/session"));
    connection.exchange(&both).unwrap().must(200);
}
