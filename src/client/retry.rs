//! Whether a request is made again, and when: pure.

use super::error::Error;
use std::time::Duration;

/// Before the second attempt, at most.
const FIRST: Duration = Duration::from_millis(500);
/// Before any attempt, at most, unless the broker asks for more.
const LONGEST: Duration = Duration::from_secs(8);
/// A broker that asks for more than this is not waited for: the caller is told.
const MOST_ASKED_FOR: Duration = Duration::from_secs(60);

/// Answers after which the same request may go better.
const PASSING: [u16; 6] = [408, 429, 500, 502, 503, 504];

/// How long to wait before a failed attempt (counted from 1) is made again; `None`: it is not. `is_repeatable`:
/// making the request twice does no more than making it once. `unit` is random, in 0 to 1.
pub(super) fn wait(
    error: &Error,
    attempt: u32,
    most_retries: u32,
    is_repeatable: bool,
    unit: f64,
) -> Option<Duration> {
    if attempt > most_retries || !may_go_better(error, is_repeatable) {
        return None;
    }
    let span = FIRST.saturating_mul(1 << (attempt - 1).min(8)).min(LONGEST).mul_f64(unit);
    let asked = error.problem().and_then(|problem| problem.retry_after).unwrap_or_default();
    (asked <= MOST_ASKED_FOR).then(|| span.max(asked))
}

fn may_go_better(error: &Error, is_repeatable: bool) -> bool {
    match error {
        Error::Unreachable { .. } | Error::TimedOut { .. } => is_repeatable,
        Error::Refused(problem) => {
            // These two say that nothing was done, but for a commit that nobody knows of.
            let is_undone = [429, 503].contains(&problem.status) && !problem.is_open();
            PASSING.contains(&problem.status) && (is_repeatable || is_undone)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::error::Problem;
    use super::*;

    fn refused(status: u16, retry_after: &str, kind: &str) -> Error {
        let headers: Vec<_> = [("retry-after".to_owned(), retry_after.to_owned())].into();
        let body = format!(r#"{{"type":"{kind}"}}"#);
        Error::Refused(Box::new(Problem::of(status, &headers, body.as_bytes())))
    }

    fn millis(error: &Error, attempt: u32, is_repeatable: bool) -> Option<u128> {
        wait(error, attempt, 3, is_repeatable, 1.0).map(|wait| wait.as_millis())
    }

    #[test]
    fn waits_double_and_end() {
        let lost = Error::Unreachable { url: String::new(), detail: String::new() };
        let waits: Vec<_> = (1..=4).map(|attempt| millis(&lost, attempt, true)).collect();
        assert_eq!(waits, [Some(500), Some(1000), Some(2000), None]);
        assert_eq!(wait(&lost, 40, 99, true, 0.5), Some(Duration::from_secs(4)));
        assert_eq!(millis(&lost, 1, false), None, "it may have been done");
    }

    #[test]
    fn the_broker_s_own_wait_is_kept_to() {
        for (after, expected) in [("3", Some(3000)), ("0", Some(500)), ("60", Some(60_000)), ("61", None)] {
            assert_eq!(millis(&refused(429, after, ""), 1, false), expected, "{after}");
        }
    }

    #[test]
    fn only_what_may_go_better_is_made_again() {
        for status in [400, 401, 403, 404, 405, 409, 410, 413, 415, 422, 501] {
            assert_eq!(millis(&refused(status, "0", ""), 1, true), None, "{status}");
        }
        for (status, kind, is_repeatable, expected) in [
            (503, "draining", false, Some(500)),
            (503, "commit_unknown", false, None),
            (503, "commit_unknown", true, Some(500)),
            (502, "", false, None),
            (502, "", true, Some(500)),
        ] {
            assert_eq!(millis(&refused(status, "0", kind), 1, is_repeatable), expected, "{status} {kind}");
        }
    }
}
