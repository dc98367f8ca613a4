//! Every status, and every way to say when to come again.

use super::{Case, Expected, failed, refused, run, taken};
use crate::support::Rogue;

fn answers(name: &'static str, status: u16, headers: &str, expected: Expected) -> Case {
    let length = if status == 204 || status == 304 { "" } else { "Content-Length: 2\r\n" };
    let body = if length.is_empty() { "" } else { "ok" };
    let answer = format!("HTTP/1.1 {status} X\r\n{length}{headers}Connection: close\r\n\r\n{body}");
    Case::new(name, Rogue::saying(answer), expected)
}

/// A name that lives as long as the program: the cases of a table have theirs made.
fn named(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

#[test]
fn each_status_is_a_success_or_is_tried_again_or_ends_it() {
    let mut cases: Vec<Case> = Vec::new();
    for status in [200, 201, 202, 203, 204, 206, 226, 299] {
        cases.push(answers(named(format!("status {status}")), status, "", taken(status)));
    }
    for status in [400, 401, 402, 403, 404, 405, 408, 409, 413, 418, 422, 425, 429, 451, 499] {
        cases.push(answers(named(format!("status {status}")), status, "", refused(status)));
    }
    for status in [500, 501, 502, 503, 504, 507, 511, 520, 599] {
        cases.push(answers(named(format!("status {status}")), status, "", refused(status)));
    }
    cases.push(answers("status 410", 410, "", refused(410).becoming("dead")));
    run(&cases);
}

#[test]
fn no_redirect_is_followed() {
    let target = Rogue::saying("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let locations =
        [target.url(), "/elsewhere".to_owned(), "//127.0.0.1:1/".to_owned(), "file:///etc/passwd".to_owned()];
    let mut cases = Vec::new();
    for (number, status) in [300, 301, 302, 303, 304, 305, 307, 308].into_iter().enumerate() {
        let location = format!("Location: {}\r\n", locations[number % locations.len()]);
        let expected = Expected { error: Some("redirects are not followed".to_owned()), ..refused(status) };
        cases.push(answers(named(format!("status {status}")), status, &location, expected));
    }
    run(&cases);
    assert_eq!(target.connections(), 0);
}

#[test]
fn when_to_come_again_is_heeded_within_an_hour_and_nonsense_is_not() {
    // Never sooner than the schedule says, which is five minutes and up to a tenth more after the answer.
    let schedule = || 300.0..=440.0;
    let dated = |form: &str, seconds: i64| {
        let then = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
        then.strftime(form).to_string()
    };
    let date = |seconds: i64| dated("%a, %d %b %Y %H:%M:%S GMT", seconds);
    let mut cases = Vec::new();
    for (name, value, wait) in [
        ("zero", "0".to_owned(), schedule()),
        ("four", "4".to_owned(), schedule()),
        ("a date ahead", date(1000), 800.0..=1110.0),
        ("a date behind", date(-1000), schedule()),
        ("a date as in RFC 850", dated("%A, %d-%b-%y %H:%M:%S GMT", 1000), 800.0..=1110.0),
        ("a date as of asctime", dated("%a %b %e %H:%M:%S %Y", 1000), 800.0..=1110.0),
        ("too long", "99999999999999999999".to_owned(), 3599.9..=3710.0),
        ("a far date", date(90_000), 3599.9..=3710.0),
        ("negative", "-1".to_owned(), schedule()),
        ("letters", "abc".to_owned(), schedule()),
        ("an exponent", "1e300".to_owned(), schedule()),
        ("infinite", "inf".to_owned(), schedule()),
        ("no number", "NaN".to_owned(), schedule()),
        ("nothing", String::new(), schedule()),
        ("two", "1\r\nRetry-After: 2".to_owned(), schedule()),
    ] {
        for status in [429, 503] {
            let header = format!("Retry-After: {value}\r\n");
            let name = named(format!("{name} with {status}"));
            cases.push(answers(name, status, &header, refused(status).waiting(wait.clone())));
        }
    }
    cases.push(answers(
        "only 429 and 503 say when",
        500,
        "Retry-After: 900\r\n",
        refused(500).waiting(schedule()),
    ));
    cases.push(Case::nobody(
        "nobody says nothing",
        "http://127.0.0.1:1/",
        failed("connection failed").waiting(schedule()),
    ));
    run(&cases);
}
