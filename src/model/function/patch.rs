//! Merging what functions change into the params: JSON Merge Patch (RFC 7396) on text, so that numbers keep every
//! digit and members their order.
//!
//! What must hold: params and patches are objects that were scanned before, so their depth is bounded.

use super::Conflict;
use crate::model::Violation;
use crate::model::json;
use std::borrow::Cow;

/// A function's patch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// Whose it is.
    pub function: u64,
    /// A JSON object.
    pub json: String,
}

/// Applies patches in the given order, and says which values of one function another overwrote.
pub fn apply_patches(params: &[u8], patches: &[Patch]) -> (Vec<u8>, Vec<Conflict>) {
    let mut merged = params.to_vec();
    let mut set: Vec<(String, Vec<u8>, u64)> = Vec::new();
    let mut conflicts = Vec::new();
    for patch in patches {
        let mut leaves = Vec::new();
        collect_leaves(patch.json.as_bytes(), String::new(), &mut leaves);
        for (pointer, value) in &leaves {
            for (known, before, by) in &set {
                let touches = is_inside(pointer, known) || is_inside(known, pointer);
                if *by != patch.function && touches && !(pointer == known && value == before) {
                    conflicts.push(Conflict {
                        pointer: known.clone(),
                        overwritten: *by,
                        kept: patch.function,
                    });
                }
            }
        }
        set.retain(|(known, ..)| {
            !leaves.iter().any(|(pointer, _)| is_inside(pointer, known) || is_inside(known, pointer))
        });
        set.extend(leaves.into_iter().map(|(pointer, value)| (pointer, value, patch.function)));
        merged = merge_patch(&merged, patch.json.as_bytes());
    }
    (merged, conflicts)
}

/// The target with the patch merged in.
pub fn merge_patch(target: &[u8], patch: &[u8]) -> Vec<u8> {
    let Some(changes) = members(patch) else { return patch.to_vec() };
    let mut kept = members(target).unwrap_or_default();
    let mut out: Vec<(Cow<'_, str>, Cow<'_, [u8]>)> = Vec::with_capacity(kept.len() + changes.len());
    out.extend(kept.drain(..).map(|(name, value)| (name, Cow::Borrowed(value))));
    for (name, value) in changes {
        let at = out.iter().position(|(known, _)| *known == name);
        if value == b"null" {
            if let Some(at) = at {
                out.remove(at);
            }
            continue;
        }
        let before = at.map_or(&b"null"[..], |at| &out[at].1);
        let merged = Cow::Owned(merge_patch(before, value));
        match at {
            Some(at) => out[at].1 = merged,
            None => out.push((name, merged)),
        }
    }
    let mut text = vec![b'{'];
    for (at, (name, value)) in out.iter().enumerate() {
        if at > 0 {
            text.push(b',');
        }
        crate::model::push_json_string(&mut text, name);
        text.push(b':');
        text.extend_from_slice(value);
    }
    text.push(b'}');
    text
}

/// The members of an object; `None` for any other value.
fn members(text: &[u8]) -> Option<Vec<(Cow<'_, str>, &[u8])>> {
    let members = json::members(text, 0..text.len())?;
    Some(members.into_iter().map(|(name, span)| (name, &text[span])).collect())
}

/// Every value that a patch sets or removes, with where.
fn collect_leaves(patch: &[u8], pointer: String, leaves: &mut Vec<(String, Vec<u8>)>) {
    match members(patch).filter(|members| !members.is_empty()) {
        Some(members) => {
            for (name, value) in members {
                collect_leaves(value, format!("{pointer}/{}", Violation::escape(&name)), leaves);
            }
        }
        None if pointer.is_empty() => {}
        None => leaves.push((pointer, patch.to_vec())),
    }
}

/// Whether `inner` is `outer` or inside it.
fn is_inside(inner: &str, outer: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn merged(target: &str, patch: &str) -> String {
        String::from_utf8(merge_patch(target.as_bytes(), patch.as_bytes())).unwrap()
    }

    #[test]
    fn the_examples_of_the_standard() {
        for (target, patch, result) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, "{}"),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
            (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            assert_eq!(merged(target, patch), result, "{target} {patch}");
        }
    }

    #[test]
    fn numbers_keep_every_digit_and_names_their_escapes() {
        let target = r#"{ "rows" : 1.10, "big":1e400, "a\u0022b": 12345678901234567890123 }"#;
        assert_eq!(
            merged(target, r#"{"new":0.10}"#),
            r#"{"rows":1.10,"big":1e400,"a\"b":12345678901234567890123,"new":0.10}"#
        );
    }

    #[test]
    fn patches_apply_in_order_and_what_they_overwrite_is_told() {
        let patch = |function, json: &str| Patch { function, json: json.to_owned() };
        let patches = [
            patch(1, r#"{"plan":"free","address":{"city":"Paris"}}"#),
            patch(2, r#"{"plan":"pro","country":"FR"}"#),
            patch(3, r#"{"address":null,"country":"FR"}"#),
        ];
        let (params, conflicts) = apply_patches(br#"{"name":"x"}"#, &patches);
        assert_eq!(params, br#"{"name":"x","plan":"pro","country":"FR"}"#);
        let conflict =
            |pointer: &str, overwritten, kept| Conflict { pointer: pointer.to_owned(), overwritten, kept };
        assert_eq!(conflicts, [conflict("/plan", 1, 2), conflict("/address/city", 1, 3)]);
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf =
            prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), (0..9).prop_map(Value::from)];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::hash_map("[a-c]", inner, 0..3)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    /// The standard's own pseudocode.
    fn reference(target: &Value, patch: &Value) -> Value {
        let Value::Object(changes) = patch else { return patch.clone() };
        let mut result = target.as_object().cloned().unwrap_or_default();
        for (name, value) in changes {
            if value.is_null() {
                result.remove(name);
            } else {
                let before = result.get(name).cloned().unwrap_or(Value::Null);
                result.insert(name.clone(), reference(&before, value));
            }
        }
        Value::Object(result)
    }

    proptest! {
        #[test]
        fn any_patch_on_anything_is_what_the_standard_says(target in value(), patch in value()) {
            let ours = merge_patch(target.to_string().as_bytes(), patch.to_string().as_bytes());
            let ours: Value = serde_json::from_slice(&ours).unwrap();
            prop_assert_eq!(ours, reference(&target, &patch));
        }
    }
}
