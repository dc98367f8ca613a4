//! What must hold, looked at from outside: what endpoints took, what is durable, what actors do.

use crate::child::{heard_of, lane_of};
use crate::counts::Counts;
use crate::functions::Ended;
use crate::ledger::Ledger;
use crate::log::Log;
use crate::world::Bounds;
use campanile::delivery::backoff::RETRY_AFTER_MAX_MS;
use campanile::delivery::destination::Outcome;
use campanile::log::Change;
use campanile::model::{
    ConsumerState, Destination, DestinationId, Heard, Ordering, ReplayId, ReplayStatus, Requeue, Sequence,
    StoredEvent, UnixMillis, Verdict,
};
use std::collections::{BTreeMap, BTreeSet};

/// The largest window.
pub(crate) const LARGEST_WINDOW: usize = 8;

/// Failures, and of how many different events, before a breaker may open.
const ENOUGH_FAILURES: u32 = 20;
const ENOUGH_EVENTS: usize = 10;

/// An attempt that was so late lets the next one be earlier.
const MADE_UP_FOR_MS: u64 = 10;

/// An attempt that is not durably recorded.
#[derive(Debug)]
struct Attempt {
    replay: Option<ReplayId>,
    answer: Option<(Outcome, UnixMillis)>,
    /// Failed attempts of its run of the schedule before it, and how often it had been put back.
    failed_before: u32,
    put_back: u32,
    is_probe: bool,
}

/// What is known of an endpoint that has only failed for a while.
#[derive(Debug, Default)]
struct Failing {
    since: UnixMillis,
    last: UnixMillis,
    attempts: u32,
    events: BTreeSet<Sequence>,
    is_open: bool,
    probe_after: UnixMillis,
}

/// One destination.
#[derive(Default)]
struct File {
    ledger: Ledger,
    attempts: BTreeMap<Sequence, Attempt>,
    /// When attempts are due, as far as this process has said.
    due: BTreeMap<Sequence, UnixMillis>,
    failing: Option<Failing>,
    last_sent: Option<(UnixMillis, Option<u32>)>,
    is_ending: bool,
    /// An actor works for it that has read what is kept.
    is_running: bool,
    /// Replays that its actor knows to be stopped.
    stopped: BTreeSet<ReplayId>,
}

#[derive(Default)]
pub(crate) struct Judge {
    files: BTreeMap<DestinationId, File>,
    /// What happened, for a look at the run.
    pub(crate) counts: Counts,
}

impl Judge {
    fn file(&mut self, id: DestinationId) -> &mut File {
        self.files.entry(id).or_default()
    }

    pub(crate) fn published(&mut self, event: &StoredEvent, log: &Log) {
        self.counts.events += 1;
        for one in log.management.destinations.values() {
            if one.event_filter().matches(event) {
                self.file(one.id).ledger.owe(event.sequence());
            }
        }
    }

    /// An attempt's outcome is durable.
    fn has_ended(&mut self, ended: Ended) {
        let Ended { id, sequence, verdict, at, .. } = ended;
        let file = self.files.entry(id).or_default();
        let put_back = file.ledger.run_of(sequence).1;
        // An actor's last outcome may come after its death: it is none of what the next one sent.
        let made = file.attempts.get(&sequence).and_then(|made| made.answer);
        let made = made.filter(|(_, answered)| *answered == at).and_then(|_| file.attempts.remove(&sequence));
        let is_known = made.is_some() || !file.is_running;
        match (made, verdict) {
            (Some(made), _) if made.put_back != put_back => file.ledger.blur(sequence),
            (None, _) if !is_known => file.ledger.blur(sequence),
            (Some(_), Verdict::Retry { at }) => drop(file.due.insert(sequence, at)),
            _ => {}
        }
        file.ledger.recorded(sequence, verdict, is_known);
        self.counts.dead += u64::from(verdict == Verdict::Dead);
    }

