//! Starting, stopping, and what stands in the way of both.

use crate::harness::{ADMIN, Broker, PUBLISHER, READER, until};
use std::process::{Command, Output};

fn campanile(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_campanile")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_second_process_on_the_same_folder_is_told_so() {
    let broker = Broker::start("");
    let data = broker.data().display().to_string();
    let second = campanile(&["serve", "--listen", "127.0.0.1:0", "--data", &data]);
    assert_eq!(second.status.code(), Some(75));
    assert!(text(&second.stderr).contains("in use by another process"), "{}", text(&second.stderr));
    broker.get(READER, "/api/v1/events").expect(200);
}

#[test]
fn a_wrong_config_names_its_mistakes_and_exits_78() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, "[server]\nlisten = 8080\nnothing = 1\n").unwrap();
    let path = path.display().to_string();
    for arguments in [["serve", "--config", &path].as_slice(), &["check", &path]] {
        let ended = campanile(arguments);
        assert_eq!(ended.status.code(), Some(78));
        let said = text(&ended.stderr);
        assert!(
            said.contains("config.toml:2:1: server.listen")
                && said.contains("config.toml:3:1: server.nothing"),
            "{said}"
        );
    }
    assert_eq!(campanile(&["serve", "--dev", "--listen", "0.0.0.0:0"]).status.code(), Some(78));
    assert_eq!(campanile(&["check", "config.toml"]).status.code(), Some(0));
}

