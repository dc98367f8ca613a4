//! Flipped bits in the full segments of a log (those that are only read): what is read is what was written, or an error; never anything else.

use super::simulated_disk::Dice;
use super::*;
use crate::log::{Change, Order as ReadOrder};
use crate::model::{EventDraft, EventFilter, EventType, TypePattern};
use bytes::Bytes;
use futures_executor::block_on;
use std::collections::BTreeMap;
use std::path::Path;

const TENANT: TenantId = TenantId(1);
const EVENTS: u64 = 400;
const FLIPS: usize = 1000;

fn config(path: &Path) -> StorageConfig {
    StorageConfig {
        path: path.to_owned(),
        cache_bytes: 1 << 20,
        tail_bytes: 1,
        min_free: 0,
        ..StorageConfig::default()
    }
}

fn open(path: &Path) -> Result<Arc<RedbLog>, OpenError> {
    let folder = Folder::open(path)?;
    RedbLog::open_on(Arc::new(folder), &config(path), Duration::from_secs(3600), false, 150)
}

fn fill(path: &Path) -> BTreeMap<u64, Bytes> {
    let log = open(path).unwrap();
    let mut written = BTreeMap::new();
    for n in 0..EVENTS {
        let draft = EventDraft {
            id: None,
            event_type: EventType::parse(["a.one", "a.two", "b"][(n % 3) as usize]).unwrap(),
            timestamp: None,
            pipeline: Some(format!("p{}", n % 5).into()),
            run_id: None,
            data: Bytes::from(format!("{{\"n\":{n},\"pad\":\"{}\"}}", "y".repeat(120))),
            extensions: None,
        };
        let commit = Commit { tenant: Some(TENANT), events: vec![draft], ..Commit::default() };
        let committed = block_on(log.commit(commit)).unwrap();
        written.insert(committed.events[0].sequence().0, committed.events[0].data());
    }
    block_on(log.close());
    written
}

/// Reads everything that matches, going around what is corrupt. Gives what was read and what was named.
fn read_around(log: &RedbLog, filter: &EventFilter) -> (BTreeMap<u64, Bytes>, Vec<u64>, bool) {
    let (mut read, mut named, mut from) = (BTreeMap::new(), Vec::new(), Sequence::ZERO);
    loop {
        let query = Query {
            tenant: TENANT,
            filter: filter.clone(),
            from,
            up_to: Sequence(u64::MAX),
            order: ReadOrder::Ascending,
            limit: 100,
            max_bytes: usize::MAX,
        };
        match block_on(log.read(query)) {
            Ok(page) => {
                read.extend(page.events.iter().map(|event| (event.sequence().0, event.data())));
                from = page.scanned_to;
                if !page.has_more {
                    return (read, named, true);
                }
            }
            Err(LogError::Corrupt { sequence, resume }) => {
                named.extend(sequence.0..=resume.0);
                from = resume;
            }
            Err(_) => return (read, named, false),
        }
    }
}

