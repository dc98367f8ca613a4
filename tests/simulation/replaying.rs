//! A replay's actor: feeds the machine of one replay and performs what it orders.

use crate::keeper::Wish;
use crate::log::{Page, Write};
use crate::world::{Happening, Told, World};
use campanile::delivery::replay::{Action, Facts, Input, ReplayMachine};
use campanile::log::Change;
use campanile::model::{DestinationStatus, EventFilter, Replay, ReplayId, ReplayOnly, Requeue, Sequence};

pub(crate) struct Runner {
    machine: ReplayMachine,
    generation: u64,
}

/// A page looks at so many events.
const PAGE: usize = 20;

impl World {
    /// Starts the actors of replays that have none, ends those of replays that were ended.
    pub(crate) fn reconcile_replays(&mut self) {
        let kept: Vec<Replay> = self.log.management.replays.values().map(|one| (**one).clone()).collect();
        for replay in kept {
            if replay.status.has_ended() {
                self.replays.remove(&replay.id);
            } else if !self.replays.contains_key(&replay.id) {
                self.start_replay(replay);
            }
        }
    }

    fn start_replay(&mut self, replay: Replay) {
        self.generations += 1;
        let (id, generation) = (replay.id, self.generations);
        self.replays.insert(id, Runner { machine: ReplayMachine::new(replay), generation });
        self.soon(Happening::LookFor(id, generation));
    }

    /// Its actor dies, and another one begins where the log says.
    pub(crate) fn restart_replay(&mut self, id: ReplayId) {
        self.replays.remove(&id);
        self.reconcile_replays();
    }

    pub(crate) fn look_for(&mut self, id: ReplayId, generation: u64) {
        if self.replays.get(&id).is_some_and(|runner| runner.generation == generation) {
            match self.facts(id) {
                Some(facts) => self.step_replay(id, generation, Input::Looked(facts)),
                None => drop(self.replays.remove(&id)),
            }
        }
    }

    fn facts(&self, id: ReplayId) -> Option<Facts> {
        let management = &self.log.management;
        let replay = management.replays.get(&id).filter(|replay| !replay.status.has_ended())?;
        let destination = &management.destinations[&replay.destination];
        let same = |other: &Replay| other.destination == replay.destination && other.is_walking();
        let is_first = !management.replays.range(..id).any(|(_, other)| same(other));
        let has_turn = destination.status == DestinationStatus::Active && is_first;
        Some(Facts { tally: self.log.tally(replay.destination, id), has_turn, window: 8 })
    }

    pub(crate) fn step_replay(&mut self, id: ReplayId, generation: u64, input: Input) {
        let now = self.steady();
        let Some(runner) = self.replays.get_mut(&id).filter(|runner| runner.generation == generation) else {
            return;
        };
        match runner.machine.handle(input, now) {
            Action::LookAt(at) => {
                let wait = at.since(now).max(1);
                self.later(wait, Happening::LookFor(id, generation));
            }
            Action::Count { after } => {
                let (deliveries, scanned_to) = self.find(id, after, usize::MAX);
                let input = Input::Counted { found: deliveries.len() as u64, scanned_to };
                self.soon(Happening::ToReplay(id, generation, input));
            }
            Action::PutBack { replay, limit } => self.put_back(replay, generation, limit as usize),
            Action::Keep(replay) => {
                self.wish(Wish::KeepReplay { replay, generation, requeue: None, input: Input::Kept });
            }
            Action::End => drop(self.replays.remove(&id)),
        }
    }

    fn put_back(&mut self, mut replay: Box<Replay>, generation: u64, limit: usize) {
        let (deliveries, scanned_to) = self.find(replay.id, replay.walked_to, limit);
        replay.walked_to = scanned_to;
        let count = deliveries.len() as u64;
        let (destination, due) = (replay.destination, self.steady());
        let requeue = Requeue { destination, deliveries, due, replay: Some(replay.id) };
        let requeue = (count > 0).then_some(requeue);
        let input = Input::PutBack { count, scanned_to };
        self.wish(Wish::KeepReplay { replay, generation, requeue, input });
    }

    pub(crate) fn keep_replay(
        &mut self,
        replay: Box<Replay>,
        generation: u64,
        requeue: Option<Requeue>,
        input: Input,
    ) -> Option<Write> {
        let id = replay.id;
        let kept = self.log.management.replays.get(&id);
        if kept.is_none_or(|kept| !replay.follows(kept, requeue.as_ref())) {
            // The actor ends, and another one begins when the replay has not ended.
            if self.replays.get(&id).is_some_and(|runner| runner.generation == generation) {
                self.restart_replay(id);
            }
            return None;
        }
        let told = Told::Replay(id, generation, input, requeue.clone());
        let requeue = requeue.map(|requeue| Change::Requeue(Box::new(requeue)));
        let changes = requeue.into_iter().chain([Change::PutReplay(replay)]).collect();
        Some(Write { events: Vec::new(), changes, told })
    }

    /// Looks for deliveries after a place.
    fn find(&self, id: ReplayId, after: Sequence, limit: usize) -> (Vec<(Sequence, u32)>, Sequence) {
        let replay = &self.log.management.replays[&id];
        let after = after.max(self.log.oldest.previous());
        if after >= replay.up_to {
            return (Vec::new(), replay.up_to);
        }
        let Page::Events(events, scanned_to) = self.log.read(&EventFilter::default(), after, PAGE) else {
            return (Vec::new(), after);
        };
        let destination = &self.log.management.destinations[&replay.destination];
        let (filter, kept) = (destination.event_filter(), &self.log.consumers[&replay.destination]);
        let mut deliveries = Vec::new();
        for event in events.iter().filter(|event| event.sequence() <= replay.up_to) {
            let sequence = event.sequence();
            let last = self.log.last_attempt(replay.destination, sequence);
            let is_wanted = replay.only == ReplayOnly::Failed || filter.matches(event);
            let is_tried = replay.only != ReplayOnly::Failed || last.is_some();
            if is_wanted && is_tried && replay.only.takes(kept, sequence, last.map(|(_, verdict)| verdict)) {
                deliveries.push((sequence, last.map_or(0, |(attempts, _)| attempts)));
            }
            if deliveries.len() >= limit {
                return (deliveries, sequence);
            }
        }
        (deliveries, scanned_to.min(replay.up_to))
    }
}