    /// A change is durable; `log` has it already.
    pub(crate) fn is_durable(&mut self, change: &Change, log: &Log, before: &[std::sync::Arc<Destination>]) {
        if let Some(ended) = Ended::of(change) {
            self.has_ended(ended);
        }
        match change {
            Change::PutDestination(one) => {
                let known = before.iter().find(|known| known.id == one.id);
                let filter = one.event_filter();
                let ledger = &mut self.file(one.id).ledger;
                match known {
                    Some(known) if known.events != one.events => {
                        ledger.owe_only(|sequence| {
                            log.event(sequence).is_some_and(|event| filter.matches(event))
                        });
                    }
                    Some(_) => {}
                    None => log
                        .after(one.start_after)
                        .filter(|event| filter.matches(event))
                        .for_each(|event| ledger.owe(event.sequence())),
                }
            }
            Change::Requeue(requeue) => {
                let kept = &log.consumers[&requeue.destination];
                let file = self.files.entry(requeue.destination).or_default();
                for (sequence, _) in &requeue.deliveries {
                    let waits = kept.retries.get(sequence).and_then(|retry| retry.requeued);
                    if waits.is_some_and(|requeued| requeued.replay == requeue.replay) {
                        self.counts.put_back += 1;
                        file.due.remove(sequence);
                        file.ledger.put_back(*sequence, requeue.replay);
                    }
                }
            }
            Change::Resume { destination, skip_to: Some(place) } => {
                self.counts.skipped += 1;
                self.file(*destination).ledger.skip(*place);
            }
            Change::StopReplay { destination, replay } => {
                self.counts.stopped += 1;
                self.file(*destination).ledger.stop(*replay);
            }
            Change::PutReplay(replay) => self.counts.done += u64::from(replay.status == ReplayStatus::Done),
            _ => {}
        }
    }

    /// Looks at what is kept of a consumer after a commit.
    pub(crate) fn look_at_kept(&mut self, id: DestinationId, log: &Log, bounds: &Bounds) {
        let kept = &log.consumers[&id];
        let oldest = log.oldest;
        let file = self.files.entry(id).or_default();
        file.ledger.is_kept_by(kept, oldest);
        let failed = kept.retries.values().filter(|retry| retry.requeued.is_none()).count();
        assert!(failed <= bounds.max_retrying + LARGEST_WINDOW, "{failed} failed deliveries wait");
        let replays = log.management.replays.values().filter(|replay| replay.destination == id);
        for replay in replays {
            let tally = log.tally(id, replay.id);
            file.ledger.adds_up(replay, tally);
        }
        self.counts.most_settled = self.counts.most_settled.max(kept.settled.len() as u64);
    }

    pub(crate) fn trimmed(&mut self, oldest: Sequence) {
        self.files.values_mut().for_each(|file| file.ledger.owe_only(|sequence| sequence >= oldest));
    }

    pub(crate) fn process_started(&mut self) {
        self.files.values_mut().for_each(|file| file.due.clear());
    }

    pub(crate) fn actor_started(
        &mut self,
        id: DestinationId,
        kept: &ConsumerState,
        log: &Log,
        bounds: &Bounds,
    ) {
        let file = self.file(id);
        (file.last_sent, file.is_ending, file.is_running) = (None, false, true);
        let put_back = kept.retries.iter().filter(|(_, retry)| retry.requeued.is_some());
        put_back.for_each(|(sequence, _)| file.ledger.found(*sequence));
        let replays = log.management.replays.values();
        let stopped = replays.filter(|replay| replay.status == ReplayStatus::Stopped).map(|replay| replay.id);
        file.stopped = stopped.collect();
        let failing = kept.health.failing.map(|known| Failing {
            since: known.since,
            last: known.last,
            attempts: known.attempts,
            is_open: kept.health.failed_for_ms() >= bounds.breaker.after_ms
                && known.attempts >= ENOUGH_FAILURES,
            ..Failing::default()
        });
        file.failing = failing;
    }

