//! What is in `examples`.

use crate::support::*;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Examples are built beside the tests of the same run.
fn example(name: &str) -> PathBuf {
    let path = Path::new(PROGRAM).parent().unwrap().join("examples").join(name);
    assert!(
        path.exists(),
        "{} is not built: `cargo test` without a target does, or --examples",
        path.display()
    );
    path
}

#[test]
fn the_examples_publish_follow_and_receive() {
    let broker = Started::new();
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("place");
    assert!(text(&broker.run(&mut Command::new(example("publish")))).contains("is event 1 of the log"));
    std::fs::write(&place, "0").unwrap();
    let followed = text(&broker.run(Command::new(example("follow")).arg(&place).arg("1")));
    assert!(followed.starts_with("1 pipeline.completed {"), "{followed}");
    assert_eq!(std::fs::read_to_string(&place).unwrap(), "1");

    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let mut receiver = Command::new(example("receive"))
        .arg("127.0.0.1:0")
        .env("WEBHOOK_SECRET", secret)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(receiver.stdout.take().unwrap()).lines().map_while(Result::ok);
    let address = lines.next().unwrap().replace("receiving on ", "");
    let create = format!(
        "curl -sf -H \"Authorization: Bearer $CAMPANILE_KEY\" -H 'Content-Type: application/json' -d '{{\"url\":\"http://{address}/\",\"verification\":\"none\",\"secret\":\"{secret}\",\"start\":\"oldest\"}}' $CAMPANILE_URL/api/v1/destinations"
    );
    broker.run(Command::new("bash").args(["-ec", &create]));
    let received = lines.next().unwrap();
    receiver.kill().unwrap();
    receiver.wait().unwrap();
    assert!(received.starts_with("verified evt_example_publish: {"), "{received}");
}

#[test]
fn the_example_of_the_client_uses_all_of_it() {
    let broker = Started::new();
    let said = text(&broker.run(&mut Command::new(example("client"))));
    let expected = [
        "http://127.0.0.1:9/ is active",
        "2 events are on disk",
        "heard 892 rows of users",
        "heard 892 rows of orders",
        "read table.loaded at ",
        "read table.loaded at ",
        "refused with 422: /type ",
        "2 deliveries wait",
    ];
    assert_eq!(said.lines().count(), expected.len(), "{said}");
    assert!(said.lines().zip(expected).all(|(line, start)| line.starts_with(start)), "{said}");
}

#[test]
fn the_example_of_embedding_runs_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(example("embed")).arg(folder.path()).output().unwrap();
    let said = text(&output);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains(r#"the handler heard {"error":"no space"}"#), "{said}");
    assert!(said.contains("event 2 is pipeline.failed"));
    let lines: Vec<usize> = ["publish", "receive", "follow", "client", "embed", "users"]
        .iter()
        .map(|name| std::fs::read_to_string(format!("examples/{name}.rs")).unwrap().lines().count())
        .collect();
    assert!(lines.iter().all(|lines| *lines <= 80), "{lines:?}");
}

#[test]
fn the_example_of_users_saves_those_that_all_functions_agree_on() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str, email: &str| {
        let output = Command::new(example("users")).arg(folder.path()).args([name, email]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        text(&output)
    };
    let saved = run("ada", "ada@example.com");
    assert!(saved.starts_with("saved user 1; welcomed {"), "{saved}");
    assert!(saved.contains(r#""username":"ada""#) && saved.contains(r#""plan":"free""#), "{saved}");
    let refused = run("eve", "eve@elsewhere.org");
    assert!(refused.contains("check-email (rejected): only addresses at example.com"), "{refused}");
    let saved = run("bob", "bob@example.com");
    assert!(saved.starts_with("saved user 2; welcomed {"), "{saved}");
}
