//! Tables of inputs and what the machine makes of them, and what no order of inputs can do.

use super::*;
use crate::model::FailureKind;
use proptest::prelude::*;

const PASSED: Action = Action::End(GateOutcome::Passed);
const FAILED: Action = Action::End(GateOutcome::Failed);
const CANCELLED: Action = Action::End(GateOutcome::Cancelled);

fn member(stage: u8, on_error: OnError, timeout_ms: u64) -> Member {
    Member { stage, on_error, timeout_ms }
}

fn must(stage: u8) -> Member {
    member(stage, OnError::Fail, 1000)
}

fn may(stage: u8) -> Member {
    member(stage, OnError::Ignore, 1000)
}

fn call(member: usize, left_ms: u64) -> Action {
    Action::Call { member, left_ms }
}

fn withdraw(member: usize) -> Action {
    Action::Withdraw { member }
}

fn wake(at: i64) -> Action {
    Action::WakeAt(UnixMillis(at))
}

fn yes(member: usize) -> Input {
    Input::Answered { member, agreed: true }
}

fn no(member: usize) -> Input {
    Input::Answered { member, agreed: false }
}

/// Feeds inputs at times and compares what is ordered after each.
#[track_caller]
fn check(members: &[Member], deadline: Option<i64>, steps: &[(i64, Input, &[Action])]) -> GateMachine {
    let mut machine = GateMachine::new(members.iter().copied(), deadline.map(UnixMillis));
    for (at, input, expected) in steps {
        let mut actions = Vec::new();
        machine.handle(*input, UnixMillis(*at), &mut actions);
        assert_eq!(actions, *expected, "{input:?} at {at}");
    }
    machine
}

#[test]
fn nobody_to_ask_passes_at_once() {
    check(&[], None, &[(0, Input::Began, &[PASSED])]);
}

#[test]
fn members_of_a_stage_are_asked_at_once_and_stages_in_order() {
    check(
        &[must(2), must(0), must(0)],
        None,
        &[
            (0, Input::Began, &[call(1, 1000), call(2, 1000), wake(1000)]),
            (5, yes(2), &[wake(1000)]),
            (6, yes(0), &[wake(1000)]),
            (10, yes(1), &[call(0, 1000), wake(1010)]),
            (20, yes(0), &[PASSED]),
            (21, no(0), &[]),
        ],
    );
}

#[test]
fn the_first_failure_cancels_the_rest() {
    let machine = check(
        &[must(0), must(0), must(1)],
        None,
        &[
            (0, Input::Began, &[call(0, 1000), call(1, 1000), wake(1000)]),
            (5, no(1), &[withdraw(0), FAILED]),
            (6, yes(0), &[]),
        ],
    );
    let states = [0, 1, 2].map(|member| machine.state(member).unwrap());
    assert_eq!(states, [MemberState::Cancelled, MemberState::Failed, MemberState::Cancelled]);
}

#[test]
fn a_failure_that_is_ignored_lets_the_others_decide() {
    check(
        &[may(0), must(1)],
        None,
        &[
            (0, Input::Began, &[call(0, 1000), wake(1000)]),
            (5, no(0), &[call(1, 1000), wake(1005)]),
            (6, yes(1), &[PASSED]),
        ],
    );
    check(
        &[may(0)],
        None,
        &[
            (0, Input::Began, &[call(0, 1000), wake(1000)]),
            (1000, Input::ClockReached, &[withdraw(0), PASSED]),
        ],
    );
}

#[test]
fn a_time_out_is_a_failure_and_an_answer_after_it_is_too_late() {
    check(
        &[must(0), member(0, OnError::Fail, 50)],
        None,
        &[
            (0, Input::Began, &[call(0, 1000), call(1, 50), wake(50)]),
            (49, Input::ClockReached, &[wake(50)]),
            (50, yes(1), &[withdraw(1), withdraw(0), FAILED]),
        ],
    );
}