    /// Its attempts may have been taken, and will be made again.
    pub(crate) fn actor_died(&mut self, id: DestinationId) {
        self.counts.deaths += 1;
        let file = self.file(id);
        assert!(file.attempts.len() <= LARGEST_WINDOW, "{} attempts are not recorded", file.attempts.len());
        file.is_running = false;
        for sequence in std::mem::take(&mut file.attempts).into_keys() {
            file.ledger.may_take_again(sequence);
        }
    }

    /// An attempt begins.
    pub(crate) fn sent(
        &mut self,
        id: DestinationId,
        (sequence, attempt, replay): (Sequence, u32, Option<ReplayId>),
        destination: &Destination,
        log: &Log,
        now: UnixMillis,
    ) {
        self.counts.attempts += 1;
        self.counts.retries += u64::from(attempt > 1);
        let file = self.files.entry(id).or_default();
        assert!(!file.is_ending, "it asked to be switched off and sends {sequence}");
        let window = destination.max_in_flight as usize;
        assert!(file.attempts.len() < window, "more than {window} under way");
        assert!(file.due.get(&sequence).is_none_or(|due| *due <= now), "{sequence} is sent too early");
        if let Some((before, Some(rate))) = file.last_sent {
            let apart = now.since(before);
            let least = (1000 / u64::from(rate)).saturating_sub(MADE_UP_FOR_MS);
            assert!(apart >= least, "{apart} ms apart, {rate} a second");
        }
        file.last_sent = Some((now, destination.rate_limit_per_s));
        assert!(
            replay.is_none_or(|replay| !file.stopped.contains(&replay)),
            "{sequence} of a stopped replay"
        );
        if attempt == 1 && replay.is_none() {
            file.keeps_order(sequence, destination.ordering, log);
        }
        let is_probe = file.failing.as_ref().is_some_and(|failing| failing.is_open);
        if is_probe {
            self.counts.probes += 1;
            let failing = file.failing.as_ref().unwrap();
            assert!(now >= failing.probe_after, "{sequence} is sent while the breaker pauses");
            let probes = file.attempts.values().any(|attempt| attempt.is_probe && attempt.answer.is_none());
            assert!(!probes, "a second probe: {sequence}");
        }
        let (failed_before, put_back) = file.ledger.run_of(sequence);
        let attempt = Attempt { replay, answer: None, failed_before, put_back, is_probe };
        assert!(file.attempts.insert(sequence, attempt).is_none(), "{sequence} is under way twice");
    }

    pub(crate) fn took(&mut self, id: DestinationId, sequence: Sequence) {
        self.counts.taken_twice += u64::from(self.file(id).ledger.took(sequence));
    }

    pub(crate) fn answered(
        &mut self,
        id: DestinationId,
        sequence: Sequence,
        outcome: Outcome,
        now: UnixMillis,
        bounds: &Bounds,
    ) {
        if outcome == Outcome::Success {
            self.took(id, sequence);
        }
        let file = self.file(id);
        let attempt = file.attempts.get_mut(&sequence).expect("it was sent");
        attempt.answer = Some((outcome, now));
        let is_probe = attempt.is_probe;
        match heard_of(outcome, now) {
            Heard::Nothing => {}
            Heard::Success => file.failing = None,
            Heard::Failure(at) => {
                let failing =
                    file.failing.get_or_insert_with(|| Failing { since: at, last: at, ..Failing::default() });
                failing.attempts += 1;
                failing.last = failing.last.max(at);
                failing.events.insert(sequence);
                let is_long = failing.last.since(failing.since) >= bounds.breaker.after_ms;
                let opens =
                    is_long && failing.attempts >= ENOUGH_FAILURES && failing.events.len() >= ENOUGH_EVENTS;
                if (failing.is_open && is_probe) || (!failing.is_open && opens) {
                    failing.is_open = true;
                    failing.probe_after = now.plus(bounds.breaker.pause_ms);
                }
            }
        }
    }

