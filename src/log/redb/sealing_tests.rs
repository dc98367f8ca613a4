//! What a full file says of itself leaves no event out, also when not all of it could be read.

use super::schema::{COLUMNS, NAMES};
use super::tests::{close, draft, publish, query};
use super::*;
use crate::clock;
use crate::log::Order as ReadOrder;
use crate::model::{EventDraft, EventFilter, Timestamp, TypePattern};
use futures_executor::block_on;
use redb::Database;
use std::path::Path;

const DAY: Duration = Duration::from_secs(86_400);
const PATIENCE: Duration = Duration::from_secs(60);

fn open(path: &Path) -> Arc<RedbLog> {
    let config = StorageConfig {
        path: path.to_owned(),
        cache_bytes: 1 << 20,
        tail_bytes: 1,
        min_free: 0,
        scrub_every: Duration::ZERO,
        ..StorageConfig::default()
    };
    RedbLog::open_on(Arc::new(Folder::open(path).unwrap()), &config, DAY, false, 10).unwrap()
}

fn is_sealed(log: &RedbLog) -> bool {
    log.shared.segments.load()[0].summary().is_some()
}

fn await_sealed(log: &RedbLog) {
    let begin = clock::instant();
    while !is_sealed(log) {
        assert!(begin.elapsed() < PATIENCE, "the file was never sealed");
        std::thread::yield_now();
    }
}

fn of_type(name: &str) -> EventFilter {
    EventFilter::of_types(vec![TypePattern::parse(name).unwrap()])
}

/// The places of a page each way.
fn pages(log: &RedbLog, filter: EventFilter) -> [Vec<u64>; 2] {
    let ascending = query(filter, 0, 100);
    let descending = Query { order: ReadOrder::Descending, from: Sequence(u64::MAX), ..ascending.clone() };
    [ascending, descending].map(|query| {
        let page = block_on(log.read(query)).unwrap();
        page.events.iter().map(|event| event.sequence().0).collect()
    })
}

#[test]
fn an_event_whose_columns_could_not_be_read_at_sealing_is_still_in_every_page() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let labelled =
        EventDraft { pipeline: Some("rare".into()), run_id: Some("r".into()), ..draft("b", None, "{}") };
    let old = Some(Timestamp::parse("2001-01-01T00:00:00Z").unwrap());
    publish(&log, vec![draft("a", None, "{}"), draft("b", None, "{}")]).unwrap();
    publish(&log, vec![EventDraft { timestamp: old, ..labelled }]).unwrap();
    log.shared.segments.load()[0]
        .write(|database| {
            let transaction = database.begin_write()?;
            transaction.open_table(COLUMNS)?.insert(3, &b"damaged"[..])?;
            Ok(transaction.commit()?)
        })
        .unwrap();
    publish(&log, (0..7).map(|_| draft("a", None, "{}")).collect()).unwrap();
    await_sealed(&log);
    let pipeline = EventFilter { pipeline: Some("rare".into()), ..EventFilter::default() };
    assert_eq!(pages(&log, pipeline), [[3], [3]]);
    let run = EventFilter { run_id: Some("r".into()), ..EventFilter::default() };
    assert_eq!(pages(&log, run), [[3], [3]]);
    let until = Timestamp::parse("2002-01-01T00:00:00Z").ok();
    assert_eq!(pages(&log, EventFilter { until, ..EventFilter::default() }), [[3], [3]]);
    assert_eq!(pages(&log, of_type("b")), [vec![2, 3], vec![3, 2]]);
    close(&log);
}

#[test]
fn events_of_a_type_whose_name_is_gone_are_still_in_every_page() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    publish(&log, ["a", "b", "c"].iter().cycle().take(10).map(|name| draft(name, None, "{}")).collect())
        .unwrap();
    await_sealed(&log);
    close(&log);
    drop(log);
    let database = Database::open(folder.path().join(segment::file_name(1))).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(NAMES).unwrap().remove(2).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let log = open(folder.path());
    assert!(is_sealed(&log));
    assert_eq!(pages(&log, of_type("c")), [vec![3, 6, 9], vec![9, 6, 3]]);
    assert_eq!(pages(&log, of_type("b")), [vec![2, 5, 8], vec![8, 5, 2]]);
    assert_eq!(pages(&log, of_type("d")), [[0; 0], [0; 0]]);
    close(&log);
}
