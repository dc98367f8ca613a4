//! Publishers, users and bad luck: everything that happens to the broker from outside.

use crate::child::Message;
use crate::dice::Dice;
use crate::endpoint;
use crate::functions::is_function;
use crate::keeper::{Wish, draft};
use crate::log::{TENANT, Write};
use crate::world::{Happening, Told, World};
use campanile::delivery::lifecycle::Request;
use campanile::model::{
    Destination, DestinationId, DestinationStatus, Ordering, Replay, ReplayId, ReplayOnly, ReplayStatus,
    Requeue, RetryPolicy, SealedSecret, Sequence, Timestamp, TypePattern, UnixMillis, Verification,
};
use campanile::webhook::delivery::Recipient;
use campanile::webhook::signature::LiveSecret;
use std::collections::BTreeMap;
use std::sync::Arc;

const TYPES: [&str; 4] = ["pipeline.started", "pipeline.done", "deck.played", "hr.hired"];
const ORDERS: [Ordering; 4] = [Ordering::None, Ordering::Strict, Ordering::Pipeline, Ordering::RunId];

/// Publishing and meddling go on for so long.
const HORIZON_MS: u64 = 600_000;

/// So late at most is everything settled once every endpoint is well: the longest wait that an endpoint may ask for, once for
/// what waits and once for what waits behind it.
const PATIENCE_MS: u64 = 3 * 3_600_000;

fn patterns(dice: &mut Dice) -> Vec<TypePattern> {
    let all: [&[&str]; 5] = [&[], &["*"], &["pipeline.*"], &["pipeline.done", "deck.played"], &["hr.hired"]];
    dice.pick(&all).iter().map(|text| TypePattern::parse(text).unwrap()).collect()
}

fn retry(dice: &mut Dice) -> RetryPolicy {
    let schedules: [&[u64]; 5] = [&[], &[1], &[1, 2, 4], &[5, 60, 1800], &[1, 1, 1, 1, 1, 1, 1, 1]];
    RetryPolicy { enabled: !dice.chance(50), schedule_s: dice.pick(&schedules).to_vec() }
}

fn destination(number: u128, dice: &mut Dice) -> Destination {
    let at = Timestamp::from(UnixMillis(0));
    Destination {
        id: DestinationId(number),
        tenant: TENANT,
        url: "https://one.example/".to_owned(),
        description: String::new(),
        events: patterns(dice),
        filter: None,
        format: None,
        status: DestinationStatus::Active,
        deactivation: None,
        verification: Verification::None,
        verified: false,
        headers: BTreeMap::new(),
        retry: retry(dice),
        timeout_ms: dice.pick(&[1000, 5000, 15_000]),
        max_in_flight: dice.pick(&[1, 2, 4, 8]),
        rate_limit_per_s: dice.pick(&[None, None, None, Some(1), Some(7)]),
        ordering: dice.pick(&ORDERS),
        signature_header: "X-Signature".to_owned(),
        secrets: vec![secret(dice)],
        start_after: Sequence(dice.pick(&[0, u64::MAX])),
        declared: false,
        created_at: at,
        updated_at: at,
    }
}

/// Sealed by nothing: it is its own text.
fn secret(dice: &mut Dice) -> SealedSecret {
    SealedSecret { sealed: format!("secret-{:016}", dice.below(1 << 40)), expires_at: None }
}

/// A run: trouble, then peace, in which everything has to be settled.
pub(crate) fn run(seed: u64) -> World {
    let mut world = World::new(seed);
    for number in 1..=u128::from(world.dice.between(2, 20)) {
        world.create(number);
    }
    for _ in 0..world.dice.between(5, 60) {
        let at = world.dice.below(HORIZON_MS);
        world.later(at, Happening::Publish);
    }
    for _ in 0..world.dice.between(5, 80) {
        let at = world.dice.below(HORIZON_MS);
        world.later(at, Happening::Meddle);
    }
    world.live_until(HORIZON_MS);
    world.settle();
    world
}

impl World {
    fn create(&mut self, number: u128) {
        let mut one = destination(number, &mut self.dice);
        if is_function(one.id) {
            (one.ordering, one.rate_limit_per_s) = (Ordering::None, None);
        }
        let mood = endpoint::mood(&mut self.dice);
        self.moods.insert(one.id, mood);
        self.wish(Wish::Create(Box::new(one)));
    }

