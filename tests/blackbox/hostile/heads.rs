//! What stands where a status line and headers should be.

use super::{Case, failed, late, refused, run, taken};
use crate::support::Rogue;
use std::time::Duration;

const NOT_HTTP: &str = "bad response: ";

fn says(name: &'static str, answer: impl Into<Vec<u8>>, expected: super::Expected) -> Case {
    Case::new(name, Rogue::saying(answer), expected)
}

#[test]
fn what_is_no_answer_is_a_failure_that_says_so() {
    let many = "X-A: b\r\n".repeat(10_000);
    let long = format!("HTTP/1.1 200 OK\r\nX-Long: {}\r\n\r\n", "x".repeat(1 << 20));
    let continued = "HTTP/1.1 100 Continue\r\n\r\n".repeat(1000);
    run(&[
        Case::new("silence", Rogue::start(|peer| peer.request().and_then(|_| peer.fall_silent())), late()),
        Case::new(
            "a byte now and then",
            Rogue::start(|peer| {
                peer.request()?;
                peer.say("HTTP/1.1 200 OK\r\nX-A: ")?;
                peer.say_for_ever("x", Duration::from_millis(100))
            }),
            late(),
        ),
        says("a head of a mebibyte", long, failed(NOT_HTTP)),
        says("ten thousand headers", format!("HTTP/1.1 200 OK\r\n{many}\r\n"), failed(NOT_HTTP)),
        Case::new(
            "a head without an end",
            Rogue::start(|peer| {
                peer.request()?;
                peer.say("HTTP/1.1 200 OK\r\n")?;
                peer.say_for_ever("X-A: b\r\n".repeat(1000), Duration::ZERO)
            }),
            failed(NOT_HTTP),
        ),
        says("no status line", "hello\r\n\r\n", failed(NOT_HTTP)),
        says("a status line without a status", "HTTP/1.1 OK\r\n\r\n", failed(NOT_HTTP)),
        says("HTTP/0.9", "<html>hello</html>", failed(NOT_HTTP)),
        says("HTTP/2 preface", "HTTP/2 200\r\n\r\n", failed(NOT_HTTP)),
        says("status 99", "HTTP/1.1 99 Early\r\n\r\n", failed(NOT_HTTP)),
        says("status 600", "HTTP/1.1 600 Late\r\nContent-Length: 0\r\n\r\n", failed(NOT_HTTP)),
        says("status 999", "HTTP/1.1 999 No\r\nContent-Length: 0\r\n\r\n", failed(NOT_HTTP)),
        says("NUL in a header", "HTTP/1.1 200 OK\r\nX-A: a\0b\r\n\r\n", failed(NOT_HTTP)),
        says(
            "two lengths",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            failed(NOT_HTTP),
        ),
        says("a thousand times continue", continued, failed(NOT_HTTP)),
        Case::new(
            "early hints without an end",
            Rogue::start(|peer| {
                peer.request()?;
                peer.say_for_ever("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", Duration::ZERO)
            }),
            failed(NOT_HTTP),
        ),
        says(
            "another protocol",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
            failed(NOT_HTTP),
        ),
        says("nothing at all", "", failed(NOT_HTTP)),
        says("half a head", "HTTP/1.1 200 OK\r\nX-A", failed(NOT_HTTP)),
    ]);
}

#[test]
fn an_unusual_answer_is_one_all_the_same() {
    run(&[
        says("bare line feeds", "HTTP/1.1 204 No\nX-A: b\n\n", taken(204)),
        says("HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nold", taken(200).keeping("old")),
        says("no reason", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", taken(200).keeping("ok")),
        says(
            "continue first",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            taken(200).keeping("ok"),
        ),
        says(
            "hints first",
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno",
            refused(500).keeping("no"),
        ),
        says(
            "no length and no promise to close",
            "HTTP/1.1 200 OK\r\n\r\nuntil the end",
            taken(200).keeping("until the end"),
        ),
        says(
            "two final answers",
            "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            refused(500),
        ),
        // An endpoint that answers before it has read everything.
        Case::new(
            "an answer to half a request",
            Rogue::start(|peer| {
                peer.hear()?;
                peer.say("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
                peer.fall_silent()
            }),
            refused(413),
        )
        .hearing(0),
    ]);
}
