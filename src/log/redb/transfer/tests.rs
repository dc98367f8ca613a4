//! What goes out as text comes back as it was; a text that is not whole makes no log.

use super::*;
use crate::config::StorageConfig;
use crate::log::redb::RedbLog;
use crate::log::redb::segment;
use crate::log::{Change, Commit, EventLog, Order, Query};
use crate::model::{EventDraft, EventFilter, Tenant};
use bytes::Bytes;
use futures_executor::block_on;
use std::path::Path;
use std::time::Duration;

const TENANT: TenantId = TenantId(1);

fn config(path: &Path) -> StorageConfig {
    StorageConfig {
        path: path.to_owned(),
        min_free: 0,
        scrub_every: Duration::ZERO,
        ..StorageConfig::default()
    }
}

fn open(path: &Path) -> std::sync::Arc<RedbLog> {
    RedbLog::open(&config(path), Duration::from_secs(60)).unwrap()
}

fn draft(id: Option<&str>, data: &str, extensions: Option<&'static str>) -> EventDraft {
    EventDraft {
        id: id.map(|id| EventId::parse(id).unwrap()),
        event_type: EventType::parse("pipeline.completed").unwrap(),
        timestamp: None,
        pipeline: Some("päth".into()),
        run_id: None,
        data: Bytes::from(data.to_owned()),
        extensions: extensions.map(Bytes::from),
    }
}

