//! Thousands of simulated losses of power over the real code: what was acknowledged is there, whole and in order.

use super::simulated_disk::{Dice, Image, SimulatedDisk};
use super::*;
use crate::log::{Change, Commit, Order as ReadOrder};
use crate::model::{EventDraft, EventFilter, EventType, Tenant, Timestamp};
use bytes::Bytes;
use futures_executor::block_on;
use std::collections::BTreeMap;

const TENANT: TenantId = TenantId(1);
const LOSSES: u64 = 5000;
const THREADS: u64 = 2;

fn open(disk: &SimulatedDisk) -> Result<Arc<RedbLog>, OpenError> {
    let config = StorageConfig {
        cache_bytes: 64 * 1024,
        tail_bytes: 1024,
        segment_bytes: 1,
        ..StorageConfig::default()
    };
    RedbLog::open_on(Arc::new(disk.clone()), &config, Duration::from_secs(3600), false, 25)
}

fn draft(id: u64, size: usize) -> EventDraft {
    EventDraft {
        id: (id.is_multiple_of(2)).then(|| EventId::parse(&format!("id-{id}")).unwrap()),
        event_type: EventType::parse("a").unwrap(),
        timestamp: None,
        pipeline: None,
        run_id: None,
        data: Bytes::from(format!("{{\"id\":{id},\"pad\":\"{}\"}}", "x".repeat(size))),
        extensions: None,
    }
}

/// What publishers were told.
#[derive(Default)]
struct Acknowledged {
    /// Sequence to data.
    events: BTreeMap<u64, Bytes>,
    tenants: u32,
    next_id: u64,
}

/// Publishes and changes tenants until the power goes or enough is done. Now and then one write fails.
fn work(log: &RedbLog, disk: &SimulatedDisk, acknowledged: &mut Acknowledged, dice: &mut Dice) {
    for _ in 0..dice.below(40) {
        let stumbles = dice.below(20) == 0;
        if stumbles {
            disk.stumble_after(0);
        }
        let count = dice.below(6);
        let size = if dice.below(8) == 0 { 9000 } else { 200 };
        let events: Vec<EventDraft> = (0..count).map(|n| draft(acknowledged.next_id + n, size)).collect();
        acknowledged.next_id += count;
        let tenant = acknowledged.tenants + 1;
        let adds_tenant = count == 0 || dice.below(4) == 0;
        let tenant = Tenant {
            number: TenantId(tenant),
            name: format!("t{tenant}"),
            created_at: Timestamp::parse("2026-01-01T00:00:00Z").unwrap(),
        };
        let changes = if adds_tenant { vec![Change::PutTenant(tenant)] } else { vec![] };
        let commit = Commit { tenant: Some(TENANT), events, key: None, changes };
        let committed = match block_on(log.commit(commit)) {
            Ok(committed) => committed,
            Err(_) if stumbles => continue,
            Err(_) => return,
        };
        for event in committed.events {
            assert!(
                acknowledged.events.insert(event.sequence().0, event.data()).is_none(),
                "a place was reused"
            );
        }
        acknowledged.tenants += u32::from(adds_tenant);
    }
}

/// Whether everything acknowledged is there; the places of what is there strictly increase.
fn check(log: &RedbLog, acknowledged: &Acknowledged) -> Result<(), String> {
    let mut found = BTreeMap::new();
    let mut from = Sequence::ZERO;
    loop {
        let query = Query {
            tenant: TENANT,
            filter: EventFilter::default(),
            from,
            up_to: Sequence(u64::MAX),
            order: ReadOrder::Ascending,
            limit: 200,
            max_bytes: usize::MAX,
        };
        let page = block_on(log.read(query)).map_err(|error| error.to_string())?;
        for event in &page.events {
            if found.insert(event.sequence().0, event.data()).is_some() {
                return Err(format!("{} is there twice", event.sequence()));
            }
        }
        from = page.scanned_to;
        if !page.has_more {
            break;
        }
    }
    for (sequence, data) in &acknowledged.events {
        if found.get(sequence) != Some(data) {
            return Err(format!("{sequence} was acknowledged and is not there"));
        }
    }
    let tenants = log.management().tenants.len() as u32;
    if tenants < acknowledged.tenants {
        return Err(format!("{} tenants were acknowledged, {tenants} are there", acknowledged.tenants));
    }
    Ok(())
}

/// One disk through a few losses of power. Gives how many there were.
fn live_through(seed: u64, losses: u64, lies: bool) -> Result<u64, String> {
    let mut dice = Dice::new(seed);
    let mut image = Image::new();
    let mut acknowledged = Acknowledged::default();
    for loss in 0..losses {
        let disk = SimulatedDisk::new(image, 2 + dice.below(250), lies, seed * 1000 + loss);
        // The power may go while the log is being opened, and while it is being closed.
        if let Ok(log) = open(&disk) {
            work(&log, &disk, &mut acknowledged, &mut dice);
            block_on(log.close());
        }
        let after = SimulatedDisk::new(disk.crash(), u64::MAX, false, seed);
        let log = open(&after).map_err(|error| format!("it does not open: {error}"))?;
        check(&log, &acknowledged)?;
        // Management counts from what is there: an unanswered commit may have survived.
        acknowledged.tenants = log.management().tenants.len() as u32;
        block_on(log.close());
        image = after.image();
    }
    Ok(losses)
}

