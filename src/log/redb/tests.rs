//! The promises of the durable log, on real files.

use super::*;
use crate::config::StorageConfig;
use crate::log::{Change, CommitKey, Order as ReadOrder};
use crate::model::{EventDraft, EventFilter, EventType, Tenant, Timestamp, TypePattern};
use bytes::Bytes;
use futures_executor::block_on;
use std::path::Path;

const TENANT: TenantId = TenantId(1);
const DAY: Duration = Duration::from_secs(86_400);

fn config(path: &Path) -> StorageConfig {
    StorageConfig { path: path.to_owned(), cache_bytes: 1 << 20, min_free: 0, ..StorageConfig::default() }
}

pub(super) fn open(path: &Path) -> Arc<RedbLog> {
    RedbLog::open(&config(path), DAY).unwrap()
}

pub(super) fn draft(event_type: &str, id: Option<&str>, data: &str) -> EventDraft {
    EventDraft {
        id: id.map(|id| EventId::parse(id).unwrap()),
        event_type: EventType::parse(event_type).unwrap(),
        timestamp: None,
        pipeline: Some("p".into()),
        run_id: None,
        data: Bytes::from(data.to_owned()),
        extensions: None,
    }
}

pub(super) fn publish(log: &RedbLog, drafts: Vec<EventDraft>) -> Result<Committed, LogError> {
    block_on(log.commit(Commit { tenant: Some(TENANT), events: drafts, ..Commit::default() }))
}

pub(super) fn query(filter: EventFilter, from: u64, limit: usize) -> Query {
    Query {
        tenant: TENANT,
        filter,
        from: Sequence(from),
        up_to: Sequence(u64::MAX),
        order: ReadOrder::Ascending,
        limit,
        max_bytes: usize::MAX,
    }
}

fn sequences(page: &Page) -> Vec<u64> {
    page.events.iter().map(|event| event.sequence().0).collect()
}

pub(super) fn close(log: &RedbLog) {
    block_on(log.close());
}

#[test]
fn what_was_committed_is_there_after_reopening_with_and_without_a_clean_close() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..4_u64 {
        let log = open(folder.path());
        assert_eq!(log.bounds().borrow().head, Sequence(round * 3));
        let drafts = (0..3).map(|n| draft("a", None, &format!("{{\"n\":{n}}}"))).collect();
        let committed = publish(&log, drafts).unwrap();
        assert_eq!(committed.events[2].sequence(), Sequence(round * 3 + 3));
        if round % 2 == 0 {
            close(&log);
        } else {
            drop(log);
            wait_until_free(folder.path());
        }
    }
    let log = open(folder.path());
    let page = block_on(log.read(query(EventFilter::default(), 0, 100))).unwrap();
    assert_eq!(sequences(&page), (1..=12).collect::<Vec<_>>());
    assert_eq!(page.events[1].data(), "{\"n\":1}");
    assert_eq!((page.scanned_to, page.has_more), (Sequence(12), false));
    let by_id = block_on(log.find(TENANT, page.events[4].id().clone())).unwrap().unwrap();
    assert_eq!(by_id, page.events[4]);
    close(&log);
}

/// The writer of a dropped log ends by itself shortly after.
pub(super) fn wait_until_free(path: &Path) {
    let free = || std::fs::File::open(path.join("LOCK")).unwrap().try_lock().is_ok();
    while !free() {
        std::thread::yield_now();
    }
}

#[test]
fn a_second_process_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    assert!(matches!(RedbLog::open(&config(folder.path()), DAY), Err(OpenError::InUse(_))));
    close(&log);
}

#[test]
fn a_repeated_id_is_recognised_in_a_batch_in_memory_and_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let first = publish(&log, vec![draft("a", Some("x"), "{}"), draft("a", Some("x"), "{}")]).unwrap();
    assert_eq!(first.fresh, [true, false]);
    close(&log);
    drop(log);
    let log = open(folder.path());
    let again = publish(&log, vec![draft("a", Some("x"), "{}"), draft("a", None, "{}")]).unwrap();
    assert_eq!(again.fresh, [false, true]);
    assert_eq!(again.events[0], first.events[0]);
    let other = publish(&log, vec![draft("a", None, "{}"), draft("a", Some("x"), "{\"b\":1}")]);
    assert_eq!(other, Err(LogError::IdTaken { index: 1, id: EventId::parse("x").unwrap() }));
    assert_eq!(log.bounds().borrow().head, Sequence(2), "a refused commit leaves nothing");
    close(&log);
}

#[test]
fn an_idempotency_key_answers_the_same_again_also_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let key = |content| Some(CommitKey { name: "POST /events k".to_owned(), content: [content; 32] });
    let commit = |content| Commit {
        tenant: Some(TENANT),
        events: vec![draft("a", None, "{}")],
        key: key(content),
        changes: vec![],
    };
    let log = open(folder.path());
    let first = block_on(log.commit(commit(1))).unwrap();
    for _ in 0..2 {
        let log = &log;
        let again = block_on(log.commit(commit(1))).unwrap();
        assert_eq!((again.replayed, &again.events), (true, &first.events));
        assert_eq!(block_on(log.commit(commit(2))), Err(LogError::KeyReused));
    }
    close(&log);
    drop(log);
    let log = open(folder.path());
    assert!(block_on(log.commit(commit(1))).unwrap().replayed);
    close(&log);
}

