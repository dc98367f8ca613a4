//! What every command does with its arguments, its output and its failures.

use crate::harness::{ADMIN, Broker, PUBLISHER, READER, until};
use crate::ports::free_port;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_campanile"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(arguments: &[&str]) -> Output {
    program(arguments).output().unwrap()
}

fn as_user(broker: &Broker, key: &str, arguments: &[&str]) -> Command {
    let mut command = program(arguments);
    command.env("CAMPANILE_URL", format!("http://{}", broker.address)).env("CAMPANILE_KEY", key);
    command
}

/// Runs it with a standard input.
fn fed(mut command: Command, input: &str) -> Output {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    // A program that refuses its arguments reads nothing.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn terminate(child: &mut Child) -> Option<i32> {
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    child.wait().unwrap().code()
}

#[test]
fn what_is_published_keeps_its_bytes() {
    let broker = Broker::start("");
    let data = r#"{"z":1.10000000000000000001,"a":[1e400, "é"]}"#;
    let said = as_user(&broker, PUBLISHER, &["publish", "a.b", "--data", data, "--json"]).output().unwrap();
    assert!(text(&said.stdout).contains(data), "{}{}", text(&said.stdout), text(&said.stderr));
    let said = fed(as_user(&broker, PUBLISHER, &["publish", "a.c", "--data", "-"]), data);
    assert!(text(&said.stdout).starts_with("2 evt_"), "{}", text(&said.stderr));
    assert_eq!(broker.get(READER, "/api/v1/events").text().matches(data).count(), 2);
    let said = as_user(&broker, PUBLISHER, &["publish", "a.b", "--data", "{"]).output().unwrap();
    assert_eq!(said.status.code(), Some(65));
}

#[test]
fn tail_takes_an_expression_and_says_what_is_wrong_with_one() {
    let broker = Broker::start("");
    let tail = |filter: &str| {
        as_user(
            &broker,
            READER,
            &["tail", "--since", "2000-01-01T00:00:00Z", "--count", "1", "--filter", filter],
        )
        .output()
        .unwrap()
    };
    for rows in [1, 2000, 3000] {
        let data = format!("{{\"rows\":{rows}}}");
        assert!(
            as_user(&broker, PUBLISHER, &["publish", "a", "--data", &data])
                .output()
                .unwrap()
                .status
                .success()
        );
    }
    let said = tail("data.rows > 1000 && type == 'a'");
    assert!(text(&said.stdout).starts_with("2 a "), "{}{}", text(&said.stdout), text(&said.stderr));
    let said = tail("data.rows >");
    assert_eq!(said.status.code(), Some(1));
    assert!(text(&said.stderr).contains("line 1, column 12"), "{}", text(&said.stderr));
}

#[test]
fn lines_are_published_in_order_and_a_bad_one_is_found() {
    let broker = Broker::start("");
    let line = |n: usize| format!("{{\"type\":\"line\",\"id\":\"line_{n}\",\"data\":{{\"n\":{n}}}}}\n");
    let lines: String = (1..=2500).map(line).collect();
    let said = fed(as_user(&broker, PUBLISHER, &["publish", "--lines"]), &format!("\n{lines}"));
    assert!(said.status.success(), "{}", text(&said.stderr));
    let wanted: String = (1..=2500).map(|n| format!("{n} line_{n}\n")).collect();
    assert_eq!(text(&said.stdout), wanted);
    let bad = format!("{}{}{}", line(2501), "{\"type\":\"line\"}\n", line(2502));
    let said = fed(as_user(&broker, PUBLISHER, &["publish", "--lines"]), &bad);
    assert_eq!((said.status.code(), text(&said.stdout)), (Some(1), String::new()));
    assert!(text(&said.stderr).contains("lines 1 to 3 were not acknowledged"), "{}", text(&said.stderr));
    assert_eq!(broker.get(READER, "/api/v1/events").json()["head_cursor"], "2500");
}

