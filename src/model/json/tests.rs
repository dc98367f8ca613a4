//! The scanner against tables written by hand and against another parser on random text.

use super::*;
use proptest::prelude::*;
use serde_json::value::RawValue;

fn check(document: &[u8]) -> Result<Option<Violation>, Malformed> {
    scan(document, 64)
}

fn code(document: &str) -> Option<(&'static str, String)> {
    let violation = check(document.as_bytes()).unwrap()?;
    Some((violation.code.unwrap(), violation.pointer))
}

#[test]
fn text_that_is_json_is_accepted() {
    let table = [
        "{}",
        "[]",
        "0",
        "-0",
        "1.10",
        "1e400",
        "1E+2",
        "0e-0",
        "-1.5e3",
        "\"\"",
        "true",
        "false",
        "null",
        " \t\r\n{ \"a\" : [ 1 , 2 ] } \n",
        "[[],{},[{}]]",
        "\"\\u0000\"",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
        "\"\\ud83d\\uDE00\"",
        "\"é\u{7f}\u{2028}\u{10ffff}\"",
        "{\"\":0}",
        "{\"a\":{\"a\":1},\"b\":{\"a\":1}}",
        "9223372036854775808",
        "12345678901234567890123",
        "{\"a\":\"}\",\"b\":\"]\"}",
        "\"12345678\"",
        "\"1234567\\n\"",
        "{\"__proto__\":1}",
    ];
    for text in table {
        assert_eq!(check(text.as_bytes()), Ok(None), "{text}");
    }
}

/// Texts that are not JSON, and the first byte that shows it.
const NOT_JSON: &[(&[u8], usize)] = &[
    (b"", 0),
    (b"   ", 3),
    (b"{", 1),
    (b"{\"a\":", 5),
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
    (b"\xff", 0),
    (b"\"\xc0\xaf\"", 1),
    (b"\"a\x01\"", 2),
    (b"\"a\nb\"", 2),
    (b"\"abcdefgh\x1f\"", 9),
    (b"[1 2]", 3),
    (b"[,1]", 1),
    (b"[1", 2),
    (b"]", 0),
    (b"}", 0),
    (b"[}", 1),
    (b"{]", 1),
    (b"[1}", 2),
    (b"{\"a\":1]", 6),
    (b"{\"a\" 1}", 5),
    (b"{\"a\":1,}", 7),
    (b"{1:1}", 1),
    (b"{\"a\"}", 4),
    (b"{,}", 1),
    (b"-", 1),
    (b"1.", 2),
    (b".5", 0),
    (b"1e", 2),
    (b"1e+", 3),
    (b"--1", 1),
    (b"1.e1", 2),
    (b"-a", 1),
    (b"tru", 3),
    (b"truE", 3),
    (b"nulll", 4),
    (b"Infinity", 0),
    (b"-Infinity", 1),
    (b"\"abc", 4),
    (b"\"\\", 2),
    (b"\"\\x\"", 2),
    (b"\"\\u12\"", 5),
    (b"\"\\u12g4\"", 5),
    (b"\"\\U0000\"", 2),
    (b"[\"a\",\n", 6),
    (b"\0", 0),
    (b"{\x00}", 1),
    (b"[1]\x0c", 3),
    (b"\x0b1", 0),
    (b"\xed\xa0\x80", 0),
    (b"\xf4\x90\x80\x80", 0),
    (b"'a'", 0),
    (b"{\0\"\0a\0", 1),
    (b"\xfe\xff\0{\0}", 0),
    (b"\"\xf0\x9f\x98\"", 1),
    (b"[1,2", 4),
    (b"\\u0020", 0),
];

#[test]
fn text_that_is_not_json_is_refused_at_the_first_wrong_byte() {
    for (text, offset) in NOT_JSON {
        let found = check(text).map_err(|malformed| malformed.offset);
        assert_eq!(found, Err(*offset), "{}", String::from_utf8_lossy(text));
    }
}

