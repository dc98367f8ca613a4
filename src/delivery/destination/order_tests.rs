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
