//! When the breaker opens, probes and closes, alone and inside the machine.

use super::*;
use crate::delivery::destination::tests::{Bench, FAILURE, settings};
use crate::delivery::destination::{Input, Outcome, Settings};
use crate::model::ConsumerState;
use proptest::prelude::*;

const SETTINGS: BreakerSettings = BreakerSettings { after_ms: 1000, pause_ms: 100, pause_max_ms: 350 };

fn fails(breaker: &mut Breaker, sequence: u64, now: i64) {
    breaker.hear(Sequence(sequence), Heard::Failure(UnixMillis(now)), None, 0.0, UnixMillis(now));
}

/// A breaker of which `events` different events failed, `times` each, one every 100 ms.
fn after_failures(events: u64, times: u64) -> (Breaker, i64) {
    let mut breaker = Breaker::new(SETTINGS, Health::default());
    let mut now = 0;
    for _ in 0..times {
        for sequence in 1..=events {
            now += 100;
            fails(&mut breaker, sequence, now);
        }
    }
    (breaker, now)
}

#[test]
fn it_opens_for_an_endpoint_and_not_for_a_few_events_or_a_moment() {
    let (poison, now) = after_failures(9, 50);
    assert!(poison.permits(UnixMillis(now)), "nine events may all be bad");
    let (few, now) = after_failures(19, 1);
    assert!(few.permits(UnixMillis(now)));
    let mut burst = Breaker::new(SETTINGS, Health::default());
    (1..500).for_each(|sequence| fails(&mut burst, sequence, 10));
    assert!(burst.permits(UnixMillis(10)), "a moment of failures");
    let (open, now) = after_failures(20, 1);
    assert!(!open.permits(UnixMillis(now)) && open.permits(UnixMillis(now + 100)));
    let (mut mixed, now) = after_failures(19, 1);
    mixed.hear(Sequence(50), Heard::Success, None, 0.0, UnixMillis(now));
    fails(&mut mixed, 20, now + 100);
    assert!(mixed.permits(UnixMillis(now + 100)), "it took something meanwhile");
}

#[test]
fn it_probes_with_one_attempt_after_growing_pauses_and_closes_on_a_success() {
    let (mut breaker, mut now) = after_failures(20, 1);
    for pause in [100, 200, 350, 350] {
        assert_eq!(breaker.pauses_until(), UnixMillis(now + pause));
        assert!(!breaker.permits(UnixMillis(now + pause - 1)));
        now += pause;
        assert!(breaker.permits(UnixMillis(now)));
        breaker.sent(Sequence(30));
        assert!(!breaker.permits(UnixMillis(now + 10_000)), "one at a time");
        fails(&mut breaker, 7, now);
        assert!(!breaker.permits(UnixMillis(now + 10_000)), "an old attempt is not the probe");
        fails(&mut breaker, 30, now);
    }
    breaker.hear(Sequence(8), Heard::Success, None, 0.0, UnixMillis(now));
    assert!(breaker.permits(UnixMillis(now)), "whichever attempt succeeds");
    fails(&mut breaker, 31, now);
    assert!(breaker.permits(UnixMillis(now)));
}

#[test]
fn a_probe_that_asks_for_time_gets_it_and_one_that_reached_nobody_says_nothing() {
    let (mut breaker, now) = after_failures(20, 1);
    let at = UnixMillis(now + 100);
    breaker.sent(Sequence(30));
    breaker.hear(Sequence(30), Heard::Failure(at), Some(5000), 0.0, at);
    assert_eq!(breaker.pauses_until(), at.plus(5000));
    breaker.probe_at_once();
    assert!(breaker.permits(at));
    breaker.sent(Sequence(31));
    breaker.hear(Sequence(31), Heard::Nothing, None, 0.0, at);
    assert!(breaker.permits(at));
}

#[test]
fn an_endpoint_that_had_failed_for_long_is_probed_after_a_start() {
    let (breaker, now) = after_failures(20, 1);
    let mut again = Breaker::new(SETTINGS, breaker.health);
    assert!(again.permits(UnixMillis(now)));
    again.sent(Sequence(1));
    assert!(!again.permits(UnixMillis(now)));
}

