//! The evaluation against the library's own interpreter: on any event it gives the same answer.
//!
//! The expressions below stay away from joined lists, which a filter does not make.

use super::PayloadFilter;
use super::tests::event;
use cel::objects::Value as Reference;
use cel::{Context, Program};
use proptest::prelude::*;
use serde_json::Value as Json;
use std::collections::HashMap;

fn reference_value(json: &Json) -> Reference {
    match json {
        Json::Null => Reference::Null,
        Json::Bool(truth) => Reference::Bool(*truth),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Reference::Int(number),
            (None, Some(number)) => Reference::UInt(number),
            _ => Reference::Float(number.as_f64().unwrap()),
        },
        Json::String(text) => Reference::String(text.clone().into()),
        Json::Array(list) => Reference::List(list.iter().map(reference_value).collect::<Vec<_>>().into()),
        Json::Object(members) => {
            let members = members.iter().map(|(name, value)| (name.clone(), reference_value(value)));
            Reference::Map(members.collect::<HashMap<String, Reference>>().into())
        }
    }
}

/// What the library says: true, or anything else.
fn reference(program: &Program, pipeline: &str, data: &Json) -> bool {
    let mut context = Context::default();
    context.add_variable_from_value("data", reference_value(data));
    context.add_variable_from_value("pipeline", pipeline.to_owned());
    context.add_variable_from_value("run_id", String::new());
    context.add_variable_from_value("id", "evt_abc123".to_owned());
    context.add_variable_from_value("type", "pipeline.completed".to_owned());
    context.add_variable_from_value("sequence", 4711_i64);
    program.execute(&context) == Ok(Reference::Bool(true))
}

fn any_number() -> impl Strategy<Value = Json> {
    prop_oneof![
        (-3_i64..4).prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        (-3_i32..4).prop_map(|number| Json::from(f64::from(number) / 2.0)),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Json::from),
    ]
}

fn any_scalar() -> impl Strategy<Value = Json> {
    prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any_number(),
        prop::sample::select(vec!["", "a", "b", "ab", "user-1", "é\"\\\n"]).prop_map(Json::from),
    ]
}

fn any_data() -> impl Strategy<Value = Json> {
    let value = any_scalar().prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::hash_map("[abc]", inner, 0..4)
                .prop_map(|members| members.into_iter().collect()),
        ]
    });
    prop::collection::hash_map("[abc]", value, 0..4).prop_map(|members| members.into_iter().collect())
}

fn operand() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "data.a",
        "data.b",
        "data.c",
        "data.a.b",
        "data['a']",
        "data.b[0]",
        "data.c[1]",
        "data",
        "1",
        "-2",
        "0.5",
        "2u",
        "'a'",
        "'ab'",
        "true",
        "null",
        "pipeline",
        "type",
        "sequence",
        "['a', 'b', 1]",
        "[data.a, data.b]",
        "size(data.a)",
        "size(data)",
        "data.a + 1",
        "data.b + 'a'",
        "data.a - 1",
        "data.b * 2",
        "data.a / data.b",
        "data.a % 3",
        "-data.a",
        "pipeline + 'x'",
        "data.a ? data.b : data.c",
    ])
    .prop_map(str::to_owned)
}

fn condition() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        (operand(), prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]), operand())
            .prop_map(|(left, sign, right)| format!("{left} {sign} {right}")),
        (operand(), operand()).prop_map(|(left, right)| format!("{left} in {right}")),
        prop::sample::select(vec![
            "has(data.a)",
            "has(data.a.b)",
            "has(data.b.c)",
            "data.a",
            "'a' in data",
            "'c' in data.b",
            "pipeline.startsWith('user-')",
            "data.a.startsWith('a')",
            "data.b.contains('b')",
            "data.c.endsWith(pipeline)",
            "data.a.all(x, x == data.b)",
            "data.b.exists(x, x > 0)",
            "data.c.exists(k, data.c[k] == 1)",
            "data.a.exists(x, data.b.exists(y, x == y))",
            "data.a.all(x, x.exists(y, y != null))",
            "data.a.exists(x, x == 1 || x.b == 2)",
        ])
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("({left}) && ({right})")),
            (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("({left}) || ({right})")),
            inner.prop_map(|inner| format!("!({inner})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn an_event_matches_when_the_library_says_so(
        expression in condition(),
        data in any_data(),
        pipeline in prop::sample::select(vec!["", "a", "user-1"]),
    ) {
        // Refused up front are only those that never have a value of their kind.
        if let Ok(filter) = PayloadFilter::parse(&expression) {
            let program = Program::compile(&expression).unwrap();
            let ours = filter.matches(&event(Some(pipeline), &data.to_string()), &mut 0);
            prop_assert_eq!(ours, reference(&program, pipeline, &data), "{} on {}", expression, data);
        }
    }
}
