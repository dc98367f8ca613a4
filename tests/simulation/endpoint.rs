//! Endpoints that are fast, slow, failing, hanging, gone, and change their minds.

use crate::dice::Dice;
use campanile::delivery::destination::Outcome;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Mood {
    Fast,
    Slow,
    Failing,
    Hanging,
    Busy,
    Gone,
    Flapping,
    Mixed,
}

const MOODS: [Mood; 12] = [
    Mood::Fast,
    Mood::Fast,
    Mood::Fast,
    Mood::Slow,
    Mood::Slow,
    Mood::Failing,
    Mood::Failing,
    Mood::Hanging,
    Mood::Busy,
    Mood::Gone,
    Mood::Flapping,
    Mood::Mixed,
];

/// What an endpoint answers a request, and when.
pub(crate) struct Reply {
    pub(crate) after_ms: u64,
    pub(crate) outcome: Outcome,
}

pub(crate) fn mood(dice: &mut Dice) -> Mood {
    dice.pick(&MOODS)
}

const FAILURE: Outcome = Outcome::Failure { retry_after_ms: None };

pub(crate) fn reply(mood: Mood, mono: u64, timeout_ms: u64, dice: &mut Dice) -> Reply {
    let (after_ms, outcome) = match mood {
        Mood::Fast => (dice.between(1, 5), Outcome::Success),
        Mood::Slow => (dice.between(200, timeout_ms - 1), Outcome::Success),
        Mood::Failing => (dice.between(1, 50), FAILURE),
        Mood::Hanging => (timeout_ms, FAILURE),
        Mood::Busy => {
            let retry_after_ms = Some(dice.pick(&[0, 1000, 20_000, 300_000, 10_000_000]));
            (dice.between(1, 20), Outcome::Failure { retry_after_ms })
        }
        Mood::Gone => (dice.between(1, 20), Outcome::Gone),
        Mood::Flapping if (mono / 40_000).is_multiple_of(2) => (dice.between(1, 20), FAILURE),
        Mood::Flapping => (dice.between(1, 20), Outcome::Success),
        Mood::Mixed => (dice.between(1, 2000), dice.pick(&[Outcome::Success, FAILURE, Outcome::Interrupted])),
    };
    Reply { after_ms: after_ms.min(timeout_ms), outcome }
}