/// A machine whose breaker is quick to open, with more events than it has seen fail.
fn hammered() -> (Bench, Settings) {
    let breaker = BreakerSettings { after_ms: 1000, pause_ms: 1000, pause_max_ms: 4000 };
    let settings = Settings { breaker, schedule_ms: vec![60_000; 3], ..settings() };
    let mut bench = Bench::new(settings.clone(), 200);
    for _ in 0..10 {
        for (sequence, _) in bench.take_sent() {
            bench.answer(sequence, FAILURE);
            bench.record();
        }
        bench.pass(250);
    }
    (bench, settings)
}

#[test]
fn while_it_is_open_events_wait_in_the_log_and_lose_no_attempt() {
    let (mut bench, _) = hammered();
    let mut probes = 0;
    let before = bench.kept.retries.len();
    for _ in 0..100 {
        let sent = bench.take_sent();
        assert!(sent.len() <= 1, "{sent:?}");
        for (sequence, _) in sent {
            probes += 1;
            bench.answer(sequence, FAILURE);
            bench.record();
        }
        bench.pass(250);
    }
    assert!((5..=10).contains(&probes), "{probes} probes in 25 s");
    assert!(bench.kept.retries.len() <= before + probes);
    assert!(bench.kept.place.0 < 100, "{:?}", bench.kept.place);
    // The endpoint is well again: the probe says so, and the window is filled at once.
    let probe = loop {
        if let Some((sequence, _)) = bench.take_sent().pop() {
            break sequence;
        }
        bench.pass(250);
    };
    bench.answer(probe, Outcome::Success);
    bench.record();
    assert_eq!(bench.take_sent().len(), 4);
}

#[test]
fn a_wake_is_asked_for_when_the_pause_is_over_and_something_waits() {
    let (mut bench, _) = hammered();
    bench.take_sent().into_iter().for_each(|(sequence, _)| {
        bench.answer(sequence, FAILURE);
        bench.record();
    });
    let until = bench.machine.breaker.pauses_until();
    assert!(until > bench.now);
    bench.input(Input::ClockReached);
    assert_eq!(bench.wake, Some(until));
}

proptest! {
    /// Whatever fails and whenever it crashes: an open breaker begins one attempt at a time, and once the endpoint is
    /// well everything is delivered.
    #[test]
    fn it_never_hammers_and_never_sticks(answers in prop::collection::vec((any::<bool>(), 0_u16..3000, 0_u8..20), 0..150)) {
        let breaker = BreakerSettings { after_ms: 500, pause_ms: 200, pause_max_ms: 1000 };
        let settings = Settings { breaker, schedule_ms: vec![300; 400], ..settings() };
        let mut bench = Bench::new(settings.clone(), 80);
        let mut open: Vec<u64> = Vec::new();
        for (good, millis, what) in answers {
            let was_closed = bench.machine.breaker.state == State::Closed;
            let begun = bench.take_sent();
            prop_assert!(was_closed || begun.len() <= 1 || open.is_empty(), "{begun:?}");
            open.extend(begun.iter().map(|(sequence, _)| *sequence));
            if what == 0 {
                open.clear();
                bench.crash(settings.clone());
            } else if !open.is_empty() {
                let sequence = open.remove(usize::from(what) % open.len());
                bench.answer(sequence, if good && what > 15 { Outcome::Success } else { FAILURE });
                bench.record();
            }
            bench.pass(u64::from(millis));
        }
        for _ in 0..600 {
            open.extend(bench.take_sent().iter().map(|(sequence, _)| *sequence));
            for sequence in open.drain(..) {
                bench.answer(sequence, Outcome::Success);
                bench.record();
            }
            bench.pass(1100);
        }
        let done = ConsumerState { place: Sequence(80), ..ConsumerState::default() };
        prop_assert_eq!(ConsumerState { health: Health::default(), ..bench.kept.clone() }, done);
        prop_assert_eq!(bench.kept.health.failing, None);
    }
}
