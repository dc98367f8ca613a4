//! The bare limit of fan-out: one thread that writes one shared buffer to every socket, batch after batch.

use crate::child;
use crate::events;
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

/// What is written to whom.
#[derive(Debug, Serialize, Deserialize)]
struct Settings {
    clients: usize,
    frames: u64,
    batch: u64,
}

/// A running fan-out, seen from the parent.
pub(crate) struct Fanout {
    process: child::Process,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Fanout {
    /// Starts one that waits for its clients.
    pub(crate) fn start(clients: usize, frames: u64, batch: u64) -> Self {
        let settings = serde_json::json!(Settings { clients, frames, batch });
        let mut process = child::Process::start("raw-fanout", &settings);
        Self { address: process.next(), process }
    }

    /// Begins to write.
    pub(crate) fn go(&mut self) {
        self.process.go();
    }
}

/// The `raw-fanout` role.
pub(crate) fn serve(settings: &str) {
    let settings: Settings = child::settings(settings);
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    child::answer(&listener.local_addr().expect("a bound socket has an address"));
    let mut clients: Vec<TcpStream> = (0..settings.clients).map(|_| welcome(&listener)).collect();
    child::wait_for_go();
    let mut sent = 0;
    while sent < settings.frames {
        let batch = settings.batch.min(settings.frames - sent);
        let buffer: String = (sent..sent + batch).map(frame).collect();
        for client in &mut clients {
            client.write_all(buffer.as_bytes()).expect("the subscriber reads");
        }
        sent += batch;
    }
    // The parent ends this process once the subscribers have read everything.
    child::wait_for_go();
}

fn welcome(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().expect("subscribers dial");
    stream.set_nodelay(true).expect("a socket option");
    let mut head = [0; 4096];
    let mut read = 0;
    while !head[..read].ends_with(b"\r\n\r\n") {
        read += stream.read(&mut head[read..]).expect("a subscriber asks");
    }
    stream
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\nretry: 2000\n:\n\n")
        .expect("a subscriber reads");
    stream
}

/// A frame as large as the broker's.
fn frame(number: u64) -> String {
    let id_and_time = r#""id":"evt_01J00000000000000000000000","timestamp":"2026-02-15T06:00:04.712Z","#;
    let draft = events::draft(500, 1);
    format!("id: {number}\nevent: pipeline.completed\ndata: {{{id_and_time}{}\n\n", &draft[1..])
}