#[test]
fn a_line_is_published_when_it_comes_and_not_when_a_batch_is_full() {
    let broker = Broker::start("");
    let mut command = as_user(&broker, PUBLISHER, &["publish", "--lines"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let (mut input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut said = BufReader::new(output).lines().map(Result::unwrap);
    for sequence in 1..=2 {
        input.write_all(b"{\"type\":\"a\",\"data\":{}}\n").unwrap();
        assert!(said.next().unwrap().starts_with(&format!("{sequence} evt_")));
    }
    drop(input);
    assert!(child.wait().unwrap().success());
}

#[test]
fn output_that_cannot_be_written_is_an_error_and_never_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let serve = ["serve", "--listen", "127.0.0.1:0", "--data", &data];
    for arguments in
        [&serve[..], &["completions", "bash"], &["check", "config.toml"], &["check", "--json", "config.toml"]]
    {
        let full = std::fs::File::create("/dev/full").unwrap();
        let said = program(arguments).stdout(full).output().unwrap();
        assert_eq!(said.status.code(), Some(74), "{arguments:?} {}", text(&said.stderr));
        assert!(text(&said.stderr).contains("the output cannot be written"), "{}", text(&said.stderr));
        let full = std::fs::File::create("/dev/full").unwrap();
        assert_eq!(
            program(arguments).stdout(full.try_clone().unwrap()).stderr(full).status().unwrap().code(),
            Some(74)
        );
    }
    let mut reader_went = program(&["completions", "bash"]).spawn().unwrap();
    drop(reader_went.stdout.take());
    let mut complaint = String::new();
    reader_went.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
    assert!(reader_went.wait().unwrap().success() && complaint.is_empty(), "{complaint}");
    let mut child = program(&serve).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.starts_with("admin key")), "no key was made that nobody saw");
    assert_eq!(terminate(&mut child), Some(0));
}

#[test]
fn a_broker_that_has_a_key_runs_though_nobody_reads_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let first = ["serve", "--dev", "--listen", "127.0.0.1:0", "--data", &data];
    let mut child = program(&first).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let key =
        lines.find_map(|line| line.strip_prefix("admin key, shown this once: ").map(str::to_owned)).unwrap();
    assert_eq!(terminate(&mut child), Some(0));
    let port = format!("127.0.0.1:{}", free_port());
    let full = || std::fs::File::create("/dev/full").unwrap();
    let again = ["serve", "--dev", "--listen", &port, "--data", &data];
    let mut child = program(&again).stdout(full()).stderr(full()).spawn().unwrap();
    let url = format!("http://{port}");
    until("the broker answers", || run(&["publish", "a", "--url", &url, "--key", &key]).status.success());
    assert_eq!(terminate(&mut child), Some(0));
}

