//! Warnings, recoveries and ends: once each, on time, whatever crashes.

use super::*;
use crate::delivery::destination::tests::{Bench, FAILURE, settings};
use crate::delivery::destination::{Input, Outcome, Settings};
use proptest::prelude::*;

fn impatient() -> Settings {
    Settings { deactivate_after_ms: 10_000, schedule_ms: vec![500; 100], ..settings() }
}

/// Everything that is sent gets this answer, durably.
fn answer_all(bench: &mut Bench, outcome: Outcome) {
    for (sequence, _) in bench.take_sent() {
        bench.answer(sequence, outcome);
        bench.record();
    }
}

#[test]
fn it_warns_at_half_and_ends_at_the_whole_with_enough_attempts() {
    let mut bench = Bench::new(impatient(), 2);
    let mut at = Vec::new();
    while bench.asked.len() < 2 {
        let known = bench.asked.len();
        answer_all(&mut bench, FAILURE);
        if bench.asked.len() > known {
            at.push(bench.now.0);
            if bench.asked == [Action::Tell(Notice::Failing)] {
                bench.kept.health.notice = Notice::Failing;
                bench.input(Input::Told(Some(Notice::Failing)));
            }
        }
        bench.pass(100);
    }
    assert_eq!(bench.asked, [Action::Tell(Notice::Failing), Action::Deactivate(Ending::Failures)]);
    assert!((5000..5600).contains(&at[0]) && (10_000..10_600).contains(&at[1]), "{at:?}");
    assert_eq!(bench.machine.failure_report().split(" since ").next(), Some("all 42 attempts"));
    bench.pass(60_000);
    assert_eq!(bench.take_sent(), [], "nothing is sent once it asked to be switched off");
    bench.input(Input::StaysOn);
    bench.pass(END_AGAIN_MS - 1);
    assert_eq!(bench.asked.len(), 2);
    bench.pass(1);
    assert_eq!(bench.asked.len(), 3, "as long as that holds it asks again");
    bench.input(Input::Moved);
    bench.input(Input::StaysOn);
    bench.pass(END_AGAIN_MS);
    assert_eq!((bench.asked.len(), bench.take_sent().is_empty()), (3, false), "another endpoint begins anew");
}

#[test]
fn too_few_attempts_end_nothing() {
    let mut bench = Bench::new(Settings { schedule_ms: vec![3000; 18], ..impatient() }, 1);
    for _ in 0..1000 {
        answer_all(&mut bench, FAILURE);
        bench.pass(100);
    }
    assert_eq!(bench.kept.health.failures(), 19);
    assert_eq!(bench.asked, [Action::Tell(Notice::Failing)]);
}

#[test]
fn a_recovery_is_told_when_a_warning_was() {
    let mut bench = Bench::new(impatient(), 1);
    answer_all(&mut bench, FAILURE);
    bench.pass(600);
    answer_all(&mut bench, Outcome::Success);
    assert_eq!(bench.asked, [], "nobody was warned");
    bench.kept.health = Health { failing: None, notice: Notice::RecoveryDue };
    bench.crash(impatient());
    assert_eq!(bench.asked, [Action::Tell(Notice::None)], "a crash does not swallow it");
    bench.input(Input::Told(None));
    bench.pass(TELL_AGAIN_MS - 1);
    assert_eq!(bench.asked.len(), 1);
    bench.pass(1);
    assert_eq!(bench.asked.len(), 2, "what could not be told is told later");
    bench.input(Input::Told(Some(Notice::None)));
    bench.pass(TELL_AGAIN_MS);
    assert_eq!(bench.asked.len(), 2);
}

#[test]
fn a_broker_that_was_away_ends_nothing_by_itself() {
    let mut bench = Bench::new(impatient(), 30);
    for _ in 0..8 {
        answer_all(&mut bench, FAILURE);
    }
    assert!(bench.kept.health.failures() >= 20);
    bench.now = bench.now.plus(10_000_000);
    bench.crash(impatient());
    assert_eq!(bench.asked, [], "it has not failed meanwhile");
}

#[test]
fn what_says_nothing_about_the_endpoint_is_no_failure() {
    let mut bench = Bench::new(impatient(), 4);
    let outcomes = [Outcome::Interrupted, Outcome::Unreadable, Outcome::Trimmed, Outcome::Interrupted];
    for ((sequence, _), outcome) in bench.take_sent().into_iter().zip(outcomes) {
        bench.answer(sequence, outcome);
        bench.record();
    }
    assert_eq!(bench.kept.health, Health::default());
    assert_eq!(bench.kept.retries.len(), 2, "what broke off is tried again");
}

/// The log's side of a telling: only what is news is taken.
fn tell(kept: &mut Health, notice: Notice) -> Option<&'static str> {
    let news = match (kept.notice, notice) {
        (Notice::None, Notice::Failing) if kept.failing.is_some() => "failing",
        (Notice::RecoveryDue, Notice::None) => "recovered",
        _ => return None,
    };
    kept.notice = notice;
    Some(news)
}

proptest! {
    /// Warnings and recoveries alternate, whatever is lost on the way, and the machine's health is the log's.
    #[test]
    fn news_alternates(steps in prop::collection::vec((0_u8..12, any::<bool>(), 0_u16..2000), 0..300)) {
        let settings = Settings { deactivate_after_ms: 4000, schedule_ms: vec![200; 500], ..settings() };
        let mut bench = Bench::new(settings.clone(), 500);
        let mut news = Vec::new();
        let mut open = Vec::new();
        for (what, good, millis) in steps {
            open.extend(bench.take_sent());
            match what {
                0 => {
                    open.clear();
                    bench.crash(settings.clone());
                }
                1..=3 => {
                    let asked = std::mem::take(&mut bench.asked);
                    for action in asked {
                        match action {
                            Action::Tell(notice) => {
                                news.extend(tell(&mut bench.kept.health, notice));
                                // Good: the answer comes through. Otherwise the log was full, or so it seems.
                                let told = good.then_some(bench.kept.health.notice);
                                bench.input(Input::Told(told));
                            }
                            _ => bench.input(Input::StaysOn),
                        }
                    }
                }
                4..=9 if !open.is_empty() => {
                    let (sequence, _) = open.remove(0);
                    bench.answer(sequence, if good && what == 4 { Outcome::Success } else { FAILURE });
                }
                _ => bench.record(),
            }
            bench.pass(u64::from(millis));
            prop_assert_eq!(bench.machine.health.failing, bench.kept.health.failing);
        }
        for pair in news.windows(2) {
            prop_assert_ne!(pair[0], pair[1]);
        }
        prop_assert!(news.first().is_none_or(|first| *first == "failing"));
    }
}
