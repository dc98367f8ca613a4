//! The descriptions agree with each other and with the table of routes.

use super::*;
use std::collections::BTreeSet;

fn operations() -> impl Iterator<Item = &'static Operation> {
    PARTS.iter().flat_map(|part| part.operations)
}

#[test]
fn names_are_given_once() {
    let ids: BTreeSet<&str> = operations().map(|one| one.id).collect();
    let places: BTreeSet<(&str, &str)> = operations().map(|one| (one.path, one.method)).collect();
    assert_eq!((ids.len(), places.len()), (operations().count(), operations().count()));
    assert!(operations().all(|one| !one.id.is_empty() && !one.summary.is_empty()));
    let schemas: Vec<&str> = PARTS.iter().flat_map(|part| (part.schemas)()).map(|(name, _)| name).collect();
    assert_eq!(schemas.iter().collect::<BTreeSet<_>>().len(), schemas.len());
}

#[test]
fn what_is_said_of_a_route_is_served() {
    let routes = include_str!("../../routes.rs");
    for one in operations() {
        assert!(routes.contains(&format!("\"{}\"", one.path)), "{} is said to be there", one.path);
    }
}

#[test]
fn every_segment_of_a_path_and_every_answer_is_described() {
    for one in operations() {
        let named: Vec<&str> =
            one.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        let described: Vec<&str> = one.segments.iter().map(|segment| segment.name).collect();
        assert_eq!(named, described, "{} {}", one.method, one.path);
        assert!(!one.answers.is_empty(), "{} {} has no answer", one.method, one.path);
    }
}

#[test]
fn every_schema_that_is_named_is_there_and_none_is_idle() {
    let served: Vec<Served> =
        operations().map(|one| Served { path: one.path, methods: vec![one.method] }).collect();
    let mut document = document(&served);
    let mut text = String::new();
    // A path may have several methods: each stood alone in what was served.
    for one in operations() {
        text.push_str(&operation_of(one.path, one.method).to_string());
    }
    let schemas = document["components"]["schemas"].take();
    let mut used: BTreeSet<String> = BTreeSet::new();
    let mut waiting: Vec<String> = refs_in(&text);
    while let Some(name) = waiting.pop() {
        if used.insert(name.clone()) {
            assert!(schemas[&name].is_object(), "there is no schema {name}");
            waiting.extend(refs_in(&schemas[&name].to_string()));
        }
    }
    let idle: Vec<&String> =
        schemas.as_object().unwrap().keys().filter(|name| !used.contains(*name)).collect();
    assert!(idle.is_empty(), "nothing names {idle:?}");
}

fn refs_in(text: &str) -> Vec<String> {
    let names = text.split("#/components/schemas/").skip(1);
    names.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}
