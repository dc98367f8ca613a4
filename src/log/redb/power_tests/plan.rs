//! What a broker might ask of its log next: any of its commits, made up of what was acknowledged so far.

use super::super::delivery_log_tests::destination;
use super::super::invocation_tests::{closed, functions, opening, subscription, task};
use super::super::simulated_disk::Dice;
use super::super::*;
use super::ledger::{Ledger, Planned};
use super::{TENANT, draft};
use crate::log::{Change, CommitKey};
use crate::model::{
    EventNote, FunctionChange, GateChange, Heard, InvocationStatus, Key, KeyHash, KeyId, Notice, RequestNote,
    Requeue, Scopes, Tenant, Timestamp, UnixMillis, Verdict,
};

const FIRST: DestinationId = DestinationId(7);
pub(super) const SUBSCRIPTION: DestinationId = DestinationId(77);

/// Where the subscription's invocations are; those of PRE events are below it.
pub(super) const SLOT: u16 = 40;

/// A key goes when so many newer ones are there: more than one process makes.
const KEYS: u64 = 200;

pub(super) fn tenant(number: u32, name: String) -> Tenant {
    let created_at = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
    Tenant { number: TenantId(number), name, created_at }
}

fn key(number: u64) -> Key {
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&number.to_le_bytes());
    Key {
        id: KeyId(u128::from(number)),
        tenant: TENANT,
        name: format!("key {number}"),
        scopes: Scopes::default(),
        hash: KeyHash(hash),
        hint: "cmp_".to_owned(),
        declared: false,
        created_at: Timestamp::parse("2026-01-01T00:00:00Z").unwrap(),
        expires_at: None,
    }
}

/// The next commit.
pub(super) fn plan(ledger: &mut Ledger, dice: &mut Dice) -> Planned {
    ledger.numbers += 1;
    let number = ledger.numbers;
    let mut commit =
        Commit { tenant: Some(TENANT), changes: vec![Change::PutKey(key(number))], ..Commit::default() };
    let old = number.checked_sub(KEYS).map(|old| Change::RemoveKey(KeyId(u128::from(old))));
    commit.changes.extend(old);
    consumers(ledger, &mut commit, dice);
    // Often more than one thing at a time.
    for _ in 0..=dice.below(2) {
        match dice.below(12) {
            0..=3 => publish(ledger, number, &mut commit, dice),
            4 => open_gate(number, &mut commit, dice),
            5 => close_gate(ledger, &mut commit, dice),
            6..=8 => outcomes(ledger, destination_of(ledger, dice), &mut commit, dice),
            9 => outcomes(ledger, SUBSCRIPTION, &mut commit, dice),
            10 => send_again(ledger, &mut commit, dice),
            _ => manage(ledger, &mut commit, dice),
        }
    }
    Planned { number, commit }
}

fn destinations(ledger: &Ledger) -> Vec<DestinationId> {
    ledger.kept.consumers.keys().copied().filter(|id| *id != SUBSCRIPTION).collect()
}

fn destination_of(ledger: &Ledger, dice: &mut Dice) -> DestinationId {
    let all = destinations(ledger);
    all.get(dice.below(2) as usize).copied().unwrap_or(FIRST)
}

/// One destination stays, now and then another one comes and goes. No two ever have the same id.
fn consumers(ledger: &Ledger, commit: &mut Commit, dice: &mut Dice) {
    let head = Sequence(ledger.events.keys().next_back().copied().unwrap_or(0));
    let put = |id, start_after| {
        let one = crate::model::Destination { id, start_after, ..destination() };
        Change::PutDestination(Box::new(one))
    };
    let all = destinations(ledger);
    match all.as_slice() {
        [] => commit.changes.push(put(FIRST, Sequence::ZERO)),
        [_] => commit.changes.push(put(DestinationId(u128::from(1000 + ledger.numbers)), head)),
        [.., last] if dice.below(40) == 0 => commit.changes.push(Change::RemoveDestination(*last)),
        _ => {}
    }
    if !ledger.kept.consumers.contains_key(&SUBSCRIPTION) {
        commit.changes.push(functions(FunctionChange::PutSubscription(subscription(u64::from(SLOT)))));
    }
}

