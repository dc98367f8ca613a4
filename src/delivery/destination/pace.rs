//! A limit of attempts a second: they are evenly spaced, on a grid that is finer than the clock.
//!
//! Each attempt has its time, and the next one's follows from that and not from when it was really made: what the clock
//! rounds up and a late call costs is made up for, so that the limit is reached. Only so much: a second never has
//! more than a hundredth above the limit, and one.

use crate::model::UnixMillis;

/// An attempt that is later than this, in nanoseconds, gives nothing to those after it.
const MADE_UP_FOR: i64 = 10_000_000;

const A_MILLI: i64 = 1_000_000;

const A_SECOND: i64 = 1_000_000_000;

/// When the next attempt may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Pace {
    /// In nanoseconds of the clock.
    next: i64,
}

impl Pace {
    /// The first moment at which it may be made.
    pub(super) fn next(self) -> UnixMillis {
        UnixMillis(self.next.div_euclid(A_MILLI) + i64::from(self.next.rem_euclid(A_MILLI) > 0))
    }

    /// One is made now, of at most `a_second`.
    pub(super) fn sent(&mut self, now: UnixMillis, a_second: u32) {
        let now = now.0.saturating_mul(A_MILLI);
        let late = now.saturating_sub(self.next);
        let begin = if late <= MADE_UP_FOR { self.next } else { now };
        let a_second = i64::from(a_second.max(1));
        self.next = begin.saturating_add((A_SECOND + a_second - 1) / a_second);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The attempts of a second when each is made so late.
    fn in_a_second(a_second: u32, late: impl Fn(i64) -> i64) -> i64 {
        let (mut pace, mut made, mut now) = (Pace::default(), 0, 1_000_000);
        while now < 1_001_000 {
            pace.sent(UnixMillis(now), a_second);
            made += 1;
            now = now.max(pace.next().0 + late(made));
        }
        made
    }

    #[test]
    fn a_limit_is_reached_whatever_its_interval_and_a_little_lateness() {
        for a_second in [1, 7, 10, 300, 500, 999, 1000, 3000, 50_000] {
            for late in [0, 1, 2] {
                let made = in_a_second(a_second, |n| (n + late) % (late + 1));
                let wanted = i64::from(a_second);
                assert!(made >= wanted * 99 / 100 && made <= wanted + wanted / 100 + 1, "{a_second}: {made}");
            }
        }
    }

    #[test]
    fn who_was_idle_begins_anew() {
        let mut pace = Pace::default();
        pace.sent(UnixMillis(1000), 10);
        assert_eq!(pace.next(), UnixMillis(1100));
        pace.sent(UnixMillis(5000), 10);
        assert_eq!(pace.next(), UnixMillis(5100));
        pace.sent(UnixMillis(5100), 3);
        assert_eq!(pace.next(), UnixMillis(5434), "not before");
    }

    proptest! {
        #[test]
        fn no_second_has_more_than_the_limit_and_little(
            a_second in 1_u32..5000,
            late in prop::collection::vec(0_i64..40, 1..50),
        ) {
            let (mut pace, mut now, mut made) = (Pace::default(), 0, Vec::new());
            while now < 3000 {
                pace.sent(UnixMillis(now), a_second);
                made.push(now);
                now = now.max(pace.next().0 + late[made.len() % late.len()]);
            }
            let most = i64::from(a_second) + i64::from(a_second) / 100 + 1;
            for (at, begin) in made.iter().enumerate() {
                let within = made[at..].iter().take_while(|moment| **moment < begin + 1000).count() as i64;
                prop_assert!(within <= most, "{within} from {begin} on, {a_second} a second");
            }
        }
    }
}
