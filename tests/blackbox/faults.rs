//! Folders that are not as they should be: shared, foreign, read-only, damaged. Each is refused with words.

use crate::support::{ADMIN, PATIENCE, Request, Server, Settings, eventually, exit_of, spawn_binary};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Starts a server with this data folder and gives how it ended and what it said.
fn refused_start(folder: &Path, data: &Path) -> (Option<i32>, String) {
    let config = folder.join("second.toml");
    let port = crate::support::free_port();
    fs::write(
        &config,
        format!("server.listen = \"127.0.0.1:{port}\"\nstorage.path = \"{}\"\n", data.display()),
    )
    .unwrap();
    let path = folder.join("second.log");
    let output = OpenOptions::new().create(true).append(true).open(&path).unwrap();
    let mut child = spawn_binary(&[], &config, &output);
    let status = exit_of(&mut child, PATIENCE);
    let said = fs::read_to_string(&path).unwrap();
    let status = status.unwrap_or_else(|| panic!("it started all the same: {said}"));
    assert!(!said.contains("panicked"), "{said}");
    (status.code(), said)
}

/// Every file of a folder and those below it.
fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.flat_map(|path| if path.is_dir() { files_in(&path) } else { vec![path] }).collect();
    files.sort();
    files
}

/// The files of events, not the control file.
fn segments(data: &Path) -> Vec<PathBuf> {
    let is_segment = |path: &PathBuf| {
        let name = path.strip_prefix(data).unwrap().to_string_lossy().into_owned();
        let holds_events =
            name.contains("segment") || name.contains("events") || name.chars().any(|c| c.is_ascii_digit());
        path.extension().is_some_and(|extension| extension == "redb") && holds_events
    };
    files_in(data).into_iter().filter(is_segment).collect()
}

#[test]
fn a_second_process_on_the_same_folder_is_refused_and_the_first_goes_on() {
    let server = Server::start();
    server.publish_many("a", 3);
    let (code, said) = refused_start(server.folder(), &server.data());
    assert!(code.is_some_and(|code| code != 0), "{code:?}");
    let words = said.to_lowercase();
    assert!(["another", "in use", "locked", "already"].iter().any(|word| words.contains(word)), "{said}");
    assert!(said.contains(&*server.data().to_string_lossy()), "it names the folder: {said}");
    server.publish_many("a", 1);
    assert_eq!(server.head(), 4);
}

#[test]
fn a_folder_is_free_again_after_a_crash() {
    let mut server = Server::start();
    server.publish_many("a", 3);
    for _ in 0..3 {
        server.crash();
        assert_eq!(server.head(), 3);
    }
}

#[test]
fn a_foreign_file_in_the_place_of_events_is_named_and_refused() {
    let mut server = Server::start();
    server.publish_many("a", 3);
    server.terminate();
    assert!(server.exit().success());
    let segments = segments(&server.data());
    let newest = segments.last().unwrap_or_else(|| panic!("no segment in {:?}", files_in(&server.data())));
    let kept = fs::read(newest).unwrap();
    fs::write(newest, "this is no database\n".repeat(5000)).unwrap();
    let (code, said) = refused_start(server.folder(), &server.data());
    assert!(code.is_some_and(|code| code != 0), "{code:?}");
    assert!(said.contains(&*newest.file_name().unwrap().to_string_lossy()), "it names the file: {said}");
    fs::write(newest, kept).unwrap();
    server.spawn();
    server.wait_until_ready();
    assert_eq!(server.head(), 3, "nothing was touched");
}

#[test]
fn a_foreign_control_file_is_named_and_refused() {
    let mut server = Server::start();
    server.publish_many("a", 3);
    server.terminate();
    assert!(server.exit().success());
    let segments = segments(&server.data());
    let control = files_in(&server.data())
        .into_iter()
        .find(|path| path.extension().is_some_and(|ext| ext == "redb") && !segments.contains(path));
    let Some(control) = control else { panic!("no control file in {:?}", files_in(&server.data())) };
    fs::write(&control, "this is no database\n".repeat(5000)).unwrap();
    let (code, said) = refused_start(server.folder(), &server.data());
    assert!(code.is_some_and(|code| code != 0), "{code:?}");
    assert!(said.contains(&*control.file_name().unwrap().to_string_lossy()), "it names the file: {said}");
}

