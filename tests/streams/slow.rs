//! Readers that are slow, or read nothing at all: memory is bounded, nothing is lost, nobody else is slower.

use crate::parser::Seen;
use crate::support::{READER, Running, Stream, draft, start, start_with, until};
use campanile::log::EventLog;
use campanile::model::Sequence;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A stream whose socket takes very little.
fn narrow(server: &Running, query: &str) -> Stream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&server.address.into()).unwrap();
    socket.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
    Stream::ask(socket.into(), "GET", READER, &format!("/api/v1/events/stream?{query}"), &[]).opened()
}

fn publish_megabytes(server: &Running, megabytes: u64) {
    let data = format!(r#"{{"s":"{}"}}"#, "x".repeat(9900));
    for _ in 0..megabytes {
        server.publish((0..100).map(|_| draft("a", data.clone())).collect());
    }
}

#[test]
fn a_reader_that_reads_a_byte_at_a_time_loses_nothing_and_slows_nobody() {
    let server = start_with(|config| config.stream.client_buffer = 8 * 1024);
    let (mut slow, mut quick) = (narrow(&server, ""), server.stream(""));
    // It has begun to read, byte by byte, when the rest comes.
    for _ in 0..20 {
        slow.more().unwrap();
    }
    publish_megabytes(&server, 3);
    quick.expect(1..=300);
    for n in 0..2000 {
        slow.more().unwrap();
        if n % 100 == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    let so_far = slow.bytes.clone();
    let heard = slow.parser.feed(&so_far).iter().filter_map(Seen::sequence).count() as u64;
    assert!(heard <= 1, "two thousand bytes are not two events");
    slow.expect(heard + 1..=300);
}

#[test]
fn what_is_in_memory_for_a_reader_that_does_not_read_is_bounded() {
    let server = start();
    let mut stuck = narrow(&server, "");
    publish_megabytes(&server, 20);
    // What the log forgets now can only come from the buffers between us.
    server.trim(2001);
    server.publish_many(1);
    let mut heard = 0;
    while stuck.message().sequence().is_some() {
        heard += 1;
    }
    assert!(heard < 60, "{heard} events of 10 kB were waiting outside the log");
    stuck.expect([2001]);
}

#[test]
fn a_peer_that_takes_nothing_is_gone_after_the_stall_timeout() {
    let server = start_with(|config| {
        config.stream.stall_timeout = Duration::from_secs(5);
        config.stream.keep_alive = Duration::from_millis(200);
        config.stream.max_clients = 2;
    });
    let _stuck = narrow(&server, "");
    let quick = server.stream("");
    let is_gone = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // The other reads on, and stays.
        let reading = scope.spawn(|| {
            let (mut quick, mut last) = (quick, 0);
            while last < 500 || !is_gone.load(Ordering::SeqCst) {
                let seen = quick.next().expect("who reads is not sent away");
                last = seen.sequence().unwrap_or(last);
            }
            quick
        });
        publish_megabytes(&server, 5);
        until("the stuck one's place is free", || server.open_streams() == 1);
        is_gone.store(true, Ordering::SeqCst);
        let mut quick = reading.join().unwrap();
        server.publish_many(1);
        quick.expect([501]);
    });
}

#[test]
fn a_reader_far_behind_is_served_while_the_log_grows() {
    let server = start_with(|config| config.stream.client_buffer = 16 * 1024);
    publish_megabytes(&server, 1);
    let mut stream = narrow(&server, "last_event_id=0");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..100 {
                server.publish_many(7);
            }
        });
        stream.expect(1..=800);
    });
    assert_eq!(server.log.bounds().borrow().head, Sequence(800));
}

#[test]
fn a_thousand_idle_streams_all_hear_the_next_event() {
    let server = start();
    let mut streams: Vec<Stream> = (0..1000).map(|n| server.stream(&format!("type=a,t{}", n % 10))).collect();
    server.publish_many(1);
    for stream in &mut streams {
        stream.expect([1]);
    }
    drop(streams);
    until("all of them are gone", || server.open_streams() == 0);
}
