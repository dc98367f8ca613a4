//! When an endpoint is asked, what counts as its consent, and what a crash leaves of that.

use super::*;
use proptest::prelude::*;

fn step(machine: &mut VerificationMachine, input: Input, now: i64) -> Vec<Action> {
    let mut actions = Vec::new();
    machine.handle(input, UnixMillis(now), &mut actions);
    actions
}

const REFUSAL: Input = Input::Answered { consented: false, jitter: 0.0 };
const CONSENT: Input = Input::Answered { consented: true, jitter: 0.0 };

#[test]
fn it_is_asked_at_once_then_on_schedule_never_early_and_then_no_more() {
    let mut machine = VerificationMachine::new(vec![1000, 5000]);
    assert_eq!(step(&mut machine, Input::ClockReached, 10), [Action::Ask { attempt: 1 }]);
    assert_eq!(step(&mut machine, Input::ClockReached, 11), [], "one question at a time");
    assert_eq!(step(&mut machine, REFUSAL, 20), [Action::WakeAt(UnixMillis(1020))]);
    assert_eq!(step(&mut machine, Input::ClockReached, 1019), [Action::WakeAt(UnixMillis(1020))]);
    assert_eq!(step(&mut machine, Input::ClockReached, 1020), [Action::Ask { attempt: 2 }]);
    assert_eq!(step(&mut machine, REFUSAL, 1100), [Action::WakeAt(UnixMillis(6100))]);
    assert_eq!(step(&mut machine, Input::ClockReached, 6100), [Action::Ask { attempt: 3 }]);
    assert_eq!(step(&mut machine, REFUSAL, 6200), [Action::GiveUp]);
    assert_eq!(step(&mut machine, Input::ClockReached, 99_999), []);
}

#[test]
fn a_consent_is_kept_and_kept_again_until_it_is_durable() {
    let mut machine = VerificationMachine::new(vec![1000]);
    step(&mut machine, Input::ClockReached, 0);
    assert_eq!(step(&mut machine, CONSENT, 10), [Action::Keep]);
    assert_eq!(step(&mut machine, Input::ClockReached, 20), []);
    assert_eq!(step(&mut machine, Input::NotKept, 30), [Action::WakeAt(UnixMillis(1030))]);
    assert_eq!(step(&mut machine, Input::ClockReached, 1030), [Action::Keep]);
    assert_eq!(step(&mut machine, REFUSAL, 1040), [], "it is asked no more");
}

#[test]
fn what_counts_as_the_challenge() {
    let consents =
        |status, body: &str| is_consent(Verification::Challenge, "abc123", status, body.as_bytes());
    for body in [
        "abc123",
        " abc123\r\n",
        "\"abc123\"",
        r#"{"challenge":"abc123"}"#,
        r#" {"ok": true, "challenge": "abc123", "more": {"challenge": 1}} "#,
        r#"{"challenge":"\u0061bc123"}"#,
    ] {
        assert!(consents(200, body) && consents(204, body), "{body}");
        assert!(!consents(302, body) && !consents(404, body) && !consents(500, body), "{body}");
    }
    for body in [
        "",
        "abc12",
        "abc1234",
        "ABC123",
        "the challenge is abc123",
        "abc123 abc123",
        "\"",
        "{}",
        r#"["abc123"]"#,
        r#"{"challenge":["abc123"]}"#,
        r#"{"challenge":"abc124"}"#,
        r#"{"Challenge":"abc123"}"#,
        r#"{"data":{"challenge":"abc123"}}"#,
        r#"{"challenge":"abc123"} and more"#,
        r#"{"challenge":"abc123""#,
    ] {
        assert!(!consents(200, body), "{body}");
    }
    assert!(!is_consent(Verification::Challenge, "abc123", 200, b"\xff\xfe"));
}

#[test]
fn a_ping_is_answered_by_any_success() {
    for status in [200, 202, 204, 299] {
        assert!(is_consent(Verification::Ping, "abc", status, b"whatever"));
    }
    for status in [100, 199, 300, 307, 404, 410, 500] {
        assert!(!is_consent(Verification::Ping, "abc", status, b"abc"));
    }
}

#[derive(Debug, Clone)]
enum Event {
    Answer(bool),
    Keep(bool),
    Pass(u16),
    Crash,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => prop::bool::weighted(0.2).prop_map(Event::Answer),
        2 => any::<bool>().prop_map(Event::Keep),
        4 => (0_u16..4000).prop_map(Event::Pass),
        1 => Just(Event::Crash),
    ];
    prop::collection::vec(event, 0..200)
}

proptest! {
    #[test]
    fn an_endpoint_is_asked_a_bounded_number_of_times_and_its_consent_is_never_lost(events in events()) {
        let schedule = vec![500, 1000, 2000];
        let mut machine = VerificationMachine::new(schedule.clone());
        let (mut now, mut asking, mut keeping, mut active) = (0_i64, false, false, false);
        let (mut asked, mut given_up) = (0, false);
        let mut earliest = 0;
        let end = (0..8).flat_map(|_| [Event::Pass(5000), Event::Answer(true), Event::Keep(true)]);
        for event in std::iter::once(Event::Pass(0)).chain(events).chain(end) {
            let input = match event {
                _ if active => break,
                Event::Answer(consented) if asking => {
                    asking = false;
                    earliest = now + schedule.get(asked - 1).copied().unwrap_or(0) as i64;
                    keeping = consented;
                    Input::Answered { consented, jitter: 0.5 }
                }
                Event::Keep(kept) if keeping => {
                    keeping = false;
                    active = kept;
                    Input::NotKept
                }
                Event::Pass(millis) => {
                    now += i64::from(millis);
                    Input::ClockReached
                }
                Event::Crash => {
                    machine = VerificationMachine::new(schedule.clone());
                    (asking, keeping, asked, given_up, earliest) = (false, false, 0, false, now);
                    Input::ClockReached
                }
                Event::Answer(_) | Event::Keep(_) => continue,
            };
            if active {
                break;
            }
            for action in step(&mut machine, input, now) {
                match action {
                    Action::Ask { attempt } => {
                        prop_assert!(!asking && !keeping && !given_up && now >= earliest);
                        asked += 1;
                        prop_assert_eq!(attempt as usize, asked);
                        prop_assert!(asked <= schedule.len() + 1);
                        asking = true;
                    }
                    Action::Keep => keeping = true,
                    Action::GiveUp => given_up = true,
                    Action::WakeAt(at) => prop_assert!(at.0 > now),
                }
            }
        }
        prop_assert!(active || given_up, "it stopped asking although it may");
    }
}