#[test]
fn tail_outlives_the_broker_and_says_so() {
    let mut broker = Broker::start("");
    broker.publish(r#"{"type":"a","data":{"n":1}}"#).expect(201);
    let mut tail =
        as_user(&broker, READER, &["tail", "--after", "0", "--count", "2", "--json"]).spawn().unwrap();
    let mut shown = BufReader::new(tail.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut notes = BufReader::new(tail.stderr.take().unwrap()).lines().map(Result::unwrap);
    let first = shown.next().unwrap();
    assert!(
        first.starts_with(r#"{"sequence":1,"id":"evt_"#) && first.ends_with(r#""data":{"n":1}}"#),
        "{first}"
    );
    broker.kill();
    let note = notes.next().unwrap();
    assert!(note.contains("trying again"), "{note}");
    broker.run();
    broker.publish(r#"{"type":"a","data":{"n":2}}"#).expect(201);
    assert!(shown.next().unwrap().contains(r#""data":{"n":2}"#));
    assert!(notes.next().unwrap().contains("answers again"));
    assert!(tail.wait().unwrap().success());
}

#[test]
fn tail_begins_where_the_log_ended_when_it_was_asked() {
    let mut broker = Broker::start("");
    broker.publish(r#"{"type":"old","data":{}}"#).expect(201);
    broker.kill();
    let mut tail = as_user(&broker, READER, &["tail", "--count", "1"]).spawn().unwrap();
    let mut notes = BufReader::new(tail.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(
        notes.next().unwrap().contains("does not answer"),
        "a broker that is not there yet is waited for"
    );
    broker.run();
    assert!(notes.next().unwrap().contains("answers again"));
    broker.publish(r#"{"type":"new","data":{}}"#).expect(201);
    let said = tail.wait_with_output().unwrap();
    assert!(text(&said.stdout).starts_with("2 new "), "{}", text(&said.stdout));
}

#[test]
fn exit_codes_tell_failures_apart() {
    let broker = Broker::start("");
    let code = |mut command: Command| command.output().unwrap().status.code();
    assert_eq!(code(as_user(&broker, "no-such-key", &["keys", "list"])), Some(77));
    assert_eq!(code(as_user(&broker, READER, &["publish", "a"])), Some(77));
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let said = run(&["publish", "a", "--url", &nobody, "--key", "k"]);
    assert_eq!(said.status.code(), Some(69));
    assert!(text(&said.stderr).contains("is the broker running?"));
    assert_eq!(run(&["tail", "--url", "nonsense", "--key", "k"]).status.code(), Some(2));
    let secret = run(&["tail", "--key", "not\na-key"]);
    assert_eq!(secret.status.code(), Some(78));
    assert!(!text(&secret.stderr).contains("a-key"));
    let taken = run(&["serve", "--listen", &broker.address.to_string()]);
    assert_eq!(taken.status.code(), Some(75));
    assert!(text(&taken.stderr).contains("--listen"));
}

#[test]
fn check_finds_what_serve_would_refuse() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml").display().to_string();
    let check = |config: &str, more: &[&str]| {
        std::fs::write(&path, config).unwrap();
        run(&[&["check", path.as_str()], more].concat())
    };
    let webhook = "[[events.webhooks]]\nurl = \"http://127.0.0.1:9000/hooks\"\n";
    let said = check(webhook, &[]);
    assert_eq!(said.status.code(), Some(78));
    let wanted = format!("{path}:2:1: events.webhooks[0].url: the URL must start with https://");
    assert!(text(&said.stderr).contains(&wanted), "{}", text(&said.stderr));
    let served = run(&["serve", "--listen", "127.0.0.1:0", "--config", &path]);
    assert_eq!(served.status.code(), Some(78));
    assert!(text(&served.stderr).contains(&wanted), "{}", text(&served.stderr));
    let short = check(
        "[events]\n[[events.webhooks]]\nurl = \"https://example.com/\"\n\n[[events.webhooks]]\n\
                       secret = \"${HUSH:-short}\"\nurl = \"https://example.com/x\"\n",
        &[],
    );
    assert!(
        text(&short.stderr).contains(&format!("{path}:6:1: events.webhooks[1].secret: 16 to 256")),
        "{short:?}"
    );
    assert_eq!(check(webhook, &["--dev"]).status.code(), Some(0));
    let missing = check("[delivery]\nca_file = \"/no/such/file.pem\"\n", &["--json"]);
    assert_eq!(missing.status.code(), Some(78));
    let shown: serde_json::Value = serde_json::from_slice(&missing.stdout).unwrap();
    assert_eq!(shown["valid"], false);
    assert!(shown["errors"][0].as_str().unwrap().contains("ca_file"));
}

#[test]
fn verify_tells_a_program_too() {
    let arguments = ["verify", "--json", "--secret", "a-secret-of-some-length", "--signature"];
    // printf '{}' | openssl dgst -sha256 -hmac a-secret-of-some-length
    let signature = "sha256=a8661da2cde9428fa68256bfaeb9273e622c39b7930418183861122ea60e1a38";
    let right = fed(program(&[&arguments[..], &[signature]].concat()), "{}");
    assert_eq!((right.status.code(), text(&right.stdout)), (Some(0), "{\"valid\":true}\n".to_owned()));
    let wrong = fed(program(&[&arguments[..], &[signature]].concat()), "{} ");
    assert_eq!((wrong.status.code(), text(&wrong.stdout)), (Some(1), "{\"valid\":false}\n".to_owned()));
}

#[test]
fn keys_are_listed_as_lines_and_removed_by_their_id_alone() {
    let broker = Broker::start("");
    let admin = |arguments: &[&str]| as_user(&broker, ADMIN, arguments).output().unwrap();
    let made = admin(&["keys", "create", "ci", "--scope", "events:read", "--json"]);
    let made: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    let listed = text(&admin(&["keys", "list", "--json"]).stdout);
    let keys: Vec<serde_json::Value> =
        listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(keys.iter().any(|key| key["id"] == made["id"]) && keys.len() == 5, "{listed}");
    let elsewhere = format!("x/../{}", made["id"].as_str().unwrap());
    assert_eq!(admin(&["keys", "delete", &elsewhere]).status.code(), Some(1));
    let removed = admin(&["keys", "delete", made["id"].as_str().unwrap(), "--json"]);
    assert!(text(&removed.stdout).contains("\"removed\":true"), "{}", text(&removed.stderr));
    assert_eq!(text(&admin(&["keys", "list"]).stdout).lines().count(), 4);
}

#[test]
fn a_broker_behind_tls_is_reached() {
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let authority = folder.path().join("ca.pem");
    std::fs::write(&authority, certified.cert.pem()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let server = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let server = server
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let answering = std::thread::spawn(move || {
        let mut secured = rustls::StreamOwned::new(
            rustls::ServerConnection::new(Arc::new(server)).unwrap(),
            listener.accept().unwrap().0,
        );
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") && secured.read(&mut byte).unwrap() == 1 {
            head.push(byte[0]);
        }
        let body = r#"{"data":[],"has_more":false}"#;
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        secured.write_all(answer.as_bytes()).unwrap();
        text(&head)
    });
    let authority = authority.display().to_string();
    let said = run(&["keys", "list", "--url", &url, "--key", "the-key", "--ca-file", &authority]);
    assert!(said.status.success(), "{}", text(&said.stderr));
    assert!(answering.join().unwrap().contains("Bearer the-key"));
}

#[test]
fn the_demo_ends_on_a_signal_like_every_server() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("demo").display().to_string();
    let mut demo = program(&["demo", "--listen", "127.0.0.1:0", "--data", &data]).spawn().unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines().map(Result::unwrap);
    let invitation = lines.find(|line| line.contains("export CAMPANILE_URL=")).unwrap();
    assert!(invitation.contains("CAMPANILE_KEY=cmp_"));
    let (url, key) =
        invitation.trim().strip_prefix("export CAMPANILE_URL=").unwrap().split_once(' ').unwrap();
    let key = key.replace("CAMPANILE_KEY=", "");
    let said = run(&["publish", "pipeline.failed", "--url", url, "--key", &key]);
    assert!(text(&said.stdout).starts_with("6 evt_"), "{}", text(&said.stderr));
    assert_eq!(terminate(&mut demo), Some(0));
    until("the port is free again", || TcpListener::bind(url.trim_start_matches("http://")).is_ok());
}

#[test]
fn completions_know_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = text(&run(&["completions", shell]).stdout);
        for command in [
            "serve",
            "publish",
            "tail",
            "listen",
            "destinations",
            "deliveries",
            "replay",
            "functions",
            "keys",
            "db",
        ] {
            assert!(script.contains(command), "{shell} does not know {command}");
        }
    }
}
