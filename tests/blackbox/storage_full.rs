//! A volume that runs full and gets space again.

use crate::support::{ADMIN, READER, Request, Server, Settings, eventually, number};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small volume of its own; unmounted when dropped. Needs the right to mount.
pub(crate) struct Volume(PathBuf);

impl Volume {
    #[track_caller]
    pub(crate) fn mount(folder: &Path, options: &str) -> Self {
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(folder).output();
        let mount = mount.expect("mount is installed");
        let said = String::from_utf8_lossy(&mount.stderr).into_owned();
        assert!(mount.status.success(), "these tests mount small volumes and must be run by root: {said}");
        Self(folder.to_owned())
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(&self.0).status().ok();
    }
}

fn publish(server: &Server, n: usize) -> crate::support::Response {
    let draft = json!({"type": "a", "id": format!("event-{n}"), "data": {"n": n, "s": "x".repeat(60_000)}});
    server.send(&Request::post("/api/v1/events").key(ADMIN).json(&draft))
}

fn ids_in_log(server: &Server) -> Vec<String> {
    let mut ids = Vec::new();
    let mut cursor = "0".to_owned();
    loop {
        let page = server.list(&format!("?limit=50&cursor={cursor}"));
        let events = page["data"].as_array().unwrap();
        ids.extend(events.iter().map(|event| event["id"].as_str().unwrap().to_owned()));
        if page["has_more"] == false {
            return ids;
        }
        cursor = crate::support::text_of(&page["next_cursor"]);
    }
}

#[test]
fn a_full_volume_refuses_publishes_serves_reads_and_recovers_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let volume = Volume::mount(folder.path(), "size=48m");
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let mut server = Settings::new().with("storage.min_free", r#""4MiB""#).data_in(&data).start();
    publish(&server, 0).must(201);
    let ballast = folder.path().join("ballast");
    let mut acknowledged = vec!["event-0".to_owned()];
    let refused = fill_until_refused(&server, &ballast, &mut acknowledged);
    let problem = refused.problem(503);
    assert!(problem["type"].as_str().unwrap().contains("storage_full"), "{problem}");
    assert!(refused.header("Retry-After").is_some_and(|value| value.parse::<u32>().is_ok()), "{refused:?}");

    assert_eq!(ids_in_log(&server), acknowledged, "reads go on");
    assert_eq!(server.send(&Request::get("/healthz")).status, 200);
    assert_eq!(server.send(&Request::get("/readyz")).status, 503, "not ready while the log refuses writes");
    assert_eq!(server.stream_from("", Some("0")).messages(3).len(), 3);

    fs::remove_file(&ballast).ok();
    let again = eventually("service after space is freed", || {
        let answer = publish(&server, 100_000);
        assert!(matches!(answer.status, 200 | 201 | 503), "{answer:?}");
        (answer.status != 503).then_some(answer)
    });
    assert_eq!(
        number(&again.json()["sequence"]),
        acknowledged.len() as u64 + 1,
        "a refused publish took no place"
    );
    acknowledged.push("event-100000".to_owned());
    server.wait_for_status(&Request::get("/readyz"), 200);
    assert_eq!(ids_in_log(&server), acknowledged);

    server.crash();
    assert_eq!(ids_in_log(&server), acknowledged, "nothing acknowledged is lost");
    drop(server);
    drop(volume);
}

/// Takes most of the volume away, then publishes until that is refused.
fn fill_until_refused(
    server: &Server,
    ballast: &Path,
    acknowledged: &mut Vec<String>,
) -> crate::support::Response {
    fs::write(ballast, vec![0; 24 << 20]).expect("there is room for the ballast");
    for n in 1..2000 {
        let answer = publish(server, n);
        if answer.status != 201 {
            return answer;
        }
        acknowledged.push(format!("event-{n}"));
    }
    panic!("the volume does not run full");
}

#[test]
fn a_volume_filled_by_others_to_the_last_byte_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let volume = Volume::mount(folder.path(), "size=24m");
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    // The mark is so low that writes fail before it is reached.
    let mut server = Settings::new().with("storage.min_free", r#""1KiB""#).data_in(&data).start();
    let mut acknowledged: Vec<String> = Vec::new();
    for n in 0..10 {
        publish(&server, n).must(201);
        acknowledged.push(format!("event-{n}"));
    }
    let ballast = folder.path().join("ballast");
    fill(&ballast);
    let mut uncertain = Vec::new();
    for n in 10..400 {
        let answer = publish(&server, n);
        match answer.status {
            201 => acknowledged.push(format!("event-{n}")),
            503 => {
                let kind = answer.problem(503)["type"].as_str().unwrap().to_owned();
                assert!(kind.contains("storage_full") || kind.contains("commit_unknown"), "{kind}");
                uncertain.push(format!("event-{n}"));
            }
            other => panic!("{other}: {answer:?}"),
        }
        if uncertain.len() >= 5 {
            break;
        }
    }
    assert!(!uncertain.is_empty(), "the volume does not run full");
    fs::remove_file(&ballast).unwrap();
    eventually("service after space is freed", || (publish(&server, 100_000).status != 503).then_some(()));
    acknowledged.push("event-100000".to_owned());
    let check = |server: &Server| {
        let ids = ids_in_log(server);
        let kept: Vec<&String> = ids.iter().filter(|id| !uncertain.contains(id)).collect();
        assert_eq!(kept, acknowledged.iter().collect::<Vec<_>>());
        let mut once = ids.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), ids.len(), "nothing is there twice");
    };
    check(&server);
    server.crash();
    check(&server);
    drop(server);
    drop(volume);
}

/// Fills what is left of a volume.
fn fill(path: &Path) {
    use std::io::Write;
    let mut file = fs::File::create(path).unwrap();
    for piece in [1 << 16, 1 << 12, 1] {
        while file.write_all(&vec![0; piece]).is_ok() {}
    }
}

#[test]
fn destinations_keep_their_progress_over_a_full_volume() {
    let folder = tempfile::tempdir().unwrap();
    let volume = Volume::mount(folder.path(), "size=48m");
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let server = Settings::new().with("storage.min_free", r#""4MiB""#).data_in(&data).start();
    let receiver = crate::support::Receiver::willing();
    server.post("/api/v1/destinations", &receiver.destination()).must(201);
    let ballast = folder.path().join("ballast");
    let mut acknowledged: Vec<String> = Vec::new();
    publish(&server, 0).must(201);
    acknowledged.push("event-0".to_owned());
    fill_until_refused(&server, &ballast, &mut acknowledged).problem(503);
    fs::remove_file(&ballast).ok();
    eventually("service after space is freed", || (publish(&server, 100_000).status != 503).then_some(()));
    acknowledged.push("event-100000".to_owned());
    eventually("every event at the endpoint", || {
        let deliveries = receiver.deliveries();
        let heard: HashSet<&str> = deliveries.iter().map(crate::support::Delivery::event_id).collect();
        acknowledged.iter().all(|id| heard.contains(id.as_str())).then_some(())
    });
    let page = server.send(&Request::get("/api/v1/events?limit=1").key(READER)).must(200);
    assert!(page["head_cursor"] != Value::Null);
    drop(server);
    drop(volume);
}
