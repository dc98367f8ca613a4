//! Functions, runs and invocations on real files: there after a crash, and told the same as by the log in memory.

use super::tests::{close, draft, open};
use super::*;
use crate::config::StorageConfig;
use crate::log::{Change, MemoryLog};
use crate::model::{
    App, ClosedGate, DestinationId, EventMode, FailureKind, FunctionChange, Gate, GateChange, GateOutcome,
    Heard, InvocationStatus, Numbers, OnError, Subscription, Task, Timestamp, UnixMillis, Verdict,
};
use futures_executor::block_on;
use proptest::prelude::*;

const TENANT: TenantId = TenantId(1);
const CONSUMER: DestinationId = DestinationId(77);
const DAY: Duration = Duration::from_secs(86_400);

pub(super) fn functions(change: FunctionChange) -> Change {
    Change::Functions(Box::new(change))
}

fn commit(log: &dyn EventLog, changes: Vec<Change>) {
    block_on(log.commit(Commit { changes, ..Commit::default() })).unwrap();
}

fn app(id: u64) -> FunctionChange {
    let at = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
    let (slug, name) = (format!("app-{id}"), "App".to_owned());
    FunctionChange::PutApp(App { tenant: TENANT, id, slug, name, created_at: at, updated_at: at })
}

pub(super) fn subscription(id: u64) -> Subscription {
    let at = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
    Subscription {
        tenant: TENANT,
        id,
        slot: id as u16,
        consumer: CONSUMER,
        event: "POST_USER_CREATE".to_owned(),
        mode: EventMode::Post,
        function: 5,
        stage: 0,
        on_error: OnError::Fail,
        filter: None,
        start_after: Sequence(0),
        created_at: at,
        updated_at: at,
    }
}

pub(super) fn task(slot: u16) -> Task {
    Task {
        slot,
        subscription: u64::from(slot) + 1,
        function: u64::from(slot % 3) + 1,
        function_name: "Validate".to_owned(),
        function_slug: "validate".to_owned(),
        stage: 0,
        on_error: OnError::Fail,
        timeout_ms: 1000,
    }
}

/// A run of so many functions begins with the next event.
pub(super) fn opening(slots: u16) -> Change {
    let gate = Gate {
        tenant: TENANT,
        sequence: Sequence::ZERO,
        event_id: None,
        event_type: "PRE_USER_CREATE".to_owned(),
        opened_at: UnixMillis(0),
        tasks: (0..slots).map(task).collect(),
    };
    Change::Gate(Box::new(GateChange::Open(gate)))
}

/// Opens a run with the next event.
fn open_gate(log: &dyn EventLog, id: Option<&str>, slots: u16) -> Committed {
    let changes = vec![opening(slots)];
    let events = vec![draft("PRE_USER_CREATE", id, "{}")];
    block_on(log.commit(Commit { tenant: Some(TENANT), events, changes, key: None })).unwrap()
}