#[test]
fn the_deadline_bounds_every_stage() {
    check(
        &[must(0), must(1)],
        Some(300),
        &[
            (0, Input::Began, &[call(0, 300), wake(300)]),
            (200, yes(0), &[call(1, 100), wake(300)]),
            (300, Input::ClockReached, &[withdraw(1), FAILED]),
        ],
    );
    // Whoever must agree and was not asked in time did not agree.
    check(
        &[may(0), must(1)],
        Some(300),
        &[(0, Input::Began, &[call(0, 300), wake(300)]), (300, Input::ClockReached, &[withdraw(0), FAILED])],
    );
    check(
        &[may(0), may(1)],
        Some(300),
        &[(0, Input::Began, &[call(0, 300), wake(300)]), (300, Input::ClockReached, &[withdraw(0), PASSED])],
    );
    check(&[must(0)], Some(0), &[(5, Input::Began, &[FAILED])]);
}

#[test]
fn a_publisher_that_is_gone_cancels_everything() {
    check(
        &[must(0), must(1)],
        None,
        &[
            (0, Input::Began, &[call(0, 1000), wake(1000)]),
            (5, Input::Cancelled, &[withdraw(0), CANCELLED]),
            (6, yes(0), &[]),
            (7, Input::Cancelled, &[]),
        ],
    );
}

