//! Event types of tenants' own: there after a crash and after a checkpoint, gone when they were removed.

use super::tests::{close, open, wait_until_free};
use crate::log::{Change, Commit, EventLog};
use crate::model::{DataSchema, EventMode, EventType, EventTypeDefinition, SampleEvent, TenantId};
use futures_executor::block_on;

fn definition(name: &str) -> EventTypeDefinition {
    EventTypeDefinition {
        name: EventType::parse(name).unwrap(),
        description: "An order is paid.".to_owned(),
        mode: EventMode::Post,
        catalog: None,
        schema: Some(DataSchema::parse(r#"{ "required": ["n"], "minimum": 1.0 }"#).unwrap()),
        sample: Some(SampleEvent::of_data(r#"{"n": 1.50}"#)),
        deprecated: true,
        format: None,
    }
}

fn commit(log: &dyn EventLog, changes: Vec<Change>) {
    block_on(log.commit(Commit { changes, ..Commit::default() })).unwrap();
}

#[test]
fn types_are_there_after_a_crash_and_after_a_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let put = |tenant, name| Change::PutEventType(TenantId(tenant), Box::new(definition(name)));
    let remove = |tenant, name| Change::RemoveEventType(TenantId(tenant), EventType::parse(name).unwrap());
    commit(&*log, vec![put(1, "order.paid"), put(1, "order.lost"), put(2, "order.paid")]);
    commit(&*log, vec![remove(1, "order.lost"), remove(2, "order.paid"), remove(3, "order.paid")]);
    let known = log.management().event_types.clone();
    assert_eq!(known.keys().collect::<Vec<_>>(), [&TenantId(1)]);
    drop(log);
    wait_until_free(folder.path());
    for _ in 0..2 {
        let log = open(folder.path());
        assert_eq!(log.management().event_types, known);
        let found = &log.management().event_types[&TenantId(1)]["order.paid"];
        assert_eq!(**found, definition("order.paid"));
        close(&log);
    }
}