pub(super) fn closed(gate: &Gate, status: InvocationStatus) -> ClosedGate {
    let mut closed = gate.cancelled("a test");
    closed.outcome = GateOutcome::Failed;
    closed.params = Some(r#"{"a":1.10}"#.to_owned());
    for record in &mut closed.records {
        record.status = status;
        record.kind = Some(FailureKind::Rejected);
    }
    closed
}

fn all(log: &dyn EventLog, query: InvocationQuery) -> Vec<InvocationRecord> {
    let mut below = None;
    let mut found = Vec::new();
    loop {
        let page = block_on(log.invocations(InvocationQuery { below, ..query })).unwrap();
        assert!(page.rows.len() <= query.limit);
        found.extend(page.rows);
        let Some(next) = page.more_below else { return found };
        assert!(below.is_none_or(|below| next < below), "a page moves on");
        below = Some(next);
    }
}

fn everything(limit: usize) -> InvocationQuery {
    InvocationQuery { tenant: TENANT, below: None, function: None, sequence: None, status: None, limit }
}

#[test]
fn functions_and_numbers_are_there_after_a_crash_and_after_a_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    commit(&*log, vec![functions(app(1)), functions(app(2))]);
    commit(&*log, vec![functions(FunctionChange::PutSubscription(subscription(3)))]);
    commit(&*log, vec![functions(FunctionChange::RemoveApp(TENANT, 2))]);
    let book = log.management().functions.clone();
    assert_eq!(book.numbers[&TENANT], Numbers { app: 2, function: 0, subscription: 3 });
    drop(log);
    super::tests::wait_until_free(folder.path());
    for _ in 0..2 {
        let log = open(folder.path());
        assert_eq!(log.management().functions, book);
        assert_eq!(log.consumer(CONSUMER).unwrap().place, Sequence(0));
        close(&log);
    }
    let log = open(folder.path());
    commit(&*log, vec![functions(FunctionChange::RemoveSubscription(TENANT, 3, CONSUMER))]);
    close(&log);
    let log = open(folder.path());
    assert_eq!(log.consumer(CONSUMER), None);
    close(&log);
}

#[test]
fn a_run_is_open_with_its_event_and_closed_with_its_records_across_crashes() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let event = open_gate(&*log, Some("one"), 2).events[0].clone();
    let again = open_gate(&*log, Some("one"), 3);
    assert_eq!((again.fresh[0], log.gates().len()), (false, 1), "a repeated event begins no other run");
    let gate = log.gates()[0].clone();
    assert_eq!((gate.sequence, gate.event_id.as_ref()), (event.sequence(), Some(event.id())));
    assert_eq!(gate.opened_at, event.stored_at());
    drop(log);
    super::tests::wait_until_free(folder.path());

    let log = open(folder.path());
    assert_eq!(log.gates(), std::slice::from_ref(&gate));
    let opened = all(&*log, everything(10));
    assert_eq!(opened.len(), 2);
    assert!(opened.iter().all(|record| record.status == InvocationStatus::Pending));
    assert_eq!(block_on(log.closed_gate(TENANT, gate.sequence)).unwrap(), None);
    let end = closed(&gate, InvocationStatus::Error);
    commit(&*log, vec![Change::Gate(Box::new(GateChange::Close(end.clone())))]);
    drop(log);
    super::tests::wait_until_free(folder.path());

    for _ in 0..2 {
        let log = open(folder.path());
        assert_eq!(log.gates(), []);
        assert_eq!(block_on(log.closed_gate(TENANT, gate.sequence)).unwrap().as_ref(), Some(&end));
        assert_eq!(block_on(log.closed_gate(TenantId(2), gate.sequence)).unwrap(), None);
        let one = block_on(log.invocation(TENANT, end.records[1].id())).unwrap();
        assert_eq!(one.last(), Some(&end.records[1]));
        close(&log);
    }
}

#[test]
fn an_attempt_moves_its_consumer_and_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    commit(&*log, vec![functions(FunctionChange::PutSubscription(subscription(3)))]);
    let event =
        super::tests::publish(&log, vec![draft("POST_USER_CREATE", None, "{}")]).unwrap().events[0].clone();
    let gate = Gate { sequence: event.sequence(), event_id: Some(event.id().clone()), ..gate_like() };
    let mut record = InvocationRecord::opened(&gate, &task(3)).unwrap();
    record.attempt = 1;
    record.consumer = Some(CONSUMER);
    record.verdict = Some(Verdict::Retry { at: UnixMillis(9) });
    let place = event.sequence();
    let heard = Heard::Failure(UnixMillis(1));
    commit(&*log, vec![Change::Invoked { record: Box::new(record.clone()), place, heard }]);
    drop(log);
    super::tests::wait_until_free(folder.path());
    let log = open(folder.path());
    let consumer = log.consumer(CONSUMER).unwrap();
    assert_eq!((consumer.place, consumer.retries.len()), (place, 1));
    assert_eq!(all(&*log, everything(10)), [record]);
    close(&log);
}

