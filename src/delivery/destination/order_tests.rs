//! Which deliveries wait for which: in order, by key, when one is sent again.

use super::tests::{Bench, FAILURE, settings};
use super::*;
use crate::model::Ordering;

#[test]
fn strict_order_holds_everything_behind_a_failing_event() {
    let mut bench = Bench::new(Settings { ordering: Ordering::Strict, ..settings() }, 10);
    assert_eq!(bench.take_sent(), [(1, 1)]);
    bench.answer(1, FAILURE);
    bench.record();
    assert_eq!(bench.take_sent(), []);
    bench.now = UnixMillis(1000);
    bench.input(Input::ClockReached);
    assert_eq!(bench.take_sent(), [(1, 2)]);
    bench.answer(1, Outcome::Success);
    bench.record();
    assert_eq!(bench.take_sent(), [(2, 1)]);
}

#[test]
fn order_by_key_holds_back_only_its_own_key() {
    let mut bench = Bench::new(Settings { ordering: Ordering::Pipeline, ..settings() }, 10);
    assert_eq!(bench.take_sent(), [(1, 1), (2, 1), (3, 1)]);
    bench.answer(1, FAILURE);
    bench.record();
    bench.answer(2, Outcome::Success);
    bench.record();
    assert_eq!(bench.take_sent(), [(5, 1)], "four waits for one, five does not");
}

/// Takes and records all that is sent but the first of all; gives how many those were.
fn deliver_others(bench: &mut Bench) -> usize {
    let mut count = 0;
    loop {
        let sent = bench.take_sent();
        if sent.is_empty() {
            return count;
        }
        for (sequence, _) in sent {
            bench.answer(sequence, if sequence == 1 { FAILURE } else { Outcome::Success });
            bench.record();
            count += usize::from(sequence != 1);
        }
    }
}

fn by_pipeline() -> Settings {
    Settings { ordering: Ordering::Pipeline, schedule_ms: vec![1_000_000], ..settings() }
}

#[test]
fn however_many_events_of_a_key_are_held_back_others_go_on() {
    let mut bench = Bench::new(by_pipeline(), 300);
    assert_eq!(deliver_others(&mut bench), 200, "a third waits for the first");
    bench.pass(1_200_000);
    bench.answer(1, Outcome::Success);
    bench.record();
    assert_eq!(deliver_others(&mut bench), 99);
    assert_eq!(bench.kept.place, Sequence(300));
}

#[test]
fn what_is_held_back_is_bounded() {
    let mut bench = Bench::new(by_pipeline(), 4_000);
    deliver_others(&mut bench);
    assert!((lanes::MOST_HELD..lanes::MOST_HELD + 100).contains(&bench.machine.waiting.len()));
    bench.pass(1_200_000);
    bench.answer(1, Outcome::Success);
    bench.record();
    deliver_others(&mut bench);
    assert_eq!(bench.kept.place, Sequence(4_000), "nothing is left behind");
}

#[test]
fn after_a_crash_a_failing_event_holds_back_others_only_until_its_key_is_known() {
    let mut bench = Bench::new(by_pipeline(), 3);
    deliver_others(&mut bench);
    bench.crash(by_pipeline());
    bench.head = Sequence(9);
    bench.input(Input::HeadMoved(Sequence(9)));
    bench.read_all();
    assert_eq!(bench.take_sent(), [], "it may be of any key");
    assert_eq!(bench.machine.of_unknown_key(9), [Sequence(1)]);
    bench.input(Input::Keyed(BTreeMap::from([(Sequence(1), 1)])));
    assert_eq!(deliver_others(&mut bench), 4, "four and seven wait for one");
    assert_eq!(bench.machine.of_unknown_key(9), []);
}

#[test]
fn a_waiting_event_whose_key_was_forgotten_keeps_its_place_among_all() {
    let one_slot = Settings { max_in_flight: 1, ..by_pipeline() };
    let mut bench = Bench::new(one_slot.clone(), 4);
    assert_eq!(bench.take_sent(), [(1, 1)]);
    // Another order, and of the third nothing is known.
    bench.input(Input::Rekeyed(BTreeMap::from([(Sequence(1), 7), (Sequence(2), 7), (Sequence(4), 8)])));
    bench.input(Input::Reconfigured(Settings { ordering: Ordering::RunId, max_in_flight: 4, ..one_slot }));
    assert_eq!(bench.take_sent(), [], "two waits for one, three may be of its key, four of that of three");
    bench.input(Input::Keyed(BTreeMap::from([(Sequence(3), 9)])));
    assert_eq!(bench.take_sent(), [(3, 1), (4, 1)]);
}

#[test]
fn a_failing_event_that_is_sent_again_before_its_time_still_holds_back_what_comes_after_it() {
    let mut bench = Bench::new(Settings { ordering: Ordering::Strict, ..settings() }, 3);
    bench.answer(1, FAILURE);
    bench.record();
    bench.take_sent();
    bench.requeue(&[1], 0);
    assert_eq!(bench.take_sent(), [(1, 2)], "again at once");
    bench.answer(1, FAILURE);
    bench.record();
    assert_eq!(bench.take_sent(), [], "two waits for one");
    bench.crash(Settings { ordering: Ordering::Strict, ..settings() });
    assert_eq!(bench.take_sent(), [], "also after a crash");
    bench.pass(1000);
    assert_eq!(bench.take_sent(), [(1, 3)], "a fresh run of the schedule");
    bench.answer(1, Outcome::Success);
    bench.record();
    assert_eq!(bench.take_sent(), [(2, 1)]);
}

#[test]
fn a_failing_event_that_was_put_back_holds_no_other_back() {
    let mut bench = Bench::new(Settings { ordering: Ordering::Strict, ..settings() }, 2);
    for sequence in [1, 2] {
        bench.answer(sequence, Outcome::Success);
        bench.record();
    }
    bench.take_sent();
    bench.requeue(&[1], 0);
    bench.answer(1, FAILURE);
    bench.record();
    assert_eq!(bench.take_sent(), [(1, 1)]);
    bench.head = Sequence(3);
    bench.input(Input::HeadMoved(Sequence(3)));
    bench.read_all();
    assert_eq!(bench.take_sent(), [(3, 1)]);
}
