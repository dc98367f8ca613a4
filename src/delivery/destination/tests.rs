//! The promises of the machine, as tables and under random answers, crashes and clocks.

use super::*;
use crate::model::{DestinationId, Ordering, ReplayId};
use proptest::prelude::*;

pub(super) fn settings() -> Settings {
    Settings {
        max_in_flight: 4,
        max_retrying: 1000,
        schedule_ms: vec![1000, 2000],
        rate_limit_per_s: None,
        ordering: Ordering::None,
        deactivate_after_ms: 1_000_000_000,
        breaker: BreakerSettings { after_ms: 1_000_000_000, pause_ms: 1000, pause_max_ms: 8000 },
    }
}

/// A machine with the log it follows: every place is a matching event; keys are the place modulo three.
pub(super) struct Bench {
    pub(super) machine: DestinationMachine,
    pub(super) kept: ConsumerState,
    pub(super) now: UnixMillis,
    sent: Vec<(u64, u32)>,
    pub(super) records: VecDeque<(Sequence, u32, Verdict, Sequence, Heard)>,
    pub(super) reads: Vec<(Sequence, usize)>,
    pub(super) wake: Option<UnixMillis>,
    pub(super) head: Sequence,
    /// What it asked for besides deliveries.
    pub(super) asked: Vec<Action>,
}

impl Bench {
    pub(super) fn new(settings: Settings, events: u64) -> Self {
        let kept = ConsumerState::default();
        let machine = DestinationMachine::new(settings, kept.clone(), Sequence::ZERO);
        let (sent, records, reads) = (vec![], VecDeque::new(), vec![]);
        let mut bench = Self {
            machine,
            kept,
            now: UnixMillis(0),
            sent,
            records,
            reads,
            wake: None,
            head: Sequence(0),
            asked: vec![],
        };
        bench.head = Sequence(events);
        bench.input(Input::HeadMoved(Sequence(events)));
        bench.read_all();
        bench
    }

    pub(super) fn input(&mut self, input: Input) {
        let mut actions = Vec::new();
        self.machine.handle(input, self.now, &mut actions);
        for action in actions {
            match action {
                Action::Read { after, limit } => self.reads.push((after, limit)),
                Action::Send { sequence, attempt, .. } => self.sent.push((sequence.0, attempt)),
                Action::Record { sequence, attempt, verdict, place, heard } => {
                    self.records.push_back((sequence, attempt, verdict, place, heard));
                }
                Action::MovePlace(place) => self.kept.move_to(place),
                Action::WakeAt(at) => self.wake = Some(at),
                asked @ (Action::Deactivate(_) | Action::Tell(_)) => self.asked.push(asked),
            }
        }
    }

    pub(super) fn read_all(&mut self) {
        while let Some((after, limit)) = self.reads.pop() {
            let last = (after.0 + limit as u64).min(self.head.0);
            let events = (after.0 + 1..=last).map(|place| (Sequence(place), place % 3)).collect();
            self.input(Input::PageRead { events, scanned_to: Sequence(last) });
        }
    }

    /// Deliveries are put back: durable first, then told.
    pub(super) fn requeue(&mut self, sequences: &[u64], due: u64) {
        let deliveries = sequences.iter().map(|sequence| (Sequence(*sequence), 0)).collect();
        let (destination, replay) = (DestinationId(1), Some(ReplayId(1)));
        let due = UnixMillis(due as i64);
        let requeue = Requeue { destination, deliveries, due, replay };
        self.kept.requeue(&requeue);
        self.input(Input::Requeued(requeue));
    }

    pub(super) fn answer(&mut self, sequence: u64, outcome: Outcome) {
        self.input(Input::Answered { sequence: Sequence(sequence), outcome, jitter: 0.0 });
    }

    /// The oldest outcome becomes durable.
    pub(super) fn record(&mut self) {
        if let Some((sequence, attempt, verdict, place, heard)) = self.records.pop_front() {
            self.kept.apply(sequence, attempt, verdict, place);
            self.kept.health.hear(heard);
            self.input(Input::Recorded(sequence));
            self.read_all();
        }
    }

    pub(super) fn take_sent(&mut self) -> Vec<(u64, u32)> {
        std::mem::take(&mut self.sent)
    }

    /// Time passes.
    pub(super) fn pass(&mut self, millis: u64) {
        self.now = self.now.plus(millis);
        self.input(Input::ClockReached);
        self.read_all();
    }

    /// Everything is lost but what is durable.
    pub(super) fn crash(&mut self, settings: Settings) {
        self.records.clear();
        self.reads.clear();
        self.asked.clear();
        self.machine = DestinationMachine::new(settings, self.kept.clone(), self.head);
        self.input(Input::ClockReached);
        self.read_all();
    }
}