#[test]
fn of_an_attempt_in_two_files_the_newer_row_counts() {
    let folder = tempfile::tempdir().unwrap();
    let small = StorageConfig {
        path: folder.path().to_owned(),
        min_free: 0,
        segment_bytes: 1,
        tail_bytes: 1,
        ..StorageConfig::default()
    };
    let log = RedbLog::open(&small, DAY).unwrap();
    // An event that fills a file.
    let data = format!("{{\"pad\":\"{}\"}}", "x".repeat(1 << 20));
    let publish = || super::tests::publish(&log, vec![draft("POST_USER_CREATE", None, &data)]).unwrap();
    let event = publish().events[0].clone();
    let gate = Gate { sequence: event.sequence(), event_id: Some(event.id().clone()), ..gate_like() };
    // The first commit was not acknowledged, and its file was left behind: the attempt was made again.
    let [first, again] = [InvocationStatus::Error, InvocationStatus::Success].map(|status| {
        let opened = InvocationRecord::opened(&gate, &task(3)).unwrap();
        let (consumer, verdict) = (Some(CONSUMER), Some(Verdict::Delivered));
        let record = InvocationRecord { attempt: 1, status, consumer, verdict, ..opened };
        let change = Change::Invoked {
            record: Box::new(record.clone()),
            place: event.sequence(),
            heard: Heard::Nothing,
        };
        commit(&*log, vec![change]);
        publish();
        record
    });
    assert_ne!(first.status, again.status);
    assert!(log.stats().segments > 1);
    assert_eq!(all(&*log, everything(10)), std::slice::from_ref(&again));
    assert_eq!(block_on(log.invocation(TENANT, again.id())).unwrap(), [again]);
    close(&log);
}

fn gate_like() -> Gate {
    Gate {
        tenant: TENANT,
        sequence: Sequence::ZERO,
        event_id: None,
        event_type: "POST_USER_CREATE".to_owned(),
        opened_at: UnixMillis(5),
        tasks: Vec::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    #[test]
    fn pages_over_many_files_say_what_a_plain_list_says(
        steps in prop::collection::vec((1_u16..5, any::<bool>()), 1..12), limit in 1_usize..9
    ) {
        let folder = tempfile::tempdir().unwrap();
        let small = StorageConfig {
            path: folder.path().to_owned(), cache_bytes: 1 << 20, min_free: 0, segment_bytes: 1, tail_bytes: 1,
            ..StorageConfig::default()
        };
        let (redb, memory) = (RedbLog::open(&small, DAY).unwrap(), MemoryLog::default());
        for (at, (slots, closes)) in steps.iter().enumerate() {
            let id = format!("e{at}");
            open_gate(&*redb, Some(&id), *slots);
            open_gate(&memory, Some(&id), *slots);
            if *closes {
                for log in [&*redb as &dyn EventLog, &memory] {
                    let mut gate = log.gates().pop().unwrap();
                    gate.opened_at = UnixMillis(1);
                    let end = closed(&gate, InvocationStatus::Success);
                    commit(log, vec![Change::Gate(Box::new(GateChange::Close(end)))]);
                }
            }
        }
        let told = |log: &dyn EventLog, query| -> Vec<(u64, u32, InvocationStatus)> {
            all(log, query).iter().map(|one| (one.id().number(), one.attempt, one.status)).collect()
        };
        for function in [None, Some(1), Some(2)] {
            for status in [None, Some(InvocationStatus::Pending), Some(InvocationStatus::Success)] {
                for sequence in [None, Some(Sequence(2))] {
                    let query = InvocationQuery { function, sequence, status, ..everything(limit) };
                    prop_assert_eq!(told(&*redb, query), told(&memory, query));
                }
            }
        }
        close(&redb);
    }
}
