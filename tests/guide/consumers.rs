//! `docs/consumers.md`.

use crate::support::*;
use campanile::webhook::signature::Signer;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};

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
