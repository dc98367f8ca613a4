//! What expressions mean, what is refused, and what hostile ones cost.

use super::*;
use crate::model::{EncodeAs, EventDraft, EventId, EventType, Sequence, TenantId, Timestamp, UnixMillis};
use bytes::Bytes;
use proptest::prelude::*;

pub(super) fn event(pipeline: Option<&str>, data: &str) -> StoredEvent {
    let draft = EventDraft {
        id: None,
        event_type: EventType::parse("pipeline.completed").unwrap(),
        timestamp: None,
        pipeline: pipeline.map(Into::into),
        run_id: None,
        data: Bytes::from(data.to_owned()),
        extensions: None,
    };
    let place = EncodeAs {
        sequence: Sequence(4711),
        tenant: TenantId(1),
        id: EventId::parse("evt_abc123").unwrap(),
        timestamp: Timestamp::parse("2026-02-15T06:00:04.7Z").unwrap(),
        stored_at: UnixMillis(0),
    };
    StoredEvent::encode(draft, place)
}

const DATA: &str = r#"{"rows_loaded": 950, "ratio":0.5, "big":18446744073709551615, "huge":1e400, "whole": 950.0,
    "tags":["a","b\u00e9"], "user":{"name":"Ann","mail":"ann@example.com"}, "none":null, "on":true, "na\"me":1,
    "steps":[{"name":"load","ms":10},{"name":"check","ms":30},{"name":"odd"}], "neg":-3, "at":"2026-02-15T05:00:00Z"}"#;

fn holds(expression: &str) -> bool {
    let filter = PayloadFilter::parse(expression).unwrap_or_else(|why| panic!("{expression}: {why}"));
    let mut work = 0;
    let matches = filter.matches(&event(Some("user-analytics"), DATA), &mut work);
    assert!(work > 0);
    matches
}

fn refusal(expression: &str) -> String {
    PayloadFilter::parse(expression).expect_err(expression).to_string()
}

#[test]
fn an_expression_speaks_of_the_event_and_of_what_it_holds() {
    for matching in [
        r#"data.rows_loaded > 900 && pipeline.startsWith("user-")"#,
        r#"id == "evt_abc123" && type == 'pipeline.completed' && run_id == "" && sequence == 4711"#,
        r#"type in ["pipeline.completed", "pipeline.failed"]"#,
        r#"timestamp >= timestamp("2026-02-15T06:00:04.7Z") && timestamp < timestamp("2026-02-15T07:00:00+01:00") + duration("5s")"#,
        r#"timestamp - timestamp(data.at) > duration("1h") && timestamp.getHours() == 6 && timestamp.getMonth() == 1"#,
        "timestamp.getFullYear() == 2026 && timestamp.getDate() == 15 && timestamp.getDayOfMonth() == 14",
        "timestamp.getDayOfWeek() == 0 && timestamp.getDayOfYear() == 45 && timestamp.getMilliseconds() == 700",
        "timestamp.getMinutes() == 0 && timestamp.getSeconds() == 4",
        r#"data.user.name == "Ann" && data["user"]["mail"].endsWith("@example.com") && data.user.mail.contains("@")"#,
        r#"data.user.mail.matches("^[a-z]+@example[.]com$") && !data.user.mail.matches("^b")"#,
        r#""a" in data.tags && data.tags[1] == "bé" && size(data.tags) == 2 && data.tags.size() == 2"#,
        r#"data.tags[1.0] == "bé" && data.tags[1u] == "bé""#,
        r#""name" in data.user && !("phone" in data.user) && size(data.user) == 2 && size("bé") == 2"#,
        r"has(data.user) && !has(data.user.phone) && has(data.none) && data.none == null",
        "data.ratio == 0.5 && data.ratio < 1 && data.rows_loaded == data.whole && data.big > 1u && data.huge > 1e308",
        "data.rows_loaded + 50 == 1000 && data.rows_loaded % 100 == 50 && data.rows_loaded / 100 == 9",
        "-data.neg == 3 && data.neg * data.neg == 9 && 2 - 3 == -1 && -1.5 < -1.0",
        r#"data.steps.exists(step, step.ms > 20) && data.steps.exists_one(step, step.name == "load")"#,
        r#"data.tags.all(tag, size(tag) > 0) && data.user.exists(key, key == "mail" && data.user[key] != "")"#,
        r#"data.steps.exists(a, data.steps.exists(b, a.name == b.name && a.name != "load"))"#,
        r#"data.tags == ["a", "b" + "é"] && data.user == data.user && data.steps != data.tags"#,
        r"data.on ? data.rows_loaded == 950 : false",
        r#"int("12") == 12 && uint(12) == 12u && double("0.5") == data.ratio && string(950) == "950""#,
        r#"string(timestamp) == "2026-02-15T06:00:04.7Z" && int(timestamp) == 1771135204 && int(3.9) == 3"#,
        "true // a remark",
        "data.on",
        r#"data["na\"me"] == 1"#,
    ] {
        assert!(holds(matching), "{matching}");
    }
}