#[test]
fn a_folder_that_cannot_be_written_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("read-only");
    fs::create_dir(&data).unwrap();
    let mounted = mount_read_only(&data);
    fs::set_permissions(&data, fs::Permissions::from_mode(0o500)).ok();
    let (code, said) = refused_start(folder.path(), &data);
    drop(mounted);
    assert!(code.is_some_and(|code| code != 0), "{code:?}: {said}");
    assert!(said.contains("read-only"), "it names the folder: {said}");
}

/// Root writes wherever it wants, but not on a volume mounted read-only.
fn mount_read_only(folder: &Path) -> crate::storage_full::Volume {
    crate::storage_full::Volume::mount(folder, "size=1m,ro")
}

#[test]
fn a_path_that_is_a_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("a-file");
    fs::write(&data, "x").unwrap();
    let (code, said) = refused_start(folder.path(), &data);
    assert!(code.is_some_and(|code| code != 0), "{code:?}");
    assert!(said.contains("a-file"), "{said}");
    assert_eq!(fs::read_to_string(&data).unwrap(), "x");
}

#[test]
fn a_taken_port_is_refused_with_its_address() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    let data = folder.path().join("data");
    fs::write(
        &config,
        format!("server.listen = \"{}\"\nstorage.path = \"{}\"\n", server.address(), data.display()),
    )
    .unwrap();
    let path = folder.path().join("output.log");
    let output = OpenOptions::new().create(true).append(true).open(&path).unwrap();
    let status = exit_of(&mut spawn_binary(&[], &config, &output), PATIENCE).expect("it ends");
    let said = fs::read_to_string(&path).unwrap();
    assert!(!status.success() && said.contains(&server.address().to_string()), "{status}: {said}");
}

#[test]
fn a_flipped_bit_is_reported_and_never_served_as_an_event() {
    let mut server = Settings::new().with("storage.tail_bytes", r#""4KiB""#).start();
    let marker = "m".repeat(300);
    for _ in 0..50 {
        server.publish(&serde_json::json!({"type": "a", "data": {"s": marker}}));
    }
    server.terminate();
    assert!(server.exit().success());
    let damaged = segments(&server.data()).into_iter().any(|path| damage(&path, marker.as_bytes()));
    assert!(damaged, "the events are somewhere in {:?}", files_in(&server.data()));
    server.spawn();
    server.wait_until_ready();
    let answer = eventually("an answer", || {
        server.try_send(&Request::get("/api/v1/events?limit=100").key(crate::support::READER)).ok()
    });
    if answer.status == 503 {
        let problem = answer.problem(503);
        assert!(problem["type"].as_str().unwrap().contains("log_corrupt"), "{problem}");
    } else {
        let text = answer.text();
        assert_eq!(answer.status, 200, "{text}");
        assert!(text.matches(&marker).count() == answer.json()["data"].as_array().unwrap().len(), "{text}");
    }
    server.publish_many("a", 1);
}

#[test]
fn destinations_are_shown_though_the_next_event_of_one_is_damaged() {
    let mut server = Settings::new().with("storage.tail_bytes", r#""4KiB""#).start();
    let marker = "w".repeat(300);
    server.publish(&serde_json::json!({"type": "b", "data": {"s": marker}}));
    server.publish_many("a", 100);
    // Nobody answers its challenge, so it waits where it began.
    let body = serde_json::json!({"url": "http://127.0.0.1:9/", "events": ["b"], "start": "oldest"});
    server.post("/api/v1/destinations", &body).must(201);
    server.terminate();
    assert!(server.exit().success());
    let damaged: usize = segments(&server.data())
        .into_iter()
        .map(|path| std::iter::from_fn(|| damage(&path, marker.as_bytes()).then_some(())).count())
        .sum();
    assert!(damaged > 0, "the event is somewhere in {:?}", files_in(&server.data()));
    server.spawn();
    server.wait_until_ready();
    let read = server.get("/api/v1/events?type=b");
    assert_eq!(read.status, 503, "the event cannot be read: {}", read.text());
    let shown = server.send(&Request::get("/api/v1/destinations").key(ADMIN)).must(200);
    assert_eq!(shown["data"][0]["lag"]["events"], 1, "{shown}");
    let made = server.post("/api/v1/destinations", &body).must(201);
    assert!(made["secret"].is_string(), "whoever makes one is told its secret: {made}");
}

/// Flips a bit in the middle of the last row that holds `marker`.
fn damage(path: &Path, marker: &[u8]) -> bool {
    let mut bytes = fs::read(path).unwrap();
    let Some(at) = bytes.windows(marker.len()).rposition(|window| window == marker) else {
        return false;
    };
    bytes[at + marker.len() / 2] ^= 1;
    fs::write(path, bytes).unwrap();
    true
}
