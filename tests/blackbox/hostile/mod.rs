//! Endpoints that misbehave, each in its own way, side by side on one server: what is recorded of the attempt, what
//! follows from it, and that nobody else is disturbed.

mod bodies;
mod connections;
mod heads;
mod statuses;
pub(crate) mod tls;

use crate::lifecycle::path_of;
use crate::support::{ADMIN, Receiver, Request, Rogue, Server, Settings, eventually, text_of};
use serde_json::{Value, json};

/// The time-out of the attempts that are to run into it, in milliseconds.
const TIMEOUT_MS: u64 = 8000;

/// That of the others.
const AMPLE_MS: u64 = 100_000;

/// How much more memory a server may need for everything that endpoints send it.
const MEMORY_KIB: u64 = 96 * 1024;

/// One way to misbehave.
pub(crate) struct Case {
    name: &'static str,
    url: String,
    expected: Expected,
    /// Kept so that it runs; how many whole requests it must have got.
    rogue: Option<(Rogue, usize)>,
}

/// What must come of the first attempt.
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    status: Option<u16>,
    /// How the error begins; `None` for a success.
    error: Option<String>,
    delivery: &'static str,
    /// The seconds from the attempt to the next.
    wait: Option<std::ops::RangeInclusive<f64>>,
    /// The first bytes of the kept body.
    body: &'static str,
    /// Whether it took the whole time-out.
    is_late: bool,
}

/// A success with this status.
pub(crate) fn taken(status: u16) -> Expected {
    Expected {
        status: Some(status),
        error: None,
        delivery: "delivered",
        wait: None,
        body: "",
        is_late: false,
    }
}

/// An answer that says no.
pub(crate) fn refused(status: u16) -> Expected {
    let error = format!("the endpoint answered {status}");
    Expected { error: Some(error), delivery: "retrying", ..taken(status) }
}

/// No answer, for a reason that begins so.
pub(crate) fn failed(error: &str) -> Expected {
    Expected { status: None, error: Some(error.to_owned()), ..refused(0) }
}

/// No answer in time.
pub(crate) fn late() -> Expected {
    failed(&format!("no answer within {TIMEOUT_MS} ms")).at_the_deadline()
}

impl Expected {
    pub(crate) fn keeping(mut self, body: &'static str) -> Self {
        self.body = body;
        self
    }

    pub(crate) fn waiting(mut self, seconds: std::ops::RangeInclusive<f64>) -> Self {
        self.wait = Some(seconds);
        self
    }

    pub(crate) fn at_the_deadline(mut self) -> Self {
        self.is_late = true;
        self
    }

    pub(crate) fn becoming(mut self, delivery: &'static str) -> Self {
        self.delivery = delivery;
        self
    }
}

impl Case {
    pub(crate) fn new(name: &'static str, rogue: Rogue, expected: Expected) -> Self {
        Self { name, url: rogue.url(), expected, rogue: Some((rogue, 1)) }
    }

    /// An endpoint that is not even one.
    pub(crate) fn nobody(name: &'static str, url: &str, expected: Expected) -> Self {
        Self { name, url: url.to_owned(), expected, rogue: None }
    }

    /// Says that it gets so many whole requests in its one attempt.
    pub(crate) fn hearing(mut self, requests: usize) -> Self {
        self.rogue.as_mut().expect("there is an endpoint").1 = requests;
        self
    }

    pub(crate) fn at(mut self, url: String) -> Self {
        self.url = url;
        self
    }

    fn event_type(&self) -> String {
        format!("case.{}", self.name.replace([' ', '-', '/', ',', '\''], "_").to_lowercase())
    }

