//! A replay against a destination of a few words: random answers, random failures of what it orders.

use super::*;
use crate::model::{DestinationId, ReplayId, ReplayOnly, TenantId};
use proptest::prelude::*;

fn replay(up_to: u64, rate_per_s: Option<u32>) -> Replay {
    Replay {
        id: ReplayId(1),
        tenant: TenantId(1),
        destination: DestinationId(1),
        since: None,
        until: None,
        types: Vec::new(),
        only: ReplayOnly::All,
        rate_per_s,
        up_to: Sequence(up_to),
        status: ReplayStatus::Queued,
        total: None,
        walked_to: Sequence::ZERO,
        created_at: Timestamp::from(UnixMillis(0)),
        ended_at: None,
    }
}

/// What the log would keep: the replay, and which events were put back.
struct World {
    kept: Replay,
    tally: ReplayTally,
    put_back: Vec<u64>,
    now: UnixMillis,
    window: u64,
    has_turn: bool,
}

impl World {
    fn new(kept: Replay, window: u64) -> Self {
        let (tally, put_back) = (ReplayTally::default(), Vec::new());
        Self { kept, tally, put_back, now: UnixMillis(1000), window, has_turn: true }
    }

    /// Every third event is none of the replay's.
    fn page(after: Sequence, up_to: Sequence, limit: u64) -> (Vec<u64>, Sequence) {
        let mut found = Vec::new();
        for sequence in after.0 + 1..=up_to.0.min(after.0 + 25) {
            if sequence % 3 != 0 {
                found.push(sequence);
            }
            if found.len() as u64 == limit {
                return (found, Sequence(sequence));
            }
        }
        (found, Sequence(up_to.0.min(after.0 + 25)))
    }

    /// Performs an order; `None` when the replay is over.
    fn perform(&mut self, action: Action) -> Option<Input> {
        match action {
            Action::LookAt(at) => {
                self.now = self.now.max(at);
                let (tally, has_turn, window) = (self.tally, self.has_turn, self.window);
                Some(Input::Looked(Facts { tally, has_turn, window }))
            }
            Action::Count { after } => {
                let (found, scanned_to) = Self::page(after, self.kept.up_to, u64::MAX);
                Some(Input::Counted { found: found.len() as u64, scanned_to })
            }
            Action::PutBack { replay, limit } => {
                let (found, scanned_to) = Self::page(replay.walked_to, replay.up_to, limit);
                self.tally.waiting += found.len() as u64;
                assert!(self.tally.waiting <= self.window);
                self.kept = Replay { walked_to: scanned_to, ..*replay };
                let count = found.len() as u64;
                self.put_back.extend(found);
                Some(Input::PutBack { count, scanned_to })
            }
            Action::Keep(replay) => {
                self.kept = *replay;
                Some(Input::Kept)
            }
            Action::End => None,
        }
    }

    fn answer(&mut self, count: u64) {
        let answered = count.min(self.tally.waiting);
        self.tally.waiting -= answered;
        self.tally.delivered += answered;
    }
}

proptest! {
    #[test]
    fn everything_is_put_back_once_whatever_fails_and_whenever_it_starts_again(
        up_to in 0_u64..200,
        window in 1_u64..20,
        rate in prop::option::of(1_u32..500),
        events in prop::collection::vec((0_u64..8, 0_u8..8), 400),
    ) {
        let mut world = World::new(replay(up_to, rate), window);
        let mut machine = ReplayMachine::new(world.kept.clone());
        let mut action = Action::LookAt(world.now);
        let mut chances = events.into_iter();
        for _ in 0..20_000 {
            let (answers, luck) = chances.next().unwrap_or((8, 7));
            world.answer(answers);
            let input = match luck {
                0 => {
                    machine = ReplayMachine::new(world.kept.clone());
                    action = Action::LookAt(world.now);
                    continue;
                }
                1 if !matches!(action, Action::LookAt(_) | Action::End) => Some(Input::Failed),
                _ => world.perform(action.clone()),
            };
            let Some(input) = input else { break };
            action = machine.handle(input, world.now);
        }
        prop_assert_eq!(world.kept.status, ReplayStatus::Done);
        let expected: Vec<u64> = (1..=up_to).filter(|sequence| sequence % 3 != 0).collect();
        prop_assert_eq!(world.kept.total, Some(expected.len() as u64));
        prop_assert_eq!(world.put_back, expected);
        prop_assert!(world.kept.ended_at.is_some());
    }
}

#[test]
fn it_waits_for_its_turn_and_for_room() {
    let mut world = World::new(replay(30, None), 4);
    world.has_turn = false;
    let mut machine = ReplayMachine::new(world.kept.clone());
    let looked = world.perform(Action::LookAt(world.now)).unwrap();
    assert_eq!(machine.handle(looked, world.now), Action::LookAt(world.now.plus(WAIT_MS)));
    assert_eq!(world.kept.status, ReplayStatus::Queued);
    world.has_turn = true;
    let mut action = Action::LookAt(world.now);
    for _ in 0..50 {
        let input = world.perform(action).unwrap();
        action = machine.handle(input, world.now);
    }
    assert_eq!((world.put_back.len(), world.kept.status), (4, ReplayStatus::Running));
}

#[test]
fn its_rate_is_kept_over_a_second() {
    let mut world = World::new(replay(2000, Some(100)), 10_000);
    let mut machine = ReplayMachine::new(world.kept.clone());
    let start = world.now;
    let mut action = Action::LookAt(start);
    while world.now.since(start) <= 5000 {
        let input = world.perform(action).unwrap();
        world.answer(10_000);
        action = machine.handle(input, world.now);
    }
    let a_second = world.put_back.len() as f64 / 5.0;
    assert!((90.0..=105.0).contains(&a_second), "{a_second}");
}
