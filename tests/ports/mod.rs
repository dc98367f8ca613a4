//! Ports for tests. Each is given once, lies below those that the system gives out by itself, and so is still free when
//! a killed server comes back to it; and nothing that this process starts meanwhile holds it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};

/// How many there are.
const COUNT: u16 = 10_000;

/// The first of them: the system tells which ones it gives to whoever asks for any.
static FIRST: LazyLock<u16> = LazyLock::new(|| {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let lowest = range.split_whitespace().next().and_then(|text| text.parse::<u16>().ok());
    // Where the system keeps them all to itself, none is better than another.
    let end = lowest.filter(|lowest| *lowest > COUNT + 1024).unwrap_or(32_000).min(32_000);
    end - COUNT
});

fn next() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Other programs of tests that run meanwhile begin elsewhere.
    let begin = u16::try_from(std::process::id() % 150).expect("it is small") * 64;
    let port = *FIRST + (begin + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT) % COUNT;
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
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