#[test]
fn a_name_given_twice_is_found_with_its_pointer_also_when_escaped() {
    assert_eq!(code(r#"{"a":1,"a":2}"#), Some(("duplicate_key", "/a".into())));
    assert_eq!(code(r#"{"a":1,"\u0061":2}"#), Some(("duplicate_key", "/a".into())));
    assert_eq!(code(r#"{"x":[0,{"b":1,"c":"\"}","b":2}],"y":1}"#), Some(("duplicate_key", "/x/1/b".into())));
    assert_eq!(code(r#"{"a/b":{"~":1,"~":2}}"#), Some(("duplicate_key", "/a~1b/~0".into())));
    assert_eq!(code(r#"{"a":{"a":1},"b":[{"a":1},{"a":1}]}"#), None);
    let mut many: Vec<String> = (0..5000).map(|n| format!("\"k{n}\":{n}")).collect();
    assert_eq!(code(&format!("{{{}}}", many.join(","))), None);
    many.push("\"k\\u0037\":0".into());
    assert_eq!(code(&format!("{{{}}}", many.join(","))), Some(("duplicate_key", "/k7".into())));
}

#[test]
fn half_a_surrogate_pair_breaks_a_rule_and_not_the_grammar() {
    for text in [
        r#"{"a":["x","\ud800"]}"#,
        r#"{"a":["x","\udc00"]}"#,
        r#"{"a":["x","\ud800\ud800"]}"#,
        r#"{"a":["x","\ud800x"]}"#,
        r#"{"a":["x","\ud83d\u0041"]}"#,
        r#"{"a":["x","ok\uDFFF\ud800\udc00"]}"#,
    ] {
        assert_eq!(code(text), Some(("lone_surrogate", "/a/1".into())), "{text}");
    }
    assert_eq!(code(r#"{"a":{"\ud800":1}}"#), Some(("lone_surrogate", "/a".into())));
}

#[test]
fn depth_is_bounded_and_the_pass_needs_no_stack() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(code(&nested(64)), None);
    assert_eq!(code(&nested(65)), Some(("too_deep", "/0".repeat(64))));
    assert_eq!(code(&nested(10_000)).unwrap().0, "too_deep");
    let objects = format!("{}1{}", "{\"a\":".repeat(65), "}".repeat(65));
    assert_eq!(code(&objects), Some(("too_deep", "/a".repeat(64))));
    let open = "[".repeat(500_000);
    assert_eq!(check(open.as_bytes()).map_err(|malformed| malformed.offset), Err(500_000));
    assert_eq!(code(&nested(500_000)).unwrap().0, "too_deep");
}

#[test]
fn malformed_text_weighs_more_than_a_broken_rule_before_it() {
    assert_eq!(check(br#"{"a":1,"a":"\ud800",}"#).map_err(|malformed| malformed.offset), Err(20));
}

#[test]
fn hostile_documents_take_linear_time() {
    let quotes = format!("[{}\"\"]", "\"\\\"\",".repeat(150_000));
    let names: Vec<String> = (0..100_000).map(|n| format!("\"{n}\":0")).collect();
    let names = format!("{{{}}}", names.join(","));
    let brackets = "[".repeat(1 << 20);
    for text in [quotes, names, brackets] {
        // Were it quadratic, this would take minutes.
        let _ = check(text.as_bytes());
    }
}

#[test]
fn a_pointer_never_makes_an_answer_large() {
    let name = "n".repeat(100_000);
    let violation = check(format!("{{\"{name}\":1,\"{name}\":2}}").as_bytes()).unwrap().unwrap();
    assert!(violation.pointer.len() < 1100);
    assert!(violation.pointer.ends_with('…'));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_well_formed_is_what_another_parser_says(text in r#"[\[\]{}:,"\\u019.eE+\-aAdD8tfnrl \n\x01é]{0,24}"#) {
        let theirs = serde_json::from_str::<&RawValue>(&text).is_ok();
        prop_assert_eq!(check(text.as_bytes()).is_ok(), theirs, "{}", text);
    }

    #[test]
    fn bytes_at_random_never_panic_and_agree(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        let theirs = serde_json::from_slice::<&RawValue>(&bytes).is_ok();
        prop_assert_eq!(check(&bytes).is_ok(), theirs);
    }

    #[test]
    fn a_string_reads_as_another_parser_reads_it(inner in r#"([a-zé"]|\\u00[0-7][0-9a-f]|\\ud83d\\ude0[0-9]|\\[nrtbf/\\"]){0,12}"#) {
        let text = format!("\"{}\"", inner.replace('"', "\\\"").replace("\\\\\"", "\\\""));
        if let Ok(theirs) = serde_json::from_str::<String>(&text) {
            prop_assert_eq!(JsonReader::new(text.as_bytes()).unwrap().string().unwrap(), theirs);
        }
    }

    #[test]
    fn any_value_written_by_another_writer_is_accepted(numbers: Vec<f64>, texts in proptest::collection::btree_map(any::<String>(), any::<String>(), 0..30)) {
        let numbers: Vec<f64> = numbers.into_iter().filter(|number| number.is_finite()).collect();
        let text = serde_json::json!({"numbers": numbers, "texts": texts}).to_string();
        prop_assert_eq!(check(text.as_bytes()), Ok(None));
    }
}