    fn settle(&mut self) {
        self.is_draining = true;
        let is_fresh = self.dice.chance(500);
        if is_fresh {
            self.crash();
        }
        // Whatever is down comes up again first.
        self.live_until(HORIZON_MS + 60_000);
        self.moods.values_mut().for_each(|mood| *mood = endpoint::Mood::Fast);
        let begin = self.mono.max(HORIZON_MS + 60_000);
        // One that was about to be switched off is switched on after that.
        for minute in 1..=3 {
            for id in self.ids() {
                self.wish(Wish::Switch { id, request: Request::Activate, skips: false });
            }
            self.live_until(begin + minute * 60_000);
        }
        self.live_until(begin + PATIENCE_MS);
        assert!(self.is_at_rest(), "it takes too long");
        self.judge.is_settled(&self.log);
        if is_fresh {
            self.secrets_are_forgotten();
        }
    }

    fn ids(&self) -> Vec<DestinationId> {
        self.log.management.destinations.keys().copied().collect()
    }

    pub(crate) fn publish(&mut self) {
        if !self.is_up {
            return;
        }
        let dice = &mut self.dice;
        let count = if dice.chance(800) { dice.between(1, 3) } else { dice.between(10, 25) };
        let draw = |_| draft(dice.pick(&TYPES), Some(dice.below(3)), Some(dice.below(6)));
        let events = (0..count).map(draw).collect();
        self.write(Write { events, changes: Vec::new(), told: Told::Nobody });
    }

    pub(crate) fn meddle(&mut self) {
        let choice = self.dice.below(100);
        if self.wind(choice) || !self.is_up {
            return;
        }
        let ids = self.ids();
        if ids.is_empty() {
            return;
        }
        let id = self.dice.pick(&ids);
        if is_function(id) && matches!(choice, 30..50 | 62..78) {
            return;
        }
        match choice {
            0..30 => {}
            30..37 => self.wish(Wish::Switch { id, request: Request::Deactivate, skips: false }),
            37..50 => {
                let skips = self.dice.chance(400);
                self.wish(Wish::Switch { id, request: Request::Activate, skips });
            }
            50..62 => self.edit(id),
            62..66 => self.rotate(id),
            66..78 => self.replay(id),
            78..88 => {
                let replays = self.log.management.replays.values();
                let all: Vec<ReplayId> =
                    replays.filter(|one| !one.status.has_ended()).map(|one| one.id).collect();
                if !all.is_empty() {
                    let replay = self.dice.pick(&all);
                    self.wish(Wish::StopReplay(replay));
                }
            }
            88..95 => self.resend(id),
            95..98 => {
                let number = 100 + u128::from(self.dice.below(1000));
                self.create(number);
            }
            _ => {
                let back = self.dice.below(40);
                let oldest = Sequence(self.log.head.0.saturating_sub(back));
                self.log.trim(oldest);
                self.judge.trimmed(self.log.oldest);
            }
        }
    }

    /// What befalls the process and the endpoints. Gives whether anything did.
    fn wind(&mut self, choice: u64) -> bool {
        match choice {
            0..10 => {
                let ids: Vec<DestinationId> = self.moods.keys().copied().collect();
                let id = self.dice.pick(&ids);
                let mood = endpoint::mood(&mut self.dice);
                self.moods.insert(id, mood);
            }
            10..16 => self.crash(),
            16..22 => {
                let ids: Vec<DestinationId> = self.children.keys().copied().collect();
                if !ids.is_empty() {
                    let id = self.dice.pick(&ids);
                    self.lose_attempts(id);
                    self.child_dies(id);
                }
            }
            22..24 => {
                let all: Vec<ReplayId> = self.replays.keys().copied().collect();
                if !all.is_empty() {
                    let id = self.dice.pick(&all);
                    self.restart_replay(id);
                }
            }
            24..30 => {
                let jump = self.dice.pick(&[1000, 60_000, 3_600_000, 86_400_000]);
                self.judge.counts.jumps += 1;
                self.wall_ahead += if self.dice.chance(500) { jump } else { -jump };
            }
            _ => return false,
        }
        true
    }

    fn child_dies(&mut self, id: DestinationId) {
        if self.children.get(&id).is_some_and(|child| child.actor.is_some()) {
            self.child_stopped(id);
        }
    }

    fn edit(&mut self, id: DestinationId) {
        let dice = &mut self.dice;
        let kinds: &[u64] = if is_function(id) { &[0, 1, 2] } else { &[0, 1, 2, 3, 4, 5] };
        let edit: Box<dyn Fn(&mut Destination)> = match dice.pick(kinds) {
            0 => {
                let events = patterns(dice);
                Box::new(move |one| one.events.clone_from(&events))
            }
            1 => {
                let window = dice.pick(&[1, 2, 4, 8]);
                Box::new(move |one| one.max_in_flight = window)
            }
            2 => {
                let retry = retry(dice);
                Box::new(move |one| one.retry.clone_from(&retry))
            }
            3 => {
                let rate = dice.pick(&[None, Some(2), Some(50)]);
                Box::new(move |one| one.rate_limit_per_s = rate)
            }
            4 => {
                let ordering = dice.pick(&ORDERS);
                Box::new(move |one| one.ordering = ordering)
            }
            _ => {
                let url = format!("https://{}.example/", dice.below(1000));
                Box::new(move |one| one.url.clone_from(&url))
            }
        };
        self.wish(Wish::Become { id, edit });
    }