    fn check(&self, server: &Server, made: &Value) {
        let path = format!("{}/deliveries?type={}", path_of(made), self.event_type());
        let listed = eventually(&format!("an attempt at: {}", self.name), || {
            let page = server.send(&Request::get(&path).key(ADMIN)).must(200);
            page["data"].get(0).filter(|one| one["attempts"].as_u64() > Some(0)).cloned()
        });
        let path = format!("/api/v1/deliveries/{}", text_of(&listed["id"]));
        let delivery = server.send(&Request::get(&path).key(ADMIN)).must(200);
        let attempt = &delivery["attempts"][0];
        let Expected { status, error, delivery: then, wait, body, is_late } = &self.expected;
        let told = format!("{}: {delivery}", self.name);
        assert_eq!(attempt["status"], json!(status), "{told}");
        match error {
            None => assert_eq!(attempt["error"], Value::Null, "{told}"),
            Some(error) => assert!(text_of(&attempt["error"]).starts_with(error), "{error}, but {told}"),
        }
        assert_eq!(delivery["status"], *then, "{told}");
        assert_eq!(attempt["next_attempt_at"].is_string(), *then == "retrying", "{told}");
        if let Some(wait) = wait {
            let waits = seconds(&attempt["next_attempt_at"]) - seconds(&attempt["at"]);
            assert!(wait.contains(&waits), "waits {waits}: {told}");
        }
        let kept = text_of(&attempt["response"]["body"]);
        assert!(kept.starts_with(body) && kept.chars().count() <= 4096, "{told}");
        if *is_late {
            assert!(attempt["latency_ms"].as_u64() >= Some(TIMEOUT_MS), "{told}");
        }
        if let Some((rogue, requests)) = &self.rogue {
            let attempts = delivery["attempts"].as_array().unwrap().len();
            assert!(rogue.requests().len() < requests + attempts, "sent more often than recorded: {told}");
            assert!(rogue.requests().len() >= *requests, "{told}");
        }
    }
}

fn seconds(time: &Value) -> f64 {
    let time: jiff::Timestamp = text_of(time).parse().unwrap();
    time.as_duration().as_secs_f64()
}

/// Sends each endpoint one event, at once, and checks what came of it.
pub(crate) fn run(cases: &[Case]) {
    run_with(Settings::new(), cases);
}

/// The same with further settings.
pub(crate) fn run_with(settings: Settings, cases: &[Case]) {
    let server = settings.start();
    let healthy = Receiver::willing();
    let mut body = healthy.destination();
    body["events"] = json!(["healthy"]);
    body["timeout_ms"] = json!(60_000);
    let control = server.post("/api/v1/destinations", &body).must(201);
    let memory = peak_kib(&server);
    let made: Vec<Value> = cases
        .iter()
        .map(|case| {
            let timeout_ms = if case.expected.is_late { TIMEOUT_MS } else { AMPLE_MS };
            let body = json!({
                "url": case.url, "verification": "none", "events": [case.event_type()],
                "timeout_ms": timeout_ms, "retry": {"enabled": true, "schedule_s": [300, 7200]},
            });
            server.post("/api/v1/destinations", &body).must(201)
        })
        .collect();
    for case in cases {
        server.publish(&json!({"type": case.event_type(), "data": {}}));
        server.publish(&json!({"type": "healthy", "data": {}}));
    }
    // While the others hang, trickle and flood.
    healthy.wait_for(cases.len());
    let got = healthy.deliveries();
    assert_eq!((got.len(), got.iter().all(|one| one.attempt() == 1)), (cases.len(), true));
    for (case, made) in cases.iter().zip(&made) {
        case.check(&server, made);
    }
    let more = peak_kib(&server) - memory;
    assert!(more < MEMORY_KIB, "{more} KiB more memory");
    let path = format!("{}/deliveries?status=retrying", path_of(&control));
    assert_eq!(server.send(&Request::get(&path).key(ADMIN)).must(200)["data"], json!([]));
    server.publish(&json!({"type": "healthy", "data": {}}));
    healthy.wait_for(cases.len() + 1);
}

/// The most memory that the server has had so far.
fn peak_kib(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