#[test]
fn five_thousand_losses_of_power_lose_nothing_acknowledged() {
    let live = |thread: u64| {
        let mut losses = 0;
        for seed in (thread..).step_by(THREADS as usize) {
            if losses >= LOSSES / THREADS {
                return losses;
            }
            losses +=
                live_through(seed + 1, 10, false).unwrap_or_else(|why| panic!("seed {}: {why}", seed + 1));
        }
        losses
    };
    let total: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || live(thread))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert!(total >= LOSSES);
}

#[test]
fn a_write_that_fails_takes_nothing_with_it_that_a_file_without_events_has() {
    let disk = SimulatedDisk::new(Image::new(), u64::MAX, false, 1);
    let log = open(&disk).unwrap();
    let put = |number: u32| {
        let tenant = Tenant {
            number: TenantId(number),
            name: format!("t{number}"),
            created_at: Timestamp::parse("2026-01-01T00:00:00Z").unwrap(),
        };
        let changes = vec![Change::PutTenant(tenant)];
        block_on(log.commit(Commit { changes, ..Commit::default() }))
    };
    put(1).unwrap();
    // The checkpoint may be what stumbles.
    let mut failed = 1;
    let mut expected = Vec::new();
    loop {
        expected.push(failed);
        failed += 1;
        disk.stumble_after(0);
        match put(failed) {
            Ok(_) => {}
            Err(error) => break assert!(matches!(error, LogError::CommitUnknown { .. })),
        }
    }
    put(failed + 1).unwrap();
    expected.push(failed + 1);
    let after = SimulatedDisk::new(disk.crash(), u64::MAX, false, 1);
    let again = open(&after).unwrap();
    let kept: Vec<u32> = again.management().tenants.keys().map(|number| number.0).collect();
    assert_eq!(kept, expected);
    block_on(log.close());
    block_on(again.close());
}

/// A file is filled, one operation around the beginning of the next one fails, and work goes on.
fn roll_with_a_failure(after: u64, fill: Vec<Commit>) -> Result<(), String> {
    let disk = SimulatedDisk::new(Image::new(), u64::MAX, false, after);
    let log = open(&disk).unwrap();
    let mut acknowledged = Acknowledged::default();
    let last = fill.len() - 1;
    for (number, commit) in fill.into_iter().enumerate() {
        if number == last {
            disk.stumble_after(after);
        }
        take_in(&mut acknowledged, block_on(log.commit(commit)));
    }
    for id in 101..106 {
        let commit = Commit { tenant: Some(TENANT), events: vec![draft(id, 10)], ..Commit::default() };
        take_in(&mut acknowledged, block_on(log.commit(commit)));
    }
    check(&log, &acknowledged).map_err(|why| format!("while it runs: {why}"))?;
    let image = disk.crash();
    block_on(log.close());
    let after = SimulatedDisk::new(image, u64::MAX, false, 1);
    let again = open(&after).map_err(|error| format!("it does not open: {error}"))?;
    let checked = check(&again, &acknowledged);
    block_on(again.close());
    checked
}

fn take_in(acknowledged: &mut Acknowledged, answer: Result<Committed, LogError>) {
    let committed = answer.unwrap_or_default().events;
    acknowledged.events.extend(committed.iter().map(|event| (event.sequence().0, event.data())));
}

#[test]
fn whatever_fails_while_a_file_is_begun_takes_nothing_that_is_acknowledged_later() {
    let commit = |ids: std::ops::Range<u64>| Commit {
        tenant: Some(TENANT),
        events: ids.map(|id| draft(id, 10)).collect(),
        ..Commit::default()
    };
    for after in 0..80 {
        let roll = roll_with_a_failure(after, vec![commit(0..24), commit(24..25)]);
        roll.unwrap_or_else(|why| panic!("after {after} operations: {why}"));
    }
}

#[test]
fn whatever_fails_while_a_file_without_events_is_followed_leaves_no_hole_in_it() {
    let put = |number: u32| {
        let created_at = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
        let tenant = Tenant { number: TenantId(number), name: "t".repeat(600_000), created_at };
        Commit { changes: vec![Change::PutTenant(tenant)], ..Commit::default() }
    };
    for after in 0..80 {
        let roll = roll_with_a_failure(after, vec![put(1), put(2)]);
        roll.unwrap_or_else(|why| panic!("after {after} operations: {why}"));
    }
}

#[test]
fn a_disk_that_lies_is_caught() {
    let caught = (1..60).filter(|seed| {
        // What a lying disk leaves may not even open, or make the store panic.
        let lived = std::panic::catch_unwind(|| live_through(*seed, 10, true));
        !matches!(lived, Ok(Ok(_)))
    });
    assert!(caught.count() > 0, "the simulation sees nothing");
}
