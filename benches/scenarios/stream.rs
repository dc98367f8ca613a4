//! Server-Sent Events to 1,000 clients that all match, next to the bare fan-out; and what 10,000 idle ones cost.

use crate::bare::BareServer;
use crate::broker::Broker;
use crate::fanout::Fanout;
use crate::http::get;
use crate::load::Load;
use crate::report::{Goal, Report, Row};
use crate::{Effort, child};
use memchr::memmem;
use serde::{Deserialize, Serialize};
use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

#[derive(Debug, Serialize, Deserialize)]
struct Subscribers {
    address: SocketAddr,
    path: String,
    clients: usize,
    /// Frames that each waits for; zero: none, the connections are only held.
    frames: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Heard {
    /// From the word to go to the last frame of the last client.
    seconds: f64,
    bytes: u64,
}

pub(crate) fn run(effort: Effort, report: &mut Report) {
    let broker = Broker::empty();
    let clients = 1000;
    let mut rows = Vec::new();
    for (batch, frames) in [(1, 500), (64, 4096)] {
        let frames = if effort.quick { frames / 4 } else { frames };
        let (mut ours, mut limit, mut cpu) = (Vec::new(), Vec::new(), Vec::new());
        let mut frame_bytes = 0;
        for _ in 0..effort.rounds {
            let used = broker.cpu_seconds();
            let heard = fan_out(&broker, clients, frames, batch);
            let delivered = (frames * clients as u64) as f64;
            ours.push(delivered / heard.seconds);
            frame_bytes = heard.bytes / (frames * clients as u64);
            cpu.push((broker.cpu_seconds() - used) * 1e6 / delivered);
            limit.push(delivered / bare_fan_out(clients, frames, batch).seconds);
        }
        let note = format!("{frame_bytes} bytes a frame, CPU µs/frame {:.2}", crate::report::median(&cpu));
        let case = format!("{clients} clients, published {batch} at a time");
        rows.push(Row::new(case, "frames/s", &ours).against(&limit).goal(Goal::Ratio(0.5)).note(note));
    }
    rows.push(idle_memory(effort));
    report.table(&rows);
}

fn fan_out(broker: &Broker, clients: usize, frames: u64, batch: u64) -> Heard {
    let path = "/api/v1/events/stream".to_owned();
    let settings = serde_json::json!(Subscribers { address: broker.address, path, clients, frames });
    let mut subscribers = child::Process::start("subscribers", &settings);
    let _: bool = subscribers.next();
    let load = Load {
        batch: if batch == 1 { 0 } else { batch as usize },
        requests: Some(frames / batch),
        ..Load::single(broker.address, 1, 600.0)
    };
    subscribers.go();
    assert_eq!(load.run().refused, 0, "publishes were refused");
    subscribers.next()
}

fn bare_fan_out(clients: usize, frames: u64, batch: u64) -> Heard {
    let mut fanout = Fanout::start(clients, frames, batch);
    let path = "/".to_owned();
    let settings = serde_json::json!(Subscribers { address: fanout.address, path, clients, frames });
    let mut subscribers = child::Process::start("subscribers", &settings);
    let _: bool = subscribers.next();
    subscribers.go();
    fanout.go();
    subscribers.next()
}

fn idle_memory(effort: Effort) -> Row {
    let clients = if effort.quick { 2000 } else { 10_000 };
    let hold = |address, path: &str| {
        let path = path.to_owned();
        let settings = serde_json::json!(Subscribers { address, path, clients, frames: 0 });
        let mut held = child::Process::start("subscribers", &settings);
        let _: bool = held.next();
        // Buffers of the last handshakes settle.
        std::thread::sleep(std::time::Duration::from_secs(1));
        held
    };
    let broker = Broker::empty();
    let before = broker.resident_mib();
    let held = hold(broker.address, "/api/v1/events/stream");
    let ours = (broker.resident_mib() - before) * 1024.0 / clients as f64;
    drop(held);
    let bare = BareServer::start();
    let before = crate::broker::resident_mib(bare.id());
    let held = hold(bare.address, "/idle");
    let limit = (crate::broker::resident_mib(bare.id()) - before) * 1024.0 / clients as f64;
    drop(held);
    Row::new(format!("memory of an idle client, {clients} of them"), "KiB", &[ours])
        .against(&[limit])
        .goal(Goal::Below(14.0))
        .note("limit: an idle actix-web response")
}

/// The `subscribers` role: connects all, says so, then counts frames.
pub(crate) fn subscribe(settings: &str) {
    let settings: Subscribers = child::settings(settings);
    child::block_on(async move {
        let request = get(&settings.path, "text/event-stream");
        let bytes = Rc::new(Cell::new(0));
        let buffer = Rc::new(RefCell::new(vec![0; 256 * 1024]));
        let (opened, mut all_opened) = mpsc::unbounded_channel();
        let (finished, mut all_finished) = mpsc::unbounded_channel();
        for _ in 0..settings.clients {
            let mut stream = TcpStream::connect(settings.address).await.expect("the server accepts");
            stream.write_all(&request).await.expect("the server reads");
            let one = Subscriber {
                stream,
                buffer: buffer.clone(),
                bytes: bytes.clone(),
                tail: Vec::new(),
                frames: settings.frames,
            };
            let (opened, finished) = (opened.clone(), finished.clone());
            tokio::task::spawn_local(async move {
                let ended = one.listen(opened, finished).await;
                eprintln!("a stream ended: {ended:?}");
            });
        }
        for _ in 0..settings.clients {
            all_opened.recv().await;
        }
        child::answer(&true);
        child::wait_for_go();
        let begin = campanile::clock::instant();
        let mut last: Instant = begin;
        for _ in 0..settings.clients {
            last = all_finished.recv().await.unwrap_or(last);
        }
        child::answer(&Heard { seconds: (last - begin).as_secs_f64(), bytes: bytes.get() });
    });
}

struct Subscriber {
    stream: TcpStream,
    /// One for all: what has been counted is not kept.
    buffer: Rc<RefCell<Vec<u8>>>,
    bytes: Rc<Cell<u64>>,
    /// The last bytes of the read before, in case a mark was cut in two.
    tail: Vec<u8>,
    frames: u64,
}

impl Subscriber {
    async fn listen(
        mut self,
        opened: mpsc::UnboundedSender<()>,
        finished: mpsc::UnboundedSender<Instant>,
    ) -> io::Result<()> {
        let mut seen = 0;
        let mut is_open = false;
        loop {
            self.stream.readable().await?;
            let buffer = self.buffer.clone();
            let mut buffer = buffer.borrow_mut();
            let read = match self.stream.try_read(&mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            };
            if !is_open {
                is_open = buffer.starts_with(b"HTTP/1.1 200");
                assert!(is_open, "{}", String::from_utf8_lossy(&buffer[..read]));
                let _ = opened.send(());
            }
            let was_done = seen >= self.frames;
            seen += self.count(&buffer[..read]);
            self.bytes.set(self.bytes.get() + read as u64);
            if !was_done && seen >= self.frames {
                let _ = finished.send(campanile::clock::instant());
            }
        }
    }

    /// Frames that begin their data in these bytes or across the cut before them.
    fn count(&mut self, bytes: &[u8]) -> u64 {
        const MARK: &[u8] = b"\ndata: ";
        const OVERLAP: usize = MARK.len() - 1;
        let mut cut = std::mem::take(&mut self.tail);
        let across = {
            let before = cut.len();
            cut.extend_from_slice(&bytes[..bytes.len().min(OVERLAP)]);
            memmem::find_iter(&cut, MARK).filter(|at| at + MARK.len() > before).count()
        };
        if bytes.len() >= OVERLAP {
            cut.clear();
            cut.extend_from_slice(&bytes[bytes.len() - OVERLAP..]);
        } else {
            cut.drain(..cut.len().saturating_sub(OVERLAP));
        }
        self.tail = cut;
        (across + memmem::find_iter(bytes, MARK).count()) as u64
    }
}
