//! Ports for tests. Each is given once, lies below those that the system gives out by itself, and so is still free when
//! a killed server comes back to it; and neither what this process starts meanwhile nor other tests hold it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{LazyLock, Mutex, PoisonError};

/// How many there are.
const COUNT: u16 = 10_000;

/// A process takes them in blocks of so many. It listens on the first of a block, which keeps others away from it.
const BLOCK: u16 = 64;

/// The first of them: the system tells which ones it gives to whoever asks for any.
static FIRST: LazyLock<u16> = LazyLock::new(|| {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let lowest = range.split_whitespace().next().and_then(|text| text.parse::<u16>().ok());
    // Where the system keeps them all to itself, none is better than another.
    let end = lowest.filter(|lowest| *lowest > COUNT + 1024).unwrap_or(32_000).min(32_000);
    end - COUNT
});

/// The ports of this process that were not given yet.
static LEFT: Mutex<std::ops::Range<u16>> = Mutex::new(0..0);

fn address(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn next() -> SocketAddr {
    let mut left = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
    let port = left.next().unwrap_or_else(|| {
        let first = claim();
        *left = first + 2..first + BLOCK;
        first + 1
    });
    address(port)
}

/// The first port of a block that is nobody's.
fn claim() -> u16 {
    let blocks = COUNT / BLOCK;
    let begin = u16::try_from(std::process::id() % u32::from(blocks)).expect("it is small");
    for number in 0..blocks {
        let first = *FIRST + (begin + number) % blocks * BLOCK;
        if let Ok(guard) = TcpListener::bind(address(first)) {
            // Held for as long as the process lives.
            std::mem::forget(guard);
            return first;
        }
    }
    panic!("no port is left for this test");
}

/// A port where nobody listens.
pub(crate) fn free_port() -> u16 {
    loop {
        let address = next();
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.expect("a socket");
        socket.set_reuse_address(true).expect("an option that every socket has");
        // Only bound, it is in nobody's way: a listener would be, as long as a child that is being born has a copy.
        if socket.bind(&address.into()).is_ok() {
            return address.port();
        }
    }
}

/// A listener on a port of its own.
#[allow(dead_code, reason = "not all tests have one")]
pub(crate) fn listen() -> TcpListener {
    loop {
        if let Ok(listener) = TcpListener::bind(next()) {
            return listener;
        }
    }
}