fn publish(ledger: &Ledger, number: u64, commit: &mut Commit, dice: &mut Dice) {
    if !commit.events.is_empty() {
        return;
    }
    let count = 1 + dice.below(6);
    let size = if dice.below(8) == 0 { 9000 } else { 200 };
    commit.events = (0..count).map(|n| draft(number * 8 + n, size)).collect();
    if dice.below(4) == 0 && !ledger.drafts.is_empty() {
        // One that a publisher repeats.
        let known = dice.below(ledger.drafts.len() as u64) as usize;
        commit.events.push(ledger.drafts[known].clone());
    }
    key_of(number, commit, dice);
}

fn key_of(number: u64, commit: &mut Commit, dice: &mut Dice) {
    let name = format!("/v1/events {number}");
    commit.key = (dice.below(2) == 0).then_some(CommitKey { name, content: [number as u8; 32] });
}

/// A PRE event that is held up.
fn open_gate(number: u64, commit: &mut Commit, dice: &mut Dice) {
    if !commit.events.is_empty() {
        return;
    }
    commit.events = vec![draft(number * 8, 200)];
    commit.changes.push(opening(dice.below(3) as u16 + 1));
    key_of(number, commit, dice);
}

fn close_gate(ledger: &mut Ledger, commit: &mut Commit, dice: &mut Dice) {
    let open: Vec<&Gate> = ledger.kept.gates.values().collect();
    let Some(at) = dice.below(open.len() as u64 + 1).checked_sub(1) else { return };
    let status = if dice.below(2) == 0 { InvocationStatus::Success } else { InvocationStatus::Error };
    let closed = closed(open[at as usize], status);
    if ledger.busy.insert((DestinationId(0), closed.sequence)) {
        commit.changes.push(Change::Gate(Box::new(GateChange::Close(closed))));
    }
}

/// How some attempts of a consumer ended.
fn outcomes(ledger: &mut Ledger, consumer: DestinationId, commit: &mut Commit, dice: &mut Dice) {
    let Some(mut state) = ledger.kept.consumers.get(&consumer).cloned() else { return };
    for _ in 0..=dice.below(4) {
        let later = ledger.events.range(state.place.0 + 1..).map(|(sequence, _)| Sequence(*sequence));
        let fresh =
            later.filter(|sequence| !state.settled.contains(sequence)).take(3).map(|fresh| (fresh, 0));
        let waiting = state.retries.iter().map(|(sequence, retry)| (*sequence, retry.attempts));
        let is_free = |(sequence, _): &(Sequence, u32)| !ledger.busy.contains(&(consumer, *sequence));
        let candidates: Vec<(Sequence, u32)> = fresh.chain(waiting).filter(is_free).collect();
        let Some(at) = dice.below(candidates.len() as u64 + 1).checked_sub(1) else { return };
        let (sequence, made) = candidates[at as usize];
        ledger.busy.insert((consumer, sequence));
        let due = UnixMillis(1_800_000_000_000 + dice.below(100_000) as i64);
        let (verdict, heard) = match dice.below(4) {
            0 => (Verdict::Retry { at: due }, Heard::Failure(due)),
            1 => (Verdict::Dead, Heard::Failure(due)),
            _ => (Verdict::Delivered, Heard::Success),
        };
        let is_over = |one: &u64| *one == sequence.0 || state.settled.contains(&Sequence(*one));
        let passed = ledger.events.range(state.place.0 + 1..).map(|(one, _)| *one).take_while(is_over);
        let place = Sequence(passed.last().unwrap_or(0)).max(state.place);
        state.apply(sequence, made + 1, verdict, place);
        let row = (consumer, sequence, made + 1);
        commit.changes.push(match consumer {
            SUBSCRIPTION => Change::Invoked { record: invoked(ledger, row, verdict), place, heard },
            _ => Change::Outcome { attempt: attempt(ledger, row, verdict, dice), place, heard },
        });
    }
}