pub(super) const FAILURE: Outcome = Outcome::Failure { retry_after_ms: None };

#[test]
fn the_window_is_filled_and_a_slot_is_freed_only_when_the_outcome_is_durable() {
    let mut bench = Bench::new(settings(), 100);
    assert_eq!(bench.take_sent(), [(1, 1), (2, 1), (3, 1), (4, 1)]);
    bench.answer(2, Outcome::Success);
    assert_eq!(bench.take_sent(), []);
    bench.record();
    assert_eq!(bench.take_sent(), [(5, 1)]);
    assert_eq!((bench.kept.place, bench.kept.settled.len()), (Sequence(0), 1));
    bench.answer(1, Outcome::Success);
    bench.record();
    bench.answer(3, Outcome::Success);
    bench.record();
    assert_eq!(bench.kept.place, Sequence(3), "one and two were durable before three");
}

#[test]
fn a_failure_is_tried_again_on_schedule_and_then_dead() {
    let mut bench = Bench::new(settings(), 1);
    for (attempt, due) in [(1, 1000), (2, 3000)] {
        assert_eq!(bench.take_sent(), [(1, attempt)]);
        bench.answer(1, FAILURE);
        bench.record();
        assert_eq!(bench.wake, Some(UnixMillis(due)));
        bench.now = UnixMillis(due - 1);
        bench.input(Input::ClockReached);
        assert_eq!(bench.take_sent(), [], "never early");
        bench.now = UnixMillis(due);
        bench.input(Input::ClockReached);
    }
    assert_eq!(bench.take_sent(), [(1, 3)]);
    bench.answer(1, FAILURE);
    assert_eq!(bench.records[0].2, Verdict::Dead);
}

#[test]
fn retries_take_at_most_half_of_the_slots() {
    let mut bench = Bench::new(settings(), 100);
    for _ in 0..10 {
        let sent = bench.take_sent();
        sent.iter().for_each(|(sequence, _)| bench.answer(*sequence, FAILURE));
        sent.iter().for_each(|_| bench.record());
    }
    let under_way = bench.take_sent();
    bench.now = UnixMillis(10_000);
    for (sequence, _) in under_way {
        bench.answer(sequence, Outcome::Success);
        bench.record();
    }
    let sent = bench.take_sent();
    assert_eq!(sent.iter().filter(|(_, attempt)| *attempt > 1).count(), 2, "{sent:?}");
    assert!(sent.iter().any(|(_, attempt)| *attempt == 1));
}

#[test]
fn a_rate_limit_spaces_attempts() {
    let mut bench = Bench::new(Settings { rate_limit_per_s: Some(10), ..settings() }, 10);
    assert_eq!(bench.take_sent(), [(1, 1)]);
    assert_eq!(bench.wake, Some(UnixMillis(100)));
    bench.now = UnixMillis(100);
    bench.input(Input::ClockReached);
    assert_eq!(bench.take_sent(), [(2, 1)]);
}

#[test]
fn trimmed_events_are_passed_over() {
    let mut bench = Bench::new(settings(), 100);
    bench.take_sent();
    bench.input(Input::Trimmed(Sequence(50)));
    bench.read_all();
    for sequence in 1..=4 {
        bench.answer(sequence, Outcome::Success);
        bench.record();
    }
    assert!(bench.take_sent().iter().all(|(sequence, _)| *sequence >= 50));
}

#[test]
fn what_was_delivered_is_sent_again_with_a_fresh_run_of_the_schedule() {
    let mut bench = Bench::new(settings(), 2);
    bench.take_sent();
    for sequence in [1, 2] {
        bench.answer(sequence, Outcome::Success);
        bench.record();
    }
    bench.requeue(&[1], 0);
    for (attempt, wait) in [(1, 1000), (2, 2000)] {
        assert_eq!(bench.take_sent(), [(1, attempt)]);
        bench.answer(1, FAILURE);
        bench.record();
        bench.now = bench.now.plus(wait);
        bench.input(Input::ClockReached);
    }
    assert_eq!(bench.take_sent(), [(1, 3)]);
    bench.answer(1, FAILURE);
    assert_eq!(bench.records[0].2, Verdict::Dead);
    bench.record();
    assert_eq!(bench.kept.place, Sequence(2));
}

#[test]
fn a_dead_delivery_counts_its_attempts_on() {
    let mut bench = Bench::new(Settings { schedule_ms: vec![], ..settings() }, 1);
    bench.take_sent();
    bench.answer(1, FAILURE);
    bench.record();
    let deliveries = vec![(Sequence(1), 1)];
    let requeue = Requeue { destination: DestinationId(1), deliveries, due: bench.now, replay: None };
    bench.kept.requeue(&requeue);
    bench.input(Input::Requeued(requeue));
    assert_eq!(bench.take_sent(), [(1, 2)]);
}

