//! What happens at the borders of files: read while they end, removed while they are read, without events.

use super::segment::Ended;
use super::simulated_disk::{Image, SimulatedDisk};
use super::tests::{close, draft, publish, query};
use super::*;
use crate::clock;
use crate::log::{Change, Order as ReadOrder};
use crate::model::{EventFilter, Tenant, Timestamp, TypePattern};
use futures_executor::block_on;
use redb::Database;

const DAY: Duration = Duration::from_secs(86_400);
const PATIENCE: Duration = Duration::from_secs(60);

fn open(disk: &SimulatedDisk, config: &StorageConfig, is_restored: bool) -> Arc<RedbLog> {
    RedbLog::open_on(Arc::new(disk.clone()), config, DAY, is_restored, 10).unwrap()
}

fn config() -> StorageConfig {
    StorageConfig { cache_bytes: 1 << 20, scrub_every: Duration::ZERO, ..StorageConfig::default() }
}

fn disk() -> SimulatedDisk {
    SimulatedDisk::new(Image::new(), u64::MAX, false, 1)
}

fn one(log: &RedbLog) -> u64 {
    publish(log, vec![draft("a", None, "{}")]).unwrap().events[0].sequence().0
}

fn put_tenant(log: &RedbLog) -> Result<Committed, LogError> {
    let created_at = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
    let tenant = Tenant { number: TenantId(1), name: "t".to_owned(), created_at };
    block_on(log.commit(Commit { changes: vec![Change::PutTenant(tenant)], ..Commit::default() }))
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let begin = clock::instant();
    while !holds() {
        assert!(begin.elapsed() < PATIENCE, "it never came: {what}");
        std::thread::yield_now();
    }
}

#[test]
fn a_page_from_memory_passes_over_no_event_that_is_committed_meanwhile() {
    const EVENTS: u64 = 5000;
    let disk = disk();
    let log = RedbLog::open_on(Arc::new(disk), &config(), DAY, false, 1 << 20).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| (0..EVENTS).for_each(|_| assert!(one(&log) > 0)));
        let (mut from, mut heard) = (0, 0);
        while from < EVENTS {
            let page = block_on(log.read(query(EventFilter::default(), from, 100))).unwrap();
            for event in &page.events {
                heard += 1;
                assert_eq!(event.sequence(), Sequence(heard));
            }
            from = page.scanned_to.0;
            assert_eq!(from, heard, "it says that it looked at more than it gave");
        }
    });
    close(&log);
}

#[test]
fn a_closed_log_opens_no_file_again() {
    let folder = tempfile::tempdir().unwrap();
    let config = StorageConfig { path: folder.path().to_owned(), min_free: 0, ..config() };
    let log = RedbLog::open(&config, DAY).unwrap();
    one(&log);
    close(&log);
    // A reader that had begun before.
    assert!(query::read(&log.shared, &query(EventFilter::default(), 0, 1)).is_err());
    let again = RedbLog::open(&config, DAY).unwrap();
    assert_eq!(one(&again), 2);
    close(&again);
}

#[test]
fn a_file_that_retention_removes_under_a_reader_is_not_taken_for_damage() {
    let log = open(&disk(), &StorageConfig { tail_bytes: 1, ..config() }, false);
    (0..25).for_each(|_| assert!(one(&log) > 0));
    // The reader has taken the list of files and the bounds already.
    log.shared.segments.load()[0].end(Ended::Trimmed);
    let all = query(EventFilter::default(), 0, 100);
    assert!(matches!(block_on(log.read(all.clone())), Err(LogError::Trimmed { .. })));
    assert_eq!(block_on(log.count(Query { limit: usize::MAX, ..all.clone() })), Ok(15));
    let descending = Query { order: ReadOrder::Descending, from: Sequence(u64::MAX), ..all };
    let page = block_on(log.read(descending)).unwrap();
    assert_eq!((page.events.len(), page.has_more), (15, false));
    assert_eq!(block_on(log.check(Sequence(3))), Ok(()));
    assert_eq!(lookup::get(&log.shared, Sequence(3)), Ok(None));
    assert_eq!(log.stats().corrupt, 0);
    close(&log);
}

