//! Thousands of simulated losses of power over the real code: what was acknowledged is there, whole and in order.

mod ledger;
mod plan;

use super::simulated_disk::{Dice, Image, SimulatedDisk};
use super::*;
use crate::log::{Change, Commit};
use crate::model::{EventDraft, EventType};
use bytes::Bytes;
use futures_executor::block_on;
use ledger::{Ledger, Planned};
use plan::{plan, tenant};

const TENANT: TenantId = TenantId(1);
const LOSSES: u64 = 5000;
const LOSSES_OF_A_DISK: u64 = 5;
const THREADS: usize = 2;

fn open(disk: &SimulatedDisk) -> Result<Arc<RedbLog>, OpenError> {
    let config = StorageConfig {
        cache_bytes: 64 * 1024,
        tail_bytes: 1024,
        segment_bytes: 1,
        scrub_every: Duration::ZERO,
        max_queued: 64,
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

/// Commits until the power goes or enough is done.
fn work(log: &RedbLog, disk: &SimulatedDisk, ledger: &mut Ledger, dice: &mut Dice) -> Result<(), String> {
    for _ in 0..dice.below(40) {
        let together = if dice.below(4) == 0 { 1 + dice.below(3) } else { 1 };
        ledger.busy.clear();
        let planned: Vec<_> = (0..together).map(|_| plan(ledger, dice)).collect();
        let answers: Vec<_> = planned.iter().map(|one| log.commit(one.commit.clone())).collect();
        let mut repeated = Vec::new();
        for (planned, answer) in planned.into_iter().zip(answers) {
            let answer = block_on(answer);
            if answer.is_err() && dice.below(2) == 0 {
                repeated.push(planned.clone());
            }
            ledger.hear(planned, answer)?;
        }
        for planned in repeated {
            let answer = block_on(log.commit(planned.commit.clone()));
            ledger.hear(planned, answer)?;
        }
        if disk.is_dead() {
            return Ok(());
        }
    }
    if dice.below(3) == 0 {
        disk.calm();
        return check_while_it_runs(log, disk, ledger);
    }
    Ok(())
}

/// A file whose sealing just failed cannot be read for a moment.
fn check_while_it_runs(log: &RedbLog, disk: &SimulatedDisk, ledger: &Ledger) -> Result<(), String> {
    let mut checked = Ok(());
    for _ in 0..1000 {
        checked = ledger.check(log);
        if disk.is_dead() {
            return Ok(());
        }
        match &checked {
            Err(why) if why.starts_with("reading") => std::thread::yield_now(),
            _ => break,
        }
    }
    checked.map_err(|why| format!("while it runs: {why}"))
}

/// A process on a disk: the power may go, and one operation may fail, while the log is being opened, used, closed.
fn live(disk: &SimulatedDisk, ledger: &mut Ledger, dice: &mut Dice) -> Result<(), String> {
    disk.goes_on(2 + dice.below(250));
    match dice.below(4) {
        0 => disk.stumble_after(dice.below(250)),
        1 => disk.stumble_after(dice.below(40)),
        _ => {}
    }
    if let Ok(log) = open(disk) {
        let worked = work(&log, disk, ledger, dice);
        end(disk, &log, dice);
        worked?;
    }
    Ok(())
}

/// A log is closed, or its process just ends.
fn end(disk: &SimulatedDisk, log: &RedbLog, dice: &mut Dice) {
    if dice.below(2) == 0 {
        disk.kill();
    }
    block_on(log.close());
}

/// One disk through a few losses of power. Gives how many there were.
fn live_through(seed: u64, losses: u64, lies: bool) -> Result<u64, String> {
    let mut dice = Dice::new(seed);
    let mut disk = SimulatedDisk::new(Image::new(), u64::MAX, lies, seed);
    let mut ledger = Ledger::default();
    for loss in 0..losses {
        // Now and then processes come and go before the power does.
        while dice.below(4) == 0 {
            live(&disk, &mut ledger, &mut dice)?;
            disk.goes_on(u64::MAX);
            inspect(&disk, &mut ledger, &mut dice)?;
        }
        live(&disk, &mut ledger, &mut dice)?;
        disk = SimulatedDisk::new(disk.crash(), u64::MAX, lies, seed * 1000 + loss);
        inspect(&disk, &mut ledger, &mut dice)?;
    }
    Ok(losses)
}

/// Nothing fails, and everything is there.
fn inspect(disk: &SimulatedDisk, ledger: &mut Ledger, dice: &mut Dice) -> Result<(), String> {
    let log = open(disk).map_err(|error| format!("it does not open: {error}"))?;
    let checked = ledger.check_opened(&log, dice);
    end(disk, &log, dice);
    disk.goes_on(u64::MAX);
    checked
}

fn number_from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// `CAMPANILE_SEED=<n>` runs one disk alone, `CAMPANILE_LOSSES=<n>` as many losses as one has time for; both begin there.
#[test]
fn no_loss_of_power_and_no_failure_takes_what_was_acknowledged() {
    let first = number_from_environment("CAMPANILE_SEED");
    let losses = if first.is_some() { LOSSES_OF_A_DISK } else { LOSSES };
    let losses = number_from_environment("CAMPANILE_LOSSES").unwrap_or(losses);
    let first = first.unwrap_or(1);
    let live = |seed: u64| {
        let lived = live_through(seed, LOSSES_OF_A_DISK, false);
        lived.unwrap_or_else(|why| panic!("CAMPANILE_SEED={seed}: {why}"))
    };
    let disks = first..first + losses.div_ceil(LOSSES_OF_A_DISK);
    let share = |nth: usize| disks.clone().skip(nth).step_by(THREADS).map(live).sum::<u64>();
    let total: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|nth| scope.spawn(move || share(nth))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert!(total >= losses);
}

#[test]
fn a_write_that_fails_takes_nothing_with_it_that_a_file_without_events_has() {
    let disk = SimulatedDisk::new(Image::new(), u64::MAX, false, 1);
    let log = open(&disk).unwrap();
    let put = |number: u32| {
        let changes = vec![Change::PutTenant(tenant(number, format!("t{number}")))];
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
    let mut ledger = Ledger::default();
    let last = fill.len() - 1;
    let later = (101..106).map(|id| Commit {
        tenant: Some(TENANT),
        events: vec![draft(id, 10)],
        ..Commit::default()
    });
    for (number, commit) in fill.into_iter().chain(later).enumerate() {
        if number == last {
            disk.stumble_after(after);
        }
        let answer = block_on(log.commit(commit.clone()));
        ledger.hear(Planned { number: number as u64, commit }, answer)?;
    }
    disk.calm();
    ledger.check(&log).map_err(|why| format!("while it runs: {why}"))?;
    let image = disk.crash();
    block_on(log.close());
    let after = SimulatedDisk::new(image, u64::MAX, false, 1);
    let again = open(&after).map_err(|error| format!("it does not open: {error}"))?;
    let checked = ledger.check_opened(&again, &mut Dice::new(1));
    block_on(again.close());
    checked
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
        let changes = vec![Change::PutTenant(tenant(number, "t".repeat(600_000)))];
        Commit { changes, ..Commit::default() }
    };
    for after in 0..80 {
        let roll = roll_with_a_failure(after, vec![put(1), put(2)]);
        roll.unwrap_or_else(|why| panic!("after {after} operations: {why}"));
    }
}

#[test]
fn what_the_system_refuses_to_read_at_a_start_is_not_taken_for_lost() {
    let disk = SimulatedDisk::new(Image::new(), u64::MAX, false, 1);
    let mut ledger = Ledger::default();
    let log = open(&disk).unwrap();
    for number in 0..9 {
        let events = (number * 10..number * 10 + 10).map(|id| draft(id, 10)).collect();
        let commit = Commit { tenant: Some(TENANT), events, ..Commit::default() };
        let answer = block_on(log.commit(commit.clone()));
        ledger.hear(Planned { number, commit }, answer).unwrap();
    }
    block_on(log.close());
    let mut refused = 0;
    for after in 0..60 {
        disk.goes_on(u64::MAX);
        disk.unclose();
        disk.stumble_after(after);
        let Ok(log) = open(&disk) else {
            refused += 1;
            continue;
        };
        let checked = check_while_it_runs(&log, &disk, &ledger);
        checked.unwrap_or_else(|why| panic!("after {after} operations: {why}"));
        block_on(log.close());
    }
    assert!(refused > 4, "nothing was refused");
}

/// A file is left behind after a failure, sealed, and then the power goes.
fn forget_and_lose_power(after: u64, seed: u64) -> Result<(), String> {
    let disk = SimulatedDisk::new(Image::new(), u64::MAX, false, seed);
    let log = open(&disk).unwrap();
    let mut ledger = Ledger::default();
    for number in 0..6 {
        if number == 3 {
            disk.stumble_after(after);
        }
        let events = vec![draft(number, 10)];
        let commit = Commit { tenant: Some(TENANT), events, ..Commit::default() };
        let answer = block_on(log.commit(commit.clone()));
        ledger.hear(Planned { number, commit }, answer)?;
    }
    block_on(log.close());
    let disk = SimulatedDisk::new(disk.crash(), u64::MAX, false, seed);
    let log = open(&disk).map_err(|error| format!("it does not open: {error}"))?;
    let checked = ledger.check_opened(&log, &mut Dice::new(seed));
    block_on(log.close());
    checked
}

#[test]
fn what_the_system_forgets_after_a_failed_sync_is_written_again() {
    for seed in 1..10 {
        for after in 0..30 {
            let lived = forget_and_lose_power(after, seed);
            lived.unwrap_or_else(|why| panic!("after {after} operations, seed {seed}: {why}"));
        }
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
