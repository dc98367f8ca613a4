//! Every command of the README's guide, and every example, run against the real program.

#![allow(clippy::unwrap_used)]

use campanile::webhook::signature::Signer;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_campanile");

/// A broker as a newcomer starts it: what it prints tells its address and key.
struct Started {
    child: Child,
    url: String,
    key: String,
    folder: tempfile::TempDir,
}

impl Started {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (child, mut said) = serve(&folder);
        let url = after(&mut said, "listens on ");
        let key = after(&mut said, "shown this once: ");
        Self { child, url, key, folder }
    }

    /// kill -9, and the same command again; another port, since nobody else can be asked to keep this one free.
    fn crash(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let (child, mut said) = serve(&self.folder);
        self.child = child;
        self.url = after(&mut said, "listens on ");
    }

    fn run(&self, command: &mut Command) -> Output {
        // Nothing here is for a proxy of the machine.
        let command = command.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
        let output =
            command.env("CAMPANILE_URL", &self.url).env("CAMPANILE_KEY", &self.key).output().unwrap();
        let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{}{}", shown(&output.stdout), shown(&output.stderr));
        output
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The README's own command, on any free port.
fn serve(folder: &tempfile::TempDir) -> (Child, impl Iterator<Item = String> + use<>) {
    let command = format!("exec {} --listen 127.0.0.1:0", blocks("serve")[0].trim());
    let mut child = Command::new("bash")
        .args(["-ec", &command])
        .env("PATH", path())
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    (child, lines)
}

fn after(lines: &mut impl Iterator<Item = String>, mark: &str) -> String {
    lines.find_map(|line| line.split_once(mark).map(|(_, rest)| rest.to_owned())).unwrap()
}

/// The program under test is what `campanile` means.
fn path() -> String {
    let programs = Path::new(PROGRAM).parent().unwrap();
    format!("{}:{}", programs.display(), std::env::var("PATH").unwrap())
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The fenced blocks of the README that are marked so.
fn blocks(mark: &str) -> Vec<String> {
    blocks_of("README.md", mark)
}

/// The same of any document.
fn blocks_of(document: &str, mark: &str) -> Vec<String> {
    fenced(document, &format!("sh {mark}"))
}

/// The blocks of a document that are fenced with these words.
fn fenced(document: &str, words: &str) -> Vec<String> {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(document)).unwrap();
    let opening = format!("```{words}\n");
    let blocks = readme.split(&opening).skip(1);
    blocks.map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn every_command_of_the_guide_works() {
    let mut broker = Started::new();
    let run = |broker: &Started, block: &String| {
        text(&broker.run(Command::new("timeout").args(["300", "bash", "-ec", block]).env("PATH", path())))
    };
    let guide = blocks("guide");
    assert_eq!(guide.len(), 6, "the guide's commands were not found");
    let said: Vec<String> = guide.iter().map(|block| run(&broker, block)).collect();
    assert!(said[0].contains(r#""sequence":1"#), "{}", said[0]);
    assert!(said[1].contains("evt_first") && said[1].contains("next_cursor"));
    assert!(said[2].contains("event: pipeline.completed") && said[2].contains("event: stream.end"));
    assert!(said[3].contains("whsec_"));
    assert!(said[4].contains("\"data\""));
    assert!(said[5].contains("pipeline.failed") && said[5].contains("cmp_"));
    broker.crash();
    let resumed: Vec<String> = blocks("again").iter().map(|block| run(&broker, block)).collect();
    assert_eq!(resumed.len(), 1);
    assert!(resumed[0].starts_with("2 pipeline.failed {"), "{}", resumed[0]);
}

/// Runs every block of a document, one after the other, on a broker of its own; what each printed. `others` blocks of
/// the document are no commands.
fn said_by(document: &str, mark: &str, others: usize) -> Vec<String> {
    let broker = Started::new();
    let guide = blocks_of(document, mark);
    let text_of = std::fs::read_to_string(document).unwrap();
    assert_eq!(text_of.matches("```").count(), 2 * (guide.len() + others), "every block is run");
    let run = |block: &String| {
        let mut command = Command::new("timeout");
        command.args(["300", "bash", "-ec", block]).env("PATH", path()).current_dir(broker.folder.path());
        text(&broker.run(&mut command))
    };
    guide.iter().map(run).collect()
}

#[test]
fn every_command_of_the_guide_for_consumers_works() {
    let said = said_by("docs/consumers.md", "consumer", 7);
    assert!(said[0].contains("pending  https://example.com/hooks"), "{}", said[0]);
    assert!(said[1].contains("pipeline.completed  evt_") && said[1].contains(" ms"), "{}", said[1]);
    assert_eq!(said[2], "the signature is valid\n");
    assert!(said[3].contains("counts: {") && said[3].contains("0 deliveries"), "{}", said[3]);
}

/// A delivery as it came over the wire.
struct Delivery {
    id: String,
    timestamp: String,
    signatures: String,
    body: Vec<u8>,
}

/// What the broker posts to an endpoint for one event, signed with this secret.
fn delivered(secret: &str) -> Delivery {
    let broker = Started::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let create = ["destinations", "create", &url, "--verification", "none", "--secret", secret];
    broker.run(Command::new(PROGRAM).args(create));
    broker.run(Command::new(PROGRAM).args(["publish", "order.paid", "--data", r#"{"café":"1.50"}"#]));
    let mut reader = BufReader::new(listener.accept().unwrap().0);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut head).unwrap(), 0, "{head}");
    }
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).unwrap().1.to_owned()
    };
    let mut body = vec![0; header("content-length").parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    reader.get_mut().write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
    Delivery { id, timestamp, signatures: header("webhook-signature"), body }
}

/// What a program of the guide says to a delivery.
fn judged(command: &mut Command, secret: &str, delivery: &Delivery) -> String {
    let arguments = [&delivery.id, &delivery.timestamp, &delivery.signatures];
    let command = command.args(arguments).env("WEBHOOK_SECRET", secret);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&delivery.body).unwrap();
    let output = child.wait_with_output().unwrap();
    text(&output) + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn the_programs_of_the_guide_judge_deliveries_as_the_broker_signs_them() {
    let folder = tempfile::tempdir().unwrap();
    let programs = [
        ("python", "python3", "verify.py"),
        ("js", "node", "verify.js"),
        ("perl", "perl", "verify.pl"),
        ("java", "java", "Verify.java"),
    ];
    let secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=", "sixteen-or-more-characters"];
    for secret in secrets {
        let genuine = delivered(secret);
        let signer = Signer::new(secret);
        let with = |signatures: String, timestamp: String, body: &[u8]| Delivery {
            id: genuine.id.clone(),
            timestamp,
            signatures,
            body: body.to_owned(),
        };
        let old = genuine.timestamp.parse::<i64>().unwrap() - 3600;
        let both = format!("v1,bm90IHRoaXM= {}", genuine.signatures);
        let rotated = with(both, genuine.timestamp.clone(), &genuine.body);
        let changed =
            with(genuine.signatures.clone(), genuine.timestamp.clone(), &[&genuine.body[..], b" "].concat());
        let signed_long_ago = signer.standard(&genuine.id, old, &genuine.body);
        let replayed = with(signed_long_ago, old.to_string(), &genuine.body);
        for (language, runtime, file) in programs {
            if Command::new(runtime).arg("--version").output().is_err() {
                assert_eq!(runtime, "java", "{runtime} is not installed");
                continue;
            }
            let path = folder.path().join(file);
            std::fs::write(&path, fenced("docs/consumers.md", language).concat()).unwrap();
            let says = |delivery: &Delivery| judged(Command::new(runtime).arg(&path), secret, delivery);
            assert_eq!(says(&rotated), "valid\n", "{language}");
            assert_eq!(says(&changed), "refused\n", "{language}");
            assert_eq!(says(&replayed), "refused\n", "{language}");
        }
    }
}

#[test]
fn every_command_of_the_guide_for_publishers_works() {
    let said = said_by("docs/publisher.md", "publisher", 0);
    assert_eq!(said.len(), 7);
    assert!(said[0].contains(r#""sequence":1"#) && said[0].contains(r#"{"total":12.50}"#), "{}", said[0]);
    assert_eq!(said[1], "200\n409\n");
    assert_eq!(said[2].matches("idempotency-replayed: true").count(), 1, "{}", said[2]);
    assert!(said[3].contains(r#"{"id":"b-2","sequence":6}"#) && said[3].ends_with("7 c-1\n"), "{}", said[3]);
    assert!(said[4].contains(r#""id":"1""#) && said[4].contains(r#""id":"evt_"#), "{}", said[4]);
    assert!(said[5].contains(r#""pointer":"/data/total""#), "{}", said[5]);
    assert!(said[6].contains("EXECUTION_ERROR") && said[6].contains("connection failed"), "{}", said[6]);
}

#[test]
fn every_command_of_the_guide_for_operators_works() {
    let said = said_by("docs/operator.md", "operator", 0);
    assert_eq!(said.len(), 4);
    assert_eq!(said[0], "campanile.toml is valid\n");
    assert!(
        said[1].contains(r#""admin_key":"cmp_"#) && said[1].contains("shop  events:publish"),
        "{}",
        said[1]
    );
    assert!(said[2].contains(r#"{"status":"ready"}"#) && said[2].contains("campanile_log_writable 1"));
    for told in [
        "1 kept-1",
        "events: 1",
        "1 events read, 0 corrupt",
        "bytes in backup",
        "1 events exported",
        "1 events imported",
    ] {
        assert!(said[3].contains(told), "{told}: {}", said[3]);
    }
}

/// A name that the program does not have would alert nobody.
#[test]
fn every_metric_that_the_guide_for_operators_names_is_there() {
    let broker = Started::new();
    let fetch = "curl -sf -H \"Authorization: Bearer $CAMPANILE_KEY\" $CAMPANILE_URL/metrics";
    let shown = text(&broker.run(Command::new("bash").args(["-ec", fetch])));
    let guide = std::fs::read_to_string("docs/operator.md").unwrap();
    let is_name = |one: char| one.is_ascii_lowercase() || one == '_';
    let words = guide.split(|one| !is_name(one)).filter(|word| word.starts_with("campanile_"));
    let named: Vec<&str> = words.filter(|word| *word != "campanile_log").collect();
    assert!(named.len() >= 10, "{named:?}");
    for name in named {
        assert!(shown.contains(&format!("# TYPE {name} ")), "{name}");
    }
}

#[test]
fn every_command_of_the_guide_for_readers_works() {
    let said = said_by("docs/streams.md", "stream", 0);
    assert_eq!(said.len(), 7);
    assert_eq!(said[0], "1 evt_a\n2 evt_b\n3 evt_c\n");
    assert!(said[1].contains("id: 2\nevent: pipeline.completed\n"), "{}", said[1]);
    assert!(said[1].contains("id: 3\n") && !said[1].contains("evt_a"), "{}", said[1]);
    let flat = r#"data: {"pipeline":"orders","timestamp":"2026-01-01T00:10:00Z","rows":5000}"#;
    assert!(said[2].contains(flat) && said[2].contains("event: stream.end"), "{}", said[2]);
    assert_eq!(said[2].matches("event: ").count(), 2, "{}", said[2]);
    assert_eq!(said[3], "3\n401\n");
    let names = ["pipeline.started", "pipeline.completed", "pipeline.failed"];
    for followed in [&said[4], &said[5]] {
        let heard: Vec<&str> = followed.lines().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(heard, names, "{followed}");
    }
    let polled = "1 pipeline.started\n2 pipeline.completed\nnext 2\n3 pipeline.failed\nnext 3\nnext 3\n";
    assert_eq!(said[6], polled);
}

#[test]
fn no_other_command_stands_in_the_readme() {
    let readme = std::fs::read_to_string("README.md").unwrap();
    let unmarked: Vec<&str> =
        readme.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap().trim()).collect();
    // The demo is run by its own test, the tests by whoever reads this, and the key is another each time.
    let known = [
        "cargo run --release -- demo",
        "cargo test",
        "export CAMPANILE_URL=http://127.0.0.1:8080 CAMPANILE_KEY=cmp_...",
    ];
    assert_eq!(unmarked, known);
}

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
fn the_example_of_embedding_runs_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(example("embed")).arg(folder.path()).output().unwrap();
    let said = text(&output);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains(r#"the handler heard {"error":"no space"}"#), "{said}");
    assert!(said.contains("event 2 is pipeline.failed"));
    let lines: Vec<usize> = ["publish", "receive", "follow", "embed", "users"]
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
