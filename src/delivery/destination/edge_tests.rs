//! What happens at the same moment, and what a clock that was set back leaves behind. Each of these was found by the
//! simulation.

use super::tests::{Bench, FAILURE, settings};
use super::*;
use crate::model::{DestinationId, Ordering};

fn put_back(bench: &mut Bench, sequence: u64, attempts: u32, replay: Option<ReplayId>) {
    let (destination, due) = (DestinationId(1), bench.now);
    let requeue = Requeue { destination, deliveries: vec![(Sequence(sequence), attempts)], due, replay };
    bench.kept.requeue(&requeue);
    bench.input(Input::Requeued(requeue));
}

#[test]
fn a_retry_that_others_wait_for_is_woken_for() {
    let ordered = Settings { ordering: Ordering::Pipeline, ..settings() };
    let mut kept = ConsumerState::starting_after(Sequence(2));
    kept.retries.insert(Sequence(1), RetryState::failed(2, UnixMillis(9000)));
    kept.retries.insert(Sequence(2), RetryState::failed(1, UnixMillis(1000)));
    let mut machine = DestinationMachine::new(ordered, kept, Sequence(2));
    let mut actions = Vec::new();
    // The second is due. Its key is not known yet, so that it waits for the first.
    machine.handle(Input::ClockReached, UnixMillis(5000), &mut actions);
    assert_eq!(actions, [Action::WakeAt(UnixMillis(9000))]);
}

#[test]
fn another_order_holds_for_what_was_read_before_it() {
    let mut bench = Bench::new(Settings { max_in_flight: 2, ..settings() }, 6);
    assert_eq!(bench.take_sent(), [(1, 1), (2, 1)]);
    let keys = (1..=6).map(|place| (Sequence(place), place % 2)).collect();
    bench.input(Input::Rekeyed(keys));
    bench.input(Input::Reconfigured(Settings { ordering: Ordering::RunId, ..settings() }));
    assert_eq!(bench.take_sent(), [], "each lane has one under way");
    bench.answer(2, Outcome::Success);
    bench.record();
    assert_eq!(bench.take_sent(), [(4, 1)]);
    bench.answer(1, FAILURE);
    bench.record();
    bench.answer(4, Outcome::Success);
    bench.record();
    assert_eq!(bench.take_sent(), [(6, 1)], "three and five wait for one");
}

#[test]
fn no_wait_is_longer_than_any_there_is_after_the_clock_was_set_back() {
    let mut bench = Bench::new(settings(), 1);
    let day = 24 * 3_600_000;
    bench.pass(2 * day);
    bench.answer(1, FAILURE);
    bench.record();
    bench.take_sent();
    bench.now = UnixMillis(day as i64);
    bench.crash(settings());
    assert_eq!(bench.take_sent(), []);
    assert_eq!(bench.wake, Some(bench.now.plus(RETRY_AFTER_MAX_MS)));
    bench.pass(RETRY_AFTER_MAX_MS);
    assert_eq!(bench.take_sent(), [(1, 2)]);
}

#[test]
fn what_is_put_back_during_an_attempt_begins_its_schedule_with_that_attempt() {
    let mut bench = Bench::new(settings(), 1);
    for wait in [1000, 2000] {
        bench.answer(1, FAILURE);
        bench.record();
        bench.pass(wait);
    }
    put_back(&mut bench, 1, 2, None);
    bench.answer(1, FAILURE);
    assert_eq!(bench.records[0].2, Verdict::Retry { at: bench.now.plus(1000) }, "it was its last attempt");
    bench.record();
    assert_eq!(bench.kept.retries[&Sequence(1)], bench.machine.retries[&Sequence(1)].0);
}

#[test]
fn a_failure_that_is_being_written_when_its_replay_stops_is_not_tried_again() {
    let mut bench = Bench::new(settings(), 1);
    bench.answer(1, Outcome::Success);
    bench.record();
    let replay = ReplayId(1);
    put_back(&mut bench, 1, 1, Some(replay));
    bench.take_sent();
    bench.answer(1, FAILURE);
    bench.kept.stop_replay(replay);
    bench.input(Input::ReplayStopped(replay));
    bench.record();
    bench.pass(1_000_000);
    assert_eq!(bench.take_sent(), []);
    assert!(bench.kept.retries.is_empty() && bench.machine.retries.is_empty());
}

/// Runs a machine until nothing more happens: reads what there is, answers, records.
fn run(
    machine: &mut DestinationMachine,
    kept: &mut ConsumerState,
    head: Sequence,
    now: UnixMillis,
    fails: bool,
) -> usize {
    let (mut inputs, mut recorded) = (VecDeque::from([Input::ClockReached]), 0);
    while let Some(input) = inputs.pop_front() {
        let mut actions = Vec::new();
        machine.handle(input, now, &mut actions);
        for action in actions {
            match action {
                Action::Read { after, limit } => {
                    let scanned_to = Sequence(after.0 + limit as u64).min(head);
                    // The first two are of one run, every other one is of its own.
                    let event = |place: u64| (Sequence(place), place.max(2));
                    let events = (after.0 + 1..=scanned_to.0).map(event).collect();
                    inputs.push_back(Input::PageRead { events, scanned_to });
                }
                Action::Send { sequence, .. } => {
                    let outcome = if fails && sequence == Sequence(1) { FAILURE } else { Outcome::Success };
                    inputs.push_back(Input::Answered { sequence, outcome, jitter: 0.0 });
                }
                Action::Record { sequence, attempt, verdict, place, .. } => {
                    recorded += 1;
                    kept.apply(sequence, attempt, verdict, place);
                    inputs.push_back(Input::Recorded(sequence));
                }
                Action::MovePlace(place) => kept.move_to(place),
                _ => {}
            }
        }
    }
    recorded
}

#[test]
fn no_more_than_a_bound_goes_past_an_event_that_its_order_holds_back() {
    let ordered = Settings { ordering: Ordering::RunId, schedule_ms: vec![1_000_000], ..settings() };
    let (head, now) = (Sequence(3 * MOST_SETTLED as u64), UnixMillis(5));
    let mut kept = ConsumerState::default();
    let mut machine = DestinationMachine::new(ordered.clone(), kept.clone(), head);
    let recorded = run(&mut machine, &mut kept, head, now, true);
    assert!((MOST_SETTLED..MOST_SETTLED + 100).contains(&recorded), "{recorded}");
    assert!(kept.settled.len() < MOST_SETTLED + 100 && kept.place == Sequence(1));
    // It goes on when the event does, and another process finds what is held back before what is settled.
    let later = now.plus(2_000_000);
    let mut again = DestinationMachine::new(ordered, kept.clone(), head);
    let mut kept_again = kept.clone();
    for (machine, kept) in [(&mut machine, &mut kept), (&mut again, &mut kept_again)] {
        run(machine, kept, head, later, false);
        assert_eq!((kept.place, kept.retries.len()), (head, 0));
    }
}