type Row = (DestinationId, Sequence, u32);

fn attempt(
    ledger: &Ledger,
    (destination, sequence, attempt): Row,
    verdict: Verdict,
    dice: &mut Dice,
) -> Box<AttemptRecord> {
    Box::new(AttemptRecord {
        destination,
        sequence,
        event: ledger.events.get(&sequence.0).map(|event| EventNote::of(event)),
        attempt,
        at: UnixMillis(1_800_000_000_000),
        latency_ms: dice.below(1000) as u32,
        request: RequestNote::default(),
        status: Some(200),
        error: None,
        verdict,
        response_headers: Vec::new(),
        response_body: "y".repeat(if dice.below(8) == 0 { 4000 } else { 20 }),
    })
}

fn invoked(ledger: &Ledger, (consumer, sequence, attempt): Row, verdict: Verdict) -> Box<InvocationRecord> {
    let event = &ledger.events[&sequence.0];
    let gate = Gate {
        tenant: TENANT,
        sequence,
        event_id: Some(event.id().clone()),
        event_type: "POST_USER_CREATE".to_owned(),
        opened_at: event.stored_at(),
        tasks: Vec::new(),
    };
    let status = match verdict {
        Verdict::Delivered => InvocationStatus::Success,
        _ => InvocationStatus::Error,
    };
    let opened = InvocationRecord::opened(&gate, &task(SLOT)).unwrap();
    let (consumer, verdict) = (Some(consumer), Some(verdict));
    Box::new(InvocationRecord { attempt, status, consumer, verdict, ..opened })
}

/// Puts deliveries back that have their outcome, or gives them up.
fn send_again(ledger: &Ledger, commit: &mut Commit, dice: &mut Dice) {
    let Some(state) = ledger.kept.consumers.get(&FIRST) else { return };
    let replay = ReplayId(1 + u128::from(dice.below(4)));
    if dice.below(4) == 0 {
        return commit.changes.push(Change::StopReplay { destination: FIRST, replay });
    }
    let passed: Vec<u64> = ledger.events.range(..=state.place.0).map(|(sequence, _)| *sequence).collect();
    if passed.is_empty() {
        return;
    }
    let made = |sequence: u64| {
        let attempts = ledger.attempts.range((FIRST, sequence, 0)..=(FIRST, sequence, u32::MAX));
        attempts.last().map_or(0, |((_, _, attempt), _)| *attempt)
    };
    let some = (0..3).map(|_| passed[dice.below(passed.len() as u64) as usize]);
    let some: std::collections::BTreeSet<u64> = some.collect();
    let deliveries = some.into_iter().map(|sequence| (Sequence(sequence), made(sequence))).collect();
    let replay = (dice.below(3) > 0).then_some(replay);
    let due = UnixMillis(1_800_000_000_000 + dice.below(100) as i64);
    commit.changes.push(Change::Requeue(Box::new(Requeue { destination: FIRST, deliveries, due, replay })));
}

fn manage(ledger: &Ledger, commit: &mut Commit, dice: &mut Dice) {
    let destination = destination_of(ledger, dice);
    let Some(state) = ledger.kept.consumers.get(&destination) else { return };
    let head = ledger.events.keys().next_back().map_or(Sequence::ZERO, |head| Sequence(*head));
    let next =
        ledger.events.range(state.place.0 + 1..).take(2).last().map(|(sequence, _)| Sequence(*sequence));
    let replay = ReplayId(1 + u128::from(dice.below(4)));
    commit.changes.push(match (dice.below(6), next) {
        (0, _) => Change::PutTenant(tenant(dice.below(8) as u32 + 1, format!("t{}", ledger.numbers))),
        (1, _) => Change::Notice { destination, notice: Notice::Failing },
        (2, _) => Change::RemoveReplay { destination, replay },
        (3, _) => Change::Resume { destination, skip_to: (dice.below(4) == 0).then_some(head) },
        (_, Some(place)) => Change::MovePlace { destination, place },
        (_, None) => Change::PutTenant(tenant(9, "nine".to_owned())),
    });
}