    /// What an attempt meant: as the schedule says.
    pub(crate) fn recording(
        &mut self,
        id: DestinationId,
        sequence: Sequence,
        verdict: Verdict,
        destination: &Destination,
        now: UnixMillis,
    ) {
        let file = self.file(id);
        let attempt = &file.attempts[&sequence];
        let (outcome, _) = attempt.answer.expect("it was answered");
        if file.ledger.run_of(sequence).1 != attempt.put_back || file.ledger.is_blurred(sequence) {
            return;
        }
        let schedule = &destination.retry.schedule_s;
        let wait = schedule.get(attempt.failed_before as usize).filter(|_| destination.retry.enabled);
        let is_stopped = attempt.replay.is_some_and(|replay| file.stopped.contains(&replay));
        match (outcome, verdict) {
            (Outcome::Success, Verdict::Delivered)
            | (Outcome::Gone | Outcome::Unreadable, Verdict::Dead)
            | (Outcome::Trimmed, Verdict::Expired) => {}
            (Outcome::Failure { .. } | Outcome::Interrupted, Verdict::Cancelled) => assert!(is_stopped),
            (Outcome::Failure { .. } | Outcome::Interrupted, Verdict::Dead) => {
                assert_eq!(wait, None, "{sequence} is given up before its schedule ends");
            }
            (Outcome::Failure { .. } | Outcome::Interrupted, Verdict::Retry { at }) => {
                let asked = match outcome {
                    Outcome::Failure { retry_after_ms } => {
                        retry_after_ms.unwrap_or(0).min(RETRY_AFTER_MAX_MS)
                    }
                    _ => 0,
                };
                let wait = wait.expect("its schedule has ended") * 1000;
                let waits = at.since(now);
                assert!(
                    waits >= wait.max(asked) && waits <= (wait + wait / 10).max(asked),
                    "{waits} for {wait}"
                );
                assert!(!is_stopped, "{sequence} of a stopped replay is tried again");
            }
            wrong => panic!("{sequence}: {wrong:?}"),
        }
    }

    pub(crate) fn asks_to_end(&mut self, id: DestinationId) {
        self.counts.ended += 1;
        self.file(id).is_ending = true;
    }

    pub(crate) fn stays_on(&mut self, id: DestinationId) {
        self.file(id).is_ending = false;
    }

    /// Somebody wants to know now.
    pub(crate) fn may_probe(&mut self, id: DestinationId) {
        if let Some(failing) = &mut self.file(id).failing {
            failing.probe_after = UnixMillis(0);
        }
    }

    pub(crate) fn told_of(&mut self, requeue: &Requeue) {
        let file = self.file(requeue.destination);
        requeue.deliveries.iter().for_each(|(sequence, _)| file.ledger.told(*sequence));
    }

    pub(crate) fn moved(&mut self, id: DestinationId) {
        self.file(id).failing = None;
    }

    pub(crate) fn replay_stopped(&mut self, id: DestinationId, replay: ReplayId) {
        self.file(id).stopped.insert(replay);
    }

    pub(crate) fn is_settled(&self, log: &Log) {
        for (id, kept) in &log.consumers {
            let Some(file) = self.files.get(id) else { continue };
            assert_eq!(
                file.ledger.unsettled(),
                Vec::new(),
                "never settled of {id}, which is at {}",
                kept.place
            );
            assert!(file.attempts.is_empty() && kept.retries.is_empty(), "{id} waits: {:?}", kept.retries);
        }
        for replay in log.management.replays.values() {
            assert!(replay.status.has_ended(), "{replay:?} has not ended");
        }
    }
}

impl File {
    /// Nothing that comes before an event in its lane is unsettled when it is sent for the first time.
    fn keeps_order(&self, sequence: Sequence, ordering: Ordering, log: &Log) {
        let Some(event) = log.event(sequence).filter(|_| ordering != Ordering::None) else { return };
        let lane = lane_of(event, ordering);
        for before in self.ledger.owed_before(sequence) {
            let is_same = log.event(before).is_some_and(|event| lane_of(event, ordering) == lane);
            assert!(!is_same, "{sequence} is sent before {before} has ended, in the order {ordering:?}");
        }
    }
}
