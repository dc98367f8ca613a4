//! Answers whose body is not what was promised. The status decides; of the body little is read and less is kept.

use super::{Case, refused, run, taken};
use crate::support::Rogue;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

fn says(name: &'static str, headers: &str, body: impl AsRef<[u8]>, expected: super::Expected) -> Case {
    let mut answer = format!("HTTP/1.1 200 OK\r\n{headers}\r\n").into_bytes();
    answer.extend_from_slice(body.as_ref());
    Case::new(name, Rogue::saying(answer), expected)
}

/// A compressed stream that would be enormous: nobody asked for one, so nobody unpacks it.
fn bomb() -> Vec<u8> {
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    bytes.extend(std::iter::repeat_n([0xec, 0xc1, 0x01, 0x0d, 0, 0, 0, 0x80, 0x90, 0xfe], 1000).flatten());
    bytes
}

#[test]
fn the_status_decides_whatever_the_body_is() {
    let chunked = "Transfer-Encoding: chunked\r\n";
    run(&[
        says("less than promised", "Content-Length: 10\r\n", "abc", taken(200).keeping("abc")),
        says("none of what was promised", "Content-Length: 10\r\n", "", taken(200)),
        says(
            "more than promised",
            "Content-Length: 10\r\n",
            "x".repeat(20),
            taken(200).keeping("xxxxxxxxxx"),
        ),
        says("a bad chunk", chunked, "3\r\nabc\r\nzz\r\n", taken(200).keeping("abc")),
        says("a chunk of any size", chunked, "ffffffffffffffffff\r\nabc", taken(200)),
        says("no last chunk", chunked, "3\r\nabc\r\n", taken(200).keeping("abc")),
        says("not UTF-8", "Content-Length: 4\r\n", [b'a', 0xff, 0xfe, b'b'], taken(200).keeping("a\u{fffd}")),
        says("NUL and escapes", "Content-Length: 9\r\n", "a\0\x1b[31mb\r", taken(200).keeping("a\0\x1b[31m")),
        says("a script", "Content-Length: 18\r\n", "</script><script>x", taken(200).keeping("</script>")),
        says(
            "packed, and says so",
            "Content-Encoding: gzip\r\nContent-Length: 10010\r\n",
            bomb(),
            taken(200).keeping("\u{1f}"),
        ),
        says("packed, and does not", "Content-Length: 10010\r\n", bomb(), taken(200).keeping("\u{1f}")),
        Case::new(
            "a reset after the head",
            Rogue::start(|peer| {
                peer.request()?;
                peer.say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")?;
                // Long enough that the head is read and not lost with the reset.
                std::thread::sleep(Duration::from_secs(6));
                peer.reset()
            }),
            taken(200).keeping("abc"),
        ),
        Case::new(
            "a refusal that breaks off",
            Rogue::saying("HTTP/1.1 500 No\r\nContent-Length: 10\r\n\r\nabc"),
            refused(500).keeping("abc"),
        ),
        Case::new(
            "an answer that never ends",
            Rogue::start(|peer| {
                peer.request()?;
                peer.say("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")?;
                peer.say_for_ever("x", Duration::from_millis(50))
            }),
            taken(200).keeping("xx").at_the_deadline(),
        ),
        Case::new(
            "no body and never closed",
            Rogue::start(|peer| {
                peer.request()?;
                peer.say("HTTP/1.1 200 OK\r\n\r\n")?;
                peer.fall_silent()
            }),
            taken(200).at_the_deadline(),
        ),
    ]);
}

/// Floods whoever asks, and counts how much of it went out.
fn flood(head: &'static str, piece: &'static str) -> (Rogue, Arc<AtomicUsize>) {
    let (sent, counter) = (Arc::new(AtomicUsize::new(0)), piece.repeat(4096 / piece.len()));
    let count = Arc::clone(&sent);
    let rogue = Rogue::start(move |peer| {
        peer.request()?;
        peer.say(head)?;
        loop {
            peer.say(&counter)?;
            count.fetch_add(counter.len(), Ordering::Relaxed);
        }
    });
    (rogue, sent)
}

#[test]
fn of_a_flood_little_is_read_and_the_connection_ends() {
    let (gigabytes, first) = flood("HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n", "x");
    let (chunks, second) =
        flood("HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n", "8\r\nabcdefgh\r\n");
    let (unending, third) = flood("HTTP/1.1 200 OK\r\n\r\n", "y");
    run(&[
        Case::new("ten gigabytes", gigabytes, taken(200).keeping("xxx")),
        Case::new("chunks for ever", chunks, refused(500).keeping("abcdefgh")),
        Case::new("no end", unending, taken(200).keeping("yyy")),
    ]);
    for sent in [first, second, third] {
        // What it wrote beyond what was read is in the buffers of the two sockets.
        crate::support::eventually("the flood ends", || {
            let before = sent.load(Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(50));
            (sent.load(Ordering::Relaxed) == before).then_some(())
        });
        assert!(sent.load(Ordering::Relaxed) < 256 << 20, "{} bytes", sent.load(Ordering::Relaxed));
    }
}