#[test]
fn a_foreign_file_is_not_touched() {
    let mut broker = Broker::start("");
    broker.publish(r#"{"type":"a","data":{}}"#).expect(201);
    broker.terminate();
    let segment = broker.data().join("log-00000000000000000001.redb");
    std::fs::write(&segment, b"this is something else").unwrap();
    let data = broker.data().display().to_string();
    let ended = campanile(&["serve", "--listen", "127.0.0.1:0", "--data", &data]);
    assert_eq!(ended.status.code(), Some(74), "{}", text(&ended.stderr));
    assert!(text(&ended.stderr).contains("log-00000000000000000001.redb"));
    assert_eq!(std::fs::read(&segment).unwrap(), b"this is something else");
}

#[test]
fn a_backup_is_the_log_and_goes_on_with_other_sequences() {
    let mut broker = Broker::start("");
    for _ in 0..10 {
        broker.publish(r#"{"type":"a","data":{}}"#).expect(201);
    }
    broker.terminate();
    let data = broker.data().display().to_string();
    let copy = broker.folder.path().join("copy");
    let ended = campanile(&["db", "backup", &copy.display().to_string(), "--data", &data]);
    assert!(ended.status.success(), "{}", text(&ended.stderr));
    let verified = campanile(&["db", "verify", "--json", "--data", &data]);
    assert_eq!(text(&verified.stdout).trim(), r#"{"corrupt":[],"events":10}"#);
    assert!(text(&campanile(&["db", "stats", "--data", &data]).stdout).contains("head_sequence: 10"));
    assert!(campanile(&["db", "compact", "--data", &data]).status.success());
    std::fs::remove_dir_all(broker.data()).unwrap();
    std::fs::rename(copy, broker.data()).unwrap();
    broker.run();
    let page = broker.get(READER, "/api/v1/events").expect(200);
    assert_eq!(page["data"].as_array().unwrap().len(), 10);
    let next = broker.publish(r#"{"type":"a","data":{}}"#).expect(201)["sequence"].as_u64().unwrap();
    assert!(next > 1 << 32);
    let page = broker.get(READER, "/api/v1/events?cursor=10").expect(200);
    assert_eq!(page["data"][0]["sequence"], next);
}

#[test]
fn a_full_volume_refuses_events_and_recovers_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let mount = folder.path().display().to_string();
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=24m", "tmpfs", &mount]).status().unwrap();
    assert!(mounted.success(), "this test mounts a small volume and so needs root");
    let broker = Broker::start(&format!("[storage]\npath = \"{mount}/data\"\nmin_free = \"8MiB\"\n"));
    let pad = "x".repeat(100_000);
    let body = format!(r#"{{"type":"a","data":{{"pad":"{pad}"}}}}"#);
    let mut acknowledged = 0;
    let refused = loop {
        let answer = broker.publish(&body);
        if answer.status != 201 {
            break answer;
        }
        acknowledged += 1;
        assert!(acknowledged < 1000, "the volume never fills");
    };
    assert!(refused.header("retry-after").is_some());
    assert_eq!(refused.problem(503)["type"], "storage_full");
    broker.request("GET", "/readyz", &[], b"").problem(503);
    assert_eq!(broker.get(READER, "/api/v1/events").json()["head_cursor"], acknowledged.to_string());
    broker.post(ADMIN, "/api/v1/keys", r#"{"name":"x","scopes":["events:read"]}"#).expect(201);
    let grown = Command::new("mount").args(["-o", "remount,size=64m", &mount]).status().unwrap();
    assert!(grown.success());
    until("service is back", || broker.publish(&body).status == 201);
    assert_eq!(broker.get(READER, "/api/v1/events").json()["head_cursor"], (acknowledged + 1).to_string());
    drop(broker);
    assert!(Command::new("umount").arg(&mount).status().unwrap().success());
}

#[test]
fn no_answer_201_is_written_before_its_fsync() {
    let mut broker = Broker::start("");
    broker.terminate();
    let trace = broker.folder.path().join("trace");
    broker.run_traced(&trace);
    for n in 0..30 {
        broker.publish(&format!(r#"{{"type":"a","data":{{"n":{n}}}}}"#)).expect(201);
    }
    broker.terminate_traced();
    let trace = std::fs::read_to_string(&trace).unwrap();
    let (mut synced_since_request, mut answered) = (false, 0);
    for line in trace.lines() {
        if line.contains("POST /api/v1/events") {
            synced_since_request = false;
        } else if (line.contains("fdatasync") || line.contains("fsync")) && line.contains("= 0") {
            synced_since_request = true;
        } else if line.contains("HTTP/1.1 201") {
            assert!(synced_since_request, "an answer before its fsync: {line}");
            answered += 1;
        }
    }
    assert_eq!(answered, 30);
}

#[test]
fn the_command_line_publishes_follows_and_verifies() {
    let broker = Broker::start("");
    let url = format!("http://{}", broker.address);
    let published =
        campanile(&["publish", "a.b", "--data", r#"{"n":1}"#, "--url", &url, "--key", PUBLISHER, "--json"]);
    assert!(text(&published.stdout).contains(r#""sequence":1"#), "{}", text(&published.stderr));
    let followed = campanile(&["tail", "--after", "0", "--count", "1", "--url", &url, "--key", READER]);
    assert!(text(&followed.stdout).starts_with("1 a.b {"), "{}", text(&followed.stderr));
    let refused = campanile(&["publish", "a b", "--url", &url, "--key", PUBLISHER]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("422"));
    let made = campanile(&["keys", "create", "ci", "--scope", "events:read", "--url", &url, "--key", ADMIN]);
    assert!(text(&made.stdout).starts_with("cmp_"));
    assert!(text(&campanile(&["keys", "list", "--url", &url, "--key", ADMIN]).stdout).contains("ci"));
}

#[test]
fn the_first_start_prints_a_key_once() {
    let folder = tempfile::tempdir().unwrap();
    let demo = folder.path().join("demo").display().to_string();
    let played = campanile(&["demo", "--exit", "--listen", "127.0.0.1:0", "--data", &demo]);
    let said = text(&played.stdout);
    assert!(played.status.success(), "{}", text(&played.stderr));
    for wanted in ["published", "verified", "streamed", "polled"] {
        assert_eq!(said.lines().filter(|line| line.trim_start().starts_with(wanted)).count(), 5, "{said}");
    }
}

#[test]
fn a_log_goes_out_as_text_and_comes_back_with_its_keys_destinations_and_places() {
    let mut broker = Broker::start("");
    for n in 0..10 {
        broker.publish(&format!("{{\"type\":\"a\",\"data\":{{\"n\":\n{n}.0}}}}")).expect(201);
    }
    let key = broker.post(ADMIN, "/api/v1/keys", r#"{"name":"x","scopes":["events:read"]}"#).expect(201);
    let key = key["key"].as_str().unwrap().to_owned();
    let destination = r#"{"url":"https://example.com/hook","events":["a"],"verification":"none"}"#;
    let made = broker.post(ADMIN, "/api/v1/destinations", destination).expect(201);
    let before = broker.get(READER, "/api/v1/events").expect(200);
    broker.kill();
    let data = broker.data().display().to_string();
    let text_file = broker.folder.path().join("log.ndjson").display().to_string();
    let ended = campanile(&["db", "export", "--output", &text_file, "--data", &data]);
    assert!(ended.status.success(), "{}", text(&ended.stderr));
    let to_pipe = campanile(&["db", "export", "--data", &data]);
    assert_eq!(text(&to_pipe.stdout), std::fs::read_to_string(&text_file).unwrap());
    let refused = campanile(&["db", "import", &text_file, "--data", &data]);
    assert_eq!(refused.status.code(), Some(73), "{}", text(&refused.stderr));
    let secret = broker.folder.path().join("secret.key");
    std::fs::copy(broker.data().join("secret.key"), &secret).unwrap();
    std::fs::remove_dir_all(broker.data()).unwrap();
    let ended = campanile(&["db", "import", &text_file, "--json", "--data", &data]);
    assert!(text(&ended.stderr).contains("secret.key"), "{}", text(&ended.stderr));
    assert!(text(&ended.stdout).contains(r#""events":10"#), "{}", text(&ended.stdout));
    std::fs::copy(secret, broker.data().join("secret.key")).unwrap();
    broker.run();
    let after = broker.get(&key, "/api/v1/events").expect(200);
    assert_eq!(after["data"], before["data"]);
    let path = format!("/api/v1/destinations/{}", made["id"].as_str().unwrap());
    let kept = broker.get(ADMIN, &path).expect(200);
    assert_eq!(kept["url"], "https://example.com/hook");
    let next = broker.publish(r#"{"type":"a","data":{}}"#).expect(201)["sequence"].as_u64().unwrap();
    assert!(next > 1 << 32);
}

#[test]
fn a_folder_that_is_made_is_its_owners_alone_and_one_that_was_there_stays_as_it_was() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let (made, copied) = (folder.path().join("one/two"), folder.path().join("copy"));
    let log = made.display().to_string();
    std::fs::create_dir(folder.path().join("there")).unwrap();
    std::fs::set_permissions(folder.path().join("there"), std::fs::Permissions::from_mode(0o750)).unwrap();
    let export = folder.path().join("events.ndjson").display().to_string();
    let mut broker = Broker::start("");
    broker.publish(r#"{"type":"a","data":{}}"#).expect(201);
    broker.terminate();
    let data = broker.data().display().to_string();
    let ended = campanile(&["db", "backup", &copied.display().to_string(), "--data", &data]);
    assert_eq!((ended.status.code(), mode(&copied)), (Some(0), 0o700), "{}", text(&ended.stderr));
    let data = copied.display().to_string();
    assert_eq!(campanile(&["db", "export", "--output", &export, "--data", &data]).status.code(), Some(0));
    assert_eq!(campanile(&["db", "import", &export, "--data", &log]).status.code(), Some(0));
    assert_eq!(mode(&made), 0o700);
    let there = folder.path().join("there");
    assert_eq!(
        campanile(&["db", "import", &export, "--data", &there.display().to_string()]).status.code(),
        Some(0)
    );
    assert_eq!(mode(&there), 0o750);
}
