//! Text that is not JSON, and JSON that breaks a rule.

use crate::support::*;
use campanile::clock::instant;

#[test]
fn malformed_text_is_400_with_the_offset() {
    let server = start();
    let table: &[(&[u8], u64)] = &[
        (b"", 0),
        (b"  ", 2),
        (b"{", 1),
        (b"{\"type\":", 8),
        (b"nul", 3),
        (b"[1,]", 3),
        (b"{a:1}", 1),
        (b"{'a':1}", 1),
        (b"/*x*/{}", 0),
        (b"NaN", 0),
        (b"+1", 0),
        (b"01", 1),
        (b"0x1", 1),
        (b"\xef\xbb\xbf{}", 0),
        (b"{} x", 3),
        (b"{}{}", 2),
        (b"{\0}\0", 1),
        (b"\xff", 0),
        (b"{\"a\":\"\xc0\xaf\"}", 6),
        (b"{\"a\":\"\x01\"}", 6),
        (b"{\"a\":\"x\ny\"}", 7),
        (b"{\"data\":{\"a\":[1,]}}", 16),
    ];
    for (body, offset) in table {
        let problem = server.publish(body).problem(400, "malformed_json");
        assert_eq!(problem["offset"], *offset, "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn a_member_given_twice_is_422_wherever_it_is() {
    let server = start();
    for (body, pointer) in [
        (r#"{"type":"a","type":"b","data":{}}"#, "/type"),
        (r#"{"type":"a","data":{"a":1,"a":2}}"#, "/data/a"),
        (r#"{"type":"a","data":{"x":[{"b":{"a":1,"\u0061":2}}]}}"#, "/data/x/0/b/a"),
        (r#"{"type":"a","data":{},"\u0064ata":{}}"#, "/data"),
    ] {
        let answer = server.publish(body);
        assert_eq!(answer.problem(422, "duplicate_key")["errors"][0]["code"], "duplicate_key");
        assert_eq!(answer.pointers(), [pointer]);
    }
}

#[test]
fn half_a_surrogate_pair_is_422() {
    let server = start();
    assert_eq!(
        server.publish_data(r#"{"a":"\ud83d"}"#).problem(422, "lone_surrogate")["errors"][0]["pointer"],
        "/data/a"
    );
    assert_eq!(server.publish_data(r#"{"a":"\ud83d\ude00"}"#).status, 201);
    assert_eq!(server.publish(r#"{"type":"a\udc00","data":{}}"#).status, 422);
}

#[test]
fn nesting_is_bounded_at_64_and_costs_nothing_beyond() {
    let server = start();
    let nested = |depth: usize| format!(r#"{}{{}}{}"#, r#"{"a":"#.repeat(depth - 1), "}".repeat(depth - 1));
    assert_eq!(server.publish_data(&nested(64)).status, 201);
    server.publish_data(&nested(65)).problem(422, "too_deep");
    server.publish_data(&nested(10_000)).problem(422, "too_deep");
    let began = instant();
    let open = format!(r#"{{"type":"a","data":{{"a":{}"#, "[".repeat(500_000));
    server.publish(open).problem(400, "malformed_json");
    assert!(began.elapsed().as_millis() < 1000, "unoptimised, transfer included");
}

#[test]
fn numbers_of_any_size_come_back_as_written() {
    let server = start();
    let million = "7".repeat(1_000_000);
    for number in
        ["1e400", "-0", "1.10", "9223372036854775808", "12345678901234567890123", "-1E-999", million.as_str()]
    {
        let data = format!(r#"{{"n":{number}}}"#);
        let answer = server.publish_data(&data);
        assert_eq!(answer.status, 201);
        assert!(answer.text().ends_with(&format!(r#""data":{data}}}"#)));
    }
}
