//! The index says what a look at every event says, or that it cannot tell.

use super::*;
use crate::log::Order;
use crate::log::redb::columns::{self, ColumnFilter, Columns, Entry};
use crate::log::redb::schema::ABOUT;
use crate::model::{EventFilter, TypePattern};
use proptest::prelude::*;
use redb::backends::InMemoryBackend;
use redb::{Builder as Store, Database, ReadTransaction, ReadableDatabase, ReadableTable};
use std::ops::RangeInclusive;

const FIRST: u64 = 1001;

/// Of few types, pipelines and runs, so that their lists have several chunks; pipeline and run may be none.
fn entry(seed: u64) -> Entry {
    let seed = spread(seed);
    let name = if seed.is_multiple_of(97) { 7 } else { (seed % 4) as u32 };
    let (pipeline, run) = ((seed >> 8) % 5, (seed >> 16) % 60);
    Entry {
        tenant: TenantId((seed >> 32) as u32 % 2),
        name,
        pipeline: pipeline as u32,
        run: run as u32,
        micros: 0,
        id: 0,
    }
}

fn entries(seed: u64, amount: u64) -> Vec<Entry> {
    (0..amount).map(|number| entry(seed.wrapping_mul(1 << 20) + number)).collect()
}

/// A file with the index of these events, in commits of so many.
fn indexed(entries: &[Entry], a_commit: usize) -> Database {
    let database = Store::new().create_with_backend(InMemoryBackend::new()).unwrap();
    index(&database, entries, a_commit, |_| true);
    database
}

fn index(database: &Database, entries: &[Entry], a_commit: usize, is_readable: impl Fn(u64) -> bool) {
    let transaction = database.begin_write().unwrap();
    let mut builder = Builder::new(&transaction, FIRST).unwrap();
    let mut first = FIRST;
    for commit in entries.chunks(a_commit) {
        let row = columns::encode(first, 0, commit);
        if is_readable(first) {
            builder.add(&Columns::read(first, &row).unwrap()).unwrap();
        }
        first += commit.len() as u64;
    }
    builder.finish(first - 1).unwrap();
    transaction.commit().unwrap();
}

#[derive(Debug, Clone)]
struct Asked {
    tenant: u32,
    types: Option<Vec<u32>>,
    pipeline: Option<u32>,
    run: Option<u32>,
}

impl Asked {
    fn wanted(&self) -> Wanted {
        let label = |kind, value| Label::of(kind, TenantId(self.tenant), value);
        let types = self.types.as_ref();
        let types = types.map(|types| types.iter().map(|number| label(Kind::Type, *number)).collect());
        let pipeline = self.pipeline.map(|pipeline| vec![label(Kind::Pipeline, pipeline)]);
        let run = self.run.map(|run| vec![label(Kind::Run, run)]);
        Wanted { groups: [types, pipeline, run].into_iter().flatten().collect(), names: 8 }
    }

    fn takes(&self, entry: &Entry) -> bool {
        entry.tenant.0 == self.tenant
            && self.types.as_ref().is_none_or(|types| types.contains(&entry.name))
            && self.pipeline.is_none_or(|pipeline| pipeline == entry.pipeline)
            && self.run.is_none_or(|run| run == entry.run)
    }
}

fn asked() -> impl Strategy<Value = Asked> {
    let types = prop::collection::vec(0_u32..9, 0..4);
    let (types, pipeline) = (prop::option::of(types), prop::option::of(1_u32..6));
    let all = (0_u32..3, types, pipeline, prop::option::of(1_u32..61));
    all.prop_map(|(tenant, types, pipeline, run)| Asked { tenant, types, pipeline, run })
        .prop_filter("something is asked", |asked| !asked.wanted().groups.is_empty())
}

/// The places that are wanted, in the order.
fn expected(entries: &[Entry], asked: &Asked, range: &RangeInclusive<u64>, order: Order) -> Vec<u64> {
    let places =
        entries.iter().zip(FIRST..).filter(|(entry, place)| range.contains(place) && asked.takes(entry));
    let mut places: Vec<u64> = places.map(|(_, place)| place).collect();
    if order == Order::Descending {
        places.reverse();
    }
    places
}