#[test]
fn a_full_file_that_could_not_be_read_once_is_read_the_next_time() {
    let disk = disk();
    let log = open(&disk, &StorageConfig { tail_bytes: 1, ..config() }, false);
    (0..25).for_each(|_| assert!(one(&log) > 0));
    let segment = Arc::clone(&log.shared.segments.load()[0]);
    until("the file is full", || segment.summary().is_some());
    let all = query(EventFilter::default(), 0, 100);
    for _ in 0..20 {
        disk.misread();
        // Whether it is this one that fails, and while opening the file or later, depends on what is in memory.
        let _ = block_on(log.read(all.clone()));
        assert_eq!(block_on(log.read(all.clone())).unwrap().events.len(), 25);
        segment.close();
    }
    close(&log);
}

#[test]
fn a_full_file_has_an_index_of_its_types_pipelines_and_runs() {
    let disk = disk();
    let log = open(&disk, &config(), false);
    publish(&log, (0..9).map(|number| draft(["a", "b", "c"][number % 3], None, "{}")).collect()).unwrap();
    // The next file is begun when this one is full.
    until("the file is full", || one(&log) > 0 && log.shared.segments.load()[0].summary().is_some());
    let segment = Arc::clone(&log.shared.segments.load()[0]);
    let filter = EventFilter::of_types(vec![TypePattern::parse("b").unwrap()]);
    let tenant = query(filter.clone(), 0, 1).tenant;
    let filter = columns::ColumnFilter::new(tenant, &filter, &segment.names());
    let about = segment.summary().unwrap().sealed;
    let wanted = filter.indexed(about.earliest, about.latest).unwrap();
    let listed = segment.read(&disk, |transaction| {
        postings::list(transaction, &wanted, 1..=9, ReadOrder::Descending, 2, u64::MAX)
    });
    assert_eq!(listed.unwrap().unwrap().places, [8, 5]);
    close(&log);
}

#[test]
fn a_file_that_could_not_be_sealed_is_still_read() {
    for after in 0..40 {
        let disk = disk();
        let log = open(&disk, &StorageConfig { tail_bytes: 1, ..config() }, false);
        publish(&log, (0..9).map(|_| draft("a", None, "{}")).collect()).unwrap();
        disk.stumble_after(after);
        let heard = (0..5).filter(|_| publish(&log, vec![draft("a", None, "{}")]).is_ok()).count();
        let is_whole = || {
            let page = block_on(log.read(query(EventFilter::default(), 0, 100)));
            page.is_ok_and(|page| page.events.len() == 9 + heard)
        };
        until(&format!("all of it, after {after} operations"), is_whole);
        close(&log);
    }
}

#[test]
fn a_read_that_panics_takes_no_thread_with_it() {
    let log = open(&disk(), &config(), false);
    one(&log);
    for _ in 0..8 {
        let panics = log.readers.run(|_| -> Result<(), LogError> { panic!("meant") });
        assert!(block_on(panics).is_err());
    }
    assert_eq!(block_on(log.check(Sequence(1))), Ok(()));
    close(&log);
}

#[test]
fn a_long_read_holds_up_no_commit() {
    let disk = disk();
    let log = open(&disk, &config(), false);
    one(&log);
    let segment = Arc::clone(log.shared.segments.load().last().unwrap());
    let (go_on, told) = std::sync::mpsc::channel::<()>();
    let (begun, begins) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        segment.read(&disk, |_| {
            begun.send(()).unwrap();
            Ok(told.recv().is_ok())
        })
    });
    begins.recv().unwrap();
    let (done, is_done) = std::sync::mpsc::channel();
    let publisher = Arc::clone(&log);
    std::thread::spawn(move || done.send(one(&publisher)));
    assert_eq!(is_done.recv_timeout(PATIENCE), Ok(2));
    go_on.send(()).unwrap();
    assert!(reader.join().unwrap().unwrap());
    close(&log);
}