#[test]
fn what_is_still_to_be_sent_is_not_put_back() {
    let mut bench = Bench::new(settings(), 6);
    assert_eq!(bench.take_sent().len(), 4);
    bench.requeue(&[1, 5, 6], 0);
    for sequence in 1..=6 {
        bench.answer(sequence, Outcome::Success);
        bench.record();
    }
    assert_eq!(bench.take_sent(), [(5, 1), (6, 1)]);
    assert!(bench.kept.retries.is_empty());
}

#[test]
fn what_is_put_back_while_its_outcome_is_written_is_sent_after_that() {
    let mut bench = Bench::new(settings(), 1);
    bench.take_sent();
    bench.answer(1, Outcome::Success);
    let (sequence, attempt, verdict, place, _) = bench.records.pop_front().unwrap();
    bench.kept.apply(sequence, attempt, verdict, place);
    bench.requeue(&[1], 0);
    assert_eq!(bench.take_sent(), []);
    bench.input(Input::Recorded(Sequence(1)));
    assert_eq!(bench.take_sent(), [(1, 2)]);
}

#[derive(Debug, Clone)]
enum Step {
    Answer(usize, bool),
    Record,
    Pass(u16),
    Crash,
    Requeue(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0_usize..8, prop::bool::weighted(0.7)).prop_map(|(which, good)| Step::Answer(which, good)),
        4 => Just(Step::Record),
        2 => (0_u16..3000).prop_map(Step::Pass),
        1 => Just(Step::Crash),
        2 => (1_u64..60).prop_map(Step::Requeue),
    ];
    prop::collection::vec(step, 0..300)
}

proptest! {
    #[test]
    fn nothing_is_lost_and_duplicates_are_bounded_by_the_window(
        steps in steps(),
        ordering in prop_oneof![Just(Ordering::None), Just(Ordering::Strict), Just(Ordering::RunId)],
        breaker_after in prop_oneof![Just(0), Just(1_000_000_000)],
    ) {
        let breaker = BreakerSettings { after_ms: breaker_after, pause_ms: 100, pause_max_ms: 400 };
        let settings = Settings { ordering, breaker, schedule_ms: vec![500; 50], ..settings() };
        let events = 60;
        let mut bench = Bench::new(settings.clone(), events);
        let mut delivered: BTreeMap<u64, u32> = BTreeMap::new();
        let (mut crashes, mut requeues, mut place) = (0, 0, Sequence::ZERO);
        let mut open: Vec<u64> = Vec::new();
        for step in steps.into_iter().chain((0..2000).flat_map(|_| [Step::Answer(0, true), Step::Record, Step::Pass(600)])) {
            open.extend(bench.take_sent().iter().map(|(sequence, _)| *sequence));
            match step {
                Step::Answer(which, good) if !open.is_empty() => {
                    let sequence = open.remove(which % open.len());
                    if good {
                        *delivered.entry(sequence).or_default() += 1;
                    }
                    bench.answer(sequence, if good { Outcome::Success } else { FAILURE });
                }
                Step::Answer(..) => {}
                Step::Record => bench.record(),
                Step::Pass(millis) => {
                    bench.pass(u64::from(millis));
                }
                Step::Requeue(sequence) => {
                    requeues += 1;
                    let now = bench.now.0 as u64;
                    bench.requeue(&[sequence], now);
                }
                Step::Crash => {
                    crashes += 1;
                    // What was sent and not recorded may have arrived.
                    for sequence in open.drain(..) {
                        *delivered.entry(sequence).or_default() += 1;
                    }
                    bench.crash(settings.clone());
                }
            }
            prop_assert!(bench.machine.in_flight() <= settings.max_in_flight);
            prop_assert!(bench.kept.place >= place, "the place moved back");
            place = bench.kept.place;
            let unsettled = |sequence: &u64| {
                let sequence = Sequence(*sequence);
                !delivered.contains_key(&sequence.0) && !bench.kept.retries.contains_key(&sequence)
            };
            prop_assert!((1..=place.0).all(|sequence| !unsettled(&sequence)), "the place passed an unsettled event");
        }
        prop_assert_eq!(delivered.len() as u64, events, "an event was never delivered");
        let duplicates: u32 = delivered.values().map(|times| times - 1).sum();
        let allowed = requeues + crashes * settings.max_in_flight;
        prop_assert!(duplicates as usize <= allowed, "{duplicates} after {crashes} crashes and {requeues} put back");
        prop_assert!(bench.kept.retries.is_empty() && bench.machine.retries.is_empty(), "put back, and forgotten");
    }
}