#[test]
fn answers_are_read_strictly() {
    let ok = |body: &str| read_reply(200, body.as_bytes(), true);
    for pass in ["", " \n", "{}", " { } "] {
        assert_eq!(ok(pass), Ok(Reply::Pass), "{pass:?}");
    }
    assert_eq!(ok(r#" {"patch": {"a":1.10}} "#), Ok(Reply::Patch(r#"{"a":1.10}"#.to_owned())));
    let rejected = ok(r#"{"reject":{"code":"too_young","message":"must be 18"}}"#).unwrap_err();
    assert_eq!(rejected, Failure::rejected("too_young", "must be 18"));
    assert_eq!(ok(r#"{"reject":{}}"#).unwrap_err().message, "rejected");
    for bad in [
        "ok",
        "[]",
        "null",
        "true",
        r#"{"ok":true}"#,
        r#"{"patch":1}"#,
        r#"{"patch":{},"reject":{}}"#,
        r#"{"patch":{},"patch":{}}"#,
        r#"{"patch":{"a":1,"a":2}}"#,
        "{",
        "\u{feff}{}",
    ] {
        assert_eq!(ok(bad).unwrap_err().kind, FailureKind::BadResponse, "{bad:?}");
    }
    for (answer, is_final) in [(r#"{"patch":{"a":null}}"#, true), (r#"{"patch":[]}"#, true), ("[]", false)] {
        let failure = read_reply(200, answer.as_bytes(), false).unwrap_err();
        assert_eq!((failure.kind, failure.is_final), (FailureKind::BadResponse, is_final), "{answer}");
    }
    assert_eq!(read_reply(200, br#"{"patch": { } }"#, false), Ok(Reply::Pass), "it changes nothing");
    for status in [100, 199, 300, 301, 400, 404, 410, 500, 503] {
        assert_eq!(read_reply(status, b"{}", true).unwrap_err().kind, FailureKind::Error, "{status}");
    }
    assert_eq!(read_reply(204, b"", true), Ok(Reply::Pass));
}

#[derive(Debug, Clone, Copy)]
enum Event {
    Answer(usize, bool),
    Wait(i64),
    Cancel,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        8 => (0_usize..7, prop::bool::weighted(0.8)).prop_map(|(member, agreed)| Event::Answer(member, agreed)),
        3 => (0_i64..120).prop_map(Event::Wait),
        1 => Just(Event::Cancel),
    ];
    prop::collection::vec(event, 0..40)
}

fn members() -> impl Strategy<Value = Vec<Member>> {
    let one = (0_u8..3, any::<bool>(), 1_u64..200).prop_map(|(stage, ignores, timeout_ms)| {
        member(stage, if ignores { OnError::Ignore } else { OnError::Fail }, timeout_ms)
    });
    prop::collection::vec(one, 0..6)
}

proptest! {
    #[test]
    fn it_never_passes_unless_all_that_must_agree_did_in_time(
        members in members(), deadline in prop::option::of(0_i64..300), events in events()
    ) {
        let mut machine = GateMachine::new(members.iter().copied(), deadline.map(UnixMillis));
        let mut now = 0_i64;
        let mut running: std::collections::BTreeMap<usize, i64> = std::collections::BTreeMap::new();
        let mut agreed = std::collections::BTreeSet::new();
        let mut settled = std::collections::BTreeSet::new();
        let mut ended = None;
        let inputs = std::iter::once(None).chain(events.into_iter().map(Some)).chain([Some(Event::Wait(100_000))]);
        for event in inputs {
            let input = match event {
                None => Input::Began,
                Some(Event::Answer(member, yes)) => {
                    let in_time = running.get(&member).is_some_and(|until| now < *until);
                    if in_time && ended.is_none() {
                        running.remove(&member);
                        settled.insert(member);
                        if yes { agreed.insert(member); }
                    }
                    Input::Answered { member, agreed: yes }
                }
                Some(Event::Wait(millis)) => { now += millis; Input::ClockReached }
                Some(Event::Cancel) => Input::Cancelled,
            };
            let mut actions = Vec::new();
            machine.handle(input, UnixMillis(now), &mut actions);
            prop_assert!(ended.is_none() || actions.is_empty(), "ended once, it stays so");
            for action in actions {
                match action {
                    Action::Call { member, left_ms } => {
                        let earlier = (0..members.len()).filter(|one| members[*one].stage < members[member].stage);
                        for one in earlier {
                            prop_assert!(settled.contains(&one), "stage order: {one} before {member}");
                        }
                        running.insert(member, now + left_ms as i64);
                        prop_assert!(deadline.is_none_or(|deadline| now + left_ms as i64 <= deadline.max(now)));
                    }
                    Action::Withdraw { member } => {
                        prop_assert!(running.remove(&member).is_some());
                        settled.insert(member);
                    }
                    Action::WakeAt(at) => prop_assert!(running.values().any(|until| *until == at.0)),
                    Action::End(outcome) => ended = Some(outcome),
                }
            }
            if ended.is_some() {
                prop_assert!(running.is_empty(), "nothing runs when it has ended");
            }
        }
        // Every wait is bounded: by now it has ended one stage at a time at the latest.
        for _ in 0..10 {
            now += 100_000;
            machine.handle(Input::ClockReached, UnixMillis(now), &mut Vec::new());
        }
        let outcome = machine.outcome();
        prop_assert!(outcome.is_some());
        let must: Vec<usize> = (0..members.len()).filter(|one| members[*one].on_error == OnError::Fail).collect();
        if ended == Some(GateOutcome::Passed) {
            prop_assert!(must.iter().all(|one| agreed.contains(one)));
        }
    }

    #[test]
    fn any_order_of_answers_ends_the_same(count in 1_usize..6, order in any::<u64>(), failing in prop::option::of(0_usize..6)) {
        let mut machine = GateMachine::new((0..count).map(|_| must(0)), None);
        machine.handle(Input::Began, UnixMillis(0), &mut Vec::new());
        let mut left: Vec<usize> = (0..count).collect();
        let mut dice = order;
        while !left.is_empty() {
            let at = (dice % left.len() as u64) as usize;
            dice = dice.rotate_left(7) ^ 0x9E37_79B9_7F4A_7C15;
            let member = left.remove(at);
            let agreed = failing != Some(member);
            machine.handle(Input::Answered { member, agreed }, UnixMillis(1), &mut Vec::new());
        }
        let all_agree = failing.is_none_or(|failing| failing >= count);
        let expected = if all_agree { GateOutcome::Passed } else { GateOutcome::Failed };
        prop_assert_eq!(machine.outcome(), Some(expected));
    }
}