#[test]
fn a_thousand_flipped_bits_and_none_is_served() {
    let original = tempfile::tempdir().unwrap();
    let written = fill(original.path());
    let files: Vec<_> = std::fs::read_dir(original.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "redb"))
        .collect();
    assert!(files.len() >= 4, "the log has several segments");
    let mut sealed: Vec<_> = files.iter().filter(|path| path.to_string_lossy().contains("log-")).collect();
    sealed.sort();
    // The newest is written: the store itself may give up on a damaged one.
    sealed.pop();
    let copy = tempfile::tempdir().unwrap();
    for path in &files {
        std::fs::copy(path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    let mut dice = Dice::new(7);
    let (mut refused, mut corrupt, mut unharmed) = (0, 0, 0);
    let filter = EventFilter::of_types(vec![TypePattern::parse("a.*").unwrap()]);
    for _ in 0..FLIPS {
        let victim = sealed[dice.below(sealed.len() as u64) as usize];
        let target = copy.path().join(victim.file_name().unwrap());
        let mut bytes = std::fs::read(victim).unwrap();
        // Most of a file is empty: aim at what is not.
        let used: Vec<usize> =
            (0..bytes.len()).step_by(64).filter(|at| bytes[*at..].iter().take(64).any(|b| *b != 0)).collect();
        let at = used[dice.below(used.len() as u64) as usize] + dice.below(64) as usize;
        bytes[at.min(victim.metadata().unwrap().len() as usize - 1)] ^= 1 << dice.below(8);
        std::fs::write(&target, &bytes).unwrap();
        let opened = std::panic::catch_unwind(|| open(copy.path()));
        match opened {
            Ok(Ok(log)) => {
                for filter in [&EventFilter::default(), &filter] {
                    let (read, named, whole) = read_around(&log, filter);
                    for (sequence, data) in &read {
                        assert_eq!(written.get(sequence), Some(data), "a flipped bit was served");
                    }
                    let wanted = |sequence: &u64| filter.types.is_empty() || !sequence.is_multiple_of(3);
                    let expected = written.keys().filter(|sequence| wanted(sequence));
                    let lost: Vec<_> =
                        expected.filter(|one| !read.contains_key(one) && !named.contains(one)).collect();
                    assert!(lost.is_empty() || !whole, "missing without a word: {lost:?}");
                    if named.is_empty() && whole { unharmed += 1 } else { corrupt += 1 }
                }
                block_on(log.close());
            }
            _ => refused += 1,
        }
        // Repair may have written to any of them.
        for path in &files {
            std::fs::copy(path, copy.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    assert!(
        corrupt > 0 && refused == 0 && unharmed > 0,
        "{refused} refused, {corrupt} corrupt, {unharmed} unharmed"
    );
}

#[test]
fn the_scrubber_finds_what_nobody_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    let victim = folder.path().join(segment::file_name(1));
    let mut bytes = std::fs::read(&victim).unwrap();
    let at = bytes.windows(6).position(|some| some == b"yyyyyy").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&victim, &bytes).unwrap();
    let quick = StorageConfig { scrub_every: Duration::from_millis(50), ..config(folder.path()) };
    let log = RedbLog::open(&quick, Duration::from_secs(3600)).unwrap();
    while log.stats().corrupt == 0 {
        std::thread::yield_now();
    }
    block_on(log.close());
}

type Harm = (&'static str, fn(&Path));

/// What can happen to a file that nobody writes any more.
fn harms() -> Vec<Harm> {
    vec![
        ("removed", |path| std::fs::remove_file(path).unwrap()),
        ("emptied", |path| cut_off(path, |_| 0)),
        ("cut by half", |path| cut_off(path, |length| length / 2)),
        ("cut by one", |path| cut_off(path, |length| length - 1)),
        ("header zeroed", |path| {
            let mut bytes = std::fs::read(path).unwrap();
            bytes[..4096].fill(0);
            std::fs::write(path, bytes).unwrap();
        }),
        ("overwritten", |path| std::fs::write(path, b"something else").unwrap()),
        ("another database", |path| {
            std::fs::remove_file(path).unwrap();
            let database = redb::Database::create(path).unwrap();
            let table = redb::TableDefinition::<u64, u64>::new("theirs");
            let transaction = database.begin_write().unwrap();
            transaction.open_table(table).unwrap().insert(1, 1).unwrap();
            transaction.commit().unwrap();
        }),
        ("another segment", |path| {
            std::fs::copy(path.with_file_name(segment::file_name(1)), path).unwrap();
        }),
    ]
}

fn cut_off(path: &Path, to: fn(u64) -> u64) {
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(to(file.metadata().unwrap().len())).unwrap();
}

#[test]
fn a_full_file_that_is_lost_is_named_and_the_rest_is_served() {
    let original = tempfile::tempdir().unwrap();
    let written = fill(original.path());
    let mut firsts: Vec<u64> =
        names_of(original.path()).iter().filter_map(|one| segment::first_of(one)).collect();
    firsts.sort_unstable();
    assert!(firsts.len() >= 3, "{firsts:?}");
    let (first, next) = (firsts[1], firsts[2]);
    for (harm, damage) in harms() {
        let copy = tempfile::tempdir().unwrap();
        for name in names_of(original.path()) {
            std::fs::copy(original.path().join(&name), copy.path().join(&name)).unwrap();
        }
        damage(&copy.path().join(segment::file_name(first)));
        let log = open(copy.path()).unwrap_or_else(|error| panic!("{harm}: {error}"));
        let (read, named, whole) = read_around(&log, &EventFilter::default());
        assert!(whole, "{harm}: reading goes on behind it");
        for sequence in written.keys() {
            let is_lost = (first..next).contains(sequence);
            let is_served = read.get(sequence) == written.get(sequence);
            assert!(is_served || is_lost && named.contains(sequence), "{harm}: {sequence}");
        }
        assert!(read.iter().all(|(sequence, data)| written.get(sequence) == Some(data)), "{harm}");
        // Writing, looking up and counting go on too, and a damaged file does not stop the next start.
        let draft = EventDraft {
            id: Some(crate::model::EventId::parse("given").unwrap()),
            event_type: EventType::parse("a").unwrap(),
            timestamp: None,
            pipeline: None,
            run_id: None,
            data: Bytes::from_static(b"{}"),
            extensions: None,
        };
        let commit = Commit { tenant: Some(TENANT), events: vec![draft], ..Commit::default() };
        let event = block_on(log.commit(commit)).unwrap().events.remove(0);
        block_on(log.close());
        drop(log);
        let log = open(copy.path()).unwrap();
        assert_eq!(block_on(log.find(TENANT, event.id().clone())).unwrap(), Some(event), "{harm}");
        block_on(log.close());
    }
}

fn names_of(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    names.map(|name| name.into_string().unwrap()).filter(|name| name.ends_with(".redb")).collect()
}

#[test]
fn the_newest_file_must_be_whole() {
    for (harm, damage) in harms().into_iter().filter(|(harm, _)| *harm != "removed" && *harm != "cut by one")
    {
        let folder = tempfile::tempdir().unwrap();
        fill(folder.path());
        let newest = names_of(folder.path()).into_iter().max_by_key(|name| segment::first_of(name)).unwrap();
        damage(&folder.path().join(&newest));
        let refused = open(folder.path()).unwrap_err();
        assert!(refused.to_string().contains(&newest), "{harm}: {refused}");
    }
}

#[test]
fn a_log_whose_newest_file_is_gone_does_not_give_its_places_again() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    let log = open(folder.path()).unwrap();
    let change = Change::RemoveKey(crate::model::KeyId(1));
    block_on(log.commit(Commit { changes: vec![change], ..Commit::default() })).unwrap();
    block_on(log.close());
    drop(log);
    let newest = names_of(folder.path()).into_iter().max_by_key(|name| segment::first_of(name)).unwrap();
    std::fs::remove_file(folder.path().join(newest)).unwrap();
    let refused = open(folder.path()).unwrap_err();
    assert!(refused.to_string().contains("a newer file is missing"), "{refused}");
    for name in names_of(folder.path()).into_iter().filter(|name| segment::first_of(name).is_some()) {
        std::fs::remove_file(folder.path().join(name)).unwrap();
    }
    let refused = open(folder.path()).unwrap_err();
    assert!(refused.to_string().contains("control.redb knows of commits"), "{refused}");
}
