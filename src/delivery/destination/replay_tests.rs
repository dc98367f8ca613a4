//! Replays at a destination: what is stopped, and what a change of the destination means for what they find missing.

use super::tests::{Bench, FAILURE, settings};
use super::*;
use crate::model::DestinationId;

fn put_back(bench: &mut Bench, replay: u128, sequences: &[u64]) {
    let deliveries = sequences.iter().map(|sequence| (Sequence(*sequence), 1)).collect();
    let (destination, due) = (DestinationId(1), bench.now);
    let requeue = Requeue { destination, deliveries, due, replay: Some(ReplayId(replay)) };
    bench.kept.requeue(&requeue);
    bench.input(Input::Requeued(requeue));
}

fn stop(bench: &mut Bench, replay: u128) {
    bench.kept.stop_replay(ReplayId(replay));
    bench.input(Input::ReplayStopped(ReplayId(replay)));
}

fn deliver_all(bench: &mut Bench) {
    loop {
        let sent = bench.take_sent();
        if sent.is_empty() {
            return;
        }
        for (sequence, _) in sent {
            bench.answer(sequence, Outcome::Success);
            bench.record();
        }
    }
}

#[test]
fn a_replay_that_is_stopped_sends_no_more_and_what_is_under_way_ends() {
    let mut bench = Bench::new(Settings { max_in_flight: 2, ..settings() }, 6);
    deliver_all(&mut bench);
    put_back(&mut bench, 1, &[1, 2, 3]);
    put_back(&mut bench, 2, &[4]);
    assert_eq!(bench.take_sent(), [(1, 2)]);
    stop(&mut bench, 1);
    bench.answer(1, FAILURE);
    assert_eq!(bench.records[0].2, Verdict::Cancelled);
    bench.record();
    assert_eq!(bench.take_sent(), [(4, 2)], "another replay goes on");
    bench.answer(4, Outcome::Success);
    bench.record();
    bench.pass(1_000_000);
    assert_eq!(bench.take_sent(), []);
    assert!(bench.kept.retries.is_empty() && bench.machine.retries.is_empty());
    assert_eq!(bench.kept.replays[&ReplayId(2)].delivered, 1);
}

#[test]
fn a_delivery_under_way_when_its_replay_stops_may_still_succeed() {
    let mut bench = Bench::new(settings(), 1);
    deliver_all(&mut bench);
    put_back(&mut bench, 1, &[1]);
    stop(&mut bench, 1);
    bench.answer(1, Outcome::Success);
    assert_eq!(bench.records[0].2, Verdict::Delivered);
}

#[test]
fn what_was_passed_over_before_a_change_stays_passed_over_after_a_crash() {
    let mut bench = Bench::new(settings(), 0);
    bench.head = Sequence(9);
    bench.input(Input::HeadMoved(Sequence(9)));
    bench.reads.clear();
    bench.input(Input::PageRead { events: Vec::new(), scanned_to: Sequence(9) });
    assert_eq!(bench.kept.place, Sequence(0), "places that concern nobody are not written one by one");
    bench.input(Input::Reconfigured(settings()));
    assert_eq!(bench.kept.place, Sequence(9));
}
