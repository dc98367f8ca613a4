//! Schemas as they are given and data as it is checked: what is taken, what is refused and where it points.

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn schema(value: &Value) -> DataSchema {
    DataSchema::parse(&value.to_string()).unwrap_or_else(|broken| panic!("{value}: {broken:?}"))
}

fn broken(value: &Value) -> Vec<Violation> {
    DataSchema::parse(&value.to_string()).err().unwrap_or_else(|| panic!("{value} is taken"))
}

fn found(schema: &DataSchema, data: &str) -> Vec<(String, String)> {
    let violations = schema.check(data.as_bytes(), &mut CheckBudget::default());
    violations.into_iter().map(|one| (one.pointer, one.detail)).collect()
}

fn pointers(schema: &DataSchema, data: &str) -> Vec<String> {
    found(schema, data).into_iter().map(|(pointer, _)| pointer).collect()
}

#[test]
fn what_is_wrong_is_pointed_at() {
    let one = schema(&json!({
        "type": "object",
        "required": ["rows", "a/b"],
        "additionalProperties": false,
        "properties": {
            "rows": {"type": "integer", "minimum": 0},
            "a/b": {"type": "string"},
            "at": {"format": "date-time"},
            "tags": {"items": {"type": "string"}},
        },
    }));
    assert!(found(&one, r#"{"rows":5,"a/b":"x","at":"2026-02-15T06:00:04.7Z","tags":["a"]}"#).is_empty());
    let wrong = pointers(&one, r#"{"rows":"x","more":1,"at":"yesterday","tags":["a",1]}"#);
    let mut expected = ["/rows", "/a~1b", "/more", "/at", "/tags/1"];
    let mut wrong: Vec<&str> = wrong.iter().map(String::as_str).collect();
    wrong.sort_unstable();
    expected.sort_unstable();
    assert_eq!(wrong, expected);
    let told = found(&one, r#"{"rows":-5,"a/b":"x"}"#);
    assert_eq!(told.len(), 1);
    assert!(!told[0].1.contains("-5"), "{told:?}");
}

#[test]
fn a_thousand_mistakes_are_told_a_hundred_at_most() {
    let one = schema(&json!({"additionalProperties": {"type": "string"}}));
    let members: Vec<String> = (0..1000).map(|at| format!("\"m{at}\":{at}")).collect();
    let told = found(&one, &format!("{{{}}}", members.join(",")));
    assert_eq!(told.len(), MAX_VIOLATIONS);
}

#[test]
fn numbers_are_never_rounded() {
    let one = schema(&json!({"properties": {"n": {"type": "number", "maximum": 1.1}}}));
    assert!(found(&one, r#"{"n":1.10}"#).is_empty());
    assert_eq!(pointers(&one, r#"{"n":1.10000000000000000001}"#), ["/n"]);
    assert_eq!(pointers(&one, r#"{"n":{"m":[1e400]}}"#), ["/n/m/0"]);
    assert_eq!(pointers(&one, r#"{"n":12345678901234567890123}"#), ["/n"]);
}

#[test]
fn what_is_no_schema_is_refused_with_its_place() {
    let at = |value: Value| broken(&value)[0].pointer.clone();
    assert_eq!(at(json!([])), "");
    assert_eq!(at(json!(true)), "");
    assert_eq!(at(json!({"type": "nope"})), "/type");
    assert_eq!(at(json!({"properties": {"a": 5}})), "/properties/a");
    assert_eq!(at(json!({"allOf": {}})), "/allOf");
    assert_eq!(at(json!({"properties": {"a": {"minimum": "1"}}})), "/properties/a/minimum");
    assert!(broken(&json!({"properties": {"a": {"pattern": "("}}}))[0].pointer.starts_with("/properties/a"));
    // Look-around needs backtracking.
    assert!(!broken(&json!({"properties": {"a": {"pattern": "^(?=a)b"}}})).is_empty());
    assert!(!broken(&json!({"properties": {"a": {"pattern": r"(\w{500}){500}"}}})).is_empty());
}

#[test]
fn nothing_leads_out_of_a_schema() {
    for target in [
        "http://169.254.169.254/",
        "file:///etc/passwd",
        "other.json",
        "#anchor",
        "#/nowhere",
        "#/$defs/b/x",
        "#/enum/0",
        "#%ff",
    ] {
        let refused = broken(&json!({"$ref": target, "enum": [{}], "$defs": {"b": {}}}));
        assert_eq!(refused[0].pointer, "/$ref", "{target}: {refused:?}");
    }
    for word in ["$id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$vocabulary"] {
        let refused = broken(&json!({"properties": {"a": {word: "http://example.com/x"}}}));
        assert_eq!(refused[0].pointer, format!("/properties/a/{word}"));
    }
    assert_eq!(broken(&json!({"$schema": "http://json-schema.org/draft-07/schema#"}))[0].pointer, "/$schema");
    // The same words as the names of members, or in values, mean nothing.
    let named = schema(&json!({"properties": {"$ref": {"const": {"a": 1}}, "$id": {"type": "string"}}}));
    assert!(found(&named, r#"{"$ref":{"a":1},"$id":"x"}"#).is_empty());
    let dialect =
        schema(&json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"}));
    assert!(found(&dialect, "{}").is_empty());
}

#[test]
fn references_inside_are_followed() {
    let tree = schema(&json!({
        "$ref": "#/$defs/a~1b",
        "$defs": {"a/b": {
            "type": "object",
            "properties": {
                "left": {"$ref": "#/%24defs/a~1b"}, "right": {"$ref": "#/$defs/a~1b"}, "n": {"type": "integer"}
            },
        }},
    }));
    assert!(found(&tree, r#"{"left":{"n":1},"right":{"left":{"n":2}}}"#).is_empty());
    assert_eq!(pointers(&tree, r#"{"right":{"left":{"n":"2"}}}"#), ["/right/left/n"]);
    let itself = schema(&json!({"properties": {"a": {"$ref": "#"}}, "additionalProperties": false}));
    assert_eq!(pointers(&itself, r#"{"a":{"a":{"b":1}}}"#), ["/a/a/b"]);
}

#[test]
fn bounds_hold_for_size_levels_and_count() {
    assert_eq!(broken(&json!({"description": "x".repeat(MAX_SCHEMA_BYTES)})).len(), 1);
    let nested = |levels: usize, word: &str| {
        (1..levels).fold(json!({}), |inner, _| match word {
            "allOf" => json!({"allOf": [inner]}),
            _ => json!({word: inner}),
        })
    };
    for word in ["not", "items", "allOf"] {
        schema(&nested(32, word));
        assert!(broken(&nested(33, word))[0].detail.contains("32 levels"), "{word}");
        assert!(!broken(&nested(2000, word)).is_empty());
    }
    let many = |count: usize| json!({"$defs": (0..count).map(|at| (at.to_string(), json!({}))).collect::<serde_json::Map<_, _>>()});
    schema(&many(999));
    assert!(broken(&many(1000))[0].detail.contains("1000 subschemas"));
    assert!(!broken(&json!({"anyOf": vec![json!({}); 10_000]})).is_empty());
}

/// Each would take the library seconds or gigabytes.
#[test]
fn what_explodes_is_refused_before_it_is_compiled() {
    let chain = |length: usize, word: &str, down: bool| {
        let mut defs = serde_json::Map::new();
        for at in 0..length {
            let next = json!({"$ref": format!("#/$defs/{}", at + 1)});
            let both = json!({word: [next, next]});
            defs.insert(at.to_string(), if down { json!({"properties": {"a": both}}) } else { both });
        }
        defs.insert(length.to_string(), json!({"type": "object"}));
        json!({"$ref": "#/$defs/0", "$defs": defs})
    };
    for word in ["allOf", "anyOf", "oneOf"] {
        for down in [false, true] {
            schema(&chain(5, word, down));
            assert_eq!(broken(&chain(24, word, down))[0].code, Some("schema_explodes"), "{word}");
        }
    }
    for hostile in [
        json!({"$ref": "#"}),
        json!({"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"anyOf": [{"$ref": "#"}]}}}),
        json!({"properties": {"a": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}}}),
        json!({"items": {"$ref": "#"}, "contains": {"$ref": "#"}, "additionalProperties": {"$ref": "#"}}),
        json!({"properties": {"a": {"$ref": "#"}}, "patternProperties": {"^a": {"$ref": "#"}, "a$": {"$ref": "#"}}}),
        json!({"not": {"not": {"$ref": "#"}}}),
        json!({"properties": {"a": {"$ref": "#", "unevaluatedProperties": false}}}),
    ] {
        assert_eq!(broken(&hostile)[0].code, Some("schema_explodes"), "{hostile}");
    }
    // A long chain of references to one value, none of which doubles anything.
    let mut defs = serde_json::Map::new();
    for at in 0..900 {
        defs.insert(at.to_string(), json!({"$ref": format!("#/$defs/{}", at + 1)}));
    }
    defs.insert("900".to_owned(), json!({}));
    assert_eq!(broken(&json!({"$ref": "#/$defs/0", "$defs": defs}))[0].code, Some("schema_explodes"));
}

#[test]
fn much_data_for_a_costly_schema_is_refused_and_cheap_checks_are_not() {
    let costly =
        schema(&json!({"properties": {"list": {"items": {"anyOf": vec![json!({"type": "string"}); 900]}}}}));
    let data = format!(r#"{{"list":[{}1]}}"#, "1,".repeat(100_000));
    let refused = costly.check(data.as_bytes(), &mut CheckBudget::default());
    assert_eq!(refused[0].code, Some("too_much_to_check"));
    // Places that the schema says nothing about cost nothing.
    let deeper = format!(r#"{{"other":[{}1]}}"#, "[1],".repeat(100_000));
    assert!(
        schema(&json!({"required": ["other"]}))
            .check(deeper.as_bytes(), &mut CheckBudget::default())
            .is_empty()
    );
    // One request has one budget.
    let mut budget = CheckBudget::default();
    let part = format!(r#"{{"list":[{}"x"]}}"#, "\"x\",".repeat(500));
    let until_empty = (0..100).take_while(|_| costly.check(part.as_bytes(), &mut budget).is_empty()).count();
    assert!((1..99).contains(&until_empty), "{until_empty}");
}

/// Alternatives that all fail must not copy the data once each.
#[test]
fn large_data_that_matches_nothing_is_refused_in_one_line() {
    let wrong = schema(&json!({"anyOf": vec![json!({"required": ["nowhere"]}); 50]}));
    let data = format!(r#"{{"text":"{}"}}"#, "x".repeat(1 << 20));
    let told = found(&wrong, &data);
    assert_eq!(told.len(), 1);
    assert!(told[0].1.len() < 300);
}

/// The deepest recursion that the bounds allow, on the stack that the server's threads have.
#[test]
fn the_deepest_validation_fits_the_stack_of_a_server_thread() {
    let longer = |links: usize| {
        let mut defs = serde_json::Map::new();
        for at in 0..links {
            defs.insert(at.to_string(), json!({"$ref": format!("#/$defs/{}", at + 1)}));
        }
        defs.insert(links.to_string(), json!({"properties": {"a": {"$ref": "#/$defs/0"}}, "type": "object"}));
        json!({"$ref": "#/$defs/0", "$defs": defs})
    };
    let longest =
        (1..64).take_while(|links| DataSchema::parse(&longer(*links).to_string()).is_ok()).last().unwrap();
    let deepest = schema(&longer(longest));
    let data = |inner: &str| format!("{}{inner}{}", r#"{"a":"#.repeat(63), "}".repeat(63));
    let run = move || (pointers(&deepest, &data("{}")).len(), pointers(&deepest, &data("1")).len());
    let small = std::thread::Builder::new().stack_size(1 << 20).spawn(run).unwrap();
    assert_eq!(small.join().unwrap(), (0, 1));
}

#[test]
fn secrets_are_cut_out_and_the_rest_stays_as_it_is() {
    let one = schema(&json!({
        "properties": {
            "password": {"type": "string", "writeOnly": true},
            "user": {"$ref": "#/$defs/user"},
            "codes": {"items": {"type": "string", "writeOnly": true}},
            "pair": {"prefixItems": [{}, {"writeOnly": true}]},
        },
        "allOf": [{"anyOf": [{"properties": {"token": {"writeOnly": true}}}]}],
        "$defs": {"user": {"properties": {"pin": {"writeOnly": true}}, "additionalProperties": {"$ref": "#/$defs/user"}}},
    }));
    assert!(one.has_secrets());
    let kept = |data: &str| {
        one.without_secrets(data.as_bytes()).map(|kept| String::from_utf8(kept.to_vec()).unwrap())
    };
    assert_eq!(kept(r#"{"a": 1.10, "user":{"n":1}}"#), None);
    assert_eq!(kept(r#"{"password":"x"}"#).unwrap(), "{}");
    assert_eq!(kept(r#"{ "password" : "x" , "token":1, "b" : 2 }"#).unwrap(), r#"{ "b" : 2 }"#);
    assert_eq!(kept(r#"{"a": 1.10, "password":"x","c":[ 1 ]}"#).unwrap(), r#"{"a": 1.10,"c":[ 1 ]}"#);
    assert_eq!(kept(r#"{"a":1,"p\u0061ssword":{"x":1} }"#).unwrap(), r#"{"a":1 }"#);
    assert_eq!(
        kept(r#"{"codes":["a", "b"],"pair":[1,2,3]}"#).unwrap(),
        r#"{"codes":[null, null],"pair":[1,null,3]}"#
    );
    assert_eq!(
        kept(r#"{"user":{"pin":1,"friend":{"pin":2,"n":3},"n":[{"pin":4}]}}"#).unwrap(),
        r#"{"user":{"friend":{"n":3},"n":[{"pin":4}]}}"#
    );
    for unclear in [
        json!({"writeOnly": true}),
        json!({"allOf": [{"writeOnly": true}]}),
        json!({"patternProperties": {"^p": {"writeOnly": true}}}),
        json!({"properties": {"a": {"not": {"properties": {"b": {"writeOnly": true}}}}}}),
    ] {
        assert!(broken(&unclear)[0].detail.contains("writeOnly"), "{unclear}");
    }
}

#[test]
fn a_sample_is_made_where_one_is_easily_found() {
    for (value, possible) in [
        (json!({}), true),
        (
            json!({"required": ["a", "b"], "properties": {"a": {"type": "integer", "minimum": 10, "multipleOf": 3}}}),
            true,
        ),
        (
            json!({"properties": {"at": {"type": "string", "format": "date-time"}, "e": {"enum": ["x"]}}, "required": ["at", "e"]}),
            true,
        ),
        (
            json!({"allOf": [{"$ref": "#/$defs/a"}, {"required": ["c"]}], "$defs": {"a": {"properties": {"l": {"type": "array", "minItems": 2, "items": {"type": "string", "minLength": 9}}}, "required": ["l"]}}}),
            true,
        ),
        (json!({"properties": {"child": {"$ref": "#"}}}), true),
        (json!({"properties": {"a": {"type": "string", "pattern": "^[0-9]{7}$"}}, "required": ["a"]}), false),
        (json!({"properties": {"child": {"$ref": "#"}}, "required": ["child"]}), false),
        (json!({"not": {}}), false),
    ] {
        let sample = schema(&value).sample();
        assert_eq!(sample.is_some(), possible, "{value}: {sample:?}");
    }
}

#[test]
fn a_stored_schema_reads_back_and_says_when_it_is_broken() {
    let one = schema(&json!({"type": "object"}));
    let text = serde_json::to_string(&one).unwrap();
    let again: DataSchema = serde_json::from_str(&text).unwrap();
    assert_eq!(again, one);
    assert!(again.broken().is_none());
    let broken = DataSchema::from(r#"{"type":"nope"}"#.to_owned());
    assert!(broken.broken().is_some());
    assert_eq!(pointers(&broken, "{}"), [""]);
}

/// Removes the secrets from a tree.
fn cut(value: &mut Value) {
    if let Value::Object(members) = value {
        members.remove("s");
        members.values_mut().for_each(cut);
    }
}

proptest! {
    /// What is kept is JSON, holds no secret, and is the data as a tree would have it.
    #[test]
    fn cutting_agrees_with_a_tree(members in prop::collection::vec(("[a-ds]{1,2}", 0..4_u8), 0..8)) {
        let one = schema(&json!({"additionalProperties": {"$ref": "#"}, "properties": {"s": {"writeOnly": true}}}));
        let mut tree = serde_json::Map::new();
        for (name, kind) in members {
            let value = match kind {
                0 => json!(1.5),
                1 => json!({"s": {"s": 1}, "x": "}"}),
                2 => json!({"s": 1}),
                _ => json!([{"s": 1}]),
            };
            tree.insert(name, value);
        }
        let mut expected = Value::Object(tree);
        let text = serde_json::to_string_pretty(&expected).unwrap();
        cut(&mut expected);
        let kept = one.without_secrets(text.as_bytes()).unwrap_or_else(|| text.clone().into());
        prop_assert_eq!(serde_json::from_slice::<Value>(&kept).unwrap(), expected);
    }

    /// No text makes anything but a schema or an error, and no data anything but an answer.
    #[test]
    fn nothing_panics(text in r#"[\{\}\[\]":,a$#/1-9 ]{0,60}"#, data in r#"\{("[a-c]":[0-9\[\]\{\}]{0,3},?){0,3}\}"#) {
        if let Ok(schema) = DataSchema::parse(&text) {
            schema.check(data.as_bytes(), &mut CheckBudget::default());
            schema.sample();
        }
    }
}
