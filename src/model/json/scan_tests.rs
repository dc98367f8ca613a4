//! What the scanner accepts, refuses and names.

use super::*;
use proptest::prelude::*;

fn codes(text: &str) -> Vec<(String, &'static str)> {
    let problems = scan(text.as_bytes(), 64).unwrap();
    problems.into_iter().map(|one| (one.pointer, one.code.unwrap())).collect()
}

#[test]
fn what_is_no_json_is_refused_with_its_place() {
    for bad in [
        "",
        " ",
        "{",
        r#"{"a":"#,
        "nul",
        "[1,]",
        "{a:1}",
        "{'a':1}",
        "/*x*/{}",
        "NaN",
        "+1",
        "01",
        "0x1",
        "\u{feff}{}",
        "{} x",
        "{}{}",
        "\"\n\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "1.",
        ".5",
        "1e",
        "-",
        "[1 2]",
        r#"{"a" 1}"#,
        r#"{"a":1,}"#,
        "]",
        "}",
        "tru",
        "[",
        "\"",
        "{\"a\":1]",
        "[1}",
    ] {
        assert!(scan(bad.as_bytes(), 64).is_err(), "{bad:?}");
    }
    for bad in [&b"\"\xff\""[..], b"\"\xc0\xaf\"", b"\xff\xfe{\0}\0"] {
        assert!(scan(bad, 64).is_err());
    }
    assert_eq!(scan(b"{\"a\": nul}", 64).unwrap_err().offset, 6);
}

#[test]
fn numbers_of_any_size_and_every_escape_are_fine() {
    for good in
        ["1e400", "-0", "1.10", "12345678901234567890123", r#""\u0000\ud83d\ude00\/""#, "[[],{}]", " 1 "]
    {
        assert_eq!(scan(good.as_bytes(), 64), Ok(vec![]), "{good}");
    }
    assert!(scan("9".repeat(1_000_000).as_bytes(), 64).is_ok());
}

#[test]
fn duplicate_names_are_found_after_unescaping_at_any_place() {
    assert_eq!(codes(r#"{"a":1,"a":2}"#), [("/a".to_owned(), "duplicate_key")]);
    assert_eq!(codes(r#"{"x":[{"a":1,"\u0061":2}]}"#), [("/x/0/a".to_owned(), "duplicate_key")]);
    assert_eq!(codes(r#"{"a":{"a":1},"b":{"a":1}}"#), []);
    let many: Vec<String> = (0..40).map(|n| format!("\"k{n}\":0")).collect();
    assert_eq!(codes(&format!("{{{},\"k3\":1}}", many.join(","))), [("/k3".to_owned(), "duplicate_key")]);
}

#[test]
fn lone_surrogates_are_named_and_pairs_are_not() {
    assert_eq!(codes(r#"{"a":"\ud800"}"#), [("/a".to_owned(), "lone_surrogate")]);
    assert_eq!(codes(r#"["\udc00\ud800"]"#).len(), 2);
    assert_eq!(codes(r#"["\ud83d\ude00"]"#), []);
}

#[test]
fn depth_is_counted_and_a_bottomless_text_is_only_malformed() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(codes(&nested(64)), []);
    assert_eq!(codes(&nested(65)).len(), 1);
    assert_eq!(codes(&nested(10_000))[0].1, "too_deep");
    assert!(scan("[".repeat(500_000).as_bytes(), 64).is_err());
}

proptest! {
    #[test]
    fn it_agrees_with_serde_json_about_what_is_json(text in r#"[\[\]{},:"a1\\ue.0\- tn]{0,24}"#) {
        let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text);
        let ours = scan(text.as_bytes(), 1000);
        let ours_ok = ours.is_ok();
        // The other parser refuses lone surrogates as malformed.
        let surrogate = ours.is_ok_and(|problems| problems.iter().any(|one| one.code == Some("lone_surrogate")));
        prop_assert!(ours_ok == theirs.is_ok() || surrogate, "{:?}", text);
    }
}