/// Asks until the end of the range, as a walk does.
fn list_all(
    transaction: &ReadTransaction,
    asked: &Asked,
    range: RangeInclusive<u64>,
    order: Order,
    limit: usize,
    budget: u64,
) -> Option<Vec<u64>> {
    let (mut from, mut to) = range.into_inner();
    let mut all = Vec::new();
    while from <= to {
        let listing = list(transaction, &asked.wanted(), from..=to, order, limit, budget).ok()??;
        assert!(listing.places.len() <= limit);
        all.extend(&listing.places);
        match order {
            Order::Ascending => {
                assert!(listing.reached >= from, "it comes no further");
                from = listing.reached + 1;
            }
            Order::Descending => {
                assert!(listing.reached <= to, "it comes no further");
                to = listing.reached - 1;
            }
        }
    }
    Some(all)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn it_lists_what_a_look_at_every_event_finds(
        seed: u64,
        amount in 1_u64..6000,
        a_commit in 1_usize..700,
        asked in prop::collection::vec((asked(), any::<(u16, u16, bool)>(), 1_usize..200, 0_u64..20_000), 1..12),
    ) {
        let entries = entries(seed, amount);
        let database = indexed(&entries, a_commit);
        let transaction = database.begin_read().unwrap();
        for (asked, (low, length, descends), limit, budget) in asked {
            let from = FIRST + u64::from(low) % amount;
            let range = from..=(from + u64::from(length)).min(FIRST + amount - 1);
            let order = if descends { Order::Descending } else { Order::Ascending };
            let listed = list_all(&transaction, &asked, range.clone(), order, limit, budget);
            prop_assert_eq!(listed, Some(expected(&entries, &asked, &range, order)));
        }
    }

    /// Whatever part of the index is missing: a place that is wanted is listed, or it is said that it cannot be told.
    #[test]
    fn a_missing_part_hides_nothing(
        seed: u64,
        victims in prop::collection::vec(any::<u16>(), 1..4),
        asked in prop::collection::vec((asked(), any::<bool>()), 1..12),
    ) {
        let entries = entries(seed, 5000);
        let database = indexed(&entries, 100);
        let transaction = database.begin_write().unwrap();
        {
            let mut table = transaction.open_table(POSTINGS).unwrap();
            let keys: Vec<_> = table.iter().unwrap().map(|row| row.unwrap().0.value()).collect();
            for victim in victims {
                table.remove(keys[usize::from(victim) % keys.len()]).unwrap();
            }
        }
        transaction.commit().unwrap();
        let transaction = database.begin_read().unwrap();
        let range = FIRST..=FIRST + 4999;
        for (asked, descends) in asked {
            let order = if descends { Order::Descending } else { Order::Ascending };
            if let Some(listed) = list_all(&transaction, &asked, range.clone(), order, 100, u64::MAX) {
                prop_assert_eq!(listed, expected(&entries, &asked, &range, order));
            }
        }
    }
}

/// A number that shares the list of another one, and is told from it by its mark.
fn beside(kind: Kind, value: u32) -> u32 {
    let label = |value| Label::of(kind, TenantId(0), value);
    (value + 1..=u32::MAX).find(|other| label(*other).list == label(value).list).unwrap()
}

#[test]
fn a_walk_comes_further_whatever_shares_a_list_with_what_is_wanted() {
    let (common, seldom) = (0, beside(Kind::Type, 0));
    let entries: Vec<Entry> = (0..20_000)
        .map(|at| Entry { tenant: TenantId(0), name: u32::from(at % 9_999 == 0), ..entry(at) })
        .collect();
    let database = indexed(&entries, 1000);
    let transaction = database.begin_read().unwrap();
    let range = FIRST..=FIRST + 19_999;
    let asked = Asked { tenant: 0, types: Some(vec![1, seldom]), pipeline: None, run: None };
    assert_ne!(Label::of(Kind::Type, TenantId(0), 1).list, Label::of(Kind::Type, TenantId(0), common).list);
    for (order, begin, second) in
        [(Order::Ascending, FIRST, FIRST + 9_999), (Order::Descending, FIRST + 19_998, FIRST + 9_999)]
    {
        let range = if order == Order::Ascending { range.clone() } else { FIRST..=begin };
        let listing = list(&transaction, &asked.wanted(), range, order, 10, 2000).unwrap().unwrap();
        assert_eq!(listing.places, [begin], "{order:?}");
        assert!((begin.min(second) + 1..begin.max(second)).contains(&listing.reached), "{listing:?}");
        assert!(listing.looked_at < 4000, "the budget is kept: {}", listing.looked_at);
    }
}