    fn rotate(&mut self, id: DestinationId) {
        let (next, now) = (secret(&mut self.dice), self.wall());
        let until = Timestamp::from(now.plus(self.dice.pick(&[0, 30_000, 900_000])));
        let edit = Box::new(move |one: &mut Destination| {
            for earlier in &mut one.secrets {
                earlier.expires_at = Some(earlier.expires_at.unwrap_or(until).min(until));
            }
            one.secrets.retain(|earlier| earlier.expires_at > Some(Timestamp::from(now)));
            one.secrets.insert(0, next.clone());
        });
        self.wish(Wish::Become { id, edit });
    }

    fn replay(&mut self, destination: DestinationId) {
        let only = self.dice.pick(&[ReplayOnly::Failed, ReplayOnly::Missing, ReplayOnly::All]);
        let rate_per_s = self.dice.pick(&[None, Some(1), Some(30)]);
        self.generations += 1;
        let replay = Replay {
            id: ReplayId(u128::from(self.generations)),
            tenant: TENANT,
            destination,
            since: None,
            until: None,
            types: Vec::new(),
            only,
            rate_per_s,
            up_to: Sequence::ZERO,
            status: ReplayStatus::Queued,
            total: None,
            walked_to: Sequence::ZERO,
            created_at: Timestamp::from(self.wall()),
            ended_at: None,
        };
        self.wish(Wish::MakeReplay(Box::new(replay)));
    }

    /// A user has a delivery sent again that had an attempt.
    fn resend(&mut self, destination: DestinationId) {
        let sequence = Sequence(1 + self.dice.below(self.log.head.0 + 1));
        let last = self.log.last_attempt(destination, sequence);
        if let (Some((attempts, _)), Some(_)) = (last, self.log.event(sequence)) {
            let deliveries = vec![(sequence, attempts)];
            let requeue = Requeue { destination, deliveries, due: self.steady(), replay: None };
            let changes = vec![campanile::log::Change::Requeue(Box::new(requeue.clone()))];
            self.write(Write { events: Vec::new(), changes, told: Told::Resent(requeue) });
        }
    }

    /// Has a secret forgotten once its overlap is over.
    pub(crate) fn mind_secrets(&mut self, destination: &Arc<Destination>, generation: u64) {
        let ends = destination.secrets.iter().filter_map(|secret| secret.expires_at);
        if let Some(first) = ends.map(UnixMillis::from).min() {
            let wait = first.since(self.wall()).max(1) + 100;
            self.later(wait, Happening::ToChild(destination.id, generation, Message::SecretsExpire));
        }
    }

    pub(crate) fn forget_secrets(&mut self, destination: &Arc<Destination>, generation: u64) {
        let now = Timestamp::from(self.wall());
        if destination.secrets.iter().any(|secret| secret.expires_at.is_some_and(|end| end <= now)) {
            self.wish(Wish::Switch { id: destination.id, request: Request::ForgetSecrets, skips: false });
        } else {
            // The clock was set back.
            self.mind_secrets(destination, generation);
        }
    }

    /// What a start does with secrets whose overlap ended while nothing ran.
    pub(crate) fn forget_past_secrets(&mut self) {
        for id in self.ids() {
            self.wish(Wish::Switch { id, request: Request::ForgetSecrets, skips: false });
        }
    }

    /// A delivery is signed with the current secret and with every earlier one in its overlap.
    pub(crate) fn is_signed(destination: &Destination, wall: UnixMillis) {
        let until = |secret: &SealedSecret| secret.expires_at.map(UnixMillis::from);
        let open = |secret: &SealedSecret| LiveSecret::new(secret.sealed.clone(), until(secret));
        let secrets: Vec<LiveSecret> = destination.secrets.iter().map(open).collect();
        let format = Arc::new(|_, _: &str| campanile::model::BodyFormat::Envelope);
        let note = Recipient::new(destination, &secrets, format).note(None, wall);
        let live = destination.secrets.iter().skip(1).filter(|secret| until(secret) > Some(wall)).count();
        assert_eq!((usize::from(note.signatures), until(&destination.secrets[0])), (1 + live, None));
    }

    /// In the end one secret is left of each.
    fn secrets_are_forgotten(&self) {
        let wall = Timestamp::from(self.wall());
        for one in self.log.management.destinations.values() {
            let is_over = one.secrets.iter().any(|secret| secret.expires_at.is_some_and(|end| end < wall));
            assert!(!is_over, "{} keeps a secret that is over", one.id);
        }
    }
}
