//! Killed at chosen system calls, one after the other, instead of at random moments.

use crate::crash::Dice;
use crate::support::{ADMIN, Connection, Request, Server, Settings, text_of};
use serde_json::{Value, json};

/// A server that is killed when a thread of it makes its `when`-th call of this name.
fn killed_at(call: &str, when: usize) -> Settings {
    let inject = format!("inject={call}:signal=KILL:when={when}");
    let trace = format!("trace={call}");
    Settings::new().under(&["strace", "-D", "-f", "-o", "/dev/null", "-e", &trace, "-e", &inject])
}

#[test]
fn a_first_start_that_is_killed_at_any_write_or_sync_is_simply_begun_again() {
    let mut kills = 0;
    for call in ["ftruncate", "pwrite64", "fdatasync", "fsync", "rename", "fallocate"] {
        for when in 1.. {
            let Some(mut server) = killed_at(call, when).start_to_be_killed() else { break };
            kills += 1;
            server.start_plainly();
            assert_eq!(server.head(), 0, "{call} {when}");
            server.publish_many("a", 1);
        }
    }
    println!("{kills} kills");
    assert!(kills >= 20, "only {kills} kills: the calls are no longer those that matter");
}

/// Large enough that a few dozen fill a file of the log.
fn draft(n: usize) -> Value {
    json!({"type": "a", "id": format!("event-{n}"), "data": {"n": n, "s": "x".repeat(60_000)}})
}

/// Publishes until the server is gone; gives what was acknowledged, with its sequence.
fn publish_until_killed(server: &Server, most: usize) -> Vec<(String, u64)> {
    let mut acknowledged = Vec::new();
    let Ok(mut connection) = Connection::open(server.address()) else { return acknowledged };
    for n in 0..most {
        let Ok(answer) = connection.exchange(&Request::post("/api/v1/events").key(ADMIN).json(&draft(n)))
        else {
            break;
        };
        let event = answer.must(201);
        acknowledged.push((text_of(&event["id"]), event["sequence"].as_u64().unwrap()));
    }
    acknowledged
}

fn whole_log(server: &Server) -> Vec<(String, u64)> {
    let page = server.list("?limit=1000");
    let events = page["data"].as_array().unwrap();
    events.iter().map(|event| (text_of(&event["id"]), event["sequence"].as_u64().unwrap())).collect()
}

/// Kills at one point, starts again, and compares what is there with what was promised.
fn survives(call: &str, when: usize) -> bool {
    const MOST: usize = 40;
    let settings = killed_at(call, when).with("storage.segment_bytes", r#""1MiB""#);
    let Some(mut server) = settings.start_or_killed() else { return false };
    let acknowledged = publish_until_killed(&server, MOST);
    let killed = acknowledged.len() < MOST;
    server.kill();
    server.start_plainly();
    let log = whole_log(&server);
    assert_eq!(log[..acknowledged.len()], acknowledged, "{call} {when}");
    assert!(log.len() <= acknowledged.len() + 1, "{call} {when}: {} of {}", log.len(), acknowledged.len());
    for n in acknowledged.len()..acknowledged.len() + 2 {
        let again = server.send(&Request::post("/api/v1/events").key(ADMIN).json(&draft(n)));
        assert!(matches!(again.status, 200 | 201), "{call} {when}: {again:?}");
    }
    let ids: Vec<String> = whole_log(&server).into_iter().map(|(id, _)| id).collect();
    let expected: Vec<String> = (0..acknowledged.len() + 2).map(|n| format!("event-{n}")).collect();
    assert_eq!(ids, expected, "{call} {when}: each once, in the order of publishing");
    killed
}

#[test]
fn killed_at_any_write_or_sync_of_a_commit_or_of_a_new_file_nothing_acknowledged_is_lost() {
    let mut dice = Dice::new(11);
    let mut kills = 0;
    for (call, step) in [("fdatasync", 4), ("fsync", 2), ("pwrite64", 12), ("ftruncate", 2), ("rename", 1)] {
        let mut when = 1;
        for _ in 0..12 {
            when += 1 + usize::try_from(dice.below(step)).unwrap();
            kills += usize::from(survives(call, when));
        }
    }
    println!("{kills} kills");
    assert!(kills >= 20, "only {kills} kills: the calls are no longer those that matter");
}
