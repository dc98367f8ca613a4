//! A hundred thousand deliveries that wait for another attempt: what they take in memory, how long a start with them
//! takes after a kill, and whether each comes back: none early, none lost.

use crate::broker::Broker;
use crate::load::Load;
use crate::receiver::whole_request;
use crate::report::{Goal, Report, Row};
use crate::{Effort, child};
use memchr::memmem;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One event in so many is taken at once, so that the endpoint counts as one that works.
const TAKEN_ONE_IN: u64 = 4;

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Count {
    failed: u64,
    again: u64,
    early: u64,
}

pub(crate) fn run(effort: Effort, report: &mut Report) {
    let wanted: u64 = if effort.quick { 20_000 } else { 100_000 };
    let wait_s: u64 = if effort.quick { 20 } else { 90 };
    let events = wanted * TAKEN_ONE_IN / (TAKEN_ONE_IN - 1) / 1000 * 1000;
    let folder = tempfile::tempdir_in(crate::report::target_folder()).expect("a folder can be made");
    let broker = Broker::start(folder.path());
    let mut endpoint = child::Process::start("fails-once", &serde_json::json!(wait_s));
    let address: SocketAddr = endpoint.next();
    let fill = Load { batch: 1000, requests: Some(events / 1000), ..Load::single(broker.address, 2, 600.0) };
    assert_eq!(fill.run().refused, 0, "publishes were refused");
    let idle = broker.resident_mib();
    let body = serde_json::json!({
        "url": format!("http://{address}/hook"), "events": ["pipeline.*"], "verification": "none", "start": "oldest",
        "max_in_flight": 256, "retry": { "enabled": true, "schedule_s": [wait_s] },
    });
    broker.call("POST", "/api/v1/destinations", &body.to_string());
    let failed = wait(&mut endpoint, |count| count.failed + count.again >= events - events / TAKEN_ONE_IN);
    let memory = broker.resident_mib() - idle;
    broker.kill();
    let broker = Broker::start(folder.path());
    let ready = broker.ready_after.as_secs_f64();
    let opened = broker.resident_mib();
    let count = wait(&mut endpoint, |count| count.again >= failed.failed);
    let lost = failed.failed.saturating_sub(count.again);
    let waiting = Row::new(format!("memory above idle, {} retries waiting", failed.failed), "MiB", &[memory]);
    let opening = Row::new("start after kill -9 with them, until /readyz is 200", "s", &[ready]);
    let early = Row::new("attempts before their time", "", &[count.early as f64]).goal(Goal::Below(1.0));
    let missing = Row::new("deliveries that never came back", "", &[lost as f64]).goal(Goal::Below(1.0));
    let note = format!("{opened:.0} MiB then; idle was {idle:.0} MiB");
    report.table(&[
        waiting.goal(Goal::Below(100.0)),
        opening.goal(Goal::Below(2.0)).note(note),
        early,
        missing,
    ]);
    broker.stop();
}

fn wait(endpoint: &mut child::Process, enough: impl Fn(&Count) -> bool) -> Count {
    let (mut last, mut moved) = (0, campanile::clock::instant());
    loop {
        endpoint.go();
        let count: Count = endpoint.next();
        if count.failed + count.again != last {
            (last, moved) = (count.failed + count.again, campanile::clock::instant());
        }
        if enough(&count) || moved.elapsed() > Duration::from_secs(150) {
            return count;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[derive(Debug, Default)]
struct Seen {
    count: Count,
    /// When the first attempt of each delivery failed.
    failed: HashMap<u64, Instant>,
}

/// The `fails-once` role: refuses most first attempts, takes every second one, and looks whether it came early.
pub(crate) fn serve(settings: &str) {
    let wait_s: u64 = child::settings(settings);
    child::block_on(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        child::answer(&listener.local_addr().expect("a bound socket has an address"));
        let seen = Rc::new(RefCell::new(Seen::default()));
        let (questions, mut asked) = tokio::sync::mpsc::channel(1);
        std::thread::spawn(move || {
            while child::wait_for_go() && questions.blocking_send(()).is_ok() {}
            std::process::exit(0);
        });
        let counted = seen.clone();
        tokio::task::spawn_local(async move {
            while asked.recv().await.is_some() {
                child::answer(&counted.borrow().count);
            }
        });
        while let Ok((stream, _)) = listener.accept().await {
            tokio::task::spawn_local(receive(stream, seen.clone(), Duration::from_secs(wait_s)));
        }
    });
}

async fn receive(mut stream: TcpStream, seen: Rc<RefCell<Seen>>, wait: Duration) -> std::io::Result<()> {
    let mut buffer = Vec::with_capacity(16 * 1024);
    loop {
        while let Some((head, end)) = whole_request(&buffer) {
            let sequence = header(&buffer[..head], b"x-campanile-sequence: ");
            let attempt = header(&buffer[..head], b"x-campanile-attempt: ");
            let taken = seen.borrow_mut().takes(sequence, attempt, wait);
            let status = if taken { "200 OK" } else { "500 Not Yet" };
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nok");
            buffer.drain(..end);
            stream.write_all(answer.as_bytes()).await?;
        }
        if stream.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    }
}

impl Seen {
    fn takes(&mut self, sequence: u64, attempt: u64, wait: Duration) -> bool {
        if sequence.is_multiple_of(TAKEN_ONE_IN) {
            return true;
        }
        let now = campanile::clock::instant();
        match self.failed.get(&sequence) {
            // A first attempt again is one that the kill came before the record of.
            Some(_) if attempt == 1 => false,
            None => {
                self.failed.insert(sequence, now);
                self.count.failed += 1;
                false
            }
            Some(failed) => {
                // The endpoint hears of it before the broker does: the wait begins no earlier than this.
                self.count.early += u64::from(now - *failed < wait);
                self.count.again += 1;
                true
            }
        }
    }
}

fn header(head: &[u8], name: &[u8]) -> u64 {
    let lower = head.to_ascii_lowercase();
    let at = memmem::find(&lower, name).expect("every delivery has it") + name.len();
    let digits = head[at..].iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}