fn fill(path: &Path) {
    let log = open(path);
    let tenant = Tenant { number: TENANT, name: "default".into(), created_at: UnixMillis(7).into() };
    let commit = Commit { changes: vec![Change::PutTenant(tenant)], ..Commit::default() };
    block_on(log.commit(commit)).unwrap();
    let drafts = [
        draft(None, r#"{"n": 1.10,"big":1e400}"#, None),
        draft(Some("given-1"), "{\r\n  \"over\": [\n \"lines\"]\n}", None),
        draft(None, " {\"spaces\":true} ", Some(r#"{"source":"/x"}"#)),
        draft(Some("evt_looks_made"), "{}", None),
    ];
    for draft in drafts {
        let commit = Commit { tenant: Some(TENANT), events: vec![draft], ..Commit::default() };
        block_on(log.commit(commit)).unwrap();
    }
    block_on(log.close());
}

fn exported(path: &Path) -> (String, Transferred) {
    let log = open(path);
    let mut text = Vec::new();
    let transferred = export(&log, &mut text, &|_, _| {}).unwrap();
    block_on(log.close());
    (String::from_utf8(text).unwrap(), transferred)
}

fn imported(text: &str, path: &Path) -> Result<Transferred, TransferError> {
    import(&mut text.as_bytes(), &config(path), &|_, _| {})
}

fn events(path: &Path) -> Vec<StoredEvent> {
    let log = open(path);
    let query = Query {
        tenant: TENANT,
        filter: EventFilter::default(),
        from: Sequence::ZERO,
        up_to: Sequence(u64::MAX),
        order: Order::Descending,
        limit: 1000,
        max_bytes: usize::MAX,
    };
    let query = Query { from: Sequence(u64::MAX), ..query };
    let page = block_on(log.read(query)).unwrap();
    for event in &page.events {
        let found = block_on(log.find(TENANT, event.id().clone())).unwrap();
        assert_eq!(found.as_ref(), Some(event), "found by its id");
    }
    block_on(log.close());
    page.events.iter().map(|event| (**event).clone()).collect()
}

#[test]
fn a_log_comes_back_as_it_was() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fill(from.path());
    let (text, transferred) = exported(from.path());
    assert_eq!((transferred.events, transferred.corrupt.len()), (4, 0));
    assert_eq!(imported(&text, to.path()).unwrap(), transferred);
    // Before it runs for the first time the copy is the same; what is exported of it as well.
    assert_eq!(events(from.path()), events(to.path()));
    let log = open(to.path());
    assert!(log.management().tenant_named("default").is_some());
    assert!(log.bounds().borrow().head.0 > 1 << 32, "it goes on with other sequences");
    block_on(log.close());
    let (again, _) = exported(to.path());
    let but_header = |text: &str| text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(but_header(&again), but_header(&text));
}

#[test]
fn places_that_retention_or_damage_left_empty_stay_empty() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fill(from.path());
    let (text, _) = exported(from.path());
    let kept: Vec<&str> = text.lines().filter(|line| !line.contains(r#""sequence":2,"#)).collect();
    let text = kept.join("\n").replace(r#""oldest_sequence":1,"#, r#""oldest_sequence":3,"#);
    let without_first = text.lines().filter(|line| !line.contains(r#""sequence":1,"#));
    imported(&without_first.collect::<Vec<_>>().join("\n"), to.path()).unwrap();
    let sequences: Vec<u64> = events(to.path()).iter().map(|event| event.sequence().0).collect();
    assert_eq!(sequences, [4, 3]);
}

#[test]
fn no_log_is_made_of_a_text_that_is_not_whole() {
    let from = tempfile::tempdir().unwrap();
    fill(from.path());
    let (text, _) = exported(from.path());
    let lines: Vec<&str> = text.lines().collect();
    let cut = |keep: usize| lines[..keep].join("\n");
    let swapped = [lines[0], lines[3], lines[2]].join("\n");
    for (bad, at) in [
        (String::new(), "after line 0"),
        (cut(1), "after line 1"),
        (cut(lines.len() - 1), "no end line"),
        (lines[1..].join("\n"), "line 1 "),
        (text.replace("1e400", "1e400x"), "line 3 "),
        (swapped, "line 3 "),
        (format!("{text}{}", lines[1]), "wrong place"),
        (text.replace(r#""version":1"#, r#""version":2"#), "version 2"),
        (text.replace(r#"{"text":"{\r\n"#, r#"{"text":"{{"#), "line 4 "),
    ] {
        let to = tempfile::tempdir().unwrap();
        let error = imported(&bad, to.path()).unwrap_err();
        assert!(error.to_string().contains(at), "{error} is not about {at}");
        let opened = RedbLog::open(&config(to.path()), Duration::ZERO);
        assert!(matches!(opened, Err(OpenError::Importing(_))), "half an import is not taken for a log");
    }
}

#[test]
fn a_folder_with_a_log_is_left_alone() {
    let from = tempfile::tempdir().unwrap();
    fill(from.path());
    let (text, _) = exported(from.path());
    assert!(matches!(imported(&text, from.path()), Err(TransferError::NotEmpty(_))));
    assert_eq!(events(from.path()).len(), 4);
}

#[test]
fn a_corrupt_event_is_left_out_and_named() {
    let from = tempfile::tempdir().unwrap();
    fill(from.path());
    let victim = from.path().join(segment::file_name(1));
    let mut bytes = std::fs::read(&victim).unwrap();
    let at = bytes.windows(5).position(|some| some == b"1e400").unwrap();
    bytes[at] = b'2';
    std::fs::write(&victim, &bytes).unwrap();
    let (_, transferred) = exported(from.path());
    assert_eq!((transferred.events, transferred.corrupt), (3, vec![Sequence(1)]));
}

#[test]
fn what_went_by_retention_is_gone_from_a_copy_too() {
    let folder = tempfile::tempdir().unwrap();
    let (oldest_sequence, head_sequence) = (Sequence(1000), Sequence(999));
    let lines = [
        Line::Export(Header { version: VERSION, oldest_sequence, head_sequence }),
        Line::End(Transferred::default()),
    ];
    let text: String = lines.iter().map(|line| serde_json::to_string(line).unwrap() + "\n").collect();
    import(&mut text.as_bytes(), &config(folder.path()), &|_, _| {}).unwrap();
    let log = open(folder.path());
    assert_eq!(log.bounds().borrow().oldest, Sequence(1000));
    block_on(log.close());
}