#[test]
fn what_has_no_value_does_not_match_and_is_no_error() {
    for missing in [
        "data.missing == 1",
        "data.missing != 1",
        "!(data.missing == 1)",
        "data.user.name > 5",
        "data.user.name",
        "data",
        "data.tags[2] == ''",
        "data.tags[-1] == ''",
        "data.rows_loaded + 0.5 > 0.0",
        "data.rows_loaded / 0 == 0",
        "data.rows_loaded + 9223372036854775807 > 0",
        "-(-9223372036854775807 - 1) > 0 && data.on",
        "has(data.missing.deeper)",
        "data.steps.all(step, step.ms > 0)",
        "data.rows_loaded.exists(x, x == 1)",
        "int(data.huge) > 0",
        "data.neg.contains('3')",
        "timestamp(data.user.name) < timestamp",
        "duration(data.user.name) < duration('1s')",
    ] {
        assert!(!holds(missing), "{missing}");
    }
    for enough in [
        "data.missing == 1 || data.on",
        "data.on || data.missing == 1",
        "!(data.missing == 1 && false)",
        "!(false && data.missing == 1)",
        "data.steps.exists(step, step.ms > 20)",
    ] {
        assert!(holds(enough), "{enough}");
    }
}

#[test]
fn absent_labels_are_empty() {
    let filter = PayloadFilter::parse(r#"pipeline == "" && run_id == """#).unwrap();
    assert!(filter.matches(&event(None, "{}"), &mut 0));
}

#[test]
fn what_is_refused_is_told_by_place() {
    for (expression, place) in [
        ("", "line 1, column 1:"),
        ("  \n ", "line 1, column 1:"),
        ("data.rows >", "line 1, column 12:"),
        ("data.rows > 1 &&\n  pipelines == 'x'", "line 2, column 3: there is no pipelines"),
        ("\"é\" == data.x && nothing", "line 1, column 18: there is no nothing"),
        ("\"é\" == data.x data", "line 1, column 15:"),
        ("data.rows >> 1", "line 1, column 12:"),
        ("type > 5", "line 1, column 6: a string cannot be compared with a number"),
        (
            "timestamp > '2026-01-01T00:00:00Z'",
            "line 1, column 11: a timestamp cannot be compared with a string; a",
        ),
        ("timestamp > timestamp('yesterday')", "line 1, column 23: an RFC 3339"),
        ("timestamp - timestamp > duration('1 day')", "line 1, column 34: a duration"),
        ("sequence + 1", "line 1, column 10: a filter is true or false, and this is a number"),
        ("pipeline", "line 1, column 1: a filter is true or false, and this is a string"),
        ("pipeline && true", "line 1, column 1: true or false is needed"),
        ("type.name == 'x'", "line 1, column 5: a string has no members"),
        ("type == 5", "line 1, column 6: a string never equals a number"),
        ("frobnicate(data.x)", "line 1, column 11: there is no function frobnicate"),
        ("data.x.frobnicate()", "line 1, column 18: there is no function frobnicate"),
        ("pipeline.startsWith()", "line 1, column 20: startsWith takes 2"),
        ("pipeline.startsWith(5)", "line 1, column 21: a string is needed"),
        ("data.tags.map(t, t)[0] == 1", "line 1, column 14: a filter has all, exists"),
        ("data.tags.filter(t, t == 'a') == []", "line 1, column 17: a filter has all"),
        ("{'a': 1}.a == 1", "line 1, column 1: a filter makes no maps"),
        ("b'x' == data.x", "line 1, column 1: events hold no bytes"),
        ("data.x.matches(data.y)", "line 1, column 20: the pattern of matches must be written out"),
        ("data.x.matches('(?=x)')", "line 1, column 16: this is no regular expression"),
        ("data.x.matches('(a{500}){500}')", "line 1, column 16: the pattern is too large"),
        ("data.x.matches('a{9999999}')", "line 1, column 16: "),
        ("data.`x`", "line 1, column "),
        ("data.?x == 1", "line 1, column "),
        ("for == 1", "line 1, column "),
        ("has(data)", "line 1, column "),
        ("data.tags.exists(1, true)", "line 1, column "),
        ("99999999999999999999 == 1", "line 1, column "),
        ("'\\q' == 'q'", "line 1, column "),
        ("data.x == 'unclosed", "line 1, column "),
    ] {
        let told = refusal(expression);
        assert!(told.starts_with(place), "{expression}: {told}");
    }
}

#[test]
fn texts_that_are_too_long_too_many_or_too_deep_never_reach_the_parser() {
    let nested = |open: &str, close: &str, depth: usize| {
        format!("{}1{} == 1", open.repeat(depth), close.repeat(depth))
    };
    for (expression, told) in [
        (format!("'{}' == type", "x".repeat(3000)), "at most 2048 bytes"),
        (nested("(", ")", 17), "at most 16 deep"),
        (nested("[", "]", 500), "at most 16 deep"),
        ("(".repeat(2000), "at most 16 deep"),
        (format!("{}1 == 1", "1+".repeat(600)), "at most 512 names"),
        (format!("data.x == {}1", "-".repeat(1900)), "at most 512 names"),
    ] {
        let refused = refusal(&expression);
        assert!(refused.contains(told), "{refused}");
    }
    // What passes the first look is still bounded by what it would cost to evaluate.
    for expression in [
        format!("{}1 == 1", "1+".repeat(250)),
        format!("{}true", "!".repeat(510)),
        format!("{}data.x", "-".repeat(508)),
        format!("data{} == 1", ".a".repeat(250)),
        format!("{}true{}", "true ? ".repeat(130), " : false".repeat(130)),
        format!("{}true", "true ? true : ".repeat(120)),
        format!("data{}", "[0]".repeat(170)),
    ] {
        let _ = PayloadFilter::parse(&expression);
    }
    assert!(holds(&format!("{}data.on", "data.missing == 1 || ".repeat(50))));
}

#[test]
fn hostile_evaluations_end_without_a_match_within_their_budget() {
    let zeros = format!(r#"{{"list":[{}0],"text":"{}"}}"#, "0,".repeat(200_000), "a".repeat(200_000));
    let large = event(None, &zeros);
    let cap = (256 << 10) + 32 * zeros.len() as u64 + 2 * zeros.len() as u64 + 64;
    for expression in [
        "data.list.all(a, data.list.all(b, data.list.all(c, a == b || b == c || true)))",
        "data.list.all(a, data == data)",
        "data.list.all(a, data.text.contains('aaaaaaaaaaaaaaaaaaaaaaab') || true)",
        "data.list.all(a, data.text.matches('(a|aa)+$'))",
        "data.text.matches('(a{0,20}){0,10}b') || data.list.all(a, data.text + data.text + data.text != '')",
        "data.list.exists(a, data.list.exists_one(b, b == 7))",
        "[1,2,3].all(a, [1,2,3].all(b, data.list.all(c, data.list == data.list)))",
        "data.list.exists(a, 7 in data.list)",
    ] {
        let filter = PayloadFilter::parse(expression).unwrap();
        let mut work = 0;
        assert!(!filter.matches(&large, &mut work), "{expression}");
        assert!(work <= cap * 70, "{expression} cost {work}");
    }
    let mut work = 0;
    assert!(PayloadFilter::parse("data.list.all(a, a == 0)").unwrap().matches(&large, &mut work));
    assert!(work < cap);
}

#[test]
fn a_text_that_no_longer_compiles_is_kept_told_and_matches_nothing() {
    let broken: PayloadFilter = serde_json::from_str(r#""data.x ==""#).unwrap();
    assert_eq!(broken.broken().map(|why| why.line), Some(1));
    assert!(!broken.matches(&event(None, "{}"), &mut 0));
    assert_eq!(serde_json::to_string(&broken).unwrap(), r#""data.x ==""#);
    let whole: PayloadFilter = serde_json::from_str(r#""data.x == 1""#).unwrap();
    assert_eq!(whole.broken(), None);
    assert_eq!(whole, PayloadFilter::parse("data.x == 1").unwrap());
    assert!(whole.matches(&event(None, r#"{"x":1}"#), &mut 0));
}

proptest! {
    #[test]
    fn no_text_makes_the_compiler_panic_or_the_evaluation_fail(
        text in prop_oneof![".{0,60}", r#"[a-z0-9.()\[\]{}"'<>=!&|?:,+*/% -]{0,80}"#],
    ) {
        if let Ok(filter) = PayloadFilter::parse(&text) {
            filter.matches(&event(None, DATA), &mut 0);
        }
    }

    #[test]
    fn words_of_the_language_in_any_order_never_panic(
        words in prop::collection::vec(prop::sample::select(vec![
            "data", ".tags", ".steps", ".user", "[0]", "==", "&&", "||", "!", "(", ")", "1", "'a'", ".exists(x,", "has(",
            ".size()", "in", "?", ":", "-", "/", "%", "x", "timestamp", "1.5", "null", "[", "]", ",", "<", ".matches('a+')",
        ]), 0..14),
    ) {
        if let Ok(filter) = PayloadFilter::parse(&words.join(" ")) {
            filter.matches(&event(None, DATA), &mut 0);
        }
    }
}