#[test]
fn a_copy_counts_and_checks_only_places_that_were_events() {
    let disk = disk();
    let log = open(&disk, &config(), false);
    (0..3).for_each(|_| assert!(one(&log) > 0));
    close(&log);
    let log = open(&disk, &config(), true);
    assert!(one(&log) > 1 << 32);
    assert_eq!(log.stats().events, 4);
    let verified = tools::verify(&log, &|_, _| {});
    assert_eq!((verified.events, verified.corrupt), (4, vec![]));
    close(&log);
}

#[test]
fn files_without_events_tell_nobody_that_something_is_gone() {
    let disk = disk();
    let short = StorageConfig { max_age: Duration::from_millis(1), ..config() };
    let log = open(&disk, &short, false);
    assert_eq!(one(&log), 1);
    let mut failed = 0;
    while failed < 4 {
        disk.stumble_after(0);
        failed += u32::from(put_tenant(&log).is_err());
    }
    put_tenant(&log).unwrap();
    until("only the file that is written is left", || log.stats().segments == 1);
    let at_head = |log: &RedbLog| {
        assert_eq!(log.bounds().borrow().oldest, Sequence(2));
        query::read(&log.shared, &query(EventFilter::default(), 1, 1)).map(|page| page.events.len())
    };
    assert_eq!(at_head(&log), Ok(0));
    close(&log);
    let log = open(&disk, &config(), false);
    assert_eq!(at_head(&log), Ok(0));
    assert_eq!((log.management().tenants.len(), log.stats().corrupt), (1, 0));
    one(&log);
    assert_eq!(at_head(&log), Ok(1));
    close(&log);
}

#[test]
fn a_type_whose_name_is_damaged_is_still_found() {
    let folder = tempfile::tempdir().unwrap();
    let config = StorageConfig { path: folder.path().to_owned(), min_free: 0, ..config() };
    let log = RedbLog::open(&config, DAY).unwrap();
    publish(&log, vec![draft("a", None, "{}"), draft("b", None, "{}")]).unwrap();
    close(&log);
    // So that the file is full and has its summary.
    std::fs::File::create(folder.path().join(RESTORED)).unwrap();
    close(&RedbLog::open(&config, DAY).unwrap());
    for number in [1, 0] {
        let file = Database::open(folder.path().join(segment::file_name(1))).unwrap();
        let change = file.begin_write().unwrap();
        change.open_table(schema::NAMES).unwrap().insert(number, &b"damaged"[..]).unwrap();
        change.commit().unwrap();
        drop(file);
        let log = RedbLog::open(&config, DAY).unwrap();
        for (name, place) in [("a", 1), ("b", 2)] {
            let filter = EventFilter::of_types(vec![TypePattern::parse(name).unwrap()]);
            let page = block_on(log.read(query(filter, 0, 10))).unwrap();
            let found: Vec<_> = page.events.iter().map(|event| event.sequence()).collect();
            assert_eq!(found, [Sequence(place)], "{name} after {number} was damaged");
        }
        close(&log);
    }
}

#[test]
fn nobody_is_refused_for_what_a_failed_write_had() {
    let disk = disk();
    let log = open(&disk, &config(), false);
    let commit = |id: &str, data: &str| {
        let events = vec![draft("a", Some(id), data)];
        log.commit(Commit { tenant: Some(TenantId(1)), events, ..Commit::default() })
    };
    for round in 0..100 {
        let id = format!("id-{round}");
        disk.stumble_after(0);
        let (first, second) = (commit(&id, "{}"), commit(&id, "[]"));
        let (first, second) = (block_on(first), block_on(second));
        let is_refused = matches!(second, Err(LogError::IdTaken { .. }));
        assert!(first.is_ok() || !is_refused, "{first:?} {second:?}");
    }
    close(&log);
}
