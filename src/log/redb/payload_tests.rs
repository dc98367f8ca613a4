//! Payload filters over real files: every page is bounded in work, and pages together find what matches, once.

use super::tests::{close, draft, open, publish, query};
use super::*;
use crate::log::Order as ReadOrder;
use crate::model::{EventFilter, PayloadFilter};
use futures_executor::block_on;

const EVENTS: u64 = 600;

/// Costs more than one event may cost: it matches nothing, although it would be true of one in a hundred.
const COSTLY: &str = "(data.list.all(a, data.list.all(b, a + b == 0)) || true) && (data.n % 100 == 7)";

fn events(log: &RedbLog) {
    let list = "0,".repeat(300);
    let drafts =
        (1..=EVENTS).map(|n| draft("a", None, &format!(r#"{{"n":{n},"list":[{list}0]}}"#))).collect();
    publish(log, drafts).unwrap();
}

fn asked(expression: &str, from: u64) -> Query {
    let payload = Some(PayloadFilter::parse(expression).unwrap());
    query(EventFilter { payload, ..EventFilter::default() }, from, 1000)
}

/// Follows the pages of a query to their end: what was found, and how many pages it took.
fn follow(log: &RedbLog, mut query: Query) -> (Vec<u64>, usize) {
    let (mut found, mut pages) = (Vec::new(), 0);
    loop {
        let page = block_on(log.read(query.clone())).unwrap();
        pages += 1;
        found.extend(page.events.iter().map(|event| event.sequence().0));
        if !page.has_more {
            return (found, pages);
        }
        assert_ne!(page.scanned_to, query.from, "a page moves on");
        query.from = page.scanned_to;
    }
}

#[test]
fn pages_of_a_costly_filter_end_early_and_miss_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    events(&log);
    // Decided at the first element: cheap, and one page has everything.
    let cheap = "data.list.exists(a, a == 0) && data.n % 100 == 7";
    let wanted: Vec<u64> = (1..=EVENTS).filter(|n| n % 100 == 7).collect();
    assert_eq!(follow(&log, asked(cheap, 0)), (wanted.clone(), 1));
    let dear = "data.list.all(a, data.list[2] == a) && data.n % 100 == 7";
    for order in [ReadOrder::Ascending, ReadOrder::Descending] {
        let (mut expected, mut query) = (wanted.clone(), asked(dear, 0));
        if order == ReadOrder::Descending {
            expected.reverse();
            query.from = Sequence(u64::MAX);
        }
        let (found, pages) = follow(&log, Query { order, ..query });
        assert_eq!(found, expected, "{order:?}");
        assert!(pages > 1, "{order:?} took {pages} pages");
    }
    let (found, pages) = follow(&log, asked(COSTLY, 0));
    assert_eq!(found, Vec::<u64>::new(), "what costs more than it may does not match");
    assert!(pages > 1);
    close(&log);
}

#[test]
fn a_count_looks_at_payloads_as_far_as_its_work_goes() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    events(&log);
    assert_eq!(block_on(log.count(asked("data.n <= 50", 0))), Ok(50));
    assert_eq!(block_on(log.count(asked("data.n <= 50", 40))), Ok(10));
    assert_eq!(block_on(log.count(asked("data.missing == 1", 0))), Ok(0));
    // Nothing matches; how much of it is known is a matter of work.
    let counted = block_on(log.count(asked(COSTLY, 0))).unwrap();
    assert!((1..EVENTS).contains(&counted), "{counted} were counted unseen");
    close(&log);
}