#[test]
fn filters_pages_and_both_directions_agree_with_a_plain_scan_across_segments() {
    let folder = tempfile::tempdir().unwrap();
    let small = StorageConfig { segment_bytes: 1, tail_bytes: 1, ..config(folder.path()) };
    let log = RedbLog::open(&small, DAY).unwrap();
    let pad = "x".repeat(2000);
    for n in 0..2000 {
        let event_type = ["a.one", "a.two", "b"][n % 3];
        publish(&log, vec![draft(event_type, None, &format!("{{\"n\":{n},\"pad\":\"{pad}\"}}"))]).unwrap();
    }
    assert!(log.stats().segments > 2, "{:?}", log.stats());
    let filter = EventFilter::of_types(vec![TypePattern::parse("a.*").unwrap()]);
    let expected: Vec<u64> = (1..=2000).filter(|n| n % 3 != 0).collect();
    let mut from = 0;
    let mut heard = Vec::new();
    loop {
        let page = block_on(log.read(query(filter.clone(), from, 70))).unwrap();
        heard.extend(sequences(&page));
        assert!(page.scanned_to.0 > from || !page.has_more);
        from = page.scanned_to.0;
        if !page.has_more {
            break;
        }
    }
    assert_eq!(heard, expected);
    assert_eq!(from, 2000);
    let count = block_on(log.count(query(filter.clone(), 0, usize::MAX))).unwrap();
    assert_eq!(count, expected.len() as u64);
    let mut before = u64::MAX;
    let mut heard = Vec::new();
    loop {
        let descending = Query { order: ReadOrder::Descending, ..query(filter.clone(), before, 90) };
        let page = block_on(log.read(descending)).unwrap();
        heard.extend(sequences(&page));
        before = page.scanned_to.0;
        if !page.has_more {
            break;
        }
    }
    heard.reverse();
    assert_eq!(heard, expected);
    close(&log);
}

#[test]
fn retention_by_size_removes_whole_files_and_tells_who_is_behind() {
    let folder = tempfile::tempdir().unwrap();
    let small =
        StorageConfig { segment_bytes: 1, max_bytes: 6 << 20, tail_bytes: 1 << 16, ..config(folder.path()) };
    let log = RedbLog::open(&small, DAY).unwrap();
    let pad = "x".repeat(20_000);
    let mut published = 0;
    while log.bounds().borrow().oldest == Sequence(1) {
        publish(&log, vec![draft("a", None, &format!("{{\"pad\":\"{pad}\"}}"))]).unwrap();
        published += 1;
        assert!(published < 5000, "nothing was trimmed");
    }
    let oldest = log.bounds().borrow().oldest;
    let behind = block_on(log.read(query(EventFilter::default(), 0, 1)));
    assert!(matches!(behind, Err(LogError::Trimmed { missed, .. }) if missed >= oldest.0 - 1));
    close(&log);
    drop(log);
    let log = RedbLog::open(&small, DAY).unwrap();
    assert!(log.bounds().borrow().oldest >= oldest, "what was trimmed stays trimmed");
    let page =
        block_on(log.read(query(EventFilter::default(), log.bounds().borrow().oldest.0 - 1, 1))).unwrap();
    assert_eq!(page.events.len(), 1);
    close(&log);
}

#[test]
fn retention_by_age_trims_what_is_too_old() {
    let folder = tempfile::tempdir().unwrap();
    let short = StorageConfig { max_age: Duration::from_millis(300), ..config(folder.path()) };
    let log = RedbLog::open(&short, DAY).unwrap();
    publish(&log, vec![draft("a", None, "{}"), draft("a", None, "{}")]).unwrap();
    while log.bounds().borrow().oldest < Sequence(3) {
        std::thread::yield_now();
    }
    let trimmed = block_on(log.read(query(EventFilter::default(), 0, 1)));
    assert_eq!(trimmed, Err(LogError::Trimmed { oldest: Sequence(3), missed: 2 }));
    assert_eq!(publish(&log, vec![draft("a", None, "{}")]).unwrap().events[0].sequence(), Sequence(3));
    close(&log);
}

#[test]
fn management_survives_a_crash_by_the_journal_and_a_close_by_the_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let tenant = |number: u32| Tenant {
        number: TenantId(number),
        name: format!("t{number}"),
        created_at: Timestamp::parse("2026-01-01T00:00:00Z").unwrap(),
    };
    let log = open(folder.path());
    let put = |log: &RedbLog, number| {
        let changes = vec![Change::PutTenant(tenant(number))];
        block_on(log.commit(Commit { changes, ..Commit::default() })).unwrap();
    };
    put(&log, 1);
    drop(log);
    wait_until_free(folder.path());
    let log = open(folder.path());
    assert_eq!(log.management().tenants.len(), 1);
    put(&log, 2);
    close(&log);
    drop(log);
    let log = open(folder.path());
    assert_eq!(log.management().tenants.len(), 2);
    close(&log);
}
