//! Lists of deliveries over many small files say what the log in memory says, whatever the pages.

use super::simulated_disk::{Image, SimulatedDisk};
use super::tests::{close, draft};
use super::*;
use crate::clock;
use crate::config::StorageConfig;
use crate::log::{
    AttemptQuery, Change, DeliveryQuery, LastAttempt, LastAttemptsQuery, MemoryLog, Order as ReadOrder, Page,
};
use crate::model::{
    AttemptRecord, BodyFormat, Destination, DestinationStatus, EventFilter, EventNote, EventType, Heard,
    Ordering, RequestNote, RetryPolicy, Timestamp, TypePattern, UnixMillis, Verdict, Verification,
};
use futures_executor::block_on;
use proptest::prelude::*;
use std::collections::BTreeMap;

const TENANT: TenantId = TenantId(1);
const DESTINATION: DestinationId = DestinationId(7);
const DAY: Duration = Duration::from_secs(86_400);
const EVENTS: u64 = 150;

/// One attempt of the event at a place: what it meant.
type Step = (u64, Verdict);

pub(super) fn destination() -> Destination {
    let at = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
    Destination {
        id: DESTINATION,
        tenant: TENANT,
        url: "https://one.example/".to_owned(),
        description: String::new(),
        events: Vec::new(),
        filter: None,
        format: Some(BodyFormat::Envelope),
        status: DestinationStatus::Active,
        deactivation: None,
        verification: Verification::None,
        verified: true,
        headers: BTreeMap::new(),
        retry: RetryPolicy { enabled: true, schedule_s: vec![5] },
        timeout_ms: 1000,
        max_in_flight: 1,
        rate_limit_per_s: None,
        ordering: Ordering::None,
        signature_header: "X".to_owned(),
        secrets: Vec::new(),
        start_after: Sequence::ZERO,
        declared: false,
        created_at: at,
        updated_at: at,
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let verdict = prop_oneof![
        4 => Just(Verdict::Delivered),
        3 => Just(Verdict::Retry { at: UnixMillis(1) }),
        2 => Just(Verdict::Dead),
        1 => Just(Verdict::Cancelled),
    ];
    prop::collection::vec((1..=EVENTS, verdict), 0..200)
}

/// The same commits for either log; events and attempts mixed, so that attempts are in other files than their events.
fn commits(steps: &[Step], events: usize) -> Vec<Commit> {
    let pad = "x".repeat(60_000);
    let data = format!("{{\"pad\":\"{pad}\"}}");
    let put = vec![Change::PutDestination(Box::new(destination()))];
    let mut commits = vec![Commit { changes: put, ..Commit::default() }];
    let mut published = 0;
    let mut made = BTreeMap::new();
    for (sequence, verdict) in steps {
        while published < *sequence as usize || (published < events && !published.is_multiple_of(7)) {
            published += 1;
            let event_type = if published.is_multiple_of(3) { "b" } else { "a" };
            let events = vec![draft(event_type, Some(&format!("e{published}")), &data)];
            commits.push(Commit { tenant: Some(TENANT), events, ..Commit::default() });
        }
        let attempt = made.entry(*sequence).and_modify(|made| *made += 1).or_insert(1);
        commits.push(Commit { changes: vec![outcome(*sequence, *attempt, *verdict)], ..Commit::default() });
    }
    commits
}

fn outcome(sequence: u64, attempt: u32, verdict: Verdict) -> Change {
    let event_type = if sequence.is_multiple_of(3) { "b" } else { "a" };
    let event = EventNote {
        id: EventId::parse(&format!("e{sequence}")).unwrap(),
        event_type: EventType::parse(event_type).unwrap(),
        timestamp: Timestamp::parse("2026-01-01T00:00:00Z").unwrap(),
    };
    let attempt = AttemptRecord {
        destination: DESTINATION,
        sequence: Sequence(sequence),
        event: Some(event),
        attempt,
        at: UnixMillis(5),
        latency_ms: 1,
        request: RequestNote::default(),
        status: Some(200),
        error: None,
        verdict,
        response_headers: Vec::new(),
        response_body: String::new(),
    };
    Change::Outcome { attempt: Box::new(attempt), place: Sequence::ZERO, heard: Heard::Nothing }
}

/// Follows the pages of a list to their end.
fn follow(
    log: &dyn EventLog,
    only: Option<Verdict>,
    filter: &EventFilter,
    limit: usize,
) -> Vec<AttemptRecord> {
    let mut below = Sequence(u64::MAX);
    let mut found = Vec::new();
    loop {
        let query = DeliveryQuery {
            destination: DESTINATION,
            below,
            wanted: Arc::new(move |_, verdict| {
                only.is_none_or(|only| std::mem::discriminant(&only) == std::mem::discriminant(&verdict))
            }),
            filter: filter.clone(),
            limit,
        };
        let rows = block_on(log.deliveries(query)).unwrap();
        assert!(rows.last_attempts.len() <= limit);
        found.extend(rows.last_attempts);
        if !rows.has_more {
            return found;
        }
        assert!(rows.scanned_to < below, "a page moves on");
        below = rows.scanned_to;
    }
}

/// Follows the pages of last attempts from the beginning; a retry's time is not told.
fn follow_up(log: &dyn EventLog, limit: usize) -> Vec<(Sequence, u32, std::mem::Discriminant<Verdict>)> {
    let (mut after, up_to) = (Sequence::ZERO, Sequence(EVENTS));
    let mut found = Vec::new();
    while after < up_to {
        let query = LastAttemptsQuery { destination: DESTINATION, after, up_to, limit };
        let page = block_on(log.last_attempts(query)).unwrap();
        assert!(page.rows.len() <= limit && page.scanned_to > after);
        let shown = |row: &LastAttempt| (row.sequence, row.attempts, std::mem::discriminant(&row.verdict));
        found.extend(page.rows.iter().map(shown));
        after = page.scanned_to;
    }
    found
}

#[test]
fn files_that_attempts_alone_fill_are_followed_by_others() {
    let folder = tempfile::tempdir().unwrap();
    let small = StorageConfig {
        path: folder.path().to_owned(),
        min_free: 0,
        segment_bytes: 1,
        ..StorageConfig::default()
    };
    let log = RedbLog::open(&small, DAY).unwrap();
    let put = vec![Change::PutDestination(Box::new(destination()))];
    block_on(log.commit(Commit { changes: put, ..Commit::default() })).unwrap();
    let publish = |log: &RedbLog| {
        let commit =
            Commit { tenant: Some(TENANT), events: vec![draft("a", None, "{}")], ..Commit::default() };
        block_on(log.commit(commit)).unwrap().events[0].sequence()
    };
    assert_eq!(publish(&log), Sequence(1));
    let retry = Verdict::Retry { at: UnixMillis(1) };
    for hundred in 0..300 {
        let changes = (1..=100).map(|one| outcome(1, hundred * 100 + one, retry)).collect();
        block_on(log.commit(Commit { changes, ..Commit::default() })).unwrap();
    }
    let check = |log: &RedbLog| {
        let query = AttemptQuery { destination: DESTINATION, sequence: Some(Sequence(1)), limit: usize::MAX };
        let attempts: Vec<u32> =
            block_on(log.attempts(query)).unwrap().iter().map(|one| one.attempt).collect();
        assert_eq!(attempts, (1..=30_000).collect::<Vec<_>>());
        assert_eq!(log.consumer(DESTINATION).unwrap().retries[&Sequence(1)].attempts, 30_000);
        assert!(log.stats().segments > 2, "{:?}", log.stats());
    };
    check(&log);
    close(&log);
    drop(log);
    let log = RedbLog::open(&small, DAY).unwrap();
    check(&log);
    // Places of files without events are left out, and never given again.
    let next = publish(&log);
    assert!(next > Sequence(2), "{next}");
    assert_eq!(follow(&*log, None, &EventFilter::default(), 10).len(), 1);
    let mut all = Query {
        tenant: TENANT,
        filter: EventFilter::default(),
        from: Sequence::ZERO,
        up_to: Sequence(u64::MAX),
        order: ReadOrder::Ascending,
        limit: 10,
        max_bytes: usize::MAX,
    };
    let places = |page: Page| page.events.iter().map(|event| event.sequence()).collect::<Vec<_>>();
    assert_eq!(places(block_on(log.read(all.clone())).unwrap()), [Sequence(1), next]);
    (all.order, all.from) = (ReadOrder::Descending, Sequence(u64::MAX));
    assert_eq!(places(block_on(log.read(all)).unwrap()), [next, Sequence(1)]);
    close(&log);
}

#[test]
fn retention_by_size_removes_files_that_attempts_fill() {
    let folder = tempfile::tempdir().unwrap();
    let small = StorageConfig {
        path: folder.path().to_owned(),
        min_free: 0,
        segment_bytes: 1,
        max_bytes: 5 << 20,
        ..StorageConfig::default()
    };
    let log = RedbLog::open(&small, DAY).unwrap();
    let put = vec![Change::PutDestination(Box::new(destination()))];
    let events = vec![draft("a", None, "{}")];
    block_on(log.commit(Commit { tenant: Some(TENANT), events, changes: put, ..Commit::default() })).unwrap();
    let (mut made, mut files) = (0, 0);
    while files < 12 || log.bounds().borrow().oldest == Sequence(1) {
        let changes = (1..=100).map(|one| outcome(1, made + one, Verdict::Delivered)).collect();
        block_on(log.commit(Commit { changes, ..Commit::default() })).unwrap();
        made += 100;
        // A file holds less than 10,000 of them.
        files = made / 10_000;
        assert!(files < 100, "nothing was trimmed: {:?}", log.stats());
    }
    let begin = clock::instant();
    while log.stats().segments > 8 {
        assert!(begin.elapsed() < Duration::from_secs(120), "{:?}", log.stats());
        std::thread::yield_now();
    }
    close(&log);
}

#[test]
fn an_attempt_of_a_write_that_failed_gives_way_to_the_one_that_was_acknowledged() {
    let mut failed = 0;
    for after in 0..12 {
        let disk = SimulatedDisk::new(Image::new(), u64::MAX, false, 1);
        let log =
            RedbLog::open_on(Arc::new(disk.clone()), &StorageConfig::default(), DAY, false, 100).unwrap();
        let put = vec![Change::PutDestination(Box::new(destination()))];
        let events = vec![draft("a", None, "{}")];
        block_on(log.commit(Commit { tenant: Some(TENANT), events, changes: put, ..Commit::default() }))
            .unwrap();
        let commit = |verdict| {
            let changes = vec![outcome(1, 1, verdict)];
            block_on(log.commit(Commit { changes, ..Commit::default() }))
        };
        disk.stumble_after(after);
        if commit(Verdict::Delivered).is_ok() {
            close(&log);
            continue;
        }
        failed += 1;
        commit(Verdict::Dead).unwrap();
        let query = AttemptQuery { destination: DESTINATION, sequence: Some(Sequence(1)), limit: 10 };
        let attempts = block_on(log.attempts(query)).unwrap();
        let attempts: Vec<_> = attempts.iter().map(|one| (one.attempt, one.verdict)).collect();
        assert_eq!(attempts, [(1, Verdict::Dead)], "after {after} operations");
        let last = follow_up(&*log, 10);
        assert_eq!(last.len(), 1);
        let query = LastAttemptsQuery {
            destination: DESTINATION,
            after: Sequence::ZERO,
            up_to: Sequence(9),
            limit: 9,
        };
        let last = block_on(log.last_attempts(query)).unwrap();
        assert_eq!(last.rows[0].verdict, Verdict::Dead, "after {after} operations");
        close(&log);
    }
    assert!(failed > 1, "nothing failed");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn pages_over_many_files_say_what_a_plain_list_says(steps in steps(), limit in 1_usize..40) {
        let folder = tempfile::tempdir().unwrap();
        let small = StorageConfig {
            path: folder.path().to_owned(), cache_bytes: 1 << 20, min_free: 0, segment_bytes: 1, tail_bytes: 1,
            ..StorageConfig::default()
        };
        let (redb, memory) = (RedbLog::open(&small, DAY).unwrap(), MemoryLog::default());
        for commit in commits(&steps, EVENTS as usize) {
            block_on(redb.commit(commit.clone())).unwrap();
            block_on(memory.commit(commit)).unwrap();
        }
        let of_a = EventFilter::of_types(vec![TypePattern::parse("a").unwrap()]);
        for filter in [EventFilter::default(), of_a] {
            for only in [None, Some(Verdict::Delivered), Some(Verdict::Dead)] {
                let plain = follow(&memory, only, &filter, 10_000);
                prop_assert_eq!(follow(&*redb, only, &filter, limit), plain.clone());
                prop_assert_eq!(follow(&memory, only, &filter, limit), plain);
            }
        }
        let published = redb.bounds().borrow().head.0;
        prop_assert!(redb.stats().segments > 2 || published < EVENTS, "{published} events in one file show little");
        prop_assert_eq!(follow_up(&*redb, limit), follow_up(&memory, 10_000));
        close(&redb);
    }
}