fn rare() -> Asked {
    Asked { tenant: 0, types: Some(vec![7]), pipeline: None, run: None }
}

fn is_there(database: &Database, wanted: &Wanted) -> bool {
    let transaction = database.begin_read().unwrap();
    list(&transaction, wanted, FIRST..=FIRST + 1, Order::Ascending, 1, 1000).unwrap().is_some()
}

#[test]
fn rare_events_are_found_without_a_look_at_the_others() {
    let database = indexed(&entries(1, 50_000), 500);
    let transaction = database.begin_read().unwrap();
    let listing =
        list(&transaction, &rare().wanted(), FIRST..=FIRST + 49_999, Order::Ascending, 100, u64::MAX)
            .unwrap()
            .unwrap();
    assert_eq!(listing.places.len(), 100);
    assert!(listing.looked_at < 2000, "{}", listing.looked_at);
}

#[test]
fn without_every_commit_there_is_no_index_and_one_that_is_made_again_takes_its_place() {
    let database = indexed(&entries(1, 2000), 100);
    assert!(is_there(&database, &rare().wanted()));
    index(&database, &entries(1, 2000), 100, |first| first != FIRST + 1000);
    assert!(!is_there(&database, &rare().wanted()), "a commit could not be read");
    index(&database, &entries(1, 2000), 100, |first| first != FIRST + 1900);
    assert!(!is_there(&database, &rare().wanted()), "the last one");
    index(&database, &entries(2, 2000), 100, |_| true);
    let transaction = database.begin_read().unwrap();
    let range = FIRST..=FIRST + 1999;
    let listed = list_all(&transaction, &rare(), range.clone(), Order::Ascending, 5, u64::MAX);
    assert_eq!(listed, Some(expected(&entries(2, 2000), &rare(), &range, Order::Ascending)));
}

#[test]
fn a_directory_that_is_damaged_or_knows_more_types_than_the_file_is_none() {
    let database = indexed(&entries(1, 2000), 100);
    let fewer = Wanted { names: 7, ..rare().wanted() };
    assert!(!is_there(&database, &fewer), "whether the eighth type is wanted nobody knows");
    let transaction = database.begin_write().unwrap();
    {
        let mut about = transaction.open_table(ABOUT).unwrap();
        let mut row = about.get(DIRECTORY).unwrap().unwrap().value().to_vec();
        *row.last_mut().unwrap() ^= 1;
        about.insert(DIRECTORY, &*row).unwrap();
    }
    transaction.commit().unwrap();
    assert!(!is_there(&database, &rare().wanted()));
}

#[test]
fn a_filter_asks_the_index_when_that_knows_enough() {
    let names: Vec<Box<str>> = (0..100).map(|number| format!("a.n{number}").into()).collect();
    let types = |pattern: &str| EventFilter::of_types(vec![TypePattern::parse(pattern).unwrap()]);
    let asks = |filter: EventFilter, earliest, latest| {
        ColumnFilter::new(TenantId(1), &filter, &names).indexed(earliest, latest)
    };
    let groups =
        |filter| asks(filter, 0, 10).map(|wanted| wanted.groups.iter().map(Vec::len).collect::<Vec<_>>());
    assert_eq!(groups(types("a.n5")), Some(vec![1]));
    assert_eq!(groups(types("a.*")), None, "so many types are most of the events");
    assert_eq!(groups(EventFilter::default()), None);
    let both = EventFilter { pipeline: Some("p".into()), run_id: Some("r".into()), ..types("a.n5") };
    assert_eq!(groups(both), Some(vec![1, 1, 1]));
    let since =
        EventFilter { since: Some(crate::model::Timestamp::from_parts(0, 5000).unwrap()), ..types("a.n5") };
    assert!(asks(since.clone(), 0, 10).is_none(), "some of the events are too old");
    assert!(asks(since, 5, 10).is_some());
}
